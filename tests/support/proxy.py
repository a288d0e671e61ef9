"""A proxy with the faults of networks: splits, joins, slows, stalls, resets, cuts; it also records.

`relaying(port)` yields a `Relay` that listens on a free port and carries what comes to the other one. Each direction
has a `Way` that says how, or a function that makes one from the connection's number; all that is random comes from its
seed. Nothing waits without a limit: a way that stalls holds on until a side gives up or the relay is closed.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

HOST = "127.0.0.1"
RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: on, 0 seconds


@dataclass(frozen=True)
class Way:
    """How one direction carries bytes.

    `pieces`: each write carries so many bytes at most; a pair of numbers: a random number between them. `pause` seconds
    before each. `join`: nothing is passed on before so many bytes are there, or none came for 20 ms. `cut`: after so
    many bytes, `then` happens: "close" both connections, "reset" both, "stall" (nothing more is carried this way), or
    "half" (this direction ends, the other goes on). `change` makes other bytes of those from an offset on: a function
    of the offset and the bytes.
    """

    pieces: int | tuple[int, int] | None = None
    pause: float = 0.0
    join: int = 0
    cut: int | None = None
    then: str = "close"
    change: Callable[[int, bytes], bytes] | None = None
    seed: int = 0


PLAIN = Way()
Ways = Callable[[int], Way]  # from the number of a connection, counted from 0


@dataclass
class Link:
    """One connection: what it has carried, as it was sent by the peers."""

    client: socket.socket
    server: socket.socket
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    over: threading.Event = field(default_factory=threading.Event)

    def end(self, *, reset: bool = False) -> None:
        """End both connections, at once; with `reset` they say so instead of closing in order."""
        self.over.set()
        for sock in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset:
                    # A reader of this proxy finds the end; the peers find out at the close, which sends the reset.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    sock.shutdown(socket.SHUT_RD)
                else:
                    sock.shutdown(socket.SHUT_RDWR)


class Relay:
    """What `relaying` yields: its `port`, and the `links` there were."""

    def __init__(self, target: int, up: Way | Ways, down: Way | Ways) -> None:
        self.links: list[Link] = []
        self._target = target
        self._ways = up, down
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    def listen_no_longer(self) -> None:
        """Take no new connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        self._listener.close()

    def close(self) -> None:
        """End all connections, wait for all threads."""
        self.listen_no_longer()
        for link in self.links:
            link.end()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "the relay hangs"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((HOST, self._target), timeout=10)
            except OSError:
                client.close()
                continue
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(None)
            link = Link(client, server)
            up, down = (way(len(self.links)) if callable(way) else way for way in self._ways)
            self.links.append(link)
            thread = threading.Thread(target=_carry_both, args=(link, up, down), name="relayed connection")
            self._threads.append(thread)
            thread.start()


def _carry_both(link: Link, up: Way, down: Way) -> None:
    other = threading.Thread(target=_carry, args=(link, link.server, link.client, down, link.down), name="relay down")
    other.start()
    _carry(link, link.client, link.server, up, link.up)
    other.join()
    link.client.close()
    link.server.close()


def _carry(link: Link, source: socket.socket, target: socket.socket, way: Way, record: bytearray) -> None:
    """One direction, to its end. An end of the source is passed on as one."""
    draw = random.Random(way.seed)
    carried = 0
    with contextlib.suppress(OSError):
        while data := _take(link, source, way.join):
            record += data
            if way.change is not None:
                data = way.change(carried, data)
            for piece in _split(data, way.pieces, draw):
                if way.pause and link.over.wait(way.pause):
                    return
                if way.cut is not None and carried + len(piece) >= way.cut:
                    target.sendall(piece[: way.cut - carried])
                    _cut(link, source, target, way.then)
                    return
                target.sendall(piece)
                carried += len(piece)
        if not link.over.is_set():
            target.shutdown(socket.SHUT_WR)
        return
    link.end(reset=True)  # a side has reset its connection, or does not take any more


def _take(link: Link, source: socket.socket, join: int) -> bytes:
    """What has come: at once, or when there is enough of it or a pause."""
    data = source.recv(65536)
    while data and len(data) < join and select.select([source], [], [], 0.02)[0] and (more := source.recv(65536)):
        data += more
    return b"" if link.over.is_set() else data


def _split(data: bytes, pieces: int | tuple[int, int] | None, draw: random.Random):
    start = 0
    while start < len(data):
        size = len(data) if pieces is None else pieces if isinstance(pieces, int) else draw.randint(*pieces)
        yield data[start : start + size]
        start += size


def _cut(link: Link, source: socket.socket, target: socket.socket, then: str) -> None:
    if then in ("close", "reset"):
        link.end(reset=then == "reset")
    elif then == "half":
        target.shutdown(socket.SHUT_WR)
        while source.recv(65536):
            pass
    else:
        link.over.wait(60)


@contextlib.contextmanager
def relaying(target: int, *, up: Way | Ways = PLAIN, down: Way | Ways = PLAIN):
    """A `Relay` in front of a port of this machine."""
    relay = Relay(target, up, down)
    try:
        yield relay
    finally:
        relay.close()
