"""Operations of an asyncio client: those of the blocking client, as coroutines and asynchronous iterators.

Where the parameters decide about the type of the result, a method is written out; all others are made from the
blocking ones, and can't differ from them.
"""

# ruff: noqa: D102 - methods without a docstring get that of the blocking one

from __future__ import annotations

from typing import TYPE_CHECKING, AnyStr, Literal, TypeAlias, overload

from secftp.aio import driver
from secftp.aio.interface import AsyncIteration, AsyncListing, coroutine_of, documented_as
from secftp.api.client import Client

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from secftp.aio.pool import AsyncPool
    from secftp.api.arguments import RemotePath
    from secftp.api.files import OnFileError
    from secftp.api.listing import OnWalkError
    from secftp.errors import FileError

    _Walk: TypeAlias = AsyncIteration[tuple[AnyStr, list[AnyStr], Sequence[AnyStr]]]


class AsyncOperations:
    """The part of `AsyncClient` that is the same as that of `Client`."""

    def __init__(self, client: Client, pool: AsyncPool) -> None:
        self._client = client
        self._pool = pool

    # --- names --------------------------------------------------------------------------------------------------------

    stat = coroutine_of(Client.stat)
    exists = coroutine_of(Client.exists)
    is_file = coroutine_of(Client.is_file)
    is_dir = coroutine_of(Client.is_dir)
    space = coroutine_of(Client.space)
    checksum = coroutine_of(Client.checksum)
    mkdir = coroutine_of(Client.mkdir)
    rename = coroutine_of(Client.rename)
    replace = coroutine_of(Client.replace)
    remove = coroutine_of(Client.remove)
    unlink = remove
    rmdir = coroutine_of(Client.rmdir)
    rmtree = coroutine_of(Client.rmtree)
    chmod = coroutine_of(Client.chmod)
    utime = coroutine_of(Client.utime)
    copy = coroutine_of(Client.copy)
    copytree = coroutine_of(Client.copytree)

    # --- between this machine and the server --------------------------------------------------------------------------

    # A copy uses one connection: several streams of one file are for threads. Its local files are read and written by
    # threads; callbacks are called by the task that awaits the copy, on the thread of the loop.
    put = coroutine_of(Client.put)
    get = coroutine_of(Client.get)

    # --- listings -----------------------------------------------------------------------------------------------------

    @overload
    def scandir(self, path: bytes, *, recursive: bool = False) -> AsyncListing[bytes]: ...
    @overload
    def scandir(self, path: str | os.PathLike[str] = "", *, recursive: bool = False) -> AsyncListing[str]: ...
    @documented_as(Client.scandir)
    def scandir(
        self, path: str | bytes | os.PathLike[str] = "", *, recursive: bool = False
    ) -> AsyncListing[str] | AsyncListing[bytes]:
        if isinstance(path, bytes):
            return AsyncListing(lambda: self._client.scandir(path, recursive=recursive))
        return AsyncListing(lambda: self._client.scandir(path, recursive=recursive))

    @overload
    async def listdir(self, path: bytes) -> list[bytes]: ...
    @overload
    async def listdir(self, path: str | os.PathLike[str] = "") -> list[str]: ...
    @documented_as(Client.listdir)
    async def listdir(self, path: str | bytes | os.PathLike[str] = "") -> list[str] | list[bytes]:
        if isinstance(path, bytes):
            return await driver.run(self._client.listdir, path)
        return await driver.run(self._client.listdir, path)

    @overload
    def walk(self, top: bytes, *, topdown: bool = True, onerror: OnWalkError | None = None) -> _Walk[bytes]: ...
    @overload
    def walk(
        self, top: str | os.PathLike[str] = "", *, topdown: bool = True, onerror: OnWalkError | None = None
    ) -> _Walk[str]: ...
    @documented_as(Client.walk)
    def walk(
        self, top: str | bytes | os.PathLike[str] = "", *, topdown: bool = True, onerror: OnWalkError | None = None
    ) -> _Walk[str] | _Walk[bytes]:
        if isinstance(top, bytes):
            return AsyncIteration(lambda: self._client.walk(top, topdown=topdown, onerror=onerror))
        return AsyncIteration(lambda: self._client.walk(top, topdown=topdown, onerror=onerror))

    @overload
    def glob(
        self, pattern: bytes, *, include_hidden: bool = False, onerror: OnWalkError | None = None
    ) -> AsyncIteration[bytes]: ...
    @overload
    def glob(
        self, pattern: str | os.PathLike[str], *, include_hidden: bool = False, onerror: OnWalkError | None = None
    ) -> AsyncIteration[str]: ...
    @documented_as(Client.glob)
    def glob(
        self,
        pattern: str | bytes | os.PathLike[str],
        *,
        include_hidden: bool = False,
        onerror: OnWalkError | None = None,
    ) -> AsyncIteration[str] | AsyncIteration[bytes]:
        if isinstance(pattern, bytes):
            return AsyncIteration(lambda: self._client.glob(pattern, include_hidden=include_hidden, onerror=onerror))
        return AsyncIteration(lambda: self._client.glob(pattern, include_hidden=include_hidden, onerror=onerror))

    # --- contents -----------------------------------------------------------------------------------------------------

    read_bytes = coroutine_of(Client.read_bytes)
    write_bytes = coroutine_of(Client.write_bytes)
    read_text = coroutine_of(Client.read_text)
    write_text = coroutine_of(Client.write_text)

    @overload
    async def read_ranges(
        self, ranges: Iterable[tuple[RemotePath, int, int | None]], *, on_error: Literal["raise"] = "raise"
    ) -> list[bytes]: ...
    @overload
    async def read_ranges(
        self, ranges: Iterable[tuple[RemotePath, int, int | None]], *, on_error: OnFileError
    ) -> list[bytes | FileError]: ...
    @documented_as(Client.read_ranges)
    async def read_ranges(
        self, ranges: Iterable[tuple[RemotePath, int, int | None]], *, on_error: OnFileError = "raise"
    ) -> list[bytes] | list[bytes | FileError]:
        return await driver.run(self._client.read_ranges, ranges, on_error=on_error)

    @overload
    async def read_many(self, paths: Iterable[RemotePath], *, on_error: Literal["raise"] = "raise") -> list[bytes]: ...
    @overload
    async def read_many(self, paths: Iterable[RemotePath], *, on_error: OnFileError) -> list[bytes | FileError]: ...
    @documented_as(Client.read_many)
    async def read_many(
        self, paths: Iterable[RemotePath], *, on_error: OnFileError = "raise"
    ) -> list[bytes] | list[bytes | FileError]:
        return await driver.run(self._client.read_many, paths, on_error=on_error)
