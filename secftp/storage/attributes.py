"""File attributes: what is known of a file, what is asked for one that is written, and permissions.

Permissions that a request names are applied as they are, whatever the umask, less what the operator's mask takes away.
Invariants: no request sets setuid, setgid or sticky bits or gets past the mask, and no file is, even for a moment,
accessible to more users than it is in the end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp import system
from secftp.protocol import Kind
from secftp.storage.directories import LIST_FLAGS, OWNER

if TYPE_CHECKING:
    from secftp.protocol import Algorithm

Identity: TypeAlias = tuple[int, int]  # device and inode: one file or directory, while it exists

PERMISSIONS: Final = 0o777
_NEW_FILE: Final = 0o666
_NO_MODES: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_LATEST = 2**63 - 1  # nanoseconds: the year 2262
# Resolutions of modification times in nanoseconds: most file systems, NTFS, network ones (two), exFAT, old ones, FAT.
RESOLUTIONS: Final = (1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000)
COARSEST: Final = RESOLUTIONS[-1]


class FileInfo(NamedTuple):
    """What is known of a file without reading it.

    `size`: bytes, 0 for a directory, None for a stream of unknown length. `mtime_ns`: nanoseconds since 1970, see
    `mtime_of`. `mode`: the twelve permission bits.
    """

    kind: Kind
    size: int | None
    mtime_ns: int
    mode: int


def file_info(status: os.stat_result) -> FileInfo:
    """Return the `FileInfo` of a regular file or a directory."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return FileInfo(Kind.DIRECTORY, 0, mtime_of(status), stat.S_IMODE(mode))
    return FileInfo(Kind.FILE, status.st_size, mtime_of(status), stat.S_IMODE(mode))


def mtime_of(status: os.stat_result) -> int:
    """Return the modification time in nanoseconds since 1970, clamped to 64 bits; `is_clamped` tells such times."""
    mtime_ns = status.st_mtime_ns
    if -_LATEST <= mtime_ns <= _LATEST:
        return mtime_ns
    return _LATEST if mtime_ns > 0 else -_LATEST


def is_clamped(mtime_ns: int) -> bool:
    """Return whether a time was clamped to 64 bits of nanoseconds: it is before 1677, or after 2262."""
    return not -_LATEST < mtime_ns < _LATEST


def same_time(one: int, other: int, of_one: int = COARSEST, of_other: int = COARSEST) -> bool:
    """Return whether two times are equal, or one is the other at a file system's coarser resolution.

    `of_one`, `of_other`: the coarsest resolution that the file system of each may have.
    """
    if one == other:
        return True
    if abs(one - other) >= COARSEST:
        return False
    return _truncates(one, other, of_one) or _truncates(other, one, of_other)


def _truncates(one: int, other: int, coarsest: int) -> bool:
    """Return whether a file system of a resolution up to the coarsest one keeps the one time for the other."""
    return any(one == other - other % step for step in RESOLUTIONS if step <= coarsest)


def keeps_time(requested: int | None, found: int) -> bool:
    """Return whether a file system stores the requested time, but for the precision of its timestamps."""
    return requested is None or abs(requested - found) < COARSEST


# A shorter hole counts as data: to send it takes longer than to send its zeros.
LEAST_HOLE: Final = 1 << 15


class Extent(NamedTuple):
    """A part of a file up to `end`: a hole, which reads as zeros and has no blocks, or data."""

    is_hole: bool
    end: int


class Kept(NamedTuple):
    """Whether a file or directory has the time, and the permissions (of 0o777), that were requested."""

    time: bool = True
    mode: bool = True


ALL_KEPT: Final = Kept()


class WriteOptions(NamedTuple):
    """How a file is to be written.

    `overwrite`: whether it may replace a file of that name. `mode`: its permissions, applied exactly and whatever the
    umask, less all but 0o777 and what the store's mask takes away; None keeps those of the replaced file. `mtime_ns`:
    its modification time in nanoseconds since 1970, None for now. `size`: the expected number of bytes, or those that
    are still to come where a partial is resumed; a file that can't fit is refused at once, but nothing is reserved.
    `keep`: whether `Sink.keep` may leave the partial of the name; a partial of an earlier transfer is then discarded.
    `holes`: about how many of the bytes of `size` are holes, which need no space. `sparse`: leave holes also where
    blocks of zeros are written. `backup`: the file that is replaced keeps its name with this suffix, see `backup`.
    `digest`: algorithm and digest of the whole file where it is written at once, for stores that keep digests.

    A tuple, because one is made for each of thousands of small files.
    """

    overwrite: bool = True
    mode: int | None = None
    mtime_ns: int | None = None
    size: int | None = None
    keep: bool = False
    holes: int = 0
    sparse: bool = False
    backup: bytes | None = None
    digest: tuple[Algorithm, bytes] | None = None


def kept_attributes(asked: WriteOptions, found: FileInfo) -> Kept:
    """Return which of the requested attributes the file has; what was not requested counts as kept."""
    is_mode = asked.mode is None or not (asked.mode ^ found.mode) & PERMISSIONS
    return Kept(keeps_time(asked.mtime_ns, found.mtime_ns), is_mode)


DEFAULT_OPTIONS: Final = WriteOptions()
KEPT_OPTIONS: Final = WriteOptions(keep=True)


def file_mode(requested: int | None, replaced: os.stat_result | None, mask: int) -> int:
    """Return the permissions for a file: those requested, else those of the file that it replaces, else a new file's.

    `mask`: the bits that requests may set; it does not apply to those of a replaced file.
    """
    if requested is not None:
        return granted_mode(requested, mask)
    if replaced is not None:
        return stat.S_IMODE(replaced.st_mode) & PERMISSIONS
    return _NEW_FILE & ~system.process_umask() & mask


def granted_mode(requested: int, mask: int) -> int:
    """Return which of the requested permissions a file gets."""
    return requested & PERMISSIONS & mask


def directory_mode(requested: int | None, mask: int) -> int:
    """Return the permissions for a directory; the mask never denies it to its owner, who has to work in it."""
    allowed = PERMISSIONS & (mask | OWNER)
    return allowed & ~system.process_umask() if requested is None else requested & allowed


def mkdir_with_mode(name: bytes | str, mode: int, *, directory: int | None = None) -> None:
    """Make a directory, in the one that is open as `directory`, with exactly these permissions; raises OSError.

    Inherited bits (setgid) stay. A file system without such permissions gives it others, which `set_attributes`
    reports. Until its permissions are set it has at most these and its owner's.
    """
    os.mkdir(name, mode | OWNER, dir_fd=directory)
    try:
        fd, target = os.open(name, LIST_FLAGS, dir_fd=directory), None
    except PermissionError:  # the umask denies it to its owner
        fd, target = open_unreadable(name, directory)
    try:
        found = stat.S_IMODE(os.fstat(fd).st_mode)
        if found & PERMISSIONS != mode:
            set_mode(fd if target is None else target, found & ~PERMISSIONS | mode)
    finally:
        os.close(fd)


def set_mode(target: int | str, mode: int) -> bool:
    """Set the permissions of a file that this process has made; return False where the file system does not have them.

    FAT and the like refuse with EPERM. Raises OSError for any other error.
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


def open_unreadable(name: bytes | str, directory: int | None) -> tuple[int, str]:
    """Open a file that its owner may not read; return a descriptor for its name alone, and a path.

    The path is for chmod and utime. Raises PermissionError where the system has no O_PATH.
    """
    flag = getattr(os, "O_PATH", None)
    if flag is None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    fd = os.open(name, flag | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    return fd, f"/proc/self/fd/{fd}"
