"""Two ends of a session over a real connection inside one process, and a bare peer that sends anything."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from secftp.crypto import Mode, Password, Suite
from secftp.protocol import Direction, File, Files, Message, Read, Results, SessionLimits, Welcome, encode
from secftp.protocol.handshake import ClientHandshake, Established, ServerHandshake
from secftp.transport import Channel, DataRun, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.protocol import ErrorCode, SmallFile
    from secftp.transport import Received

SECONDS = 20.0  # no wait in these tests is longer, and none that succeeds comes near it
PATH = (b"a",)
WELCOME = Welcome(
    version=1,
    software="s",
    capabilities=("ranges", "stat", "list"),
    limits=SessionLimits(requests=64, keepalive=15, idle=60),
)
_PASSWORD = Password.from_secret(bytes(31) + b"\x05")


def established(suite: Suite = Suite.AES128) -> tuple[Established, Established]:
    """Client and server after a handshake in memory; nothing of it is left to be sent."""
    client, server = ClientHandshake(_PASSWORD, suite, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    mine = client.receive(server.accept(_PASSWORD))
    assert mine is not None
    yours = server.receive(mine.reply)
    assert isinstance(yours, Established)
    return mine._replace(reply=b""), yours


class Many:
    """Takes the answer to WRITEMANY or READMANY for so many files: `codes` of those written, `files` that were read."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.codes: tuple[ErrorCode | None, ...] = ()
        self.files: list[SmallFile] = []

    def __call__(self, received: Received) -> bool:
        if isinstance(received, Results):
            self.codes = received.codes
            return True
        assert isinstance(received, Files), received
        self.files += received.files
        return len(self.files) == self._count


class Bare:
    """A peer with the session's keys and without rules: frames out, bytes in."""

    def __init__(self, sock: socket.socket, ends: Established) -> None:
        self.sock = sock
        self.outbox, self.inbox = ends.boxes()

    def seal(self, *frames: tuple[int, int, bytes]) -> bytes:
        """Frames of any type, flags and payload, as bytes of the wire."""
        for frame in frames:
            assert self.outbox.add(*frame)
        return bytes(self.outbox.seal())

    def say(self, *messages: Message | tuple[int, int, bytes]) -> None:
        self.sock.sendall(self.seal(*(item if type(item) is tuple else encode(item) for item in messages)))

    def hear(self, count: int) -> list[tuple[int, int, bytes]]:
        """The next frames, at least so many."""
        heard: list[tuple[int, int, bytes]] = []
        while len(heard) < count:
            size = self.sock.recv_into(self.inbox.room())
            assert size, "the other side has closed"
            self.inbox.received(size)
            heard += [(frame.type, frame.flags, bytes(frame.payload)) for frame in self.inbox.frames()]
        return heard


class Ends:
    """Makes connected ends, and closes all of them in the end."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def sockets(self, *, small: bool = False, local: bool = False) -> tuple[socket.socket, socket.socket]:
        """TCP over loopback, or a local pair; `small` buffers fill up at once."""
        if local:
            pair = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                if small:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                mine = socket.socket()
                if small:
                    mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                mine.connect(listener.getsockname())
                pair = mine, listener.accept()[0]
        for sock in pair:
            self._stack.callback(sock.close)
            sock.settimeout(SECONDS)
            if small:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return pair

    def channels(
        self, suite: Suite = Suite.AES128, *, timeout: float = SECONDS, **kind: bool
    ) -> tuple[Channel, Channel]:
        """A client's and a server's, before WELCOME."""
        mine, yours = self.sockets(**kind)
        client, server = established(suite)
        return (
            Channel(Stream(mine), client, Direction.TO_SERVER, timeout=timeout),
            Channel(Stream(yours), server, Direction.TO_CLIENT, timeout=timeout),
        )

    def welcomed(self, suite: Suite = Suite.AES128, **kind: Any) -> tuple[Channel, Channel]:
        """The same after WELCOME."""
        client, server = self.channels(suite, **kind)
        server.send(WELCOME)
        server.flush()
        assert client.receive() == WELCOME
        return client, server

    def client_of_bare(self, *, timeout: float = SECONDS, **kind: bool) -> tuple[Channel, Bare]:
        """A client's channel, and a bare server."""
        mine, yours = self.sockets(**kind)
        client, server = established()
        return Channel(Stream(mine), client, Direction.TO_SERVER, timeout=timeout), Bare(yours, server)

    def server_of_bare(self, *, timeout: float = SECONDS, **kind: bool) -> tuple[Channel, Bare]:
        """A server's channel, and a bare client."""
        mine, yours = self.sockets(**kind)
        client, server = established()
        return Channel(Stream(mine), server, Direction.TO_CLIENT, timeout=timeout), Bare(yours, client)


@pytest.fixture
def ends() -> Iterator[Ends]:
    with contextlib.ExitStack() as stack:
        yield Ends(stack)


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Run them at once, each in a thread of its own; their results, or the first exception."""
    start = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        start.wait(SECONDS)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [done.result(SECONDS) for done in [pool.submit(run, action) for action in actions]]


def pattern(size: int) -> bytes:
    """Bytes in which no two frames of a file are alike."""
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


def send_bytes(channel: Channel, data: bytes) -> None:
    """A file's bytes, all of them, unflushed at the end."""
    view, done = memoryview(data), 0

    def fill(slots: list[memoryview]) -> int:
        count = 0
        for slot in slots:
            piece = view[done + count : done + count + len(slot)]
            slot[: len(piece)] = piece
            count += len(piece)
        return count

    while done < len(data):
        done += channel.send_data(fill, len(data) - done)


def receive_bytes(channel: Channel) -> tuple[bytes, Message]:
    """The runs up to the next message, and that message."""
    data = bytearray()
    while isinstance(received := channel.receive(), DataRun):
        assert received.size == sum(map(len, received.buffers))
        for buffer in received.buffers:
            data += buffer
    return bytes(data), received


def begin_read(client: Channel, server: Channel, size: int) -> None:
    """READ and FILE: the server's bytes may follow."""
    client.send(Read(id=1, path=PATH))
    client.flush()
    assert server.receive() == Read(id=1, path=PATH)
    server.send(File(id=1, size=size, mtime_ns=0, mode=0))
