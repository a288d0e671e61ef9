"""What one session has made, files and directories: it may set the permissions and times of these.

A client that may write and not replace sets a directory's permissions and time when everything in it has come. That
right ends with the session, and with the file: what has taken its name since is another one. What must never happen:
that a client sets anything of what it has not made itself, or makes this remember more than a bounded number of names.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError

if TYPE_CHECKING:
    from secftp.storage import Path, Store
    from secftp.storage.base import Identity

# Directories that wait for their last file: a tree that is copied depth first has as many as it is deep, and some more.
MOST_DIRECTORIES: Final = 4096
MOST_OTHERS: Final = 1024
_KEY_BYTES: Final = 16


class Written:
    """The last names that a session has made in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._directories: dict[bytes, Identity] = {}  # those that were not asked about since; oldest first
        self._others: dict[bytes, Identity] = {}

    def add(self, path: Path, *, is_directory: bool = False) -> None:
        """It has been made, just now."""
        with contextlib.suppress(FileError):  # it is gone again: then there is nothing to remember
            identity = self._store.identity(path)
            key = _key(path)
            self._directories.pop(key, None)
            self._others.pop(key, None)
            if is_directory:
                _remember(self._directories, key, identity, MOST_DIRECTORIES)
            else:
                _remember(self._others, key, identity, MOST_OTHERS)

    def find(self, path: Path) -> Identity | None:
        """What this session has made under that name, None for nothing that it knows of."""
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
