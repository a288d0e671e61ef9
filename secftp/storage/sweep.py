"""Removal of unfinished files whose writers were killed.

A writer holds a lock on its unfinished file as long as it lives, so a process that gets the lock knows that there is no
writer; the age of a file tells nothing. Only a partial, which can be resumed, is kept for a week after its last change.
Invariants: no file is removed which has a writer or its final name, and no symlink leads the sweep out of its
directory.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.protocol.limits import MAX_COMPONENTS
from secftp.storage.directories import LIST_FLAGS
from secftp.storage.errors import close_quietly
from secftp.storage.names import is_map, is_partial, is_temporary
from secftp.storage.partial import remove_if_abandoned
from secftp.storage.scan import Level, TreeWalk

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.directories import StrOrBytesPath

_ROOT_FLAGS = LIST_FLAGS & ~os.O_NOFOLLOW
CLOSE_SECONDS: Final = 5.0
LARGE_SECONDS = 3600.0
LARGE_MAX = 1024  # large directories whose last sweep is remembered
SMALL_ENTRIES = 256  # a directory with no more of them is swept each time
PARTIAL_NS = 7 * 24 * 3600 * 10**9  # how long after its last change a partial can be resumed


def sweep(root: StrOrBytesPath | int, *, levels: int = MAX_COMPONENTS, stop: threading.Event | None = None) -> int:
    """Remove the unfinished files without writers from the tree `root`, a path or a descriptor; return how many.

    `levels`: the depth of the sweep, 1 for `root` alone. Only regular files of this user's with names of ours are
    touched. What can't be read, locked or removed is left, and so is all below the depth that a path of the protocol
    can reach. `stop` ends it early. Raises OSError only if `root` can't be opened or listed.
    """
    is_stopped = stop.is_set if stop is not None else bool
    return _sweep_opened(root, levels, is_stopped)


def _sweep_opened(root: StrOrBytesPath | int, levels: int, is_stopped: Callable[[], bool]) -> int:
    fd = os.open(".", _ROOT_FLAGS, dir_fd=root) if isinstance(root, int) else os.open(root, _ROOT_FLAGS)
    try:
        with TreeWalk(fd, ()) as walk:
            return _sweep_levels(walk, levels, is_stopped)
    finally:
        close_quietly(fd)


class RateLimitedSweep:
    """A sweep of single directories, run where an unfinished file is left; of a large one at most once in an hour.

    So no request makes the server read a directory of any size at will. Directories are told apart by device and inode.
    Once too many large ones were swept within the hour, further ones have to wait.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._swept: dict[tuple[int, int], float] = {}  # by directory: when, the oldest first
        self._lock = threading.Lock()

    def __call__(self, directory: int) -> int:
        """Sweep the open directory `directory`, or its first entries; return how many files were removed.

        Raises OSError.
        """
        looked_at = 0

        def has_enough() -> bool:
            nonlocal looked_at
            looked_at += 1
            return looked_at > SMALL_ENTRIES

        removed = _sweep_opened(directory, 1, has_enough)
        if looked_at > SMALL_ENTRIES and self._is_due(directory):
            removed += _sweep_opened(directory, 1, bool)
        return removed

    def _is_due(self, directory: int) -> bool:
        status = os.fstat(directory)
        place, now = (status.st_dev, status.st_ino), self._clock()
        with self._lock:
            while self._swept and next(iter(self._swept.values())) <= now - LARGE_SECONDS:
                del self._swept[next(iter(self._swept))]
            if place in self._swept or len(self._swept) >= LARGE_MAX:
                return False
            self._swept[place] = now
            return True


_sweep_before_writing = RateLimitedSweep()  # one for all transfers of this process


def sweep_leftovers(directory: int) -> None:
    """Remove what killed writers left in the open directory `directory`, before a file is written into it.

    For the directories of a user, where no server sweeps: a client that is killed during a get leaves a file there. As
    `RateLimitedSweep`; a directory that can't be listed is left as it is.
    """
    with contextlib.suppress(OSError):
        _sweep_before_writing(directory)


class Sweeper:
    """A sweep in a thread of its own, of the directory that is open as `root`; it duplicates the descriptor."""

    def __init__(self, root: int) -> None:
        self._root = os.dup(root)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="secftp-sweep", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            close_quietly(self._root)
            raise

    def _run(self) -> None:
        try:
            # A root that may be entered but not listed can't be swept.
            with contextlib.suppress(OSError):
                sweep(self._root, stop=self._stop)
        finally:
            close_quietly(self._root)

    def wait(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def close(self) -> None:
        """Stop it at the next entry and wait for that, at most `CLOSE_SECONDS`: a file system may hang; idempotent."""
        self._stop.set()
        self._thread.join(CLOSE_SECONDS)


def _sweep_levels(walk: TreeWalk, levels: int, is_stopped: Callable[[], bool]) -> int:
    """Sweep a tree, `levels` deep."""
    removed = 0
    while (level := walk.current) is not None:
        with contextlib.closing(level.entries()) as entries:
            for entry in entries:
                if is_stopped():
                    return removed
                # One bad entry (no permission, removed meanwhile) must not end the sweep of the others.
                with contextlib.suppress(OSError):
                    removed += _sweep_entry(entry, level, enters=walk.depth < levels)
        name = level.dequeue()
        if name is not None:
            with contextlib.suppress(OSError):
                walk.enter(name)
            continue
        walk.leave()
        if level.problem is not None and not walk.depth:
            raise level.problem
    return removed


def _sweep_entry(entry: os.DirEntry[str], level: Level, *, enters: bool) -> bool:
    """Remove an entry if it is due, and queue a directory; return whether it was removed."""
    name = os.fsencode(entry.name)
    if is_temporary(name) or is_partial(name) or is_map(name):
        return _is_due(entry, name) and remove_if_abandoned(name, level.fd)
    if enters and entry.is_dir(follow_symlinks=False):
        level.enqueue(name)
    return False


def _is_due(entry: os.DirEntry[str], name: bytes) -> bool:
    if not entry.is_file(follow_symlinks=False):
        return False
    # A map without a partial belongs to nothing; one with a partial is removed with it.
    return not is_partial(name) or time.time_ns() - entry.stat(follow_symlinks=False).st_mtime_ns > PARTIAL_NS
