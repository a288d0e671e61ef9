"""What can be learnt of a server without a file: that it is one, how fast it answers, and what it supports.

A client without a key asks for an anonymous session: a server that does not allow that says so, and by that it is known
to be one. It charges no guess for it.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import FileError, HandshakeRefused
from secftp.protocol.handshake import Status
from secftp.session import Session
from secftp.transport.connect import connect
from secftp.transport.timed import TimedNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.options import ConnectionOptions
    from secftp.protocol import Welcome
    from secftp.transport import Credentials

MODES: Final = ("anonymous", "keyed")


class Answer(NamedTuple):
    """What a server has answered; times in seconds. `welcome` is None if it requires a key and none was given.

    `connected` includes the lookup of the host's name. `round_trips`: of small requests, one after the other; empty if
    the server supports none.
    """

    address: str | None
    connected: float
    handshake: float
    welcome: Welcome | None
    round_trips: tuple[float, ...]


def probe(
    options: ConnectionOptions, credentials: Credentials, count: int, *, on_wait: Callable[[], None], keyed: bool
) -> Answer:
    """Connect, perform the handshake, and send `count` requests. Raises as `secftp.transport.connect`.

    `keyed`: a server that requires a key is a failure; else it is an answer.
    """
    network = TimedNetwork()
    began = time.monotonic()
    try:
        session = Session(
            connect(
                options.endpoint.host,
                options.endpoint.port,
                credentials,
                timeout=options.timeout,
                connect_timeout=options.connect_timeout,
                on_wait=on_wait,
                network=network,
            )
        )
    except HandshakeRefused as refusal:
        connected_at = network.connected_at
        if keyed or refusal.status != Status.MODE or connected_at is None:
            raise
        return Answer(network.address, connected_at - began, time.monotonic() - connected_at, None, ())
    ended, connected_at = time.monotonic(), network.connected_at
    assert connected_at is not None
    with session:
        welcome = session.pipeline.await_welcome()
        times = tuple(_round_trip(session) for _ in range(count)) if session.can("stat") else ()
    return Answer(network.address, connected_at - began, ended - connected_at, welcome, times)


def _round_trip(session: Session) -> float:
    """Ask about the served directory. A key without the right to know gets an answer as well."""
    began = time.monotonic()
    with contextlib.suppress(FileError):
        session.stat(())
    return time.monotonic() - began
