"""What a client says: its requests, each with an id and the fields that its answer depends on, and CANCEL.

A request that exists has paths that are paths, and fields that go together; all other bounds are checked by `codec`, on
the way in and on the way out. A name that a peer chose must never leave here unchecked.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from secftp.errors import UsageError

# msgspec resolves a structure's annotations when the class is made, so these are needed at run time.
from secftp.messages.bounds import MAX_MANY, Digest, DirectoryPath, Id, Mode, Path, Size, SmallData, Time, Token
from secftp.messages.paths import check_directory_path, check_path
from secftp.messages.vocabulary import Algorithm, Kind


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every request has: its id, by which its answer is known."""

    id: Id


class FileRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A request about a name. Raises `NameRefused` for a path that is none, wherever the path came from."""

    path: Path

    def __post_init__(self) -> None:
        check_path(self.path)


class DirectoryRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A request about a name that may be the served folder itself: `()`. Raises `NameRefused` likewise."""

    path: DirectoryPath = ()

    def __post_init__(self) -> None:
        check_directory_path(self.path)


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
    off, what has come may stay as the partial of the name. `token`: by which SUM finds it.
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

    def __post_init__(self) -> None:
        check_path(self.path)
        if (self.offset > 0) != (self.prefix is not None):
            raise UsageError("An offset and a prefix go together.")


class Stat(DirectoryRequest, frozen=True, kw_only=True, omit_defaults=True):
    """STAT: what stands under this name, or with `partial`, what is kept for it? Answered by INFO or ERROR."""

    partial: bool = False


class List(DirectoryRequest, frozen=True, kw_only=True, omit_defaults=True):
    """LIST: what is in this folder, and with `recursive` beneath it? Answered by ENTRIES or ERROR."""

    recursive: bool = False


class Remove(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """REMOVE: take away a file or an empty folder; with `kind` only what is one. Answered by OK or ERROR.

    `tree`: it is removed with the directory that it is in, which is made writable for that if its owner may not write.
    """

    kind: Kind | None = None
    tree: bool = False
    token: Token | None = None


class Rename(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """RENAME: give a file or folder another name; with `overwrite` a file may replace a file. OK or ERROR."""

    to: Path
    overwrite: bool = False
    token: Token | None = None

    def __post_init__(self) -> None:
        check_path(self.path)
        check_path(self.to)


class MakeDirectory(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """MKDIR: make a folder; with `parents` those above it, too, and one that exists is fine. OK or ERROR.

    `fill`: a tree is copied into it, so it is made writable if its owner may not write to it, until SETATTR gives it
    its permissions or the session ends.
    """

    parents: bool = False
    mode: Mode | None = None
    fill: bool = False
    token: Token | None = None


class Sum(FileRequest, frozen=True, kw_only=True, omit_defaults=True):
    """SUM: the digest of a file, or of a part as READ's. Answered by OK with size and digest, or ERROR.

    With the `token` of the WRITE or WRITEMANY that it came with, a client may ask that may not read.
    """

    offset: Size = 0
    length: Size | None = None
    algorithm: Algorithm = Algorithm.XXH128
    token: Token | None = None


class SetAttributes(DirectoryRequest, frozen=True, kw_only=True, omit_defaults=True):
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
    """WRITEMANY: take these small files. Answered by RESULTS, in order, or by ERROR. `token`: as WRITE's, of each."""

    files: Annotated[tuple[NewFile, ...], msgspec.Meta(min_length=1, max_length=MAX_MANY)]
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True
    token: Token | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """CANCEL: the client wants no more of the answer to the request with this id. No answer of its own."""

    id: Id
