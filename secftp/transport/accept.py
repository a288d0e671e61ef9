"""The server's side of a handshake over a connection, step by step for a loop that serves many.

It never waits, so a thousand silent clients cost a server no thread. Invariants: no byte after the hello is looked at
before the challenge has left, and nothing but a verified finish gives a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from secftp.crypto import CLIENT_HELLO_BYTES, Password
from secftp.errors import ConnectionLost
from secftp.protocol.handshake import Established, HelloReceived, ServerHandshake, Status, Unacceptable

if TYPE_CHECKING:
    from secftp.transport.stream import Stream

Event: TypeAlias = HelloReceived | Unacceptable | Established


class IncomingHandshake:
    """One accepted connection until it is a session. The caller closes the stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._handshake = ServerHandshake()
        self._buffer = memoryview(bytearray(CLIENT_HELLO_BYTES))

    def advance(self) -> Event | None:
        """Take in what has come. Returns the hello or the verified finish, None while more has to come.

        After a hello, call `challenge` or `refuse` next. Raises `ConnectionLost` if the client has closed the
        connection, `ProtocolError` for what is no hello, `AuthenticationError` for a finish that does not verify.
        """
        event = self._handshake.receive(b"")
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
