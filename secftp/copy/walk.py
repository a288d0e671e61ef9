"""The walk through a server's trees: which folders are asked for, and which file comes next.

Some listings are always under way while files are fetched, so that the server's next answer does not wait for us to
have read the last one. What a lost connection left open is asked for again over the next.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.copy.remote_tree import MOST_BYTES, Folder, Item
from secftp.errors import ConnectionLost, FileError, ProtocolError, Side
from secftp.messages import Entries, Error, ErrorCode, Kind, List, exception_for
from secftp.session.listings import MemoryBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.channel import Received
    from secftp.copy.globs import Globs
    from secftp.copy.tally import Tally
    from secftp.messages import Listed
    from secftp.session.pipeline import Pipeline

_AHEAD: Final = 16  # listings under way


class Walk:
    """What is left of the sources. `opened` is called for each folder found, and says whether it is to be listed.

    `closed` is called for a folder when everything in it has been dealt with.
    """

    def __init__(
        self,
        tops: Iterable[Folder | Item],
        globs: Globs,
        tally: Tally,
        opened: Callable[[Folder], bool],
        closed: Callable[[Folder], None],
    ) -> None:
        self._tops: Iterator[Folder | Item] = iter(tops)
        self._globs = globs
        self._tally = tally
        self._opened = opened
        self._closed = closed
        self._under_way: dict[Folder, None] = {}  # in the order in which they were asked for
        self._listed: list[tuple[Folder, Iterator[Listed]]] = []
        self._ready: deque[Item] = deque()
        self._budget = MemoryBudget(MOST_BYTES)  # for the entries that wait, in all folders
        self._pipeline: Pipeline | None = None

    def use(self, pipeline: Pipeline) -> None:
        """Go on over this session."""
        self._pipeline = pipeline
        for folder in list(self._under_way):
            folder.forget()
            self._ask(folder)

    def next(self, before_waiting: Callable[[], None]) -> Item | None:
        """The next file, None after the last; `before_waiting` sends what was gathered, if there is none yet."""
        assert self._pipeline is not None
        while True:
            if len(self._under_way) < _AHEAD:
                found = self._step()
                if isinstance(found, Item):
                    return found
                if found:
                    continue
                if not self._under_way:
                    return None
            before_waiting()
            self._pipeline.step()

    def done(self, folder: Folder | None) -> None:
        """One thing less is missing in a folder."""
        while folder is not None:
            folder.waiting -= 1
            if folder.waiting:
                return
            self._closed(folder)
            folder = folder.parent

    # --- one entry ----------------------------------------------------------------------------------------------------

    def _step(self) -> Item | bool:
        """Take the next entry there is: a file, or True for anything else, or False if there is none now."""
        if self._listed:
            folder, entries = self._listed[-1]
            entry = next(entries, None)
            if entry is not None:
                return self._take(folder, entry)
            self._listed.pop()
            self.done(folder)
            return True
        top = next(self._tops, None)
        if top is None:
            return False
        if isinstance(top, Item):
            top.folder.waiting += 1
            return top
        top.keep_in(self._budget)
        self._open(top)
        return True

    def _take(self, folder: Folder, entry: Listed) -> Item | bool:
        last = entry.path[0]
        below = (*folder.below, last)
        if entry.kind is None:
            code = entry.code or ErrorCode.IO_ERROR
            self._tally.failed(folder.name_of(last), exception_for(code, folder.name_of(last)))
        elif entry.kind is Kind.DIRECTORY:
            if self._globs.wants_folder(below):
                self._open(folder.child(entry))
        elif self._globs.wants_file(below):
            folder.waiting += 1
            return Item(folder, last, entry.size, entry.mtime_ns, entry.mode)
        return True

    # --- listings -----------------------------------------------------------------------------------------------------

    def _open(self, folder: Folder) -> None:
        if not self._opened(folder):
            return
        folder.waiting = 1
        if folder.parent is not None:
            folder.parent.waiting += 1
        self._under_way[folder] = None
        self._ask(folder)

    def _ask(self, folder: Folder) -> None:
        assert self._pipeline is not None
        try:
            request = List(id=self._pipeline.next_id(), path=folder.remote)
        except FileError as problem:
            self._unlisted(folder, problem.locate(Side.REMOTE))
            return
        self._pipeline.submit(request, _Listing(self, folder))

    def take_listing(self, folder: Folder, received: Received) -> bool:
        """Take in a part of a listing."""
        if isinstance(received, Entries):
            folder.add(received.entries)
            if received.last:
                del self._under_way[folder]
                self._listed.append((folder, folder.entries()))
            return received.last
        if not isinstance(received, Error):
            raise ProtocolError("The answer does not fit the request.")
        if received.code is ErrorCode.STOPPING:
            raise ConnectionLost("The server is stopping.", hint="Try again later.")
        # What had been listed before it broke off is good.
        self._unlisted(folder, exception_for(received.code, folder.name, received.reason), folder.entries())
        return True

    def _unlisted(self, folder: Folder, problem: FileError, entries: Iterator[Listed] | None = None) -> None:
        self._tally.failed(folder.name or b"/", problem)
        del self._under_way[folder]
        self._listed.append((folder, entries or iter(())))


class _Listing:
    """The handler of one LIST."""

    __slots__ = ("_folder", "_walk")

    def __init__(self, walk: Walk, folder: Folder) -> None:
        self._walk = walk
        self._folder = folder

    def __call__(self, received: Received) -> bool:
        return self._walk.take_listing(self._folder, received)
