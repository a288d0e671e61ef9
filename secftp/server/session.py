"""One client's session at the server: requests in, answers out, in order.

A request that fails is answered and the session goes on; a peer that breaks the protocol is left without a word. How
each request is answered is told in `requests`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp._version import __version__
from secftp.channel import IDLE_SECONDS, KEEPALIVE_SECONDS
from secftp.messages import Bye, Cancel, Capability, SessionLimits, Welcome
from secftp.server.requests import RequestContext, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Channel
    from secftp.server.access import Rights
    from secftp.server.log import SessionLog
    from secftp.server.requests.idempotency import CompletedChanges, OwnConfirmedFiles
    from secftp.storage import Store

REQUESTS_MAX: Final = 1024
_ANSWER_SECONDS: Final = 0.01


class Context(NamedTuple):
    """What a session needs beside its channel.

    `stopping` says that no further request is to be served, `hurry` that the one under way is to be broken off.
    `repeats` are the changes that all sessions of this server have carried out, `arrivals` the files that those of this
    client's key have written.
    """

    store: Store
    rights: Rights
    log: SessionLog
    stopping: Callable[[], bool]
    hurry: Callable[[], bool]
    repeats: CompletedChanges | None = None
    arrivals: OwnConfirmedFiles | None = None


def welcome(idle: float = IDLE_SECONDS, rights: Rights | None = None) -> Welcome:
    """The first message to every client that has proved itself; `idle`: how many seconds it may be silent."""
    return Welcome(
        version=1,
        software=f"secftp {__version__}",
        capabilities=tuple(Capability),
        limits=SessionLimits(requests=REQUESTS_MAX, keepalive=int(KEEPALIVE_SECONDS), idle=int(idle)),
        rights=None if rights is None else rights.names(),
    )


class ServerSession:
    """Serves one channel until the client says BYE, the connection is lost, or the server stops."""

    def __init__(self, channel: Channel, context: Context) -> None:
        self.busy = False  # whether a request is being served; read by the thread that stops the server
        self._channel = channel
        self._desk = RequestContext(
            channel, context.store, context.rights, context.log, context.hurry, context.repeats, context.arrivals
        )
        self._stopping = context.stopping

    def run(self) -> None:
        """Serve until the end; what ends a session out of order is raised."""
        try:
            self._run()
        finally:
            self._desk.filling.close()

    def _run(self) -> None:
        self._channel.send(welcome(self._channel.timeout, self._desk.rights))
        while not self._stopping():
            # Answers gather while requests are waiting already, and leave together when there are none; but no client
            # that sends one file behind the other learns only at the end what has become of the first.
            if time.monotonic() - self._channel.last_sent > _ANSWER_SECONDS:
                self._channel.flush()
            message = self._channel.receive()
            if isinstance(message, Bye):
                return
            if isinstance(message, Cancel):
                continue  # what it is about is over already
            self.busy = True
            serve(self._desk, message)
            self.busy = False
