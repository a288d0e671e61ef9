"""Directories whose owner may not change what is in them (mode 0555): made writable while a tree is copied or removed.

A tree with such a directory can be copied once, since permissions are set last. To copy it again, or to remove it, its
owner has to allow himself to write to it for that time, as rsync does. Only a directory of our own is changed, only by
the owner's bits, and only one that the caller names as a part of the tree. What must never happen: that another
user's directory is changed, that a symlink is followed, or that a change made by others meanwhile is undone.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from secftp.storage.failures import close_quietly, translated
from secftp.storage.folders import open_below

if TYPE_CHECKING:
    from secftp.storage.base import Path

OWNER = 0o700
_HAS_O_PATH = hasattr(os, "O_PATH")


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
