"""Checksums of local files, computed by a thread while the server computes its own.

Invariant: they come in the order in which the files were added, each once, and a file that can't be read fails alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from secftp.client.local_io import local_errors
from secftp.storage import new_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import Algorithm
    from secftp.storage import Path, Source

_BATCH: Final = 1 << 20
_SECONDS: Final = 0.1  # between two calls of `watch`


class LocalDigest(NamedTuple):
    """The checksum of one file, and how many bytes it has."""

    digest: bytes
    size: int


class LocalDigests:
    """Computes checksums of the files that `open_source` opens, called in the thread. A context manager.

    There are never more of them than were added and not taken, so the caller of `add` bounds the memory.
    """

    def __init__(self, open_source: Callable[[Path], Source], algorithm: Algorithm) -> None:
        self._open = open_source
        self._algorithm = algorithm
        self._changed = threading.Condition()
        self._wanted: deque[Path] = deque()
        self._done: deque[LocalDigest | BaseException] = deque()
        self._buffer = memoryview(bytearray(_BATCH))
        self._read = 0  # bytes of the file that is being read
        self._is_over = False
        self._thread: threading.Thread | None = None

    def add(self, path: Path) -> None:
        """Add a file."""
        with self._changed:
            self._wanted.append(path)
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="secftp-verify", daemon=True)
            self._thread.start()

    def take(self, watch: Callable[[int], None]) -> LocalDigest:
        """Return the checksum of the oldest file, once it is known. Raises what reading it has raised.

        `watch` is called if that is to be waited for, and several times a second meanwhile, with the number of bytes
        that were read of the file that is being read.
        """
        with self._changed:
            while not self._done:
                watch(self._read)
                self._changed.wait(_SECONDS)
            outcome = self._done.popleft()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (path := self._next()) is not None:
            try:
                outcome: LocalDigest | BaseException = self._digest(path)
            except BaseException as problem:  # noqa: BLE001 - the caller's thread raises it
                outcome = problem
            with self._changed:
                self._done.append(outcome)
                self._changed.notify_all()

    def _next(self) -> Path | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._wanted) or self._is_over)
            return None if self._is_over else self._wanted.popleft()

    def _digest(self, path: Path) -> LocalDigest:
        self._read = 0
        with local_errors(), contextlib.closing(self._open(path)) as source:
            digest = new_digest(self._algorithm)
            while not self._is_over and (read := source.readv([self._buffer], self._read)):
                digest.update(self._buffer[:read])
                self._read += read
            source.check_unchanged()
        return LocalDigest(digest.digest(), self._read)
