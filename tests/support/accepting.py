"""A server's handshake for one client, with a deadline, for tests that need no more of a server."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from secftp.crypto import Password
from secftp.errors import AuthenticationError, HandshakeRefused, TransferTimeout
from secftp.protocol import Direction
from secftp.protocol.handshake import Established, HelloReceived, Status, Unacceptable
from secftp.transport import Channel, IncomingHandshake

if TYPE_CHECKING:
    from secftp.transport import Stream
    from secftp.transport.accept import Event

HANDSHAKE_SECONDS = 10.0

# What is decided about a hello: the password that it is answered with, or why it is refused.
Decide: TypeAlias = Callable[[HelloReceived], Password | Status]


def accept_client(stream: Stream, decide: Decide, *, challenged: Callable[[], None], timeout: float) -> Channel:
    """The channel of a client that proved itself; raises what a handshake raises, and `TransferTimeout`.

    `challenged` is called when the challenge has left: from then on the client knows whether its guess was right.
    """
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    incoming = IncomingHandshake(stream)
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


def _next_event(incoming: IncomingHandshake, deadline: float) -> Event:
    poller = select.poll()
    poller.register(incoming.stream.fileno(), select.POLLIN)
    while (event := incoming.advance()) is None:
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            raise TransferTimeout("The client did not finish the handshake in time.")
    return event
