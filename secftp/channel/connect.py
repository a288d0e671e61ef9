"""The client's way to a channel: name to addresses, addresses to a connection, connection to a verified session."""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

from secftp.channel.channel import Channel
from secftp.channel.stream import Stream
from secftp.errors import ConnectionLost, SecftpError, ServerUnreachable, TransferTimeout
from secftp.handshake import ClientHandshake, Established
from secftp.messages import Direction
from secftp.record import SERVER_HELLO_BYTES, Mode, Password, Suite

# A handshake is two short flights; a server that has not answered by then never will.
HANDSHAKE_SECONDS = 10.0


class Credentials(NamedTuple):
    """Under what a client wants to talk."""

    password: Password
    suite: Suite
    mode: Mode
    name: str = ""


def connect(host: str, port: int, credentials: Credentials, *, timeout: float) -> Channel:
    """A channel to the server.

    Raises `ServerUnreachable`, `TransferTimeout`, `HandshakeRefused`, `AuthenticationError`, `ProtocolError` and
    `ConnectionLost`, each with a hint. CLIENT_FINISH leaves with the first message.
    """
    deadline = time.monotonic() + timeout
    stream = Stream(_connect_any(host, port, deadline))
    try:
        established = _shake_hands(stream, credentials, min(HANDSHAKE_SECONDS, timeout))
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


def _shake_hands(stream: Stream, credentials: Credentials, seconds: float) -> Established:
    handshake = ClientHandshake(credentials.password, credentials.suite, credentials.mode, credentials.name)
    stream.try_send(memoryview(handshake.hello))  # 125 bytes always fit an empty socket buffer
    deadline = time.monotonic() + seconds
    buffer = memoryview(bytearray(SERVER_HELLO_BYTES))
    established = None
    while established is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TransferTimeout("The server did not finish the handshake in time.", hint="Try again later.")
        count = stream.receive_into(buffer, left)
        if count == 0:
            raise ConnectionLost(
                "The server closed the connection during the handshake.",
                hint="Is a secftp server listening there? Its log may say more.",
            )
        established = handshake.receive(buffer[:count])
    return established
