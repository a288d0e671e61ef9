"""Sources and sinks in memory, and a source that another thread fills."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import Cancelled
from secftp.protocol import Kind
from secftp.storage import FileInfo, Sink, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODE: Final = 0o666
_MOVED_BYTES: Final = 1 << 20  # fewer are moved in no time
_RESERVED_BYTES: Final = 64 << 20
MAX_QUEUED: Final = 4 << 20  # bytes between a program that writes and the connection: a few batches


class MemorySource(Source):
    """A source of bytes."""

    __slots__ = ("_data", "info")

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.info: FileInfo = FileInfo(Kind.FILE, len(data), time.time_ns(), _MODE)

    @property
    def wait_descriptor(self) -> None:
        """None: it never waits."""
        return

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read into buffers, from an offset."""
        return _copy(self._data[offset:], buffers)

    def check_unchanged(self) -> None:
        """Do nothing: bytes that the caller changes meanwhile are sent as they are."""

    def close(self) -> None:
        """Do nothing."""


class MemorySink(Sink):
    """A sink that appends to the bytes of `head`."""

    __slots__ = ("_data",)

    def __init__(self, head: bytes | memoryview = b"") -> None:
        self._data = io.BytesIO()
        self._data.write(head)

    def __len__(self) -> int:
        return self._data.tell()

    def reserve(self, nbytes: int) -> None:
        """Make room for so many bytes, before the first one comes: they would be moved several times while they grow.

        What is never written takes no memory. For more than 64 MiB, of which the system only moves the page table, that
        much is reserved.
        """
        if not len(self) and nbytes > _MOVED_BYTES:
            self._data = io.BytesIO(bytes(min(nbytes, _RESERVED_BYTES)))  # without a copy, since it has the only name

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append buffers."""
        for buffer in buffers:
            self._data.write(buffer)

    def commit(self) -> FileInfo:
        """Return the size; the bytes are used after this."""
        return FileInfo(Kind.FILE, len(self), time.time_ns(), _MODE)

    def abort(self) -> None:
        """Drop the bytes."""
        self._data = io.BytesIO()

    def close(self) -> None:
        """Do nothing."""

    def data(self) -> bytes:
        """Return the bytes, without a copy."""
        self._data.truncate()  # what was reserved and not written
        return self._data.getvalue()


class BufferSink(Sink):
    """A sink that fills a buffer of the program; raises ValueError for more than it holds."""

    __slots__ = ("_buffer", "size")

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self.size = 0

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append buffers."""
        for buffer in buffers:
            self._buffer[self.size : self.size + len(buffer)] = buffer
            self.size += len(buffer)

    def commit(self) -> FileInfo:
        """Return the size."""
        return FileInfo(Kind.FILE, self.size, time.time_ns(), _MODE)

    def abort(self) -> None:
        """Do nothing; the contents of the buffer are undefined then."""

    def close(self) -> None:
        """Do nothing."""


class GrowingSource(Source):
    """A source that another thread fills, until that calls `complete` or `give_up`.

    The sender polls `wait_descriptor`, a pipe that holds a byte while `readv` would not block, together with the
    connection. Invariant: a writer that goes away never looks like the end of the file.
    """

    __slots__ = (
        "_broken", "_changed", "_given_up", "_is_readable", "_queue", "_queued", "_wait_fd", "_wake_fd", "_whole",
        "info",
    )  # fmt: skip

    def __init__(self) -> None:
        self.info: FileInfo = FileInfo(Kind.FILE, None, time.time_ns(), _MODE)
        self._changed = threading.Condition()
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._whole = self._given_up = self._broken = self._is_readable = False
        self._wait_fd, self._wake_fd = os.pipe()

    # --- the writing thread -------------------------------------------------------------------------------------------

    def add(self, data: bytes) -> bool:
        """Append bytes, blocking while much is queued; returns False if the sender is gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._given_up or self._queued < MAX_QUEUED)
            if self._broken or self._given_up:
                return False
            self._queue.append(memoryview(data))
            self._queued += len(data)
            self._wake()
            return True

    def complete(self) -> None:
        """End the file, which is whole."""
        with self._changed:
            self._whole = True
            self._wake()

    def give_up(self) -> None:
        """End the source; what was added is discarded."""
        with self._changed:
            self._given_up = True
            self._wake()

    # --- the sending thread -------------------------------------------------------------------------------------------

    @property
    def wait_descriptor(self) -> int:
        """The descriptor to poll."""
        return self._wait_fd

    def readv(self, buffers: Sequence[memoryview], _offset: int) -> int:
        """Read into buffers what was added; raises `Cancelled` if the file was given up."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._whole or self._given_up)
            if self._given_up:
                raise Cancelled("The file was aborted before it was complete.")
            count = take_queued(self._queue, buffers)
            self._queued -= count
            if not self._queue and not self._whole and self._is_readable:
                os.read(self._wait_fd, 1)
                self._is_readable = False
            self._changed.notify_all()
            return count

    def check_unchanged(self) -> None:
        """Raise `Cancelled` if the file was given up, even at the last moment."""
        if self._given_up:
            raise Cancelled("The file was aborted before it was complete.")

    def close(self) -> None:
        """Close the source; `add` returns False from now on. Idempotent."""
        with self._changed:
            if self._broken:
                return
            self._broken = True
            self._queue.clear()
            self._changed.notify_all()
            os.close(self._wait_fd)
            os.close(self._wake_fd)

    def _wake(self) -> None:
        """Make the pipe readable unless it is."""
        self._changed.notify_all()
        if not self._broken and not self._is_readable:
            os.write(self._wake_fd, b"\0")
            self._is_readable = True


def take_queued(queue: deque[memoryview], buffers: Sequence[memoryview]) -> int:
    """Move bytes from the front of a queue into buffers, in order; return how many."""
    count = 0
    for buffer in buffers:
        filled = 0
        while queue and filled < len(buffer):
            part = queue.popleft()
            room = len(buffer) - filled
            if len(part) > room:
                queue.appendleft(part[room:])
                part = part[:room]
            buffer[filled : filled + len(part)] = part
            filled += len(part)
        count += filled
        if filled < len(buffer):
            break
    return count


def _copy(data: memoryview, buffers: Sequence[memoryview]) -> int:
    count = 0
    for buffer in buffers:
        part = data[count : count + len(buffer)]
        if not part:
            break
        buffer[: len(part)] = part
        count += len(part)
    return count
