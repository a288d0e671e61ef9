"""The waits of a connection that is being made, on an event loop: name lookups and connecting sockets.

A name is looked up in a daemon thread, as by the blocking client, and not by `loop.getaddrinfo`: that uses the loop's
executor, whose threads `asyncio.run` waits for at its end, however long a name server that does not answer takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from typing import TYPE_CHECKING

from secftp.aio.driver import wait
from secftp.aio.stream import AsyncStream
from secftp.transport.connect import Network

if TYPE_CHECKING:
    import socket

    from secftp.aio.local import LoopWaits
    from secftp.transport.stream import Stream


class LoopNetwork(Network):
    """How a connection waits on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waits: LoopWaits) -> None:
        self._loop = loop
        self._waits = waits

    def new_event(self) -> LoopEvent:
        """Return what a name lookup is waited with."""
        return LoopEvent(self._loop)

    def new_poller(self) -> LoopPoller:
        """Return what connecting sockets are waited with."""
        return LoopPoller(self._loop)

    def new_stream(self, sock: socket.socket) -> Stream:
        """Return the stream of a connected socket."""
        return AsyncStream(sock, self._loop, self._waits)


class LoopEvent:
    """An event that a thread sets and a greenlet of the loop waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] = loop.create_future()

    def set(self) -> None:
        """Set it, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._set)

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait for at most `timeout` seconds; return whether it is set."""
        if not self._future.done() and timeout != 0:
            wait(asyncio.wait([self._future], timeout=timeout))
        return self._future.done()

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class LoopPoller:
    """Sockets that are being connected; in the manner of a `select.poll`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._descriptors: set[int] = set()

    def register(self, sock: socket.socket, _events: int, /) -> None:
        """Wait for a socket, too."""
        self._descriptors.add(sock.fileno())

    def unregister(self, descriptor: int, /) -> None:
        """Wait for it no longer."""
        self._descriptors.discard(descriptor)

    def poll(self, milliseconds: float, /) -> list[tuple[int, int]]:
        """Wait for at most so long; return the sockets that are connected or have failed."""
        ready: set[int] = set()
        first: asyncio.Future[None] = self._loop.create_future()

        def found(descriptor: int) -> None:
            ready.add(descriptor)
            if not first.done():
                first.set_result(None)

        watched = tuple(self._descriptors)
        for descriptor in watched:
            self._loop.add_writer(descriptor, found, descriptor)
        try:
            wait(asyncio.wait([first], timeout=milliseconds / 1000))
        finally:
            first.cancel()
            for descriptor in watched:
                self._loop.remove_writer(descriptor)
        return [(descriptor, select.POLLOUT) for descriptor in ready]
