"""New private files that were never finished: a process that is killed while it makes one leaves it under its own name.

Its maker holds a lock on it, so that one without a lock has none any more; the next that makes a file in the directory
removes it, and the secret in it. What must never happen: that a file is removed which is not ours, has a maker, or was
reached through a symlink.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from typing import Final

_PREFIX: Final = ".secftp-key-"
_is_ours = re.compile(re.escape(_PREFIX) + "[0-9a-f]{32}").fullmatch
_CREATE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def create_unfinished(folder: str) -> tuple[int, str]:
    """A new, locked file of mode 0600 in a directory: its descriptor and path. Raises OSError."""
    while True:
        path = os.path.join(folder, f"{_PREFIX}{secrets.token_hex(16)}")
        descriptor = os.open(path, _CREATE_FLAGS, 0o600)
        if _is_kept(descriptor):
            return descriptor, path
        os.close(descriptor)  # a sweep came between its making and its locking, and removes it


def _is_kept(descriptor: int) -> bool:
    """Lock a new file; False if a sweep has its lock, or has removed it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nothing is swept there either
        pass
    return os.fstat(descriptor).st_nlink > 0


def sweep(folder: str) -> None:
    """Remove the files of dead makers from a directory; what can't be looked at or removed is left."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _is_ours(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    descriptor = os.open(path, _LOCK_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(descriptor)
