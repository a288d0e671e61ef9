"""Digest of a whole file whose parts are sent in any order: a thread reads the file from its beginning on.

It stays behind what is being sent, so that the disk reads everything once: the parts are still in memory when they are
hashed, or are when they are sent. Invariant: no digest is given of a file of which fewer bytes were read.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import FileChanged, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage import Digest, Source

_CHUNK_BYTES: Final = 2**20


class OrderedDigest:
    """The digest of the first `total` bytes of a file; `digest` is that of its first `position` bytes.

    `start` hashes in a thread until `stop`, and may be called again with another source of the same file: it continues.
    """

    def __init__(self, digest: Digest, total: int, position: int = 0) -> None:
        self.total = total
        self.position = position
        self._digest = digest
        self._changed = threading.Condition()
        self._limit = 0
        self._is_stopped = False
        self._problem: BaseException | None = None
        self._result: bytes | None = None
        self._thread: threading.Thread | None = None

    def start(self, source: Source) -> None:
        """Hash what `allow` lets, in a thread. The source has to stay open until `stop`."""
        self._is_stopped = False
        self._problem = None
        self._thread = threading.Thread(target=self._run, args=(source,), name="secftp-digest", daemon=True)
        self._thread.start()

    def allow(self, limit: int) -> None:
        """Let the first `limit` bytes of the file be hashed; never less than before."""
        with self._changed:
            if limit > self._limit:
                self._limit = limit
                self._changed.notify_all()

    @property
    def result(self) -> bytes | None:
        """The digest of the whole file, None until it is known."""
        return self._result

    def wait(self, is_over: Callable[[], bool] = lambda: False) -> bytes | None:
        """Return the digest of the whole file as soon as it is known; None after `stop`, or when `is_over` says so.

        A thread that makes `is_over` true calls `wake`. Raises what reading the file raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._result is not None or self._problem or self._is_stopped or is_over())
            if self._problem is not None:
                raise self._problem
            return self._result

    def wake(self) -> None:
        """Let those who wait see that what they wait for is over."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """End the thread; idempotent."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self, source: Source) -> None:
        try:
            self._hash(source)
        except BaseException as problem:  # noqa: BLE001 - who waits for the digest raises it
            with self._changed:
                self._problem = problem
                self._changed.notify_all()

    def _hash(self, source: Source) -> None:
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        while (size := self._next()) > 0:
            count = source.readv([buffer[:size]], self.position)
            if count == 0:
                raise FileChanged("The file was truncated while it was being sent.", hint="Try again.", side=Side.LOCAL)
            self._digest.update(buffer[:count])
            self.position += count
        if self.position >= self.total:
            source.check_unchanged()
            with self._changed:
                self._result = self._digest.digest()
                self._changed.notify_all()

    def _next(self) -> int:
        """Wait until bytes may be hashed, and return how many at once; 0 at the end, and after `stop`."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or min(self._limit, self.total) > self.position or self.position >= self.total
            )
            return 0 if self._is_stopped else min(_CHUNK_BYTES, min(self._limit, self.total) - self.position)
