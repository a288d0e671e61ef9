"""The server's side of a handshake over a connection, step by step for a loop that serves many.

It never waits, so a thousand silent clients cost a server no thread. Invariants: no byte after the hello is looked at
before the challenge has left, and nothing but a verified finish gives a session. A PROXY header is read only where the
caller says that there has to be one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from secftp.crypto import CLIENT_HELLO_BYTES, Password
from secftp.errors import ConnectionLost
from secftp.protocol.handshake import Established, HelloReceived, ServerHandshake, Status, Unacceptable
from secftp.protocol.proxy_header import MAX_PROXY_HEADER, parse_proxy_header

if TYPE_CHECKING:
    from secftp.transport.stream import Stream

Event: TypeAlias = HelloReceived | Unacceptable | Established


class ProxiedClient(NamedTuple):
    """What a PROXY header says: the address of the client, None for that of the connection; and what came behind it."""

    client: tuple[str, int] | None
    rest: bytes


class IncomingProxyHeader:
    """The PROXY header at the beginning of an accepted connection. The caller closes the stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = memoryview(bytearray(MAX_PROXY_HEADER))
        self._count = 0

    def advance(self) -> ProxiedClient | None:
        """Take in what has come. Returns what the header says, None while more of it has to come.

        Raises `ConnectionLost` if the connection has ended, `ProtocolError` for what is no header.
        """
        while True:
            count = self._stream.try_receive(self._buffer[self._count :])
            if count is None:
                return None
            if count == 0:
                raise ConnectionLost("The connection ended before its PROXY header.")
            self._count += count
            received = bytes(self._buffer[: self._count])
            if (header := parse_proxy_header(received)) is not None:
                return ProxiedClient(header.client, received[header.size :])


class IncomingHandshake:
    """One accepted connection until it is a session. The caller closes the stream.

    `received`: what was received of it already, behind a PROXY header.
    """

    def __init__(self, stream: Stream, received: bytes = b"") -> None:
        self.stream = stream
        self._received = received
        self._handshake = ServerHandshake()
        self._buffer = memoryview(bytearray(CLIENT_HELLO_BYTES))

    def advance(self) -> Event | None:
        """Take in what has come. Returns the hello or the verified finish, None while more has to come.

        After a hello, call `challenge` or `refuse` next. Raises `ConnectionLost` if the client has closed the
        connection, `ProtocolError` for what is no hello, `AuthenticationError` for a finish that does not verify.
        """
        received, self._received = self._received, b""
        event = self._handshake.receive(received)
        while event is None:
            count = self.stream.try_receive(self._buffer)
            if count is None:
                return None
            if count == 0:
                raise ConnectionLost("The client disconnected during the handshake.")
            event = self._handshake.receive(self._buffer[:count])
        return event

    def challenge(self, password: Password) -> None:
        """Answer the hello. From now on the client knows whether the key it tried was right.

        Raises `AuthenticationError`, before anything is sent, if the client's share is no point of the curve.
        """
        self.stream.try_send(memoryview(self._handshake.accept(password)))

    def refuse(self, status: Status) -> None:
        """Send the reason for a refusal, unencrypted."""
        self.stream.try_send(memoryview(self._handshake.refuse(status)))
