"""Every message of secftp/1, and the one table from type byte to structure.

The structures stand in `both_ways`, `requests` and `replies`, the words they use in `vocabulary`; all are typed and
frozen, and to be had from here. Fields unknown to this release are ignored and types unknown to it are refused, so a
new meaning always needs a new type or a capability that the server named. Nothing here must ever reach for a clock, a
file or a socket.

The wire is described in docs/PROTOCOL.md; encoding: MessagePack, one map a message.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from secftp.messages.both_ways import (
    Abort,
    Bye,
    Data,
    End,
    Ping,
)
from secftp.messages.bounds import MAX_BULK, MAX_CONTROL
from secftp.messages.replies import (
    Entries,
    Error,
    File,
    Files,
    Info,
    Limits,
    Listed,
    Ok,
    Results,
    SmallFile,
    Welcome,
)
from secftp.messages.requests import (
    Cancel,
    DirectoryRequest,
    FileRequest,
    List,
    MakeDirectory,
    NewFile,
    Read,
    ReadMany,
    Remove,
    Rename,
    Request,
    SetAttributes,
    Stat,
    Sum,
    Write,
    WriteMany,
)
from secftp.messages.vocabulary import (
    END_FLAG,
    Algorithm,
    Buffer,
    Capability,
    Direction,
    ErrorCode,
    Kind,
    MessageType,
)

__all__ = [
    "END_FLAG",
    "NAMES",
    "REGISTRY",
    "Abort",
    "Algorithm",
    "AnyRequest",
    "Buffer",
    "Bye",
    "Cancel",
    "Capability",
    "Data",
    "Direction",
    "DirectoryRequest",
    "End",
    "Entries",
    "Entry",
    "Error",
    "ErrorCode",
    "File",
    "FileRequest",
    "Files",
    "Info",
    "Kind",
    "Limits",
    "List",
    "Listed",
    "MakeDirectory",
    "Message",
    "MessageType",
    "NewFile",
    "Ok",
    "Ping",
    "Read",
    "ReadMany",
    "Remove",
    "Rename",
    "Reply",
    "Request",
    "Results",
    "SetAttributes",
    "SmallFile",
    "Stat",
    "Sum",
    "Welcome",
    "Write",
    "WriteMany",
]

AnyRequest: TypeAlias = (
    Read | Write | Stat | List | Remove | Rename | MakeDirectory | Sum | SetAttributes | ReadMany | WriteMany
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
    Entry(MessageType.MKDIR, MakeDirectory, _UP),
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

NAMES: dict[type[Message], str] = {entry.struct: entry.number.name for entry in REGISTRY}
