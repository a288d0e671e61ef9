"""The client's way to a channel: name to addresses, addresses to a connection, connection to a verified session."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.channel.channel import Channel
from secftp.channel.stream import Stream
from secftp.errors import ConnectionLost, SecftpError, ServerUnreachable, TransferTimeout
from secftp.handshake import ClientHandshake, Established
from secftp.messages import Direction
from secftp.record import SERVER_HELLO_BYTES, Mode, Password, Suite

if TYPE_CHECKING:
    from collections.abc import Callable

# A server answers within a round trip, unless it delays its answers or is being restarted. Then the user is told.
NOTICE_SECONDS: Final = 2.0


class Credentials(NamedTuple):
    """Under what a client wants to talk."""

    password: Password
    suite: Suite
    mode: Mode
    name: str = ""


def connect(
    host: str, port: int, credentials: Credentials, *, timeout: float, on_wait: Callable[[], None] | None = None
) -> Channel:
    """A channel to the server.

    `timeout` seconds are for the connection, and as many again for the handshake in all: a server may delay its answer
    after wrong keys from this address, and one that is being restarted answers when it is there again. `on_wait` is
    called once if no answer has come after 2 s.

    Raises `ServerUnreachable`, `TransferTimeout`, `HandshakeRefused`, `AuthenticationError`, `ProtocolError` and
    `ConnectionLost`, each with a hint. CLIENT_FINISH leaves with the first message.
    """
    deadline = time.monotonic() + timeout
    stream = Stream(_connect_any(host, port, deadline))
    try:
        established = _shake_hands(stream, credentials, timeout, on_wait)
        return Channel(stream, established, Direction.TO_SERVER, timeout=timeout)
    except BaseException:
        stream.close()
        raise


def _connect_any(host: str, port: int, deadline: float) -> socket.socket:
    """The first of the host's addresses that answers."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "no such name"
        raise ServerUnreachable(
            f"The host {host!r} can't be found: {reason}.", hint="Check the host's name, or use its address."
        ) from None
    failure: SecftpError | None = None
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for family, kind, protocol, _, address in addresses:
        try:
            return _connect_one(socket.socket(family, kind, protocol), address, deadline)
        except TimeoutError:
            failure = TransferTimeout(
                f"{place} did not answer in time.", hint="Check the host, the port and any firewall."
            )
        except OSError as problem:
            failure = ServerUnreachable(
                f"{place} can't be reached: {problem.strerror or problem}.",
                hint="Check that a server runs there: secftpd PORT.",
            )
    assert failure is not None  # getaddrinfo answers with one address at least
    raise failure


def _connect_one(sock: socket.socket, address: tuple[object, ...], deadline: float) -> socket.socket:
    try:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _shake_hands(
    stream: Stream, credentials: Credentials, seconds: float, on_wait: Callable[[], None] | None
) -> Established:
    handshake = ClientHandshake(credentials.password, credentials.suite, credentials.mode, credentials.name)
    stream.try_send(memoryview(handshake.hello))  # 125 bytes always fit an empty socket buffer
    answer = _Answer(stream, seconds, on_wait)
    established = None
    while established is None:
        established = handshake.receive(answer.receive())
    return established


class _Answer:
    """What the server sends during the handshake. All of it has to come within so many seconds."""

    def __init__(self, stream: Stream, seconds: float, on_wait: Callable[[], None] | None) -> None:
        self._stream = stream
        self._buffer = memoryview(bytearray(SERVER_HELLO_BYTES))
        now = time.monotonic()
        self._deadline = now + seconds
        self._notice = now + NOTICE_SECONDS
        self._on_wait = on_wait

    def receive(self) -> memoryview:
        """Some bytes. Raises `TransferTimeout` and `ConnectionLost`."""
        while True:
            patience = self._patience()
            try:
                count = self._stream.receive_into(self._buffer, patience)
            except TransferTimeout:
                continue  # `_patience` tells the caller, or raises
            if count == 0:
                raise ConnectionLost(
                    "The server closed the connection during the handshake.",
                    hint="Is a secftp server listening there? Its log may say more.",
                )
            return self._buffer[:count]

    def _patience(self) -> float:
        """How many seconds to wait before this is called again."""
        now = time.monotonic()
        if now >= self._deadline:
            raise TransferTimeout(
                "The server did not finish the handshake in time.", hint="Try again later, or raise --timeout."
            )
        if self._on_wait is None:
            return self._deadline - now
        if now >= self._notice:
            on_wait, self._on_wait = self._on_wait, None
            on_wait()
            return self._deadline - now
        return min(self._notice, self._deadline) - now
