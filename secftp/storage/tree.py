"""Local directory trees that are sent: a walk in an order that can be copied, and the contents of the files.

The walk is depth first and lazy, so a directory with a million names takes no more memory than any other; two
descriptors are open for each level. It reads names and kinds only, unless sizes are requested: the reader of a file
gets size and time from the open descriptor.

Symlinks in the path of the tree are followed. Symlinks in the tree are not, unless requested, and then never into a
directory that contains them. Invariant: a name that became a symlink between the listing and the opening is not
followed where symlinks are not to be.
"""

from __future__ import annotations

import enum
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileError, NameRefused, NotADirectory, Reason
from secftp.protocol.limits import MAX_COMPONENTS, MAX_PATH
from secftp.storage.attributes import FileInfo, file_info, mtime_of
from secftp.storage.directories import BELOW_FLAGS, DIRECTORY_FLAGS, LIST_FLAGS
from secftp.storage.errors import close_quietly, translate, translated
from secftp.storage.names import RESERVED_TEXT, Path
from secftp.storage.source import OPEN_FLAGS, FileSource, read_small
from secftp.storage.store import Closing
from secftp.text import path_text, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class EntryKind(enum.Enum):
    """The kind of an entry; LEFT is yielded for a directory after all its entries."""

    FILE = enum.auto()
    DIRECTORY = enum.auto()
    LEFT = enum.auto()
    SYMLINK = enum.auto()
    SPECIAL = enum.auto()
    RESERVED = enum.auto()
    PROBLEM = enum.auto()


class TreeEntry(NamedTuple):
    """One step of a walk. `path`: below the top, which is `()`. `info`: of a directory, and of a file if requested."""

    kind: EntryKind
    path: Path
    info: FileInfo | None = None
    problem: FileError | None = None


class SmallContent(NamedTuple):
    """A small file, read whole; `mtime_ns` in nanoseconds since 1970."""

    mode: int
    mtime_ns: int
    data: bytes


class _OpenDirectory:
    """A directory that is being read. Takes over its descriptor."""

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path
        self.problem: FileError | None = None
        try:
            with translated(path):
                status = os.fstat(fd)
                self._entries = os.scandir(fd)
        except BaseException:
            close_quietly(fd)
            raise
        self.info = file_info(status)
        self._identity = status.st_dev, status.st_ino

    def next(self) -> os.DirEntry[str] | None:
        """Return the next entry; None at the end, or at an error, which becomes the `problem`."""
        try:
            return next(self._entries, None)
        except OSError as problem:
            self.problem = translate(problem, self.path)
            return None

    def is_same(self, other: _OpenDirectory) -> bool:
        """Return whether both are the same directory."""
        return self._identity == other._identity

    def close(self) -> None:
        """Close the descriptors."""
        self._entries.close()
        close_quietly(self.fd)


class LocalTree(Closing):
    """The directory `top`. Opened at the first use, again after a `close`; for one thread.

    `follow`: follow symlinks in it. `max_depth`: the greatest depth that is entered. `max_path`: the greatest length of
    a path in bytes, a separator for each name included. Directories beyond these are a problem.
    """

    def __init__(
        self, top: str, *, follow: bool = False, max_depth: int = MAX_COMPONENTS, max_path: int = MAX_PATH - 1
    ) -> None:
        self._top = top
        self._follow = follow
        self._max_depth = max_depth
        self._max_path = max_path
        self._file_flags = OPEN_FLAGS if follow else OPEN_FLAGS | os.O_NOFOLLOW
        self._root = -1
        self._directory = -1
        self._at: Path | None = None

    # --- what is in it ------------------------------------------------------------------------------------------------

    def walk(self, wants_directory: Callable[[Path], bool], *, with_info: bool = False) -> Iterator[TreeEntry]:
        """Yield everything in the tree, a directory before and once more after its entries; the top is the first.

        Directories that `wants_directory` rejects are skipped silently. A generator, which closes what it has opened
        when it is closed. It raises nothing: a directory that can't be entered, or not be listed to its end, is a
        PROBLEM.
        """
        levels: list[_OpenDirectory] = []
        try:
            yield from self._enter(levels, (), self._top, None)
            while levels:
                level = levels[-1]
                entry = level.next()
                if entry is None:
                    levels.pop().close()
                    if level.problem is not None:
                        yield TreeEntry(EntryKind.PROBLEM, level.path, None, level.problem)
                    yield TreeEntry(EntryKind.LEFT, level.path, level.info)
                    continue
                path = (*level.path, os.fsencode(entry.name))
                found = self._entry(entry, path, with_info=with_info)
                if found.kind is not EntryKind.DIRECTORY:
                    yield found
                elif wants_directory(path):
                    yield from self._enter(levels, path, entry.name, level.fd)
        finally:
            for level in levels:
                level.close()

    def _enter(self, levels: list[_OpenDirectory], path: Path, name: str, above: int | None) -> Iterator[TreeEntry]:
        """Open a directory and yield its entry."""
        level = None
        try:
            if len(path) > self._max_depth or sum(map(len, path)) + len(path) > self._max_path:
                # A limit of the protocol, of neither side's file system.
                message = f"Nested too deep to be copied: {show_path(path)}"
                raise NameRefused(message, filename=path_text(path), reason=Reason.TOO_DEEP)
            flags = LIST_FLAGS if path and not self._follow else LIST_FLAGS & ~os.O_NOFOLLOW
            with translated(path or self._top):
                level = _OpenDirectory(os.open(name, flags, dir_fd=above), path)
        except FileError as problem:
            if level is not None:
                level.close()
            yield TreeEntry(EntryKind.PROBLEM, path, None, problem)
            return
        if self._follow and any(map(level.is_same, levels)):
            level.close()
            yield TreeEntry(EntryKind.SYMLINK, path)
            return
        levels.append(level)
        yield TreeEntry(EntryKind.DIRECTORY, path, level.info)

    def _entry(self, entry: os.DirEntry[str], path: Path, *, with_info: bool) -> TreeEntry:
        try:
            kind = self._kind(entry)
            if kind is EntryKind.FILE and with_info:
                return TreeEntry(kind, path, file_info(entry.stat(follow_symlinks=self._follow)))
        except OSError as problem:
            return TreeEntry(EntryKind.PROBLEM, path, None, translate(problem, path))
        return TreeEntry(kind, path)

    def _kind(self, entry: os.DirEntry[str]) -> EntryKind:
        if entry.is_file(follow_symlinks=self._follow):
            kind = EntryKind.FILE
        elif entry.is_dir(follow_symlinks=self._follow):
            kind = EntryKind.DIRECTORY
        elif not entry.is_symlink():
            return EntryKind.SPECIAL
        elif not self._follow:
            return EntryKind.SYMLINK
        else:
            entry.stat()  # raises for a dangling symlink
            return EntryKind.SPECIAL
        return EntryKind.RESERVED if entry.name.startswith(RESERVED_TEXT) else kind

    # --- single names -------------------------------------------------------------------------------------------------

    def look(self, path: Path) -> TreeEntry:
        """Return the entry of one name below the top, with its `info`; what can't be examined is a PROBLEM.

        It is a SYMLINK if one is in the path, too, and symlinks are not to be followed. What is neither that nor a
        directory is a FILE, and opening it fails if it is none.
        """
        try:
            status = os.stat(path[-1], dir_fd=self._go_to(path[:-1]), follow_symlinks=self._follow)
        except NotADirectory as problem:
            if self._leads_through_symlink(path):
                return TreeEntry(EntryKind.SYMLINK, path)
            return TreeEntry(EntryKind.PROBLEM, path, None, problem)
        except FileError as problem:
            return TreeEntry(EntryKind.PROBLEM, path, None, problem)
        except OSError as problem:
            return TreeEntry(EntryKind.PROBLEM, path, None, translate(problem, path))
        if stat.S_ISLNK(status.st_mode):
            return TreeEntry(EntryKind.SYMLINK, path)
        kind = EntryKind.DIRECTORY if stat.S_ISDIR(status.st_mode) else EntryKind.FILE
        return TreeEntry(kind, path, file_info(status))

    def _leads_through_symlink(self, path: Path) -> bool:
        """Return whether a directory of a path, which could not be entered, is a symlink and may not be one."""
        top = os.fsencode(self._top)
        above = (os.path.join(top, *path[:depth]) for depth in range(1, len(path)))
        return not self._follow and any(map(os.path.islink, above))

    # --- the files ----------------------------------------------------------------------------------------------------

    def open(self, path: Path, limit: int) -> SmallContent | FileSource:
        """Return the content of a file of at most `limit` bytes, else the file as a source, which the caller closes.

        The last directory stays open between two files of it. Raises as `open_local_source`.
        """
        directory = self._go_to(path[:-1])
        try:
            fd = os.open(path[-1], self._file_flags, dir_fd=directory)
        except OSError as problem:
            raise translate(problem, path) from problem
        return read_or_open(fd, path, limit)

    def open_source(self, path: Path) -> FileSource:
        """Return a file as a source, whatever its size."""
        directory = self._go_to(path[:-1])
        with translated(path):
            fd = os.open(path[-1], self._file_flags, dir_fd=directory)
        return FileSource(fd, path)

    def close(self) -> None:
        """Close what is open; idempotent. The next file opens it again."""
        self._leave_directory()
        root, self._root = self._root, -1
        if root >= 0:
            close_quietly(root)

    def _go_to(self, path: Path) -> int:
        if path == self._at:
            return self._directory
        self._leave_directory()
        with translated(path or self._top):
            if self._root < 0:
                self._root = os.open(self._top, DIRECTORY_FLAGS)
            self._directory = self._open_directory_at(path)
        self._at = path
        return self._directory

    def _open_directory_at(self, path: Path) -> int:
        directory = os.dup(self._root)
        flags = DIRECTORY_FLAGS if self._follow else BELOW_FLAGS
        for name in path:
            above = directory
            try:
                directory = os.open(name, flags, dir_fd=above)
            finally:
                close_quietly(above)
        return directory

    def _leave_directory(self) -> None:
        directory, self._directory, self._at = self._directory, -1, None
        if directory >= 0:
            close_quietly(directory)


class LocalFile:
    """One file that the user named, with the interface of a tree whose only path is `()`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def open(self, _path: Path, limit: int) -> SmallContent | FileSource:
        """Return the content of the file, or a source, as `LocalTree.open` does."""
        with translated(self._name):
            fd = os.open(self._name, OPEN_FLAGS)
        return read_or_open(fd, self._name, limit)

    def open_source(self, _path: Path) -> FileSource:
        """Return the file as a source."""
        with translated(self._name):
            fd = os.open(self._name, OPEN_FLAGS)
        return FileSource(fd, self._name)

    def close(self) -> None:
        """Nothing is open."""


def read_or_open(fd: int, subject: Path | str, limit: int) -> SmallContent | FileSource:
    """Read a regular file of at most `limit` bytes whole, else return a source; takes over the descriptor."""
    is_larger = False
    try:
        found = read_small(fd, subject, limit)
        is_larger = found is None
    except FileError:
        raise  # it is an OSError, too, and translated already
    except OSError as problem:
        raise translate(problem, subject) from problem
    finally:
        if not is_larger:
            close_quietly(fd)
    if found is None:
        return FileSource(fd, subject)
    status, data = found
    return SmallContent(stat.S_IMODE(status.st_mode), mtime_of(status), data)
