"""An active attacker (Dolev-Yao) between two real ends: no change to a recorded session is accepted.

Every bit, every byte, every order of the frames. An altered handshake must establish nothing on either side; an
altered stream of frames may give what stood before the alteration, and nothing else. The counts are printed.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from secftp.crypto import Inbox, Mode, Password, Suite
from secftp.errors import AuthenticationError, CoreError, SecftpError
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake
from tests.seamed.product import C2S, STORY, Sealed, W, contents, seams, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["seams", "tell"]

S2C, OTHER = b"\2" * 32, b"\3" * 32
OPENED = [frame[:3] for frame in STORY]

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)
modes = pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)


# --- the handshake --------------------------------------------------------------------------------------------------


def altered_bytes(data: bytes) -> Iterator[bytes]:
    """Every way to lose, insert, or double one byte, and to end early."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + data[at : at + 1] + data[at:]
        yield data[:at] + bytes([data[at] ^ 0x5A]) + data[at:]


def altered_bits(data: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


class Sides:
    """The honest sides of one recorded session, as often as they are wanted. Every name has the same password."""

    def __init__(self, seams, suite: int, mode: int) -> None:
        self.seams = seams
        self.recording = seams.record(suite, [Sealed(3, 0, b"to the server")], [Sealed(3, 0, b"to the client")], mode)
        self.passwords = {Mode.KEYED: Password.from_secret(W), Mode.ANONYMOUS: Password.anonymous()}

    def client_takes(self, reply: bytes) -> Established | None:
        """What the client that sent the recorded hello makes of a reply; None when it refuses or waits."""
        recording = self.recording
        client = self.seams.client(recording.password, recording.suite, recording.mode)
        assert client.hello == recording.client_hello
        try:
            return client.receive(reply)
        except SecftpError:
            return None

    def server_takes(self, stream: bytes) -> tuple[bytes, Established | None]:
        """The server's reply to a hello (empty if it gives none), and what it makes of the bytes after that."""
        server = ServerHandshake()
        reply = b""
        try:
            asked = server.receive(stream)
            if isinstance(asked, HelloReceived):
                reply = self.seams.accept(server, self.passwords[asked.mode])
                established = server.receive(b"")
                assert established is None or isinstance(established, Established)
                return reply, established
        except SecftpError:
            pass
        return reply, None

    def refuse_from_client(self, stream: bytes) -> None:
        """Nothing is established from this stream to the server, nor from its reply to it."""
        recording = self.recording
        reply, established = self.server_takes(stream)
        if established is not None:  # the byte came behind the handshake: it belongs to the frames
            assert stream.startswith(recording.client_hello + recording.client_finish)
            assert len(stream) > len(recording.client_hello + recording.client_finish)
            assert opens_nothing(established)
        if not stream.startswith(recording.client_hello):
            assert not reply or self.client_takes(reply) is None


def opens_nothing(established: Established) -> bool:
    try:
        return established.boxes()[1].frames() == []
    except AuthenticationError:
        return True


@suites
@modes
def test_the_recorded_handshake_is_good(seams, suite, mode):
    """Else the refusals below would say nothing."""
    sides = Sides(seams, suite, mode)
    recording = sides.recording
    assert sides.client_takes(recording.server_hello).reply == recording.client_finish
    reply, established = sides.server_takes(recording.client_hello + recording.client_finish + recording.c2s[0])
    assert (reply, established.rest) == (recording.server_hello, recording.c2s[0])


@suites
@modes
def test_every_bit_of_a_handshake(seams, tell, suite, mode):
    sides = Sides(seams, suite, mode)
    hello, reply, finish = sides.recording.client_hello, sides.recording.server_hello, sides.recording.client_finish
    count = 0
    for changed in altered_bits(hello + finish):
        sides.refuse_from_client(changed)
        count += 1
    for changed in altered_bits(reply):
        assert sides.client_takes(changed) is None
        count += 1
    assert count == 8 * 314
    tell("flipped bits of a handshake", count)


@suites
def test_every_byte_of_a_handshake(seams, tell, suite):
    """Truncated, deleted, doubled, inserted; alone, and with the next bytes there to fill a gap."""
    sides = Sides(seams, suite, Mode.KEYED)
    hello, reply, finish = sides.recording.client_hello, sides.recording.server_hello, sides.recording.client_finish
    count = 0
    for changed in altered_bytes(hello):
        sides.refuse_from_client(changed)
        sides.refuse_from_client(changed + finish + sides.recording.c2s[0])
        count += 1
    for changed in altered_bytes(finish):
        sides.refuse_from_client(hello + changed)
        sides.refuse_from_client(hello + changed + sides.recording.c2s[0])
        count += 1
    for changed in altered_bytes(reply):
        assert sides.client_takes(changed) is None
        filled = (changed + sides.recording.s2c[0])[: len(reply)]
        assert filled == reply or sides.client_takes(filled) is None  # the first: a byte came behind the reply
        count += 1
    assert count == 4 * 314
    tell("truncations, deletions, doublings and insertions in a handshake", count)


@suites
@modes
def test_a_recorded_session_is_no_good_again(seams, suite, mode):
    """Against a server and a client whose draws are their own."""
    recording = seams.record(suite, [Sealed(3, 0, b"once")], [Sealed(3, 0, b"once")], mode)
    server = ServerHandshake()
    assert isinstance(server.receive(recording.client_hello), HelloReceived)
    assert server.accept(recording.password) != recording.server_hello
    with pytest.raises(AuthenticationError):
        server.receive(recording.client_finish + recording.c2s[0])
    client = ClientHandshake(recording.password, suite, mode)
    assert client.hello != recording.client_hello
    with pytest.raises(AuthenticationError):
        client.receive(recording.server_hello)


# --- frames ---------------------------------------------------------------------------------------------------------


def listen(seams, suite: int, secret: bytes, stream: bytes) -> tuple[list[tuple[int, int, bytes]], str]:
    """What a receiver gets from a stream that comes frame by frame, and whether it ends refused, waiting or whole.

    A stream that ends inside a frame is then filled up with zeros: a length that was enlarged must not be a way out.
    """
    inbox = seams.inbox(suite, secret)
    opened: list[tuple[int, int, bytes]] = []
    try:
        while stream:
            size = 4 + int.from_bytes(stream[:4], "big") + 16
            piece, stream = stream[:size], stream[size:]
            inbox.room()[: len(piece)] = piece
            inbox.received(len(piece))
            opened += contents(inbox.frames())
        if not inbox.unopened:
            return opened, "whole"
        room = inbox.room()
        room[:] = bytes(len(room))
        inbox.received(len(room))
        assert inbox.frames() == [], "zeros made a frame good"
    except AuthenticationError:
        with pytest.raises(CoreError):
            inbox.frames()
        return opened, "refused"
    return opened, "waiting"


def refuse(seams, suite: int, stream: bytes, good: int) -> None:
    """The `good` first frames come, and then the stream is refused."""
    assert listen(seams, suite, C2S, stream) == (OPENED[:good], "refused")


@suites
def test_the_recorded_frames_are_good(seams, suite):
    assert listen(seams, suite, C2S, b"".join(seams.story(suite))) == (OPENED, "whole")


@suites
def test_every_bit_of_the_frames(seams, tell, suite):
    count = 0
    for secret in (C2S, S2C):
        wires = seams.story(suite, secret)
        for index, wire in enumerate(wires):
            for changed in altered_bits(wire):
                stream = b"".join([*wires[:index], changed, *wires[index + 1 :]])
                assert listen(seams, suite, secret, stream) == (OPENED[:index], "refused")
                count += 1
    assert count == 2 * 8 * sum(map(len, wires))
    tell("flipped bits of frames", count)


@suites
def test_every_byte_of_the_frames(seams, tell, suite):
    wires, count = seams.story(suite), 0
    stream = b"".join(wires)
    ends = list(itertools.accumulate(map(len, wires)))
    for changed in altered_bytes(stream):
        opened, end = listen(seams, suite, C2S, changed)
        same = next((at for at, pair in enumerate(zip(changed, stream, strict=False)) if pair[0] != pair[1]), None)
        same = min(len(changed), len(stream)) if same is None else same
        whole = sum(size <= same for size in ends)
        assert opened == OPENED[:whole]
        if stream.startswith(changed) and len(changed) in (0, *ends):
            assert (end, opened) == ("whole", OPENED[:whole])  # cut between frames: there is no BYE, and more to come
            assert opened != OPENED
        else:
            assert end == "refused"
        count += 1
    assert count == 4 * len(stream)
    tell("truncations, deletions, doublings and insertions in frames", count)


@suites
def test_every_order_of_the_frames(seams, tell, suite):
    """Swapped, dropped and moved in every way: nothing comes from the first frame on that is not in its place."""
    wires, count = seams.story(suite), 0
    numbers = range(len(wires))
    for size in range(1, len(wires) + 1):
        for order in itertools.permutations(numbers, size):
            good = next((at for at, number in enumerate(order) if at != number), size)
            if good < size:
                refuse(seams, suite, b"".join(wires[number] for number in order), good)
                count += 1
    assert count == 4 + 12 + 24 + 24 - 4
    tell("orders of frames", count)


@suites
def test_every_repetition_of_a_frame(seams, tell, suite):
    wires, count = seams.story(suite), 0
    for number in range(len(wires)):
        for place in range(number + 1, len(wires) + 1):
            refuse(seams, suite, b"".join([*wires[:place], wires[number], *wires[place:]]), place)
            count += 1
    refuse(seams, suite, b"".join(wires * 2), len(wires))
    tell("repetitions of frames", count + 1)


@suites
@pytest.mark.parametrize("secret", [S2C, OTHER], ids=["reflected", "spliced"])
def test_frames_of_another_way_or_session(seams, suite, secret):
    """Each in its right place, with the number that is expected there."""
    wires, foreign = seams.story(suite), seams.story(suite, secret)
    assert all(len(mine) == len(other) and mine != other for mine, other in zip(wires, foreign, strict=True))
    for place in range(len(wires)):
        refuse(seams, suite, b"".join([*wires[:place], foreign[place], *wires[place + 1 :]]), place)


@suites
def test_frames_of_another_suite(seams, suite):
    for other in Suite:
        if other is not suite:
            refuse(seams, suite, b"".join(seams.story(other)), 0)


@suites
def test_the_two_ways_of_a_session_have_their_own_keys(seams, suite):
    """What a side has sent comes back to it, from the real handshake's keys."""
    client = seams.client(Password.from_secret(W), suite, Mode.KEYED)
    server = ServerHandshake()
    server.receive(client.hello)
    mine = client.receive(seams.accept(server, Password.from_secret(W)))
    yours = server.receive(mine.reply)
    for sealer, opener in ((mine.sealer, mine.opener), (yours.sealer, yours.opener)):
        inbox = Inbox(opener)
        wire = seams.seal(sealer, STORY)
        inbox.room()[: len(wire)] = wire
        inbox.received(len(wire))
        with pytest.raises(AuthenticationError):
            inbox.frames()
