"""The words of the message layer: the closed lists that docs/PROTOCOL.md gives, and the names of capabilities.

A value that is in none of these lists must never get past the decoder.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

END_FLAG = 0x01


class Direction(enum.Enum):
    """Which way a message travels."""

    TO_SERVER = "client to server"
    TO_CLIENT = "server to client"


class Capability(enum.StrEnum):
    """What a server can do beyond READ and WRITE, as WELCOME names it."""

    RANGES = "ranges"  # READ may carry offset and length
    STAT = "stat"  # STAT is answered
    LIST = "list"  # LIST is answered
    CHANGE = "change"  # REMOVE, RENAME, MKDIR and SETATTR are answered
    SUM = "sum"  # SUM is answered
    RESUME = "resume"  # WRITE may carry offset, prefix and keep, READ prefix, STAT partial
    MANY = "many"  # READMANY and WRITEMANY are answered


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
    """What a file's digest is computed with; 16 bytes for xxh128 and md5, 32 for sha256 and blake3."""

    XXH128 = "xxh128"
    SHA256 = "sha256"
    BLAKE3 = "blake3"
    MD5 = "md5"


class Kind(enum.StrEnum):
    """What stands under a name: a regular file or a directory, which the wire and JSON call a folder.

    Anything else (a symlink, a device, a FIFO) does not exist for a client.
    """

    FILE = "file"
    DIRECTORY = "folder"
