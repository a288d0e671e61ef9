"""Streams: standard input and output, FIFOs and character devices, which can't be read twice or rolled back.

A process that shares the descriptor (a terminal, ssh) may have made it non-blocking: then we wait for it to be ready,
and leave the flag as it is. Invariant: a stream is not reported as complete before close(2), called on a duplicate of
the descriptor, had the chance to report a failed write.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
from typing import TYPE_CHECKING, TypeVar

from secftp.errors import IsADirectory, UsageError
from secftp.protocol import Kind
from secftp.storage.attributes import FileInfo, mtime_of
from secftp.storage.errors import failure, translated
from secftp.storage.source import IOV_MAX, check_unchanged, size_of, transfer_all
from secftp.storage.store import Sink, Source
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

# What a pipe is asked to hold: a batch. The system's 64 KiB would be sixteen calls instead of one, and as many switches
# between the processes at its ends.
PIPE_BYTES = 1 << 20


class PipeSource(Source):
    """A descriptor that the caller opened and closes, read from its position; `info.size` is None for a pipe.

    For a regular file (a redirection) `info.size` is the number of bytes from its position to its end, and nothing
    beyond is read. A file of unknown size, as those of /proc, is read as a pipe is. `name` is what messages call the
    stream. Raises `IsADirectory`, `InputOutputError`.
    """

    __slots__ = ("_done", "_end", "_fd", "_name", "info")

    def __init__(self, fd: int, name: str = "standard input") -> None:
        self._fd = fd
        self._name = name
        self._done = 0
        with translated(name):
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                raise failure(IsADirectory, "Is a directory", name)
            self._end = (size_of(fd, status) or 0) if stat.S_ISREG(status.st_mode) else 0
            size = max(0, self._end - os.lseek(fd, 0, os.SEEK_CUR)) if self._end else None
        _widen(fd)
        self.info: FileInfo = FileInfo(Kind.FILE, size, mtime_of(status), stat.S_IMODE(status.st_mode))

    @property
    def wait_descriptor(self) -> int | None:
        """The descriptor, unless it is that of a regular file."""
        return None if self._end else self._fd

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Wait until any bytes are available and return those; 0 at the end.

        `offset` must be the number of bytes read so far: a stream can't seek (`UsageError`).
        """
        if offset != self._done:
            raise UsageError("A stream can't be repositioned.")
        size = self.info.size
        if size is not None and offset >= size:
            return 0
        with translated(self._name):
            count = _waiting(self._fd, select.POLLIN, lambda: os.readv(self._fd, buffers[:IOV_MAX]))
        if size is not None:
            count = min(count, size - offset)
        self._done += count
        return count

    def check_unchanged(self) -> None:
        """Raise `FileChanged` if it is a regular file that has changed; what came through a pipe can't change."""
        if self._end:
            check_unchanged(self._fd, self._end, self.info.mtime_ns, self._name)

    def close(self) -> None:
        """Do nothing: the caller closes the descriptor."""


class PipeSink(Sink):
    """A descriptor that is written to directly: what is written can't be taken back, and `abort` can only stop.

    `owned`: close the descriptor in the end. `subject` is what messages call the stream. A reader that has closed its
    end is a BrokenPipeError, as everywhere in Python.
    """

    __slots__ = ("_fd", "_open", "_owned", "_size", "_subject")

    def __init__(self, fd: int, subject: str = "standard output", *, owned: bool = False) -> None:
        self._fd = fd
        self._subject = subject
        self._owned = owned
        self._open = True
        self._size = 0
        _widen(fd)

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Write all of `buffers`; block while the reader does not read."""
        self._require_open()
        try:
            with translated(self._subject):
                self._size += transfer_all(self._write, buffers)
        except BaseException:
            self.abort()  # a part may be out: nothing may follow it
            raise

    def _write(self, buffers: Sequence[memoryview], _done: int) -> int:
        return _waiting(self._fd, select.POLLOUT, lambda: os.writev(self._fd, buffers))

    def commit(self) -> FileInfo:
        """Return the number of bytes written as `size`; errors as `writev`'s."""
        self._require_open()
        try:
            with translated(self._subject):
                status = os.fstat(self._fd)
                os.close(os.dup(self._fd))
        finally:
            self.close()
        return FileInfo(Kind.FILE, self._size, mtime_of(status), stat.S_IMODE(status.st_mode))

    def abort(self) -> None:
        """Write nothing more; idempotent."""
        self.close()

    def close(self) -> None:
        """Close the descriptor if it is owned; idempotent."""
        was_open, self._open = self._open, False
        if was_open and self._owned:
            with contextlib.suppress(OSError):  # `commit` has checked its errors
                os.close(self._fd)

    def _require_open(self) -> None:
        if not self._open:
            raise UsageError(f"The sink is closed: {show_path(self._subject)}")


def _widen(fd: int) -> None:
    """Request a pipe buffer that holds a batch; has no effect on what is no pipe, or where that is not allowed."""
    command = getattr(fcntl, "F_SETPIPE_SZ", None)
    if command is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, command, PIPE_BYTES)


def _waiting(fd: int, event: int, call: Callable[[], _T]) -> _T:
    """Return the result of `call`; while `fd` is non-blocking and not ready, wait for `event` and repeat it."""
    while True:
        try:
            return call()
        except BlockingIOError:
            waiter = select.poll()
            waiter.register(fd, event)
            waiter.poll()
