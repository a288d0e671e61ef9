"""Every bound of docs/PROTOCOL.md, at its limit and one beyond. The numbers are written out here, not imported."""

from __future__ import annotations

import msgspec
import pytest

from secftp.errors import NameRefused, ProtocolError, UsageError
from secftp.protocol import (
    Copy,
    Direction,
    ErrorCode,
    Kind,
    List,
    Listed,
    MakeDirectory,
    NewFile,
    Read,
    ReadMany,
    Remove,
    Rename,
    SetAttributes,
    Space,
    Stat,
    Sum,
    Write,
    check_directory_path,
    check_path,
    decode,
)

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
REQUEST = {"id": 1, "path": [b"a"]}
LIMITS = {"requests": 16, "keepalive": 15, "idle": 60}
WELCOME = {"version": 1, "software": "s", "capabilities": [], "limits": LIMITS}
END = {"size": 0, "digest": bytes(16)}
FILE = {"id": 1, "size": 0, "mtime_ns": 0, "mode": 0}
D16 = bytes(16)
NEW = [[b"a"], b"", D16]
PART = {**REQUEST, "size": 5, "upload": D16, "at": 5, "total": 10}
INFO = {"id": 1, "kind": "file", "size": 0, "mtime_ns": 0, "mode": 0}
DIGESTS = ([None, bytes(16), bytes(32)], [bytes(15), bytes(33), b"", "x" * 16])
SIZES = ([0, 2**63 - 1], [-1, 2**63, 2**64 - 1, 0.0, "0"])
MODES = ([None, 0, 0o7777], [-1, 0o10000])
TIMES = ([None, -(2**63), 2**63 - 1], [2**63, 1.5])
KINDS = ([None, *(kind.value for kind in Kind)], ["link", "", "FILE", 0])
TOKENS = ([None, bytes(16)], [bytes(15), bytes(17), b"", "x" * 16])
FLAGS = ([True, False], [0, 1, None, "true"])
CLEAR_SIZES = (
    [[], [None], [1], [32768], [None, 32768], [1, None], [None, None]],
    [[0], [32769], [-1], [1, 0], [None] * 3, [1.0], ["1"], [True], 1, None],
)
ALGORITHMS = (["xxh128", "sha256", "blake3", "md5"], ["", "sha1", None])

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
            ("streams", [2, 16], [0, 17, -1, None, True]),
        ]
    ],
    (0x04, 1, UP, END, "size", [0, 2**63 - 1], [-1, 2**63, 2**64 - 1, 0.0]),
    (0x04, 1, DOWN, END, "digest", [bytes(16), bytes(32)], [bytes(15), bytes(33), b"", "x" * 16]),
    (0x04, 1, UP, END, "whole", *DIGESTS),
    (0x05, 0, UP, {"code": "limit"}, "text", ["", "x" * 200, "\U0001f512" * 200], ["x" * 201, None]),
    (0x05, 0, DOWN, {"code": "limit"}, "code", [c.value for c in ErrorCode], ["", "NOT_FOUND", "other", None, 1]),
    (0x06, 1, UP, {}, "code", [None, "stopping"], ["other", 0]),
    (0x06, 1, UP, {}, "text", ["", "x" * 200], ["x" * 201]),
    (0x0F, 0, UP, {}, "id", [1, 2**32 - 1], [0, 2**32, -1]),
    *[
        (number, 0, UP, REQUEST, "id", [1, 2**32 - 1], [0, 2**32, -1, 2**63, 2**64 - 1])
        for number in (0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18)
    ],
    (0x10, 0, UP, {**REQUEST, "offset": 1}, "prefix", *DIGESTS),
    (0x10, 0, UP, REQUEST, "version", [None, b"", b"x", bytes(32)], [bytes(33), "x", 0]),
    (0x10, 0, UP, REQUEST, "additional", *FLAGS),
    (0x11, 0, UP, {**REQUEST, "offset": 1}, "prefix", [bytes(16), bytes(32)], [None, *DIGESTS[1]]),
    (0x11, 0, UP, {**REQUEST, "prefix": D16}, "offset", [1, 2**63 - 1], [0, -1, 2**63, None]),
    (0x11, 0, UP, REQUEST, "keep", *FLAGS),
    (0x11, 0, UP, REQUEST, "additional", *FLAGS),
    (0x11, 0, UP, REQUEST, "upload", [None], [D16]),
    (0x11, 0, UP, REQUEST, "at", [None], [0, 1]),
    (0x11, 0, UP, REQUEST, "total", [None], [0, 1]),
    (0x11, 0, UP, PART, "upload", [D16], [None, *TOKENS[1]]),
    (0x11, 0, UP, PART, "size", [0, 5], [None, 6, -1, 2**63 - 1]),
    (0x11, 0, UP, PART, "at", [0, 5], [None, 6, -1, 2**63 - 1]),
    (0x11, 0, UP, PART, "total", [10, 2**63 - 1], [None, 9, 0, 2**63]),
    (0x11, 0, UP, PART, "offset", [0], [1]),
    (0x11, 0, UP, {**PART, "prefix": D16}, "offset", [0], [1]),
    (0x11, 0, UP, PART, "prefix", *DIGESTS),
    (0x11, 0, UP, {**PART, "size": 2**63 - 1}, "total", [], [2**63 - 1]),
    (0x12, 0, UP, REQUEST, "parts", [False], [True, *FLAGS[1]]),
    (0x12, 0, UP, {**REQUEST, "partial": True}, "parts", *FLAGS),
    (0x11, 0, UP, REQUEST, "token", *TOKENS),
    (0x11, 0, UP, REQUEST, "algorithm", *ALGORITHMS),
    (0x12, 0, UP, REQUEST, "partial", *FLAGS),
    (0x13, 0, UP, REQUEST, "recursive", *FLAGS),
    (0x14, 0, UP, REQUEST, "kind", *KINDS),
    (0x14, 0, UP, REQUEST, "tree", *FLAGS),
    (0x14, 0, UP, REQUEST, "token", *TOKENS),
    (0x15, 0, UP, {"to": [b"b"], **REQUEST}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x15, 0, UP, {"to": [b"b"], **REQUEST}, "overwrite", *FLAGS),
    (0x15, 0, UP, {"to": [b"b"], **REQUEST}, "token", *TOKENS),
    (0x1B, 0, UP, {"to": [b"b"], **REQUEST}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x1B, 0, UP, {"to": [b"b"], **REQUEST}, "overwrite", *FLAGS),
    (0x1B, 0, UP, {"to": [b"b"], **REQUEST}, "mode", *MODES),
    (0x1B, 0, UP, {"to": [b"b"], **REQUEST}, "mtime_ns", *TIMES),
    (0x1B, 0, UP, {"to": [b"b"], **REQUEST}, "token", *TOKENS),
    (0x16, 0, UP, REQUEST, "parents", *FLAGS),
    (0x16, 0, UP, REQUEST, "mode", *MODES),
    (0x16, 0, UP, REQUEST, "fill", *FLAGS),
    (0x16, 0, UP, REQUEST, "token", *TOKENS),
    (0x17, 0, UP, REQUEST, "offset", *SIZES),
    (0x17, 0, UP, REQUEST, "length", [None, *SIZES[0]], SIZES[1]),
    (0x17, 0, UP, REQUEST, "algorithm", *ALGORITHMS),
    (0x17, 0, UP, REQUEST, "token", *TOKENS),
    (0x17, 0, UP, REQUEST, "version", [None, b"x", bytes(32)], [b"", bytes(33), "x", 0]),
    (0x18, 0, UP, REQUEST, "mode", *MODES),
    (0x18, 0, UP, REQUEST, "mtime_ns", *TIMES),
    (0x19, 0, UP, {"paths": [[b"a"]]}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x19, 0, UP, {"id": 1, "paths": [[b"a"]]}, "algorithm", *ALGORITHMS),
    (
        0x19,
        0,
        UP,
        {"id": 1},
        "paths",
        [[[b"a"]], [[b"a"]] * 1024, [[b"x" * 255] * 16] * 15],
        [[], [[b"a"]] * 1025, [[]], [b"a"], None],
    ),
    (0x1A, 0, UP, {"files": [NEW]}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x1A, 0, UP, {"id": 1, "files": [NEW]}, "algorithm", *ALGORITHMS),
    (0x1A, 0, UP, {"id": 1, "files": [NEW]}, "overwrite", *FLAGS),
    (0x1A, 0, UP, {"id": 1, "files": [NEW]}, "token", *TOKENS),
    (0x1A, 0, UP, {"id": 1, "files": [NEW] * 2}, "clear_sizes", *CLEAR_SIZES),
    (0x25, 0, DOWN, {"id": 1, "files": [[None]] * 2}, "clear_sizes", *CLEAR_SIZES),
    (0x19, 0, UP, {"id": 1, "paths": [[b"a"]]}, "compress", [None, 1, 19], [0, 20, -1, 3.0, True, "3"]),
    (0x23, 0, DOWN, {}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x23, 0, DOWN, {"id": 1}, "last", *FLAGS),
    (0x25, 0, DOWN, {"files": [[None]]}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x26, 0, DOWN, {"codes": [None]}, "id", [1, 2**32 - 1], [0, 2**32]),
    (
        0x26,
        0,
        DOWN,
        {"id": 1},
        "codes",
        [[None], ["not_empty"], [None] * 1024, ["unsupported"] * 1024, [code.value for code in ErrorCode]],
        [[], [None] * 1025, ["other"], [1], [[None]], None],
    ),
    (0x10, 0, UP, REQUEST, "offset", [0, 2**63 - 1], [-1, 2**63, None]),
    (0x10, 0, UP, REQUEST, "length", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x10, 0, UP, REQUEST, "compress", [None, 1, 19], [0, 20, -1, 3.0, True, "3"]),
    (0x10, 0, UP, REQUEST, "algorithm", ["xxh128", "sha256", "blake3", "md5"], ["", "sha1", None]),
    (0x11, 0, UP, REQUEST, "size", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x11, 0, UP, REQUEST, "overwrite", [True, False], [0, 1, None]),
    (0x11, 0, UP, REQUEST, "mode", [None, 0, 0o7777], [-1, 0o10000]),
    (0x11, 0, UP, REQUEST, "mtime_ns", [None, -(2**63), 0, 2**63 - 1], [2**63, 1.5]),
    (0x20, 0, DOWN, {"id": 1}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x20, 0, DOWN, {"id": 1}, "size", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x20, 0, DOWN, {"id": 1}, "own", *FLAGS),
    (0x20, 0, DOWN, {"id": 1}, "complete", *FLAGS),
    (0x20, 0, DOWN, {"id": 1}, "digest", [None, bytes(16), bytes(32)], [bytes(15), bytes(33)]),
    (0x21, 0, DOWN, {"id": 1, "code": "limit"}, "text", ["x" * 200], ["x" * 201]),
    (0x21, 0, DOWN, {"id": 1, "code": "limit"}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x22, 0, DOWN, FILE, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x22, 0, DOWN, FILE, "size", [0, 2**63 - 1], [-1, 2**63, None]),
    (0x22, 0, DOWN, FILE, "mtime_ns", [-(2**63), 2**63 - 1], [2**63, None]),
    (0x22, 0, DOWN, FILE, "mode", [0, 0o7777], [-1, 0o10000, None]),
    (0x22, 0, DOWN, FILE, "version", [None, b"x", bytes(32)], [b"", bytes(33), "x", 0]),
    (0x22, 0, DOWN, FILE, "total", [None, *SIZES[0]], SIZES[1]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "size", [0, 2**63 - 1], [-1, 2**63]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "mtime_ns", [-(2**63), 2**63 - 1], [2**63]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "mode", [0, 0o7777], [-1, 0o10000]),
    (0x24, 0, DOWN, {**FILE, "kind": "file"}, "kind", ["file", "folder"], ["symlink", "special", ""]),
    *(
        (0x27, 0, DOWN, {"id": 1}, field, [None, *SIZES[0]], SIZES[1])
        for field in ("total", "free", "available", "kept", "largest", "files", "files_available")
    ),
    (0x27, 0, DOWN, {"id": 1}, "read_only", *FLAGS),
    (0x27, 0, DOWN, {"id": 1}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x1C, 0, UP, {"id": 1}, "id", [1, 2**32 - 1], [0, 2**32]),
    (0x24, 0, DOWN, INFO, "total", [None, 0, 2**63 - 1], [-1, 2**63]),
    (0x24, 0, DOWN, {**INFO, "parts": [[3, 7]]}, "total", [None, 10, 2**63 - 1], [0, 9]),
    (
        0x24,
        0,
        DOWN,
        INFO,
        "parts",
        [[], [[0, 1]], [[0, 2**63 - 1]], [[0, 1], [2, 1]], [[2 * at, 1] for at in range(1024)]],
        [
            None,
            [[]],
            [[0]],
            [[0, 0]],
            [[-1, 1]],
            [[2**63 - 1, 1]],
            [[0, 1], [1, 1]],  # not merged
            [[0, 2], [1, 2]],
            [[2, 1], [0, 1]],
            [[2 * at, 1] for at in range(1025)],
        ],
    ),
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


# What stands in an array for a structure: type, direction, field, a good array, an index, what passes, what does not.
ENTRY = [[b"a"], "file", 0, 0, 0, None]
SMALL = [None, b"", D16, 0, 0]
INNER = [
    (0x1A, UP, "files", NEW, 1, [b"", bytes(32768)], [bytes(32769), "x", None]),
    (0x1A, UP, "files", NEW, 2, [bytes(16), bytes(32)], [bytes(15), bytes(33), None]),
    (0x1A, UP, "files", [*NEW, None, None], 3, *MODES),
    (0x1A, UP, "files", [*NEW, None, None], 4, *TIMES),
    (0x23, DOWN, "entries", ENTRY, 1, *KINDS),
    (0x23, DOWN, "entries", ENTRY, 2, *SIZES),
    (0x23, DOWN, "entries", ENTRY, 3, [-(2**63), 2**63 - 1], [2**63, None, 1.5]),
    (0x23, DOWN, "entries", ENTRY, 4, [0, 0o7777], [-1, 0o10000, None]),
    (0x23, DOWN, "entries", ENTRY, 5, [None, *ErrorCode], ["other", "", 0]),
    (0x25, DOWN, "files", SMALL, 0, [None, *ErrorCode], ["other", "", 0, False]),
    (0x25, DOWN, "files", SMALL, 1, [b"", bytes(32768)], [bytes(32769), "x", None]),
    (0x25, DOWN, "files", SMALL, 2, [bytes(16), bytes(32)], [bytes(15), bytes(33), None]),
    (0x25, DOWN, "files", SMALL, 3, [-(2**63), 2**63 - 1], [2**63, None]),
    (0x25, DOWN, "files", SMALL, 4, [0, 0o7777], [-1, 0o10000, None]),
]


@pytest.mark.parametrize(("number", "direction", "field", "array", "index", "good", "bad"), INNER)
def test_edge_and_one_beyond_in_arrays(number, direction, field, array, index, good, bad):
    for value in good:
        changed = [*array[:index], value, *array[index + 1 :]]
        message = decode(number, 0, msgspec.msgpack.encode({"id": 1, field: [array, changed]}), direction)
        (_, element) = getattr(message, field)
        name = element.__struct_fields__[index]
        assert msgspec.msgpack.encode(getattr(element, name)) == msgspec.msgpack.encode(value)
    for value in bad:
        changed = [*array[:index], value, *array[index + 1 :]]
        for place in ([changed], [array, changed], [changed, array]):
            with pytest.raises(ProtocolError):
                decode(number, 0, msgspec.msgpack.encode({"id": 1, field: place}), direction)


def test_a_listing_has_at_most_4096_entries_a_message():
    for count in (0, 1, 4096):
        payload = msgspec.msgpack.encode({"id": 1, "entries": [[[b"a"], None]] * count})
        assert len(decode(0x23, 0, payload, DOWN).entries) == count
    with pytest.raises(ProtocolError):
        decode(0x23, 0, msgspec.msgpack.encode({"id": 1, "entries": [[[b"a"], None]] * 4097}), DOWN)


@pytest.mark.parametrize("number", [0x1A, 0x25])
def test_there_are_at_most_1024_small_files_a_message(number):
    direction, file = (UP, NEW) if number == 0x1A else (DOWN, [None])
    for count in (1, 1024):
        payload = msgspec.msgpack.encode({"id": 1, "files": [file] * count})
        assert len(decode(number, 0, payload, direction).files) == count
    for files in ([], [file] * 1025, None, [[]], [None]):
        with pytest.raises(ProtocolError):
            decode(number, 0, msgspec.msgpack.encode({"id": 1, "files": files}), direction)


@pytest.mark.parametrize(
    ("number", "fields"),
    [
        (0x10, {"prefix": D16}),
        (0x10, {"prefix": D16, "offset": 0}),
        (0x10, {"prefix": D16, "offset": 1, "length": 1}),
        (0x10, {"prefix": D16, "offset": 1, "length": 0}),
        (0x11, {"prefix": D16}),
        (0x11, {"offset": 1}),
        (0x11, {"offset": 0, "prefix": D16}),
        (0x11, {"offset": 1, "prefix": None}),
    ],
)
def test_fields_that_do_not_go_together(number, fields):
    with pytest.raises(ProtocolError):
        decode(number, 0, msgspec.msgpack.encode({**REQUEST, **fields}), UP)
    with pytest.raises(UsageError):
        {0x10: Read, 0x11: Write}[number](id=1, path=(b"a",), **fields)


DIRECTORIES = {0x12: Stat, 0x13: List, 0x18: SetAttributes, 0x1C: Space}  # the served directory itself is a path there
FILES = {0x10: Read, 0x11: Write, 0x14: Remove, 0x16: MakeDirectory, 0x17: Sum}


def carriers(path):
    """Every message that has a path in some place, with this one there: type, direction, map."""
    for number in (*DIRECTORIES, *FILES):
        yield number, UP, {"id": 1, "path": path}
    yield 0x15, UP, {"id": 1, "path": path, "to": [b"a"]}
    yield 0x15, UP, {"id": 1, "path": [b"a"], "to": path}
    yield 0x1B, UP, {"id": 1, "path": path, "to": [b"a"]}
    yield 0x1B, UP, {"id": 1, "path": [b"a"], "to": path}
    yield 0x19, UP, {"id": 1, "paths": [path]}
    yield 0x19, UP, {"id": 1, "paths": [[b"a"], path]}
    yield 0x1A, UP, {"id": 1, "files": [[path, b"", D16]]}
    yield 0x1A, UP, {"id": 1, "files": [NEW, [path, b"", D16]]}
    yield 0x23, DOWN, {"id": 1, "entries": [[path, "file"]]}
    yield 0x23, DOWN, {"id": 1, "entries": [[[b"a"], "file"], [path, None]]}


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_good_paths(path):
    check_path(path)
    check_directory_path(path)
    for number, direction, fields in carriers(path):
        message = decode(number, 0, msgspec.msgpack.encode(fields), direction)
        assert repr(tuple(path)) in repr(message)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths(path):
    with pytest.raises(NameRefused):
        check_path(path)
    for kind in FILES.values():
        with pytest.raises(NameRefused):
            kind(id=1, path=tuple(path))
    for make in (
        lambda bad: Rename(id=1, path=bad, to=(b"a",)),
        lambda bad: Rename(id=1, path=(b"a",), to=bad),
        lambda bad: Copy(id=1, path=bad, to=(b"a",)),
        lambda bad: Copy(id=1, path=(b"a",), to=bad),
        lambda bad: ReadMany(id=1, paths=((b"a",), bad)),
        lambda bad: NewFile(bad, b"", D16),
        lambda bad: Listed(bad, Kind.FILE),
    ):
        with pytest.raises(NameRefused):
            make(tuple(path))
    for number, direction, fields in carriers(path):
        if number not in DIRECTORIES or path:
            with pytest.raises(ProtocolError):
                decode(number, 0, msgspec.msgpack.encode(fields), direction)


@pytest.mark.parametrize("path", [path for path in BAD_PATHS if path])
def test_bad_paths_of_directories(path):
    with pytest.raises(NameRefused):
        check_directory_path(path)
    for kind in DIRECTORIES.values():
        with pytest.raises(NameRefused):
            kind(id=1, path=tuple(path))


def test_the_served_directory_itself_is_a_directory():
    check_directory_path(())
    for number, kind in DIRECTORIES.items():
        for fields in ({"id": 1}, {"id": 1, "path": []}):
            assert decode(number, 0, msgspec.msgpack.encode(fields), UP) == kind(id=1, path=()) == kind(id=1)
        with pytest.raises(ProtocolError):
            decode(number, 0, msgspec.msgpack.encode({"id": 1, "path": None}), UP)
