"""Every message of secftp/1 as a typed, frozen structure, and the one table from type byte to structure.

A structure that exists has a path that is a path; everything else about it is checked by `codec`, on the way in and on
the way out. Fields unknown to this release are ignored and types unknown to it are refused, so a new meaning always
needs a new type or a capability that the server named. Nothing here must ever reach for a clock, a file or a socket.

The wire is described in docs/PROTOCOL.md; encoding: MessagePack, one map a message.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec

from secftp.errors import UsageError

# msgspec resolves a structure's annotations when the class is made, so these are needed at run time.
from secftp.messages.bounds import (
    MAX_BULK,
    MAX_CONTROL,
    MAX_ENTRIES,
    MAX_MANY,
    Capabilities,
    Digest,
    FolderPath,
    Id,
    Mode,
    Path,
    Requests,
    Seconds,
    Size,
    SmallData,
    Software,
    Text,
    Time,
)
from secftp.messages.paths import check_folder_path, check_path

Buffer: TypeAlias = bytes | bytearray | memoryview

END_FLAG = 0x01
CAPABILITY_RANGES = "ranges"  # READ may carry offset and length
CAPABILITY_STAT = "stat"  # STAT is answered
CAPABILITY_LIST = "list"  # LIST is answered
CAPABILITY_CHANGE = "change"  # REMOVE, RENAME, MKDIR and SETATTR are answered
CAPABILITY_SUM = "sum"  # SUM is answered
CAPABILITY_RESUME = "resume"  # WRITE may carry offset, prefix and keep, READ prefix, STAT partial
CAPABILITY_MANY = "many"  # READMANY and WRITEMANY are answered


class Direction(enum.Enum):
    """Which way a message travels."""

    TO_SERVER = "client to server"
    TO_CLIENT = "server to client"


class MessageType(enum.IntEnum):
    """The frame's type byte."""

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
    LIST = 0x13
    REMOVE = 0x14
    RENAME = 0x15
    MKDIR = 0x16
    SUM = 0x17
    SETATTR = 0x18
    READMANY = 0x19
    WRITEMANY = 0x1A
    OK = 0x20
    ERROR = 0x21
    FILE = 0x22
    ENTRIES = 0x23
    INFO = 0x24
    FILES = 0x25
    RESULTS = 0x26


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
    NOT_EMPTY = "not_empty"


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
    """What every request has: its id, by which its answer is known."""

    id: Id


class FileRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A request about a name. Raises `NameRefused` for a path that is none, wherever the path came from."""

    path: Path

    def __post_init__(self) -> None:
        check_path(self.path)


class FolderRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A request about a name that may be the served folder itself: `()`. Raises `NameRefused` likewise."""

    path: FolderPath = ()

    def __post_init__(self) -> None:
        check_folder_path(self.path)


class Read(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """READ: send this file, or `length` bytes of it from `offset` on. Answered by FILE or ERROR.

    With `prefix`, the digest of the first `offset` bytes as the client has them: only if the server has the same there,
    and END's digest is of the whole file.
    """

    offset: Size = 0
    length: Size | None = None
    prefix: Digest | None = None
    algorithm: Algorithm = Algorithm.XXH128

    def __post_init__(self) -> None:
        check_path(self.path)
        if self.prefix is not None and (self.offset == 0 or self.length is not None):
            raise UsageError("A prefix goes with an offset, and with the rest of the file behind it.")


class Write(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """WRITE: a file follows, as DATA and END or ABORT. Answered by OK or ERROR. `size` None: not known yet.

    With `offset` and `prefix` what follows goes behind the first `offset` bytes of the partial that the server kept, if
    their digest is `prefix`, and END's digest is of the whole file; `size` is of what follows. `keep`: if this breaks
    off, what has come may stay as the partial of the name.
    """

    size: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True
    mode: Mode | None = None
    mtime_ns: Time | None = None
    offset: Size = 0
    prefix: Digest | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        check_path(self.path)
        if (self.offset > 0) != (self.prefix is not None):
            raise UsageError("An offset and a prefix go together.")


class Stat(FolderRequest, frozen=True, kw_only=True, omit_defaults=True):
    """STAT: what stands under this name, or with `partial`, what is kept for it? Answered by INFO or ERROR."""

    partial: bool = False


class List(FolderRequest, frozen=True, kw_only=True, omit_defaults=True):
    """LIST: what is in this folder, and with `recursive` beneath it? Answered by ENTRIES or ERROR."""

    recursive: bool = False


class Remove(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """REMOVE: take away a file or an empty folder; with `kind` only what is one. Answered by OK or ERROR."""

    kind: Kind | None = None


class Rename(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """RENAME: give a file or folder another name; with `overwrite` a file may replace a file. OK or ERROR."""

    to: Path
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_path(self.path)
        check_path(self.to)


class MakeFolder(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """MKDIR: make a folder; with `parents` those above it, too, and one that exists is fine. OK or ERROR."""

    parents: bool = False
    mode: Mode | None = None


class Sum(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """SUM: the digest of a file, or of a part as READ's. Answered by OK with size and digest, or ERROR."""

    offset: Size = 0
    length: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128


class SetAttributes(FolderRequest, frozen=True, kw_only=True, omit_defaults=True):
    """SETATTR: set permissions and modification time of a file or folder. Answered by OK or ERROR."""

    mode: Mode | None = None
    mtime_ns: Time | None = None


class ReadMany(Request, frozen=True, kw_only=True, omit_defaults=True):
    """READMANY: send these small files. Answered by FILES until there is one for each path, in order, or by ERROR."""

    paths: Annotated[tuple[Path, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    algorithm: Algorithm = Algorithm.XXH128

    def __post_init__(self) -> None:
        for path in self.paths:
            check_path(path)


class NewFile(msgspec.Struct, frozen=True, array_like=True):
    """A small file of WRITEMANY. On the wire an array."""

    path: Path
    data: SmallData
    digest: Digest
    mode: Mode | None = None
    mtime_ns: Time | None = None

    def __post_init__(self) -> None:
        check_path(self.path)


class WriteMany(Request, frozen=True, kw_only=True, omit_defaults=True):
    """WRITEMANY: take these small files. Answered by RESULTS, in order, or by ERROR."""

    files: Annotated[tuple[NewFile, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """CANCEL: the client wants no more of the answer to the request with this id. No answer of its own."""

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
    """OK: it is done, and the file of a WRITE stands under its final name. `size` and `digest` for WRITE and SUM."""

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


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a listing, on the wire an array; `path` is below the folder that was listed.

    `kind` None: it could not be looked at. `code` at a folder: it could not be entered, or not be listed to its end; a
    folder may come a second time for that.
    """

    path: Path
    kind: Kind | None
    size: Size = 0
    mtime_ns: Time = 0
    mode: Mode = 0
    code: ErrorCode | None = None

    def __post_init__(self) -> None:
        check_path(self.path)


class Entries(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """ENTRIES: a part of a listing; after the one that is `last` the request is answered."""

    id: Id
    entries: Annotated[tuple[Listed, ...], msgspec.Meta(max_length=MAX_ENTRIES)] = ()
    last: bool = False


class SmallFile(msgspec.Struct, frozen=True, array_like=True):
    """One file of FILES, on the wire an array; with `code` it could not be sent so, and the rest says nothing.

    `too_large` is for READ.
    """

    code: ErrorCode | None
    data: SmallData = b""
    digest: Digest = bytes(16)
    mtime_ns: Time = 0
    mode: Mode = 0


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """FILES: some of the files that READMANY asked for, in its order."""

    id: Id
    files: Annotated[tuple[SmallFile, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """RESULTS: how each file of WRITEMANY fared, in its order; None: it stands under its final name."""

    id: Id
    codes: Annotated[tuple[ErrorCode | None, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]


AnyRequest: TypeAlias = (
    Read | Write | Stat | List | Remove | Rename | MakeFolder | Sum | SetAttributes | ReadMany | WriteMany
)
Reply: TypeAlias = Ok | Error | File | Info | Entries | Files | Results
Message: TypeAlias = Welcome | Ping | Data | End | Abort | Bye | Cancel | AnyRequest | Reply


class Entry(NamedTuple):
    """One line of the table: a type byte, its structure, the ways it may travel, its exact flags, longest payload."""

    number: MessageType
    struct: type[Message]
    directions: frozenset[Direction]
    flags: int = 0
    longest: int = MAX_CONTROL


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
    Entry(MessageType.LIST, List, _UP),
    Entry(MessageType.REMOVE, Remove, _UP),
    Entry(MessageType.RENAME, Rename, _UP),
    Entry(MessageType.MKDIR, MakeFolder, _UP),
    Entry(MessageType.SUM, Sum, _UP),
    Entry(MessageType.SETATTR, SetAttributes, _UP),
    Entry(MessageType.READMANY, ReadMany, _UP, longest=MAX_BULK),
    Entry(MessageType.WRITEMANY, WriteMany, _UP, longest=MAX_BULK),
    Entry(MessageType.OK, Ok, _DOWN),
    Entry(MessageType.ERROR, Error, _DOWN),
    Entry(MessageType.FILE, File, _DOWN),
    Entry(MessageType.ENTRIES, Entries, _DOWN, longest=MAX_BULK),
    Entry(MessageType.INFO, Info, _DOWN),
    Entry(MessageType.FILES, Files, _DOWN, longest=MAX_BULK),
    Entry(MessageType.RESULTS, Results, _DOWN),
)
