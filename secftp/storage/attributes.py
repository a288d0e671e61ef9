"""What is known of a file, what is asked for one that is written, and its permissions.

Permissions that a request names are applied as they are, whatever the process's umask, less what the operator's mask
takes away. Invariants: no request sets setuid, setgid or sticky bits or gets past the mask, and nothing is, even for a
moment, accessible to more users than it is in the end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final, NamedTuple, TypeAlias

from secftp import system
from secftp.messages import Kind

Identity: TypeAlias = tuple[int, int]  # device and inode: one file or directory, for as long as it is there

PERMISSIONS: Final = 0o777
_OWNER: Final = 0o700
_NEW_FILE: Final = 0o666
_NO_MODES: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LATEST = 2**63 - 1  # nanoseconds: the year 2262
_TICK = 2_000_000_000  # nanoseconds: what the coarsest file system (FAT) rounds to


class FileInfo(NamedTuple):
    """What is known of a file without reading it.

    `size` in bytes, 0 for a folder, None for a stream whose end is not known; `mtime_ns` in nanoseconds since 1970, as
    `mtime_of`; `mode` the twelve permission bits.
    """

    kind: Kind
    size: int | None
    mtime_ns: int
    mode: int


def file_info(status: os.stat_result) -> FileInfo:
    """The `FileInfo` of a regular file or a folder."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return FileInfo(Kind.DIRECTORY, 0, mtime_of(status), stat.S_IMODE(mode))
    return FileInfo(Kind.FILE, status.st_size, mtime_of(status), stat.S_IMODE(mode))


def mtime_of(status: os.stat_result) -> int:
    """The modification time; of one that no 64 bits of nanoseconds can say, and file systems can, the nearest.

    `is_clamped` tells those.
    """
    mtime_ns = status.st_mtime_ns
    if -_LATEST <= mtime_ns <= _LATEST:
        return mtime_ns
    return _LATEST if mtime_ns > 0 else -_LATEST


def is_clamped(mtime_ns: int) -> bool:
    """Whether a time stands for one that 64 bits of nanoseconds can't say: before 1677, or after 2262."""
    return not -_LATEST < mtime_ns < _LATEST


def keeps_time(wished: int | None, found: int) -> bool:
    """Whether a file system has kept a time that it was given, but for its own precision; else it has its nearest."""
    return wished is None or abs(wished - found) < _TICK


class Kept(NamedTuple):
    """Whether a file or directory has the time and the permissions that were asked for, of the latter 0o777."""

    time: bool = True
    mode: bool = True


ALL_KEPT: Final = Kept()


class WriteOptions(NamedTuple):
    """How a file is to be made.

    `overwrite`: whether it may replace one that has the name. `mode`: its permissions, applied exactly and whatever the
    umask, less all but 0o777 and what the store's mask takes away; None keeps those of the file that is replaced.
    `mtime_ns`: its modification time in nanoseconds since 1970, None for now. `size`: how many bytes are expected, or
    are still to come where a partial is resumed; a file that can't fit is refused at once, but nothing is reserved and
    nothing else follows from the number. `keep`: whether `Sink.keep` may leave it as the partial of its name; what an
    earlier transfer left as that is given up.

    A tuple, because one is made for each of thousands of small files.
    """

    overwrite: bool = True
    mode: int | None = None
    mtime_ns: int | None = None
    size: int | None = None
    keep: bool = False


def kept_attributes(asked: WriteOptions, found: FileInfo) -> Kept:
    """Whether the file has the time and the permissions that were asked for, as far as they were."""
    is_mode = asked.mode is None or not (asked.mode ^ found.mode) & PERMISSIONS
    return Kept(keeps_time(asked.mtime_ns, found.mtime_ns), is_mode)


DEFAULT_OPTIONS: Final = WriteOptions()
KEPT_OPTIONS: Final = WriteOptions(keep=True)


def file_mode(wished: int | None, replaced: os.stat_result | None, mask: int) -> int:
    """The permissions of a file: those asked for, else those of the file it replaces, else a new file's.

    `mask`: the bits that requests may set; it does not change what a replaced file has.
    """
    if wished is not None:
        return granted_mode(wished, mask)
    if replaced is not None:
        return stat.S_IMODE(replaced.st_mode) & PERMISSIONS
    return _NEW_FILE & ~system.process_umask() & mask


def granted_mode(wished: int, mask: int) -> int:
    """What a request gets of the permissions that it asks for, for a file."""
    return wished & PERMISSIONS & mask


def directory_mode(wished: int | None, mask: int) -> int:
    """The same for a directory; the mask never takes anything from its owner, who has to work in it."""
    allowed = PERMISSIONS & (mask | _OWNER)
    return allowed & ~system.process_umask() if wished is None else wished & allowed


def mkdir_with_mode(name: bytes | str, mode: int, *, folder: int | None = None) -> None:
    """Make a directory, in the one held open as `folder`, with exactly these permissions; raises OSError.

    Where the file system has no such permissions, it gets what it gives, and whoever sets them in the end hears of it.
    Bits that it inherits (setgid) stay. Until its permissions are set it has at most these, and its owner's.
    """
    os.mkdir(name, mode | _OWNER, dir_fd=folder)
    try:
        fd, target = os.open(name, _OPEN_FLAGS, dir_fd=folder), None
    except PermissionError:  # a umask that denies its owner what he makes
        fd, target = open_unreadable(name, folder)
    try:
        found = stat.S_IMODE(os.fstat(fd).st_mode)
        if found & PERMISSIONS != mode:
            set_mode(fd if target is None else target, found & ~PERMISSIONS | mode)
    finally:
        os.close(fd)


def set_mode(target: int | str, mode: int) -> bool:
    """Set the permissions of what this process has just made; False where the file system does not have these.

    FAT and its like refuse with EPERM. Raises OSError for everything else.
    """
    try:
        if isinstance(target, int):
            os.fchmod(target, mode)
        else:
            os.chmod(target, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise
        return False
    return True


def open_unreadable(name: bytes | str, folder: int | None) -> tuple[int, str]:
    """What belongs to this user, but denies its content: a descriptor that only names it, and the path of that one.

    Raises PermissionError where the system has no such descriptors.
    """
    flag = getattr(os, "O_PATH", None)
    if flag is None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    fd = os.open(name, flag | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    return fd, f"/proc/self/fd/{fd}"
