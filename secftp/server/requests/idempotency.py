"""Tokens of requests that succeeded, so that a client whose answer was lost can ask again.

A client that repeats a change over a new connection sends the same token: REMOVE, RENAME and MKDIR are then not carried
out twice, and not confused with the same change by another client.

A client that may write but not read can't compare a file with what it sent. The server remembers under the token which
file it has confirmed, and answers SUM with that token by the digest of what is there now, for the same key and name, as
long as it is the same file with the same bytes.

Invariants: a client without the right to read learns nothing of files that it did not send; a file that was removed or
replaced does not count; the number of remembered changes and files is bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError

if TYPE_CHECKING:
    from secftp.messages import Algorithm
    from secftp.storage import Path, Store

MOST_TOKENS: Final = 4096


class CompletedChanges:
    """The tokens of changes that succeeded, of all sessions of one server; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[bytes, None] = {}  # the oldest first

    def note(self, token: bytes | None) -> None:
        """A change was carried out."""
        if token is None:
            return
        with self._lock:
            if len(self._tokens) >= MOST_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = None

    def contains(self, token: bytes | None) -> bool:
        """Whether it was carried out."""
        with self._lock:
            return token in self._tokens


# All files of one copy that can be unconfirmed at a time (128 messages of 256 files), at some 170 bytes each.
MOST_CONFIRMED: Final = 32768
_KEY_BYTES: Final = 16


class ConfirmedFiles:
    """What was confirmed in all sessions of one server, as digests of it; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[bytes, bytes] = {}  # the oldest first

    def put(self, key: bytes, file: bytes) -> None:
        """A file was confirmed."""
        with self._lock:
            self._files.pop(key, None)
            if len(self._files) >= MOST_CONFIRMED:
                del self._files[next(iter(self._files))]
            self._files[key] = file

    def get(self, key: bytes) -> bytes | None:
        """What was confirmed, None for nothing that is remembered."""
        with self._lock:
            return self._files.get(key)


class OwnConfirmedFiles:
    """Those of one `owner`, a key or all clients without one, in `store`."""

    def __init__(self, arrivals: ConfirmedFiles, store: Store, owner: str) -> None:
        self._arrivals = arrivals
        self._store = store
        self._owner = owner.encode()

    def note(self, token: bytes | None, path: Path, algorithm: Algorithm, digest: bytes) -> None:
        """A file of that digest has got its name, just now."""
        if token is None:
            return
        with contextlib.suppress(FileError):  # it is gone again: then there is nothing to remember
            self._arrivals.put(self._key(token, path), self._state(path, algorithm) + digest)

    def find(self, token: bytes | None, path: Path, algorithm: Algorithm) -> bytes | None:
        """The digest with which the file that stands under a name was confirmed; None if it is not known to be it.

        Only its owner and the token that it came with find it.
        """
        if token is None:
            return None
        file = self._arrivals.get(self._key(token, path))
        if file is None:
            return None
        try:
            state = self._state(path, algorithm)
        except FileError:
            return None
        known, digest = file[:_KEY_BYTES], file[_KEY_BYTES:]
        return digest if hmac.compare_digest(known, state) else None

    def _key(self, token: bytes, path: Path) -> bytes:
        named = b"/".join((token.hex().encode(), self._owner.hex().encode(), *path))
        return hashlib.blake2b(named, digest_size=_KEY_BYTES).digest()

    def _state(self, path: Path, algorithm: Algorithm) -> bytes:
        """What tells this file from another one that takes its name, even one that gets its inode."""
        info = self._store.stat(path)
        state = f"{algorithm} {self._store.identity(path)} {info.size} {info.mtime_ns}"
        return hashlib.blake2b(state.encode(), digest_size=_KEY_BYTES).digest()
