"""Where a server waits: listening sockets, connections that have not become sessions yet, and a way to be woken.

One loop owns a `Listener`; nothing in it blocks but `wait`. Running out of descriptors or memory must neither end that
loop nor make it spin: it leaves clients where they are for a moment, and with the one descriptor it has kept for this
it sends one away, so that those who come are not left in the dark.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from secftp.channel.bandwidth import Bandwidth, MeteredStream
from secftp.channel.resolve import resolve
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.channel.stream import Stream

BACKLOG = 1024
# How long no client is taken when the process is out of descriptors or memory.
EXHAUSTED_SECONDS = 0.1
# Connections taken from one socket before those that are there already get their turn.
TAKEN_MAX = 32
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Peer(NamedTuple):
    """Who is at the other end, as the system says."""

    host: str
    port: int


class Listener:
    """The sockets on which a server listens, IPv4 and IPv6, and the streams it watches beside them.

    `exhausted` counts how often a client could not be accepted for lack of descriptors or memory. `bandwidth` is the
    limit that all accepted connections share.
    """

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.exhausted = 0
        self.bandwidth = Bandwidth()
        self._sockets = {sock.fileno(): sock for sock in sockets}
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)  # a signal handler writes here
        self._spare = os.dup(self._wake_read)
        self._woken_before: int | None = None  # the wakeup descriptor of signals that stood when ours took its place
        self._knocking: list[int] = []
        self._resting_until: float | None = None
        for descriptor in (*self._sockets, self._wake_read):
            self._selector.register(descriptor, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The port all of them share."""
        return int(next(iter(self._sockets.values())).getsockname()[1])

    @property
    def bound(self) -> list[str]:
        """The addresses they are bound to; `0.0.0.0` and `::` mean all."""
        return [str(sock.getsockname()[0]) for sock in self._sockets.values()]

    def watch(self, stream: Stream) -> None:
        """From now on `wait` tells when something has come on this stream."""
        self._selector.register(stream.fileno(), selectors.EVENT_READ)

    def forget(self, stream: Stream) -> None:
        """Watch it no longer; to be called before it is closed."""
        self._selector.unregister(stream.fileno())

    def wait(self, timeout: float | None = None) -> list[int]:
        """Wait for a client to `take`, for a watched stream, for `wake`, or for so many seconds.

        The descriptors of the watched streams that have something, or have ended.
        """
        if self._resting_until is not None:
            timeout = self._rest(timeout, self._resting_until)
        ready = []
        self._knocking = []
        for key, _ in self._selector.select(timeout):
            if key.fd == self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            elif key.fd in self._sockets:
                self._knocking.append(key.fd)
            else:
                ready.append(key.fd)
        return ready

    def take(self) -> Iterator[tuple[MeteredStream, Peer]]:
        """The clients that the last `wait` found, a bounded number of them; never waits."""
        for descriptor in self._knocking:
            for _ in range(TAKEN_MAX):
                try:
                    sock, address = self._sockets[descriptor].accept()
                except OSError as problem:
                    if problem.errno in _EXHAUSTED:
                        self._give_way(self._sockets[descriptor])
                        return
                    break  # none is left, or one was gone before it could be taken
                host, port = str(address[0]).removeprefix("::ffff:"), int(address[1])
                yield MeteredStream(sock, self.bandwidth), Peer(host, port)

    def wake(self) -> None:
        """Let `wait` return; callable from another thread and from a signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def wake_at_signals(self) -> None:
        """From now on until `close`, a signal that has a handler of Python's lets `wait` return.

        A handler runs in Python before the wait or after it. One whose signal comes after Python has looked for
        signals, and before the system waits, would run when the next client comes: so the signal itself writes to the
        pipe (`signal.set_wakeup_fd`). For a process that is a server, in its main thread; `close` in that thread, too.
        """
        previous = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        if self._woken_before is None:
            self._woken_before = previous

    def close(self) -> None:
        """Take no more connections; watched streams stay open. Closing twice does no harm."""
        if self._wake_read < 0:
            return
        if self._woken_before is not None:  # before its number can be another file's
            signal.set_wakeup_fd(self._woken_before, warn_on_full_buffer=False)
            self._woken_before = None
        self._selector.close()
        for sock in self._sockets.values():
            sock.close()
        for descriptor in (self._wake_read, self._wake_write, self._spare):
            if descriptor >= 0:
                os.close(descriptor)
        self._wake_read = self._wake_write = self._spare = -1

    def _give_way(self, knocked: socket.socket) -> None:
        """Out of descriptors or memory: send one client away, and let the others wait for a moment."""
        self.exhausted += 1
        self._knocking = []
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
            with contextlib.suppress(OSError):
                knocked.accept()[0].close()
        with contextlib.suppress(OSError):
            self._spare = os.dup(self._wake_read)
        self._resting_until = time.monotonic() + EXHAUSTED_SECONDS
        for descriptor in self._sockets:
            self._selector.unregister(descriptor)

    def _rest(self, timeout: float | None, until: float) -> float | None:
        """The timeout while no client is taken; at the end of that they are taken again."""
        left = until - time.monotonic()
        if left > 0:
            return left if timeout is None else min(left, timeout)
        self._resting_until = None
        for descriptor in self._sockets:
            self._selector.register(descriptor, selectors.EVENT_READ)
        return timeout


def listen(hosts: list[str], port: int) -> Listener:
    """Listen on a port of these hosts' addresses; without hosts on all, IPv4 and IPv6. Port 0 picks one.

    Raises `UsageError` for a host that is none of this machine's, `OSError` (EADDRINUSE, EACCES) as it is.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _targets(hosts):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            port = sock.getsockname()[1]
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return Listener(sockets)


def _targets(hosts: list[str]) -> list[tuple[int, str]]:
    """Families and addresses to bind, each once. IPv6 is left out where the machine has none."""
    if not hosts:
        return [(socket.AF_INET, "0.0.0.0"), *([(socket.AF_INET6, "::")] if _has_ipv6() else [])]  # noqa: S104
    targets: dict[tuple[int, str], None] = {}
    for host in hosts:
        try:
            found = resolve(host, None, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError):
            raise UsageError(
                f"The host {host!r} can't be found.", hint="Give an address of this machine to --host."
            ) from None
        targets.update({(address.family, address.text): None for address in found})
    return list(targets)


def _has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
