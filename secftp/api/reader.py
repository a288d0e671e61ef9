"""File object to read a file at a server: a `io.RawIOBase` that seeks and reads ahead.

Each part is requested when it is read, together with some bytes that follow it. Between two reads nothing is under way,
so an open file costs the server nothing. Invariant: parts of two versions of a file are never returned as one file.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeVar

from secftp.api.memory import BufferSink, MemorySink
from secftp.api.naming import Place, named_as
from secftp.errors import FileChanged, UsageError
from secftp.protocol import ErrorCode, Kind, exception_for, remote_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from secftp.api.pool import Pool
    from secftp.protocol import File
    from secftp.session import Session
    from secftp.storage import Path, Sink

    class _RawReader(io.RawIOBase, BinaryIO):  # as typeshed declares io.BufferedReader
        name: str | bytes
        mode: str

else:
    _RawReader = io.RawIOBase

_SinkT = TypeVar("_SinkT", bound="Sink")

# Bytes that are fetched with a read at a random position; doubled for each read that follows the last, up to the
# second.
MIN_READ_AHEAD: Final = 256 << 10
MAX_READ_AHEAD: Final = 8 << 20
MIN_PEEK: Final = 4096


class RemoteReader(_RawReader):
    """A binary file at the server, open for reading; `Client.open` returns it for `"rb"`.

    It is seekable and buffered, and `read(n)` returns fewer than `n` bytes only at the end of the file. It can be used
    wherever a binary file can: with `io.TextIOWrapper`, `io.BufferedReader`, `zipfile.ZipFile`, `csv` and `pickle`. It
    is not thread-safe. If the file is changed or replaced at the server, reads raise `FileChanged`; open it again.
    Reads also raise `NotFound`, `Forbidden`, `ChecksumMismatch`, `ConnectionLost` and `TransferTimeout`.

    Attributes: `name`, as it was given; `mode`, `"rb"`; `size` in bytes, when the file was opened.

    >>> with client.open("backup/a.bin") as file:
    ...     file.seek(2)
    ...     file.read(3)
    2
    b'cde'
    """

    def __init__(self, pool: Pool, path: Path, name: str | bytes) -> None:
        super().__init__()
        info = pool.ask(lambda connection: connection.session.stat(path))
        if info.kind is not Kind.FILE:
            raise exception_for(ErrorCode.IS_DIRECTORY, path)
        self.name = name
        self.mode = "rb"
        self.size: Final = info.size
        self._pool = pool
        self._path = path
        self._version = info.mtime_ns
        self._position = 0
        self._window = b""
        self._start = 0  # of the window, in the file
        self._ahead = MIN_READ_AHEAD

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
        """Set the position, which may be beyond the end, and return it; nothing is requested.

        `offset` in bytes, from the start (`whence` 0), the position (1) or the end (2). Raises `UsageError`.
        """
        self._require_open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        if whence not in bases:
            raise UsageError("whence must be 0 (start), 1 (position) or 2 (end).")
        position = bases[whence] + offset
        if position < 0:
            raise UsageError("A position in a file can't be negative.")
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the file; all that are left for -1 and None."""
        self._require_open()
        size = self._left() if size is None or size < 0 else min(size, self._left())
        if size - self._buffered() <= self._ahead:
            return self._take(size)
        head = self._pending()
        sink = self._request(lambda: MemorySink(head), self._position + len(head), size - len(head))
        self._position += size
        return sink.data()

    def readall(self) -> bytes:
        """Return all that is left."""
        return self.read()

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes with one request at most, and with none if some are buffered."""
        self._require_open()
        have = self._buffered() or min(self._left(), self._ahead)
        return self._take(have if size < 0 else min(size, have))

    def peek(self, size: int = 0, /) -> bytes:
        """Return some bytes without moving the position; none only at the end of the file."""
        self._require_open()
        if not self._buffered():
            self._fetch(self._position, 1)
        at = self._position - self._start
        return self._window[at : at + max(size, MIN_PEEK)]

    # That of `io.IOBase` copies the whole buffer for every line, and may exceed `size` (CPython 3.11 to 3.13).
    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line with its line end, at most `size` bytes."""
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
        """Read into `buffer` and return the number of bytes, less than its size only at the end of the file."""
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
        """Close the file; nothing is requested."""
        self._window = b""
        super().close()

    def __repr__(self) -> str:
        return f"<secftp.RemoteReader {self.name!r}{' closed' if self.closed else ''}>"

    # --- the buffer ---------------------------------------------------------------------------------------------------

    def _left(self) -> int:
        return max(0, self.size - self._position)

    def _buffered(self) -> int:
        """How many bytes of the window are at the position and after it."""
        inside = self._start <= self._position
        return max(0, self._start + len(self._window) - self._position) if inside else 0

    def _pending(self) -> bytes:
        """The bytes of the window that are at the position and after it."""
        return self._window[self._position - self._start :] if self._buffered() else b""

    def _take(self, size: int) -> bytes:
        """Return the next `size` bytes, which exist, and move the position behind them."""
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
        """Move the window to a position, with `size` bytes and the read-ahead."""
        follows = position == self._start + len(self._window)
        self._ahead = min(2 * self._ahead, MAX_READ_AHEAD) if follows else MIN_READ_AHEAD
        length = min(max(size, self._ahead), self.size - position)
        self._window = self._request(MemorySink, position, length).data() if length > 0 else b""
        self._start = position

    def _request(self, make_sink: Callable[[], _SinkT], offset: int, length: int) -> _SinkT:
        part = Part(self._path, offset, length, self._version)
        with named_as([Place(self.name, self._path)]):
            return self._pool.ask(
                lambda connection: read_part(connection.session, part, make_sink), long=length > MAX_READ_AHEAD
            )

    def _require_open(self) -> None:
        if self.closed:
            raise UsageError("The file is closed.")


class Part(NamedTuple):
    """A range of one version of a file, in bytes; `version` is its modification time in nanoseconds."""

    path: Path
    offset: int
    length: int
    version: int


def read_part(session: Session, part: Part, make_sink: Callable[[], _SinkT]) -> _SinkT:
    """Return a sink with a part of a file, verified.

    Raises `FileChanged` if the file has another version or no such part, and what the session raises.
    """
    sink = make_sink()

    def check(file: File) -> None:
        if file.size != part.length or file.mtime_ns != part.version:
            raise remote_failure(
                FileChanged,
                part.path,
                "the file has changed since it was opened.",
                hint="Open it again to read it as it is.",
            )

    session.read(part.path, sink, offset=part.offset, length=part.length, check=check)
    return sink
