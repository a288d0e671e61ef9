"""Additional streams among the sessions, which give way to others where slots are short.

A client may use several sessions for one transfer; all but one call themselves additional in their first request. A new
session that finds no slot gets that of an additional stream, which is ended, but only when the new one turns out not to
be an additional stream itself: until then the stream goes on. Invariants: an additional stream never takes a slot from
another session; as many sessions are over the limit as have not sent their first request, at most `UNDECIDED_MAX`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from secftp.server.session_limits import Registered, SlotClaim, SlotCounter

# Sessions that have the slot of an additional stream, and have not sent a request yet.
UNDECIDED_MAX: Final = 32
# Additional streams that are examined for one that could give its slot, the newest first.
_EXAMINED: Final = 64

_T = TypeVar("_T", bound="Registered")


class AdditionalStreams(Generic[_T]):
    """The additional streams of a server. `slots` are those that they and all others have. Not thread-safe."""

    def __init__(self, slots: SlotCounter) -> None:
        self._slots = slots
        self._streams: dict[_T, None] = {}  # the newest last
        self._lenders: dict[_T, _T] = {}  # by an undecided session: the stream whose slot it has
        self._without_slot: set[_T] = set()

    def find(self, claim: SlotClaim, *, proved: bool) -> _T | None:
        """Return a stream whose slot would let this session in; None if there is none."""
        if len(self._lenders) >= UNDECIDED_MAX:
            return None
        for stream in itertools.islice(reversed(self._streams), _EXAMINED):
            self._slots.remove(stream.claim)
            try:
                if self._slots.limit_for(claim, proved=proved) is None:
                    return stream
            finally:
                self._slots.add(stream.claim)
        return None

    def borrow(self, connection: _T) -> bool:
        """Give the slot of a stream to a new connection; return whether there was one."""
        stream = self.find(connection.claim, proved=True)
        if stream is None:
            return False
        self.lend(stream, connection)
        self._slots.add(connection.claim)
        return True

    def lend(self, stream: _T, connection: _T) -> None:
        """Take the slot of a stream for a connection, which has none or is not to have one more."""
        del self._streams[stream]
        self._slots.remove(stream.claim)
        self._without_slot.add(stream)
        self._lenders[connection] = stream

    def newest(self) -> list[_T]:
        """Return the streams that could give their slot, the newest first; none if too many have done so."""
        has_room = len(self._lenders) < UNDECIDED_MAX
        return list(itertools.islice(reversed(self._streams), _EXAMINED if has_room else 0))

    def lender_of(self, connection: _T) -> _T | None:
        """Return the stream whose slot an undecided connection has; None if it has its own."""
        return self._lenders.get(connection)

    def decide(self, connection: _T, *, additional: bool) -> _T | None:
        """Note what a session calls itself in a request; return the one that has to end, which may be itself."""
        lender = self._lenders.pop(connection, None)
        if not additional:
            return lender
        if lender is not None:
            self._slots.remove(connection.claim)
            self._without_slot.add(connection)
            self._return_slot(lender)
            return connection
        if connection not in self._without_slot:
            self._streams[connection] = None
        return None

    def remove(self, connection: _T) -> None:
        """Remove a closed connection and free its slot."""
        self._streams.pop(connection, None)
        lender = self._lenders.pop(connection, None)
        if connection in self._without_slot:
            self._without_slot.remove(connection)
            self._lenders = {one: other for one, other in self._lenders.items() if other is not connection}
            return
        self._slots.remove(connection.claim)
        if lender is not None:
            self._return_slot(lender)

    def _return_slot(self, stream: _T) -> None:
        self._without_slot.discard(stream)
        self._slots.add(stream.claim)
        self._streams[stream] = None
