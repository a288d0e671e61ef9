"""Upload of what a plan names, by the engine of `put`, but without a walk: each file is sent that the plan has seen.

Invariants: a file that has changed here since the plan is not sent; one that has appeared, gone or changed at the
server since then is not replaced.
"""

from __future__ import annotations

import heapq
from operator import attrgetter
from typing import TYPE_CHECKING

from secftp.errors import FileChanged
from secftp.protocol import Error, ErrorCode, Info, Kind
from secftp.storage import FileInfo
from secftp.storage.errors import failure
from secftp.storage.tree import EntryKind as WalkKind
from secftp.storage.tree import LocalTree, SmallContent
from secftp.sync.changes import CHANGED
from secftp.sync.plan import Act
from secftp.sync.tree import EntryKind
from secftp.transfer.local_tree import LocalEntry, SourceRoot
from secftp.transfer.options import RemoteLocation
from secftp.transfer.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.session import Session
    from secftp.storage import Path
    from secftp.storage.source import FileSource
    from secftp.sync.plan import Action
    from secftp.sync.tree import Entry, Tree
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener


class PlannedEntry(LocalEntry):
    """A file or directory of the plan. `known`: what the source has, `target`: what the server had, None for nothing.

    `info` is that of the plan until the file is opened.
    """

    __slots__ = ("known", "target")

    def __init__(self, root: SourceRoot, path: Path, known: Entry, directory: LocalEntry | None) -> None:
        is_file = known.kind is EntryKind.FILE
        info = FileInfo(Kind.FILE if is_file else Kind.DIRECTORY, known.size, known.mtime_ns, known.mode)
        super().__init__(WalkKind.FILE if is_file else WalkKind.DIRECTORY, root, path, info, None, directory)
        self.known = known
        self.target: Entry | None = None


class SyncUpload(Upload):
    """The copies of a plan: directories and new files, or files that replace others.

    `top`: the source, a name of this machine; `tree`: what it has. `target`: the path at the server. The options'
    `overwrite` has to be on exactly if the files replace others.
    """

    def __init__(
        self,
        top: str,
        tree: Tree,
        target: Path,
        actions: Iterable[Action],
        options: CopyOptions,
        listener: ProgressListener,
    ) -> None:
        super().__init__((), RemoteLocation(target), options._replace(update=options.overwrite), listener)
        self._tree = tree
        self._actions = list(actions)
        self._root = SourceRoot(top, target, b"", copies_top=False)
        self._root.files = LocalTree(top, follow=options.follow_symlinks)

    def begin_early(self, session: Session) -> None:
        """Send nothing early: what may be sent is known, and so are the directories that come first."""

    def _plan(self, _session: Session) -> Iterator[LocalEntry]:
        return self._walk()

    def _walk(self) -> Iterator[LocalEntry]:
        """Yield the files and the directories that they are in, in the order of a walk."""
        directories: list[LocalEntry] = []
        made = (action for action in self._actions if action.act is Act.MAKE_DIRECTORY)
        files = (action for action in self._actions if action.act is not Act.MAKE_DIRECTORY)
        for action in heapq.merge(made, files, key=attrgetter("path")):
            is_directory = action.act is Act.MAKE_DIRECTORY
            path = action.path
            while directories and path[: len(directories[-1].path)] != directories[-1].path:
                directories.pop()
            for depth in range(len(directories) + 1, len(path) + is_directory):
                above = path[:depth]
                known = self._tree.get(above)
                assert known is not None  # it is above a file of this tree
                directories.append(PlannedEntry(self._root, above, known, directories[-1] if directories else None))
                yield directories[-1]
            if not is_directory:
                entry = PlannedEntry(self._root, path, action.entry, directories[-1] if directories else None)
                entry.target = action.there
                yield entry

    def _is_skipped(self, entry: LocalEntry) -> bool:
        """Whether a file at the server is not the one that was to be replaced."""
        assert isinstance(entry, PlannedEntry)
        there, known = None if entry.there is None else entry.there.message, entry.target
        if known is None or (isinstance(there, Error) and there.code is not ErrorCode.NOT_FOUND):
            return False  # the server says by itself what is wrong
        if isinstance(there, Info) and (there.size, there.mtime_ns) == (known.size, known.mtime_ns):
            return False
        self.skip(entry, CHANGED)
        return True

    def _open_file(self, entry: LocalEntry) -> SmallContent | FileSource:
        """Open a file. Raises `FileChanged` if it is not the one of the plan."""
        assert isinstance(entry, PlannedEntry)
        content = super()._open_file(entry)
        if isinstance(content, SmallContent):
            size, mtime_ns = len(content.data), content.mtime_ns
        else:
            size, mtime_ns = content.info.size or 0, content.info.mtime_ns
        known = entry.known
        if mtime_ns == known.mtime_ns and (size == known.size or not known.size):
            return content
        if not isinstance(content, SmallContent):
            content.close()
        raise failure(FileChanged, "Changed since the plan was made", entry.path)
