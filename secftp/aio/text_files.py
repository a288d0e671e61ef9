"""File objects of asyncio in text modes: decoded lines of a file that is read, and a file that is encoded as written.

Invariant: the file of a writer that was not closed, or failed, never appears, as without the layer of text.
"""

from __future__ import annotations

import codecs
import os
from typing import TYPE_CHECKING, Any, Final, cast

from secftp.aio.reader import AsyncReader
from secftp.aio.writer import AsyncWriter
from secftp.api.text_files import DEFAULT_ENCODING

if TYPE_CHECKING:
    import io
    from typing import Self

    from _typeshed import ReadableBuffer

    from secftp.aio.upload import Upload
    from secftp.api.reader import RemoteReader

_NEWLINES: Final = {None: os.linesep, "": "\n", "\n": "\n", "\r": "\r", "\r\n": "\r\n"}


class AsyncTextReader:
    """A text file at the server, open for reading; `AsyncClient.open` gives it for `"r"`. Iterating yields lines.

    It is for one task at a time, and not for random access: there is `seek(0)` alone.

    Attributes:
        name (str or bytes): The path, as it was given.
        mode (str): The mode, as it was given.
        encoding (str): The encoding.
    """

    def __init__(self, text: io.TextIOWrapper, mode: str) -> None:
        self._binary = AsyncReader(cast("RemoteReader", text.buffer))
        self._text = text
        self.name = self._binary.name
        self.mode = mode
        self.encoding = text.encoding

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._binary.closed

    async def read(self, size: int | None = -1, /) -> str:
        """Return the next `size` characters, fewer only at the end of the file; all that are left for -1 and None."""
        return await self._binary.run(self._text.read, size)

    async def readline(self, size: int = -1, /) -> str:
        """Return the next line with its line end, at most `size` characters."""
        return await self._binary.run(self._text.readline, size)

    async def seek(self, offset: int, /) -> int:
        """Go to the beginning, for an `offset` of 0, or to a position that `tell` returned."""
        return await self._binary.run(self._text.seek, offset)

    async def tell(self) -> int:
        """Return the position, a number for `seek` alone."""
        return await self._binary.run(self._text.tell)

    async def close(self) -> None:
        """Close the file. Idempotent."""
        await self._binary.close()

    async def __aenter__(self) -> Self:
        await self._binary.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    def __repr__(self) -> str:
        return f"<secftp.aio.AsyncTextReader {self.name!r}{' closed' if self.closed else ''}>"


class AsyncTextWriter(AsyncWriter):
    """A text file at the server, open for writing; `AsyncClient.open` gives it for `"w"` and `"x"`.

    It is encoded as it is written, and appears when it is closed, as an `AsyncWriter`. `tell` counts bytes.

    Attributes:
        name (str or bytes): The path, as it was given.
        mode (str): The mode, as it was given.
        encoding (str): The encoding.
    """

    def __init__(self, upload: Upload, name: str | bytes, mode: str, encoding: TextEncoding) -> None:
        super().__init__(upload, name, mode)
        self.encoding = encoding.name
        self._encode = encoding

    async def write(self, text: ReadableBuffer | str, /) -> int:
        """Append the text and return the number of its characters. Waits while the connection is behind.

        If it is cancelled, the file is given up.
        """
        if not isinstance(text, str):
            raise TypeError(f"a text file takes str, not {type(text).__name__}")
        self._require_open()
        await super().write(self._encode(text))
        return len(text)

    async def writelines(self, lines: Any, /) -> None:
        """Append texts, which have their line ends already."""
        for line in lines:
            await self.write(line)


class TextEncoding:
    """How a text is encoded, with a byte order mark once. Raises LookupError and ValueError for what there is not."""

    def __init__(self, encoding: str | None, errors: str | None, newline: str | None) -> None:
        if newline not in _NEWLINES:
            raise ValueError(f"illegal newline value: {newline!r}")
        self.name = encoding or DEFAULT_ENCODING
        self._newline = _NEWLINES[newline]
        codecs.lookup_error(errors or "strict")
        self._encoder = codecs.getincrementalencoder(self.name)(errors or "strict")

    def __call__(self, text: str) -> bytes:
        """Return the bytes of a text that follows those before."""
        return self._encoder.encode(text if self._newline == "\n" else text.replace("\n", self._newline))
