"""Directory trees, walked with bounded memory and few descriptors; and listings of them for a peer.

A directory is read before the directories in it are entered. Their names are queued, packed in one buffer. Once many
are queued, in all levels together, each further directory is read in parts: as far as the system has read ahead, which
is a buffer of 32 KiB (up to 1 MiB on a file system with blocks of that size), and later on from there. Only the deepest
levels keep their descriptors; a level above them is opened again by its path, and skipped if another directory is
there.

Invariants: no symlink is followed, no tree determines how many descriptors or how much memory are used, no entry is
left out silently, and a listing tells of no unfinished file, and of symlinks and special files only if it is to.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from secftp.errors import FileError, NameRefused, NotFound, Reason
from secftp.protocol import Kind
from secftp.protocol.limits import MAX_COMPONENTS, MAX_PATH
from secftp.storage.attributes import FileInfo, file_info, mtime_of
from secftp.storage.directories import LIST_FLAGS, open_below, open_directory
from secftp.storage.errors import close_quietly, failure, translate, translated
from secftp.storage.names import RESERVED_TEXT, Path
from secftp.storage.store import Closing, ScanEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

OPEN_LEVELS: Final = 4  # whose descriptors stay open
# Names that wait to be entered, of all levels together, before a directory is read in parts.
QUEUED_NAMES: Final = 1024
_SEPARATOR: Final = b"\0"


class _Listing(Protocol):
    """What os.scandir returns."""

    def __iter__(self) -> Iterator[os.DirEntry[str]]: ...

    def close(self) -> None: ...


class Level:
    """A directory of the walk; `path` is its path from the root. Takes over its descriptor.

    `problem`: why it could not be read to its end, if so. `queued`: how many directories in it are queued.
    """

    __slots__ = ("_fd", "_is_full", "_names", "_offset", "path", "problem", "queued", "status")

    def __init__(self, fd: int, path: Path, is_full: Callable[[], bool]) -> None:
        self.path = path
        self.problem: FileError | None = None
        self.queued = 0
        self._fd = fd
        self._is_full = is_full
        self._names = bytearray()  # of the directories in it that wait, each behind a separator
        self._offset: int | None = 0  # where reading continues; None at the end
        try:
            with translated(path or "."):
                self.status = os.fstat(fd)
        except BaseException:
            self.close()
            raise

    @property
    def fd(self) -> int:
        """Its descriptor, while it is the current level."""
        return self._fd

    def entries(self) -> Generator[os.DirEntry[str], None, None]:
        """Yield its entries, or the next part of them once the directories of the last part have been entered.

        An error ends it and becomes the level's `problem`.
        """
        if self._offset is None or self.queued:
            return
        try:
            if self._offset:
                os.lseek(self._fd, self._offset, os.SEEK_SET)
            listing: _Listing = os.scandir(self._fd)
            with contextlib.closing(listing):
                yield from self._part(listing)
        except OSError as error:
            self.problem = translate(error, self.path or ".")
            self._offset = None

    def _part(self, listing: _Listing) -> Iterator[os.DirEntry[str]]:
        """Yield the entries up to a position at which reading can resume: where the system's buffer ends."""
        end: int | None = None
        for entry in listing:
            if end is not None and os.lseek(self._fd, 0, os.SEEK_CUR) != end:
                self._offset = end  # this entry is the first of the next part
                return
            yield entry
            if end is None and self._is_full():
                end = os.lseek(self._fd, 0, os.SEEK_CUR)
        self._offset = None

    def enqueue(self, name: bytes) -> None:
        """Queue a directory in it."""
        self._names += _SEPARATOR + name
        self.queued += 1

    def dequeue(self) -> bytes | None:
        """Take the name of a queued directory from the queue; None if there is none."""
        at = self._names.rfind(_SEPARATOR)
        if at < 0:
            return None
        name = bytes(self._names[at + 1 :])
        del self._names[at:]
        self.queued -= 1
        return name

    def open_in(self, name: bytes) -> int:
        """Open a directory in it for listing; raises `FileError`."""
        path = (*self.path, name)
        return open_below(self._fd, path, len(path), LIST_FLAGS)

    def look_at(self, name: bytes) -> os.stat_result:
        """Return the status of an entry; raises OSError."""
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False)

    def reopen(self, root: int) -> None:
        """Open it again if it was closed; if that fails, the rest of it is a `problem`."""
        if self._fd >= 0:
            return
        try:
            self._fd = open_directory(root, self.path)
            if not os.path.samestat(os.fstat(self._fd), self.status):
                raise failure(NotFound, "Moved while it was being listed", self.path)
        except FileError as problem:
            self.problem = problem
            self._offset = None
            self._names.clear()
            self.queued = 0
            self.close()

    def close(self) -> None:
        """Close its descriptor; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close_quietly(fd)


class TreeWalk(Closing):
    """The levels from the directory `path` beneath `root` down to the current one. A context manager.

    `most`: how many names may be queued before a directory is read in parts. Raises what is wrong with the directory
    itself.
    """

    def __init__(self, root: int, path: Path, *, most: int = QUEUED_NAMES) -> None:
        self._root = root
        self._most = most
        self._above = 0  # names that wait above the current level
        self._levels: list[Level] = []
        self._enter(open_directory(root, path), path)

    @property
    def current(self) -> Level | None:
        """The deepest level, open; None at the end of the walk."""
        if not self._levels:
            return None
        self._levels[-1].reopen(self._root)
        return self._levels[-1]

    @property
    def depth(self) -> int:
        """The number of levels."""
        return len(self._levels)

    def enter(self, name: bytes) -> Level:
        """Enter the directory `name` of the current level; return the level. Raises `FileError`."""
        level = self._levels[-1]
        return self._enter(level.open_in(name), (*level.path, name))

    def _enter(self, fd: int, path: Path) -> Level:
        level = Level(fd, path, self._is_full)
        if self._levels:
            self._above += self._levels[-1].queued
        self._levels.append(level)
        if len(self._levels) > OPEN_LEVELS:
            self._levels[-1 - OPEN_LEVELS].close()
        return level

    def leave(self) -> None:
        """Return to the level above."""
        self._levels.pop().close()
        if self._levels:
            self._above -= self._levels[-1].queued

    def _is_full(self) -> bool:
        return self._above + self._levels[-1].queued >= self._most

    def close(self) -> None:
        """Close all levels; idempotent."""
        for level in self._levels:
            level.close()


def scan(root: int, path: Path, *, recursive: bool, others: bool = False) -> Generator[ScanEntry, None, None]:
    """List `path` below the directory that is open as `root`, see `Store.scan`; `path` has been checked."""
    top = len(path)
    with TreeWalk(root, path, most=QUEUED_NAMES) as walk:
        while (level := walk.current) is not None:
            yield from _entries(level, top, enqueue=recursive, others=others)
            name = level.dequeue()
            if name is not None:
                yield _enter(walk, level, name, top)
                continue
            walk.leave()
            if level.problem is not None:
                if not walk.depth:
                    raise level.problem
                yield ScanEntry(level.path[top:], file_info(level.status), level.problem)


def _entries(level: Level, top: int, *, enqueue: bool, others: bool) -> Iterator[ScanEntry]:
    """Yield the entries of a directory, or the next part of them; with `enqueue` directories are queued instead."""
    path = level.path
    below = path[top:]
    room = MAX_PATH - sum(map(len, path)) - len(path) - 1  # for a name
    with contextlib.closing(level.entries()) as entries:
        for entry in entries:
            seen = _look_at(entry, path, others=others)
            if seen is None:
                continue
            if len(seen.name) > room:
                level.problem = failure(
                    NameRefused, "Contains names that are too long", path, reason=Reason.NAME_TOO_LONG
                )
            elif seen.is_directory and enqueue:
                level.enqueue(seen.name)
            else:
                yield ScanEntry((*below, seen.name), seen.info, seen.problem)


def _enter(walk: TreeWalk, level: Level, name: bytes, top: int) -> ScanEntry:
    """Enter a queued directory; return its entry, with a problem if it could not be entered."""
    path = (*level.path, name)
    try:
        if len(path) >= MAX_COMPONENTS:
            raise failure(NameRefused, "Contents nested too deep", path, reason=Reason.TOO_DEEP)
        entered = walk.enter(name)
    except FileError as problem:
        return ScanEntry(path[top:], _info_of(level, name), problem)
    return ScanEntry(path[top:], file_info(entered.status))


def _info_of(level: Level, name: bytes) -> FileInfo | None:
    """Return what is known of a directory that can't be entered."""
    try:
        status = level.look_at(name)
    except OSError:
        return None
    return file_info(status) if stat.S_ISDIR(status.st_mode) else None


class _Seen(NamedTuple):
    """What is told of one entry; `problem` if its attributes could not be read."""

    name: bytes
    info: FileInfo | None
    is_directory: bool
    problem: FileError | None = None


def _look_at(entry: os.DirEntry[str], directory: Path, *, others: bool) -> _Seen | None:
    """Return what is told of an entry of this directory; None for nothing."""
    if entry.name.startswith(RESERVED_TEXT):
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _by_listing_alone(entry, translate(error, (*directory, os.fsencode(entry.name))), others=others)
    if stat.S_ISREG(status.st_mode):
        return _Seen(os.fsencode(entry.name), file_info(status), is_directory=False)
    if stat.S_ISDIR(status.st_mode):
        return _Seen(os.fsencode(entry.name), file_info(status), is_directory=True)
    return _Seen(os.fsencode(entry.name), _other_info(status), is_directory=False) if others else None


def _other_info(status: os.stat_result) -> FileInfo:
    """Return what is told of a symlink or a special file."""
    kind = Kind.SYMLINK if stat.S_ISLNK(status.st_mode) else Kind.SPECIAL
    return FileInfo(kind, 0, mtime_of(status), stat.S_IMODE(status.st_mode))


def _by_listing_alone(entry: os.DirEntry[str], problem: FileError, *, others: bool) -> _Seen | None:
    """Return what is told of an entry of a directory that may be listed but not entered.

    Many file systems tell the kind of an entry in the listing. Where they don't, it may be a file, and is told of.
    """
    name = os.fsencode(entry.name)
    try:
        is_directory = entry.is_dir(follow_symlinks=False)
        is_file = entry.is_file(follow_symlinks=False)
    except OSError:
        return _Seen(name, None, is_directory=False, problem=problem)
    if not (is_directory or is_file or others):
        return None
    return _Seen(name, None, is_directory=is_directory, problem=problem)
