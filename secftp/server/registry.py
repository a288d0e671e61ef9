"""Registry of the authenticated connections of a server, and the session slots that they have.

Where there is no slot, an additional stream of a client gives way (`additional`).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from secftp.server.additional import AdditionalStreams
from secftp.server.session_limits import Registered, SlotClaim, SlotCounter

if TYPE_CHECKING:
    from secftp.server.access import Grant
    from secftp.server.fairness import SourceAddress
    from secftp.server.options import ServerLimits
    from secftp.server.session_limits import SlotLimit

# Authenticated clients that are told that there is no slot: each has a thread for as long as that takes.
REJECTED_MAX: Final = 64

_T = TypeVar("_T", bound=Registered)


class ConnectionRegistry(Generic[_T]):
    """All authenticated connections of a server. Thread-safe."""

    def __init__(self, limits: ServerLimits, max_clients: int) -> None:
        self._lock = threading.Lock()
        self._connections: set[_T] = set()
        self._slots = SlotCounter(limits, max_clients)
        self._additional: AdditionalStreams[_T] = AdditionalStreams(self._slots)
        self._rejected = 0

    def limit_for(self, source: SourceAddress, grant: Grant) -> SlotLimit | None:
        """Return the limit that would refuse this client a session, as far as it may be told before its proof."""
        claim = SlotClaim(source, grant)
        with self._lock:
            limit = self._slots.limit_for(claim, proved=False)
            if limit is not None and self._additional.find(claim, proved=False) is not None:
                return None
            return limit

    def add(self, connection: _T) -> bool:
        """Add an authenticated connection, and take a session slot or set its `refused_by`.

        Returns False, and adds nothing, if there is not even a thread for telling it that there is no slot.
        """
        with self._lock:
            connection.refused_by = self._slots.limit_for(connection.claim, proved=True)
            if connection.refused_by is None:
                self._slots.add(connection.claim)
            elif self._additional.borrow(connection):
                connection.refused_by = None
            elif self._rejected >= REJECTED_MAX:
                return False
            else:
                self._rejected += 1
            self._connections.add(connection)
            return True

    def streams_for(self, grant: Grant) -> int:
        """Return how many sessions a client with this grant may use for one transfer."""
        return self._slots.streams_for(grant)

    def decide(self, connection: _T, *, additional: bool) -> _T | None:
        """Note whether a session is an additional stream; return the session that has to end, if one has to."""
        with self._lock:
            return self._additional.decide(connection, additional=additional)

    def remove(self, connection: _T) -> None:
        """Remove a closed connection and free its slot; idempotent."""
        with self._lock:
            if connection not in self._connections:
                return
            self._connections.remove(connection)
            if connection.refused_by is None:
                self._additional.remove(connection)
            else:
                self._rejected -= 1

    def all(self) -> list[_T]:
        """Return the connections that there are now."""
        with self._lock:
            return list(self._connections)
