"""Registry of the authenticated connections of a server, and the session slots that they have.

Where there is no slot, an additional stream of a client gives way (`additional`). Servers that share their counts ask
all of them for a second slot: in the thread of the connection, and never under the lock.
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
    from secftp.server.session_limits import Condition, SlotLimit
    from secftp.server.shared import SharedSlots

# Authenticated clients that are told that there is no slot: each has a thread for as long as that takes.
REJECTED_MAX: Final = 64

_T = TypeVar("_T", bound=Registered)


class ConnectionRegistry(Generic[_T]):
    """All authenticated connections of a server. Thread-safe.

    `others`: the slots of all servers that count together.
    """

    def __init__(self, limits: ServerLimits, max_clients: int, others: SharedSlots | None = None) -> None:
        self._lock = threading.Lock()
        self._connections: set[_T] = set()
        self._slots = SlotCounter(limits, max_clients)
        self._additional: AdditionalStreams[_T] = AdditionalStreams(self._slots)
        self._rejected = 0
        self._others = others
        self._everywhere: set[_T] = set()  # those that all servers count
        self._refused_elsewhere: set[_T] = set()  # which keep the slot that they have here until they are told

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

    def count_everywhere(self, connection: _T) -> None:
        """Count a session at all servers together, or set its `refused_by`. In its own thread: Redis is asked."""
        others = self._others
        if others is None or connection.refused_by is not None:
            return
        claim = connection.claim
        conditions = self._slots.conditions_for(claim)
        with self._lock:
            lender = self._additional.lender_of(connection)
            if lender not in self._everywhere:
                lender = None
            self._everywhere.discard(connection if lender is None else lender)
        refused = others.take(claim.counted, conditions, () if lender is None else lender.claim.counted)
        if refused is not None and lender is None and (lender := self._lend(connection, refused)) is not None:
            refused = others.take(claim.counted, conditions, lender.claim.counted)
        with self._lock:
            if refused is None:
                self._everywhere.add(connection)
                return
            connection.refused_by = refused.limit
            self._refused_elsewhere.add(connection)
            has_left = lender is not None and lender not in self._connections
            if lender is not None and not has_left:
                self._everywhere.add(lender)
        if has_left and lender is not None:
            others.release(lender.claim.counted)

    def _lend(self, connection: _T, refused: Condition) -> _T | None:
        """Have an additional stream of this server give its slot to a session that other servers leave no slot."""
        with self._lock:
            for stream in self._additional.newest():
                if stream in self._everywhere and refused.what in stream.claim.counted:
                    self._additional.lend(stream, connection)
                    self._everywhere.discard(stream)
                    return stream
        return None

    def streams_for(self, grant: Grant) -> int:
        """Return how many sessions a client with this grant may use for one transfer."""
        return self._slots.streams_for(grant)

    def decide(self, connection: _T, *, additional: bool) -> _T | None:
        """Note whether a session is an additional stream; return the session that has to end, if one has to."""
        with self._lock:
            lender = self._additional.lender_of(connection)
            ending = self._additional.decide(connection, additional=additional)
            swap = self._swap(connection, lender if additional else None)
        self._release(swap)
        return ending

    def remove(self, connection: _T) -> None:
        """Remove a closed connection and free its slot; idempotent."""
        with self._lock:
            if connection not in self._connections:
                return
            self._connections.remove(connection)
            lender = self._additional.lender_of(connection)
            if connection.refused_by is None or connection in self._refused_elsewhere:
                self._refused_elsewhere.discard(connection)
                self._additional.remove(connection)
            else:
                self._rejected -= 1
            swap = self._swap(connection, lender)
            if swap is None and connection in self._everywhere:
                self._everywhere.discard(connection)
                swap = connection, None
        self._release(swap)

    def _swap(self, connection: _T, lender: _T | None) -> tuple[_T, _T | None] | None:
        """Note that a session gives back the slot that it had from a stream; under the lock."""
        if lender is None or connection not in self._everywhere:
            return None
        self._everywhere.discard(connection)
        if lender in self._connections:
            self._everywhere.add(lender)
            return connection, lender
        return connection, None

    def _release(self, swap: tuple[_T, _T | None] | None) -> None:
        """Tell all servers; not under the lock."""
        if swap is not None and self._others is not None:
            connection, instead = swap
            self._others.release(connection.claim.counted, () if instead is None else instead.claim.counted)

    def all(self) -> list[_T]:
        """Return the connections that there are now."""
        with self._lock:
            return list(self._connections)
