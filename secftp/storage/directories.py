"""Directories by descriptor: path resolution from an open root, name by name and through no symlink.

Every path is resolved from the root anew. Keeping the last directory open would save 2 of the 40 microseconds that a
small file takes; checking that it still has its path costs as much as opening it, and without that check a file could
be written into a directory that was renamed or removed meanwhile. Invariants: `..` and symlinks are never resolved, and
a symlink is not told from a name that does not exist.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from secftp.errors import FileError, NotADirectory, NotFound, Reason
from secftp.storage.errors import close_quietly, failure, not_followed, not_regular, translate, translated

if TYPE_CHECKING:
    from collections.abc import Generator

    from secftp.storage.names import Path

StrOrBytesPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

# O_PATH, where there is one, needs no permission to list the directory and triggers no automount.
DIRECTORY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
BELOW_FLAGS = DIRECTORY_FLAGS | os.O_NOFOLLOW
LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_DIRECTORY | O_NOFOLLOW at a symlink: ENOTDIR on Linux, the others on macOS and FreeBSD.
_NO_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})

OWNER = 0o700
_HAS_O_PATH = hasattr(os, "O_PATH")


def open_root(root: StrOrBytesPath) -> int:
    """Open a directory that the user named, symlinks in its path included.

    Raises `NotFound`, `NotADirectory` or `Forbidden`, with a hint, if it can't be used.
    """
    name = os.fsdecode(root)
    try:
        fd = os.open(root, DIRECTORY_FLAGS)
    except FileNotFoundError as error:
        raise failure(NotFound, "No such directory", name, hint="Create it first, or name another.") from error
    except NotADirectoryError as error:
        raise failure(NotADirectory, "Not a directory", name, hint="Name the directory that holds the file.") from error
    except OSError as error:
        raise _unusable(error, name) from error
    try:
        # O_PATH opens a directory without the permission to enter it.
        os.close(os.open(".", BELOW_FLAGS, dir_fd=fd))
    except OSError as error:
        close_quietly(fd)
        raise _unusable(error, name) from error
    return fd


def open_parent(root: int, path: Path) -> int:
    """Return a new descriptor of the directory that holds the last name of `path`; it can't be listed.

    Raises `NotFound` (for symlinks, too), `NotADirectory`, `Forbidden`.
    """
    depth = len(path) - 1
    if depth <= 0:
        with translated(path):
            return os.dup(root)
    directory = open_below(root, path, 1)
    for reached in range(2, depth + 1):
        above = directory
        try:
            directory = open_below(above, path, reached)
        finally:
            close_quietly(above)
    return directory


def open_parent_of_new(root: int, path: Path) -> int:
    """Do the same for a name that is to be made: a `NotFound` then is about the directory."""
    try:
        return open_parent(root, path)
    except NotFound as error:
        raise failure(NotFound, "No such directory", path[:-1], reason=Reason.NO_PARENT) from error


def open_directory(root: int, path: Path) -> int:
    """Return a new descriptor of the directory `path` itself, `()` being the root, that can be listed.

    Raises as `open_parent`, and `NotADirectory` if it is a file.
    """
    if not path:
        with translated("."):
            return os.open(".", LIST_FLAGS, dir_fd=root)
    above = open_parent(root, path)
    try:
        return open_below(above, path, len(path), LIST_FLAGS)
    finally:
        close_quietly(above)


def open_below(above: int, path: Path, depth: int, flags: int = BELOW_FLAGS) -> int:
    """Open the directory that is the `depth`th name of `path`, in the directory `above`."""
    try:
        return os.open(path[depth - 1], flags, dir_fd=above)
    except OSError as error:
        if error.errno in _NO_DIRECTORY:
            raise _not_entered(path, depth, above) from error
        raise translate(error, path) from error


def entry_status(directory: int, path: Path) -> os.stat_result:
    """Return the status of the last name of `path` in its parent `directory`: that of a regular file or a directory.

    Raises `NotFound` for a symlink, too, and `Forbidden` for devices, FIFOs and sockets.
    """
    with translated(path):
        status = os.stat(path[-1], dir_fd=directory, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return status
    raise not_followed(path) if stat.S_ISLNK(status.st_mode) else not_regular(path)


def not_found(path: Path) -> NotFound:
    """Return the exception for a name that does not exist."""
    return failure(NotFound, "No such file", path)


def _unusable(error: OSError, name: str) -> OSError:
    failure = translate(error, name)
    failure.hint = "The user of this process needs permission to read the directory and to search it and its parents."
    return failure


def _not_entered(path: Path, depth: int, above: int) -> NotFound | NotADirectory:
    """Return the exception for a name that is no directory, `depth` names down the path."""
    try:
        status = os.stat(path[depth - 1], dir_fd=above, follow_symlinks=False)
    except OSError:
        return not_found(path)  # it existed a moment ago
    if stat.S_ISREG(status.st_mode):
        reason = Reason.NO_PARENT if depth < len(path) else None
        return failure(NotADirectory, "Not a directory", path[:depth], reason=reason)
    return not_followed(path) if stat.S_ISLNK(status.st_mode) else not_found(path)


class FreeSpace(NamedTuple):
    """What a file system has left for this user.

    `nbytes`: None where it is not known. `files`: inodes, None where there is no limit. `device`: `st_dev`.
    """

    nbytes: int | None
    files: int | None
    device: int = 0


class Space(NamedTuple):
    """Size of a file system, in bytes and in files (inodes); None where it does not count them.

    `free` includes what only the superuser may use; `available` is for this user, 0 where it is mounted `read_only`.
    `kept` and `largest` are limits of a store: bytes that stay free, and the largest file that may be written.
    """

    total: int | None = None
    free: int | None = None
    available: int | None = None
    files: int | None = None
    files_available: int | None = None
    read_only: bool = False
    kept: int | None = None
    largest: int | None = None


def space_at(fd: int) -> Space:
    """Return the size of the file system of an open file; raises OSError."""
    status = os.fstatvfs(fd)
    read_only = bool(status.f_flag & os.ST_RDONLY)
    space = Space(read_only=read_only)
    if status.f_blocks:
        unit = status.f_frsize
        available = 0 if read_only else status.f_bavail * unit
        space = space._replace(total=status.f_blocks * unit, free=status.f_bfree * unit, available=available)
    if status.f_files:
        space = space._replace(files=status.f_files, files_available=0 if read_only else status.f_favail)
    return space


def free_space_at(fd: int) -> FreeSpace:
    """Return the free space of the file system of an open file; raises OSError."""
    status = os.fstatvfs(fd)
    # A total of 0 blocks, or files, means that the file system does not count them.
    nbytes = status.f_bavail * status.f_frsize if status.f_blocks else None
    files = status.f_favail if status.f_files else None
    return FreeSpace(nbytes, files, os.fstat(fd).st_dev)


def free_space_for(root: int, path: Path) -> FreeSpace:
    """Return the free space where `path` is, or would be made, beneath `root`: any directory may be a mount point.

    Where directories of the path are missing, or can't be entered, the nearest one above counts; the call that acts on
    the path reports what is wrong with it.
    """
    with _nearest_directory(root, path, len(path) - 1) as directory:
        return free_space_at(directory)


def space_for(root: int, path: Path) -> Space:
    """Return the size of the file system of `path` beneath `root`, or of the nearest directory above that exists."""
    with _nearest_directory(root, path, len(path)) as directory:
        return space_at(directory)


@contextlib.contextmanager
def _nearest_directory(root: int, path: Path, depth: int) -> Generator[int, None, None]:
    """A block in which the last of the first `depth` directories of `path` is open that can be opened."""
    with translated(path or "."):
        directory = os.dup(root)
        try:
            for number in range(1, depth + 1):
                above = directory
                try:
                    directory = open_below(above, path, number)
                except FileError:
                    break
                close_quietly(above)
            yield directory
        finally:
            close_quietly(directory)


def make_writable(directory: int, path: Path) -> int | None:
    """Let the owner list, enter and change the directory that is the last name of `path`, in its parent `directory`.

    A tree with a read-only directory can be copied once, since permissions are set last. To copy it again, or to remove
    it, its owner has to make the directory writable for that time, as rsync does. Only the owner's bits of a directory
    that this user owns are changed. Returns the permissions that it had; None if nothing was changed. Raises as
    `open_below`.
    """
    fd = open_below(directory, path, len(path))
    try:
        with translated(path):
            status = os.fstat(fd)
            mode = stat.S_IMODE(status.st_mode)
            if mode & OWNER == OWNER or status.st_uid != os.geteuid():
                return None
            _change_mode(fd, mode | OWNER)
            return mode
    finally:
        close_quietly(fd)


def restore_mode(directory: int, path: Path, mode: int) -> None:
    """Set the `mode` that `make_writable` returned again, unless the permissions have been changed since."""
    fd = open_below(directory, path, len(path))
    try:
        with translated(path):
            status = os.fstat(fd)
            if stat.S_IMODE(status.st_mode) == mode | OWNER and status.st_uid == os.geteuid():
                _change_mode(fd, mode)
    finally:
        close_quietly(fd)


def _change_mode(fd: int, mode: int) -> None:
    # fchmod refuses an O_PATH descriptor, and there is no other for a directory that can't be listed.
    os.chmod(f"/proc/self/fd/{fd}" if _HAS_O_PATH else fd, mode)
