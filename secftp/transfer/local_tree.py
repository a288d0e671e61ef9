"""The files and directories of an upload, in an order in which they can be copied.

They are read as they are needed, so there are never more of them than are being worked on.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.errors import FileError
from secftp.protocol.limits import MAX_COMPONENTS, MAX_PATH
from secftp.storage.attributes import file_info
from secftp.storage.errors import translated
from secftp.storage.tree import EntryKind, LocalFile, LocalTree
from secftp.transfer.engine import duplicate_name
from secftp.transfer.progress import Places, TransferItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.session.replies import SingleReply
    from secftp.storage import FileInfo, Path
    from secftp.transfer.filters import Filters
    from secftp.transfer.progress import Counters
    from secftp.transfer.upload_parts import PartedUpload

_LEFT_OUT: Final = {
    EntryKind.SYMLINK: "a symlink, left out",
    EntryKind.SPECIAL: "not a regular file, left out",
    EntryKind.RESERVED: "a name reserved by secftp, left out",
}

LocalFiles: TypeAlias = LocalTree | LocalFile


class SourceRoot:
    """A source that the user named: where its files are read, and the path at the server that it is copied to.

    `name`: its name for the listener, empty for a directory whose contents are meant. `copies_top`: whether the top of
    a tree is created, too, with the permissions and time of the source.
    """

    __slots__ = ("copies_top", "files", "name", "source", "target")

    def __init__(self, source: str, target: Path, name: bytes, *, copies_top: bool = True) -> None:
        self.source = source
        self.target = target
        self.name = name
        self.copies_top = copies_top
        self.files: LocalFiles = LocalFile(source)


class LocalEntry(TransferItem):
    """A file or directory to be uploaded; a directory is one entry before and one (LEFT) after its contents.

    `path`: below its root. `directory`: the entry of the directory that it is in. `digest`: of a small file that was
    put into a batch. `is_noted`: what can't be preserved of it has been counted. `may_have_arrived`: it was sent, and
    the connection was lost before the reply. `there`, `partial`: replies about the file and its partial file at the
    server, if they were asked for. `upload`: the upload in parts that an earlier session has begun. `is_whole`: it is
    not to be sent in parts. `is_refused`: its name was taken when it had been sent once more.

    Of a directory: `session` is the number of the session that created it, 0 for none: it is requested again over each
    session that puts something into it. `existed`: it was there before, and keeps its permissions and time.
    """

    __slots__ = (
        "digest", "directory", "existed", "info", "is_noted", "is_refused", "is_whole", "kind", "may_have_arrived",
        "partial", "path", "problem", "root", "session", "there", "upload",
    )  # fmt: skip

    def __init__(
        self,
        kind: EntryKind,
        root: SourceRoot,
        path: Path,
        info: FileInfo | None = None,
        problem: FileError | None = None,
        directory: LocalEntry | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.root = root
        self.path = path
        self.info = info
        self.problem = problem
        self.directory = directory
        self.digest = b""
        self.is_noted = False
        self.is_refused = False
        self.may_have_arrived = False
        self.there: SingleReply | None = None
        self.partial: SingleReply | None = None
        self.upload: PartedUpload | None = None
        self.is_whole = False
        self.session = 0
        self.existed = False

    @property
    def name(self) -> bytes:
        """Its name for the listener."""
        top = self.root.name
        return b"/".join((top, *self.path) if top else self.path) or b"."

    @property
    def remote(self) -> Path:
        """Its path at the server."""
        return (*self.root.target, *self.path)

    @property
    def places(self) -> Places:
        """Its paths at the server and on this machine."""
        return Places(self.remote, self.root.source, self.path)

    @property
    def below(self) -> Path:
        """Its path in its source; of a file that is the source, its name."""
        return self.path or (self.root.name or b".",)

    @property
    def known_size(self) -> int | None:
        """Its size as far as it is known."""
        return self.info.size if self.size is None and self.info is not None else self.size

    def count_unpreserved(self, counters: Counters, mode: int, mtime_ns: int) -> None:
        """Count, once, what can't be preserved of a file or directory that is sent with this mode and time."""
        if not self.is_noted:
            self.is_noted = True
            counters.copied(mode, mtime_ns)


def count_uncopied(entry: LocalEntry, counters: Counters, *, follow_symlinks: bool) -> None:
    """Count an entry that can't be read, is neither a file nor a directory, or has a reserved name."""
    if entry.kind is EntryKind.PROBLEM:
        assert entry.problem is not None
        counters.failed(entry, entry.problem)
    elif entry.kind is EntryKind.SYMLINK and follow_symlinks:
        counters.left_out(entry.name, "a symlink to a directory that contains it, left out", entry.below)
    else:
        counters.left_out(entry.name, _LEFT_OUT[entry.kind], entry.below)


def walk(
    roots: Iterable[SourceRoot], filters: Filters, *, follow_symlinks: bool, with_info: bool
) -> Iterator[LocalEntry]:
    """Yield the entries of all sources; each source is looked at when its turn comes. `with_info`: of files, too.

    A source with the name of an earlier one is a PROBLEM.
    """
    taken = set()
    for root in roots:
        for entry in _walk_root(root, filters, follow_symlinks=follow_symlinks, with_info=with_info):
            if not entry.path and root.name and entry.kind in (EntryKind.FILE, EntryKind.DIRECTORY):
                if root.target in taken:
                    yield LocalEntry(EntryKind.PROBLEM, root, (), None, duplicate_name(root.name))
                    break
                taken.add(root.target)
            yield entry


def _walk_root(root: SourceRoot, filters: Filters, *, follow_symlinks: bool, with_info: bool) -> Iterator[LocalEntry]:
    try:
        with translated(root.source):
            status = os.stat(root.source)
    except FileError as problem:
        root.name = root.name or os.fsencode(root.source)
        return iter((LocalEntry(EntryKind.PROBLEM, root, (), None, problem),))
    own_name = (root.name,)
    if not stat.S_ISDIR(status.st_mode):
        entries = (LocalEntry(EntryKind.FILE, root, (), file_info(status)),)
        return iter(entries if filters.wants_file(own_name) else ())
    if root.name and not filters.wants_directory(own_name):
        return iter(())
    root.files = tree = LocalTree(
        root.source,
        follow=follow_symlinks,
        max_depth=MAX_COMPONENTS - len(root.target),
        max_path=MAX_PATH - 1 - sum(map(len, root.target)) - len(root.target),
    )
    return _walk_tree(root, tree, filters, with_info=with_info)


def _walk_tree(root: SourceRoot, tree: LocalTree, filters: Filters, *, with_info: bool) -> Iterator[LocalEntry]:
    directory: LocalEntry | None = None
    waiting: list[LocalEntry] = []  # directories that are made for a file in them, if there are any
    source = os.path.basename(os.fsencode(root.source).rstrip(b"/")) if filters.name_sources else b""
    for kind, path, info, problem in tree.walk(partial(filters.wants_directory, source=source), with_info=with_info):
        if kind is EntryKind.FILE:
            if filters.wants_file(path, source):
                yield from waiting
                waiting.clear()
                yield LocalEntry(kind, root, path, info, None, directory)
        elif kind is EntryKind.DIRECTORY:
            directory = LocalEntry(kind, root, path, info, None, directory)
            if filters.includes:
                waiting.append(directory)
            else:
                yield directory
        elif kind is EntryKind.LEFT and directory is not None:
            if waiting:
                waiting.pop()
            else:
                yield LocalEntry(kind, root, path, info, problem, directory)
            directory = directory.directory
        elif kind is EntryKind.PROBLEM or filters.wants_file(path, source):
            yield LocalEntry(kind, root, path, info, problem, directory)
