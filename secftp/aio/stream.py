"""A TCP socket that waits on an event loop: a `Stream` for code that the driver runs.

Reading is registered with the loop at the first wait and stays registered, so that a client that asks and waits costs
no system call for that: the loop's callback receives into the buffer of the greenlet that waits. It is unregistered
when something arrives that is not waited for, and the next wait registers it again.

One timer limits all waits. It is set once and looks at the clock when it fires: waits that end in time cost no timer.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Final

from secftp.aio.driver import pace, wait
from secftp.aio.source import LoopSource
from secftp.errors import SecftpError
from secftp.transport.keepalive import CHECK_SECONDS, Keepalive
from secftp.transport.stream import Stream, lost, silent, stuck

if TYPE_CHECKING:
    import asyncio
    import socket

    from secftp.aio.local import LoopWaits
    from secftp.transport.keepalive import Pingable
    from secftp.transport.stream import WaitingSource

# Received at once: what arrives is opened and hashed before the loop runs again, 5 ms at most on a slow machine.
RECEIVE_BYTES: Final = 1 << 20


class AsyncStream(Stream):
    """One connected socket, for one greenlet at a time of one event loop."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, waits: LoopWaits) -> None:
        self._loop = loop
        self.waits = waits
        super().__init__(sock)

    def _prepare_waits(self) -> None:
        self._waiter: asyncio.Future[int] | None = None
        self._view: memoryview | None = None  # of the greenlet that waits to receive
        self._came = 0  # bytes that were received into it
        self._unread = b""  # what was received for a wait that was cancelled in that moment
        self._is_reading = False  # whether the loop watches for what arrives
        self._is_closed = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # --- waits --------------------------------------------------------------------------------------------------------

    def receive_into(self, view: memoryview, timeout: float) -> int:
        """Receive some bytes, as `Stream.receive_into`."""
        pace()
        view = view[:RECEIVE_BYTES]
        count = self.try_receive(view)
        if count is None:
            self._view, self._came = view, 0
            try:
                self._read()
                count = self._wait(timeout)
            except BaseException:
                self._unread = bytes(view[: self._came])
                raise
            finally:
                self._view = None
            if count is None:
                raise silent(timeout)
        return count

    def try_receive(self, view: memoryview) -> int | None:
        """Receive what is there, without waiting, as `Stream.try_receive`."""
        if not self._unread:
            return super().try_receive(view)
        count = min(len(view), len(self._unread))
        view[:count], self._unread = self._unread[:count], self._unread[count:]
        return count

    def try_send(self, view: memoryview) -> int:
        """Send what fits, without waiting for the peer; the loop may get its turn."""
        pace()
        return super().try_send(view)

    def send_at_once(self, view: memoryview) -> int:
        """Send what fits; for a timer of the loop."""
        return super().try_send(view)

    def wait_to_send(self, timeout: float, *, or_receive: bool) -> bool:
        """Wait until something can be sent or received, as `Stream.wait_to_send`."""
        self.require_here()
        if or_receive:
            self._read()
        self._loop.add_writer(self._sock, self._wake, 0)
        try:
            ready = self._wait(timeout)
        finally:
            self._stop_writing()
        if ready is None:
            raise stuck(timeout)
        return bool(ready)

    def wait_beside(self, source: WaitingSource, *, at_once: bool = False) -> bool:
        """Wait until a source has data or the peer has sent something, as `Stream.wait_beside`."""
        if isinstance(source, LoopSource):
            return source.is_ready or (not at_once and self._wait_beside(source))
        descriptor = source.wait_descriptor
        if at_once or descriptor is None:
            return super().wait_beside(source, at_once=at_once)
        self._read()
        self._loop.add_reader(descriptor, self._wake, 0)
        try:
            ready = self._wait(None)
        finally:
            self._loop.remove_reader(descriptor)
        return ready == 0

    def _wait_beside(self, source: LoopSource) -> bool:
        self._read()
        source.wake = functools.partial(self._wake, 0)
        try:
            self._wait(None)
        finally:
            source.wake = None
        return source.is_ready  # for nothing else: what is read then would look like the end

    def _wait(self, seconds: float | None) -> int | None:
        """Return what the wait was ended with, None after so many seconds."""
        waiter: asyncio.Future[int] = self._loop.create_future()
        self._waiter = waiter
        if seconds is not None:
            self._limit(seconds)
        try:
            return wait(waiter)
        except TimeoutError:
            return None
        finally:
            self._waiter = None
            self._deadline = 0.0

    # --- callbacks of the loop ----------------------------------------------------------------------------------------

    def _wake(self, value: int) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(value)

    def _readable(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._stop_reading()  # the next wait finds what has come
        elif self._view is None:
            self._stop_reading()
            waiter.set_result(1)
        else:
            try:
                count = self._sock.recv_into(self._view)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                waiter.set_exception(lost(problem))
            else:
                self._came = count
                waiter.set_result(count)

    def _limit(self, seconds: float) -> None:
        """End the wait after so many seconds."""
        self._deadline = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done() or not self._deadline:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._on_time)
        else:
            waiter.set_exception(TimeoutError())

    def _read(self) -> None:
        self.require_here()
        if not self._is_reading:
            if self._is_closed:
                raise lost()
            self._loop.add_reader(self._sock, self._readable)
            self._is_reading = True

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._sock)

    def _stop_writing(self) -> None:
        if not self._is_closed:
            self._loop.remove_writer(self._sock)

    # --- the end ------------------------------------------------------------------------------------------------------

    def new_keepalive(self) -> LoopKeepalive:
        """Return what sends keepalives on this connection by a timer of the loop."""
        return LoopKeepalive(self._loop)

    def close(self) -> None:
        """Close the socket. Idempotent. What waits for it raises `ConnectionLost`."""
        # In a forked process, the parent's loop shares what it watches with this one.
        if not self._is_closed and self.belongs_here():
            self._is_closed = True
            if not self._loop.is_closed():
                self._stop_reading()
                self._loop.remove_writer(self._sock)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(lost())
        super().close()


class LoopKeepalive(Keepalive):
    """Sends a PING on channels that have sent nothing for a while; nothing here waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._channels: set[Pingable] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, channel: Pingable) -> None:
        """Send keepalives on this channel from now on."""
        self._channels.add(channel)
        if self._timer is None:
            self._timer = self._loop.call_later(CHECK_SECONDS, self._check)

    def remove(self, channel: Pingable) -> None:
        """Send no more on this channel."""
        self._channels.discard(channel)
        if not self._channels and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
        for channel in tuple(self._channels):
            # A connection that fails here is found lost by what uses it, which reports it.
            with contextlib.suppress(SecftpError, OSError, ValueError):
                channel.ping()
