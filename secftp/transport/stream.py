"""A TCP socket with timeouts, whose failures are exceptions of secftp.

The socket never blocks: a wait is a poll, so that a send can take in what the peer sends meanwhile.

A connection belongs to the process that made it. A forked process shares the socket: what it received would be missing
in its parent, what it sent would be in the middle of its parent's frames, and a shutdown would end the connection of
both. So it can only close its copy of the descriptor.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import ConnectionLost, TransferTimeout, UsageError
from secftp.text import counted
from secftp.transport.keepalive import Keepalive
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from secftp.transport.tcp_info import TcpInfo
    from secftp.waits import Waits

# Errors of a connection that is simply gone.
_LOST: Final = frozenset(
    {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN, errno.EBADF}
)


def lost(problem: OSError | None = None) -> ConnectionLost:
    """Return the exception for a connection that is gone, or failed as `problem` says."""
    if problem is None or problem.errno in _LOST:
        return ConnectionLost("The connection was lost.", hint="Try again; nothing incomplete was kept.")
    return ConnectionLost(f"The connection failed: {problem.strerror}.", hint="Try again; nothing incomplete was kept.")


def silent(timeout: float) -> TransferTimeout:
    """Return the exception for a peer that sends nothing."""
    return TransferTimeout(
        f"Timeout: nothing was received for {counted(round(timeout), 'second')}.",
        hint="Try again, or raise the timeout (--timeout on the command line).",
    )


def stuck(timeout: float) -> TransferTimeout:
    """Return the exception for a peer that takes nothing."""
    return TransferTimeout(
        f"Timeout: the peer accepted no data for {counted(round(timeout), 'second')}.",
        hint="Try again, or raise the timeout (--timeout on the command line).",
    )


class WaitingSource(Protocol):
    """A source that may have to be waited for, see `secftp.storage.Source`."""

    @property
    def wait_descriptor(self) -> int | None:
        """The descriptor to poll; None if it never waits."""
        ...


class Stream:
    """One connected socket, for one thread; `interrupt` and `stop_receiving` are for any.

    `waits`: how those who use the connection wait for other things than it.
    """

    waits: Waits = DIRECT

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._process = os.getpid()
        sock.setblocking(False)
        # Batches are written whole, so Nagle could only hold back a last short segment for a round trip.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._prepare_waits()

    def _prepare_waits(self) -> None:
        """Make what the waits need. `secftp.aio.stream` waits differently."""
        self._poll_in = self._poller(select.POLLIN)
        self._poll_out = self._poller(select.POLLOUT)
        self._poll_both = self._poller(select.POLLIN | select.POLLOUT)

    def belongs_here(self) -> bool:
        """Whether this process made the connection: false in one that was forked from it."""
        return self._process == os.getpid()

    def require_here(self) -> None:
        """Raise `UsageError` in a forked process."""
        if not self.belongs_here():
            raise UsageError(
                "A forked process can't use a connection of its parent.", hint="Open a new one in this process."
            )

    def receive_into(self, view: memoryview, timeout: float) -> int:
        """Receive some bytes. Returns how many, 0 at the end. Raises `TransferTimeout` after `timeout` seconds."""
        while (count := self.try_receive(view)) is None:
            if not self._poll_in.poll(timeout * 1000):
                raise silent(timeout)
        return count

    def try_receive(self, view: memoryview) -> int | None:
        """Receive what is there, without waiting. Returns how many bytes; None for nothing, 0 at the end."""
        self.require_here()
        try:
            return self._sock.recv_into(view)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as problem:
            raise lost(problem) from None

    def has_ended(self) -> bool:
        """Whether the peer has closed its side or is gone, as far as that is known. Receives nothing."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def peer_has_left(self) -> bool:
        """Whether the peer has closed its side or is gone, even if not all that it has sent is received yet."""
        poller = select.poll()
        poller.register(self._sock, getattr(select, "POLLRDHUP", 0))
        return bool(poller.poll(0))

    def try_send(self, view: memoryview) -> int:
        """Send what fits, without waiting. Returns how many bytes."""
        self.require_here()
        try:
            return self._sock.send(view)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as problem:
            raise lost(problem) from None

    def send_at_once(self, view: memoryview) -> int:
        """Send what fits, without the wait that a bandwidth limit adds to `try_send`."""
        return self.try_send(view)

    def wait_to_send(self, timeout: float, *, or_receive: bool) -> bool:
        """Wait until something can be sent or, with `or_receive`, received. Returns whether something can be received.

        Raises `TransferTimeout` after `timeout` seconds.
        """
        poller = self._poll_both if or_receive else self._poll_out
        ready = poller.poll(timeout * 1000)
        if not ready:
            raise stuck(timeout)
        return bool(ready[0][1] & select.POLLIN)

    def wait_beside(self, source: WaitingSource, *, at_once: bool = False) -> bool:
        """Wait until a source has data or the peer has sent something, for as long as it takes.

        `at_once` does not wait. Returns whether the source has data, or is at its end.
        """
        descriptor = source.wait_descriptor
        assert descriptor is not None
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if at_once:
            return bool(poller.poll(0))
        poller.register(self._sock, select.POLLIN)
        return any(ready == descriptor for ready, _ in poller.poll())

    def new_keepalive(self) -> Keepalive:
        """Return what sends keepalives while the thread of this connection is busy elsewhere."""
        return Keepalive()

    def fileno(self) -> int:
        """Return the descriptor, to be polled together with others."""
        return self._sock.fileno()

    def tcp_info(self) -> TcpInfo:
        """Return what the kernel knows of the connection; nothing once it is closed. Costs two system calls."""
        from secftp.transport.tcp_info import read_tcp_info

        return read_tcp_info(self._sock)

    def interrupt(self) -> None:
        """End the connection, from another thread: a thread that waits for it wakes up and finds it lost."""
        self._shut_down(socket.SHUT_RDWR)

    def stop_receiving(self) -> None:
        """End receiving, from another thread: a thread that waits for it finds the end. Sending goes on."""
        self._shut_down(socket.SHUT_RD)

    def finish_sending(self) -> None:
        """Tell the peer that nothing follows. Receiving goes on."""
        self._shut_down(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def _shut_down(self, directions: int) -> None:
        if self.belongs_here():
            with contextlib.suppress(OSError):
                self._sock.shutdown(directions)

    def _poller(self, events: int) -> select.poll:
        poller = select.poll()
        poller.register(self._sock, events)
        return poller
