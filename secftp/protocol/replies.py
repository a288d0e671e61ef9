"""Messages of a server: WELCOME, and the replies to requests, each with the id of the request that it answers.

Invariant: the names in a listing are as hostile as those in a request, and are checked the same way.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from secftp.errors import UsageError

# msgspec resolves a structure's annotations when it makes a decoder for the class, so these are needed at run time.
from secftp.protocol.limits import (
    MAX_BULK,
    MAX_ENTRIES,
    MAX_MANY,
    MAX_PARTS,
    MAX_SIZE,
    Digest,
    Id,
    Mode,
    Path,
    ReasonWord,
    Requests,
    Seconds,
    Size,
    SmallData,
    SmallSizes,
    Software,
    Streams,
    Text,
    Time,
    Version,
    Words,
    check_path,
)
from secftp.protocol.message import OTHER_KINDS, TO_CLIENT, ErrorCode, Kind, Message, message


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server grants: unanswered requests, and seconds between keepalives and until the idle timeout.

    `streams`: how many sessions a client may use for one transfer, this one included.
    """

    requests: Requests
    keepalive: Seconds
    idle: Seconds
    streams: Streams = 1


@message(0x01, "WELCOME", TO_CLIENT, parts={"limits": SessionLimits})
class Welcome(Message, frozen=True, kw_only=True):
    """WELCOME: the server's first message. `rights` are the session's, by name; None: an older server."""

    version: Literal[1]
    software: Software
    capabilities: Words
    limits: SessionLimits
    rights: Words | None = None


class Response(Message, frozen=True, kw_only=True):
    """Base class of replies; `id` is that of the request."""

    id: Id


@message(0x20, "OK", TO_CLIENT)
class Ok(Response, frozen=True, kw_only=True):
    """OK: the request is done, and the file of a WRITE or COPY has its final name.

    `size` and `digest` for WRITE and SUM, `size` alone for COPY.
    `time_changed`: the file system could not store the modification time, and has the nearest that it can.
    `mode_changed`: the file does not have the requested permissions. `own`: SUM is of the file sent with its token.
    `complete`: of a part, the whole file has its final name; without it, only this part has arrived.
    """

    size: Size | None = None
    digest: Digest | None = None
    time_changed: bool = False
    mode_changed: bool = False
    own: bool = False
    complete: bool = False


@message(0x21, "ERROR", TO_CLIENT)
class Error(Response, frozen=True, kw_only=True):
    """ERROR: the request failed; the session goes on.

    `reason` tells what the code does not, in a word that may be unknown here. `target`: the error is about the new name
    of a RENAME or COPY.
    """

    code: ErrorCode
    text: Text = ""
    reason: ReasonWord | None = None
    target: bool = False


@message(0x22, "FILE", TO_CLIENT, opens_file=True)
class File(Response, frozen=True, kw_only=True):
    """FILE: opens the answer to a READ. `size` is the number of bytes that follow, not the size of the whole file.

    `version` and `total` in answer to a READ with a version: which one the file is, and the size of all of it. `holes`
    in answer to a READ with holes: about how many bytes of the whole file are in holes, which need no space.
    """

    size: Size
    mtime_ns: Time
    mode: Mode
    version: Version | None = None
    total: Size | None = None
    holes: Size = 0


# gc=False, here and below: these occur by the million and can't be part of a reference cycle.
class Listed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of a listing, on the wire an array; `path` is relative to the listed directory.

    `kind` None: the entry could not be examined. `code` of a directory: it could not be entered, or not be listed to
    the end; a directory may occur a second time for that.
    """

    path: Path
    kind: Kind | None
    size: Size = 0
    mtime_ns: Time = 0
    mode: Mode = 0
    code: ErrorCode | None = None

    def __post_init__(self) -> None:
        check_path(self.path)


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One range of a partial that the server has, on the wire an array: `size` bytes from `at` on."""

    at: Size
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_SIZE)]


@message(0x24, "INFO", TO_CLIENT, longest=MAX_BULK, parts={"parts": Part})
class Info(Response, frozen=True, kw_only=True):
    """INFO: the answer to STAT. The `size` of a directory is 0.

    `parts`: the ranges of a partial that have arrived, in order and apart; `total`: the size of the whole file, None if
    the server does not know it. Both only if STAT asks for them.
    """

    kind: Kind
    size: Size
    mtime_ns: Time
    mode: Mode
    total: Size | None = None
    parts: Annotated[tuple[Part, ...], msgspec.Meta(max_length=MAX_PARTS)] = ()

    def __post_init__(self) -> None:
        if self.kind in OTHER_KINDS:
            raise UsageError("What has attributes is a file or a directory.")
        end = -1
        for part in self.parts:
            if part.at <= end:
                raise UsageError("Parts are listed in order, and with a gap between them.")
            end = part.at + part.size
        if end > (MAX_SIZE if self.total is None else self.total):
            raise UsageError("A part is within its file.")


@message(0x27, "CAPACITY", TO_CLIENT)
class Capacity(Response, frozen=True, kw_only=True):
    """CAPACITY: the answer to SPACE, in bytes and in files (inodes); None: not known, not limited, or not to be told.

    `total` and `free` are of the file system; `available` is what this session can still write there, 0 with
    `read_only`; `kept` is what the operator keeps free. `largest`: the largest file that may be written.
    """

    total: Size | None = None
    free: Size | None = None
    available: Size | None = None
    kept: Size | None = None
    largest: Size | None = None
    files: Size | None = None
    files_available: Size | None = None
    read_only: bool = False

    @property
    def used(self) -> int | None:
        """The bytes in use; None if that is not known, also because the server contradicts itself."""
        if self.total is None or self.free is None or self.free > self.total:
            return None
        return self.total - self.free


@message(0x23, "ENTRIES", TO_CLIENT, longest=MAX_BULK, parts={"entries": Listed})
class Entries(Response, frozen=True, kw_only=True):
    """ENTRIES: a part of a listing; the one that is `last` completes the answer."""

    entries: Annotated[tuple[Listed, ...], msgspec.Meta(max_length=MAX_ENTRIES)] = ()
    last: bool = False


class SmallFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file of FILES, on the wire an array; with a `code` it could not be sent, and the rest has no meaning.

    A file with the code `too_large` is one for READ.
    """

    code: ErrorCode | None
    data: SmallData = b""
    digest: Digest = bytes(16)
    mtime_ns: Time = 0
    mode: Mode = 0


@message(0x25, "FILES", TO_CLIENT, longest=MAX_BULK, parts={"files": SmallFile})
class Files(Response, frozen=True, kw_only=True):
    """FILES: some of the files of a READMANY, in its order, and `reasons` for those with a code, in the same order.

    `clear_sizes`: for each file, in order, the size before compression, None if it is not compressed.
    """

    files: Annotated[tuple[SmallFile, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    reasons: Annotated[tuple[ReasonWord | None, ...], msgspec.Meta(max_length=MAX_MANY)] = ()
    clear_sizes: SmallSizes = ()

    def __post_init__(self) -> None:
        if len(self.clear_sizes) > len(self.files):
            raise UsageError("There are more sizes than files.")


@message(0x26, "RESULTS", TO_CLIENT)
class Results(Response, frozen=True, kw_only=True):
    """RESULTS: the result for each file of a WRITEMANY, in its order; None: the file has its final name.

    `times_changed` and `modes_changed` count the files whose modification time or permissions are not those requested.
    `reasons` are those of the codes, in the same order, as far as there are any and there is room.
    """

    codes: Annotated[tuple[ErrorCode | None, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    times_changed: Annotated[int, msgspec.Meta(ge=0, le=MAX_MANY)] = 0
    modes_changed: Annotated[int, msgspec.Meta(ge=0, le=MAX_MANY)] = 0
    reasons: Annotated[tuple[ReasonWord | None, ...], msgspec.Meta(max_length=MAX_MANY)] = ()
