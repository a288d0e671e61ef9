"""A connection before it is a session, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.channel import Incoming

if TYPE_CHECKING:
    from secftp.channel import PacedStream
    from secftp.handshake import HelloReceived
    from secftp.server.access import Grant
    from secftp.server.guesses import Charge
    from secftp.server.log import SessionLog
    from secftp.server.sources import Source


class Visitor:
    """One connection before it is a session. `now` is the time of its arrival, in seconds of a monotonic clock."""

    __slots__ = ("_source", "_stream", "arrived", "charge", "deadline", "grant", "hello", "incoming", "log", "trusted")

    def __init__(self, stream: PacedStream, source: Source, log: SessionLog, now: float) -> None:
        self._stream = stream
        self._source = source
        self.incoming = Incoming(stream)
        self.log = log
        self.arrived = now
        self.deadline = 0.0  # of the handshake; while its hello waits, what is left of the time, in seconds
        self.trusted = False  # whether its source has proved a key lately
        self.hello: HelloReceived | None = None
        self.grant: Grant | None = None  # what it has been challenged for
        self.charge: Charge | None = None  # what that has cost

    @property
    def stream(self) -> PacedStream:
        """Its connection."""
        return self._stream

    @property
    def source(self) -> Source:
        """Where it comes from."""
        return self._source
