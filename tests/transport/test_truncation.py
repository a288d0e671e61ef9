"""Sessions truncated or changed at any byte: the session fails, and no incomplete file appears."""

from __future__ import annotations

import itertools
import socket
import struct

import pytest

from secftp.crypto import Mode, Suite
from secftp.errors import ConnectionLost, ProtocolError, SecftpError
from secftp.protocol import Bye, Direction, End, File, Write, encode
from secftp.protocol.handshake import Established, ServerHandshake
from secftp.session import Session
from secftp.storage import new_digest
from secftp.transport import Channel, Stream
from secftp.transport.file_data import receive_file
from tests.seamed.product import Sealed, flipped, seams
from tests.support.channels import PATH, SECONDS, WELCOME, ends

__all__ = ["ends", "seams"]

DATA = b"some bytes of a file", b"and those after them"
WHOLE = b"".join(DATA)


def digest() -> bytes:
    made = new_digest("xxh128")
    made.update(WHOLE)
    return made.digest()


END = End(size=len(WHOLE), digest=digest())
FILE = [Sealed(3, 0, data) for data in DATA] + [Sealed(*encode(END))]
DOWNLOAD = [Sealed(*encode(message)) for message in (WELCOME, File(id=1, size=len(WHOLE), mtime_ns=0, mode=0))] + FILE
UPLOAD = [Sealed(*encode(Write(id=1, path=PATH, size=len(WHOLE)))), *FILE]
BYE = Sealed(*encode(Bye()))


class Sink:
    """A file that remembers whether it got its name."""

    def __init__(self) -> None:
        self.data, self.committed = b"", False

    def writev(self, buffers) -> None:
        self.data += b"".join(bytes(buffer) for buffer in buffers)

    def commit(self) -> None:
        assert not self.committed
        self.committed = True


class Replay:
    """A recorded session, delivered again and again to its real receiver."""

    def __init__(self, seams, ends, suite: Suite, direction: Direction) -> None:
        self.seams, self.ends, self.suite, self.direction = seams, ends, suite, direction
        down = direction is Direction.TO_CLIENT
        self.recording = seams.record(suite, [] if down else [*UPLOAD, BYE], [*DOWNLOAD, BYE] if down else [])
        frames = self.recording.s2c if down else self.recording.c2s
        self.stream = b"".join(frames)
        self.ends_of_frames = list(itertools.accumulate(map(len, frames)))
        self.whole_from = self.ends_of_frames[-2]  # with END, before BYE

    def established(self) -> Established:
        recording = self.recording
        if self.direction is Direction.TO_CLIENT:
            client = self.seams.client(recording.password, self.suite, Mode.KEYED)
            return client.receive(recording.server_hello)._replace(reply=b"")
        server = ServerHandshake()
        server.receive(recording.client_hello)
        self.seams.accept(server, recording.password)
        return server.receive(recording.client_finish)

    def deliver(self, data: bytes, *, local: bool = True, reset: bool = False) -> tuple[Sink, Channel]:
        """What is received of these bytes and the end of the connection. Raises what the receiver raises."""
        mine, yours = self.ends.sockets(local=local)
        yours.sendall(data)
        if reset:
            yours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            yours.close()
        else:
            yours.shutdown(socket.SHUT_WR)
        outgoing = Direction.TO_SERVER if self.direction is Direction.TO_CLIENT else Direction.TO_CLIENT
        channel, sink = Channel(Stream(mine), self.established(), outgoing, timeout=SECONDS), Sink()
        try:
            self.receive(channel, sink)
        except SecftpError as problem:
            assert not sink.committed
            problem.sink = sink
            raise
        finally:
            yours.close()
            if not sink.committed:
                mine.close()
        return sink, channel

    def receive(self, channel: Channel, sink: Sink) -> None:
        if self.direction is Direction.TO_CLIENT:
            Session(channel).read(PATH, sink)
            return
        request = channel.receive()
        assert isinstance(request, Write)
        receive_file(channel, sink, new_digest(request.algorithm), total=request.size, subject=PATH)
        sink.commit()


both = pytest.mark.parametrize("direction", Direction, ids=lambda direction: direction.name)


@both
@pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)
def test_truncation_at_every_byte(seams, ends, suite, direction):
    replay = Replay(seams, ends, suite, direction)
    stream = replay.stream
    assert 200 < len(stream) < 700
    for size in range(len(stream) + 1):
        if size < replay.whole_from:
            with pytest.raises(ConnectionLost) as caught:
                replay.deliver(stream[:size])
            assert WHOLE.startswith(caught.value.sink.data)
            continue
        sink, channel = replay.deliver(stream[:size])
        assert (sink.committed, sink.data) == (True, WHOLE)
        if size < len(stream):
            with pytest.raises(ConnectionLost):
                channel.receive()
        else:
            assert channel.receive() == Bye()
        channel.close()


@both
def test_a_reset_at_every_frame(seams, ends, direction):
    replay = Replay(seams, ends, Suite.AES128, direction)
    for size in [0, *replay.ends_of_frames]:
        if size < replay.whole_from:
            with pytest.raises(ConnectionLost):
                replay.deliver(replay.stream[:size], local=False, reset=True)


@both
def test_a_change_at_every_byte(seams, ends, direction):
    """Up to the end of END. A length that has grown leaves the receiver waiting, and then without the rest."""
    replay = Replay(seams, ends, Suite.AES256, direction)
    for at in range(replay.whole_from):
        with pytest.raises((ProtocolError, ConnectionLost)):
            replay.deliver(flipped(replay.stream, at))


@both
def test_a_lost_frame_is_no_shorter_file(seams, ends, direction):
    """Each frame left out, and each pair of adjacent ones swapped."""
    replay = Replay(seams, ends, Suite.NONE, direction)
    bounds = [0, *replay.ends_of_frames]
    frames = [replay.stream[start:end] for start, end in itertools.pairwise(bounds)]
    for at in range(len(frames) - 2):
        swapped = [*frames[:at], frames[at + 1], frames[at], *frames[at + 2 :]]
        for changed in (frames[:at] + frames[at + 1 :], swapped):
            with pytest.raises(ProtocolError):
                replay.deliver(b"".join(changed))
