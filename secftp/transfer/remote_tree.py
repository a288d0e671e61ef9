"""The files and directories of a download, listed a directory at a time.

Some listings are always under way while files are fetched. A directory's entries are used once all of them are here, so
a listing that was interrupted can be requested again; the entries that wait are kept packed, so that a directory of a
million names takes some megabytes. The tree is walked depth first, which keeps the number of open directories small. A
directory is complete when everything in it is.

Invariant: a name from the server that is not a single name ends the session. What the store does not take fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import ConnectionLost, FileError, ProtocolError, Side
from secftp.protocol import Entries, Error, ErrorCode, Kind, List, exception_for
from secftp.session import unexpected_reply
from secftp.session.listings import BLOCK, MemoryBudget, PackedEntries, entry_cost
from secftp.transfer.progress import LEFT_OUT, Places, TransferItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.protocol import Listed
    from secftp.session.pipeline import Pipeline
    from secftp.storage import Path
    from secftp.transfer.filters import Filters
    from secftp.transfer.progress import Counters
    from secftp.transport import Received
    from secftp.waits import Waits

MOST_BYTES: Final = 32 << 20  # of the entries that wait in all directories, packed: two million with longish names
_LISTINGS_AHEAD: Final = 16
_SMALL_LISTINGS_AHEAD: Final = 128  # as long as each was one message, and little waits
_LITTLE_BYTES: Final = MOST_BYTES // 8
# Of a server within `_NEAR_SECONDS` of round trip: there, listings that are requested ahead only delay the first files.
# Doubled by each listing of less than `_FEW_ENTRIES`, since those gather few files for a request.
_LISTINGS_AHEAD_NEAR: Final = 2
_FEW_ENTRIES: Final = 128
_NEAR_SECONDS: Final = 0.005


class RemoteDirectory:
    """A directory that is being copied. `remote`: its path at the server; `local`: below the target.

    `name`: for the listener. `below`: the path below its source, for the filters. `incomplete` counts what is missing
    until the directory is complete. `sets_attributes`: whether it then gets the server's permissions and time.
    `is_open`: whether there is a directory for it, None before that was tried.
    """

    __slots__ = (
        "_entries", "below", "budget", "incomplete", "is_open", "local", "mode", "mtime_ns", "name", "parent", "remote",
        "sets_attributes",
    )  # fmt: skip

    def __init__(
        self,
        remote: Path,
        local: Path,
        name: bytes,
        *,
        below: Path = (),
        parent: RemoteDirectory | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        self.remote = remote
        self.local = local
        self.name = name
        self.below = below
        self.parent = parent
        self.mode = 0
        self.mtime_ns = 0
        self.sets_attributes = False
        self.incomplete = 0
        self.is_open: bool | None = None
        self.keep_in(budget or MemoryBudget(MOST_BYTES))  # the same for all directories of a tree

    def keep_in(self, budget: MemoryBudget) -> None:
        """Count its entries in this budget; to be called before there are any."""
        self.budget = budget
        self._entries = PackedEntries(budget)

    @property
    def places(self) -> Places:
        """Its paths at the server and on this machine."""
        return Places(self.remote, None, self.local)

    @property
    def source(self) -> bytes:
        """The name of the source that it is in, empty for the served directory."""
        top = self
        while top.parent is not None:
            top = top.parent
        return top.remote[-1] if top.remote else b""

    def child(self, listed: Listed) -> RemoteDirectory:
        """Return a directory in it."""
        last = listed.path[0]
        directory = RemoteDirectory(
            (*self.remote, last),
            (*self.local, last),
            self.name_of(last),
            below=(*self.below, last),
            parent=self,
            budget=self.budget,
        )
        directory.mode, directory.mtime_ns, directory.sets_attributes = listed.mode, listed.mtime_ns, True
        return directory

    def name_of(self, last: bytes) -> bytes:
        """Return the name of an entry of it for the listener."""
        return b"%b/%b" % (self.name, last) if self.name else last

    def add(self, entries: tuple[Listed, ...]) -> None:
        """Keep a part of its listing.

        Raises `ProtocolError` for what is not a direct entry, `TooLarge` for more than can be kept.
        """
        for entry in entries:
            if len(entry.path) != 1:
                raise ProtocolError("A listing contains an entry of another directory.")
            self._entries.append(entry, entry_cost(entry))

    def forget(self) -> None:
        """Drop its entries: the listing starts again, or is of no use."""
        self._entries.clear()

    def entries(self) -> Iterator[Listed]:
        """Yield its entries, and forget each."""
        return iter(self._entries)


class RemoteFile(TransferItem):
    """A file to be downloaded. `size`, `mtime_ns` and `mode` are those of the listing.

    `local_name`: the name of the file here, if the user gave it. `in_parts`: whether it may be fetched in parts.
    """

    __slots__ = ("directory", "in_parts", "last", "local_name", "mode", "mtime_ns")
    size: int

    def __init__(
        self,
        directory: RemoteDirectory,
        last: bytes,
        size: int,
        mtime_ns: int,
        mode: int,
        local_name: str | None = None,
    ) -> None:
        super().__init__(size)
        self.directory = directory
        self.last = last
        self.mtime_ns = mtime_ns
        self.mode = mode
        self.local_name = local_name
        self.in_parts = True

    @property
    def name(self) -> bytes:
        """Its name for the listener."""
        return self.directory.name_of(self.last)

    @property
    def remote(self) -> Path:
        """Its path at the server."""
        return (*self.directory.remote, self.last)

    @property
    def local(self) -> Path:
        """Its path below the target."""
        return (*self.directory.local, self.last)

    def check(self, size: int, mtime_ns: int, /) -> None:
        """Raise a `FileError` if a file of this size and time is not the one that is wanted."""

    @property
    def places(self) -> Places:
        """Its paths at the server and on this machine."""
        return Places(self.remote, self.local_name, () if self.local_name is not None else self.local)

    @property
    def below(self) -> Path:
        """Its path in its source; of a file that is the source, its name."""
        return (*self.directory.below, self.last)


class RemoteTree:
    """What is left of the sources of a download.

    `opened` is called for each directory found, and returns whether it is to be listed; `closed` when everything in it
    is complete. If there are patterns for what is included, both only for directories of files that are.
    """

    def __init__(
        self,
        tops: Iterable[RemoteDirectory | RemoteFile],
        filters: Filters,
        counters: Counters,
        opened: Callable[[RemoteDirectory], bool],
        closed: Callable[[RemoteDirectory], None],
    ) -> None:
        self._tops = iter(tops)
        self._filters = filters
        self._counters = counters
        self._opened = opened
        self._closed = closed
        self._requested: dict[RemoteDirectory, None] = {}  # in order
        self._has_large = False  # whether a listing was more than one message
        self._listed: list[tuple[RemoteDirectory, Iterator[Listed]]] = []
        self._budget = MemoryBudget(MOST_BYTES)  # for the entries that wait, in all directories
        self._near_ahead = 0  # 0: the server is not near

    def use_round_trip(self, seconds: float | None) -> None:
        """Choose how many listings are requested ahead, by the round trip to the server if that is known."""
        is_near = seconds is not None and seconds < _NEAR_SECONDS
        self._near_ahead = 1 if is_near else 0  # the first listing is that of the source alone

    def request_again(self, pipeline: Pipeline) -> None:
        """Request, over a new session, the listings that the last one did not complete."""
        for directory in list(self._requested):
            directory.forget()
            self._request(directory, pipeline)

    def next(self, pipeline: Pipeline, before_waiting: Callable[[], None]) -> RemoteFile | None:
        """Return the next file, None after the last; `before_waiting` is called before each wait for a listing."""
        while True:
            if len(self._requested) < self._most_requested:
                found = self._take_next(pipeline)
                if isinstance(found, RemoteFile):
                    return found
                if found:
                    continue
                if not self._requested:
                    return None
            before_waiting()
            pipeline.step()

    @property
    def _most_requested(self) -> int:
        """How many listings may be under way: a round trip for each few directories, and no memory for large ones."""
        is_little = not self._has_large and self._budget.nbytes < _LITTLE_BYTES
        most = _SMALL_LISTINGS_AHEAD if is_little else _LISTINGS_AHEAD
        return min(self._near_ahead or most, most)

    def done(self, directory: RemoteDirectory | None) -> None:
        """One entry of a directory is complete."""
        while directory is not None:
            directory.incomplete -= 1
            if directory.incomplete:
                return
            if directory.is_open:
                self._closed(directory)
            directory = directory.parent

    def _take_next(self, pipeline: Pipeline) -> RemoteFile | bool:
        """Take the next entry that is here: return a file, True for anything else, False if there is none now."""
        if self._listed:
            directory, entries = self._listed[-1]
            entry = next(entries, None)
            if entry is not None:
                return self._take(directory, entry, pipeline)
            self._listed.pop()
            self.done(directory)
            return True
        top = next(self._tops, None)
        if top is None:
            return False
        if isinstance(top, RemoteFile):
            top.directory.incomplete += 1
            return top
        top.keep_in(self._budget)
        self._open(top, pipeline)
        return True

    def _take(self, directory: RemoteDirectory, entry: Listed, pipeline: Pipeline) -> RemoteFile | bool:
        last = entry.path[0]
        below = (*directory.below, last)
        source = directory.source if self._filters.name_sources else b""
        if entry.kind is None:
            name = directory.name_of(last)
            places = Places((*directory.remote, last), None, (*directory.local, last))
            self._counters.problem(name, exception_for(entry.code or ErrorCode.IO_ERROR, name), places, below)
        elif entry.kind is Kind.DIRECTORY:
            if self._filters.wants_directory(below, source):
                self._open(directory.child(entry), pipeline)
        elif not self._filters.wants_file(below, source):
            pass
        elif entry.kind in LEFT_OUT:
            self._counters.left_out(directory.name_of(last), LEFT_OUT[entry.kind], below)
        elif self._is_open(directory):
            directory.incomplete += 1
            return RemoteFile(directory, last, entry.size, entry.mtime_ns, entry.mode)
        return True

    # --- listings -----------------------------------------------------------------------------------------------------

    def _open(self, directory: RemoteDirectory, pipeline: Pipeline) -> None:
        if not self._filters.includes and not self._is_open(directory):
            return
        directory.incomplete = 1
        if directory.parent is not None:
            directory.parent.incomplete += 1
        self._requested[directory] = None
        self._request(directory, pipeline)

    def _is_open(self, directory: RemoteDirectory) -> bool:
        """Return whether there is a directory for it; makes it, and those that it is in, the first time."""
        if directory.is_open is None:
            directory.is_open = (directory.parent is None or self._is_open(directory.parent)) and self._opened(
                directory
            )
        return directory.is_open

    def _request(self, directory: RemoteDirectory, pipeline: Pipeline) -> None:
        try:
            request = List(id=pipeline.next_id(), path=directory.remote, others=True)
        except FileError as problem:
            self._unlisted(directory, problem.locate(Side.REMOTE))
            return
        pipeline.submit(request, lambda received: self._on_reply(directory, received, pipeline.waits))

    def _on_reply(self, directory: RemoteDirectory, received: Received, waits: Waits) -> bool:
        """Take a part of a listing; returns whether it was the last."""
        if isinstance(received, Entries):
            for start in range(0, len(received.entries), BLOCK):
                directory.add(received.entries[start : start + BLOCK])
                waits.pace()  # to pack them takes its time
            self._has_large = self._has_large or not received.last
            if received.last:
                if self._near_ahead:
                    few = len(received.entries) < _FEW_ENTRIES
                    self._near_ahead = min(2 * self._near_ahead, _SMALL_LISTINGS_AHEAD) if few else _LISTINGS_AHEAD_NEAR
                del self._requested[directory]
                self._listed.append((directory, directory.entries()))
            return received.last
        if not isinstance(received, Error):
            raise unexpected_reply()
        if received.code is ErrorCode.STOPPING:
            raise ConnectionLost("The server is stopping.", hint="Try again later.")
        # What was listed before the failure is good.
        self._unlisted(directory, exception_for(received.code, directory.name, received.reason), directory.entries())
        return True

    def _unlisted(
        self, directory: RemoteDirectory, problem: FileError, entries: Iterator[Listed] | None = None
    ) -> None:
        self._counters.problem(directory.name or b"/", problem, directory.places, directory.below or (b".",))
        del self._requested[directory]
        self._listed.append((directory, entries or iter(())))
