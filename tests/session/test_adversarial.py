"""An active attacker between two sessions of the product: no change to a recorded session has an effect.

tests/crypto/test_adversarial.py does this to the handshake and to frames as such; here whole sessions are played to the
product's sessions at both ends, and it is looked at what became of the files. What stood before the alteration may have
happened, and nothing else; and after a tag that was wrong nothing is decrypted. The counts are printed.
"""

from __future__ import annotations

import itertools

import pytest

from secftp.crypto import Suite
from secftp.errors import ConnectionLost, ProtocolError
from secftp.protocol import (
    MESSAGE_TYPES,
    Bye,
    Data,
    Direction,
    End,
    File,
    Info,
    Kind,
    Remove,
    Rename,
    SessionLimits,
    Welcome,
    Write,
    encode,
)
from tests.crypto.test_adversarial import altered_bits, altered_bytes
from tests.seamed.product import Sealed, seams
from tests.support.counts import COUNTS
from tests.support.replay import C2S, OTHER, S2C, MemoryStore, as_frames, record, to_client, to_server
from tests.support.serving import MemorySink, digest_of

__all__ = ["seams"]

pytestmark = pytest.mark.exhaustive

HELLO = b"hello, world"
DIGEST = digest_of(HELLO)
# What a client says, and what is there after so many of these.
REQUESTS = [
    Write(id=1, path=(b"name",), size=12),
    Data(HELLO),
    End(size=12, digest=DIGEST),
    Remove(id=2, path=(b"doomed",)),
    Rename(id=3, path=(b"name",), to=(b"other",)),
    Bye(),
]
EFFECTS = [{"doomed"}, {"doomed"}, {"doomed"}, {"doomed", "name"}, {"name"}, {"other"}, {"other"}]
# What a server says to a client that reads a file and then asks what another name is.
ANSWERS = [
    Welcome(version=1, software="", capabilities=("stat",), limits=SessionLimits(requests=16, keepalive=15, idle=60)),
    File(id=1, size=12, mtime_ns=0, mode=0o644),
    Data(HELLO),
    End(size=12, digest=DIGEST),
    Info(id=2, kind=Kind.FILE, size=12, mtime_ns=0, mode=0o644),
]

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)


@pytest.fixture
def tell(record_property, request):
    """Keep a count for the end of the run, where it is printed."""
    case = request.node.callspec.id
    return lambda what, count: record_property(COUNTS, f"[session] {count} {what}: all refused ({case})")


class Ends:
    """The two honest ends: what they make of a stream of which so many frames are good."""

    def __init__(self, seams, suite: Suite) -> None:
        self.seams = seams
        self.suite = suite
        self.same_secret = False
        self.requests = record(seams, suite, C2S, REQUESTS)
        self.answers = record(seams, suite, S2C, ANSWERS)

    def streams(self):
        """Each direction: its frames, and the check of what became of it."""
        yield self.requests, self.server_refuses
        yield self.answers, self.client_refuses

    def server_takes(self, stream: bytes):
        store = MemoryStore(doomed=b"")
        played = to_server(self.seams, self.suite, stream, store)
        assert store.files.get((b"name",), HELLO) == HELLO
        return played, {path[0].decode() for path in store.files}

    def server_refuses(self, stream: bytes, good: int) -> None:
        """The `good` first frames have their effects, and then the session ends."""
        played, files = self.server_takes(stream)
        assert isinstance(played.error, ProtocolError | ConnectionLost)
        assert files == EFFECTS[good]
        self.check_decryptions(played.decryptions, good)

    def client_takes(self, stream: bytes):
        sink = MemorySink()

        def use(session):
            session.read((b"name",), sink)
            return session.stat((b"name",)).size

        return to_client(self.seams, self.suite, stream, use), sink.data

    def client_refuses(self, stream: bytes, good: int) -> None:
        """Nothing is committed before END; and the caller learns that it failed."""
        played, data = self.client_takes(stream)
        assert isinstance(played.error, ProtocolError | ConnectionLost)
        assert data == (HELLO if good >= 4 else None)
        self.check_decryptions(played.decryptions, good)

    def check_decryptions(self, count: int, good: int) -> None:
        """A frame whose tag is wrong is never decrypted, nor is any behind it."""
        # One of suite none under the very same secret, which no session has, may have the right tag under AES.
        more = (0, 1) if self.same_secret else (0,)
        assert count - (0 if self.suite is Suite.NONE else good) in more


@suites
def test_the_recorded_session_is_good(seams, suite):
    """Else the refusals below would say nothing."""
    ends = Ends(seams, suite)
    played, files = ends.server_takes(b"".join(ends.requests))
    assert (played.error, files) == (None, EFFECTS[-1])
    played, data = ends.client_takes(b"".join(ends.answers))
    assert (played.error, played.value, data) == (None, 12, HELLO)


@suites
def test_every_bit(seams, tell, suite):
    count = 0
    for frames, refuses in Ends(seams, suite).streams():
        for index, frame in enumerate(frames):
            before, behind = b"".join(frames[:index]), b"".join(frames[index + 1 :])
            for changed in altered_bits(frame):
                refuses(before + changed + behind, index)
                count += 1
        assert count >= 8 * sum(map(len, frames))
    tell("flipped bits of a session", count)


@suites
def test_every_byte(seams, tell, suite):
    """Truncated, deleted, doubled, inserted."""
    count = 0
    for frames, refuses in Ends(seams, suite).streams():
        stream = b"".join(frames)
        ends = list(itertools.accumulate(map(len, frames)))
        for changed in altered_bytes(stream):
            pairs = enumerate(zip(changed, stream, strict=False))
            same = next((at for at, pair in pairs if pair[0] != pair[1]), min(len(changed), len(stream)))
            if same < len(stream):
                refuses(changed, sum(size <= same for size in ends))
            count += 1
    tell("truncations, deletions, doublings and insertions in a session", count)


@suites
def test_every_order_of_frames(seams, tell, suite):
    """Dropped, swapped and moved in every way."""
    count = 0
    for frames, refuses in Ends(seams, suite).streams():
        numbers = range(len(frames))
        for size in range(len(frames) + 1):
            for order in itertools.permutations(numbers, size):
                good = next((at for at, number in enumerate(order) if at != number), size)
                if good < len(frames) and (size < 5 or good > 0):  # the longest ones in which the first is in place
                    refuses(b"".join(frames[number] for number in order), good)
                    count += 1
    tell("orders of a session's frames", count)


@suites
def test_every_repetition(seams, tell, suite):
    count = 0
    for frames, refuses in Ends(seams, suite).streams():
        for number in range(len(frames)):
            for place in range(number + 1, len(frames)):
                refuses(b"".join([*frames[:place], frames[number], *frames[place:]]), place)
                count += 1
    tell("repetitions of a session's frames", count)


@suites
def test_frames_from_elsewhere(seams, tell, suite):
    """In the right place and with the right number: of the other way, of another session, of another suite."""
    ends, count = Ends(seams, suite), 0
    for frames, refuses, messages, mine, back in (
        (ends.requests, ends.server_refuses, REQUESTS, C2S, S2C),
        (ends.answers, ends.client_refuses, ANSWERS, S2C, C2S),
    ):
        foreign = [(suite, back), (suite, OTHER), *((other, mine) for other in Suite if other is not suite)]
        for other, secret in foreign:
            ends.same_secret = secret == mine
            for place, frame in enumerate(record(seams, other, secret, messages)):
                refuses(b"".join([*frames[:place], frame, *frames[place + 1 :]]), place)
                count += 1
    tell("frames reflected, spliced, or of another suite", count)


# --- state x type, at the client --------------------------------------------------------------------------------------

WELCOME = ANSWERS[0]
EVERYTHING = ("ranges", "stat", "list", "change", "sum", "resume", "many", "versions", "copy", "space")
SAMPLES = {int(number): (flags, bytes(payload)) for number, flags, payload in map(encode, [*ANSWERS, *REQUESTS])}
SAMPLES |= {
    0x02: (0, b""),
    0x05: (0, b"\x81\xa4code\xa9cancelled"),
    0x20: (0, b"\x83\xa2id\x01\xa4size\x00\xa6digest\xc4\x10" + bytes(16)),
    0x21: (0, b"\x82\xa2id\x01\xa4code\xa5limit"),
    0x23: (0, b"\x82\xa2id\x01\xa4last\xc3"),
    0x25: (0, b"\x82\xa2id\x01\xa5files\x91\x91\xc0"),
    0x26: (0, b"\x82\xa2id\x01\xa5codes\x91\xc0"),
    0x27: (0, b"\x81\xa2id\x01"),
}
SAMPLES[0x24] = (0, SAMPLES[0x24][1].replace(b"\xa2id\x02", b"\xa2id\x01"))
PATH = (b"name",)
# What a client waits for, and which types it takes then: with PING in all of them, and BYE as the end of the session.
WAITING = {
    "READ": (lambda session: session.read(PATH, MemorySink()), {0x21, 0x22}),
    "STAT": (lambda session: session.stat(PATH), {0x21, 0x24}),
    "SPACE": (lambda session: session.space(PATH), {0x21, 0x27}),
    "LIST": (lambda session: list(session.list(PATH)), {0x21, 0x23}),
    "REMOVE": (lambda session: session.remove(PATH), {0x20, 0x21}),
    "RENAME": (lambda session: session.rename(PATH, PATH), {0x20, 0x21}),
    "COPY": (lambda session: session.copy(PATH, PATH), {0x20, 0x21}),
    "MKDIR": (lambda session: session.make_directory(PATH), {0x20, 0x21}),
    "SUM": (lambda session: session.checksum(PATH), {0x20, 0x21}),
    "SETATTR": (lambda session: session.set_attributes(PATH, mode=0), {0x20, 0x21}),
}


def answer(seams, messages, kind, use):
    """What a client makes of a server that says some messages and then a frame of this kind."""
    flags, payload = SAMPLES.get(kind, (0, b"\x80"))
    sealer, _ = seams.pair(Suite.NONE, S2C)
    frames = [*as_frames(messages), Sealed(kind, flags, payload)] if messages else [Sealed(kind, flags, payload)]
    recording = b"".join(seams.seal(sealer, [frame]) for frame in frames)
    return to_client(seams, Suite.NONE, recording, use).error


@pytest.mark.parametrize("asked", WAITING)
def test_every_type_while_a_client_waits(seams, tell, asked):
    """All 256: those that answer it are taken, all others end the session as a breach of the protocol."""
    use, taken = WAITING[asked]
    welcome = Welcome(version=1, software="", capabilities=EVERYTHING, limits=WELCOME.limits)
    refused = 0
    for kind in range(256):
        error = answer(seams, [welcome], kind, use)
        if kind in taken or kind in (0x02, 0x06):
            assert not isinstance(error, ProtocolError), f"{kind:#04x}: {error}"
        else:
            assert type(error) is ProtocolError, f"{kind:#04x}: {error}"
            refused += 1
    tell("types while a client waits", refused)
    assert refused == 256 - len(taken) - 2


@pytest.mark.parametrize("state", ["START", "READING"])
def test_every_type_before_welcome_and_within_a_file(seams, tell, state):
    before, taken = {"START": ([], {0x01}), "READING": (ANSWERS[:2], {0x02, 0x03, 0x04, 0x05})}[state]
    refused = 0
    for kind in range(256):
        sink = MemorySink()
        error = answer(seams, before, kind, lambda session, sink=sink: session.read(PATH, sink))
        assert sink.data is None
        if kind in taken:
            # END is a fault after no bytes; the others are followed by the end of the connection.
            assert (type(error) is ProtocolError) == (kind == 0x04), f"{kind:#04x}: {error}"
        else:
            assert type(error) is ProtocolError, f"{kind:#04x}: {error}"
            refused += 1
    tell("types in a client's state", refused)
    assert refused == 256 - len(taken)


def test_a_direction_that_does_not_exist_at_a_client():
    """What only a client may say is among what is refused above."""
    upward = {entry.number for entry in MESSAGE_TYPES.values() if entry.directions == (Direction.TO_SERVER,)}
    assert upward
    assert not upward & {kind for _, taken in WAITING.values() for kind in taken}
