"""A tree of the user's own on its way out: what is in it, in an order that can be copied, and the files' bytes.

The walk goes depth first and reads every folder as it goes, so that a folder with a million names takes no more memory
than any other; two descriptors are open for each level. It asks for nothing but names and kinds, unless sizes are
wanted beforehand: whoever reads a file learns its size and time from the open descriptor, and that is asked once.

Links in the name of the tree are the user's business and are followed. In the tree they are not, unless that is asked
for, and then never into a folder that holds them. What must never happen: that a name which became a link between the
listing and the opening is followed where links are not to be.
"""

from __future__ import annotations

import enum
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileChanged, FileError, NameRefused, Reason
from secftp.messages.limits import MAX_COMPONENTS, MAX_PATH
from secftp.storage.attributes import FileInfo, file_info, mtime_of
from secftp.storage.directories import BELOW_FLAGS, DIRECTORY_FLAGS, LIST_FLAGS
from secftp.storage.errors import close_quietly, failure, translate, translated
from secftp.storage.names import RESERVED_PREFIX, Path
from secftp.storage.source import OPEN_FLAGS, FileSource, has_changed, read_rest
from secftp.text import path_text, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

_RESERVED = os.fsdecode(RESERVED_PREFIX)


class EntryKind(enum.Enum):
    """What was found; LEFT is said of a folder after everything in it."""

    FILE = enum.auto()
    DIRECTORY = enum.auto()
    LEFT = enum.auto()
    SYMLINK = enum.auto()
    SPECIAL = enum.auto()
    RESERVED = enum.auto()
    PROBLEM = enum.auto()


class TreeEntry(NamedTuple):
    """One step of a walk. `path`: below the top, `()` being the top; `info` of a file only if that was asked for."""

    kind: EntryKind
    path: Path
    info: FileInfo | None = None
    problem: FileError | None = None


class SmallContent(NamedTuple):
    """A small file, whole."""

    mode: int
    mtime_ns: int
    data: bytes


class _Level:
    """A folder that is being read. Takes over its descriptor."""

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
        """The next entry; None at the end, which comes early with a `problem`."""
        try:
            return next(self._entries, None)
        except OSError as problem:
            self.problem = translate(problem, self.path)
            return None

    def is_same(self, other: _Level) -> bool:
        """Whether both are one folder."""
        return self._identity == other._identity

    def close(self) -> None:
        """Give up the descriptors."""
        self._entries.close()
        close_quietly(self.fd)


class LocalTree:
    """The folder `top`. Opened when it is used, again after a `close`; for one thread.

    `follow`: copy what links lead to. `levels`, `room`: how deep it may be entered, and how long its paths may get in
    bytes, a separator for each name; what lies beyond is a problem.
    """

    def __init__(
        self, top: str, *, follow: bool = False, levels: int = MAX_COMPONENTS, room: int = MAX_PATH - 1
    ) -> None:
        self._top = top
        self._follow = follow
        self._levels = levels
        self._room = room
        self._file_flags = OPEN_FLAGS if follow else OPEN_FLAGS | os.O_NOFOLLOW
        self._root = -1
        self._folder = -1
        self._at: Path | None = None

    # --- what is in it ------------------------------------------------------------------------------------------------

    def walk(self, wants_folder: Callable[[Path], bool], *, with_info: bool = False) -> Iterator[TreeEntry]:
        """Everything in the tree, a folder before and once more after what is in it; the top is the first.

        What `wants_folder` says no to is passed over without a word. A generator that closes what it has opened when it
        is closed. It raises nothing: a folder that can't be entered, or be listed to its end, is a PROBLEM.
        """
        levels: list[_Level] = []
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
                found = self._look(entry, path, with_info=with_info)
                if found.kind is not EntryKind.DIRECTORY:
                    yield found
                elif wants_folder(path):
                    yield from self._enter(levels, path, entry.name, level.fd)
        finally:
            for level in levels:
                level.close()

    def _enter(self, levels: list[_Level], path: Path, name: str, above: int | None) -> Iterator[TreeEntry]:
        """Open a folder and tell of it."""
        level = None
        try:
            if len(path) > self._levels or sum(map(len, path)) + len(path) > self._room:
                # Neither side's file system says so, but the protocol.
                message = f"It lies too deep to be copied: {show_path(path)}"
                raise NameRefused(message, filename=path_text(path), reason=Reason.TOO_DEEP)
            flags = LIST_FLAGS if path and not self._follow else LIST_FLAGS & ~os.O_NOFOLLOW
            with translated(path or self._top):
                level = _Level(os.open(name, flags, dir_fd=above), path)
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

    def _look(self, entry: os.DirEntry[str], path: Path, *, with_info: bool) -> TreeEntry:
        try:
            what = self._kind(entry)
            if what is EntryKind.FILE and with_info:
                return TreeEntry(what, path, file_info(entry.stat(follow_symlinks=self._follow)))
        except OSError as problem:
            return TreeEntry(EntryKind.PROBLEM, path, None, translate(problem, path))
        return TreeEntry(what, path)

    def _kind(self, entry: os.DirEntry[str]) -> EntryKind:
        if entry.is_file(follow_symlinks=self._follow):
            what = EntryKind.FILE
        elif entry.is_dir(follow_symlinks=self._follow):
            what = EntryKind.DIRECTORY
        elif not entry.is_symlink():
            return EntryKind.SPECIAL
        elif not self._follow:
            return EntryKind.SYMLINK
        else:
            entry.stat()  # raises for one that leads nowhere
            return EntryKind.SPECIAL
        return EntryKind.RESERVED if entry.name.startswith(_RESERVED) else what

    # --- the files ----------------------------------------------------------------------------------------------------

    def open(self, path: Path, limit: int) -> SmallContent | FileSource:
        """A file's content if it has at most `limit` bytes, else the file opened as a source, which is the caller's.

        The last folder stays open between two files of it. Raises as `open_local_source` does.
        """
        folder = self._go_to(path[:-1])
        try:
            fd = os.open(path[-1], self._file_flags, dir_fd=folder)
        except OSError as problem:
            raise translate(problem, path) from problem
        return read_or_keep(fd, path, limit)

    def open_source(self, path: Path) -> FileSource:
        """A file as a source, whatever its size."""
        folder = self._go_to(path[:-1])
        with translated(path):
            fd = os.open(path[-1], self._file_flags, dir_fd=folder)
        return FileSource(fd, path)

    def close(self) -> None:
        """Let go of what is open; idempotent, and not the end: the next file opens it again."""
        self._leave_folder()
        root, self._root = self._root, -1
        if root >= 0:
            close_quietly(root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _go_to(self, path: Path) -> int:
        if path == self._at:
            return self._folder
        self._leave_folder()
        with translated(path or self._top):
            if self._root < 0:
                self._root = os.open(self._top, DIRECTORY_FLAGS)
            self._folder = self._open_folder(path)
        self._at = path
        return self._folder

    def _open_folder(self, path: Path) -> int:
        folder = os.dup(self._root)
        flags = DIRECTORY_FLAGS if self._follow else BELOW_FLAGS
        for name in path:
            above = folder
            try:
                folder = os.open(name, flags, dir_fd=above)
            finally:
                close_quietly(above)
        return folder

    def _leave_folder(self) -> None:
        folder, self._folder, self._at = self._folder, -1, None
        if folder >= 0:
            close_quietly(folder)


class LocalFile:
    """One file that was named itself, with the interface of a tree whose only path is `()`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def open(self, _path: Path, limit: int) -> SmallContent | FileSource:
        """As `LocalTree.open`."""
        with translated(self._name):
            fd = os.open(self._name, OPEN_FLAGS)
        return read_or_keep(fd, self._name, limit)

    def open_source(self, _path: Path) -> FileSource:
        """As `LocalTree.open_source`."""
        with translated(self._name):
            fd = os.open(self._name, OPEN_FLAGS)
        return FileSource(fd, self._name)

    def close(self) -> None:
        """Nothing is open."""


def read_or_keep(fd: int, subject: Path | str, limit: int) -> SmallContent | FileSource:
    """Read a whole regular file of at most `limit` bytes, or make a source of it; takes over the descriptor."""
    try:
        status = os.fstat(fd)
        size = status.st_size
        if size > limit or not stat.S_ISREG(status.st_mode):
            kept, fd = fd, -1
            return FileSource(kept, subject)
        data = os.read(fd, size) if size else b""
        if len(data) < size or not size:
            rest = read_rest(fd, data, limit)
            if rest is None:
                kept, fd = fd, -1
                return FileSource(kept, subject)
            data = rest
        after = os.fstat(fd)
    except FileError:
        raise  # it is an OSError, too, and says already what is wrong
    except OSError as problem:
        raise translate(problem, subject) from problem
    finally:
        if fd >= 0:
            close_quietly(fd)
    if has_changed(status, after, len(data)):
        raise failure(FileChanged, "It changed while it was being read", subject, hint="Try again.")
    return SmallContent(stat.S_IMODE(status.st_mode), mtime_of(status), data)
