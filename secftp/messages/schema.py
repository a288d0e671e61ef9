"""Every message of secftp/1 as a typed, frozen structure, and the one table from type byte to structure.

A structure that exists has a path that is a path; everything else about it is checked by `codec`, on the way in and on
the way out. Fields unknown to this release are ignored and types unknown to it are refused, so a new meaning always
needs a new type or a capability that the server named. Nothing here must ever reach for a clock, a file or a socket.

The wire is described in docs/PROTOCOL.md; encoding: MessagePack, one map a message.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple, TypeAlias

import msgspec

# msgspec resolves a structure's annotations when the class is made, so these are needed at run time.
from secftp.messages.bounds import (  # noqa: TC001
    Capabilities,
    Digest,
    Id,
    Mode,
    Path,
    Requests,
    Seconds,
    Size,
    Software,
    Text,
    Time,
)
from secftp.messages.paths import check_path

Buffer: TypeAlias = bytes | bytearray | memoryview

END_FLAG = 0x01
CAPABILITY_RANGES = "ranges"  # READ may carry offset and length
CAPABILITY_STAT = "stat"  # STAT is answered


class Direction(enum.Enum):
    """Which way a message travels."""

    TO_SERVER = "client to server"
    TO_CLIENT = "server to client"


class MessageType(enum.IntEnum):
    """The frame's type byte. 0x13 to 0x17 and 0x23 are reserved and refused like any other unknown number."""

    WELCOME = 0x01
    PING = 0x02
    DATA = 0x03
    END = 0x04
    ABORT = 0x05
    BYE = 0x06
    CANCEL = 0x0F
    READ = 0x10
    WRITE = 0x11
    STAT = 0x12
    OK = 0x20
    ERROR = 0x21
    FILE = 0x22
    INFO = 0x24


class ErrorCode(enum.StrEnum):
    """Why a request or a file failed: a closed list."""

    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    BAD_NAME = "bad_name"
    EXISTS = "exists"
    IS_FOLDER = "is_folder"
    NOT_FOLDER = "not_folder"
    NO_SPACE = "no_space"
    TOO_LARGE = "too_large"
    CHANGED = "changed"
    CHECKSUM = "checksum"
    IO_ERROR = "io_error"
    READ_ONLY = "read_only"
    UNSUPPORTED = "unsupported"
    CANCELLED = "cancelled"
    STOPPING = "stopping"
    LIMIT = "limit"


class Algorithm(enum.StrEnum):
    """What a file's digest is computed with; 16 bytes for xxh128 and md5, 32 for sha256 and blake3."""

    XXH128 = "xxh128"
    SHA256 = "sha256"
    BLAKE3 = "blake3"
    MD5 = "md5"


class Kind(enum.StrEnum):
    """What stands under a name. Anything else (a link, a device, a FIFO) does not exist for a client."""

    FILE = "file"
    FOLDER = "folder"


# --- both directions ------------------------------------------------------------------------------------------------


class Ping(msgspec.Struct, frozen=True):
    """PING: the sender is alive. No payload and no answer."""


class Data(msgspec.Struct, frozen=True):
    """DATA: 1 to 65536 bytes of the file under way. `payload` is never copied and never interpreted."""

    payload: Buffer


class End(msgspec.Struct, frozen=True, kw_only=True):
    """END: the file is whole; `size` bytes were sent and `digest` is theirs."""

    size: Size
    digest: Digest


class Abort(msgspec.Struct, frozen=True, kw_only=True):
    """ABORT: in place of END, the sender gives this file up; the receiver throws away what it has."""

    code: ErrorCode
    text: Text = ""


class Bye(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """BYE: the authenticated close of one direction; `code` tells why if something went wrong."""

    code: ErrorCode | None = None
    text: Text = ""


# --- client to server -----------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What READ, WRITE and STAT share. Raises `NameRefused` for a path that is none, wherever the path came from."""

    id: Id
    path: Path

    def __post_init__(self) -> None:
        check_path(self.path)


class Read(Request, frozen=True, kw_only=True, omit_defaults=True):
    """READ: send this file, or `length` bytes of it from `offset` on. Answered by FILE or ERROR."""

    offset: Size = 0
    length: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128


class Write(Request, frozen=True, kw_only=True, omit_defaults=True):
    """WRITE: a file follows, as DATA and END or ABORT. Answered by OK or ERROR. `size` None: not known yet."""

    size: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True
    mode: Mode | None = None
    mtime_ns: Time | None = None


class Stat(Request, frozen=True, kw_only=True, omit_defaults=True):
    """STAT: what stands under this name? Answered by INFO or ERROR."""


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """CANCEL: the client wants no more of the READ with this id. No answer of its own."""

    id: Id


# --- server to client -----------------------------------------------------------------------------------------------


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the server grants: unanswered requests, seconds between signs of life, seconds of silence it endures."""

    requests: Requests
    keepalive: Seconds
    idle: Seconds


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """WELCOME: the server's first message."""

    version: Literal[1]
    software: Software
    capabilities: Capabilities
    limits: Limits


class Ok(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """OK: the file of this WRITE stands under its final name."""

    id: Id
    size: Size | None = None
    digest: Digest | None = None


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """ERROR: this request failed; the session goes on."""

    id: Id
    code: ErrorCode
    text: Text = ""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """FILE: opens the answer to a READ. `size` is the number of bytes that follow, not the size of the whole file."""

    id: Id
    size: Size
    mtime_ns: Time
    mode: Mode


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """INFO: the answer to STAT. A folder's `size` is 0."""

    id: Id
    kind: Kind
    size: Size
    mtime_ns: Time
    mode: Mode


Message: TypeAlias = Welcome | Ping | Data | End | Abort | Bye | Cancel | Read | Write | Stat | Ok | Error | File | Info


class Entry(NamedTuple):
    """One line of the table: a type byte, its structure, the ways it may travel and its exact flags."""

    number: MessageType
    struct: type[Message]
    directions: frozenset[Direction]
    flags: int = 0


_UP = frozenset({Direction.TO_SERVER})
_DOWN = frozenset({Direction.TO_CLIENT})
_BOTH = _UP | _DOWN

REGISTRY: tuple[Entry, ...] = (
    Entry(MessageType.WELCOME, Welcome, _DOWN),
    Entry(MessageType.PING, Ping, _BOTH),
    Entry(MessageType.DATA, Data, _BOTH),
    Entry(MessageType.END, End, _BOTH, END_FLAG),
    Entry(MessageType.ABORT, Abort, _BOTH),
    Entry(MessageType.BYE, Bye, _BOTH, END_FLAG),
    Entry(MessageType.CANCEL, Cancel, _UP),
    Entry(MessageType.READ, Read, _UP),
    Entry(MessageType.WRITE, Write, _UP),
    Entry(MessageType.STAT, Stat, _UP),
    Entry(MessageType.OK, Ok, _DOWN),
    Entry(MessageType.ERROR, Error, _DOWN),
    Entry(MessageType.FILE, File, _DOWN),
    Entry(MessageType.INFO, Info, _DOWN),
)
