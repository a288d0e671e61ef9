"""Every bound of docs/PROTOCOL.md at its edge and one beyond. The numbers are written out here, not imported."""

from __future__ import annotations

import msgspec
import pytest

from secftp.errors import NameRefused, ProtocolError
from secftp.messages import Direction, ErrorCode, Kind, Read, Stat, Write, check_path, decode

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
REQUEST = {"id": 1, "path": [b"a"]}
LIMITS = {"requests": 16, "keepalive": 15, "idle": 60}
WELCOME = {"version": 1, "software": "s", "capabilities": [], "limits": LIMITS}
END = {"size": 0, "digest": bytes(16)}
FILE = {"id": 1, "size": 0, "mtime_ns": 0, "mode": 0}

# type, flags, direction, a valid map, the field, values that pass, values that don't
BOUNDS = [
    (0x01, 0, DOWN, WELCOME, "version", [1], [0, 2, -1, "1", None]),
    (0x01, 0, DOWN, WELCOME, "software", ["", "x" * 100, "\U0001f512" * 100], ["x" * 101, None]),
    (
        0x01,
        0,
        DOWN,
        WELCOME,
        "capabilities",
        [[], ["x"], ["x" * 40], ["x"] * 64],
        [[""], ["x" * 41], ["x"] * 65, [b"x"], "x"],
    ),
    *[
        (0x01, 0, DOWN, WELCOME, "limits", [{**LIMITS, name: v} for v in good], [{**LIMITS, name: v} for v in bad])
        for name, good, bad in [
            ("requests", [16, 65535], [15, 65536, 0, -1]),
            ("keepalive", [1, 86400], [0, 86401, 15.0]),
            ("idle", [1, 86400], [0, 86401, "60"]),
        ]
    ],
    (0x04, 1, UP, END, "size", [0, 2**63 - 1], [-1, 2**63, 2**64 - 1, 0.0]),
    (0x04, 1, DOWN, END, "digest", [bytes(16), bytes(32)], [bytes(15), bytes(33), b"", "x" * 16]),
    (0x05, 0, UP, {"code": "limit"}, "text", ["", "x" * 200, "\U0001f512" * 200], ["x" * 201, None]),
    (0x05, 0, DOWN, {"code": "limit"}, "code", [c.value for c in ErrorCode], ["", "NOT_FOUND", "other", None, 1]),
    (0x06, 1, UP, {}, "code", [None, "stopping"], ["other", 0]),
    (0x06, 1, UP, {}, "text", ["", "x" * 200], ["x" * 201]),
    (0x0F, 0, UP, {}, "id", [1, 2**32 - 1], [0, 2**32, -1]),
    *[
        (number, 0, UP, REQUEST, "id", [1, 2**32 - 1], [0, 2**32, -1, 2**63, 2**64 - 1])
        for number in (0x10, 0x11, 0x12)
    ],
    (0x10, 0, UP, REQUEST, "offset", [0, 2**63 - 1], [-1, 2**63, None]),
    (0x10, 0, UP, REQUEST, "length", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x10, 0, UP, REQUEST, "algorithm", ["xxh128", "sha256", "blake3", "md5"], ["", "sha1", None]),
    (0x11, 0, UP, REQUEST, "size", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x11, 0, UP, REQUEST, "overwrite", [True, False], [0, 1, None]),
    (0x11, 0, UP, REQUEST, "mode", [None, 0, 0o7777], [-1, 0o10000]),
    (0x11, 0, UP, REQUEST, "mtime_ns", [None, -(2**63), 0, 2**63 - 1], [2**63, 1.5]),
    (0x20, 0, DOWN, {"id": 1}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x20, 0, DOWN, {"id": 1}, "size", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x20, 0, DOWN, {"id": 1}, "digest", [None, bytes(16), bytes(32)], [bytes(15), bytes(33)]),
    (0x21, 0, DOWN, {"id": 1, "code": "limit"}, "text", ["x" * 200], ["x" * 201]),
    (0x21, 0, DOWN, {"id": 1, "code": "limit"}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x22, 0, DOWN, FILE, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x22, 0, DOWN, FILE, "size", [0, 2**63 - 1], [-1, 2**63, None]),
    (0x22, 0, DOWN, FILE, "mtime_ns", [-(2**63), 2**63 - 1], [2**63, None]),
    (0x22, 0, DOWN, FILE, "mode", [0, 0o7777], [-1, 0o10000, None]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "size", [0, 2**63 - 1], [-1, 2**63]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "mtime_ns", [-(2**63), 2**63 - 1], [2**63]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "mode", [0, 0o7777], [-1, 0o10000]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "kind", [kind.value for kind in Kind], ["link", "", None]),
]

GOOD_PATHS = [
    [b"a"],
    [b"..."],
    [b".a", b"a."],
    [b"\xff\x01 \n\\"],
    [b"x" * 255],
    [b"a"] * 64,
    [b"x" * 255] * 16,  # 16 times 256: exactly 4096
    [b"x" * 63] * 64,
]
BAD_PATHS = [
    [],
    [b""],
    [b"a", b""],
    [b"."],
    [b".."],
    [b"a", b"..", b"b"],
    [b"a", b"."],
    [b"/"],
    [b"/a"],
    [b"a/b"],
    [b"a", b"b/"],
    [b"a\0b"],
    [b"\0"],
    [b"x" * 256],
    [b"a"] * 65,
    [b"x" * 255] * 16 + [b"y"],
    [b"x" * 63] * 63 + [b"x" * 64],
]


@pytest.mark.parametrize(("number", "flags", "direction", "fields", "name", "good", "bad"), BOUNDS)
def test_edge_and_one_beyond(number, flags, direction, fields, name, good, bad):
    for value in good:
        payload = msgspec.msgpack.encode({**fields, name: value})
        message = decode(number, flags, payload, direction)
        assert msgspec.msgpack.encode(getattr(message, name)) == msgspec.msgpack.encode(value)
    for value in bad:
        payload = msgspec.msgpack.encode({**fields, name: value})
        with pytest.raises(ProtocolError):
            decode(number, flags, payload, direction)


def test_an_absent_field_has_its_default():
    payload = msgspec.msgpack.encode(REQUEST)
    assert decode(0x10, 0, payload, UP) == Read(id=1, path=(b"a",), offset=0, length=None)
    assert decode(0x11, 0, payload, UP) == Write(id=1, path=(b"a",), size=None, overwrite=True, mode=None)


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_good_paths(path):
    check_path(path)
    for number in (0x10, 0x11, 0x12):
        message = decode(number, 0, msgspec.msgpack.encode({"id": 1, "path": path}), UP)
        assert isinstance(message, Read | Write | Stat)
        assert message.path == tuple(path)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths(path):
    with pytest.raises(NameRefused):
        check_path(path)
    for kind in (Read, Write, Stat):
        with pytest.raises(NameRefused):
            kind(id=1, path=tuple(path))
    for number in (0x10, 0x11, 0x12):
        with pytest.raises(ProtocolError):
            decode(number, 0, msgspec.msgpack.encode({"id": 1, "path": path}), UP)
