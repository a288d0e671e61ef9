"""A file at a server, open for reading: each part is asked for when it is wanted, and a little more with it.

Between two reads nothing is under way, so such a file may lie open for hours, and costs the server nothing. What must
never happen: that parts of two versions of a file are handed out as one.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from secftp.api.memory import BufferSink, MemorySink
from secftp.api.ranges import Part, read_part
from secftp.errors import UsageError
from secftp.messages import ErrorCode, Kind, exception_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from secftp.api.pool import Pool
    from secftp.storage import Path, Sink

    class _Base(io.RawIOBase, BinaryIO):  # as typeshed has it for io.BufferedReader
        name: str | bytes
        mode: str

else:
    _Base = io.RawIOBase

_SinkT = TypeVar("_SinkT", bound="Sink")

# What is fetched around a read in a random place; doubled as long as reads follow one another, up to the second.
LEAST_AHEAD: Final = 256 << 10
MOST_AHEAD: Final = 8 << 20
LEAST_PEEK: Final = 4096


class RemoteReader(_Base):
    """What `Remote.open(path, "rb")` returns: a binary file that can be read and sought.

    It buffers by itself, and `read(n)` returns fewer than `n` bytes only at the end. It may stand wherever a binary
    file may: under `io.TextIOWrapper`, `io.BufferedReader`, `zipfile.ZipFile`, `csv` and `pickle`. One thread at a time
    uses it. A file that is changed or replaced at the server meanwhile raises `FileChanged`: open it again.

    >>> with remote.open("backup/a.bin") as file:
    ...     file.seek(2)
    ...     file.read(3)
    2
    b'cde'
    """

    def __init__(self, pool: Pool, path: Path, name: str | bytes) -> None:
        super().__init__()
        info = pool.ask(lambda connection: connection.session.stat(path))
        if info.kind is Kind.DIRECTORY:
            raise exception_for(ErrorCode.IS_DIRECTORY, path)
        self.name = name
        self.mode = "rb"
        self.size: Final = info.size
        self._pool = pool
        self._path = path
        self._version = info.mtime_ns
        self._position = 0
        self._window = b""
        self._start = 0  # where in the file the window begins
        self._ahead = LEAST_AHEAD

    # --- what a file can do -------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """True."""
        self._require_open()
        return True

    def seekable(self) -> bool:
        """True."""
        self._require_open()
        return True

    def tell(self) -> int:
        """The position in bytes."""
        self._require_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move, also beyond the end, without asking the server; the new position."""
        self._require_open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        if whence not in bases:
            raise UsageError("A file is sought from its begin (0), its position (1) or its end (2).")
        position = bases[whence] + offset
        if position < 0:
            raise UsageError("A position in a file is not negative.")
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, fewer only at the end of the file; all that are left for -1 and None."""
        self._require_open()
        size = self._left() if size is None or size < 0 else min(size, self._left())
        if size - self._buffered() <= self._ahead:
            return self._take(size)
        head = self._pending()
        sink = self._request(lambda: MemorySink(head), self._position + len(head), size - len(head))
        self._position += size
        return sink.data()

    def readall(self) -> bytes:
        """All that is left."""
        return self.read()

    def read1(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes with at most one request, and none if some are there already."""
        self._require_open()
        have = self._buffered() or min(self._left(), self._ahead)
        return self._take(have if size < 0 else min(size, have))

    def peek(self, size: int = 0, /) -> bytes:
        """Some bytes from the position on, which does not move; empty at the end of the file alone."""
        self._require_open()
        if not self._buffered():
            self._fetch(self._position, 1)
        at = self._position - self._start
        return self._window[at : at + max(size, LEAST_PEEK)]

    # That of `io.IOBase` would copy all that is buffered for every line, and may exceed `size` (CPython 3.11 to 3.13).
    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line with its end, `size` bytes at the most."""
        self._require_open()
        left = self._left() if size is None or size < 0 else min(size, self._left())
        parts = []
        while left:
            if not self._buffered():
                self._fetch(self._position, 1)
            at = self._position - self._start
            end = self._window.find(b"\n", at, at + left) + 1
            parts.append(self._window[at : end or at + left])
            self._position += len(parts[-1])
            left = 0 if end else left - len(parts[-1])
        return b"".join(parts)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer`, which is left short at the end of the file alone; the number of bytes."""
        self._require_open()
        view = memoryview(buffer).cast("B")[: self._left()]
        if len(view) - self._buffered() <= self._ahead:
            view[:] = self._take(len(view))
            return len(view)
        head = self._pending()
        view[: len(head)] = head
        rest = view[len(head) :]
        self._request(lambda: BufferSink(rest), self._position + len(head), len(rest))
        self._position += len(view)
        return len(view)

    readinto1 = readinto

    def close(self) -> None:
        """Forget it; the server need not be told."""
        self._window = b""
        super().close()

    def __repr__(self) -> str:
        return f"<secftp.RemoteReader {self.name!r}{' closed' if self.closed else ''}>"

    # --- how ----------------------------------------------------------------------------------------------------------

    def _left(self) -> int:
        return max(0, self.size - self._position)

    def _buffered(self) -> int:
        """How much of the window lies ahead of the position."""
        inside = self._start <= self._position
        return max(0, self._start + len(self._window) - self._position) if inside else 0

    def _pending(self) -> bytes:
        """What of the window lies ahead of the position."""
        return self._window[self._position - self._start :] if self._buffered() else b""

    def _take(self, size: int) -> bytes:
        """The next bytes, so many of which there are, and the position behind them."""
        if self._buffered() >= size:
            at = self._position - self._start
            data = self._window[at : at + size]
        else:
            head = self._pending()
            self._fetch(self._position + len(head), size - len(head))
            data = head + self._window[: size - len(head)]
        self._position += size
        return data

    def _fetch(self, position: int, size: int) -> None:
        """Have the window begin at a position, with `size` bytes and what is read ahead."""
        follows = position == self._start + len(self._window)
        self._ahead = min(2 * self._ahead, MOST_AHEAD) if follows else LEAST_AHEAD
        length = min(max(size, self._ahead), self.size - position)
        self._window = self._request(MemorySink, position, length).data() if length > 0 else b""
        self._start = position

    def _request(self, make_sink: Callable[[], _SinkT], offset: int, length: int) -> _SinkT:
        part = Part(self._path, offset, length, self._version)
        return self._pool.ask(
            lambda connection: read_part(connection.session, part, make_sink), long=length > MOST_AHEAD
        )

    def _require_open(self) -> None:
        if self.closed:
            raise UsageError("The file is closed.")
