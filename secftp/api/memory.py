"""A program's own bytes at the near end of a transfer: a source, sinks, and a source that still grows."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import Cancelled
from secftp.messages import Kind
from secftp.storage import FileInfo, Sink, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODE: Final = 0o666
# How much may lie between a program that writes and the connection: a few batches.
QUEUED_MAX: Final = 4 << 20


class MemorySource(Source):
    """Bytes that are all there already."""

    __slots__ = ("_data", "info")

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.info: FileInfo = FileInfo(Kind.FILE, len(data), time.time_ns(), _MODE)

    @property
    def wait_descriptor(self) -> None:
        """None: nothing is waited for."""
        return

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `Source.readv`."""
        return _copy(self._data[offset:], buffers)

    def check_unchanged(self) -> None:
        """Nothing to check: whoever changes bytes while they are sent gets what he asked for."""

    def close(self) -> None:
        """Do nothing."""


class MemorySink(Sink):
    """Bytes that are wanted in memory, behind those of `head`."""

    __slots__ = ("_data",)

    def __init__(self, head: bytes | memoryview = b"") -> None:
        self._data = io.BytesIO()
        self._data.write(head)

    def __len__(self) -> int:
        return self._data.tell()

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """As `Sink.writev`."""
        for buffer in buffers:
            self._data.write(buffer)

    def commit(self) -> FileInfo:
        """Nothing to do: whoever holds the sink looks at it afterwards only."""
        return FileInfo(Kind.FILE, len(self), time.time_ns(), _MODE)

    def abort(self) -> None:
        """Forget the bytes."""
        self._data = io.BytesIO()

    def close(self) -> None:
        """Do nothing."""

    def data(self) -> bytes:
        """What came, without a copy."""
        return self._data.getvalue()


class BufferSink(Sink):
    """A program's own buffer to be filled from its begin; more than it holds is a `ValueError`."""

    __slots__ = ("_buffer", "size")

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self.size = 0

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """As `Sink.writev`."""
        for buffer in buffers:
            self._buffer[self.size : self.size + len(buffer)] = buffer
            self.size += len(buffer)

    def commit(self) -> FileInfo:
        """Nothing to do: what was written is where it belongs."""
        return FileInfo(Kind.FILE, self.size, time.time_ns(), _MODE)

    def abort(self) -> None:
        """Do nothing; what is in the buffer means nothing then."""

    def close(self) -> None:
        """Do nothing."""


class GrowingSource(Source):
    """Bytes that another thread still adds. They end by `complete` or by `give_up`, and by nothing else.

    The pump waits for `wait_descriptor`, a pipe that holds a byte while `readv` would not wait, and hears the server
    meanwhile. What must never happen: that a writer who went away looks like the end of the file.
    """

    __slots__ = ("_bell", "_broken", "_changed", "_given_up", "_queue", "_queued", "_ring", "_rung", "_whole", "info")

    def __init__(self) -> None:
        self.info: FileInfo = FileInfo(Kind.FILE, None, time.time_ns(), _MODE)
        self._changed = threading.Condition()
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._whole = self._given_up = self._broken = self._rung = False
        self._bell, self._ring = os.pipe()

    # --- the writing thread -------------------------------------------------------------------------------------------

    def add(self, data: bytes) -> bool:
        """Append bytes, waiting while much is queued; whether anybody still takes them."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._given_up or self._queued < QUEUED_MAX)
            if self._broken or self._given_up:
                return False
            self._queue.append(memoryview(data))
            self._queued += len(data)
            self._wake()
            return True

    def complete(self) -> None:
        """Nothing follows: the file is whole."""
        with self._changed:
            self._whole = True
            self._wake()

    def give_up(self) -> None:
        """Nothing follows, and what came is to be thrown away."""
        with self._changed:
            self._given_up = True
            self._wake()

    # --- the sending thread -------------------------------------------------------------------------------------------

    @property
    def wait_descriptor(self) -> int:
        """The end of the pipe to poll."""
        return self._bell

    def readv(self, buffers: Sequence[memoryview], _offset: int) -> int:
        """As `Source.readv`; raises `Cancelled` when it was given up."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._whole or self._given_up)
            if self._given_up:
                raise Cancelled("The file was given up before it was whole.")
            count = 0
            for buffer in buffers:
                filled = self._fill(buffer)
                count += filled
                if filled < len(buffer):
                    break
            self._queued -= count
            if not self._queue and not self._whole and self._rung:
                os.read(self._bell, 1)
                self._rung = False
            self._changed.notify_all()
            return count

    def check_unchanged(self) -> None:
        """Raise `Cancelled` if it was given up, even at the last moment."""
        if self._given_up:
            raise Cancelled("The file was given up before it was whole.")

    def close(self) -> None:
        """Nobody takes anything any more; idempotent."""
        with self._changed:
            if self._broken:
                return
            self._broken = True
            self._queue.clear()
            self._changed.notify_all()
            os.close(self._bell)
            os.close(self._ring)

    def _fill(self, buffer: memoryview) -> int:
        filled = 0
        while self._queue and filled < len(buffer):
            part = self._queue.popleft()
            room = len(buffer) - filled
            if len(part) > room:
                self._queue.appendleft(part[room:])
                part = part[:room]
            buffer[filled : filled + len(part)] = part
            filled += len(part)
        return filled

    def _wake(self) -> None:
        """Ring, unless it rings already or nobody listens."""
        self._changed.notify_all()
        if not self._broken and not self._rung:
            os.write(self._ring, b"\0")
            self._rung = True


def _copy(data: memoryview, buffers: Sequence[memoryview]) -> int:
    count = 0
    for buffer in buffers:
        part = data[count : count + len(buffer)]
        if not part:
            break
        buffer[: len(part)] = part
        count += len(part)
    return count
