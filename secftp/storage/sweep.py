"""Removal of what writers left behind when they were killed.

A writer holds a lock on its temporary file for as long as it lives, so whoever gets that lock knows that there is no
writer any more; age says nothing. The lock is taken on a descriptor and the name compared with it afterwards, because
the writer may have renamed the file in between. What must never happen: that a file is removed which somebody still
writes, or which has got its final name, or that a link leads the sweep out of its folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from typing import TYPE_CHECKING

from secftp.messages.bounds import MAX_COMPONENTS
from secftp.storage.names import is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.local import StrOrBytesPath

_ROOT_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER_FLAGS = _ROOT_FLAGS | os.O_NOFOLLOW
_FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def sweep(root: StrOrBytesPath | int, *, stop: threading.Event | None = None) -> int:
    """Remove the temporary files of dead writers from the tree `root`, a path or a descriptor; return how many.

    Only regular files that belong to this user and bear a name of ours are touched. What can't be read, locked or
    removed is left, and so is all below the depth that a name of the wire can reach. `stop` ends it early. Raises
    OSError only if `root` can't be opened or listed.
    """
    is_stopped = stop.is_set if stop is not None else bool
    fd = os.open(".", _ROOT_FLAGS, dir_fd=root) if isinstance(root, int) else os.open(root, _ROOT_FLAGS)
    try:
        return _sweep_folder(fd, MAX_COMPONENTS, is_stopped)
    finally:
        os.close(fd)


class Sweeper:
    """A sweep in a thread of its own, of the folder held open as `root` (which it keeps open for itself)."""

    def __init__(self, root: int) -> None:
        self._root = os.dup(root)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="secftp-sweep", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            os.close(self._root)
            raise

    def _run(self) -> None:
        try:
            # A root that may be entered but not listed has no leftovers that we could find.
            with contextlib.suppress(OSError):
                sweep(self._root, stop=self._stop)
        finally:
            os.close(self._root)

    def wait(self) -> None:
        """Wait until it is through."""
        self._thread.join()

    def close(self) -> None:
        """Stop it at the next name and wait for that; idempotent."""
        self._stop.set()
        self._thread.join()


def _sweep_folder(folder: int, levels: int, is_stopped: Callable[[], bool]) -> int:
    """Sweep a folder and `levels - 1` levels of folders in it; two descriptors are open for each level."""
    removed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_stopped():
                break
            # One bad entry (no permission, gone since) must not keep the others from being looked at.
            with contextlib.suppress(OSError):
                name = os.fsencode(entry.name)
                if is_temporary(name):
                    removed += entry.is_file(follow_symlinks=False) and _remove_if_abandoned(name, folder)
                elif levels > 1 and entry.is_dir(follow_symlinks=False):
                    removed += _enter(name, folder, levels - 1, is_stopped)
    return removed


def _enter(name: bytes, folder: int, levels: int, is_stopped: Callable[[], bool]) -> int:
    fd = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    try:
        return _sweep_folder(fd, levels, is_stopped)
    finally:
        os.close(fd)


def _remove_if_abandoned(name: bytes, folder: int) -> bool:
    """Remove a temporary file unless it has a writer, or is not what it seemed; raises OSError for "can't tell"."""
    fd = os.open(name, _FILE_FLAGS, dir_fd=folder)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(fd)
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
        ours = stat.S_ISREG(held.st_mode) and held.st_uid == os.geteuid() and os.path.samestat(held, named)
        if ours:
            os.unlink(name, dir_fd=folder)
        return ours
    finally:
        os.close(fd)
