"""Connection of the model: bytes of a socket, frames of section 6, messages of sections 8 to 10, in both directions.

Blocking, one frame a read and one a write, and slow. Some frames get zero bytes behind their payload, which no product
has to send and every one has to take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model import frames, messages, zstd
from tests.model.frames import Direction, Frame
from tests.model.messages import DOWN, UP, Message
from tests.model.order import Order

if TYPE_CHECKING:
    import random
    import socket

    from tests.model.schedule import Secrets, Suite


class Ended(Exception):
    """The connection ended; `orderly` if BYE had come."""

    def __init__(self, *, orderly: bool) -> None:
        super().__init__("in order" if orderly else "truncated")
        self.orderly = orderly


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer at the end of the connection."""
    data = b""
    while len(data) < size and (more := sock.recv(size - len(data))):
        data += more
    return data


class Wire:
    """`outgoing` is UP for a client and DOWN for a server."""

    def __init__(
        self,
        sock: socket.socket,
        suite: Suite,
        secrets: Secrets,
        outgoing: str,
        draw: random.Random,
        prefix: bytes = b"",
    ) -> None:
        self.sock = sock
        self.order = Order()
        self.outgoing, self.incoming = (UP, DOWN) if outgoing == UP else (DOWN, UP)
        ways = {UP: Direction(suite, secrets.c2s), DOWN: Direction(suite, secrets.s2c)}
        self.out, self.into = ways[self.outgoing], ways[self.incoming]
        self.sent = self.received = 0  # sequence numbers
        self.draw = draw
        self.prefix = prefix  # leaves together with the first frame
        self.silent: list[Message] = []  # PINGs that came

    def send(self, name: str, payload: bytes = b"", **fields: object) -> None:
        """One message, in order: what the peer would have to close on is not sent."""
        number, flags, body = messages.encode(name, payload, **fields)
        self.order.take(self.outgoing, messages.decode(number, flags, body, self.outgoing))
        self.send_frame(number, flags, body)

    def send_frame(self, number: int, flags: int, payload: bytes) -> None:
        padding = self.draw.choice((0, 0, 1, 8, 100)) if len(payload) < 1000 else 0
        wire = frames.seal(self.out, self.sent, Frame(number, flags, payload, padding))
        self.sent += 1
        self.sock.sendall(self.prefix + wire)
        self.prefix = b""

    def receive(self) -> Message:
        """The next message but PING. Raises Ended, and Refused or Broken for what is against the rules."""
        while True:
            message = self.receive_any()
            if message.name != "PING":
                return message
            self.silent.append(message)

    def receive_any(self) -> Message:
        head = receive_exactly(self.sock, 4)
        if not head:
            raise Ended(orderly=self.order.state[self.incoming] == "CLOSED")
        frames.check_length(self.into.suite, int.from_bytes(head, "big"))
        wire = head + receive_exactly(self.sock, int.from_bytes(head, "big") + 16)
        frame, rest = frames.open_one(self.into, self.received, wire)
        assert not rest
        self.received += 1
        message = messages.decode(frame.type, frame.flags, frame.payload, self.incoming)
        self.order.take(self.incoming, message)
        return message

    def receive_file(self) -> tuple[bytes, Message]:
        """What follows FILE or WRITE: the bytes, and END or ABORT. CANCELs in between have no effect here."""
        data = bytearray()
        while True:
            message = self.receive()
            if message.name == "DATA":
                data += message.payload
            elif message.name == "ZDATA":
                data += zstd.decompress(message.payload, message.clear_size)
            elif message.name == "HOLE":
                data += bytes(message.size)
            elif message.name != "CANCEL":
                return bytes(data), message

    def send_file(self, data: bytes, pieces: int = 5000) -> None:
        for start in range(0, len(data), pieces):
            self.send("DATA", data[start : start + pieces])

    def send_compressed(self, data: bytes, pieces: int = 50_000) -> None:
        """As `send_file`; every third piece is not compressed."""
        for number, start in enumerate(range(0, len(data), pieces)):
            piece = data[start : start + pieces]
            if number % 3 == 2:
                self.send_file(piece)
            else:
                self.send("ZDATA", zstd.compress(piece, 1 + number % 19), clear_size=len(piece))

    def send_sparse(self, data: bytes, pieces: int = 4096) -> None:
        """As `send_file`, but pieces of zeros are holes."""
        for start in range(0, len(data), pieces):
            piece = data[start : start + pieces]
            if any(piece):
                self.send_file(piece)
            else:
                self.send("HOLE", size=len(piece))

    def drain(self) -> None:
        """Read and throw away until the peer closes."""
        while self.sock.recv(65536):
            pass
