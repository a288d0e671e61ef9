"""Messages of sections 8 and 9 of the protocol: their tables once more, and a decoder driven by them.

A message is a name and a dict of its fields, defaults filled in. Whatever makes a receiver close the connection is
`Broken`, with the rule that it breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.model.msgpack import Malformed, Pairs, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[Any], Any]  # the value as it is kept; raises Broken

UP, DOWN = "client to server", "server to client"
END_FLAG = 1
REQUIRED: Any = object()


class Broken(Exception):
    """The peer broke a rule of the message layer: close."""


def insist(condition: bool, rule: str) -> None:
    if not condition:
        raise Broken(rule)


# --- the types of fields --------------------------------------------------------------------------------------------


def integer(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        insist(type(value) is int and low <= value <= high, f"int {low}..{high}")
        return value

    return check


def text(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        insist(type(value) is str and low <= len(value) <= high, f"str of {low}..{high}")
        return value

    return check


def binary(low: int, high: int) -> Check:
    def check(value: Any) -> bytes:
        insist(type(value) is bytes and low <= len(value) <= high, f"bytes of {low}..{high}")
        return value

    return check


def one_of(*values: str) -> Check:
    def check(value: Any) -> str:
        insist(type(value) is str and value in values, "one of a closed list")
        return value

    return check


def or_nil(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


def array(inner: Check, low: int, high: int) -> Check:
    def check(value: Any) -> tuple[Any, ...]:
        insist(type(value) is list and low <= len(value) <= high, f"array of {low}..{high}")
        return tuple(inner(each) for each in value)

    return check


def boolean(value: Any) -> bool:
    insist(type(value) is bool, "bool")
    return value


def directory(value: Any) -> tuple[bytes, ...]:
    """The rule for paths, for those that may be empty."""
    insist(type(value) is list and len(value) <= 64, "at most 64 components")
    for name in value:
        insist(type(name) is bytes and 1 <= len(name) <= 255, "components of 1 to 255 bytes")
        insist(name not in (b".", b"..") and b"/" not in name and b"\0" not in name, "components that are names")
    insist(sum(len(name) + 1 for name in value) <= 4096, "4096 bytes in all")
    return tuple(value)


def path(value: Any) -> tuple[bytes, ...]:
    insist(value != [], "a path has a component")
    return directory(value)


CODES = [
    "not_found",
    "forbidden",
    "bad_name",
    "exists",
    "is_folder",
    "not_folder",
    "no_space",
    "too_large",
    "changed",
    "checksum",
    "io_error",
    "read_only",
    "unsupported",
    "cancelled",
    "stopping",
    "limit",
    "not_empty",
]
KINDS = ("file", "folder")

id_ = integer(1, 2**32 - 1)
size = integer(0, 2**63 - 1)
time = integer(-(2**63), 2**63 - 1)
mode = integer(0, 0o7777)
digest = binary(16, 32)
token = binary(16, 16)
version = binary(1, 32)
asked_version = binary(0, 32)
level = integer(1, 19)
code = one_of(*CODES)
kind = one_of(*KINDS)
any_kind = one_of(*KINDS, "symlink", "special")
algorithm = one_of("xxh128", "sha256", "blake3", "md5")
data = binary(0, 32768)
short_text = text(0, 200)
reason = text(1, 40)


class Row(NamedTuple):
    """A line of a table: the field, what it has to be, and its default."""

    name: str
    check: Check
    default: Any = REQUIRED


def rows(*table: tuple[Any, ...]) -> tuple[Row, ...]:
    return tuple(Row(*line) for line in table)


def fill(table: tuple[Row, ...], told: dict[str, Any]) -> dict[str, Any]:
    filled = {}
    for name, check, default in table:
        insist(name in told or default is not REQUIRED, f"{name} is required")
        filled[name] = check(told[name]) if name in told else default
    return filled


def structure(*table: tuple[Any, ...]) -> Check:
    """An array that stands for a structure."""
    lines = rows(*table)

    def check(value: Any) -> dict[str, Any]:
        insist(type(value) is list, "an array for a structure")
        return fill(lines, dict(zip([line.name for line in lines], value, strict=False)))

    return check


def fields_of(value: Any) -> dict[str, Any]:
    """A map's fields; a key that is not a string or occurs twice is against the rules."""
    insist(type(value) is Pairs, "a map")
    keys = [key for key, _ in value]
    insist(all(type(key) is str for key in keys) and len(set(keys)) == len(keys), "each key a str, and once")
    return dict(value)


def limits(value: Any) -> dict[str, Any]:
    seconds = integer(1, 86400)
    table = rows(
        ("requests", integer(16, 65535)), ("keepalive", seconds), ("idle", seconds), ("streams", integer(1, 16), 1)
    )
    return fill(table, fields_of(value))


# --- the table of types ---------------------------------------------------------------------------------------------


class Type(NamedTuple):
    number: int
    name: str
    ways: tuple[str, ...]
    fields: tuple[Row, ...] = ()
    longest: int = 16384


REQUEST = ("id", id_)
NAMED = (REQUEST, ("path", path))
DIRECTORY = (REQUEST, ("path", directory, ()))
ALGORITHM = ("algorithm", algorithm, "xxh128")
TOKEN = ("token", or_nil(token), None)
MODE, MTIME = ("mode", or_nil(mode), None), ("mtime_ns", or_nil(time), None)
PART = (("offset", size, 0), ("length", or_nil(size), None))
PREFIX = ("prefix", or_nil(digest), None)
ASKED_VERSION = ("version", or_nil(asked_version), None)
VERSION = ("version", or_nil(version), None)
CLEAR_SIZES = ("clear_sizes", array(or_nil(integer(1, 32768)), 0, 1024), ())
REASONS = ("reasons", array(or_nil(reason), 0, 1024), ())
NEW_FILE = structure(("path", path), ("data", data), ("digest", digest), MODE, MTIME)
ENTRY = structure(
    ("path", path),
    ("kind", or_nil(any_kind)),
    ("size", size, 0),
    ("mtime_ns", time, 0),
    ("mode", mode, 0),
    ("code", or_nil(code), None),
)
RANGE = structure(("at", size), ("size", integer(1, 2**63 - 1)))
SMALL_FILE = structure(
    ("code", or_nil(code)),
    ("data", data, b""),
    ("digest", digest, bytes(16)),
    ("mtime_ns", time, 0),
    ("mode", mode, 0),
)
_WELCOME = rows(
    ("version", integer(1, 1)),
    ("software", text(0, 100)),
    ("capabilities", array(text(1, 40), 0, 64)),
    ("limits", limits),
    ("rights", or_nil(array(text(1, 40), 0, 64)), None),
)
_WRITE = rows(
    *NAMED,
    ("size", or_nil(size), None),
    ALGORITHM,
    ("overwrite", boolean, True),
    MODE,
    MTIME,
    ("offset", size, 0),
    PREFIX,
    ("keep", boolean, False),
    TOKEN,
    ("upload", or_nil(token), None),
    ("at", or_nil(size), None),
    ("total", or_nil(size), None),
    ("additional", boolean, False),
    ("holes", size, 0),
    ("backup", or_nil(binary(1, 64)), None),
)
_FOUND = rows(REQUEST, ("size", size), ("mtime_ns", time), ("mode", mode))

TYPES = (
    Type(0x01, "WELCOME", (DOWN,), _WELCOME),
    Type(0x02, "PING", (UP, DOWN)),
    Type(0x03, "DATA", (UP, DOWN)),
    Type(0x04, "END", (UP, DOWN), rows(("size", size), ("digest", digest), ("whole", or_nil(digest), None))),
    Type(0x05, "ABORT", (UP, DOWN), rows(("code", code), ("text", short_text, ""))),
    Type(0x06, "BYE", (UP, DOWN), rows(("code", or_nil(code), None), ("text", short_text, ""))),
    Type(0x07, "ZDATA", (UP, DOWN)),
    Type(0x08, "HOLE", (UP, DOWN), rows(("size", integer(1, 2**26)))),
    Type(0x0F, "CANCEL", (UP,), rows(REQUEST)),
    Type(
        0x10,
        "READ",
        (UP,),
        rows(
            *NAMED,
            *PART,
            PREFIX,
            ALGORITHM,
            ASKED_VERSION,
            ("additional", boolean, False),
            ("compress", or_nil(level), None),
            ("holes", boolean, False),
        ),
    ),
    Type(0x11, "WRITE", (UP,), _WRITE),
    Type(0x12, "STAT", (UP,), rows(*DIRECTORY, ("partial", boolean, False), ("parts", boolean, False))),
    Type(0x13, "LIST", (UP,), rows(*DIRECTORY, ("recursive", boolean, False), ("others", boolean, False))),
    Type(0x14, "REMOVE", (UP,), rows(*NAMED, ("kind", or_nil(any_kind), None), ("tree", boolean, False), TOKEN)),
    Type(0x15, "RENAME", (UP,), rows(*NAMED, ("to", path), ("overwrite", boolean, False), TOKEN)),
    Type(0x16, "MKDIR", (UP,), rows(*NAMED, ("parents", boolean, False), MODE, ("fill", boolean, False), TOKEN)),
    Type(0x17, "SUM", (UP,), rows(*NAMED, *PART, ALGORITHM, TOKEN, VERSION)),
    Type(0x18, "SETATTR", (UP,), rows(*DIRECTORY, MODE, MTIME)),
    Type(
        0x19,
        "READMANY",
        (UP,),
        rows(REQUEST, ("paths", array(path, 1, 1024)), ALGORITHM, ("compress", or_nil(level), None)),
        65536,
    ),
    Type(
        0x1A,
        "WRITEMANY",
        (UP,),
        rows(
            REQUEST,
            ("files", array(NEW_FILE, 1, 1024)),
            ALGORITHM,
            ("overwrite", boolean, True),
            TOKEN,
            CLEAR_SIZES,
            ("backup", or_nil(binary(1, 64)), None),
        ),
        65536,
    ),
    Type(0x1B, "COPY", (UP,), rows(*NAMED, ("to", path), ("overwrite", boolean, True), MODE, MTIME, TOKEN)),
    Type(0x1C, "SPACE", (UP,), rows(*DIRECTORY)),
    Type(
        0x20,
        "OK",
        (DOWN,),
        rows(
            REQUEST,
            ("size", or_nil(size), None),
            ("digest", or_nil(digest), None),
            ("time_changed", boolean, False),
            ("mode_changed", boolean, False),
            ("own", boolean, False),
            ("complete", boolean, False),
        ),
    ),
    Type(
        0x21,
        "ERROR",
        (DOWN,),
        rows(
            REQUEST,
            ("code", code),
            ("text", short_text, ""),
            ("reason", or_nil(reason), None),
            ("target", boolean, False),
        ),
    ),
    Type(0x22, "FILE", (DOWN,), (*_FOUND, *rows(VERSION, ("total", or_nil(size), None), ("holes", size, 0)))),
    Type(
        0x23, "ENTRIES", (DOWN,), rows(REQUEST, ("entries", array(ENTRY, 0, 4096), ()), ("last", boolean, False)), 65536
    ),
    Type(
        0x24,
        "INFO",
        (DOWN,),
        rows(REQUEST, ("kind", kind), *_FOUND[1:], ("total", or_nil(size), None), ("parts", array(RANGE, 0, 1024), ())),
        65536,
    ),
    Type(0x25, "FILES", (DOWN,), rows(REQUEST, ("files", array(SMALL_FILE, 1, 1024)), REASONS, CLEAR_SIZES), 65536),
    Type(
        0x26,
        "RESULTS",
        (DOWN,),
        rows(
            REQUEST,
            ("codes", array(or_nil(code), 1, 1024)),
            ("times_changed", integer(0, 1024), 0),
            ("modes_changed", integer(0, 1024), 0),
            REASONS,
        ),
    ),
    Type(
        0x27,
        "CAPACITY",
        (DOWN,),
        rows(
            REQUEST,
            ("total", or_nil(size), None),
            ("free", or_nil(size), None),
            ("available", or_nil(size), None),
            ("kept", or_nil(size), None),
            ("largest", or_nil(size), None),
            ("files", or_nil(size), None),
            ("files_available", or_nil(size), None),
            ("read_only", boolean, False),
        ),
    ),
)
BY_NUMBER = {each.number: each for each in TYPES}
BY_NAME = {each.name: each for each in TYPES}
ENDING = ("END", "BYE")


@dataclass(frozen=True)
class Message:
    """What a frame said; the bytes of DATA are its `payload`, and of ZDATA the frame of zstd."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None


def encode(name: str, payload: bytes = b"", **fields: Any) -> tuple[int, int, bytes]:
    """Type, flags and payload. Nothing is checked, so that a test can say what must not be said."""
    flags = END_FLAG if name in ENDING else 0
    if name in ("DATA", "PING"):
        return BY_NAME[name].number, flags, payload
    if name == "ZDATA":
        return BY_NAME[name].number, flags, fields["clear_size"].to_bytes(4, "big") + payload
    return BY_NAME[name].number, flags, pack(fields)


def decode(number: int, flags: int, payload: bytes, way: str) -> Message:
    """The message that a frame carries, or Broken."""
    insist(number in BY_NUMBER, "a known type")
    each = BY_NUMBER[number]
    insist(way in each.ways, "its direction")
    insist(flags == (END_FLAG if each.name in ENDING else 0), "its flags")
    if each.name == "DATA":
        insist(1 <= len(payload) <= 65536, "DATA of 1 to 65,536 bytes")
        return Message("DATA", payload=payload)
    if each.name == "ZDATA":
        insist(4 < len(payload) <= 65536, "ZDATA of 5 to 65,536 bytes")
        clear_size = int.from_bytes(payload[:4], "big")
        insist(1 <= clear_size <= 2**20, "1 to 2^20 bytes before compression")
        insist(clear_size <= 1024 * (len(payload) - 4), "a ratio of at most 1,024")
        return Message("ZDATA", {"clear_size": clear_size}, payload[4:])
    if each.name == "PING":
        insist(not payload, "an empty PING")
        return Message("PING")
    insist(len(payload) <= each.longest, "its longest payload")
    try:
        value = unpack(payload)
    except Malformed as error:
        raise Broken(f"MessagePack: {error}") from None
    message = Message(each.name, fill(each.fields, fields_of(value)))
    _together(message)
    return message


def _together(message: Message) -> None:
    """Fields that the specification permits only together, or not together."""
    if message.name == "WRITE":
        _part(message)
    if message.name in ("WRITEMANY", "FILES"):
        insist(len(message.clear_sizes) <= len(message.files), "no more sizes than files")
    if message.name in ("WRITE", "WRITEMANY") and message.backup is not None:
        for named in [message.path] if message.name == "WRITE" else [file["path"] for file in message.files]:
            path([*named[:-1], named[-1] + message.backup])
    if message.name == "STAT" and message.parts:
        insist(message.partial, "parts of a partial")
    if message.name == "INFO":
        before = -1
        for each in message.parts:
            insist(each["at"] > before, "parts in order, with gaps between them")
            before = each["at"] + each["size"]
        insist(before <= (2**63 - 1 if message.total is None else message.total), "parts within the file")
    if message.name == "READ" and message.prefix is not None:
        insist(message.offset > 0 and message.length is None, "prefix with offset and without length")


def _part(message: Message) -> None:
    """Which fields of a WRITE there are for a part, and which for a whole file."""
    if message.upload is None:
        insist(message.at is None and message.total is None, "at and total with upload")
        insist((message.offset > 0) == (message.prefix is not None), "offset and prefix together")
    else:
        insist(None not in (message.at, message.total, message.size), "upload with at, total and size")
        insist(message.offset == 0, "upload without offset")
        insist(message.at + message.size <= message.total, "a part within its file")
