"""Message layer of the model against the product's: the same bytes mean the same, and are refused alike.

Two decoders that share no line: whatever one of them takes, the other takes too, and the other way about.
"""

from __future__ import annotations

import enum

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import ProtocolError
from secftp.protocol import MESSAGE_TYPES, Direction, decode
from secftp.protocol.state import TRANSITIONS, State
from tests.model import messages as model
from tests.model import order
from tests.model.messages import Broken, Message
from tests.model.msgpack import Extension, Malformed, Pairs, pack, unpack
from tests.protocol.test_bounds import BOUNDS
from tests.protocol.test_codec import EXAMPLES, MAPS
from tests.protocol.test_fuzz import ARRAYS, FIELDS, NUMBERS, OTHERS, VALUES

TYPES = list(MESSAGE_TYPES.values())
WAY = {Direction.TO_SERVER: model.UP, Direction.TO_CLIENT: model.DOWN}


def plain(value):
    """A product's value as the model has it."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value.value if isinstance(value, enum.Enum) else value


def as_model(message) -> Message:
    name = message.TYPE.name
    if name == "DATA":
        return Message(name, payload=bytes(message.payload))
    if name == "ZDATA":
        return Message(name, {"clear_size": message.clear_size}, bytes(message.frame))
    return Message(name, plain(message))


def both(number, flags, payload, direction):
    """What the two make of a frame: the same message, or a refusal on both sides (None)."""
    try:
        theirs = model.decode(number, flags, payload, WAY[direction])
    except Broken:
        theirs = None
    try:
        ours = as_model(decode(number, flags, payload, direction))
    except ProtocolError:
        ours = None
    assert ours == theirs, (number, flags, payload)
    return ours


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), EXAMPLES)
def test_examples(message, direction, number, flags, payload):
    assert both(number, flags, payload, direction) == as_model(message)
    if (message, direction, number, flags, payload) in MAPS:
        fields = {name: value for name, value in unpack(payload)}  # noqa: C416 - from pairs to a dict
        assert model.encode(message.TYPE.name, **fields) == (number, flags, payload)


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), MAPS)
def test_every_cut_and_every_changed_byte(message, direction, number, flags, payload):
    """Each byte by each of some others: what comes of it is the same on both sides, whatever it is."""
    for end in range(len(payload)):
        assert both(number, flags, payload[:end], direction) is None
    for at in range(len(payload)):
        for value in {0, 1, 0x7F, 0x80, 0x90, 0xC0, 0xC1, 0xC4, 0xCA, 0xDD, 0xFF, payload[at] ^ 1, payload[at] ^ 0x20}:
            both(number, flags, payload[:at] + bytes([value]) + payload[at + 1 :], direction)


@pytest.mark.parametrize(("number", "flags", "direction", "fields", "name", "good", "bad"), BOUNDS)
def test_bounds(number, flags, direction, fields, name, good, bad):
    for value in good:
        assert both(number, flags, msgspec.msgpack.encode({**fields, name: value}), direction) is not None
    for value in bad:
        assert both(number, flags, msgspec.msgpack.encode({**fields, name: value}), direction) is None


MANY = settings(max_examples=200, deadline=None, derandomize=True)


@MANY
@given(NUMBERS, st.sampled_from([0, 1]), st.binary(max_size=100), st.sampled_from(Direction))
def test_random_bytes(number, flags, payload, direction):
    both(number, flags, payload, direction)


@MANY
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), VALUES, max_size=8))
def test_random_maps(entry, fields):
    for direction in Direction:
        both(entry.number, entry.flags, msgspec.msgpack.encode(fields), direction)


@MANY
@given(st.sampled_from(MAPS), st.data())
def test_damaged_messages(example, data):
    _, direction, number, flags, payload = example
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged)))
        damaged[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    both(number, flags, bytes(damaged), direction)


@MANY
@given(st.sampled_from(sorted(ARRAYS)), st.data())
def test_hostile_arrays(number, data):
    name, element = ARRAYS[number]
    payload = msgspec.msgpack.encode(
        {"id": 1, **OTHERS.get(number, {}), name: data.draw(st.lists(element, max_size=3))}
    )
    both(number, 0, payload, next(iter(MESSAGE_TYPES[number].directions)))


def test_the_tables_are_the_same():
    assert {each.number: (each.name, set(each.ways), each.longest) for each in model.TYPES} == {
        entry.number: (entry.name, {WAY[d] for d in entry.directions}, entry.longest) for entry in TYPES
    }
    assert {entry.name: {reply.TYPE.name for reply in entry.answers} for entry in TYPES if entry.answers} == {
        asked: {answer, "ERROR"} for asked, answer in order.ANSWERS.items()
    }
    assert {
        (WAY[direction], state.name): {struct.TYPE.name: following.name for struct, following in row.items()}
        for direction, table in TRANSITIONS.items()
        for state, row in table.items()
        if state is not State.FAILED
    } == order.STATES


# --- MessagePack itself -----------------------------------------------------------------------------------------------


def as_library(value):
    """A value of the model's as msgspec has it."""
    if isinstance(value, Pairs):
        return {as_library(k): as_library(v) for k, v in value}
    if isinstance(value, Extension):
        return msgspec.msgpack.Ext(value.code - 256 if value.code > 127 else value.code, value.data)
    return list(map(as_library, value)) if isinstance(value, list) else value


@MANY
@given(VALUES)
def test_what_one_packs_the_other_reads(value):
    packed = msgspec.msgpack.encode(value)
    assert repr(as_library(unpack(packed))) == repr(msgspec.msgpack.decode(packed))
    try:
        assert pack(value) == packed
    except TypeError:
        assert "float" in str(list(map(type, flat(value))))


def flat(value):
    if isinstance(value, list):
        return [part for each in value for part in flat(each)]
    if isinstance(value, dict):
        return [part for pair in value.items() for each in pair for part in flat(each)]
    return [value]


@pytest.mark.parametrize(
    ("packed", "value"),
    [
        (b"\xd9\x01a", "a"),
        (b"\xda\x00\x01a", "a"),
        (b"\xdb\x00\x00\x00\x01a", "a"),
        (b"\xc4\x01a", b"a"),
        (b"\xc5\x00\x01a", b"a"),
        (b"\xc6\x00\x00\x00\x01a", b"a"),
        (b"\xdc\x00\x01\xc0", [None]),
        (b"\xdd\x00\x00\x00\x01\xc0", [None]),
        (b"\xde\x00\x01\xc0\xc3", Pairs([(None, True)])),
        (b"\xdf\x00\x00\x00\x01\xc0\xc2", Pairs([(None, False)])),
        (b"\xd0\xff", -1),
        (b"\xd1\xff\xff", -1),
        (b"\xd2\xff\xff\xff\xff", -1),
        (b"\xd3" + b"\xff" * 8, -1),
        (b"\xcf" + b"\xff" * 8, 2**64 - 1),
        (b"\xca\x3f\x80\x00\x00", 1.0),
        (b"\xcb\x3f\xf0" + bytes(6), 1.0),
        (b"\xd4\x05x", Extension(5, b"x")),
        (b"\xd8\x05" + bytes(16), Extension(5, bytes(16))),
        (b"\xc7\x02\x05xy", Extension(5, b"xy")),
    ],
)
def test_every_spelling(packed, value):
    assert unpack(packed) == value
    for end in range(len(packed)):
        with pytest.raises(Malformed):
            unpack(packed[:end])
    with pytest.raises(Malformed):
        unpack(packed + b"\xc0")


def test_what_is_no_messagepack():
    for bad in (b"", b"\xc1", b"\xa1\xff", b"\x91" * 1000):
        with pytest.raises(Malformed):
            unpack(bad)
