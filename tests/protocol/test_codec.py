"""Encoding of messages: one table of examples, decoded whole, truncated anywhere, with trailing bytes, and as views."""

from __future__ import annotations

import resource
import sys

import msgspec
import msgspec.inspect
import pytest

from secftp.errors import NameRefused, ProtocolError, UsageError
from secftp.protocol import (
    MESSAGE_TYPES,
    Abort,
    Algorithm,
    Bye,
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
    MakeDirectory,
    NewFile,
    Ok,
    Part,
    Ping,
    Read,
    ReadMany,
    Remove,
    Rename,
    Results,
    SessionLimits,
    SetAttributes,
    SmallFile,
    Space,
    Stat,
    Sum,
    Welcome,
    Write,
    WriteMany,
    are_zeros,
    backup_path,
    decode,
    encode,
    zeros,
)
from secftp.protocol.limits import (
    MAX_BULK,
    MAX_CAPABILITIES,
    MAX_CAPABILITY,
    MAX_CONTROL,
    MAX_ID,
    MAX_MANY,
    MAX_MODE,
    MAX_REQUESTS,
    MAX_SECONDS,
    MAX_SIZE,
    MAX_SMALL,
    MAX_SOFTWARE,
    MAX_TEXT,
)

TYPES = list(MESSAGE_TYPES.values())
UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
DIGEST = bytes(range(16))
# A zstd frame (RFC 8878) of 1,000 times the letter a: magic, one segment, its size less 256, the last block, a run.
RUN = b"\x28\xb5\x2f\xfd\x60\xe8\x02\x43\x1f\x00a"
LIMITS = SessionLimits(requests=64, keepalive=15, idle=60)
TOKEN = bytes(range(16, 32))

# (message, direction, type, flags, payload). The payloads are written out by hand from docs/PROTOCOL.md.
EXAMPLES = [
    (
        Welcome(version=1, software="secftp", capabilities=("ranges", "stat"), limits=LIMITS),
        DOWN,
        0x01,
        0,
        (
            b"\x84\xa7version\x01\xa8software\xa6secftp\xaccapabilities\x92\xa6ranges\xa4stat"
            b"\xa6limits\x83\xa8requests\x40\xa9keepalive\x0f\xa4idle\x3c"
        ),
    ),
    (Ping(), UP, 0x02, 0, b""),
    (Ping(), DOWN, 0x02, 0, b""),
    (Data(b"abc"), UP, 0x03, 0, b"abc"),
    (Data(b"abc"), DOWN, 0x03, 0, b"abc"),
    (CompressedData(1000, RUN), UP, 0x07, 0, b"\0\0\x03\xe8" + RUN),
    (CompressedData(1000, RUN), DOWN, 0x07, 0, b"\0\0\x03\xe8" + RUN),
    (Hole(size=2**26), UP, 0x08, 0, b"\x81\xa4size\xce\x04\0\0\0"),
    (Hole(size=1), DOWN, 0x08, 0, b"\x81\xa4size\x01"),
    (End(size=3, digest=DIGEST), UP, 0x04, 1, b"\x82\xa4size\x03\xa6digest\xc4\x10" + DIGEST),
    (End(size=3, digest=DIGEST), DOWN, 0x04, 1, b"\x82\xa4size\x03\xa6digest\xc4\x10" + DIGEST),
    (
        End(size=3, digest=DIGEST, whole=TOKEN),
        UP,
        0x04,
        1,
        b"\x83\xa4size\x03\xa6digest\xc4\x10" + DIGEST + b"\xa5whole\xc4\x10" + TOKEN,
    ),
    (Abort(code=ErrorCode.CHANGED, text="no"), UP, 0x05, 0, b"\x82\xa4code\xa7changed\xa4text\xa2no"),
    (Abort(code=ErrorCode.CHANGED), DOWN, 0x05, 0, b"\x82\xa4code\xa7changed\xa4text\xa0"),
    (Bye(), UP, 0x06, 1, b"\x80"),
    (Bye(code=ErrorCode.CANCELLED), UP, 0x06, 1, b"\x81\xa4code\xa9cancelled"),
    (Bye(code=ErrorCode.STOPPING), DOWN, 0x06, 1, b"\x81\xa4code\xa8stopping"),
    (Cancel(id=7), UP, 0x0F, 0, b"\x81\xa2id\x07"),
    (Read(id=1, path=(b"a", b"b")), UP, 0x10, 0, b"\x82\xa2id\x01\xa4path\x92\xc4\x01a\xc4\x01b"),
    (
        Read(id=1, path=(b"a",), offset=5, length=6, algorithm=Algorithm.SHA256),
        UP,
        0x10,
        0,
        b"\x85\xa2id\x01\xa4path\x91\xc4\x01a\xa6offset\x05\xa6length\x06\xa9algorithm\xa6sha256",
    ),
    (
        Read(id=1, path=(b"a",), version=b""),
        UP,
        0x10,
        0,
        b"\x83\xa2id\x01\xa4path\x91\xc4\x01a\xa7version\xc4\x00",
    ),
    (
        Read(id=1, path=(b"a",), offset=5, length=6, version=b"xy", additional=True),
        UP,
        0x10,
        0,
        b"\x86\xa2id\x01\xa4path\x91\xc4\x01a\xa6offset\x05\xa6length\x06\xa7version\xc4\x02xy\xaaadditional\xc3",
    ),
    (
        Read(id=1, path=(b"a",), compress=19),
        UP,
        0x10,
        0,
        b"\x83\xa2id\x01\xa4path\x91\xc4\x01a\xa8compress\x13",
    ),
    (
        Read(id=1, path=(b"a",), holes=True),
        UP,
        0x10,
        0,
        b"\x83\xa2id\x01\xa4path\x91\xc4\x01a\xa5holes\xc3",
    ),
    (
        Write(id=1, path=(b"a",), size=9, holes=8),
        UP,
        0x11,
        0,
        b"\x84\xa2id\x01\xa4path\x91\xc4\x01a\xa4size\x09\xa5holes\x08",
    ),
    (
        File(id=1, size=9, mtime_ns=0, mode=0, holes=8),
        DOWN,
        0x22,
        0,
        b"\x85\xa2id\x01\xa4size\x09\xa8mtime_ns\x00\xa4mode\x00\xa5holes\x08",
    ),
    (
        Write(id=1, path=(b"a",), backup=b"~"),
        UP,
        0x11,
        0,
        b"\x83\xa2id\x01\xa4path\x91\xc4\x01a\xa6backup\xc4\x01~",
    ),
    (Write(id=2, path=(b"a",)), UP, 0x11, 0, b"\x82\xa2id\x02\xa4path\x91\xc4\x01a"),
    (
        Write(id=2, path=(b"a",), size=3, algorithm=Algorithm.MD5, overwrite=False, mode=0o644, mtime_ns=-1),
        UP,
        0x11,
        0,
        (
            b"\x87\xa2id\x02\xa4path\x91\xc4\x01a\xa4size\x03\xa9algorithm\xa3md5\xa9overwrite\xc2\xa4mode\xcd\x01\xa4"
            b"\xa8mtime_ns\xff"
        ),
    ),
    (Stat(id=3, path=(b"\xff",)), UP, 0x12, 0, b"\x82\xa2id\x03\xa4path\x91\xc4\x01\xff"),
    (
        Read(id=1, path=(b"a",), offset=5, prefix=DIGEST),
        UP,
        0x10,
        0,
        b"\x84\xa2id\x01\xa4path\x91\xc4\x01a\xa6offset\x05\xa6prefix\xc4\x10" + DIGEST,
    ),
    (
        Write(id=2, path=(b"a",), offset=300, prefix=DIGEST, keep=True),
        UP,
        0x11,
        0,
        b"\x85\xa2id\x02\xa4path\x91\xc4\x01a\xa6offset\xcd\x01\x2c\xa6prefix\xc4\x10" + DIGEST + b"\xa4keep\xc3",
    ),
    (
        Write(id=2, path=(b"a",), size=3, upload=TOKEN, at=300, total=303, additional=True),
        UP,
        0x11,
        0,
        b"\x87\xa2id\x02\xa4path\x91\xc4\x01a\xa4size\x03\xa6upload\xc4\x10" + TOKEN + b"\xa2at\xcd\x01\x2c"
        b"\xa5total\xcd\x01\x2f\xaaadditional\xc3",
    ),
    (
        Write(id=2, path=(b"a",), size=0, prefix=DIGEST, keep=True, upload=TOKEN, at=0, total=0),
        UP,
        0x11,
        0,
        b"\x88\xa2id\x02\xa4path\x91\xc4\x01a\xa4size\x00\xa6prefix\xc4\x10" + DIGEST + b"\xa4keep\xc3"
        b"\xa6upload\xc4\x10" + TOKEN + b"\xa2at\x00\xa5total\x00",
    ),
    (Stat(id=3), UP, 0x12, 0, b"\x81\xa2id\x03"),
    (
        Stat(id=3, path=(b"a",), partial=True, parts=True),
        UP,
        0x12,
        0,
        b"\x84\xa2id\x03\xa4path\x91\xc4\x01a\xa7partial\xc3\xa5parts\xc3",
    ),
    (
        Stat(id=3, path=(b"a",), partial=True),
        UP,
        0x12,
        0,
        b"\x83\xa2id\x03\xa4path\x91\xc4\x01a\xa7partial\xc3",
    ),
    (List(id=3), UP, 0x13, 0, b"\x81\xa2id\x03"),
    (List(id=3, others=True), UP, 0x13, 0, b"\x82\xa2id\x03\xa6others\xc3"),
    (
        List(id=3, path=(b"a",), recursive=True),
        UP,
        0x13,
        0,
        b"\x83\xa2id\x03\xa4path\x91\xc4\x01a\xa9recursive\xc3",
    ),
    (
        Remove(id=3, path=(b"a",), kind=Kind.FILE),
        UP,
        0x14,
        0,
        b"\x83\xa2id\x03\xa4path\x91\xc4\x01a\xa4kind\xa4file",
    ),
    (
        Rename(id=3, path=(b"a",), to=(b"b", b"c"), overwrite=True),
        UP,
        0x15,
        0,
        b"\x84\xa2id\x03\xa4path\x91\xc4\x01a\xa2to\x92\xc4\x01b\xc4\x01c\xa9overwrite\xc3",
    ),
    (Copy(id=3, path=(b"a",), to=(b"b",)), UP, 0x1B, 0, b"\x83\xa2id\x03\xa4path\x91\xc4\x01a\xa2to\x91\xc4\x01b"),
    (
        Copy(id=3, path=(b"a",), to=(b"b", b"c"), overwrite=False, mode=0o700, mtime_ns=-1, token=TOKEN),
        UP,
        0x1B,
        0,
        b"\x87\xa2id\x03\xa4path\x91\xc4\x01a\xa2to\x92\xc4\x01b\xc4\x01c\xa9overwrite\xc2\xa4mode\xcd\x01\xc0"
        b"\xa8mtime_ns\xff\xa5token\xc4\x10" + TOKEN,
    ),
    (Space(id=7), UP, 0x1C, 0, b"\x81\xa2id\x07"),
    (Space(id=7, path=(b"a",)), UP, 0x1C, 0, b"\x82\xa2id\x07\xa4path\x91\xc4\x01a"),
    (Capacity(id=7), DOWN, 0x27, 0, b"\x81\xa2id\x07"),
    (
        Capacity(id=7, total=9, free=8, available=0, kept=2, largest=1, files=300, files_available=6, read_only=True),
        DOWN,
        0x27,
        0,
        (
            b"\x89\xa2id\x07\xa5total\x09\xa4free\x08\xa9available\x00\xa4kept\x02\xa7largest\x01"
            b"\xa5files\xcd\x01\x2c\xaffiles_available\x06\xa9read_only\xc3"
        ),
    ),
    (
        MakeDirectory(id=3, path=(b"a",), parents=True, mode=0o700),
        UP,
        0x16,
        0,
        b"\x84\xa2id\x03\xa4path\x91\xc4\x01a\xa7parents\xc3\xa4mode\xcd\x01\xc0",
    ),
    (
        Sum(id=3, path=(b"a",), offset=1, length=2, algorithm=Algorithm.BLAKE3),
        UP,
        0x17,
        0,
        b"\x85\xa2id\x03\xa4path\x91\xc4\x01a\xa6offset\x01\xa6length\x02\xa9algorithm\xa6blake3",
    ),
    (
        Sum(id=3, path=(b"a",), version=b"xy"),
        UP,
        0x17,
        0,
        b"\x83\xa2id\x03\xa4path\x91\xc4\x01a\xa7version\xc4\x02xy",
    ),
    (
        SetAttributes(id=3, path=(b"a",), mode=0, mtime_ns=-1),
        UP,
        0x18,
        0,
        b"\x84\xa2id\x03\xa4path\x91\xc4\x01a\xa4mode\x00\xa8mtime_ns\xff",
    ),
    (
        ReadMany(id=3, paths=((b"a",), (b"b", b"c")), algorithm=Algorithm.MD5),
        UP,
        0x19,
        0,
        b"\x83\xa2id\x03\xa5paths\x92\x91\xc4\x01a\x92\xc4\x01b\xc4\x01c\xa9algorithm\xa3md5",
    ),
    (
        WriteMany(
            id=3, files=(NewFile((b"a",), b"xyz", DIGEST, 0o600, -1), NewFile((b"b",), b"", DIGEST)), overwrite=False
        ),
        UP,
        0x1A,
        0,
        b"\x83\xa2id\x03\xa5files\x92"
        b"\x95\x91\xc4\x01a\xc4\x03xyz\xc4\x10" + DIGEST + b"\xcd\x01\x80\xff"
        b"\x95\x91\xc4\x01b\xc4\x00\xc4\x10" + DIGEST + b"\xc0\xc0"
        b"\xa9overwrite\xc2",
    ),
    (
        Entries(
            id=3,
            entries=(
                Listed((b"a", b"b"), Kind.FILE, 3, -1, 0o600),
                Listed((b"c",), None),
                Listed((b"d",), Kind.DIRECTORY, 0, 1, 2, ErrorCode.FORBIDDEN),
            ),
            last=True,
        ),
        DOWN,
        0x23,
        0,
        (
            b"\x83\xa2id\x03\xa7entries\x93"
            b"\x96\x92\xc4\x01a\xc4\x01b\xa4file\x03\xff\xcd\x01\x80\xc0"
            b"\x96\x91\xc4\x01c\xc0\x00\x00\x00\xc0"
            b"\x96\x91\xc4\x01d\xa6folder\x00\x01\x02\xa9forbidden"
            b"\xa4last\xc3"
        ),
    ),
    (Entries(id=3), DOWN, 0x23, 0, b"\x81\xa2id\x03"),
    (
        Files(id=3, files=(SmallFile(None, b"xyz", DIGEST, -1, 0o600), SmallFile(ErrorCode.TOO_LARGE))),
        DOWN,
        0x25,
        0,
        b"\x82\xa2id\x03\xa5files\x92"
        b"\x95\xc0\xc4\x03xyz\xc4\x10" + DIGEST + b"\xff\xcd\x01\x80"
        b"\x95\xa9too_large\xc4\x00\xc4\x10" + bytes(16) + b"\x00\x00",
    ),
    (
        Files(id=3, files=(SmallFile(None, RUN, DIGEST), SmallFile(ErrorCode.TOO_LARGE)), clear_sizes=(1000, None)),
        DOWN,
        0x25,
        0,
        b"\x83\xa2id\x03\xa5files\x92"
        b"\x95\xc0\xc4\x0b" + RUN + b"\xc4\x10" + DIGEST + b"\x00\x00"
        b"\x95\xa9too_large\xc4\x00\xc4\x10" + bytes(16) + b"\x00\x00"
        b"\xabclear_sizes\x92\xcd\x03\xe8\xc0",
    ),
    (
        WriteMany(id=3, files=(NewFile((b"a",), RUN, DIGEST),), clear_sizes=(1000,)),
        UP,
        0x1A,
        0,
        b"\x83\xa2id\x03\xa5files\x91\x95\x91\xc4\x01a\xc4\x0b" + RUN + b"\xc4\x10" + DIGEST + b"\xc0\xc0"
        b"\xabclear_sizes\x91\xcd\x03\xe8",
    ),
    (
        ReadMany(id=3, paths=((b"a",),), compress=3),
        UP,
        0x19,
        0,
        b"\x83\xa2id\x03\xa5paths\x91\x91\xc4\x01a\xa8compress\x03",
    ),
    (
        Results(id=3, codes=(None, ErrorCode.NOT_EMPTY, None)),
        DOWN,
        0x26,
        0,
        b"\x82\xa2id\x03\xa5codes\x93\xc0\xa9not_empty\xc0",
    ),
    (Ok(id=2), DOWN, 0x20, 0, b"\x81\xa2id\x02"),
    (Ok(id=2, complete=True), DOWN, 0x20, 0, b"\x82\xa2id\x02\xa8complete\xc3"),
    (Ok(id=2, size=3, digest=DIGEST), DOWN, 0x20, 0, b"\x83\xa2id\x02\xa4size\x03\xa6digest\xc4\x10" + DIGEST),
    (
        Error(id=2, code=ErrorCode.NOT_FOUND, text="é"),
        DOWN,
        0x21,
        0,
        b"\x83\xa2id\x02\xa4code\xa9not_found\xa4text\xa2\xc3\xa9",
    ),
    (
        File(id=1, size=3, mtime_ns=10**18, mode=0o600),
        DOWN,
        0x22,
        0,
        b"\x84\xa2id\x01\xa4size\x03\xa8mtime_ns\xcf\x0d\xe0\xb6\xb3\xa7\x64\x00\x00\xa4mode\xcd\x01\x80",
    ),
    (
        File(id=1, size=3, mtime_ns=0, mode=0, version=b"xy", total=300),
        DOWN,
        0x22,
        0,
        b"\x86\xa2id\x01\xa4size\x03\xa8mtime_ns\x00\xa4mode\x00\xa7version\xc4\x02xy\xa5total\xcd\x01\x2c",
    ),
    (
        Info(id=3, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0o755),
        DOWN,
        0x24,
        0,
        b"\x85\xa2id\x03\xa4kind\xa6folder\xa4size\x00\xa8mtime_ns\x00\xa4mode\xcd\x01\xed",
    ),
    (
        Info(id=3, kind=Kind.FILE, size=3, mtime_ns=0, mode=0, total=303, parts=(Part(0, 3), Part(300, 2))),
        DOWN,
        0x24,
        0,
        (
            b"\x87\xa2id\x03\xa4kind\xa4file\xa4size\x03\xa8mtime_ns\x00\xa4mode\x00"
            b"\xa5total\xcd\x01\x2f\xa5parts\x92\x92\x00\x03\x92\xcd\x01\x2c\x02"
        ),
    ),
]
MAPS = [example for example in EXAMPLES if example[2] not in (0x02, 0x03, 0x07)]


def refused(number: int, flags: int, payload: bytes, direction: Direction) -> str:
    """Decode what has to be refused, and see that neither the sentence nor its cause repeats any of it."""
    with pytest.raises(ProtocolError) as caught:
        decode(number, flags, payload, direction)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_every_type_has_an_example_in_each_direction():
    assert {(entry.number, way) for entry in TYPES for way in entry.directions} == {e[2:3] + e[1:2] for e in EXAMPLES}


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), EXAMPLES)
def test_both_ways(message, direction, number, flags, payload):
    assert encode(message) == (number, flags, payload)
    for view in (payload, bytearray(payload), memoryview(b"?" + payload + b"?")[1:-1]):
        assert decode(number, flags, view, direction) == message


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), MAPS)
def test_every_cut_and_any_trailing_byte_is_refused(message, direction, number, flags, payload):
    for end in range(len(payload)):
        refused(number, flags, payload[:end], direction)
    for tail in range(256):
        refused(number, flags, payload + bytes([tail]), direction)
    refused(number, flags, payload + payload, direction)


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), EXAMPLES)
def test_the_flags_are_exact(message, direction, number, flags, payload):
    for wrong in range(256):
        if wrong != flags:
            assert "flags" in refused(number, wrong, payload, direction)


def test_a_type_goes_one_way_only():
    for entry in TYPES:
        for direction in set(Direction) - set(entry.directions):
            example = next(e for e in EXAMPLES if e[2] == entry.number)
            assert "does not travel" in refused(entry.number, entry.flags, example[4], direction)


def test_unknown_and_reserved_types_are_refused():
    unknown = set(range(256)) - set(MESSAGE_TYPES)
    assert {0x00, 0x09, 0x0E, 0x1D, 0x1F, 0x28, 0x80, 0xFF} <= unknown
    for number in unknown:
        for direction in Direction:
            for payload in (b"", b"\x80", b"\x82\xa2id\x01\xa4path\x91\xc4\x01a"):
                assert "unknown type" in refused(number, 0, payload, direction)


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), MAPS)
def test_unknown_fields_are_ignored(message, direction, number, flags, payload):
    fields = msgspec.msgpack.decode(payload)
    for value in (None, -1, 1.5, "x", b"\xff", [1, [2]], {"id": 1}, msgspec.msgpack.Ext(5, b"x")):
        for extended in ({**fields, "later": value}, {"later": value, **fields}):
            assert decode(number, flags, msgspec.msgpack.encode(extended), direction) == message


@pytest.mark.parametrize(("message", "direction", "number", "flags", "payload"), MAPS)
def test_a_field_given_twice_is_refused(message, direction, number, flags, payload):
    pairs = [msgspec.msgpack.encode(k) + msgspec.msgpack.encode(v) for k, v in msgspec.msgpack.decode(payload).items()]
    unknown = b"\xa5later\x01"
    for again in [*pairs, unknown]:
        body = pairs + ([again, again] if again is unknown else [again])
        for head in (
            bytes([0x80 | len(body)]),
            b"\xde\x00" + bytes([len(body)]),
            b"\xdf\x00\x00\x00" + bytes([len(body)]),
        ):
            assert "twice" in refused(number, flags, head + b"".join(body), direction)


def test_a_field_given_twice_in_limits_is_refused():
    payload = EXAMPLES[0][4].replace(b"\x83\xa8requests\x40", b"\x84\xa8requests\x40\xa8requests\x41")
    assert "twice" in refused(0x01, 0, payload, DOWN)


@pytest.mark.parametrize("head", [b"\x82", b"\xde\x00\x02", b"\xdf\x00\x00\x00\x02"])
@pytest.mark.parametrize("number", [b"\x01", b"\xcc\x01", b"\xcf" + bytes(7) + b"\x01", b"\xd3" + bytes(7) + b"\x01"])
def test_any_valid_spelling_of_messagepack_is_read(head, number):
    for key in (b"\xa2id", b"\xd9\x02id", b"\xda\x00\x02id"):
        payload = head + key + number + b"\xa4path\xdc\x00\x01\xc5\x00\x01a"
        assert decode(0x12, 0, payload, UP) == Stat(id=1, path=(b"a",))


@pytest.mark.parametrize("number", [e.number for e in TYPES if e.number not in (0x02, 0x03, 0x07)])
@pytest.mark.parametrize(
    "payload", [b"", b"\x90", b"\x91\x01", b"\xc0", b"\x01", b"\xc4\x00", b"\xa0", b"\xc1", b"\xdf\xff\xff\xff\xff"]
)
def test_what_is_no_map_is_refused(number, payload):
    entry = MESSAGE_TYPES[number]
    for direction in entry.directions:
        assert "malformed" in refused(number, entry.flags, payload, direction)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": 1.0, "path": [b"a"]},
        {"id": "1", "path": [b"a"]},
        {"id": True, "path": [b"a"]},
        {"id": None, "path": [b"a"]},
        {"id": [1], "path": [b"a"]},
        {"path": [b"a"]},
        {"id": 1},
        {"id": 1, "path": None},
        {"id": 1, "path": b"a"},
        {"id": 1, "path": {"a": b"a"}},
        {"id": 1, "path": ["a"]},
        {"id": 1, "path": [None]},
        {"id": 1, "path": [[b"a"]]},
        {"id": 1, "path": [b"a"], "size": 1.0},
        {"id": 1, "path": [b"a"], "overwrite": 1},
        {"id": 1, "path": [b"a"], "overwrite": None},
        {"id": 1, "path": [b"a"], "algorithm": b"md5"},
        {"id": 1, "path": [b"a"], "algorithm": "MD5"},
        {"id": 1, "path": [b"a"], "algorithm": "crc32"},
        {"id": 1, "path": [b"a"], "algorithm": None},
        {"id": 1, "path": [b"a"], b"size": 1},
        {"id": 1, "path": [b"a"], 5: 1},
        {"id": 1, "path": [b"a"], None: 1},
        {"id": msgspec.msgpack.Ext(-1, b"\0\0\0\1"), "path": [b"a"]},
    ],
)
def test_a_field_of_another_type_is_refused(fields):
    assert "malformed" in refused(0x11, 0, msgspec.msgpack.encode(fields), UP)


# --- arrays that stand for structures -------------------------------------------------------------------------------

# Type, direction, the field, the shortest array that is whole, and what it means.
SHORTEST = [
    (0x1A, UP, "files", [[b"a"], b"x", DIGEST], NewFile((b"a",), b"x", DIGEST)),
    (0x23, DOWN, "entries", [[b"a"], None], Listed((b"a",), None)),
    (0x25, DOWN, "files", [None], SmallFile(None)),
]
arrays = pytest.mark.parametrize(("number", "direction", "field", "array", "meaning"), SHORTEST)


@arrays
def test_elements_may_be_left_out_from_the_end_and_more_are_ignored(number, direction, field, array, meaning):
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(meaning))
    assert len(whole) > len(array)
    for end in range(len(array), len(whole) + 1):
        for more in ([], [1], [{"a": [b"b"]}, None, "x"] if end == len(whole) else []):
            said = [*whole[:end], *more] if end == len(whole) else whole[:end]
            payload = msgspec.msgpack.encode({"id": 1, field: [said, said]})
            assert getattr(decode(number, 0, payload, direction), field) == (meaning, meaning)


@arrays
def test_what_is_no_array_of_that_structure_is_refused(number, direction, field, array, meaning):
    names = meaning.__struct_fields__
    for wrong in (
        array[:-1],
        [],
        dict(zip(names, array, strict=False)),
        None,
        1,
        b"",
        "",
        [array],
        [*array[:-1], [array[-1]]],
    ):
        for files in ([wrong], [array, wrong], [wrong, array]):
            assert "malformed" in refused(number, 0, msgspec.msgpack.encode({"id": 1, field: files}), direction)
    for not_many in (array, meaning, {"0": array}, None, 1, "x", b"x"):
        if not_many != [None]:
            assert "malformed" in refused(number, 0, msgspec.msgpack.encode({"id": 1, field: not_many}), direction)


@pytest.mark.parametrize("count", [b"\xdc\xff\xff", b"\xdd\x00\xff\xff\xff", b"\xdd\xff\xff\xff\xff"])
@pytest.mark.parametrize(
    ("number", "direction", "before"),
    [
        (0x10, UP, b"\x82\xa2id\x01\xa4path"),
        (0x19, UP, b"\x82\xa2id\x01\xa5paths"),
        (0x19, UP, b"\x82\xa2id\x01\xa5paths\x91"),
        (0x1A, UP, b"\x82\xa2id\x01\xa5files"),
        (0x1A, UP, b"\x82\xa2id\x01\xa5files\x91\x91"),
        (0x23, DOWN, b"\x82\xa2id\x01\xa7entries"),
        (0x23, DOWN, b"\x82\xa2id\x01\xa7entries\x91\x91"),
        (0x25, DOWN, b"\x82\xa2id\x01\xa5files"),
        (0x26, DOWN, b"\x82\xa2id\x01\xa5codes"),
        (0x26, DOWN, b"\x82\xa2id\x01\xa5later"),
    ],
)
def test_an_announced_count_allocates_nothing(number, direction, before, count):
    """Four thousand million elements are announced in five bytes; only what is there may cost anything."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for filling in (b"", b"\xc0" * 100, b"\x91\xc4\x01a" * 100):
        assert "malformed" in refused(number, 0, before + count + filling, direction)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 64 << 20


@pytest.mark.parametrize(("number", "direction", "field"), [(0x1A, UP, "files"), (0x23, DOWN, "entries")])
def test_deep_nesting_in_large_messages_is_refused(number, direction, field):
    head = b"\x82\xa2id\x01" + msgspec.msgpack.encode(field)
    for step in (b"\x91", b"\x81\xa1a"):
        refused(number, 0, head + step * ((65536 - len(head)) // len(step)), direction)
        refused(number, 0, b"\x82\xa2id\x01\xa1x" + step * (65000 // len(step)) + b"\xc0", direction)


BULK = {0x19, 0x1A, 0x23, 0x24, 0x25}


@pytest.mark.parametrize("number", [e.number for e in TYPES if e.number not in (0x02, 0x03, 0x07)])
def test_every_type_has_its_longest_payload(number):
    """With an unknown field to fill it up: the bound is of the payload, not of what is understood of it."""
    longest = 65536 if number in BULK else 16384
    message, direction, _, flags, payload = next(e for e in EXAMPLES if e[2] == number)
    head = bytes([payload[0] + 1]) + payload[1:] + b"\xa1x\xc6"
    for size, good in ((longest, True), (longest + 1, False)):
        filling = size - len(head) - 4
        filled = head + filling.to_bytes(4) + bytes(filling)
        assert len(filled) == size
        if good:
            assert decode(number, flags, filled, direction) == message
        else:
            assert f"longer than {longest}" in refused(number, flags, filled, direction)


def test_utf8_is_checked_and_not_repeated():
    for broken in (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x1b\x9b"):
        payload = b"\x82\xa4code\xa7changed\xa4text" + bytes([0xA0 | len(broken)]) + broken
        assert refused(0x05, 0, payload, UP) == "ABORT is malformed or outside the bounds of the protocol."


@pytest.mark.parametrize("step", [b"\x91", b"\x81\xa1a", b"\x81\x91"])
def test_deep_nesting_is_refused(step):
    for depth in (2000, 16000 // len(step)):
        refused(0x0F, 0, b"\x82\xa2id\x01\xa1x" + step * depth + b"\xc0", UP)


def nested(levels, innermost=b"\xc0", step=b"\x91"):
    """A MessagePack value of so many levels."""
    return step * levels + innermost


# Scalars of every format before the deep value, so that each one's length is known.
SCALARS = (
    b"\x00\x7f\xe0\xff\xc0\xc2\xc3"  # fixint, nil, false, true
    b"\xcc\x90\xcd\x90\x90\xce\x90\x90\x90\x90\xcf" + b"\x90" * 8
    + b"\xd0\x90\xd1\x90\x90\xd2" + b"\x90" * 4 + b"\xd3" + b"\x90" * 8
    # float 32 and 64, fixext 1 to 16
    + b"\xca" + b"\x91" * 4 + b"\xcb" + b"\x91" * 8
    + b"\xd4\x05\x91\xd5\x05\x91\x91\xd6\x05" + b"\x91" * 4 + b"\xd7\x05" + b"\x91" * 8 + b"\xd8\x05" + b"\x91" * 16
    # fixstr, str 8 to 32, bin 8 to 32, ext 8 to 32
    + b"\xa2ab\xd9\x02ab\xda\x00\x02ab\xdb\x00\x00\x00\x02ab"
    + b"\xc4\x02\x91\x91\xc5\x00\x02\x91\x91\xc6\x00\x00\x00\x02\x91\x91"
    + b"\xc7\x02\x05\x91\x91\xc8\x00\x02\x05\x91\x91\xc9\x00\x00\x00\x02\x05\x91\x91"
)  # fmt: skip
SCALAR_COUNT = 7 + 8 + 2 + 5 + 4 + 3 + 3
CONTAINERS = [
    b"\x91",
    b"\xdc\x00\x01",
    b"\xdd\x00\x00\x00\x01",
    b"\x81\xa1a",
    b"\xde\x00\x01\xa1a",
    b"\xdf\x00\x00\x00\x01\xa1a",
    b"\xdc" + (SCALAR_COUNT + 1).to_bytes(2) + SCALARS,
]


@pytest.mark.parametrize("step", CONTAINERS, ids=lambda step: step[:6].hex())
def test_an_unknown_value_may_have_16_levels_and_no_more(step):
    head = b"\x82\xa2id\x01\xa1x"
    assert decode(0x0F, 0, head + nested(16, step=step), UP) == decode(0x0F, 0, b"\x81\xa2id\x01", UP)
    assert "deeper than 16 levels" in refused(0x0F, 0, head + nested(17, step=step), UP)
    # An empty array is a level, as well.
    assert decode(0x0F, 0, head + nested(15, b"\x90", step=step), UP)
    assert "deeper than 16 levels" in refused(0x0F, 0, head + nested(16, b"\x90", step=step), UP)


@pytest.mark.parametrize("siblings", [b"\x93\x90\x80", b"\x92\x91\x91\xc0", b"\x83\xa1a\x90\xa1b\x91\x80\xa1c"])
def test_containers_that_have_ended_do_not_count(siblings):
    head = b"\x82\xa2id\x01\xa1x" + siblings
    assert decode(0x0F, 0, head + nested(15), UP)
    assert "deeper than 16 levels" in refused(0x0F, 0, head + nested(16), UP)


def test_every_unknown_field_is_counted_and_not_only_the_first():
    three = b"\x84\xa2id\x01\xa1x\xc0\xa1y" + nested(16) + b"\xa1z"
    assert decode(0x0F, 0, three + nested(16), UP)
    assert "deeper than 16 levels" in refused(0x0F, 0, three + nested(17), UP)


DIGEST = b"\xc4\x10" + bytes(16)
LISTED = b"\x91\xc4\x01a\xa4file\x01\x01\x00\xc0"
INNER = {  # a message up to an element that its structure does not know, the levels that this element is in already
    "entries": (0x23, DOWN, b"\x82\xa2id\x01\xa7entries\x92\x96" + LISTED + b"\x97" + LISTED, 2),
    "files": (0x25, DOWN, b"\x82\xa2id\x01\xa5files\x91\x96\xc0\xc4\x01a" + DIGEST + b"\x00\x00", 2),
    "new files": (0x1A, UP, b"\x82\xa2id\x01\xa5files\x91\x96\x91\xc4\x01a\xc4\x01a" + DIGEST + b"\xc0\xc0", 2),
}  # fmt: skip


@pytest.mark.parametrize("case", INNER)
def test_further_elements_of_a_structure_are_bounded_too(case):
    number, direction, head, levels = INNER[case]
    for innermost in (b"\xc0", b"\xc4\x03abc"):
        assert decode(number, 0, head + nested(16 - levels, innermost), direction)
        assert "deeper than 16 levels" in refused(number, 0, head + nested(17 - levels, innermost), direction)


def test_unknown_limits_of_a_welcome_are_bounded_too():
    _, _, number, flags, payload = next(e for e in EXAMPLES if e[2] == 0x01)
    limits = msgspec.msgpack.decode(payload, type=dict[str, msgspec.Raw])["limits"]
    inner = bytes([bytes(limits)[0] + 1]) + bytes(limits)[1:] + b"\xa1x"
    for levels, good in ((15, True), (16, False)):
        changed = payload.replace(bytes(limits), inner + nested(levels))
        if good:
            assert decode(number, flags, changed, DOWN) == decode(number, flags, payload, DOWN)
        else:
            assert "deeper than 16 levels" in refused(number, flags, changed, DOWN)


def test_every_structure_inside_another_is_known_to_the_bound_on_nesting():
    """What stands in a message's field as a structure of its own may hold unknown values, which are bounded as well."""
    found = set()
    for entry in TYPES:
        if entry.struct in (CompressedData, Data, Ping):
            continue
        for field in msgspec.inspect.type_info(entry.struct).fields:
            kind = field.type
            item = getattr(kind, "item_type", kind)
            if isinstance(item, msgspec.inspect.StructType):
                found.add((entry.struct, field.name))
    assert found == {(entry.struct, field) for entry in TYPES for field in entry.parts}


def test_ping_has_no_payload_and_data_has_one():
    refused(0x02, 0, b"\x80", UP)
    refused(0x03, 0, b"", UP)
    refused(0x03, 0, bytes(65537), UP)
    assert decode(0x03, 0, bytes(65536), UP) == Data(bytes(65536))


def test_data_is_never_copied():
    buffer = bytearray(b"--payload--")
    view = memoryview(buffer)[2:9]
    message = decode(0x03, 0, view, UP)
    assert isinstance(message, Data)
    assert message.payload is view
    assert encode(message)[2] is view


@pytest.mark.parametrize(
    ("clear_size", "nbytes", "good"),
    [
        (1, 1, True),
        (0, 1, False),
        (1, 0, False),
        (1024, 1, True),
        (1025, 1, False),
        (2**20, 1024, True),
        (2**20, 1023, False),
        (2**20, 65532, True),
        (2**20 + 1, 65532, False),
        (2**32 - 1, 65532, False),
        (65536, 65533, False),
    ],
)
def test_what_is_compressed_is_bounded(clear_size, nbytes, good):
    """Its size before and after compression, and how much they may differ: all of it before anything is allocated."""
    payload = clear_size.to_bytes(4) + bytes(nbytes)
    for direction in Direction:
        if good:
            message = decode(0x07, 0, payload, direction)
            assert message == CompressedData(clear_size, bytes(nbytes))
            assert encode(message) == (0x07, 0, payload)
        else:
            assert "ZDATA" in refused(0x07, 0, payload, direction)
            with pytest.raises(UsageError):
                encode(CompressedData(clear_size, bytes(nbytes)))


@pytest.mark.parametrize("size", range(5))
def test_compressed_data_has_a_head_and_a_frame(size):
    refused(0x07, 0, (1).to_bytes(4)[:size], UP)


@pytest.mark.parametrize(
    ("suffix", "good"),
    [(b"~", True), (b"x" * 64, True), (b"", False), (b"x" * 65, False), (b"/", False), (b"a/b", False), (b"\0", False)],
)
def test_the_name_of_a_backup_is_a_name(suffix, good):
    """Of one file, and of each of many; and no longer than a name may be."""
    encoder = msgspec.msgpack.Encoder()
    one = encoder.encode({"id": 1, "path": [b"a"], "backup": suffix})
    many = encoder.encode({"id": 1, "files": [[[b"a"], b"", DIGEST]], "backup": suffix})
    if good:
        assert decode(0x11, 0, one, UP).backup == suffix
        assert decode(0x1A, 0, many, UP).backup == suffix
    else:
        assert "WRITE" in refused(0x11, 0, one, UP)
        assert "WRITEMANY" in refused(0x1A, 0, many, UP)
    assert backup_path((b"d", b"a"), b"~") == (b"d", b"a~")
    with pytest.raises(NameRefused):
        Write(id=1, path=(b"x" * 255,), backup=b"~")
    for name in (b".", b"x" * 250):
        refused(0x11, 0, encoder.encode({"id": 1, "path": [name], "backup": b"." * 6}), UP)


@pytest.mark.parametrize(("size", "good"), [(0, False), (1, True), (2**26, True), (2**26 + 1, False), (-1, False)])
def test_a_hole_is_bounded(size, good):
    payload = msgspec.msgpack.encode({"size": size})
    for direction in Direction:
        if good:
            assert decode(0x08, 0, payload, direction) == Hole(size=size)
        else:
            assert "HOLE" in refused(0x08, 0, payload, direction)
            with pytest.raises(UsageError):
                encode(Hole(size=size))


def test_zeros_are_known_by_what_they_view():
    for size in (0, 1, 2**20, 2**20 + 1, 2**26):
        buffers = zeros(size)
        assert sum(map(len, buffers)) == size
        assert are_zeros(buffers) == (size > 0)
        assert all(buffer.readonly and not any(buffer[:: 2**16]) for buffer in buffers)
    parts = [buffer[3:9] for buffer in zeros(100)]
    assert are_zeros(parts)
    assert not are_zeros([*parts, memoryview(bytes(6))])


def test_compressed_data_is_not_copied():
    buffer = bytearray(b"\0\0\0\x01frame")
    view = memoryview(buffer)
    message = decode(0x07, 0, view, UP)
    assert isinstance(message, CompressedData)
    buffer[4:] = b"other"
    assert message.frame == b"other"


def test_a_payload_is_bounded_before_it_is_parsed():
    head = b"\x82\xa2id\x01\xa1x\xc5"
    largest = head + (MAX_CONTROL - len(head) - 2).to_bytes(2) + bytes(MAX_CONTROL - len(head) - 2)
    assert len(largest) == MAX_CONTROL
    assert decode(0x0F, 0, largest, UP) == Cancel(id=1)
    beyond = head + (MAX_CONTROL - len(head) - 1).to_bytes(2) + bytes(MAX_CONTROL - len(head) - 1)
    assert "longer than 16384" in refused(0x0F, 0, beyond, UP)


def test_the_largest_message_of_each_kind_fits():
    text = "\U0001f512" * MAX_TEXT
    path = tuple([b"x" * 255] * 15 + [b"y" * 255])
    limits = SessionLimits(requests=MAX_REQUESTS, keepalive=MAX_SECONDS, idle=MAX_SECONDS)
    capabilities = ("\U0001f512" * MAX_CAPABILITY,) * MAX_CAPABILITIES
    for message in (
        Welcome(version=1, software="\U0001f512" * MAX_SOFTWARE, capabilities=capabilities, limits=limits),
        Error(id=MAX_ID, code=ErrorCode.UNSUPPORTED, text=text),
        Write(id=MAX_ID, path=path, size=MAX_SIZE, overwrite=False, mode=MAX_MODE, mtime_ns=MAX_SIZE),
        Write(id=MAX_ID, path=(b"x" * 63,) * 64, size=MAX_SIZE),
        Write(id=MAX_ID, path=path, size=MAX_SIZE, mode=MAX_MODE, offset=MAX_SIZE, prefix=bytes(32), keep=True),
        Rename(id=MAX_ID, path=(b"x" * 63,) * 64, to=(b"y" * 63,) * 64, overwrite=True),
        Copy(
            id=MAX_ID,
            path=(b"x" * 63,) * 64,
            to=(b"y" * 63,) * 64,
            overwrite=False,
            mode=MAX_MODE,
            mtime_ns=MAX_SIZE,
            token=TOKEN,
        ),
        Results(id=MAX_ID, codes=(ErrorCode.UNSUPPORTED,) * MAX_MANY),
    ):
        assert len(encode(message)[2]) <= MAX_CONTROL
    # A sender that fills a message with files relies on it that one file always fits, and one path.
    for message in (
        WriteMany(id=MAX_ID, files=(NewFile(path, bytes(MAX_SMALL), bytes(32), MAX_MODE, MAX_SIZE),), overwrite=False),
        Files(id=MAX_ID, files=(SmallFile(None, bytes(MAX_SMALL), bytes(32), MAX_SIZE, MAX_MODE),)),
        Files(id=MAX_ID, files=(SmallFile(ErrorCode.UNSUPPORTED),) * MAX_MANY),
        Files(
            id=MAX_ID,
            files=(SmallFile(None, bytes(MAX_SMALL), bytes(32), MAX_SIZE, MAX_MODE),),
            clear_sizes=(MAX_SMALL,),
        ),
        ReadMany(id=MAX_ID, paths=((b"x" * 63,) * 64,) * 15, algorithm=Algorithm.XXH128),
        Entries(
            id=MAX_ID,
            entries=(Listed((b"x" * 63,) * 64, Kind.DIRECTORY, 0, MAX_SIZE, MAX_MODE, ErrorCode.UNSUPPORTED),),
        ),
    ):
        assert len(encode(message)[2]) <= MAX_BULK


@pytest.mark.parametrize(
    "message",
    [
        Stat(id=0, path=(b"a",)),
        Stat(id=2**32, path=(b"a",)),
        Stat(id=2**70, path=(b"a",)),
        Error(id=1, code=ErrorCode.LIMIT, text="x" * 201),
        Error(id=1, code=ErrorCode.LIMIT, text="\udcff"),
        Error(id=1, code="?"),  # type: ignore[arg-type]
        End(size=-1, digest=DIGEST),
        End(size=1, digest=b""),
        Data(b""),
        Data(bytes(65537)),
        ReadMany(id=1, paths=()),
        ReadMany(id=1, paths=((b"a",),) * 1025),
        ReadMany(id=1, paths=((b"x" * 63,) * 64,) * 16),
        WriteMany(id=1, files=()),
        WriteMany(id=1, files=(NewFile((b"a",), bytes(32769), DIGEST),)),
        WriteMany(id=1, files=(NewFile((b"a",), b"", b"short"),)),
        WriteMany(id=1, files=(NewFile((b"a",), bytes(32768), DIGEST),) * 2),
        Entries(id=1, entries=(Listed((b"a",), "link"),)),  # type: ignore[arg-type]
        Entries(id=1, entries=(Listed((b"a",), None),) * 4097),
        Entries(id=1, entries=(Listed((b"x" * 255,), None),) * 300),
        Files(id=1, files=()),
        Files(id=1, files=(SmallFile(None, bytes(32769)),)),
        Results(id=1, codes=()),
        Results(id=1, codes=(None,) * 1025),
        SetAttributes(id=1, mode=0o10000),
    ],
)
def test_what_the_peer_would_refuse_is_not_sent(message):
    with pytest.raises(UsageError):
        encode(message)


def test_messages_are_frozen():
    with pytest.raises(AttributeError):
        Cancel(id=1).id = 2  # type: ignore[misc]
