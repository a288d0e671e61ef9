"""Random bytes, corrupted messages, random conversations: the result is a message or a `ProtocolError`."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import ProtocolError
from secftp.protocol import (
    MESSAGE_TYPES,
    Abort,
    Cancel,
    Capacity,
    CompressedData,
    Copy,
    Data,
    Direction,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Hole,
    Info,
    Kind,
    List,
    Listed,
    NewFile,
    Ok,
    Ping,
    Read,
    ReadMany,
    Receiver,
    Rename,
    RequestQueue,
    Results,
    SmallFile,
    Space,
    Stat,
    State,
    Sum,
    Write,
    WriteMany,
    decode,
    encode,
)
from tests.protocol.test_codec import EXAMPLES

QUICK = settings(max_examples=200, deadline=None, derandomize=True)
TYPES = list(MESSAGE_TYPES.values())
NUMBERS = st.sampled_from(list(MESSAGE_TYPES)) | st.integers(0, 255)
FIELDS = sorted({name for entry in TYPES for name in entry.struct.__struct_fields__})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=220)
    | st.binary(max_size=260)
    | st.sampled_from([*ErrorCode, *Kind, "xxh128", "sha256", 0, 1, 2**32 - 1, 2**63 - 1])
)
IDS = st.integers(1, 6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def try_decode(number: int, flags: int, payload: bytes, direction: Direction) -> None:
    """What decodes must encode again, and mean the same."""
    try:
        message = decode(number, flags, payload, direction)
    except ProtocolError as error:
        sentence = str(error)
    else:
        sentence = ""
        again = encode(message)
        assert again[:2] == (number, flags)
        assert decode(*again, direction) == message
    assert sentence.isascii()
    assert sentence.isprintable()


@QUICK
@given(NUMBERS, st.integers(0, 255) | st.just(0), st.binary(max_size=200), st.sampled_from(Direction))
def test_random_bytes(number, flags, payload, direction):
    try_decode(number, flags, payload, direction)


@QUICK
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), VALUES, max_size=8))
def test_random_maps(entry, fields):
    payload = msgspec.msgpack.encode(fields)
    for direction in Direction:
        try_decode(entry.number, entry.flags, payload, direction)


@QUICK
@given(st.sampled_from(EXAMPLES), st.data())
def test_damaged_messages(example, data):
    _, direction, number, flags, payload = example
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged)))
        cut = data.draw(st.integers(0, 2))
        damaged[place : place + cut] = data.draw(st.binary(max_size=2))
    try_decode(number, flags, bytes(damaged), direction)


COMPONENTS = st.sampled_from([b"a", b"..", b".", b"", b"/", b"a/b", b"\0", b"x" * 255, b"x" * 256]) | st.binary(
    max_size=8
)
PATHS = st.lists(COMPONENTS, max_size=3) | st.lists(st.just(b"x"), min_size=60, max_size=66)
SIZES = st.sampled_from([0, 1, 2**63 - 1, 2**63, -1]) | st.integers(0, 2**63 - 1)
MODES = st.sampled_from([0, 0o644, 0o7777, 0o10000]) | st.none()
TIMES = st.integers(-(2**63), 2**64 - 1) | st.none()
DIGESTS = st.sampled_from([bytes(16), bytes(32), bytes(15), bytes(33)])
CODES = st.sampled_from([None, *ErrorCode, "other"])
SMALLS = st.binary(max_size=20) | st.sampled_from([bytes(32768), bytes(32769)])
# What stands in the arrays of the messages that are about many files: near the truth, with hostile parts, any length.
ARRAYS = {
    0x19: ("paths", PATHS),
    0x1A: ("files", st.tuples(PATHS, SMALLS, DIGESTS, MODES, TIMES)),
    0x23: ("entries", st.tuples(PATHS, st.sampled_from([None, *Kind, "link"]), SIZES, TIMES, MODES, CODES)),
    0x24: ("parts", st.tuples(SIZES, SIZES)),
    0x25: ("files", st.tuples(CODES, SMALLS, DIGESTS, TIMES, MODES)),
    0x26: ("codes", CODES),
}
OTHERS = {0x24: {"kind": "file", "size": 0, "mtime_ns": 0, "mode": 0}}  # what else is required
WAYS = {0x19: Direction.TO_SERVER, 0x1A: Direction.TO_SERVER}


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(ARRAYS)), st.data())
def test_hostile_arrays(number, data):
    """Whatever passes keeps every rule: no path that is none, no count, size or code beyond its bound."""
    name, element = ARRAYS[number]
    elements = data.draw(st.lists(element, max_size=4))
    if elements and number not in (0x19, 0x26):
        cut = data.draw(st.integers(0, len(elements[-1])))
        elements[-1] = elements[-1][:cut]
    payload = msgspec.msgpack.encode({"id": data.draw(IDS), **OTHERS.get(number, {}), name: elements})
    direction = WAYS.get(number, Direction.TO_CLIENT)
    try_decode(number, 0, payload, direction)
    try:
        message = decode(number, 0, payload, direction)
    except ProtocolError:
        return
    told = getattr(message, name)
    assert len(told) == len(elements)
    for path in told if name == "paths" else [t.path for t in told if isinstance(t, Listed | NewFile)]:
        assert 1 <= len(path) <= 64
        assert not any(c in (b"", b".", b"..") or b"/" in c or b"\0" in c or len(c) > 255 for c in path)
    for file in told if name == "files" else ():
        assert len(file.data) <= 32768
        assert len(file.digest) in (16, 32)
    for size in getattr(message, "clear_sizes", ()):
        assert size is None or 1 <= size <= 32768
    for code in told if name == "codes" else ():
        assert code in (None, *ErrorCode)
    for before, part in itertools.pairwise(told if name == "parts" else ()):
        assert 0 <= before.at < before.at + before.size < part.at < part.at + part.size < 2**63


# --- whole conversations against a plain model ----------------------------------------------------------------------

PATH = (b"a",)
SMALL = st.integers(0, 4)
DIGEST = bytes(16)
NEW = NewFile(PATH, b"", DIGEST)
ASKED = {
    Read: {File, Error},
    Write: {Ok, Error},
    Stat: {Info, Error},
    Space: {Capacity, Error},
    List: {Entries, Error},
    Rename: {Ok, Error},
    Copy: {Ok, Error},
    Sum: {Ok, Error},
    ReadMany: {Files, Error},
    WriteMany: {Results, Error},
}

UPWARD = (
    st.builds(Read, id=IDS, path=st.just(PATH), compress=st.sampled_from([None, 1]), holes=st.booleans())
    | st.builds(Stat, id=IDS, path=st.just(PATH))
    | st.builds(Space, id=IDS, path=st.just(PATH))
    | st.builds(Write, id=IDS, path=st.just(PATH), size=st.none() | SMALL)
    | st.builds(List, id=IDS)
    | st.builds(Rename, id=IDS, path=st.just(PATH), to=st.just(PATH))
    | st.builds(Copy, id=IDS, path=st.just(PATH), to=st.just(PATH))
    | st.builds(Sum, id=IDS, path=st.just(PATH))
    | st.builds(ReadMany, id=IDS, paths=st.lists(st.just(PATH), min_size=1, max_size=3).map(tuple))
    | st.builds(WriteMany, id=IDS, files=st.lists(st.just(NEW), min_size=1, max_size=3).map(tuple))
    | st.builds(Cancel, id=IDS)
)
DOWNWARD = (
    st.builds(File, id=IDS, size=SMALL, mtime_ns=st.just(0), mode=st.just(0))
    | st.builds(Error, id=IDS, code=st.just(ErrorCode.LIMIT))
    | st.builds(Ok, id=IDS)
    | st.builds(Ok, id=IDS, size=SMALL, digest=st.just(DIGEST))
    | st.builds(Entries, id=IDS, entries=st.sampled_from([(), (Listed(PATH, None),)]), last=st.booleans())
    | st.builds(Files, id=IDS, files=st.lists(st.just(SmallFile(None)), min_size=1, max_size=3).map(tuple))
    | st.builds(Results, id=IDS, codes=st.lists(st.none(), min_size=1, max_size=3).map(tuple))
    | st.builds(Capacity, id=IDS, free=st.none() | SMALL)
    | st.builds(Info, id=IDS, kind=st.just(Kind.FILE), size=SMALL, mtime_ns=st.just(0), mode=st.just(0))
)
EITHER = (
    st.builds(Data, st.binary(min_size=1, max_size=2))
    | st.builds(CompressedData, st.integers(1, 3), st.just(b"frame"))
    | st.builds(Hole, size=st.integers(1, 3))
    | st.builds(End, size=SMALL, digest=st.just(DIGEST))
    | st.just(Abort(code=ErrorCode.CHANGED))
    | st.just(Ping())
)
STEPS = st.tuples(st.just(Direction.TO_SERVER), UPWARD | EITHER) | st.tuples(
    st.just(Direction.TO_CLIENT), DOWNWARD | EITHER
)
GREETING = msgspec.structs.replace(EXAMPLES[0][0], capabilities=("zstd", "holes"))


class Model:
    """The rules again, from the log of all messages so far and nothing else: slow, plain, and without a state."""

    def __init__(self) -> None:
        self.log: list[tuple[Direction, object]] = []

    def way(self, direction):
        return [message for way, message in self.log if way is direction]

    def under_way(self, direction):
        """The announcement and the bytes of the file that is open in this direction, or None."""
        opened = None
        for message in self.way(direction):
            if isinstance(message, Write | File):
                opened = [message.size, 0]
            elif isinstance(message, Data):
                opened[1] += len(message.payload)
            elif isinstance(message, CompressedData):
                opened[1] += message.clear_size
            elif isinstance(message, Hole):
                opened[1] += message.size
            elif isinstance(message, End | Abort):
                opened = None
        return opened

    def told(self, asked):
        """All replies to this request so far."""
        return [m for m in self.way(Direction.TO_CLIENT) if getattr(m, "id", None) == asked.id]

    def answered(self, asked) -> bool:
        replies = self.told(asked)
        if any(isinstance(reply, Error) for reply in replies):
            return True
        match asked:
            case List():
                return any(reply.last for reply in replies)
            case ReadMany():
                return sum(len(reply.files) for reply in replies) == len(asked.paths)
        return bool(replies)

    def asked(self):
        return [m for m in self.way(Direction.TO_SERVER) if type(m) in ASKED]

    def unanswered(self):
        return [m for m in self.asked() if not self.answered(m)]

    def unanswered_read(self):
        """The READ whose file comes now."""
        told = next(m for m in reversed(self.way(Direction.TO_CLIENT)) if isinstance(m, File))
        return next(m for m in self.asked() if m.id == told.id)

    def ended(self, write) -> bool:
        sent = self.way(Direction.TO_SERVER)
        rest = sent[sent.index(write) + 1 :]
        return next((isinstance(m, End) for m in rest if isinstance(m, End | Abort)), False)

    def allows(self, direction, message) -> bool:  # noqa: PLR0911 - one return a rule
        opened = self.under_way(direction)
        asked = self.asked()
        match message:
            case Ping():
                return True
            case Data(payload):
                return opened is not None and (opened[0] is None or opened[1] + len(payload) <= opened[0])
            case CompressedData(size):
                fits = opened is not None and (opened[0] is None or opened[1] + size <= opened[0])
                return fits and (direction is Direction.TO_SERVER or self.unanswered_read().compress is not None)
            case Hole(size=size):
                fits = opened is not None and (opened[0] is None or opened[1] + size <= opened[0])
                return fits and (direction is Direction.TO_SERVER or self.unanswered_read().holes)
            case End(size=size):
                return opened is not None and size == opened[1] and opened[0] in (None, size)
            case Abort():
                return opened is not None
            case Cancel(id=number):
                cancels = [m for m in self.way(Direction.TO_SERVER) if isinstance(m, Cancel)]
                return len(cancels) < len(asked) and number <= asked[-1].id
            case _ if type(message) in ASKED:
                return opened is None and (not asked or message.id > asked[-1].id)
        waiting = self.unanswered()
        if opened is not None or not waiting or waiting[0].id != message.id:
            return False
        first = waiting[0]
        if isinstance(message, Ok) and isinstance(first, Write) and not self.ended(first):
            return False
        if isinstance(message, Ok) and isinstance(first, Sum) and message.digest is None:
            return False
        if isinstance(message, Ok) and isinstance(first, Copy) and message.size is None:
            return False
        if isinstance(message, Files) and isinstance(first, ReadMany):
            return sum(len(m.files) for m in [*self.told(first), message]) <= len(first.paths)
        if isinstance(message, Results) and isinstance(first, WriteMany):
            return len(message.codes) == len(first.files)
        return type(message) in ASKED[type(first)]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(STEPS, max_size=30))
def test_conversations(steps):
    """Refused steps are dropped from the conversation, so that it goes on and reaches deep states."""
    model = Model()
    for direction, message in steps:
        allowed = model.allows(direction, message)
        # A refusal is final, so each question is put to receivers that have seen the legal part afresh.
        pending = RequestQueue()
        receivers = {way: Receiver(way, pending, 0.0) for way in Direction}
        receivers[Direction.TO_CLIENT].accept(GREETING, 0.0)
        for way, earlier in model.log:
            receivers[way].accept(earlier, 0.0)
        if allowed:
            receivers[direction].accept(message, 0.0)
            model.log.append((direction, message))
        else:
            with pytest.raises(ProtocolError):
                receivers[direction].accept(message, 0.0)
            assert receivers[direction].state is State.FAILED
