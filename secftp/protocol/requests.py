"""Messages of a client: its requests, each with an id, and CANCEL.

A request that exists has valid paths, and fields that go together; all other limits are checked by `codec`, on the way
in and on the way out. Invariant: no name that a peer chose leaves this module unchecked.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from secftp.errors import UsageError

# msgspec resolves a structure's annotations when it makes a decoder for the class, so these are needed at run time.
from secftp.protocol.limits import (
    MAX_BULK,
    MAX_MANY,
    AskedVersion,
    Digest,
    DirectoryPath,
    Id,
    Level,
    Mode,
    Path,
    Size,
    SmallData,
    SmallSizes,
    Suffix,
    Time,
    Token,
    Version,
    check_directory_path,
    check_path,
    check_paths,
)
from secftp.protocol.message import OTHER_KINDS, TO_SERVER, Algorithm, Capability, Kind, Message, message
from secftp.protocol.replies import Capacity, Entries, Error, File, Files, Info, Ok, Results


def backup_path(path: Path, suffix: bytes) -> Path:
    """Return the path of the backup of a file."""
    return (*path[:-1], path[-1] + suffix)


class Request(Message, frozen=True, kw_only=True):
    """Base class of requests; replies repeat the `id`."""

    id: Id

    def needs(self) -> Capability | None:
        """Return the capability that the server must have named for this request with these fields; None for none."""
        return self.TYPE.capability

    def may_precede_welcome(self) -> bool:
        """Return whether it may be sent before WELCOME (docs/PROTOCOL.md, section 10.2).

        A server that lacks the capability of a type closes; one that lacks that of a field would misread the request.
        """
        return self.needs() in (None, self.TYPE.capability)

    def small_files(self) -> int:
        """Return how many small files the answer is about."""
        return 0


class FileRequest(Request, frozen=True, kw_only=True):
    """Base class of requests about a name. Raises `NameRefused` for an invalid path, wherever it came from."""

    path: Path

    def __post_init__(self) -> None:
        check_path(self.path)


class DirectoryRequest(Request, frozen=True, kw_only=True):
    """Base class of requests about a name or the served directory, `()`. Raises `NameRefused` for an invalid path."""

    path: DirectoryPath = ()

    def __post_init__(self) -> None:
        check_directory_path(self.path)


@message(0x10, "READ", TO_SERVER, answers=(File, Error))
class Read(FileRequest, frozen=True, kw_only=True):
    """READ: send this file, or `length` bytes of it from `offset` on.

    `prefix` is the digest of the client's first `offset` bytes: the rest is sent only if the server's are the same, and
    the digest in END is of the whole file. `version`: send only this version of the file; empty to be told which one it
    is. `additional`: this session is an additional stream of a parallel transfer. `compress`: the server may send
    ZDATA, compressed at this level. `holes`: it may send HOLE.
    """

    offset: Size = 0
    length: Size | None = None
    prefix: Digest | None = None
    algorithm: Algorithm = Algorithm.XXH128
    version: AskedVersion | None = None
    additional: bool = False
    compress: Level | None = None
    holes: bool = False

    def __post_init__(self) -> None:
        check_path(self.path)
        if self.prefix is not None and (self.offset == 0 or self.length is not None):
            raise UsageError("A prefix goes with an offset, and with the rest of the file behind it.")

    def needs(self) -> Capability | None:
        """Return VERSIONS for a version, RESUME for a prefix, RANGES for a range, None for a whole file."""
        if self.version:
            return Capability.VERSIONS
        if self.prefix is not None:
            return Capability.RESUME
        return Capability.RANGES if self.offset or self.length is not None else None


@message(0x11, "WRITE", TO_SERVER, answers=(Ok, Error), opens_file=True)
class Write(FileRequest, frozen=True, kw_only=True):
    """WRITE: a file follows, as DATA and END or ABORT. `size` None: not known yet.

    With `offset` and `prefix` the data is appended to the first `offset` bytes of the partial that the server kept, if
    their digest is `prefix`; then `size` is of what follows, and the digest in END of the whole file. `keep`: what has
    arrived may be kept as the partial of the name if the transfer is interrupted. `token`: with it SUM finds the file.

    With `upload`, `at` and `total` the data is one part of a file of `total` bytes: `size` bytes from `at` on. All
    parts with one `upload` make one file. Then `prefix` is of all bytes that the server has, which the upload takes
    over. `additional`: this session is an additional stream of a client, the first to be ended when there are too many.
    `holes`: about how many bytes of the file (of a part: of the whole file) are in holes, which need no space.
    `backup`: a file that is replaced keeps its name with this suffix.
    """

    size: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True
    mode: Mode | None = None
    mtime_ns: Time | None = None
    offset: Size = 0
    prefix: Digest | None = None
    keep: bool = False
    token: Token | None = None
    upload: Token | None = None
    at: Size | None = None
    total: Size | None = None
    additional: bool = False
    holes: Size = 0
    backup: Suffix | None = None

    def __post_init__(self) -> None:
        check_path(self.path)
        if self.backup is not None:
            check_path(backup_path(self.path, self.backup))
        if self.upload is None:
            if self.at is not None or self.total is not None:
                raise UsageError("A part belongs to an upload.")
            if (self.offset > 0) != (self.prefix is not None):
                raise UsageError("An offset and a prefix go together.")
        elif self.at is None or self.total is None or self.size is None:
            raise UsageError("A part has a place, and a file of a known size.")
        elif self.offset or self.at + self.size > self.total:
            raise UsageError("A part has no offset, and is within its file.")

    def needs(self) -> Capability | None:
        """Return BACKUP for that, UPLOADS for a part, RESUME for a partial to be continued or kept, otherwise None."""
        if self.backup is not None:
            return Capability.BACKUP
        if self.upload is not None:
            return Capability.UPLOADS
        return Capability.RESUME if self.keep or self.prefix is not None else None


@message(0x12, "STAT", TO_SERVER, answers=(Info, Error), capability=Capability.STAT)
class Stat(DirectoryRequest, frozen=True, kw_only=True):
    """STAT: the attributes of what has this name, or with `partial`, of the partial that is kept for it.

    `parts`: INFO is to list the parts of the partial.
    """

    partial: bool = False
    parts: bool = False

    def __post_init__(self) -> None:
        check_directory_path(self.path)
        if self.parts and not self.partial:
            raise UsageError("Only a partial has parts.")

    def needs(self) -> Capability | None:
        """Return UPLOADS for the parts of a partial, RESUME for a partial, otherwise STAT."""
        if self.parts:
            return Capability.UPLOADS
        return Capability.RESUME if self.partial else self.TYPE.capability


@message(0x13, "LIST", TO_SERVER, answers=(Entries, Error), capability=Capability.LIST)
class List(DirectoryRequest, frozen=True, kw_only=True):
    """LIST: the entries of a directory, and with `recursive` those of all directories beneath it.

    `others`: also symlinks and special files.
    """

    recursive: bool = False
    others: bool = False


@message(0x14, "REMOVE", TO_SERVER, answers=(Ok, Error), capability=Capability.CHANGE)
class Remove(FileRequest, frozen=True, kw_only=True):
    """REMOVE: remove a file or an empty directory; with `kind` only if it is of that kind, which may be one of others.

    `tree`: the directory that it is in will be removed, too, and is made writable if its owner may not write to it.
    """

    kind: Kind | None = None
    tree: bool = False
    token: Token | None = None

    def needs(self) -> Capability | None:
        """Return OTHERS for a symlink or a special file, otherwise CHANGE."""
        return Capability.OTHERS if self.kind in OTHER_KINDS else self.TYPE.capability


@message(0x15, "RENAME", TO_SERVER, answers=(Ok, Error), capability=Capability.CHANGE)
class Rename(FileRequest, frozen=True, kw_only=True):
    """RENAME: rename a file or directory; with `overwrite` a file may replace a file."""

    to: Path
    overwrite: bool = False
    token: Token | None = None

    def __post_init__(self) -> None:
        check_path(self.path)
        check_path(self.to)


@message(0x16, "MKDIR", TO_SERVER, answers=(Ok, Error), capability=Capability.CHANGE)
class MakeDirectory(FileRequest, frozen=True, kw_only=True):
    """MKDIR: make a directory; with `parents` also those above it, and one that exists is no error.

    `fill`: a tree will be copied into it, so it is made writable if its owner may not write to it, until SETATTR sets
    its permissions or the session ends.
    """

    parents: bool = False
    mode: Mode | None = None
    fill: bool = False
    token: Token | None = None


@message(0x17, "SUM", TO_SERVER, answers=(Ok, Error), capability=Capability.SUM)
class Sum(FileRequest, frozen=True, kw_only=True):
    """SUM: the size and the digest of a file, or of the part of it that READ would send.

    With the `token` of the WRITE or WRITEMANY that sent the file, no right to read is needed. `version`: only for
    this version of the file, as in READ.
    """

    offset: Size = 0
    length: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128
    token: Token | None = None
    version: Version | None = None

    def needs(self) -> Capability | None:
        """Return VERSIONS for a version, otherwise SUM."""
        return self.TYPE.capability if self.version is None else Capability.VERSIONS


@message(0x18, "SETATTR", TO_SERVER, answers=(Ok, Error), capability=Capability.CHANGE)
class SetAttributes(DirectoryRequest, frozen=True, kw_only=True):
    """SETATTR: set permissions and modification time of a file or directory."""

    mode: Mode | None = None
    mtime_ns: Time | None = None


@message(0x19, "READMANY", TO_SERVER, answers=(Files, Error), capability=Capability.MANY, longest=MAX_BULK)
class ReadMany(Request, frozen=True, kw_only=True):
    """READMANY: send these small files. Answered by FILES until there is one for each path, in order, or by ERROR.

    `compress`: the server may compress each of them, at this level.
    """

    paths: Annotated[tuple[Path, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    algorithm: Algorithm = Algorithm.XXH128
    compress: Level | None = None

    def __post_init__(self) -> None:
        check_paths(self.paths)

    def small_files(self) -> int:
        """Return the number of paths."""
        return len(self.paths)


class NewFile(msgspec.Struct, frozen=True, array_like=True, gc=False):  # as in `replies`
    """One file of WRITEMANY, on the wire an array."""

    path: Path
    data: SmallData
    digest: Digest
    mode: Mode | None = None
    mtime_ns: Time | None = None

    def __post_init__(self) -> None:
        check_path(self.path)


@message(
    0x1A,
    "WRITEMANY",
    TO_SERVER,
    answers=(Results, Error),
    capability=Capability.MANY,
    longest=MAX_BULK,
    parts={"files": NewFile},
)
class WriteMany(Request, frozen=True, kw_only=True):
    """WRITEMANY: write these small files. `token`: as in WRITE, for each of them.

    `clear_sizes`: for each file, in order, the size before compression, None if it is not compressed. `backup`: as in
    WRITE, for each of them.
    """

    files: Annotated[tuple[NewFile, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True
    token: Token | None = None
    clear_sizes: SmallSizes = ()
    backup: Suffix | None = None

    def __post_init__(self) -> None:
        if len(self.clear_sizes) > len(self.files):
            raise UsageError("There are more sizes than files.")
        if self.backup is not None:
            for file in self.files:
                check_path(backup_path(file.path, self.backup))

    def needs(self) -> Capability | None:
        """Return BACKUP for that, otherwise MANY."""
        return self.TYPE.capability if self.backup is None else Capability.BACKUP

    def small_files(self) -> int:
        """Return the number of files."""
        return len(self.files)


@message(0x1B, "COPY", TO_SERVER, answers=(Ok, Error), capability=Capability.COPY)
class Copy(FileRequest, frozen=True, kw_only=True):
    """COPY: copy a file at the server; with `overwrite` it may replace a file.

    `mode` and `mtime_ns`: None for those of the source. `token`: as in RENAME.
    """

    to: Path
    overwrite: bool = True
    mode: Mode | None = None
    mtime_ns: Time | None = None
    token: Token | None = None

    def __post_init__(self) -> None:
        check_path(self.path)
        check_path(self.to)


@message(0x1C, "SPACE", TO_SERVER, answers=(Capacity, Error), capability=Capability.SPACE)
class Space(DirectoryRequest, frozen=True, kw_only=True):
    """SPACE: how much the file system holds that this name is in, and how much of it this session can still use."""


@message(0x0F, "CANCEL", TO_SERVER)
class Cancel(Message, frozen=True, kw_only=True):
    """CANCEL: the client no longer wants the answer to the request with this id. It is not answered itself."""

    id: Id
