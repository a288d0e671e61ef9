"""Writer of one file by several threads, part by part.

It wraps a sink, which may be closed only when no thread is in it any more: the descriptor of a file that is closed may
be another file's a moment later. Invariant: nothing is written or read after `end`.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from secftp.errors import FileError, UsageError
from secftp.storage.store import Sink

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from secftp.storage.attributes import FileInfo
    from secftp.storage.sink import FileSink


class WriterEnded(FileError):
    """The file is over: what comes for it is not wanted."""


class PartWriter:
    """Writes a file of `total` bytes to a sink, which is used for nothing else until `end`. For any thread."""

    def __init__(self, sink: FileSink, total: int) -> None:
        sink.begin_parts(total)
        self._sink = sink
        self._changed = threading.Condition()
        self._users = 0
        self._is_over = False

    def write(self, buffers: Sequence[memoryview], offset: int) -> None:
        """Write all of `buffers` at an offset; raises as `Sink.writev`, and `WriterEnded`."""
        with self._using():
            self._sink.writev_at(buffers, offset)

    def read(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read what was written, as `Source.readv` does."""
        with self._using():
            return self._sink.read_part(buffers, offset)

    def part(self, offset: int) -> PartSink:
        """Return a sink that writes to the file from `offset` on."""
        return PartSink(self, offset)

    def end(self) -> None:
        """Let nothing be written any more, and wait for the threads that write: the sink is the caller's again."""
        with self._changed:
            self._is_over = True
            self._changed.wait_for(lambda: not self._users)

    @contextlib.contextmanager
    def _using(self) -> Generator[None, None, None]:
        with self._changed:
            if self._is_over:
                raise WriterEnded("The file is not being written any more.")
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()


class PartSink(Sink):
    """One part of a file, appended to from its beginning. To commit or abort it does nothing: the file goes on."""

    __slots__ = ("_writer", "position")

    def __init__(self, writer: PartWriter, offset: int) -> None:
        self._writer = writer
        self.position = offset

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._writer.write(buffers, self.position)
        self.position += sum(buffer.nbytes for buffer in buffers)

    def commit(self) -> FileInfo:
        raise UsageError("A part of a file has no name.")

    def abort(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
