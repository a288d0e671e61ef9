"""Random bytes, damaged messages and random conversations: a message, a `ProtocolError`, and never anything else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import ProtocolError
from secftp.messages import (
    Abort,
    Cancel,
    Data,
    Direction,
    End,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    Ok,
    Pending,
    Ping,
    Read,
    Receiver,
    Stat,
    State,
    Write,
    decode,
    encode,
)
from secftp.messages.schema import REGISTRY
from tests.test_messages_codec import EXAMPLES

QUICK = settings(max_examples=200, deadline=None, derandomize=True)
NUMBERS = st.sampled_from([entry.number for entry in REGISTRY]) | st.integers(0, 255)
FIELDS = sorted({name for entry in REGISTRY for name in entry.struct.__struct_fields__})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=220)
    | st.binary(max_size=260)
    | st.sampled_from([*ErrorCode, *Kind, "xxh128", "sha256", 0, 1, 2**32 - 1, 2**63 - 1])
)
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
@given(st.sampled_from(REGISTRY), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), VALUES, max_size=8))
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


# --- whole conversations against a plain model ----------------------------------------------------------------------

PATH = (b"a",)
IDS = st.integers(1, 6)
SMALL = st.integers(0, 4)
DIGEST = bytes(16)
ASKED = {Read: {File, Error}, Write: {Ok, Error}, Stat: {Info, Error}}

UPWARD = (
    st.builds(Read, id=IDS, path=st.just(PATH))
    | st.builds(Stat, id=IDS, path=st.just(PATH))
    | st.builds(Write, id=IDS, path=st.just(PATH), size=st.none() | SMALL)
    | st.builds(Cancel, id=IDS)
)
DOWNWARD = (
    st.builds(File, id=IDS, size=SMALL, mtime_ns=st.just(0), mode=st.just(0))
    | st.builds(Error, id=IDS, code=st.just(ErrorCode.LIMIT))
    | st.builds(Ok, id=IDS)
    | st.builds(Info, id=IDS, kind=st.just(Kind.FILE), size=SMALL, mtime_ns=st.just(0), mode=st.just(0))
)
EITHER = (
    st.builds(Data, st.binary(min_size=1, max_size=2))
    | st.builds(End, size=SMALL, digest=st.just(DIGEST))
    | st.just(Abort(code=ErrorCode.CHANGED))
    | st.just(Ping())
)
STEPS = st.tuples(st.just(Direction.TO_SERVER), UPWARD | EITHER) | st.tuples(
    st.just(Direction.TO_CLIENT), DOWNWARD | EITHER
)
GREETING = EXAMPLES[0][0]


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
            elif isinstance(message, End | Abort):
                opened = None
        return opened

    def unanswered(self):
        done = {m.id for m in self.way(Direction.TO_CLIENT) if isinstance(m, Ok | Error | Info | File)}
        return [m for m in self.way(Direction.TO_SERVER) if isinstance(m, Read | Write | Stat) and m.id not in done]

    def ended(self, write) -> bool:
        sent = self.way(Direction.TO_SERVER)
        rest = sent[sent.index(write) + 1 :]
        return next((isinstance(m, End) for m in rest if isinstance(m, End | Abort)), False)

    def allows(self, direction, message) -> bool:  # noqa: PLR0911 - one return a rule
        opened = self.under_way(direction)
        asked = [m for m in self.way(Direction.TO_SERVER) if isinstance(m, Read | Write | Stat)]
        match message:
            case Ping():
                return True
            case Data(payload):
                return opened is not None and (opened[0] is None or opened[1] + len(payload) <= opened[0])
            case End(size=size):
                return opened is not None and size == opened[1] and opened[0] in (None, size)
            case Abort():
                return opened is not None
            case Cancel(id=number):
                cancels = [m for m in self.way(Direction.TO_SERVER) if isinstance(m, Cancel)]
                return len(cancels) < len(asked) and number <= asked[-1].id
            case Read() | Write() | Stat():
                return opened is None and (not asked or message.id > asked[-1].id)
        waiting = self.unanswered()
        if opened is not None or not waiting or waiting[0].id != message.id:
            return False
        if isinstance(message, Ok) and not self.ended(waiting[0]):
            return False
        return type(message) in ASKED[type(waiting[0])]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(STEPS, max_size=30))
def test_conversations(steps):
    """Refused steps are dropped from the conversation, so that it goes on and reaches deep states."""
    model = Model()
    for direction, message in steps:
        allowed = model.allows(direction, message)
        # A refusal is final, so each question is put to receivers that have seen the legal part afresh.
        pending = Pending()
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
