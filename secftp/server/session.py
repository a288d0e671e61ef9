"""Server side of one session: requests are read, served in order and answered.

A request that fails is answered, and the session goes on; after a protocol violation the connection is closed without a
message. `requests` holds the handlers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp._version import __version__
from secftp.protocol import Bye, Cancel, Capability, Read, SessionLimits, Welcome, Write
from secftp.server.requests import RequestContext, serve
from secftp.server.requests.ahead import is_question, serve_questions
from secftp.server.requests.batches_ahead import is_batch, serve_batches
from secftp.server.requests.listings_ahead import is_listing, serve_listings
from secftp.server.requests.writes_ahead import is_write, serve_writes
from secftp.transport import IDLE_SECONDS, KEEPALIVE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.access import Rights
    from secftp.transport import Received

REQUESTS_MAX: Final = 1024
# ZSTD is announced if the server has the library and allows it.
_CAPABILITIES: Final = tuple(each for each in Capability if each is not Capability.ZSTD)
_FLUSH_SECONDS: Final = 0.01
# Which requests of a remote store are served together with those behind them, and how.
_RUNS: Final = (
    (is_question, serve_questions),
    (is_listing, serve_listings),
    (is_batch, serve_batches),
    (is_write, serve_writes),
)


def welcome(
    idle: float = IDLE_SECONDS,
    rights: Rights | None = None,
    *,
    compression: bool = False,
    streams: int = 1,
    lacks: frozenset[Capability] = frozenset(),
) -> Welcome:
    """Return the first message to an authenticated client; `idle` is the idle timeout in seconds.

    `compression`: whether files may be transferred compressed. `streams`: how many sessions a transfer may have.
    `lacks`: what the store of the session can't do.
    """
    capabilities = (*_CAPABILITIES, Capability.ZSTD) if compression else _CAPABILITIES
    return Welcome(
        version=1,
        software=f"secftp {__version__}",
        capabilities=tuple(each for each in capabilities if each not in lacks),
        limits=SessionLimits(requests=REQUESTS_MAX, keepalive=int(KEEPALIVE_SECONDS), idle=int(idle), streams=streams),
        rights=None if rights is None else rights.names(),
    )


class ServerSession:
    """Serves the channel of a context until the client says BYE, the connection is lost, or `stopping` returns True.

    `compression`, `streams`: as for `welcome`. `decide` is called with whether the session is an additional stream,
    before its first request, and when it calls itself one.
    """

    def __init__(
        self,
        context: RequestContext,
        stopping: Callable[[], bool],
        *,
        compression: bool = False,
        streams: int = 1,
        decide: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.busy = False  # whether a request is being served; read by the thread that stops the server
        self._channel = context.channel
        self._is_remote = context.store.at_once > 1
        self._context = context
        self._stopping = stopping
        self._compression = compression
        self._streams = streams
        self._decide = decide
        self._additional: bool | None = None  # what the session is; None before its first request

    def run(self) -> Bye | None:
        """Serve until the end; return the client's BYE, None if the server stops. Raises `SecftpError` otherwise."""
        try:
            return self._run()
        finally:
            self._context.uploads.close()
            self._context.writable.close()

    def _run(self) -> Bye | None:
        hello = welcome(
            self._channel.timeout,
            self._context.rights,
            compression=self._compression,
            streams=self._streams,
            lacks=self._context.lacks,
        )
        self._channel.send(hello)
        held: Received | None = None  # what came behind a run of requests
        while not self._stopping():
            # Answers are collected while more requests wait, and sent when none do; but not for longer than this, so
            # that a client that sends one file after the other soon learns of a failure.
            if time.monotonic() - self._channel.last_sent > _FLUSH_SECONDS:
                self._channel.flush()
            message, held = held or self._channel.receive(), None
            if isinstance(message, Bye):
                return message
            if isinstance(message, Cancel):
                continue  # the request has been answered already
            additional = isinstance(message, Read | Write) and message.additional
            if additional is not self._additional and not self._additional:
                self._additional = additional
                self._decide(additional)
                if self._stopping():
                    return None
            self.busy = True
            held = self._serve(message)
            self.busy = False
        return None

    def _serve(self, message: Received) -> Received | None:
        """Serve a request, over a remote store with those behind it; return what came behind these, if anything."""
        if self._is_remote:
            for is_served_so, serve_run in _RUNS:
                if is_served_so(self._context, message):
                    return serve_run(self._context, message, self._stopping)
        serve(self._context, message)
        return None
