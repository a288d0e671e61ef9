"""Listening sockets, and the wait of a server's accept loop: for connections, for streams, for a wakeup.

One loop owns a `Listener`; only `wait` blocks. Running out of descriptors or memory neither ends the loop nor makes it
spin: it accepts nothing for a moment, and closes one new connection by means of a descriptor kept in reserve, so that
at least one client is told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from secftp.errors import UsageError
from secftp.transport.bandwidth import Bandwidth, MeteredStream
from secftp.transport.congestion import set_congestion
from secftp.transport.tcp_connect import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.transport.stream import Stream

BACKLOG = 1024
# How long nothing is accepted when the process is out of descriptors or memory.
EXHAUSTED_SECONDS = 0.1
# Connections accepted from one socket in a row, before the loop attends to those that it has.
ACCEPT_MAX = 32
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Peer(NamedTuple):
    """The address of a peer, as the system gives it."""

    host: str
    port: int


class Listener:
    """Listening sockets, IPv4 and IPv6, and the streams that are watched beside them.

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
        self._previous_wakeup: int | None = None  # the wakeup descriptor of signals before ours, to be restored
        self._acceptable: list[int] = []
        self._paused_until: float | None = None
        for descriptor in (*self._sockets, self._wake_read):
            self._selector.register(descriptor, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The port that all of them share."""
        return int(next(iter(self._sockets.values())).getsockname()[1])

    @property
    def bound(self) -> list[str]:
        """The addresses they are bound to; `0.0.0.0` and `::` mean all."""
        return [str(sock.getsockname()[0]) for sock in self._sockets.values()]

    def set_congestion(self, name: str) -> None:
        """Set the congestion control of the connections that are accepted from now on.

        They have it from the listening sockets, also from those of systemd. Raises `UsageError` if the kernel refuses.
        """
        for sock in self._sockets.values():
            set_congestion(sock, name)

    def watch(self, stream: Stream) -> None:
        """From now on `wait` returns when something has come on this stream."""
        self._selector.register(stream.fileno(), selectors.EVENT_READ)

    def unwatch(self, stream: Stream) -> None:
        """Watch a stream no longer. To be called before it is closed."""
        self._selector.unregister(stream.fileno())

    def wait(self, timeout: float | None = None) -> list[int]:
        """Wait for a connection to `accept`, for a watched stream, for `wake`, or for `timeout` seconds.

        Returns the descriptors of the watched streams that have received something, or have ended.
        """
        if self._paused_until is not None:
            timeout = self._pause(timeout, self._paused_until)
        ready = []
        self._acceptable = []
        for key, _ in self._selector.select(timeout):
            if key.fd == self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            elif key.fd in self._sockets:
                self._acceptable.append(key.fd)
            else:
                ready.append(key.fd)
        return ready

    def accept(self) -> Iterator[tuple[MeteredStream, Peer]]:
        """Yield the connections that the last `wait` found, a bounded number of them. Never waits."""
        for descriptor in self._acceptable:
            for _ in range(ACCEPT_MAX):
                try:
                    sock, address = self._sockets[descriptor].accept()
                except OSError as problem:
                    if problem.errno in _EXHAUSTED:
                        self._refuse_one(self._sockets[descriptor])
                        return
                    break  # none is left, or one was gone before it was accepted
                host, port = str(address[0]).removeprefix("::ffff:"), int(address[1])
                yield MeteredStream(sock, self.bandwidth), Peer(host, port)

    def wake(self) -> None:
        """Let `wait` return. For any thread, and for signal handlers."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def wake_on_signals(self) -> None:
        """From now on until `close`, a signal that has a handler in Python lets `wait` return.

        A signal may come after Python has looked for signals, and before the system waits: its handler would only run
        when the next client comes. So the signal itself writes to the pipe (`signal.set_wakeup_fd`). For the main
        thread of a server process; `close` has to be called there, too.
        """
        previous = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        if self._previous_wakeup is None:
            self._previous_wakeup = previous

    def close(self) -> None:
        """Close the listening sockets; watched streams stay open. Idempotent."""
        if self._wake_read < 0:
            return
        if self._previous_wakeup is not None:  # before its number can be that of another file
            signal.set_wakeup_fd(self._previous_wakeup, warn_on_full_buffer=False)
            self._previous_wakeup = None
        self._selector.close()
        for sock in self._sockets.values():
            sock.close()
        for descriptor in (self._wake_read, self._wake_write, self._spare):
            if descriptor >= 0:
                os.close(descriptor)
        self._wake_read = self._wake_write = self._spare = -1

    def _refuse_one(self, listening: socket.socket) -> None:
        """Close one new connection, and accept no others for a moment: descriptors or memory have run out."""
        self.exhausted += 1
        self._acceptable = []
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
            with contextlib.suppress(OSError):
                listening.accept()[0].close()
        with contextlib.suppress(OSError):
            self._spare = os.dup(self._wake_read)
        self._paused_until = time.monotonic() + EXHAUSTED_SECONDS
        for descriptor in self._sockets:
            self._selector.unregister(descriptor)

    def _pause(self, timeout: float | None, until: float) -> float | None:
        """Return the timeout during the pause; at its end, listen again."""
        left = until - time.monotonic()
        if left > 0:
            return left if timeout is None else min(left, timeout)
        self._paused_until = None
        for descriptor in self._sockets:
            self._selector.register(descriptor, selectors.EVENT_READ)
        return timeout


def listen(hosts: list[str], port: int) -> Listener:
    """Listen on a port of these hosts' addresses; without hosts, on all addresses, IPv4 and IPv6. Port 0 picks one.

    Raises `UsageError` for a host that is not found, and `OSError` (EADDRINUSE, EACCES).
    """
    sockets: list[socket.socket] = []
    try:
        for family, place in _targets(hosts):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((place[0], port, *place[2:]))  # of IPv6 with the zone
            port = sock.getsockname()[1]
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return Listener(sockets)


def _targets(hosts: list[str]) -> list[tuple[int, tuple[Any, ...]]]:
    """Return families and addresses to bind, each once, without IPv6 where the machine has none."""
    if not hosts:
        return [(socket.AF_INET, ("0.0.0.0", 0)), *([(socket.AF_INET6, ("::", 0))] if _has_ipv6() else [])]  # noqa: S104
    targets: dict[tuple[int, tuple[Any, ...]], None] = {}
    for host in hosts:
        try:
            found = resolve(host, None, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError):
            raise UsageError(f"The host {host!r} can't be found.", hint="Give an address of this machine.") from None
        targets.update({(address.family, address.place): None for address in found})
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
