"""`secftp.aio.connect`, and the `AsyncClient` that it returns."""

from __future__ import annotations

import asyncio
import os
import warnings
from typing import TYPE_CHECKING, Self

from secftp.aio import driver
from secftp.aio.files import AsyncFiles
from secftp.aio.interface import Opening
from secftp.aio.local import LoopWaits
from secftp.aio.pool import DEFAULT_CONNECTIONS, AsyncPool
from secftp.api.choice import DEFAULT_CIPHER, DEFAULT_TIMEOUT, choose
from secftp.api.client import Client
from secftp.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from secftp.api.arguments import Cipher, LocalPath
    from secftp.keys import Key
    from secftp.url import Url


def connect(
    url: str,
    key: str | Key | None = None,
    *,
    key_file: LocalPath | None = None,
    anonymous: bool = False,
    cipher: Cipher = DEFAULT_CIPHER,
    timeout: float = DEFAULT_TIMEOUT,
    connect_timeout: float | None = None,
    congestion: str | None = None,
    config: bool = False,
    connections: int = DEFAULT_CONNECTIONS,
) -> Opening[AsyncClient]:
    """Connect to a server, for `await` and `async with`, which both give an `AsyncClient`.

    Args:
        url (str): As in `secftp.connect`, as are all but the last parameter.
        key (str, secftp.Key or None, default None): The key.
        key_file (str, bytes, os.PathLike or None, default None): The path of a file with the key.
        anonymous (bool, default False): Connect without a key.
        cipher (str, default 'aes256'): The cipher.
        timeout (float, default 60.0): The limit in seconds for connecting and for the server's silence. For a limit on
            a whole operation there is `asyncio.timeout`.
        connect_timeout (float or None, default None): The limit in seconds for connecting, in place of `timeout`.
        congestion (str or None, default None): The name of a congestion control.
        config (bool, default False): Read the user's file of hosts.
        connections (int, default 4): How many short requests run at once, and how many copies; further ones wait for
            their turn. A file that is open for writing has a connection of its own.

    Returns:
        Opening: To be awaited, or entered by `async with`, for an `AsyncClient`.

    Raises:
        SecftpError: What `secftp.connect` raises, when it is awaited.
    """
    if type(connections) is not int or connections < 1:
        raise UsageError("connections must be a positive number.")

    async def begin() -> AsyncClient:
        waits = LoopWaits(asyncio.get_running_loop())
        try:
            pool, location = await driver.run(open_pool, waits)
        except BaseException:
            waits.close()
            raise
        return AsyncClient(Client(pool, location), pool)

    def open_pool(waits: LoopWaits) -> tuple[AsyncPool, Url]:
        choice = waits.call(
            choose,
            url,
            anonymous=anonymous,
            cipher=cipher,
            timeout=timeout,
            connect_timeout=connect_timeout,
            congestion=congestion,
            config=config,
        )
        credentials = waits.call(choice.credentials, key, key_file, anonymous=anonymous)
        location = choice.location
        pool = AsyncPool(
            location.host,
            location.port,
            credentials,
            timeout=choice.timeout,
            connect_timeout=choice.connect_timeout,
            congestion=congestion,
            connections=connections,
            waits=waits,
        )
        try:
            with pool.session():
                pass  # so that a failure is raised here and not by a later request
        except BaseException:
            pool.abandon()
            raise
        return pool, location

    return Opening(begin)


class AsyncClient(AsyncFiles):
    """A client of a server for asyncio; `secftp.aio.connect` returns it. `async with` closes its connections.

    It has the methods of `secftp.Client`, as coroutines, with the same parameters, results and exceptions. Several
    tasks may use it at once. It belongs to the event loop on which it was made, and to the process.

    A method that is cancelled leaves nothing half-written: a file at the server is written whole or not at all.
    """

    def __init__(self, client: Client, pool: AsyncPool) -> None:
        super().__init__(client, pool)
        self._process = os.getpid()

    @property
    def url(self) -> str:
        """The URL of the directory at which relative paths start."""
        return self._client.url

    @property
    def closed(self) -> bool:
        """Whether the client is closed."""
        return self._pool.closed

    async def close(self) -> None:
        """Close all connections. Requests of other tasks fail, and a file that is being written never appears."""
        await driver.run(self._pool.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None and not pool.closed:
            text = f"{self!r} was never closed."
            if pool.abandon() and self._process == os.getpid():
                warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<secftp.aio.AsyncClient {self.url}{' closed' if self.closed else ''}>"
