"""What a server says: WELCOME, and the answers to requests, each with the id of the one it answers.

The names in a listing are as hostile as those in a request, and are checked likewise.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

# msgspec resolves a structure's annotations when the class is made, so these are needed at run time.
from secftp.messages.bounds import (
    MAX_ENTRIES,
    MAX_MANY,
    Capabilities,
    Digest,
    Id,
    Mode,
    Path,
    Reason,
    Requests,
    Seconds,
    Size,
    SmallData,
    Software,
    Text,
    Time,
)
from secftp.messages.paths import check_path
from secftp.messages.vocabulary import ErrorCode, Kind  # noqa: TC001


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the server grants: unanswered requests, seconds between signs of life, seconds of silence it endures."""

    requests: Requests
    keepalive: Seconds
    idle: Seconds


class Welcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """WELCOME: the server's first message. `rights` are the session's by their names; None: an older server."""

    version: Literal[1]
    software: Software
    capabilities: Capabilities
    limits: Limits
    rights: Capabilities | None = None


class Ok(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """OK: it is done, and the file of a WRITE stands under its final name. `size` and `digest` for WRITE and SUM.

    `time_changed`: the file system could not keep the modification time, and has the nearest that it can.
    `mode_changed`: it has not the permissions that were asked for. `own`: SUM is of the file that came with its token.
    """

    id: Id
    size: Size | None = None
    digest: Digest | None = None
    time_changed: bool = False
    mode_changed: bool = False
    own: bool = False


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """ERROR: this request failed; the session goes on.

    `reason` says what the code does not, in a word that may be unknown here; `target`: it is about the new name of a
    RENAME.
    """

    id: Id
    code: ErrorCode
    text: Text = ""
    reason: Reason | None = None
    target: bool = False


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


class Files(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """FILES: some of the files that READMANY asked for, in its order, and `reasons` for those with a code likewise."""

    id: Id
    files: Annotated[tuple[SmallFile, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    reasons: Annotated[tuple[Reason | None, ...], msgspec.Meta(max_length=MAX_MANY)] = ()


class Results(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RESULTS: how each file of WRITEMANY fared, in its order; None: it stands under its final name.

    `times_changed`: of how many the file system could not keep the modification time; `modes_changed`: how many have
    not the permissions that were asked for. `reasons` are those of the codes, in the same order, as far as there are
    any and there is room.
    """

    id: Id
    codes: Annotated[tuple[ErrorCode | None, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    times_changed: Annotated[int, msgspec.Meta(ge=0, le=MAX_MANY)] = 0
    modes_changed: Annotated[int, msgspec.Meta(ge=0, le=MAX_MANY)] = 0
    reasons: Annotated[tuple[Reason | None, ...], msgspec.Meta(max_length=MAX_MANY)] = ()
