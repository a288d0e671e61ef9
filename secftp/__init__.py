"""Encrypted file transfer with a shared key.

    import secftp

    with secftp.connect("secftp://example.org", key_file="/home/joe/.secftp.key") as client:
        client.put("photos", "backup")
        client.get("backup/notes.txt", "notes.txt")
        print(client.listdir("backup"))

`connect` returns a `Client`, which reads, writes, copies and lists the files of a server. `Server` serves a directory
from within a program. Every exception that this package raises on purpose is a `SecftpError`, and also the `OSError`
or `ValueError` that Python has for the failure.

The public names are those of this module (`secftp.__all__`). All other modules are private, and change without notice.

The command lines are `secftp` (`python -m secftp.client`) and `secftpd` (`python -m secftp.server`).
"""

# The first statements, and none of them imports anything that is not loaded already: not even __future__.
from secftp import safe_path

safe_path.begin()

from secftp._version import __version__
from secftp.errors import (
    AlreadyExists,
    AuthenticationError,
    Cancelled,
    ChecksumMismatch,
    ConnectionLost,
    CoreError,
    ExitCode,
    FileChanged,
    FileError,
    Forbidden,
    HandshakeRefused,
    InputOutputError,
    InstallationError,
    IsADirectory,
    KeyFormatError,
    NameRefused,
    NoSpace,
    NotADirectory,
    NotEmpty,
    NotFound,
    ProtocolError,
    Reason,
    SecftpError,
    ServerBusy,
    ServerStopping,
    ServerUnreachable,
    Side,
    TooLarge,
    TransferTimeout,
    Unsupported,
    UsageError,
)

TYPE_CHECKING = False  # as of typing, which takes longer to import than all else here together
if TYPE_CHECKING:
    from secftp.api.client import Client, connect
    from secftp.api.copying import CopyIncomplete, CopyProgress
    from secftp.api.entries import Listing, RemoteEntry, RemoteSpace, RemoteStat
    from secftp.api.reader import RemoteReader
    from secftp.api.server import Server
    from secftp.api.writer import RemoteWriter
    from secftp.keys import Key, generate_key
    from secftp.protocol import Kind
    from secftp.transfer import Summary

# What needs the core, the network or a file is imported when it is used: a command line that only prints its help
# imports this module, too.
_WHERE = {
    "Client": "secftp.api.client",
    "CopyIncomplete": "secftp.api.copying",
    "CopyProgress": "secftp.api.copying",
    "Key": "secftp.keys",
    "Kind": "secftp.protocol",
    "Listing": "secftp.api.entries",
    "RemoteEntry": "secftp.api.entries",
    "RemoteReader": "secftp.api.reader",
    "RemoteSpace": "secftp.api.entries",
    "RemoteStat": "secftp.api.entries",
    "RemoteWriter": "secftp.api.writer",
    "Server": "secftp.api.server",
    "Summary": "secftp.transfer",
    "connect": "secftp.api.client",
    "generate_key": "secftp.keys",
}

__all__ = [
    "AlreadyExists",
    "AuthenticationError",
    "Cancelled",
    "ChecksumMismatch",
    "Client",
    "ConnectionLost",
    "CopyIncomplete",
    "CopyProgress",
    "CoreError",
    "ExitCode",
    "FileChanged",
    "FileError",
    "Forbidden",
    "HandshakeRefused",
    "InputOutputError",
    "InstallationError",
    "IsADirectory",
    "Key",
    "KeyFormatError",
    "Kind",
    "Listing",
    "NameRefused",
    "NoSpace",
    "NotADirectory",
    "NotEmpty",
    "NotFound",
    "ProtocolError",
    "Reason",
    "RemoteEntry",
    "RemoteReader",
    "RemoteSpace",
    "RemoteStat",
    "RemoteWriter",
    "SecftpError",
    "Server",
    "ServerBusy",
    "ServerStopping",
    "ServerUnreachable",
    "Side",
    "Summary",
    "TooLarge",
    "TransferTimeout",
    "Unsupported",
    "UsageError",
    "__version__",
    "connect",
    "generate_key",
]


if not TYPE_CHECKING:  # else every name that is none would be an object to a type checker

    def __getattr__(name: str) -> object:
        """Import what is used for the first time."""
        where = _WHERE.get(name)
        if where is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(where), name)
        return value


def __dir__() -> list[str]:
    """Everything, imported or not."""
    return sorted({*globals(), *__all__})
