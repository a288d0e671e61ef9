"""Tokens of requests that succeeded, so that a client whose answer was lost can ask again.

A client that repeats a change over a new connection sends the same token: REMOVE, RENAME and MKDIR are then not carried
out twice, and not confused with the same change by another client.

A copy of a large file takes so long that it may still be running when it is repeated: the repetition waits for its end.

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
    from collections.abc import Callable, Iterator

    from secftp.protocol import Algorithm
    from secftp.storage import Path, Store

MOST_TOKENS: Final = 4096
# All files of one copy that may be unconfirmed at a time (128 messages of 256 files), about 170 bytes each.
MOST_CONFIRMED: Final = 32768
# Between two looks for a CANCEL of a copy that waits for another one with its token.
CHECK_SECONDS: Final = 0.1
_KEY_BYTES: Final = 16


class CompletedChanges:
    """Tokens of the changes that succeeded last, in all sessions of a server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[bytes, None] = {}  # the oldest first

    def note(self, token: bytes | None) -> None:
        """Remember the token of a change that was carried out."""
        if token is None:
            return
        with self._lock:
            if len(self._tokens) >= MOST_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = None

    def contains(self, token: bytes | None) -> bool:
        """Return whether the change with this token was carried out."""
        with self._lock:
            return token in self._tokens


class CompletedCopies:
    """Tokens and sizes of the copies that succeeded last, in all sessions of a server. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sizes: dict[bytes, int] = {}  # the oldest first
        self._running: set[bytes] = set()

    def note(self, token: bytes | None, size: int) -> None:
        """Remember the token of a copy that was made, and its size in bytes."""
        if token is None:
            return
        with self._changed:
            if len(self._sizes) >= MOST_TOKENS:
                del self._sizes[next(iter(self._sizes))]
            self._sizes[token] = size

    def find(self, token: bytes | None) -> int | None:
        """Return the size of the copy that was made with this token; None if there is none."""
        if token is None:
            return None
        with self._changed:
            return self._sizes.get(token)

    @contextlib.contextmanager
    def only_one(self, token: bytes | None, check: Callable[[], None]) -> Iterator[None]:
        """A block in which this is the only copy with its token. `check` is called while another one is waited for."""
        if token is None:
            yield
            return
        while not self._enter(token):
            check()
        try:
            yield
        finally:
            with self._changed:
                self._running.discard(token)
                self._changed.notify_all()

    def _enter(self, token: bytes) -> bool:
        """Return whether the block was entered, at the latest after `CHECK_SECONDS`."""
        with self._changed:
            if not self._changed.wait_for(lambda: token not in self._running, CHECK_SECONDS):
                return False
            self._running.add(token)
            return True


class ConfirmedFiles:
    """Files that were confirmed last, in all sessions of a server, as digests of them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[bytes, bytes] = {}  # the oldest first

    def put(self, key: bytes, file: bytes) -> None:
        """Remember a confirmed file."""
        with self._lock:
            self._files.pop(key, None)
            if len(self._files) >= MOST_CONFIRMED:
                del self._files[next(iter(self._files))]
            self._files[key] = file

    def get(self, key: bytes) -> bytes | None:
        """Return what was remembered under a key; None if there is nothing."""
        with self._lock:
            return self._files.get(key)


class OwnConfirmedFiles:
    """The confirmed files of one `owner` (a key, or all anonymous clients) in `store`."""

    def __init__(self, files: ConfirmedFiles, store: Store, owner: str) -> None:
        self._files = files
        self._store = store
        self._owner = owner.encode()

    def note(self, token: bytes | None, path: Path, algorithm: Algorithm, digest: bytes) -> None:
        """Remember a file that was committed just now, with this digest."""
        if token is None:
            return
        with contextlib.suppress(FileError):  # it was removed again
            self._files.put(self._key(token, path), self._state(path, algorithm) + digest)

    def find(self, token: bytes | None, path: Path, algorithm: Algorithm) -> bytes | None:
        """Return the confirmed digest of the file under a path; None if it is not known to be the confirmed file.

        Only its owner finds it, with the token that it was sent with.
        """
        if token is None:
            return None
        file = self._files.get(self._key(token, path))
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
        """Return a digest that differs for another file of this name, even one with the same inode number."""
        info = self._store.stat(path)
        state = f"{algorithm} {self._store.identity(path)} {info.size} {info.mtime_ns}"
        return hashlib.blake2b(state.encode(), digest_size=_KEY_BYTES).digest()
