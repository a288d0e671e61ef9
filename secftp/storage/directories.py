"""Ways to a folder: from a root that is held by its descriptor, name by name, and through no link.

Every walk starts at the root anew. To keep the last folder open would save a small file some 2 of its 40 microseconds,
and to ask whether it still stands where it stood costs as much as opening it; not to ask would write into a folder
that was renamed or removed meanwhile. What must never happen: that `..` or a link is resolved, or that a link is told
apart from what does not exist.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from secftp.errors import FileError, NotADirectory, NotFound, Reason
from secftp.storage.errors import close_quietly, failure, not_followed, not_regular, translate, translated

if TYPE_CHECKING:
    from secftp.storage.names import Path

StrOrBytesPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

# O_PATH, where there is one, needs no permission to list the folder and starts nothing in it (an automounter).
DIRECTORY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
BELOW_FLAGS = DIRECTORY_FLAGS | os.O_NOFOLLOW
LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# What O_DIRECTORY | O_NOFOLLOW says of a link: the first on Linux, the others on macOS and FreeBSD.
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})

OWNER = 0o700
_HAS_O_PATH = hasattr(os, "O_PATH")


def open_root(root: StrOrBytesPath) -> int:
    """Open the folder that a user named, maybe through links; raises with a hint if it is of no use."""
    name = os.fsdecode(root)
    try:
        fd = os.open(root, DIRECTORY_FLAGS)
    except FileNotFoundError as error:
        raise failure(NotFound, "No such folder", name, hint="Make it first, or name another.") from error
    except NotADirectoryError as error:
        raise failure(NotADirectory, "It is not a folder", name, hint="Name the folder that holds the file.") from error
    except OSError as error:
        raise _unusable(error, name) from error
    try:
        # To be allowed to open a folder by O_PATH is not to be allowed to use what is in it.
        os.close(os.open(".", BELOW_FLAGS, dir_fd=fd))
    except OSError as error:
        close_quietly(fd)
        raise _unusable(error, name) from error
    return fd


def open_parent(root: int, path: Path) -> int:
    """A new descriptor of the folder that holds the last name of `path`, to reach things in, not to list it.

    Raises `NotFound` (for links, too), `NotADirectory`, `Forbidden`.
    """
    depth = len(path) - 1
    if depth <= 0:
        with translated(path):
            return os.dup(root)
    folder = open_below(root, path, 1)
    for reached in range(2, depth + 1):
        above = folder
        try:
            folder = open_below(above, path, reached)
        finally:
            close_quietly(above)
    return folder


def open_parent_of_new(root: int, path: Path) -> int:
    """The same for a name that is to be made: here it is the folder that is missing."""
    try:
        return open_parent(root, path)
    except NotFound as error:
        raise failure(NotFound, "No such folder", path[:-1], reason=Reason.NO_PARENT) from error


def open_directory(root: int, path: Path) -> int:
    """A new descriptor of the folder `path` itself, `()` being the root, that may be listed; raises as `open_parent`.

    Also `NotADirectory` if it is a file.
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
    """Open the folder that is the `depth`th name of `path`, in `above`."""
    try:
        return os.open(path[depth - 1], flags, dir_fd=above)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            raise _obstacle(path, depth, above) from error
        raise translate(error, path) from error


def look(folder: int, path: Path) -> os.stat_result:
    """What the last name of `path` is in its `folder`: a regular file or a folder.

    Raises `NotFound` for a link as for nothing, `Forbidden` for devices, FIFOs and sockets.
    """
    with translated(path):
        status = os.stat(path[-1], dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return status
    raise not_followed(path) if stat.S_ISLNK(status.st_mode) else not_regular(path)


def missing(path: Path) -> NotFound:
    """The exception for a name that nothing has."""
    return failure(NotFound, "No such file", path)


def _unusable(error: OSError, name: str) -> OSError:
    failure = translate(error, name)
    failure.hint = "The user this runs as needs to read and enter the folder, and to enter all above it."
    return failure


def _obstacle(path: Path, depth: int, above: int) -> NotFound | NotADirectory:
    """The exception for a name that is no folder, `depth` names down: a link, which nobody is told of, or a file."""
    try:
        status = os.stat(path[depth - 1], dir_fd=above, follow_symlinks=False)
    except OSError:
        return missing(path)  # it was there a moment ago
    if stat.S_ISREG(status.st_mode):
        reason = Reason.NO_PARENT if depth < len(path) else None
        return failure(NotADirectory, "It is not a folder", path[:depth], reason=reason)
    return not_followed(path) if stat.S_ISLNK(status.st_mode) else missing(path)


class FreeSpace(NamedTuple):
    """What a file system has left: bytes, None where it does not tell, and files (inodes), None where it has no limit.

    `device` tells file systems apart (`st_dev`).
    """

    nbytes: int | None
    files: int | None
    device: int = 0


def free_space_at(fd: int) -> FreeSpace:
    """What the file system of the open `fd` has left for the user that this runs as; raises OSError."""
    status = os.fstatvfs(fd)
    # No blocks, or files, in all is a file system that does not say, or that has no number of files.
    nbytes = status.f_bavail * status.f_frsize if status.f_blocks else None
    files = status.f_favail if status.f_files else None
    return FreeSpace(nbytes, files, os.fstat(fd).st_dev)


def free_space_for(root: int, path: Path) -> FreeSpace:
    """The same for a name beneath `root`: of the directory that holds it, or is to hold it once it is made.

    Of directories that are missing, or can't be entered, the nearest above counts; what is wrong with the path itself,
    the call that acts on it says.
    """
    with translated(path or "."):
        folder = os.dup(root)
        try:
            for depth in range(1, len(path)):
                above = folder
                try:
                    folder = open_below(above, path, depth)
                except FileError:
                    break
                close_quietly(above)
            return free_space_at(folder)
        finally:
            close_quietly(folder)


def make_writable(folder: int, path: Path) -> int | None:
    """Let the owner list, enter and change the directory that is the last name of `path`, in `folder`.

    Returns the permissions that it had, None if nothing had to be changed, or nothing can be: it is not ours. Raises as
    `open_below` does.
    """
    fd = open_below(folder, path, len(path))
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


def restore_mode(folder: int, path: Path, mode: int) -> None:
    """Give a directory back the `mode` that `make_writable` returned, unless it has been given another since."""
    fd = open_below(folder, path, len(path))
    try:
        with translated(path):
            status = os.fstat(fd)
            if stat.S_IMODE(status.st_mode) == mode | OWNER and status.st_uid == os.geteuid():
                _change_mode(fd, mode)
    finally:
        close_quietly(fd)


def _change_mode(fd: int, mode: int) -> None:
    # fchmod refuses a descriptor that only names a file; the directory may not be listable, so there is no other.
    os.chmod(f"/proc/self/fd/{fd}" if _HAS_O_PATH else fd, mode)
