"""Download of what a plan names, by the engine of `get`, but without listings: they have been made for the plan.

Invariants: a file that has changed at the server since the plan is not kept; one that has appeared, gone or changed
here since then is not replaced; no name of the server is used but below the directory that is held open.
"""

from __future__ import annotations

import heapq
from operator import attrgetter
from typing import TYPE_CHECKING

from secftp.errors import FileChanged, NotFound
from secftp.protocol import Capability, remote_failure
from secftp.sync.changes import CHANGED
from secftp.sync.plan import Act
from secftp.transfer.download import Download
from secftp.transfer.remote_tree import RemoteDirectory, RemoteFile, RemoteTree
from secftp.transfer.targets import DownloadTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.session import Session
    from secftp.session.pipeline import Pipeline
    from secftp.storage import LocalStore, Path
    from secftp.sync.plan import Action
    from secftp.sync.tree import Entry, Tree
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener

_TARGET = DownloadTarget("", is_directory=True, existed=True, takes_names=False)


class PlannedFile(RemoteFile):
    """A file of the plan. `known`: what the source has; `target`: what this machine had, None for nothing."""

    __slots__ = ("known", "target")

    def __init__(self, directory: RemoteDirectory, last: bytes, known: Entry, target: Entry | None) -> None:
        super().__init__(directory, last, known.size, known.mtime_ns, known.mode)
        self.known = known
        self.target = target

    def check(self, size: int, mtime_ns: int) -> None:
        """Raise `FileChanged` unless a file that comes is the one that was listed."""
        if (size, mtime_ns) != (self.known.size, self.known.mtime_ns):
            raise remote_failure(FileChanged, self.name, "it has changed since the plan was made.")


class SyncDownload(Download):
    """The copies of a plan: directories and new files, or files that replace others.

    `source`: the path at the server, `tree`: what it has. `store`: the target, which stays open. The options'
    `overwrite` has to be on exactly if the files replace others.
    """

    def __init__(
        self,
        source: Path,
        tree: Tree,
        store: LocalStore,
        actions: Iterable[Action],
        options: CopyOptions,
        listener: ProgressListener,
    ) -> None:
        super().__init__((), "", options, listener)
        self._source = source
        self._known = tree
        self._store = store
        self._actions = list(actions)
        self._planned: _PlannedTree | None = None

    def begin_early(self, session: Session) -> None:
        """Request nothing early."""

    def begin(self, session: Session) -> None:
        """Use the target directory over this session."""
        self._over = session
        self._can_resume = session.can(Capability.RESUME)
        self._directories.use(self._store.beneath(()), self.waits)
        if self._planned is None:
            self._target = _TARGET
            self._tree = self._planned = _PlannedTree(self._walk(), self._directories.opened, self._directories.closed)

    def _walk(self) -> Iterator[RemoteDirectory | RemoteFile]:
        """Yield the files and the directories that they are in, in the order of a walk."""
        directories = [RemoteDirectory(self._source, (), b"")]
        yield directories[0]
        made = (action for action in self._actions if action.act is Act.MAKE_DIRECTORY)
        files = (action for action in self._actions if action.act is not Act.MAKE_DIRECTORY)
        for action in heapq.merge(made, files, key=attrgetter("path")):
            is_directory = action.act is Act.MAKE_DIRECTORY
            path = action.path
            while path[: len(directories[-1].local)] != directories[-1].local:
                directories.pop()
            for depth in range(len(directories), len(path) + is_directory):
                directories.append(self._directory(path[:depth], directories[-1]))
                yield directories[-1]
            if not is_directory:
                yield PlannedFile(directories[-1], path[-1], action.entry, action.there)

    def _directory(self, path: Path, parent: RemoteDirectory) -> RemoteDirectory:
        known = self._known.get(path)
        assert known is not None  # it is above a file of this tree
        directory = RemoteDirectory((*self._source, *path), path, b"/".join(path), parent=parent, budget=parent.budget)
        directory.mode, directory.mtime_ns = known.mode, known.mtime_ns
        return directory

    def _reason_to_skip(self, item: RemoteFile) -> str:
        """Return why a file here is left as it is: it is not the one that was to be replaced."""
        assert isinstance(item, PlannedFile)
        known = item.target
        if known is None and item.size <= self.small_limit:
            return ""  # nothing is replaced, whatever there is by now
        try:
            found = self.waits.call(self._store.stat, item.local)
        except NotFound as problem:
            if problem.reason is not None:
                raise  # a symlink
            return "" if known is None else CHANGED
        if known is None or (found.size, found.mtime_ns) != (known.size, known.mtime_ns):
            return CHANGED
        return ""


class _PlannedTree(RemoteTree):
    """The files of a plan, in the place of those that are listed; without any requests."""

    def __init__(
        self,
        found: Iterator[RemoteDirectory | RemoteFile],
        opened: Callable[[RemoteDirectory], bool],
        closed: Callable[[RemoteDirectory], None],
    ) -> None:
        self._found = found
        self._opened = opened
        self._closed = closed
        self._at: list[RemoteDirectory] = []  # the directories that files are taken from
        self._lost: Path | None = None  # a directory that can't be used, with all that is in it

    def use_round_trip(self, seconds: float | None) -> None:
        """Nothing is requested."""

    def request_again(self, pipeline: Pipeline) -> None:
        """Nothing was requested."""

    def next(self, _pipeline: Pipeline, _before_waiting: Callable[[], None]) -> RemoteFile | None:
        """Return the next file, None after the last."""
        for found in self._found:
            path = found.local
            if self._lost is not None and path[: len(self._lost)] == self._lost:
                continue
            self._lost = None
            parent = found.directory if isinstance(found, RemoteFile) else found.parent
            self._leave(parent)
            if isinstance(found, RemoteFile):
                found.directory.incomplete += 1
                return found
            if not self._opened(found):
                self._lost = path
                continue
            found.incomplete = 1
            if parent is not None:
                parent.incomplete += 1
            self._at.append(found)
        self._leave(None)
        return None

    def _leave(self, parent: RemoteDirectory | None) -> None:
        """Leave the directories up to this one."""
        while self._at and self._at[-1] is not parent:
            self.done(self._at.pop())
