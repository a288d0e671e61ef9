"""Listings of the directories of a tree, requested before their turn comes: no directory waits for a round trip.

Invariant: what waits is bounded, however the tree is made. A listing for which there is no room is dropped and
requested again when its turn has come, so a large directory costs a round trip and no memory.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from secftp.errors import FileError
from secftp.protocol import Entries, Kind, List
from secftp.session.listings import entry_cost
from secftp.session.replies import ListingReply
from secftp.session.requested import RequestedListing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from secftp.protocol import Listed
    from secftp.session.pipeline import Pipeline
    from secftp.storage import Path
    from secftp.transport import Received

AHEAD: Final = 256  # listings that may be under way before they are used
KEPT_BYTES: Final = 8 << 20  # of memory for the listings that wait, with their entries as they are
_LISTING_BYTES: Final = 1024  # of a listing without its entries

_Item = TypeVar("_Item")
_Place = TypeVar("_Place")
_Asked_contra = TypeVar("_Asked_contra", contravariant=True)


class ListingsAhead:
    """The listings of directories at a server. Not for two threads.

    `whole_tree`: request the directories in listings that have come, too, as long as there is room. `others`: with
    symlinks and special files.
    """

    def __init__(self, pipeline: Pipeline, *, whole_tree: bool = True, others: bool = False) -> None:
        self._pipeline = pipeline
        self._others = others
        self._whole_tree = whole_tree
        self._waiting: dict[Path, _Waiting] = {}
        self._parents: dict[Path, _Waiting] = {}  # those with directories that were not requested yet, in order
        self._nbytes = 0  # of the listings that wait
        self._under_way = 0  # of them
        self._adopted: RequestedListing | None = None

    def has_room(self, *, soon: bool) -> bool:
        """Whether another listing may be requested ahead; half of the memory is for those that are used `soon`."""
        return self._under_way < AHEAD and self._nbytes < (KEPT_BYTES if soon else KEPT_BYTES // 2)

    def adopt(self, listing: RequestedListing) -> None:
        """Take over the listing that will be taken first; what has come of it is not counted."""
        self._adopted = listing

    def request(self, path: Path) -> None:
        """Request a listing that will be taken or discarded."""
        if path in self._waiting:
            return
        reply = _Waiting(path, self._arrived)
        try:
            reply.listing = self._request(path, reply)
        except FileError:
            return  # a bad name; `take` raises that
        self._waiting[path] = reply
        self._under_way += 1
        self._nbytes += reply.nbytes

    def take(self, path: Path) -> Iterator[Listed]:
        """Yield the entries of a directory, as `Session.list` does; requests the listing if that was not done."""
        if (adopted := self._adopted) is not None:
            self._adopted = None
            return adopted.entries()
        self._pipeline.poll()
        self._request_below()
        reply = self._waiting.pop(path, None)
        if reply is not None:
            self._release(reply)
            if reply.listing is not None:
                return reply.listing.entries()
        return self._request(path, ListingReply()).entries()

    def discard(self, path: Path) -> None:
        """Drop the listing of a directory that will not be taken, and those below it."""
        reply = self._waiting.pop(path, None)
        if reply is not None:
            self._release(reply)
            self._drop(reply)
            for below in reply.requested:
                self.discard(below)

    def close(self) -> None:
        """Drop all that was not taken."""
        if self._adopted is not None:
            self._adopted.drop()
            self._adopted = None
        for path in tuple(self._waiting):
            self.discard(path)

    def _request(self, path: Path, reply: ListingReply) -> RequestedListing:
        return RequestedListing(
            self._pipeline, List(id=self._pipeline.next_id(), path=path, others=self._others), reply
        )

    def _request_below(self) -> None:
        """Request the directories in listings that have come and are not used yet."""
        while self._parents and self.has_room(soon=False):
            parent = next(iter(self._parents.values()))
            path = (*parent.path, parent.directories.popleft())
            if not parent.directories:
                del self._parents[parent.path]
            parent.requested.append(path)
            self.request(path)

    def _arrived(self, reply: _Waiting, nbytes: int) -> None:
        """Count entries that have come; drop the listing if they are too many. Called while something else waits."""
        self._nbytes += nbytes
        if self._nbytes > KEPT_BYTES:
            self._release(reply)
            self._drop(reply)
        elif reply.complete:
            self._under_way -= 1
            reply.is_under_way = False
            if not self._whole_tree:
                return
            reply.directories.extend(entry.path[0] for entry in reply.entries if entry.kind is Kind.DIRECTORY)
            if reply.directories:
                self._parents[reply.path] = reply

    def _release(self, reply: _Waiting) -> None:
        """Count a listing no more: it is used or dropped."""
        if reply.arrived is not None:
            self._nbytes -= reply.nbytes
            self._under_way -= reply.is_under_way
            reply.is_under_way = False
            reply.arrived = None
        self._parents.pop(reply.path, None)

    @staticmethod
    def _drop(reply: _Waiting) -> None:
        listing, reply.listing = reply.listing, None
        if listing is not None:
            listing.drop()


class _Waiting(ListingReply):
    """The reply to a listing that is not used yet. `arrived` is called with what each part takes, while it waits.

    `listing`: None once it was dropped. `directories`: names that were not requested yet, `requested`: paths that were.
    """

    __slots__ = ("arrived", "directories", "is_under_way", "listing", "nbytes", "path", "requested")

    def __init__(self, path: Path, arrived: Callable[[_Waiting, int], None]) -> None:
        super().__init__()
        self.path = path
        self.nbytes = _LISTING_BYTES
        self.is_under_way = True
        self.listing: RequestedListing | None = None
        self.arrived: Callable[[_Waiting, int], None] | None = arrived
        self.directories: deque[bytes] = deque()
        self.requested: list[Path] = []

    def __call__(self, received: Received) -> bool:
        """Take a part of the listing."""
        is_last = super().__call__(received)
        if self.arrived is not None:
            nbytes = sum(map(entry_cost, received.entries)) if isinstance(received, Entries) else 0
            self.nbytes += nbytes
            self.arrived(self, nbytes)
        return is_last


# --- the order of a tree ----------------------------------------------------------------------------------------------


class LookAhead(Protocol[_Asked_contra]):
    """What is told of places before their turn."""

    def has_room(self, *, soon: bool) -> bool:
        """Whether another place may be requested; `soon`: one that will be entered next."""
        ...

    def request(self, place: _Asked_contra, /) -> None:
        """Prepare for entering a place."""
        ...


class _Places(Generic[_Place]):
    """Places in order; some of them are known before their turn."""

    __slots__ = ("_known", "_rest")

    def __init__(self, places: Iterator[_Place]) -> None:
        self._known: deque[_Place] = deque()
        self._rest: Iterator[_Place] | None = places

    def next(self) -> _Place | None:
        """Return the next place, None after the last."""
        if not self._known:
            self.look_ahead()
        return self._known.popleft() if self._known else None

    def look_ahead(self) -> _Place | None:
        """Return the first place that was not known yet, None if there is none."""
        place = None if self._rest is None else next(self._rest, None)
        if place is None:
            self._rest = None
        else:
            self._known.append(place)
        return place


def depth_first(
    top: _Place,
    enter: Callable[[_Place], Generator[_Item, None, Iterator[_Place]]],
    ahead: LookAhead[_Place],
) -> Iterator[_Item]:
    """Yield what `enter` yields for `top` and for each place below it.

    `enter` returns the places directly below the one that it was called with. Places that will be entered are requested
    of `ahead`, those that come soonest first, as long as it has room.
    """
    pending = [_Places((yield from enter(top)))]
    while pending:
        for depth, places in enumerate(reversed(pending)):
            while ahead.has_room(soon=not depth) and (coming := places.look_ahead()) is not None:
                ahead.request(coming)
        place = pending[-1].next()
        if place is None:
            pending.pop()
        else:
            pending.append(_Places((yield from enter(place))))
