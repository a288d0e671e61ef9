"""Files of an asyncio client: opened, or streamed from and to what a program iterates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from secftp.aio import driver
from secftp.aio.interface import Opening
from secftp.aio.operations import AsyncOperations
from secftp.aio.reader import CHUNK_BYTES, AsyncReader
from secftp.aio.text_files import AsyncTextReader, AsyncTextWriter, TextEncoding
from secftp.aio.upload import Upload
from secftp.aio.writer import AsyncWriter
from secftp.api.arguments import file_path, path_text, write_options
from secftp.api.files import kind_of, require_no_encoding
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from _typeshed import ReadableBuffer

    from secftp.api.arguments import RemotePath
    from secftp.storage import WriteOptions


class AsyncFiles(AsyncOperations):
    """The part of `AsyncClient` that opens and streams files."""

    @overload
    def open(self, path: RemotePath, mode: Literal["rb"] = "rb") -> Opening[AsyncReader]: ...
    @overload
    def open(
        self, path: RemotePath, mode: Literal["wb", "xb"], *, permissions: int | None = None
    ) -> Opening[AsyncWriter]: ...
    @overload
    def open(
        self,
        path: RemotePath,
        mode: Literal["r", "rt"],
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[AsyncTextReader]: ...
    @overload
    def open(
        self,
        path: RemotePath,
        mode: Literal["w", "wt", "x", "xt"],
        *,
        permissions: int | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[AsyncTextWriter]: ...
    def open(
        self,
        path: RemotePath,
        mode: str = "rb",
        *,
        permissions: int | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[AsyncReader] | Opening[AsyncWriter] | Opening[AsyncTextReader] | Opening[AsyncTextWriter]:
        """Open a file, with `await` or with `async with`, which closes it.

        A file that is open for writing has a connection of its own, and appears when it is closed without an error. One
        that is open for reading takes connections as it reads.

        Args:
            path (str, bytes or os.PathLike): The file.
            mode (str, default 'rb'): `"rb"` to read, `"wb"` to write, `"xb"` to write a new file; `"r"`, `"w"` and
                `"x"`, or `"rt"`, `"wt"` and `"xt"`, for text.
            permissions (int or None, default None): The permission bits of the new file, as far as the server's
                configuration allows them; None for those of the file that is replaced.
            encoding (str or None, default None): The encoding of text; None for UTF-8, whatever the locale is.
            errors (str or None, default None): How errors of the encoding are handled, as in the built-in `open`; None
                for `"strict"`.
            newline (str or None, default None): How line ends are translated, as in the built-in `open`; None for
                each to be read as a newline, and for newlines to be written as those of this system.

        Returns:
            Opening: To be awaited, or entered by `async with`, for an `AsyncReader`, `AsyncWriter`, `AsyncTextReader`
            or `AsyncTextWriter`.

        Raises:
            UsageError: There is no such mode, or one of binary files is given an encoding; raised at once, all others
                when it is awaited.
            NotFound: The file, or the directory of a new one, does not exist.
            IsADirectory: It is a directory.
            AlreadyExists: It exists, and the mode is `"xb"` or `"x"`, or the key may not overwrite.
            Forbidden: The server does not allow it.
        """
        kind, is_text = kind_of(mode)
        if not is_text:
            require_no_encoding(encoding, errors, newline)
        if kind == "r":
            if is_text:
                return Opening(lambda: self._open_text(path, mode, encoding, errors, newline))
            return Opening(lambda: self._open_reader(path))
        options = write_options(kind == "w", permissions)
        if is_text:
            text = TextEncoding(encoding, errors, newline)
            return Opening(lambda: self._open_text_writer(path, mode, options, text))
        return Opening(lambda: self._open_writer(path, options))

    async def stream(self, path: RemotePath, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the contents of a file in chunks, as for the body of an HTTP response. Reads ahead.

        What is wrong with the file is raised with the first chunk; to know it earlier, iterate an open file.

        Args:
            path (str, bytes or os.PathLike): The file.
            offset (int, default 0): Where to begin, in bytes.
            length (int or None, default None): The most bytes to yield; None for all.

        Yields:
            bytes: At most 256 KiB, verified.

        Raises:
            NotFound: The file does not exist.
            IsADirectory: It is a directory.
            Forbidden: The server does not allow it.
            FileChanged: The file was changed or replaced meanwhile.
            UsageError: The offset or the length is negative.
        """
        if offset < 0 or (length is not None and length < 0):
            raise UsageError("The offset and the length can't be negative.")
        async with self.open(path) as file:
            left = max(0, file.size - offset)
            left = left if length is None else min(left, length)
            await file.seek(offset)
            while left and (chunk := await file.read(min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    async def write_stream(
        self,
        path: RemotePath,
        chunks: AsyncIterable[ReadableBuffer],
        *,
        overwrite: bool = True,
        permissions: int | None = None,
    ) -> int:
        """Write a whole file from what a program iterates, as the body of an HTTP request, and return its size.

        The next chunk is taken when the connection has room for it. The file is stored verified, or, if the iterator
        raises or this is cancelled, not at all. At most `connections` of these run at once; others wait in order.

        Args:
            path (str, bytes or os.PathLike): The file.
            chunks (asynchronous iterable of bytes-like objects): The contents, in chunks of any size.
            overwrite (bool, default True): Whether an existing file is replaced.
            permissions (int or None, default None): As in `open`.

        Returns:
            int: The size in bytes.

        Raises:
            AlreadyExists: The file exists, and `overwrite` is false or the key may not overwrite.
            NotFound: The directory does not exist.
            IsADirectory: It is a directory.
            Forbidden: The server does not allow it.
            NoSpace: The disk of the server, or a quota, is full.
        """
        async with self._pool.streaming, self.open(path, "wb" if overwrite else "xb", permissions=permissions) as file:
            async for chunk in chunks:
                await file.write(chunk)
            return file.tell()

    async def _open_reader(self, path: RemotePath) -> AsyncReader:
        return AsyncReader(await driver.run(self._client.open, path))

    async def _open_text(self, path: RemotePath, mode: str, *text: str | None) -> AsyncTextReader:
        encoding, errors, newline = text
        opened = await driver.run(self._client.open, path, "r", encoding=encoding, errors=errors, newline=newline)
        return AsyncTextReader(opened, mode)

    async def _open_writer(self, path: RemotePath, options: WriteOptions) -> AsyncWriter:
        return AsyncWriter(await self._upload(path, options), path_text(path), "wb" if options.overwrite else "xb")

    async def _open_text_writer(
        self, path: RemotePath, mode: str, options: WriteOptions, text: TextEncoding
    ) -> AsyncTextWriter:
        return AsyncTextWriter(await self._upload(path, options), path_text(path), mode, text)

    async def _upload(self, path: RemotePath, options: WriteOptions) -> Upload:
        self._pool.require_open()
        wire = file_path(path, self._client._base)  # noqa: SLF001 - it is ours
        upload = Upload(self._pool, wire, options, path_text(path))
        await upload.begin()
        return upload
