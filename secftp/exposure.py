"""What clients can reach in a directory that is served, by whichever name it goes.

A path is walked as the kernel walks it, symlink by symlink. If any of its names is looked up in the served directory or
beneath that, then a client that may write decides what the path leads to. Directories are compared by device and inode
number, so another name of the served directory is that directory. What is mounted beneath it (a bind mount shows a part
of a file system a second time) is taken from the mount table. What must never happen: that a path which can't be judged
counts as out of reach.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp import system

if TYPE_CHECKING:
    from collections.abc import Iterator

StrPath: TypeAlias = "str | os.PathLike[str]"

# As many as Linux follows in one path (path_resolution(7)); beyond, the path leads nowhere.
_SYMLINKS_MAX: Final = 40


class Exposure:
    """What lies in the served directory `root`. Raises OSError if that can't be looked at."""

    def __init__(self, root: StrPath) -> None:
        self._root = os.stat(root)
        real = os.path.realpath(root)
        self._mounts = system.mounts()
        beneath = [mount for mount in self._mounts if is_beneath(mount.point, real) and mount.point != real]
        self._mounted = [(mount.device, mount.root) for mount in beneath]
        self._judged: dict[str, bool] = {}
        self._devices = {self._root.st_dev, *(device for mount in beneath if (device := _device(mount.point)) >= 0)}

    def reaches(self, path: StrPath) -> bool:
        """Whether a name that leads to `path` stands in the served directory. `path` need not exist."""
        return any(self.includes(directory) for directory in _lookups(os.fsdecode(path)))

    def includes(self, directory: str) -> bool:
        """Whether `directory`, without any symlink in its name, is the served one or lies beneath it."""
        if directory not in self._judged:
            within = any(self.is_root(above) for above in _upwards(directory))
            self._judged[directory] = within or self.shows_again(directory)
        return self._judged[directory]

    def is_root(self, directory: str) -> bool:
        """Whether `directory` is the served one itself."""
        try:
            return os.path.samestat(os.stat(directory), self._root)
        except OSError:
            return False

    def shows_again(self, directory: str) -> bool:
        """Whether a mount beneath the served directory has `directory` in it; to be given without symlinks."""
        if not self._mounted:
            return False
        device, place = self._place(os.path.realpath(directory))
        return any(device == shown and is_beneath(place, root) for shown, root in self._mounted)

    def may_link(self, path: StrPath) -> bool:
        """Whether the file `path` has further names (hard links), and one of them can be in the served directory."""
        try:
            status = os.stat(path)
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_dev in self._devices

    def _place(self, real: str) -> tuple[str, str]:
        """The file system that holds `real`, and where in it that is."""
        found = max(
            (mount for mount in self._mounts if is_beneath(real, mount.point)),
            key=lambda mount: len(mount.point),
            default=None,
        )
        if found is None:
            return "", real
        return found.device, os.path.normpath(os.path.join(found.root, os.path.relpath(real, found.point)))


def is_beneath(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies beneath it, by the names alone."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _lookups(path: str) -> Iterator[str]:
    """Each directory in which a name is looked up on the way to `path`; without symlinks in it."""
    place = "/" if path.startswith("/") else os.getcwd()
    names = path.split("/")[::-1]
    symlinks = 0
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            place = os.path.dirname(place)
            continue
        yield place
        below = os.path.join(place, name)
        target = _symlink(below)
        if target is None or symlinks == _SYMLINKS_MAX:
            place = below
            continue
        symlinks += 1
        names += target.split("/")[::-1]
        if target.startswith("/"):
            place = "/"


def _symlink(path: str) -> str | None:
    """Where a symlink leads; None if it is none, or nothing is there."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def _upwards(path: str) -> Iterator[str]:
    """`path` and every directory above it."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def _device(path: str) -> int:
    try:
        return os.stat(path).st_dev
    except OSError:
        return -1
