"""A way down through a tree of directories, with a few descriptors and little memory whatever the tree is.

A directory is read before the directories in it are entered. The names of those wait, packed. Once they are many, in
all levels together, each further directory is read in parts: as far as the system has read ahead, which is a buffer of
32 KiB (up to 1 MiB on a file system with blocks of that size), and later on from there. The descriptors of the deepest
levels alone stay open. A level above them is opened again by its path, and given up if another directory stands there.
What must never happen: that a link is followed, that a tree chooses how many descriptors or how much memory are taken,
or that an entry is left out without a word.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, Protocol, Self

from secftp.errors import FileError, NotFound
from secftp.storage.failures import close_quietly, failure, translate, translated
from secftp.storage.folders import LIST_FLAGS, open_below, open_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from secftp.storage.base import Path

HELD_LEVELS: Final = 4  # whose descriptors stay open
# Names that wait to be entered, of all levels together, before a directory is read in parts.
WAITING_NAMES: Final = 1024
_SEPARATOR: Final = b"\0"


class _Listing(Protocol):
    """What os.scandir returns."""

    def __iter__(self) -> Iterator[os.DirEntry[str]]: ...

    def close(self) -> None: ...


class Level:
    """A directory on the way down; `path` is how it was reached from the root. Takes over its descriptor.

    `problem` is why it could not be read to its end, if it could not.
    """

    __slots__ = ("_fd", "_is_full", "_names", "_position", "path", "problem", "status", "waiting")

    def __init__(self, fd: int, path: Path, is_full: Callable[[], bool]) -> None:
        self.path = path
        self.problem: FileError | None = None
        self.waiting = 0  # how many names wait in it
        self._fd = fd
        self._is_full = is_full
        self._names = bytearray()  # of the directories in it that wait, each behind a separator
        self._position: int | None = 0  # where reading goes on; None at the end
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
        """What is in it, or the next part of it, once no name of the last part waits any more.

        A failure ends it and is the level's `problem`.
        """
        if self._position is None or self.waiting:
            return
        try:
            if self._position:
                os.lseek(self._fd, self._position, os.SEEK_SET)
            listing: _Listing = os.scandir(self._fd)
            with contextlib.closing(listing):
                yield from self._part(listing)
        except OSError as error:
            self.problem = translate(error, self.path or ".")
            self._position = None

    def _part(self, listing: _Listing) -> Iterator[os.DirEntry[str]]:
        """The entries up to a place at which reading can go on: where the system has read no further."""
        end: int | None = None
        for entry in listing:
            if end is not None and os.lseek(self._fd, 0, os.SEEK_CUR) != end:
                self._position = end  # this entry is the first behind it
                return
            yield entry
            if end is None and self._is_full():
                end = os.lseek(self._fd, 0, os.SEEK_CUR)
        self._position = None

    def set_aside(self, name: bytes) -> None:
        """Let a directory in it wait to be entered."""
        self._names += _SEPARATOR + name
        self.waiting += 1

    def next_name(self) -> bytes | None:
        """The next of those that wait; None if there is none, which is the end unless `entries` has another part."""
        at = self._names.rfind(_SEPARATOR)
        if at < 0:
            return None
        name = bytes(self._names[at + 1 :])
        del self._names[at:]
        self.waiting -= 1
        return name

    def open_in(self, name: bytes) -> int:
        """A descriptor of a directory in it, to be listed; raises `FileError`."""
        path = (*self.path, name)
        return open_below(self._fd, path, len(path), LIST_FLAGS)

    def look_at(self, name: bytes) -> os.stat_result:
        """What stands under a name in it; raises OSError."""
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False)

    def hold(self, root: int) -> None:
        """Open it again if it was let go; if that can't be, the rest of it is a `problem`."""
        if self._fd >= 0:
            return
        try:
            self._fd = open_listed(root, self.path)
            if not os.path.samestat(os.fstat(self._fd), self.status):
                raise failure(NotFound, "It was moved while it was listed", self.path)
        except FileError as problem:
            self.problem = problem
            self._position = None
            self._names.clear()
            self.waiting = 0
            self.close()

    def close(self) -> None:
        """Let go of its descriptor; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close_quietly(fd)


class Descent:
    """The levels from the directory `path` beneath `root` down to where one is. A context manager.

    `most`: how many names may wait before a directory is read in parts. Raises what is wrong with the directory itself.
    """

    def __init__(self, root: int, path: Path, *, most: int = WAITING_NAMES) -> None:
        self._root = root
        self._most = most
        self._above = 0  # names that wait above the current level
        self._levels: list[Level] = []
        self._enter(open_listed(root, path), path)

    @property
    def current(self) -> Level | None:
        """The deepest level, open; None once all is done."""
        if not self._levels:
            return None
        self._levels[-1].hold(self._root)
        return self._levels[-1]

    @property
    def depth(self) -> int:
        """How many levels there are."""
        return len(self._levels)

    def go_into(self, name: bytes) -> Level:
        """The directory `name` of the current level, which is the current one from now on; raises `FileError`."""
        level = self._levels[-1]
        return self._enter(level.open_in(name), (*level.path, name))

    def _enter(self, fd: int, path: Path) -> Level:
        level = Level(fd, path, self._is_full)
        if self._levels:
            self._above += self._levels[-1].waiting
        self._levels.append(level)
        if len(self._levels) > HELD_LEVELS:
            self._levels[-1 - HELD_LEVELS].close()
        return level

    def leave(self) -> None:
        """Go back to the level above."""
        self._levels.pop().close()
        if self._levels:
            self._above -= self._levels[-1].waiting

    def _is_full(self) -> bool:
        return self._above + self._levels[-1].waiting >= self._most

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for level in self._levels:
            level.close()
