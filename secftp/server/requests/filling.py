"""Directories that one session has made writable to fill or to empty them, and the permissions that they had.

A client that copies a tree sets a directory's permissions last (SETATTR). Where it does not come to that, or does not
keep permissions, the session's end restores what was there. What must never happen: that a client makes this remember
more than a bounded number of directories, or that one stays writable because a session broke off.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError

if TYPE_CHECKING:
    from secftp.storage import Path, Store

# A client sends what it has gathered for a directory before it has asked for 256 others (`copy.sending`).
MOST_DIRECTORIES: Final = 1024


class Filling:
    """What one session has made writable in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._modes: dict[Path, int] = {}  # in the order in which they were made writable

    def begin(self, path: Path) -> bool:
        """Make a directory writable until `end` or `close`; whether anything had to be changed for that."""
        mode = self._store.make_writable(path)
        if mode is None:
            return False
        if len(self._modes) >= MOST_DIRECTORIES:
            self._restore(next((old for old in self._modes if path[: len(old)] != old), path))
        self._modes[path] = mode
        return True

    def end(self, path: Path) -> None:
        """Its permissions have been set, or it is gone: nothing is to be restored."""
        self._modes.pop(path, None)

    def close(self) -> None:
        """Restore what is left, the innermost first; idempotent."""
        for path in reversed(list(self._modes)):
            self._restore(path)

    def _restore(self, path: Path) -> None:
        mode = self._modes.pop(path, None)
        if mode is not None:
            # It may be gone, renamed or not ours any more: then there is nothing to restore.
            with contextlib.suppress(FileError):
                self._store.restore_mode(path, mode)
