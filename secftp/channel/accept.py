"""The server's side of a handshake over a connection: step by step for a loop that has many, or at one go for one.

`Incoming` never waits, so that a thousand clients which say nothing cost a server no thread. What must never happen:
that a byte after the hello is looked at before the challenge has left, or that something other than a verified finish
gives a session.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from secftp.channel.channel import Channel
from secftp.errors import AuthenticationError, ConnectionLost, HandshakeRefused, TransferTimeout
from secftp.handshake import Established, HelloReceived, ServerHandshake, Status, Unacceptable
from secftp.messages import Direction
from secftp.record import CLIENT_HELLO_BYTES, Password

if TYPE_CHECKING:
    from secftp.channel.stream import Stream

HANDSHAKE_SECONDS = 10.0

Event: TypeAlias = HelloReceived | Unacceptable | Established
# What the server decides about a hello: the password it is answered with, or why it is not.
Decide: TypeAlias = Callable[[HelloReceived], Password | Status]


class Incoming:
    """One accepted connection until it is a session. Closing the stream is the caller's business."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._handshake = ServerHandshake()
        self._buffer = memoryview(bytearray(CLIENT_HELLO_BYTES))

    def advance(self) -> Event | None:
        """Take what has come; the hello or the verified finish, None while more must come.

        After a hello it is `challenge` or `refuse` that comes next. Raises `ConnectionLost` when the client has left,
        `ProtocolError` for what is no hello, `AuthenticationError` for a finish that proves nothing.
        """
        event = self._handshake.receive(b"")
        while event is None:
            count = self.stream.try_receive(self._buffer)
            if count is None:
                return None
            if count == 0:
                raise ConnectionLost("The client left during the handshake.")
            event = self._handshake.receive(self._buffer[:count])
        return event

    def challenge(self, password: Password) -> None:
        """Answer the hello: from now on the client knows whether its guess was right.

        Raises `AuthenticationError` when the client's share is no point of the curve; then nothing has left.
        """
        self.stream.try_send(memoryview(self._handshake.accept(password)))

    def refuse(self, status: Status) -> None:
        """Tell in clear why it ends here."""
        self.stream.try_send(memoryview(self._handshake.refuse(status)))


def accept_client(stream: Stream, decide: Decide, *, challenged: Callable[[], None], timeout: float) -> Channel:
    """Run the handshake of one connection within 10 s in all; the channel of a client that proved itself.

    `challenged` is called when the challenge has left: from then on the client knows whether its guess was right.
    Raises `HandshakeRefused`, `AuthenticationError`, `ProtocolError`, `ConnectionLost` and `TransferTimeout`; closing
    the stream is the caller's business.
    """
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    incoming = Incoming(stream)
    event = _next_event(incoming, deadline)
    verdict = event.status if isinstance(event, Unacceptable) else decide(_hello(event))
    if isinstance(verdict, Status):
        incoming.refuse(verdict)
        raise HandshakeRefused(f"Refused: {verdict.name.lower()}.")
    incoming.challenge(verdict)
    challenged()
    established = _next_event(incoming, deadline)
    if not isinstance(established, Established):
        raise AuthenticationError("The client did not prove the key.")
    return Channel(stream, established, Direction.TO_CLIENT, timeout=timeout)


def _hello(event: HelloReceived | Established) -> HelloReceived:
    assert isinstance(event, HelloReceived)  # nothing is established before a hello was accepted
    return event


def _next_event(incoming: Incoming, deadline: float) -> Event:
    poller = select.poll()
    poller.register(incoming.stream.fileno(), select.POLLIN)
    while (event := incoming.advance()) is None:
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            raise TransferTimeout("The client did not finish the handshake in time.")
    return event
