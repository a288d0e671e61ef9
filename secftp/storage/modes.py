"""Permissions: what a request may set, what a new file or directory gets without any, and how exactly.

Permissions that a request names are applied as they are, whatever the process's umask, less what the operator's mask
takes away. What must never happen: that a request sets setuid, setgid or sticky bits, that it gets past the mask, or
that anything is, even for a moment, accessible to more users than it is in the end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from secftp import system

PERMISSIONS: Final = 0o777
_OWNER: Final = 0o700
_NEW_FILE: Final = 0o666
_NO_MODES: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def make_directory(name: bytes | str, mode: int, *, folder: int | None = None) -> None:
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
