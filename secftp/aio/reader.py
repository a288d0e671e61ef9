"""File object of asyncio to read a file at a server: a `RemoteReader` whose waits are awaited."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from secftp.aio import driver
from secftp.errors import UsageError
from secftp.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from _typeshed import WriteableBuffer

    from secftp.api.reader import RemoteReader

CHUNK_BYTES: Final = 256 << 10

_Result = TypeVar("_Result")


class AsyncReader:
    """A binary file at the server, open for reading; `AsyncClient.open` gives it for `"rb"`.

    It is seekable and buffered, and reads ahead when it is read in order. Iterating yields chunks, not lines. It is for
    one task at a time. If the file is changed or replaced at the server, reads raise `FileChanged`; open it again.

    Attributes:
        name (str or bytes): The path, as it was given.
        mode (str): `"rb"`.
        size (int): The size in bytes when the file was opened.

    Example:
        async with client.open("a.bin") as file:
            async for chunk in file:
                ...
    """

    def __init__(self, reader: RemoteReader) -> None:
        self._reader: RemoteReader | None = reader
        self._pace = driver.Pace()
        self._is_busy = False
        self._process = os.getpid()
        self.name = reader.name
        self.mode = reader.mode
        self.size: Final = reader.size
        self._endpoint = reader._endpoint  # noqa: SLF001 - of this package

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._reader is None

    def readable(self) -> bool:
        """Return True."""
        return self._require_open().readable()

    def seekable(self) -> bool:
        """Return True."""
        return self._require_open().seekable()

    def writable(self) -> bool:
        """Return False."""
        return self._require_open().writable()

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._require_open().tell()

    async def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position, which may be beyond the end, and return it; nothing is requested.

        `offset` in bytes, from the start (`whence` 0), the position (1) or the end (2). Raises `UsageError`.
        """
        return await self.run(self._require_open().seek, offset, whence)

    async def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the file; all that are left for -1 and None."""
        return await self.run(self._require_open().read, size)

    async def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes with one request at most, and with none if some are buffered."""
        return await self.run(self._require_open().read1, size)

    async def readall(self) -> bytes:
        """Return all that is left."""
        return await self.read()

    async def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into `buffer` and return the number of bytes, less than its size only at the end of the file."""
        return await self.run(self._require_open().readinto, buffer)

    async def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line with its line end, at most `size` bytes."""
        return await self.run(self._require_open().readline, size)

    async def peek(self, size: int = 0, /) -> bytes:
        """Return some bytes without moving the position; none only at the end of the file."""
        return await self.run(self._require_open().peek, size)

    async def close(self) -> None:
        """Close the file. Idempotent."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await driver.run(reader.close)

    async def __aenter__(self) -> Self:
        self._require_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read(CHUNK_BYTES)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def __del__(self) -> None:
        if getattr(self, "_reader", None) is not None and self._process == os.getpid():
            warnings.warn(f"{self.name!r} was never closed.", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = "closed" if self.closed else counted(self.size, "byte")
        return f"<secftp.aio.AsyncReader {self.name!r} at {self._endpoint}, {state}>"

    # --- implementation -----------------------------------------------------------------------------------------------

    async def run(self, method: Callable[..., _Result], *args: Any) -> _Result:
        """Return what a method returns that reads the file, for one task at a time."""
        with self._alone():
            await self._pace()
            return await driver.run(method, *args)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Block of one task at a time."""
        if self._is_busy:
            raise UsageError("Another task is reading the file.", hint="Open it once for each task.")
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    def _require_open(self) -> RemoteReader:
        if self._reader is None:
            raise UsageError("The file is closed.")
        return self._reader
