"""Tokens of requests that succeeded, so that a client whose answer was lost can ask again.

A client that repeats a change over a new connection sends the same token: REMOVE, RENAME and MKDIR are then not carried
out twice, and not confused with the same change by another client.

A request may still be running when it is repeated, as a copy of a large file is for long: the repetition waits for its
end. Else it would find that what it is to rename is gone.

A client that may write but not read can't compare a file with what it sent. The server remembers under the token which
file it has confirmed, and answers SUM with that token by the digest of what is there now, for the same key and name, as
long as it is the same file with the same bytes.

Where several servers serve the same files, a request may be repeated at another one. They share these tokens (`others`,
a table in Redis), which are asked for where a server does not know one itself.

Invariants: a client without the right to read learns nothing of files that it did not send; a file that was removed or
replaced does not count; the number of remembered changes and files is bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.protocol import Algorithm
    from secftp.server.shared import SharedTable
    from secftp.storage import Path, Store

MOST_TOKENS: Final = 4096
# All files of one copy that may be unconfirmed at a time (128 messages of 256 files), about 170 bytes each.
MOST_CONFIRMED: Final = 32768
# Between two looks for a CANCEL of a request that waits for another one with its token.
CHECK_SECONDS: Final = 0.1
_KEY_BYTES: Final = 16


class _RunningRequests:
    """Tokens of requests that are being carried out, here and at `others`. Thread-safe."""

    def __init__(self, others: SharedTable | None = None) -> None:
        self._others = others
        self._changed = threading.Condition()
        self._running: set[bytes] = set()

    @contextlib.contextmanager
    def only_one(self, token: bytes | None, check: Callable[[], None]) -> Iterator[None]:
        """A block in which this is the only request with its token. `check` is called while another one is waited for.

        Another server is waited for as long as it sends heartbeats.
        """
        if token is None:
            yield
            return
        while not self._enter(token):
            check()
        try:
            while self._others is not None and not self._others.claim(token):
                check()
                time.sleep(CHECK_SECONDS)
            try:
                yield
            finally:
                if self._others is not None:
                    self._others.give_up(token)
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


class CompletedChanges(_RunningRequests):
    """Tokens of the changes that succeeded last, in all sessions of a server. Thread-safe."""

    def __init__(self, others: SharedTable | None = None) -> None:
        super().__init__(others)
        self._tokens: dict[bytes, None] = {}  # the oldest first

    def note(self, token: bytes | None) -> None:
        """Remember the token of a change that was carried out."""
        if token is None:
            return
        with self._changed:
            if len(self._tokens) >= MOST_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = None
        if self._others is not None:
            self._others.put([(token, b"1")])

    def contains(self, token: bytes | None) -> bool:
        """Return whether the change with this token was carried out."""
        if token is None:
            return False
        with self._changed:
            if token in self._tokens:
                return True
        return self._others is not None and self._others.get(token) is not None


class CompletedCopies(_RunningRequests):
    """Tokens and sizes of the copies that succeeded last, in all sessions of a server. Thread-safe."""

    def __init__(self, others: SharedTable | None = None) -> None:
        super().__init__(others)
        self._sizes: dict[bytes, int] = {}  # the oldest first

    def note(self, token: bytes | None, size: int) -> None:
        """Remember the token of a copy that was made, and its size in bytes."""
        if token is None:
            return
        with self._changed:
            if len(self._sizes) >= MOST_TOKENS:
                del self._sizes[next(iter(self._sizes))]
            self._sizes[token] = size
        if self._others is not None:
            self._others.put([(token, b"%d" % size)])

    def find(self, token: bytes | None) -> int | None:
        """Return the size of the copy that was made with this token; None if there is none."""
        if token is None:
            return None
        with self._changed:
            size = self._sizes.get(token)
        if size is None and self._others is not None:
            found = self._others.get(token) or b""
            return int(found) if found.isdigit() else None
        return size


class ConfirmedFiles:
    """Files that were confirmed last, in all sessions of a server, as digests of them. Thread-safe."""

    def __init__(self, others: SharedTable | None = None) -> None:
        self.others = others
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
    """The confirmed files of one `owner` (a key, or all anonymous clients) in `store`, for one session.

    `may_read`: whether the owner can compare files itself.
    """

    def __init__(self, files: ConfirmedFiles, store: Store, owner: str, *, may_read: bool = False) -> None:
        self._files = files
        self._may_read = may_read
        self._to_tell: list[tuple[bytes, bytes]] = []
        self._store = store
        self._owner = owner.encode()

    def note(
        self, token: bytes | None, path: Path, algorithm: Algorithm, digest: bytes, *, may_replace: bool = False
    ) -> None:
        """Remember a file that was committed just now, with this digest.

        `may_replace`: the client may send it again. If it may also read, other servers need not know the file.
        """
        if token is None:
            return
        with contextlib.suppress(FileError):  # it was removed again
            key, file = self._key(token, path), self._state(path, algorithm) + digest
            self._files.put(key, file)
            if self._files.others is not None and not (may_replace and self._may_read):
                self._to_tell.append((key, file))

    def flush(self) -> None:
        """Tell other servers, before the client is answered: it may repeat its request at one of them."""
        if self._files.others is not None and self._to_tell:
            told, self._to_tell = self._to_tell, []
            self._files.others.put(told)

    def find(self, token: bytes | None, path: Path, algorithm: Algorithm) -> bytes | None:
        """Return the confirmed digest of the file under a path; None if it is not known to be the confirmed file.

        Only its owner finds it, with the token that it was sent with.
        """
        if token is None:
            return None
        key = self._key(token, path)
        file = self._files.get(key)
        if file is None and self._files.others is not None:
            file = self._files.others.get(key)
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
        # The number of the device is that of a mount, and differs between machines that share a file system.
        identity = self._store.identity(path) if self._files.others is None else self._store.identity(path)[1]
        state = f"{algorithm} {identity} {info.size} {info.mtime_ns}"
        return hashlib.blake2b(state.encode(), digest_size=_KEY_BYTES).digest()
