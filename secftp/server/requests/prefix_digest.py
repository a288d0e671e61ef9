"""Digest of a file that is written in any order: its beginning is hashed as it grows.

The bytes are read back, from the page cache as a rule, by the session that has just made the beginning longer; no
session waits for another one that is hashing. Bytes that have arrived don't change any more.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import InputOutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.storage import Digest

CHUNK_BYTES: Final = 1 << 20
WAIT_SECONDS: Final = 0.5


class PrefixDigest:
    """Digest of the first bytes of a file. `lock` guards `available`, which tells how many there are."""

    def __init__(
        self,
        readv: Callable[[Sequence[memoryview], int], int],
        digest: Digest,
        lock: threading.Lock,
        available: Callable[[], int],
    ) -> None:
        self._readv = readv
        self._lock = lock
        self._available = available
        self._hashing = threading.Lock()
        self._digest = digest
        self._done = 0  # bytes that were hashed
        self._stopped = False

    def advance(self, check: Callable[[int], None]) -> None:
        """Hash what can be hashed now, unless another thread does so. `check(done)` is called before each chunk."""
        if self._hashing.acquire(blocking=False):
            try:
                self._run(check)
            finally:
                self._hashing.release()

    def finish(self, check: Callable[[int], None]) -> bytes:
        """Hash what is left, after another thread that does so, and return the digest."""
        while not self._hashing.acquire(timeout=WAIT_SECONDS):
            check(self._done)
        try:
            self._run(check)
            return self._digest.digest()
        finally:
            self._hashing.release()

    def stop(self) -> None:
        """Have nothing more hashed; returns when no thread reads the file."""
        self._stopped = True
        with self._hashing:
            pass

    def _run(self, check: Callable[[int], None]) -> None:
        buffer = memoryview(b"")
        while size := self._next_size():
            check(self._done)
            buffer = buffer if len(buffer) >= size else memoryview(bytearray(size))
            count = self._readv([buffer[:size]], self._done)
            if not count:
                raise InputOutputError("The unfinished file was truncated by another process.")
            self._digest.update(buffer[:count])
            self._done += count

    def _next_size(self) -> int:
        """Return how many bytes are to be hashed next, 0 if there are none now."""
        with self._lock:
            if self._stopped:
                return 0
            return max(0, min(self._available() - self._done, CHUNK_BYTES))
