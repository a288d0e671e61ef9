"""Paths that one session has made writable or created.

A client that copies a tree sets a directory's permissions last (SETATTR). If that never happens, the end of the session
restores what was there. A client that may write but not replace may set permissions and times of what it created in the
same session; that right ends with the session, and when another file takes the name.

Invariants: no directory stays writable after a broken session; a client sets nothing of what it has not created; the
number of remembered paths is bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError

if TYPE_CHECKING:
    from secftp.storage import Path, Store
    from secftp.storage.attributes import Identity

# A client writes the files of a directory before it has created 256 others.
MOST_WRITABLE: Final = 1024
# Directories that are still being filled: a tree that is copied depth first has about as many as it is deep.
MOST_DIRECTORIES: Final = 4096
MOST_OTHERS: Final = 1024
_KEY_BYTES: Final = 16


class WritableDirectories:
    """Directories of `store` that one session has made writable, and their original permissions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._modes: dict[Path, int] = {}  # in the order in which they were made writable

    def begin(self, path: Path) -> bool:
        """Make a directory writable until `end` or `close`; return whether its permissions had to be changed."""
        mode = self._store.make_writable(path)
        if mode is None:
            return False
        if len(self._modes) >= MOST_WRITABLE:
            self._restore(next((old for old in self._modes if path[: len(old)] != old), path))
        self._modes[path] = mode
        return True

    def end(self, path: Path) -> None:
        """Forget a directory that was removed, or whose permissions were set."""
        self._modes.pop(path, None)

    def close(self) -> None:
        """Restore the permissions, those of inner directories first; idempotent."""
        for path in reversed(list(self._modes)):
            self._restore(path)

    def _restore(self, path: Path) -> None:
        mode = self._modes.pop(path, None)
        if mode is not None:
            # It may have been removed, renamed or given to another owner: there is nothing to restore.
            with contextlib.suppress(FileError):
                self._store.restore_mode(path, mode)


class CreatedPaths:
    """The paths that a session has created last in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._directories: dict[bytes, Identity] = {}  # not requested since; oldest first
        self._others: dict[bytes, Identity] = {}

    def add(self, path: Path, *, is_directory: bool = False) -> None:
        """Remember a path that was created just now."""
        with contextlib.suppress(FileError):  # it was removed again
            identity = self._store.identity(path)
            key = _key(path)
            self._directories.pop(key, None)
            self._others.pop(key, None)
            if is_directory:
                _remember(self._directories, key, identity, MOST_DIRECTORIES)
            else:
                _remember(self._others, key, identity, MOST_OTHERS)

    def find(self, path: Path) -> Identity | None:
        """Return the identity of what this session has created under a path; None if it has not, or it is forgotten."""
        key = _key(path)
        identity = self._directories.pop(key, None)
        if identity is not None:
            _remember(self._others, key, identity, MOST_OTHERS)
        return identity or self._others.get(key)


def _remember(names: dict[bytes, Identity], key: bytes, identity: Identity, most: int) -> None:
    if len(names) >= most:
        del names[next(iter(names))]
    names[key] = identity


def _key(path: Path) -> bytes:
    return hashlib.blake2b(b"/".join(path), digest_size=_KEY_BYTES).digest()
