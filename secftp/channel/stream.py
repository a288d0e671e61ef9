"""A TCP socket with patience in seconds: every wait has a limit, and every failure is one of ours.

The socket never blocks; waiting is done by poll, so that a send can take in what the peer says meanwhile.

A connection belongs to the process that made it. A forked process has the same socket: what it received would be
missing in its parent, what it sent would stand in the middle of its parent's frames, and a shutdown would end the
connection of both. So there nothing is possible but to close its copy of the descriptor.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from typing import Final

from secftp.errors import ConnectionLost, TransferTimeout, UsageError

# What the network may report in the middle of a connection that simply is gone.
_LOST: Final = frozenset(
    {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN, errno.EBADF}
)


def lost(problem: OSError | None = None) -> ConnectionLost:
    """The connection is gone; whatever was under way is incomplete."""
    if problem is None or problem.errno in _LOST:
        return ConnectionLost("The connection was lost.", hint="Try again; nothing incomplete was kept.")
    return ConnectionLost(f"The connection failed: {problem.strerror}.", hint="Try again; nothing incomplete was kept.")


class Stream:
    """One connected socket. Not safe for two threads, `interrupt` excepted."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._process = os.getpid()
        sock.setblocking(False)
        # Batches are written whole, so Nagle could only hold back a last short segment for a round trip.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._poll_in = self._poller(select.POLLIN)
        self._poll_out = self._poller(select.POLLOUT)
        self._poll_both = self._poller(select.POLLIN | select.POLLOUT)

    def belongs_here(self) -> bool:
        """Whether this process made the connection; false in one that was forked from it."""
        return self._process == os.getpid()

    def require_here(self) -> None:
        """Raise `UsageError` in a forked process."""
        if not self.belongs_here():
            raise UsageError("A forked process can't use a connection of its parent.", hint="Open one there.")

    def receive_into(self, view: memoryview, timeout: float) -> int:
        """Receive some bytes; 0 at the end. `TransferTimeout` after that many seconds of silence."""
        while (count := self.try_receive(view)) is None:
            if not self._poll_in.poll(timeout * 1000):
                raise TransferTimeout(
                    f"The other side was silent for {timeout:.0f} seconds.", hint="Try again, or raise --timeout."
                )
        return count

    def try_receive(self, view: memoryview) -> int | None:
        """Receive what is there, without waiting; None when nothing is, 0 at the end."""
        self.require_here()
        try:
            return self._sock.recv_into(view)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as problem:
            raise lost(problem) from None

    def has_ended(self) -> bool:
        """Whether the peer has closed its side or is gone, as far as that is known; takes nothing in."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def try_send(self, view: memoryview) -> int:
        """Send what fits, without waiting."""
        self.require_here()
        try:
            return self._sock.send(view)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as problem:
            raise lost(problem) from None

    def send_at_once(self, view: memoryview) -> int:
        """As `try_send`, without a pause behind it where the stream has a pace."""
        return self.try_send(view)

    def wait_to_send(self, timeout: float, *, or_receive: bool) -> bool:
        """Wait until there is room, or until something came; whether it came. `TransferTimeout` after the timeout."""
        poller = self._poll_both if or_receive else self._poll_out
        ready = poller.poll(timeout * 1000)
        if not ready:
            raise TransferTimeout(
                f"The other side took nothing for {timeout:.0f} seconds.", hint="Try again, or raise --timeout."
            )
        return bool(ready[0][1] & select.POLLIN)

    def fileno(self) -> int:
        """The descriptor, to be polled together with others."""
        return self._sock.fileno()

    def interrupt(self) -> None:
        """End the connection from another thread: whoever waits on it wakes up and finds it lost."""
        self._shut_down(socket.SHUT_RDWR)

    def stop_receiving(self) -> None:
        """From another thread: whoever waits to receive wakes up and finds the end; sending goes on."""
        self._shut_down(socket.SHUT_RD)

    def finish_sending(self) -> None:
        """Tell the peer that nothing follows; receiving goes on."""
        self._shut_down(socket.SHUT_WR)

    def close(self) -> None:
        """Close it; more than once does no harm."""
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
