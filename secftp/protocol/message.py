"""Messages of secftp/1: the base class, what each class declares of itself, and the messages of both directions.

A message is a frozen structure whose fields are those of docs/PROTOCOL.md, section 9. The decorator `message` declares
the rest: type byte, name, direction, replies, required capability. The codec, the state machine and the server's
dispatch all follow from that declaration, so a new message is a new class.

Unknown fields are ignored and unknown types are refused, so a new meaning needs a new type or a capability. Invariant:
no value outside the enumerations and limits of these fields gets past the decoder.
"""

from __future__ import annotations

import enum
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

# msgspec resolves a structure's annotations when it makes a decoder for the class, so these are needed at run time.
from secftp.protocol.limits import MAX_CONTROL, Digest, HoleSize, Size, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Buffer: TypeAlias = bytes | bytearray | memoryview

END_FLAG: Final = 0x01


class Direction(enum.Enum):
    """Which way a message travels."""

    TO_SERVER = "client to server"
    TO_CLIENT = "server to client"


TO_SERVER: Final = (Direction.TO_SERVER,)
TO_CLIENT: Final = (Direction.TO_CLIENT,)
BOTH: Final = (Direction.TO_SERVER, Direction.TO_CLIENT)


class Capability(enum.StrEnum):
    """What a server supports beyond READ and WRITE, by its name in WELCOME."""

    RANGES = "ranges"
    STAT = "stat"
    LIST = "list"
    CHANGE = "change"
    SUM = "sum"
    RESUME = "resume"
    MANY = "many"
    UPLOADS = "uploads"
    VERSIONS = "versions"
    ZSTD = "zstd"
    COPY = "copy"
    SPACE = "space"
    HOLES = "holes"
    BACKUP = "backup"
    OTHERS = "others"


class Right(enum.StrEnum):
    """What a session may do, by its name in WELCOME and in a file of keys."""

    READ = "read"
    LIST = "list"
    WRITE = "write"
    OVERWRITE = "overwrite"
    DELETE = "delete"


class ErrorCode(enum.StrEnum):
    """Why a request or a file failed: a closed list."""

    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    BAD_NAME = "bad_name"
    EXISTS = "exists"
    IS_DIRECTORY = "is_folder"
    NOT_DIRECTORY = "not_folder"
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
    """The algorithm of a file's digest: 16 bytes for xxh128 and md5, 32 for sha256 and blake3."""

    XXH128 = "xxh128"
    SHA256 = "sha256"
    BLAKE3 = "blake3"
    MD5 = "md5"


class Kind(enum.StrEnum):
    """The kind of a directory entry: a regular file or a directory, which the wire and JSON call a folder.

    All others (symlinks; devices, FIFOs, sockets) do not exist for a client, except in a listing that asks for them.
    """

    FILE = "file"
    DIRECTORY = "folder"
    SYMLINK = "symlink"
    SPECIAL = "special"


# What a listing tells of only if it is asked, and what can only be removed.
OTHER_KINDS: Final = frozenset({Kind.SYMLINK, Kind.SPECIAL})


_MAKING: Final = threading.RLock()  # reentrant, as a handler of a signal may interrupt it


class LazyDecoder:
    """A decoder of MessagePack that is made when it is used for the first time.

    To make one takes longer than to use it, and a session uses few of them. `decode` is that of msgspec's decoder, and
    raises what that raises. Decoders are made by one thread at a time: what msgspec notes of a structure is there for
    all threads before it is complete, and one that uses it then ends the process.
    """

    __slots__ = ("_make", "decode")

    def __init__(self, make: Callable[[], msgspec.msgpack.Decoder[Any]]) -> None:
        self._make = make
        self.decode: Callable[[Buffer | msgspec.Raw], Any] = self._decode_first

    def _decode_first(self, data: Buffer | msgspec.Raw) -> Any:
        with _MAKING:
            if self.decode == self._decode_first:
                self.decode = self._make().decode
        return self.decode(data)


class MessageType(NamedTuple):
    """The declaration of a message class.

    `number` is the type byte, `flags` are those of every frame with this message, and `longest` is the maximum size of
    the payload in bytes. `decoder` is None for DATA, ZDATA and PING, which carry no map. `fields` are the names of all
    fields, `parts` decoders for those whose values are structures in turn (see `codec`), `maps` those that are maps.
    For a request, `answers` are the messages that may answer it, and `capability` is the one that the server must have
    named. `opens_file`: DATA or ZDATA messages follow, then END or ABORT.
    """

    struct: type[Message]
    number: int
    name: str
    directions: tuple[Direction, ...]
    flags: int
    longest: int
    decoder: LazyDecoder | None
    fields: frozenset[str]
    parts: Mapping[str, LazyDecoder]
    maps: tuple[str, ...]
    answers: frozenset[type[Message]]
    capability: Capability | None
    opens_file: bool


MESSAGE_TYPES: Final[dict[int, MessageType]] = {}


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base class of all messages; `TYPE` is set by the decorator `message`."""

    TYPE: ClassVar[MessageType]


_AnyMessage = TypeVar("_AnyMessage", bound=Message)


def message(
    number: int,
    name: str,
    directions: tuple[Direction, ...],
    *,
    flags: int = 0,
    longest: int = MAX_CONTROL,
    bare: bool = False,
    parts: Mapping[str, type[msgspec.Struct]] | None = None,
    answers: tuple[type[Message], ...] = (),
    capability: Capability | None = None,
    opens_file: bool = False,
) -> Callable[[type[_AnyMessage]], type[_AnyMessage]]:
    """Declare a class as the message of type byte `number`; see `MessageType`.

    `bare`: the payload is not a map. `parts`: the fields that contain a structure or, if it is array-like, an array of
    it.
    """

    def declare(struct: type[_AnyMessage]) -> type[_AnyMessage]:
        inner = parts or {}
        assert number not in MESSAGE_TYPES
        struct.TYPE = MESSAGE_TYPES[number] = MessageType(
            struct=struct,
            number=number,
            name=name,
            directions=directions,
            flags=flags,
            longest=longest,
            decoder=None if bare else LazyDecoder(partial(msgspec.msgpack.Decoder, struct)),
            fields=frozenset(struct.__struct_fields__),
            parts={field: LazyDecoder(partial(_outline, part)) for field, part in inner.items()},
            maps=tuple(field for field, part in inner.items() if not part.__struct_config__.array_like),
            answers=frozenset(answers),
            capability=capability,
            opens_file=opens_file,
        )
        return struct

    return declare


def _outline(part: type[msgspec.Struct]) -> msgspec.msgpack.Decoder[Any]:
    """Return a decoder for the same fields with any values and no further fields; for arrays of it if array-like."""
    array_like = part.__struct_config__.array_like
    fields = [(name, msgspec.Raw, msgspec.Raw()) for name in part.__struct_fields__]
    outline: Any = msgspec.defstruct(part.__name__, fields, array_like=array_like, forbid_unknown_fields=True)
    return msgspec.msgpack.Decoder(list[outline] if array_like else outline)


# --- messages of both directions ------------------------------------------------------------------------------------

# They have no id: those about a file are about the one whose transfer is in progress, which `state` knows.


@message(0x02, "PING", BOTH, bare=True)
class Ping(Message, frozen=True):
    """PING: keepalive. No payload and no answer."""


@message(0x03, "DATA", BOTH, bare=True)
class Data(Message, frozen=True):
    """DATA: 1 to 65536 bytes of a file. `payload` is neither copied nor interpreted."""

    payload: Buffer


@message(0x04, "END", BOTH, flags=END_FLAG)
class End(Message, frozen=True, kw_only=True):
    """END: the file is complete; `size` bytes were sent and `digest` is theirs.

    `whole`: only after a part, the digest of the whole file.
    """

    size: Size
    digest: Digest
    whole: Digest | None = None


@message(0x05, "ABORT", BOTH)
class Abort(Message, frozen=True, kw_only=True, omit_defaults=False):
    """ABORT: in place of END, the sender gives this file up; the receiver discards what it has."""

    code: ErrorCode
    text: Text = ""


@message(0x06, "BYE", BOTH, flags=END_FLAG)
class Bye(Message, frozen=True, kw_only=True):
    """BYE: the authenticated close of one direction; `code` tells the reason if something went wrong."""

    code: ErrorCode | None = None
    text: Text = ""


@message(0x07, "ZDATA", BOTH, bare=True, capability=Capability.ZSTD)
class CompressedData(Message, frozen=True):
    """ZDATA: `clear_size` bytes of a file as one zstd frame, in place of DATA.

    `frame` is neither copied nor interpreted: to decompress it is up to the transport, once this is accepted.
    """

    clear_size: int
    frame: Buffer


@message(0x08, "HOLE", BOTH, capability=Capability.HOLES)
class Hole(Message, frozen=True, kw_only=True):
    """HOLE: the next `size` bytes of a file are zeros, which are not sent."""

    size: HoleSize


# What a HOLE stands for. Whatever views this block is known to be zeros without being looked at: a file leaves a hole
# there, and all others write or hash it as any data. It is a page of the system's until it is read.
_ZEROS: Final = bytes(2**20)


def zeros(size: int) -> list[memoryview]:
    """Return buffers of `size` zeros in all, which take no memory: each views the same block."""
    whole, rest = divmod(size, len(_ZEROS))
    view = memoryview(_ZEROS)
    return [view] * whole + [view[:rest]] * bool(rest)


def are_zeros(buffers: Sequence[memoryview]) -> bool:
    """Whether buffers are known to be zeros, because they are those of `zeros`, or parts of them; false for none."""
    return bool(buffers) and all(buffer.obj is _ZEROS for buffer in buffers)
