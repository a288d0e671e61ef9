"""Paths that clients can reach in a served directory, by any name.

A path is resolved as the kernel resolves it, symlink by symlink. If one of its names is looked up in the served
directory or beneath it, a client that may write determines what the path leads to. Directories are compared by device
and inode number, so another name of the served directory is that directory. A bind mount shows a part of a file system
a second time, beneath the served directory or a part of that elsewhere: the mount table tells which part. Hard links
are searched for. Invariant: a path that can't be judged counts as reachable.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp import system

if TYPE_CHECKING:
    from collections.abc import Iterator

StrPath: TypeAlias = "str | os.PathLike[str]"

# The number that Linux follows in one path (path_resolution(7)); a path with more can't be resolved.
_SYMLINKS_MAX: Final = 40
# readlink(2) of what is no symlink, does not exist, or could not be opened by this process either.
_NO_SYMLINK: Final = frozenset(
    {errno.EINVAL, errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}
)


class Exposure:
    """What clients can reach in the served directory `root`. Raises OSError if that can't be read."""

    def __init__(self, root: StrPath) -> None:
        self._root = os.stat(root)
        real = os.path.realpath(root)
        self._mounts = system.mounts()
        self._real = real
        self._mounted = [
            (mount.device, mount.root)
            for mount in self._mounts
            if is_beneath(mount.point, real) and mount.point != real
        ]
        self._shown = [*self._mounted, self._place(real)]
        self._judged: dict[str, bool] = {}

    def reaches(self, path: StrPath) -> bool:
        """Return whether a name that leads to `path`, which need not exist, is in the served directory."""
        return any(self.includes(directory) for directory in lookups(path))

    def includes(self, directory: str) -> bool:
        """Return whether `directory`, a path without symlinks, is the served directory or beneath it."""
        if directory not in self._judged:
            within = any(self.is_root(above) for above in _upwards(directory))
            self._judged[directory] = within or self._is_within(directory, self._shown)
        return self._judged[directory]

    def is_root(self, directory: str) -> bool:
        """Return whether `directory` is the served directory itself."""
        try:
            return os.path.samestat(os.stat(directory), self._root)
        except OSError:
            return False

    def shows_again(self, directory: str) -> bool:
        """Return whether a mount beneath the served directory contains `directory` once more."""
        return self._is_within(os.path.realpath(directory), self._mounted)

    def has_file(self, path: StrPath) -> bool:
        """Return whether clients can reach the file `path`: by a name that leads to it, by a mount or by a hard link.

        It need not exist. Raises OSError where that can't be determined.
        """
        if self.reaches(path) or self._is_within(os.path.realpath(path), self._shown):
            return True
        try:
            status = os.stat(path)
        except OSError:  # it does not exist, or this process could not open it
            return False
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and self._links_to(status)

    def _links_to(self, status: os.stat_result) -> bool:
        """Return whether a file beneath the served directory is this one; called only if it has several names."""
        waiting = [self._real]
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        elif entry.inode() == status.st_ino and _is_file(entry, status):
                            return True
            except FileNotFoundError:  # a client has removed the directory meanwhile
                continue
        return False

    def _is_within(self, real: str, shown: list[tuple[str, str]]) -> bool:
        """Return whether one of the mounted parts of file systems contains `real`."""
        device, place = self._place(real)
        return any(device == shown_device and is_beneath(place, root) for shown_device, root in shown)

    def _place(self, real: str) -> tuple[str, str]:
        """Return the file system that holds `real`, and its path in that."""
        found = max(
            (mount for mount in self._mounts if is_beneath(real, mount.point)),
            key=lambda mount: len(mount.point),
            default=None,
        )
        if found is None:
            return "", real
        return found.device, os.path.normpath(os.path.join(found.root, os.path.relpath(real, found.point)))


def is_beneath(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or beneath it, by the names alone."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def lookups(path: StrPath) -> Iterator[str]:
    """Yield each directory in which a name is looked up on the way to `path`, as a path without symlinks."""
    return map(os.path.dirname, steps(path))


def steps(path: StrPath) -> Iterator[str]:
    """Yield each name that is looked up on the way to `path`, as a path without symlinks before the name itself."""
    text = os.fsdecode(path)
    place = "/" if text.startswith("/") else os.getcwd()
    names = text.split("/")[::-1]
    symlinks = 0
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            place = os.path.dirname(place)
            continue
        below = os.path.join(place, name)
        yield below
        target = _symlink(below)
        if target is None or symlinks == _SYMLINKS_MAX:
            place = below
            continue
        symlinks += 1
        names += target.split("/")[::-1]
        if target.startswith("/"):
            place = "/"


def _symlink(path: str) -> str | None:
    """Return the target of a symlink; None if there is none. Raises OSError where that can't be determined."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in _NO_SYMLINK:
            return None
        raise


def _upwards(path: str) -> Iterator[str]:
    """Yield `path` and every directory above it."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def _is_file(entry: os.DirEntry[str], status: os.stat_result) -> bool:
    try:
        return os.path.samestat(entry.stat(follow_symlinks=False), status)
    except FileNotFoundError:  # it was removed meanwhile
        return False
