"""Whether the locks of a file system work, on which unfinished files rest.

A network or FUSE file system may refuse flock(2), or grant one lock to several processes. A partial has one name for
all writers of its target, so without locks two of them could write into one file. Invariant: what can't be determined
is not taken for a file system without locks.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import Final

from secftp.storage.directories import LIST_FLAGS
from secftp.storage.errors import close_quietly
from secftp.storage.names import temporary_name
from secftp.storage.partial import CREATE_FLAGS, PRIVATE, remove_quietly

_OPEN_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
# flock(2) where the file system, or the server behind it, has no locks.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})


def has_locks(directory: int) -> bool:
    """Return whether a file in the open directory can be locked by one of two descriptors, and by one alone.

    It is tried with a new file under a reserved name, as writers of unfinished files do it; where none can be made,
    with the directory itself. True where neither tells.
    """
    name = temporary_name()
    try:
        first = os.open(name, CREATE_FLAGS, PRIVATE, dir_fd=directory)
    except OSError:  # nothing can be written here, maybe below
        return _excludes(directory, ".", LIST_FLAGS)
    try:
        return _locks_once(first, directory, name, _OPEN_FLAGS)
    finally:
        remove_quietly(name, directory)
        close_quietly(first)


def _excludes(directory: int, name: str, flags: int) -> bool:
    try:
        first = os.open(name, flags, dir_fd=directory)
    except OSError:
        return True
    try:
        return _locks_once(first, directory, name, flags)
    finally:
        close_quietly(first)


def _locks_once(first: int, directory: int, name: bytes | str, flags: int) -> bool:
    """Return whether `first` can be locked, and a second descriptor of the file can't be meanwhile."""
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True  # another process has just got it
    except OSError as error:
        return error.errno not in _NO_LOCKS
    with contextlib.suppress(OSError):
        second = os.open(name, flags, dir_fd=directory)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            return error.errno not in _NO_LOCKS
        else:
            return False
        finally:
            close_quietly(second)
    return True
