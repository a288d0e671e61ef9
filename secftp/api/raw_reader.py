"""Raw file object of a file at a server: which bytes are fetched for a read, and how many ahead of it.

A read at a new position fetches what was asked for and little more. Reads that follow one another fetch twice as many
bytes ahead as were read in order so far, up to `MAX_AHEAD`: first with the read itself, then as a `ReadAhead`, so that
a file that is read in order comes as fast as the line is. The last `TAIL_BYTES` of a file are fetched at once and kept:
formats with an index at the end (zip, Parquet) are read there first, and repeatedly.

Invariant: the bytes of one object are those of one version of the file.
"""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, Final, TypeVar

from secftp.api.file_parts import OpenFile, PartRequest
from secftp.api.memory import MemorySink
from secftp.api.naming import Place, named_as
from secftp.api.ranges import SHORT_BYTES
from secftp.api.read_ahead import ReadAhead
from secftp.errors import ConnectionLost, FileChanged, FileError, UsageError
from secftp.protocol import ErrorCode, Kind, exception_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import WriteableBuffer

    from secftp.api.pool import Pool, PooledConnection
    from secftp.storage import Path

_T = TypeVar("_T")

BUFFER_BYTES: Final = 8 << 10  # of the buffered reader; the least that is fetched
FIRST_BYTES: Final = 64 << 10  # fetched by the first read, if that is at the beginning
TAIL_BYTES: Final = 64 << 10
MAX_AHEAD: Final = 16 << 20  # more than lines hold: 1.3 Gbit/s at 100 ms
MAX_PART: Final = 4 << 20  # of a file in memory, and of what is verified at once
MIN_PART: Final = 256 << 10
MAX_SINGLE: Final = 512 << 10  # of what is fetched by one request, if it is not all that was asked for
PAUSE_SECONDS: Final = 5.0  # before another connection is tried for, when there was none


class RawReader(io.RawIOBase):
    """A file at the server, unbuffered: a read may return fewer bytes than asked for.

    `size`: of the file in bytes. `info`: what it was when it was opened. `buffer_bytes`: the size of the buffer around
    it.
    """

    def __init__(self, pool: Pool, path: Path, name: str | bytes, buffer_bytes: int = BUFFER_BYTES) -> None:
        super().__init__()
        self.name = name
        self.mode = "rb"
        self._stream: ReadAhead | None = None  # for a finalizer that runs before it is set
        self._pool = pool
        self._buffer_bytes = buffer_bytes
        self._position = 0
        self._origin = 0  # of the bytes that were read in order up to the position
        self._asked = 0, 0  # where the read under way began, and where it ends
        self._window = b""
        self._start = 0  # of the window, in the file
        self._tail = b""
        self._has_fetched = False
        self._is_position_lost = False
        self._is_abandoned = False
        self._no_stream_before = 0.0
        self._cache: Callable[[int, int], bytes] | None = None
        info = pool.ask(lambda connection: connection.session.stat(path))
        if info.kind is not Kind.FILE:
            raise exception_for(ErrorCode.IS_DIRECTORY, path)
        self.info = info
        self._file = OpenFile(path, info)
        if not info.size:
            self._window = self._read_unsized()
            self._file.size = len(self._window)

    @property
    def size(self) -> int:
        """The size of the file in bytes, when it was opened."""
        return self._file.size

    def expect(self, position: int, size: int) -> None:
        """Tell what the program reads now, which the buffer around this may fetch by several reads."""
        self._asked = position, position + size

    def use_cache(self, fetch: Callable[[int, int], bytes] | None) -> None:
        """Read through a cache from now on: `fetch` returns the bytes between two offsets. None: through none."""
        self._cache = fetch
        self._window = self._tail = b""

    def fetch_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes between pairs of offsets, of this version of the file; all are requested at once."""
        cut = [(max(0, start), max(0, min(end, self.size) - max(0, start))) for start, end in ranges]

        def fetch(connection: PooledConnection) -> list[bytes]:
            parts = [PartRequest(connection.session, self._file, *each) for each in cut]
            return [part.result() for part in parts]

        with named_as([Place(self.name, self._file.path)]):
            return self._pool.ask(fetch, long=sum(length for _, length in cut) > SHORT_BYTES)

    def changed(self) -> FileChanged:
        """Return the exception for a file that is another one now."""
        return self._file.changed()

    # --- io.RawIOBase -------------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """Return True."""
        self._require_open()
        return True

    def seekable(self) -> bool:
        """Return True."""
        self._require_open()
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        self._require_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position, which may be beyond the end, and return it; nothing is requested."""
        self._require_open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        if whence not in bases:
            raise UsageError("whence must be 0 (start), 1 (position) or 2 (end).")
        position = bases[whence] + offset
        if position < 0:
            raise UsageError("A position in a file can't be negative.")
        if position != self._position:
            self._position = self._origin = position
            self._asked = 0, 0
        self._is_position_lost = False
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into `buffer` and return the number of bytes, 0 only at the end of the file."""
        self._require_position()
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._left())
        if not wanted:
            return 0
        if not self._is_buffered():
            self._run(lambda: self._fill(wanted))
        at = self._position - self._start
        count = min(wanted, len(self._window) - at)
        view[:count] = memoryview(self._window)[at : at + count]
        self._position += count
        if self._position >= self.size and len(self._window) > MIN_PART:
            self._window = b""  # a file that was read to its end takes no memory
        return count

    def readall(self) -> bytes:
        """Return all that is left."""
        self._require_position()
        data = self._run(self._rest)
        self._position += len(data)
        return data

    def close(self) -> None:
        """Close the file. What was requested ahead is cancelled; nothing is waited for."""
        stream, self._stream = self._stream, None
        self._window = self._tail = b""
        super().close()
        if stream is not None:
            if self._is_abandoned or getattr(self, "_finalizing", False):
                stream.abandon()  # a finalizer may run anywhere, and sends nothing
            elif stream.acquire():
                try:
                    stream.finish()
                finally:
                    stream.release()

    def _dealloc_warn(self, _forgotten: object) -> None:
        """Be closed by a finalizer; `io.BufferedReader` calls this in its own."""
        self._is_abandoned = True

    # --- state --------------------------------------------------------------------------------------------------------

    def _require_open(self) -> None:
        if self.closed:
            raise UsageError("The file is closed.")

    def _require_position(self) -> None:
        self._require_open()
        if self._is_position_lost:
            raise UsageError(
                "The last read failed, and may have lost some bytes.", hint="Set the position with seek, and read on."
            )

    def _run(self, fetch: Callable[[], bytes]) -> bytes:
        """Return what `fetch` does; if it fails, only `seek` tells where to read on, since a buffer was emptied."""
        try:
            with named_as([Place(self.name, self._file.path)]):
                return fetch()
        except BaseException:
            self._is_position_lost = True
            raise

    def _left(self) -> int:
        return max(0, self.size - self._position)

    def _is_buffered(self) -> bool:
        return self._start <= self._position < self._start + len(self._window)

    # --- fetching -----------------------------------------------------------------------------------------------------

    def _fill(self, wanted: int) -> bytes:
        """Fetch a window: `wanted` bytes at the position, or some of them, and what is fetched ahead."""
        if self._cache is not None:
            end = min(self._position + max(wanted, self._buffer_bytes), self.size)
            self._start, self._window = self._position, self._cache(self._position, end)
            return self._window
        begin, end = self._asked
        if begin <= self._position < end:
            wanted = end - self._position  # if it is a large read, this may be a part of it
        else:
            begin = self._position
        wanted = max(wanted, self._buffer_bytes)
        in_order = begin - self._origin
        if in_order <= 0 and self._position >= self.size - TAIL_BYTES:
            self._start = max(0, self.size - TAIL_BYTES)
            self._window = self._tail = self._tail or self._ask(self._start, self.size - self._start)
        else:
            if in_order > 0:
                ahead = min(2 * in_order, MAX_AHEAD)
            else:
                ahead = 0 if self._position or self._has_fetched else FIRST_BYTES - wanted
            self._start, self._window = self._fetch(wanted, max(0, ahead))
        self._has_fetched = True
        return self._window

    def _fetch(self, wanted: int, ahead: int) -> tuple[int, bytes]:
        """Return an offset and what was fetched there, which includes the byte at the position."""
        length = min(min(wanted, MAX_AHEAD) + ahead, self._left())  # of a larger read, the rest follows as this comes
        if self._stream is None and length > (MAX_SINGLE if ahead else MAX_PART):
            self._begin_stream()
        part = min(max(ahead // 4, MIN_PART), MAX_PART) if ahead else MAX_PART
        found = self._from_stream(lambda stream: self._fetch_ahead(stream, length, part, full=ahead > 0))
        return found or (self._position, self._ask(self._position, min(length, MAX_PART)))

    def _fetch_ahead(self, stream: ReadAhead, length: int, part: int, *, full: bool) -> tuple[int, bytes]:
        """Request `length` bytes at the position in parts, with `full` all as large as `part`; wait for the first."""
        stream.skip_to(self._position)
        end = self.size if full else self._position + length
        while stream.end < self._position + length:
            stream.request(min(part, end - stream.end))
        return stream.take()

    def _rest(self) -> bytes:
        """Return all that is left: of the window, of what is under way, and the rest by one request."""
        if self._cache is not None:
            return self._cache(self._position, self.size) if self._left() else b""
        head = memoryview(self._window)[self._position - self._start :] if self._is_buffered() else memoryview(b"")
        position = self._position + len(head)
        if position >= self.size:
            return bytes(head)
        parts = self._from_stream(lambda stream: self._take_all(stream, position))
        return self._ask(position, self.size - position, head) if parts is None else b"".join((head, *parts))

    def _take_all(self, stream: ReadAhead, position: int) -> list[memoryview]:
        stream.skip_to(position)
        if stream.end < self.size:
            stream.request(self.size - stream.end)
        parts = []
        while not stream.is_idle:
            offset, data = stream.take()
            parts.append(memoryview(data)[max(0, position - offset) :])
        return parts

    # --- the read-ahead -----------------------------------------------------------------------------------------------

    def _from_stream(self, use: Callable[[ReadAhead], _T]) -> _T | None:
        """Return what `use` makes of the read-ahead; None if there is none, or its connection was lost.

        The server may have been stopped, or have had enough of waiting for this program.
        """
        stream = self._stream
        if stream is None or not stream.acquire():
            self._stream = None
            return None
        try:
            found = use(stream)
        except FileError:
            self._end_stream(stream)
            raise
        except ConnectionLost:
            self._stream = None
            stream.abandon()
            return None
        except BaseException:
            self._stream = None
            stream.abandon()
            raise
        else:
            if stream.is_idle:
                self._end_stream(stream)
            return found
        finally:
            stream.release()

    def _begin_stream(self) -> None:
        if time.monotonic() >= self._no_stream_before:
            self._stream = ReadAhead.begin(self._pool, self._file)
            if self._stream is None:
                self._no_stream_before = time.monotonic() + PAUSE_SECONDS

    def _end_stream(self, stream: ReadAhead) -> None:
        self._stream = None
        stream.finish()

    def _ask(self, offset: int, length: int, head: bytes | memoryview = b"") -> bytes:
        """Return `head` and what one request fetches."""

        def fetch(connection: PooledConnection) -> bytes:
            return PartRequest(connection.session, self._file, offset, length, head).result()

        return self._pool.ask(fetch, long=length > SHORT_BYTES)

    def _read_unsized(self) -> bytes:
        """Return a file that is empty, or whose size its file system does not tell."""
        sink = MemorySink()
        self._pool.ask(lambda connection: connection.session.read(self._file.path, sink))
        return sink.data()
