"""State of one connection before its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.server.fairness import source_address
from secftp.transport import IncomingHandshake, Peer

if TYPE_CHECKING:
    from secftp.protocol.handshake import HelloReceived
    from secftp.server.access import Grant
    from secftp.server.fairness import SourceAddress
    from secftp.server.log import SessionLog
    from secftp.server.throttle import Charge
    from secftp.transport import IncomingProxyHeader, MeteredStream
    from secftp.transport.accept import ProxiedClient


class PendingConnection:
    """A connection before its session. `now` is the time of its arrival, in seconds of a monotonic clock.

    With a `header` still to be read it is that of a proxy, and is counted apart from all clients.
    """

    __slots__ = (
        "_source", "_stream", "arrived", "charge", "deadline", "grant", "header", "hello", "incoming", "log", "peer",
        "trusted",
    )  # fmt: skip

    def __init__(
        self,
        stream: MeteredStream,
        peer: Peer,
        log: SessionLog,
        now: float,
        header: IncomingProxyHeader | None = None,
    ) -> None:
        self._stream = stream
        self.peer = peer
        self.header = header
        self._source = source_address(peer.host) if header is None else source_address(peer.host).apart()
        self.incoming = IncomingHandshake(stream)
        self.log = log
        self.arrived = now
        self.deadline = 0.0  # of the handshake; while its hello waits, the seconds that are left
        self.trusted = False  # whether a key was proved from its source recently
        self.hello: HelloReceived | None = None
        self.grant: Grant | None = None  # what it was challenged for
        self.charge: Charge | None = None  # what that has cost

    @property
    def stream(self) -> MeteredStream:
        """The TCP connection."""
        return self._stream

    @property
    def source(self) -> SourceAddress:
        """The address that it comes from."""
        return self._source

    def on_header(self, found: ProxiedClient) -> None:
        """Become a connection of the client that the proxy has named. It must not be in a state now."""
        if found.client is not None and found.client != self.peer:  # in version 1 it names itself for its own ones
            self.peer = Peer(*found.client)
            self.log = self.log.of(self.peer)
        self.header = None
        self._source = source_address(self.peer.host)
        self.incoming = IncomingHandshake(self._stream, found.rest)
