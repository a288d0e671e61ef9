"""File object of asyncio to write a file at a server, which appears there only when it is closed without an error.

Invariant: a file that was abandoned, or whose writer failed or was cancelled, never takes the place of a good one.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings
from typing import TYPE_CHECKING, Final, Self

from secftp.aio import driver
from secftp.api.writer import BUFFER_BYTES
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from _typeshed import ReadableBuffer

    from secftp.aio.upload import Upload


_COPIED: Final = 1 << 20  # bytes that are copied at once of a buffer that its owner may change


class AsyncWriter:
    """A binary file at the server, open for sequential writing; `AsyncClient.open` gives it for `"wb"` and `"xb"`.

    The file appears under its name, whole and verified, when `close` or the `async with` block returns; until then a
    file of that name stays as it is. It does not appear if the block ends with an exception (a cancellation is one), or
    if the object is not closed. Nothing times out between two writes.

    Attributes:
        name (str or bytes): The path, as it was given.
        mode (str): `"wb"` or `"xb"`.

    Example:
        async with client.open("lines.txt", "wb") as file:
            async for line in lines:
                await file.write(line)
    """

    def __init__(self, upload: Upload, name: str | bytes, mode: str) -> None:
        self._upload: Upload | None = upload
        self.name = name
        self.mode = mode
        self._endpoint = upload.endpoint
        self._opened_during = sys.exc_info()[1]
        self._gathered = bytearray()
        self._written = 0
        self._is_busy = False
        self._pace = driver.Pace()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._upload is None

    def writable(self) -> bool:
        """Return True."""
        self._require_open()
        return True

    def readable(self) -> bool:
        """Return False."""
        self._require_open()
        return False

    def seekable(self) -> bool:
        """Return False."""
        self._require_open()
        return False

    def tell(self) -> int:
        """Return how many bytes were written so far."""
        self._require_open()
        return self._written

    async def write(self, data: ReadableBuffer, /) -> int:
        """Append all the bytes and return their number. Waits while the connection is behind.

        If it is cancelled, the file is given up.
        """
        upload = self._require_open()
        await self._pace()
        part = data if isinstance(data, bytes) else memoryview(data).cast("B")
        if len(self._gathered) + len(part) < BUFFER_BYTES and not self._is_busy:
            self._gathered += part
        else:
            async with self._alone():
                await upload.room()
                self._hand_over(upload)
                if isinstance(part, bytes):
                    upload.add(part)
                else:
                    await _add_copies(upload, part)
        self._written += len(part)
        return len(part)

    async def flush(self) -> None:
        """Send what is buffered. The file does not appear yet. If it is cancelled, the file is given up."""
        upload = self._require_open()
        async with self._alone():
            await upload.room()
            self._hand_over(upload)

    async def close(self) -> None:
        """Complete the file, and wait until the server has verified and stored it. Idempotent.

        Raises what failed at the server. While an exception is being handled that was raised after the file was opened,
        it is given up instead, with a `RuntimeWarning`.
        """
        upload = self._upload
        if upload is None:
            return
        if sys.exc_info()[1] not in (None, self._opened_during):
            await self.abort()
            warnings.warn(
                f"{self.name!r} was closed while an exception was being handled; it was not written.",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            await self._commit(upload)

    async def abort(self) -> None:
        """Give up the file: an existing one stays as it is. No effect after `close`; idempotent."""
        upload, self._upload = self._upload, None
        self._gathered.clear()
        if upload is not None:
            upload.give_up()
            await upload.wait()

    async def __aenter__(self) -> Self:
        self._require_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await self.abort()
        elif self._upload is not None:
            await self._commit(self._upload)

    def __del__(self) -> None:
        upload = getattr(self, "_upload", None)
        if upload is not None:
            upload.forget()
            warnings.warn(
                f"{self.name!r} was never closed; it was not written.", ResourceWarning, stacklevel=2, source=self
            )

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.mode
        return f"<secftp.aio.AsyncWriter {self.name!r} at {self._endpoint}, {state}>"

    # --- implementation -----------------------------------------------------------------------------------------------

    def _hand_over(self, upload: Upload) -> None:
        if self._gathered:
            data, self._gathered = bytes(self._gathered), bytearray()
            upload.add(data)

    async def _commit(self, upload: Upload) -> None:
        upload.require_here()
        self._upload = None
        self._hand_over(upload)
        await upload.finish()

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Block of one task at a time; gives up the file if that is cancelled."""
        if self._is_busy:
            raise UsageError("Another task is writing to the file.", hint="Await one write before the next.")
        self._is_busy = True
        try:
            yield
        except asyncio.CancelledError:
            await self.abort()
            raise
        finally:
            self._is_busy = False

    def _require_open(self) -> Upload:
        if self._upload is None:
            raise UsageError("The file is closed.")
        return self._upload


async def _add_copies(upload: Upload, view: memoryview) -> None:
    for start in range(0, len(view), _COPIED):
        await upload.room()
        upload.add(bytes(view[start : start + _COPIED]))
