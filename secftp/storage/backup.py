"""Backups: what a file replaces keeps a name, the same with a suffix.

Invariants: at every moment the name of the file has the old contents or the new ones; from the moment on at which it
has the new ones, the old ones have the name of the backup. So a file that is written twice, since the first answer was
lost, is not a backup of itself: one with the same contents replaces no backup.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import Forbidden, Reason
from secftp.storage.attributes import PERMISSIONS, set_mode
from secftp.storage.errors import close_quietly, failure
from secftp.storage.names import check_last, temporary_name
from secftp.storage.partial import create_temporary, discard_partial, remove_quietly
from secftp.storage.source import transfer_all

if TYPE_CHECKING:
    from secftp.storage.names import Path

_PIECE: Final = 1 << 20
_ATTEMPTS: Final = 16
_READ_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
# link(2) on a file system (FAT, some network ones), or under a policy, without hard links.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def keep_backup(directory: int, name: bytes, suffix: bytes, written: int, subject: Path | str) -> None:
    """Give the file `name` of an open directory another name, with a suffix, before the file `written` replaces it.

    Does nothing if `written` has the same contents. A backup that exists is replaced. Raises `NameRefused` for the name
    of the backup, `Forbidden` if anything but a file has that, and OSError.
    """
    backup = name + suffix
    check_last(backup)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(backup, dir_fd=directory, follow_symlinks=False).st_mode):
            raise failure(Forbidden, "Name of the backup in use by what is not a file", subject, reason=Reason.BACKUP)
    try:
        replaced: int | None = os.open(name, _READ_FLAGS, dir_fd=directory)
    except FileNotFoundError:
        return
    except PermissionError:
        replaced = None  # it may be replaced, and not be read
    try:
        if replaced is not None and _is_same(replaced, written):
            return
        try:
            _link(directory, name, backup)
        except OSError as error:
            if error.errno not in _NO_LINKS or replaced is None:
                raise
            _copy(directory, replaced, backup)
    finally:
        if replaced is not None:
            close_quietly(replaced)
    discard_partial(directory, backup)


def _is_same(one: int, other: int) -> bool:
    """Return whether two open files have the same contents."""
    size = os.fstat(one).st_size
    if size != os.fstat(other).st_size:
        return False
    done = 0
    while done < size:
        piece = os.pread(one, _PIECE, done)
        if not piece or piece != os.pread(other, len(piece), done):
            return False
        done += len(piece)
    return True


def _link(directory: int, name: bytes, backup: bytes) -> None:
    """Make `backup` a second name of the file, in the place of an earlier one; raises OSError."""
    for _ in range(_ATTEMPTS):
        temporary = temporary_name()
        os.link(name, temporary, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        try:
            os.rename(temporary, backup, src_dir_fd=directory, dst_dir_fd=directory)
        except FileNotFoundError:
            continue  # a sweep has removed it
        finally:
            remove_quietly(temporary, directory)  # it stays if both names are of this file already
        return
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _copy(directory: int, source: int, backup: bytes) -> None:
    """Make `backup` a copy of an open file, where there are no hard links; raises OSError."""
    fd, temporary = create_temporary(directory)
    try:
        status, done = os.fstat(source), 0
        while piece := os.pread(source, _PIECE, done):
            at = done
            done += transfer_all(lambda rest, moved, at=at: os.pwritev(fd, rest, at + moved), [memoryview(piece)])
        set_mode(fd, status.st_mode & PERMISSIONS)
        os.utime(fd, ns=(time.time_ns(), status.st_mtime_ns))
        os.rename(temporary, backup, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        remove_quietly(temporary, directory)
        raise
    finally:
        close_quietly(fd)
