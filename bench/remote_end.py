"""Remote end of a socket pair, in a separate process: `python -m bench.remote_end plain|channel DESCRIPTOR`.

It receives data, replies once all of them have arrived, and exits when the local end closes. `plain` has no
encryption; `channel` is a server's session without files.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from secftp.crypto import BATCH_BYTES, SERVER_HELLO_BYTES, Mode, Password, Suite
from secftp.errors import ConnectionLost
from secftp.protocol import Bye, Direction, End, Ok, SessionLimits, Welcome, Write
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived
from secftp.transport import Channel, DataRun, IncomingHandshake, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT_BYTES = 8  # of the length that precedes the data of `plain`
DONE = b"."
TIMEOUT_SECONDS = 60.0
NO_DIGEST = bytes(16)


@contextlib.contextmanager
def remote_end(kind: str) -> Iterator[socket.socket]:
    """Start a process for one end of a socket pair; yields the other end."""
    local, remote = socket.socketpair()
    with local:
        with remote:
            command = [sys.executable, "-m", "bench.remote_end", kind, str(remote.fileno())]
            process = subprocess.Popen(command, pass_fds=[remote.fileno()])
        try:
            yield local
        finally:
            local.close()
            try:
                process.wait(TIMEOUT_SECONDS)
            finally:
                process.kill()


class PlainSender:
    """Sends plain bytes, in writes as large as a sealed batch."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._batch = memoryview(bytearray(BATCH_BYTES))

    def move(self, size: int) -> None:
        """Send `size` bytes and wait until the remote end has them."""
        self._socket.sendall(size.to_bytes(COUNT_BYTES))
        while size:
            part = self._batch[:size]
            self._socket.sendall(part)
            size -= len(part)
        assert self._socket.recv(len(DONE)) == DONE


class ChannelSender:
    """Sends the bytes through a channel: sealed, opened, checked by the state machine; without files or digests."""

    def __init__(self, sock: socket.socket, suite: Suite) -> None:
        handshake = ClientHandshake(Password.anonymous(), suite, Mode.ANONYMOUS)
        sock.sendall(handshake.hello)
        established = handshake.receive(sock.recv(SERVER_HELLO_BYTES, socket.MSG_WAITALL))
        assert established is not None
        self._channel = Channel(Stream(sock), established, Direction.TO_SERVER, timeout=TIMEOUT_SECONDS)
        self._requests = 0

    def move(self, size: int) -> None:
        """Send a file of `size` arbitrary bytes and wait until the remote end has confirmed it."""
        channel = self._channel
        self._requests += 1
        channel.send(Write(id=self._requests, path=(b"x",), size=size))
        left = size
        while left:
            left -= channel.send_data(lambda slots: sum(map(len, slots)), left)
        channel.send(End(size=size, digest=NO_DIGEST))
        channel.flush()
        while not isinstance(channel.receive(), Ok):
            pass  # the first time, the server's WELCOME


def serve_plain(sock: socket.socket) -> None:
    """Receive and count bytes."""
    buffer = memoryview(bytearray(BATCH_BYTES))
    while count := sock.recv(COUNT_BYTES, socket.MSG_WAITALL):
        left = int.from_bytes(count)
        while left and (came := sock.recv_into(buffer[:left])):
            left -= came
        sock.sendall(DONE)


def accept_channel(stream: Stream, password: Password) -> Channel:
    """Perform the server side of a handshake."""
    incoming = IncomingHandshake(stream)
    while not isinstance(event := incoming.advance(), Established):
        if isinstance(event, HelloReceived):
            incoming.challenge(password)
        select.select([stream.fileno()], [], [], TIMEOUT_SECONDS)
    return Channel(stream, event, Direction.TO_CLIENT, timeout=TIMEOUT_SECONDS)


def serve_channel(sock: socket.socket) -> None:
    """Confirm each file and discard its data."""
    password = Password.anonymous()
    channel = accept_channel(Stream(sock), password)
    limits = SessionLimits(requests=16, keepalive=15, idle=60)
    channel.send(Welcome(version=1, software="bench", capabilities=(), limits=limits))
    channel.flush()
    request = 0
    with contextlib.suppress(ConnectionLost):
        while not isinstance(message := channel.receive(), Bye):
            match message:
                case DataRun():
                    pass
                case Write():
                    request = message.id
                case End():
                    channel.send(Ok(id=request, size=message.size))
                    channel.flush()


if __name__ == "__main__":
    serve = {"plain": serve_plain, "channel": serve_channel}[sys.argv[1]]
    with socket.socket(fileno=int(sys.argv[2])) as inherited:
        serve(inherited)
