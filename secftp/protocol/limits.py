"""Limits of the protocol: every number of docs/PROTOCOL.md, the field types made of them, and the rule for paths.

Invariant: every value that a peer sends has a limit, which is checked while it is decoded, before it is stored or acted
upon. No field of a message has a type without one.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from secftp.errors import NameRefused, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DATA = 65536  # bytes of a file in one frame, which is what its payload can hold
MAX_CLEAR = 2**20  # bytes of a file in one compressed message, before compression
MAX_RATIO = 1024  # of these to the bytes that they are compressed to
MAX_HOLE = 2**26  # bytes of zeros in one message: what a receiver hashes at once
HOLE_DRAIN = 1024  # of a refused file: as so many bytes counts a hole, of which nothing travels
MAX_BULK = 65536  # bytes of the payload of a message about many files
MAX_CONTROL = 16384  # bytes of any other payload
MAX_NESTING = 16  # levels of a value that no structure describes
MAX_SIZE = 2**63 - 1  # sizes and offsets: the maximum of off_t
MAX_ID = 2**32 - 1
MAX_MODE = 0o7777

MAX_COMPONENTS = 64
MAX_COMPONENT = 255  # bytes
MAX_PATH = 4096  # bytes, one separator for each component included

MAX_TEXT = 200  # characters
MAX_SOFTWARE = 100  # characters
MAX_CAPABILITIES = 64
MAX_CAPABILITY = 40  # characters
MAX_REASON = 40  # characters
MIN_DIGEST, MAX_DIGEST = 16, 32  # bytes

MIN_REQUESTS, MAX_REQUESTS = 16, 65535  # unanswered ones; the minimum applies until WELCOME has arrived
MAX_SECONDS = 86400

MAX_LEVEL = 19  # of compression: those beyond need much memory

PING_BURST = 30
PING_RATE = 1.0  # per second
MAX_ENTRIES = 4096  # entries of a listing in one message
MAX_MANY = 1024  # small files in one message
MAX_SMALL = 32768  # bytes of a file that shares a message with others
MAX_PARTS = 1024  # ranges of a file in one message
MAX_SUFFIX = 64  # bytes that are added to a name for that of a backup
MAX_STREAMS = 16  # sessions of one client for one transfer
MAX_DRAIN = 256 * 2**20  # bytes of a refused file that may still arrive: more than any network path holds

TOKEN_BYTES = 16
MAX_VERSION = 32  # bytes

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Level = Annotated[int, Meta(ge=1, le=MAX_LEVEL)]
Size = Annotated[int, Meta(ge=0, le=MAX_SIZE)]
HoleSize = Annotated[int, Meta(ge=1, le=MAX_HOLE)]
Time = Annotated[int, Meta(ge=-MAX_SIZE - 1, le=MAX_SIZE)]
Mode = Annotated[int, Meta(ge=0, le=MAX_MODE)]
Seconds = Annotated[int, Meta(ge=1, le=MAX_SECONDS)]
Requests = Annotated[int, Meta(ge=MIN_REQUESTS, le=MAX_REQUESTS)]
Streams = Annotated[int, Meta(ge=1, le=MAX_STREAMS)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
ReasonWord = Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]
Software = Annotated[str, Meta(max_length=MAX_SOFTWARE)]
Token = Annotated[bytes, Meta(min_length=TOKEN_BYTES, max_length=TOKEN_BYTES)]
Version = Annotated[bytes, Meta(min_length=1, max_length=MAX_VERSION)]
AskedVersion = Annotated[bytes, Meta(max_length=MAX_VERSION)]
Suffix = Annotated[bytes, Meta(min_length=1, max_length=MAX_SUFFIX)]
Digest = Annotated[bytes, Meta(min_length=MIN_DIGEST, max_length=MAX_DIGEST)]
Word = Annotated[str, Meta(min_length=1, max_length=MAX_CAPABILITY)]
Words = Annotated[tuple[Word, ...], Meta(max_length=MAX_CAPABILITIES)]
Component = Annotated[bytes, Meta(min_length=1, max_length=MAX_COMPONENT)]
Path = Annotated[tuple[Component, ...], Meta(min_length=1, max_length=MAX_COMPONENTS)]
DirectoryPath = Annotated[tuple[Component, ...], Meta(max_length=MAX_COMPONENTS)]  # () is the served directory
SmallData = Annotated[bytes, Meta(max_length=MAX_SMALL)]
SmallSize = Annotated[int, Meta(ge=1, le=MAX_SMALL)]
SmallSizes = Annotated[tuple[SmallSize | None, ...], Meta(max_length=MAX_MANY)]


_NO_NAMES = frozenset((b"", b".", b".."))


def check_path(path: Sequence[bytes]) -> None:
    """Raise `NameRefused` unless `path` is valid on the wire: 1 to 64 names of 1 to 255 bytes, 4096 bytes in all.

    One separator for each name counts. `.`, `..` and names with a slash or a NUL byte are refused, since they could
    mean another place than one entry of one directory. No file system is asked; what it and the server's own rules make
    of a name is a question for `secftp.storage`. The message never repeats the name. Source: docs/PROTOCOL.md, 8.
    """
    if not 1 <= len(path) <= MAX_COMPONENTS:
        raise NameRefused(f"A path has 1 to {MAX_COMPONENTS} components.", reason=Reason.TOO_DEEP)
    joined = b"/".join(path)
    if len(joined) + 1 > MAX_PATH:
        raise NameRefused(f"A path has at most {MAX_PATH} bytes, separators included.", reason=Reason.NAME_TOO_LONG)
    if joined.count(b"/") >= len(path) or b"\0" in joined:
        raise NameRefused("A name contains neither a slash nor a NUL byte.")
    if b"." in path or b".." in path:
        raise NameRefused("A path contains neither '.' nor '..'.")
    # A whole path is rarely as long as one name may be, and a listing has a million of them.
    if b"" in path or (len(joined) > MAX_COMPONENT and max(map(len, path)) > MAX_COMPONENT):
        raise NameRefused(f"A name has 1 to {MAX_COMPONENT} bytes.", reason=Reason.NAME_TOO_LONG)


def check_name(name: bytes) -> None:
    """Raise `NameRefused` as `check_path` does, for one name alone: 1 to 255 bytes."""
    if b"/" in name or b"\0" in name or name in _NO_NAMES or len(name) > MAX_COMPONENT:
        check_path((name,))  # raises


def check_paths(paths: Sequence[Sequence[bytes]]) -> None:
    """Raise `NameRefused` as `check_path` does if one of the paths is invalid. All at once if they are valid."""
    names = list(chain.from_iterable(paths))
    joined = b"/".join(names)
    if joined.count(b"/") >= len(names) or b"\0" in joined or not _NO_NAMES.isdisjoint(names) or not all(paths):
        is_valid = False
    else:
        longest, deepest = max(map(len, names)), max(map(len, paths))
        is_valid = longest <= MAX_COMPONENT and deepest <= MAX_COMPONENTS and (longest + 1) * deepest <= MAX_PATH
    if not is_valid:  # or this can't tell, since some are long and others deep
        for path in paths:
            check_path(path)


def check_directory_path(path: Sequence[bytes]) -> None:
    """Raise `NameRefused` as `check_path` does, except for `()`, which is the served directory."""
    if path:
        check_path(path)
