"""A connection that remembers when it was there, for those who measure it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from secftp.transport.connect import Network

if TYPE_CHECKING:
    import socket

    from secftp.transport.stream import Stream


class TimedNetwork(Network):
    """Waits as the blocking network does. `connected_at`, on the monotonic clock, and `address` are of the connection.

    Both are None until there is one.
    """

    def __init__(self) -> None:
        self.connected_at: float | None = None
        self.address: str | None = None

    def new_stream(self, sock: socket.socket) -> Stream:
        """Return the stream of a connected socket."""
        self.connected_at = time.monotonic()
        self.address = str(sock.getpeername()[0])
        return super().new_stream(sock)
