"""Which of several addresses a client talks to: the first that connects ("happy eyeballs", RFC 8305).

Where one address swallows what is sent to it (a broken IPv6 route, a firewall that drops) the next has its turn a
quarter of a second later, while the first goes on. One thread and one poll are all it takes; whatever way this ends,
no socket is left but the one that won.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.channel.resolve import interleaved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.channel.resolve import Address

# RFC 8305, section 5: the Connection Attempt Delay that it recommends.
STAGGER_SECONDS: Final = 0.25
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})


class Failed(NamedTuple):
    """An address that can't be connected to, and why; None if it has not answered."""

    address: Address
    reason: str | None


class NoneConnects(Exception):
    """None of the addresses did; `failures` in the order in which they were known."""

    def __init__(self, failures: list[Failed]) -> None:
        super().__init__()
        self.failures = failures


def connect_first(addresses: Sequence[Address], deadline: float) -> socket.socket:
    """A connected socket, not blocking, to the first of the addresses that takes the connection.

    `deadline` is a time of `time.monotonic`. Raises `NoneConnects` when all have failed, or at the deadline.
    """
    with contextlib.ExitStack() as stack:
        race = _Race(interleaved(list(addresses)), deadline)
        stack.callback(race.close)
        return race.run()


class _Race:
    def __init__(self, addresses: list[Address], deadline: float) -> None:
        self._waiting = addresses[::-1]
        self._deadline = deadline
        self._running: dict[int, tuple[socket.socket, Address]] = {}
        self._failures: list[Failed] = []
        self._poller = select.poll()

    def run(self) -> socket.socket:
        """The winner, which is the caller's from now on."""
        due = time.monotonic()
        while self._waiting or self._running:
            now = time.monotonic()
            if self._waiting and now >= due:
                if (winner := self._start(self._waiting.pop())) is not None:
                    return winner
                # One that fails at once holds up nothing; nor does one that fails later.
                due = now + STAGGER_SECONDS if self._running else now
                continue
            if now >= self._deadline:
                break
            until = min(due, self._deadline) if self._waiting else self._deadline
            failed = len(self._failures)
            for descriptor, _ in self._poller.poll(max(0.0, until - now) * 1000):
                if (winner := self._finish(descriptor)) is not None:
                    return winner
            if len(self._failures) > failed:
                due = now
        silent = [address for _, address in self._running.values()]
        raise NoneConnects(self._failures + [Failed(address, None) for address in silent + self._waiting[::-1]])

    def close(self) -> None:
        """Give up what is still under way."""
        for sock, _ in self._running.values():
            sock.close()
        self._running.clear()

    def _start(self, address: Address) -> socket.socket | None:
        """Begin to connect; the socket, if that is done already."""
        try:
            sock = socket.socket(address.family, address.kind, address.protocol)
        except OSError as problem:
            self._failures.append(Failed(address, problem.strerror or str(problem)))
            return None
        self._running[sock.fileno()] = sock, address
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address.place)
        except OSError as problem:
            code = problem.errno or errno.EINVAL
        if code not in _UNDER_WAY:
            return self._over(sock.fileno(), code)
        self._poller.register(sock, select.POLLOUT)
        return None

    def _finish(self, descriptor: int) -> socket.socket | None:
        self._poller.unregister(descriptor)
        sock, _ = self._running[descriptor]
        return self._over(descriptor, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _over(self, descriptor: int, code: int) -> socket.socket | None:
        """One attempt is over: the socket if it is connected, else the failure is kept."""
        sock, address = self._running.pop(descriptor)
        if code == 0:
            return sock
        sock.close()
        # The system's own patience is over, after some two minutes: that is no answer, too.
        self._failures.append(Failed(address, None if code == errno.ETIMEDOUT else os.strerror(code)))
        return None
