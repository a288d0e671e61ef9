"""The server's way to channels: listening sockets, and the handshake of one accepted connection."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from secftp.channel.channel import Channel
from secftp.channel.stream import Stream
from secftp.errors import AuthenticationError, ConnectionLost, HandshakeRefused, TransferTimeout, UsageError
from secftp.handshake import Established, HelloReceived, ServerHandshake, Status, Unacceptable
from secftp.messages import Direction
from secftp.record import CLIENT_HELLO_BYTES, Password

HANDSHAKE_SECONDS = 10.0
BACKLOG = 1024
# How long the accept loop rests when the process is out of descriptors: it neither dies nor spins.
EXHAUSTED_SECONDS = 0.1
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Peer(NamedTuple):
    """Who is at the other end, as the system says."""

    host: str
    port: int


class Listener:
    """The sockets on which a server listens, IPv4 and IPv6, and a way to be woken."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = {sock.fileno(): sock for sock in sockets}
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)  # a signal handler writes here
        self._poll = select.poll()
        for descriptor in (*self._sockets, self._wake_read):
            self._poll.register(descriptor, select.POLLIN)

    @property
    def port(self) -> int:
        """The port all of them share."""
        return int(next(iter(self._sockets.values())).getsockname()[1])

    @property
    def bound(self) -> list[str]:
        """The addresses they are bound to; `0.0.0.0` and `::` mean all."""
        return [str(sock.getsockname()[0]) for sock in self._sockets.values()]

    def accept(self) -> tuple[Stream, Peer] | None:
        """The next connection; None when it was woken, or when a connection was gone before it could be taken."""
        for descriptor, _ in self._poll.poll():
            if descriptor == self._wake_read:
                return None
            try:
                sock, address = self._sockets[descriptor].accept()
            except OSError as problem:
                if problem.errno in _EXHAUSTED:
                    time.sleep(EXHAUSTED_SECONDS)
                return None
            return Stream(sock), Peer(str(address[0]).removeprefix("::ffff:"), int(address[1]))
        return None

    def wake(self) -> None:
        """Let `accept` return; callable from another thread and from a signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def close(self) -> None:
        """Take no more connections."""
        for sock in self._sockets.values():
            sock.close()
        os.close(self._wake_read)
        os.close(self._wake_write)


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
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError):
            raise UsageError(
                f"The host {host!r} can't be found.", hint="Give an address of this machine to --host."
            ) from None
        targets.update({(family, str(address[0])): None for family, _, _, _, address in found})
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


# What the server decides about a hello: the password it is answered with, or why it is not.
Decide: TypeAlias = Callable[[HelloReceived], Password | Status]
Tell: TypeAlias = Callable[[str], None]


def accept_client(stream: Stream, decide: Decide, *, challenged: Callable[[], None], timeout: float) -> Channel:
    """Run the handshake of one connection within 10 s in all; the channel of a client that proved itself.

    `challenged` is called when the challenge has left: from then on the client knows whether its guess was right.
    Raises `HandshakeRefused`, `AuthenticationError`, `ProtocolError`, `ConnectionLost` and `TransferTimeout`; closing
    the stream is the caller's business.
    """
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    handshake = ServerHandshake()
    event = _next_event(stream, handshake, deadline)
    verdict = event.status if isinstance(event, Unacceptable) else decide(_hello(event))
    if isinstance(verdict, Status):
        stream.try_send(memoryview(handshake.refuse(verdict)))
        raise HandshakeRefused(f"Refused: {verdict.name.lower()}.")
    stream.try_send(memoryview(handshake.accept(verdict)))
    challenged()
    established = _next_event(stream, handshake, deadline)
    if not isinstance(established, Established):
        raise AuthenticationError("The client did not prove the key.")
    return Channel(stream, established, Direction.TO_CLIENT, timeout=timeout)


def _hello(event: HelloReceived | Established) -> HelloReceived:
    assert isinstance(event, HelloReceived)  # nothing is established before a hello was accepted
    return event


def _next_event(
    stream: Stream, handshake: ServerHandshake, deadline: float
) -> HelloReceived | Unacceptable | Established:
    event = handshake.receive(b"")
    buffer = memoryview(bytearray(CLIENT_HELLO_BYTES))
    while event is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TransferTimeout("The client did not finish the handshake in time.")
        count = stream.receive_into(buffer, left)
        if count == 0:
            raise ConnectionLost("The client left during the handshake.")
        event = handshake.receive(buffer[:count])
    return event
