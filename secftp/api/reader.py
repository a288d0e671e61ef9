"""File object to read a file at a server: an `io.BufferedReader` that seeks, and reads ahead where that helps.

`RawReader` decides what is fetched; the buffer around it has the speed of C for lines and other small reads.

Invariants: parts of two versions of a file are never returned as one file; a read that fails skips no bytes.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from secftp.api.raw_reader import BUFFER_BYTES, RawReader
from secftp.errors import UsageError
from secftp.text import counted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from secftp.api.pool import Pool
    from secftp.storage import Path


class RemoteReader(io.BufferedReader):
    """A binary file at the server, open for reading; `Client.open` returns it for `"rb"`.

    It is an `io.BufferedReader`: `read(n)` returns fewer than `n` bytes only at the end of the file, and it can be used
    wherever a binary file can, with `io.TextIOWrapper`, `zipfile.ZipFile`, `csv` and `pickle`. A read at a new position
    fetches little more than it asks for. Reads that follow one another read ahead, ever further up to 16 MiB, over a
    connection of their own; up to eight files of a client do so at a time. Nothing is held while a file is open and not
    being read in order. Each part is verified before it is returned.

    Threads may share it, as any `io.BufferedReader`: each call is atomic, but not a `seek` with the read after it. A
    forked process may go on with it.

    After a read that failed, the position is where it was; after a line that failed, it is unknown, and `seek` has to
    be called before the next read.

    Attributes:
        name (str or bytes): The path, as it was given.
        mode (str): `"rb"`.
        size (int): The size in bytes, when the file was opened.

    Raises:
        FileChanged: The file was changed or replaced at the server; open it again.
        NotFound: The file was removed.
        Forbidden: The server does not allow it any more.
        ChecksumMismatch: The data differ from those that the server read.
        ConnectionLost: The connection broke off.
        TransferTimeout: The server is silent.

    Example:
        >>> with client.open("backup/a.bin") as file:
        ...     file.seek(2)
        ...     file.read(3)
        2
        b'cde'
    """

    def __init__(self, pool: Pool, path: Path, name: str | bytes, *, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._endpoint = pool.endpoint
        self._reader = RawReader(pool, path, name, buffer_bytes)
        super().__init__(self._reader, buffer_bytes)

    @property
    def size(self) -> int:
        """The size of the file in bytes, when it was opened."""
        return self._reader.size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position, which may be beyond the end; nothing is requested.

        Args:
            offset (int): A number of bytes.
            whence (int, default 0): From where: 0 for the start, 1 for the position, 2 for the end of the file.

        Returns:
            int: The new position in bytes from the start.

        Raises:
            UsageError: There is no such `whence`.
        """
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise UsageError("whence must be 0 (start), 1 (position) or 2 (end).")
        return super().seek(offset, whence)

    # These may have taken bytes out of the buffer before the rest of what they read fails.

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes, and move the position behind them.

        Args:
            size (int or None, default -1): How many bytes to read; all that are left for -1 and None.

        Returns:
            bytes: So many bytes, fewer only at the end of the file.
        """
        position = self.tell()
        self._reader.expect(position, size or 0)
        try:
            return super().read(size)
        except BaseException:
            self._return_to(position)
            raise

    def readall(self) -> bytes:
        """Read all that is left.

        Returns:
            bytes: The bytes from the position to the end of the file.
        """
        return self.read()

    def read1(self, size: int = -1, /) -> bytes:
        """Read bytes with one request at most, and with none if some are buffered.

        Args:
            size (int, default -1): The most bytes to read; as many as there are for -1.

        Returns:
            bytes: Some bytes; none only at the end of the file.
        """
        position = self.tell()
        try:
            return super().read1(size)
        except BaseException:
            self._return_to(position)
            raise

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer.

        Args:
            buffer (writable bytes-like object): Where to put the bytes.

        Returns:
            int: The number of bytes, less than the size of the buffer only at the end of the file.
        """
        position = self.tell()
        self._reader.expect(position, memoryview(buffer).nbytes)
        try:
            return super().readinto(buffer)
        except BaseException:
            self._return_to(position)
            raise

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer with one request at most.

        Args:
            buffer (writable bytes-like object): Where to put the bytes.

        Returns:
            int: The number of bytes; 0 only at the end of the file.
        """
        position = self.tell()
        try:
            return super().readinto1(buffer)
        except BaseException:
            self._return_to(position)
            raise

    def peek(self, size: int = 0, /) -> bytes:
        """Read some bytes without moving the position.

        Args:
            size (int, default 0): A hint that has no effect, as for `io.BufferedReader`.

        Returns:
            bytes: Some bytes; none only at the end of the file.
        """
        position = self.tell()
        try:
            return super().peek(size)
        except BaseException:
            self._return_to(position)
            raise

    def __repr__(self) -> str:
        state = "closed" if self.closed else counted(self.size, "byte")
        return f"<secftp.RemoteReader {self.name!r} at {self._endpoint}, {state}>"

    def _return_to(self, position: int) -> None:
        if not self.closed:
            super().seek(position)
