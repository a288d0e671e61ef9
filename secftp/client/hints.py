"""What to do about a failure that brings no hint of its own: where it was raised, nobody knew who asks and how.

A hint follows from the exception's class, from the side that its file is on and from its reason, never from the words
of its message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import (
    AlreadyExists,
    ConnectionLost,
    FileChanged,
    FileError,
    Forbidden,
    IsAFolder,
    KeyFormatError,
    NameRefused,
    NoSpace,
    NotAFolder,
    NotEmpty,
    NotFound,
    ProtocolError,
    SecftpError,
    Side,
    TooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = "A name is one or more parts joined by '/', none of them '.' or '..', and some are reserved."
_REMOTE: Final[Mapping[type[SecftpError], str]] = {
    NotFound: "Names are relative to the folder that the server serves.",
    NotAFolder: "Names are relative to the folder that the server serves.",
    IsAFolder: "Name a file in it.",
    AlreadyExists: "Choose another name, or remove what is there.",
    NameRefused: _NAME,
    NotEmpty: "Remove what is in it first.",
    Forbidden: "Ask whoever runs the server for the right to do this.",
    NoSpace: "Ask whoever runs the server to make room.",
    ConnectionLost: "Try again.",
    ProtocolError: "Check that a current secftp runs at both ends.",
    KeyFormatError: "Check where the key comes from.",
    FileError: "Ask whoever runs the server; its log says more.",
}
_LOCAL: Final[Mapping[type[SecftpError], str]] = {
    NotFound: "Check the name of the local file, and that its folder exists.",
    NotAFolder: "Check the name of the local file.",
    IsAFolder: "Name a file in it.",
    AlreadyExists: "Choose another name, or leave out --no-clobber.",
    NameRefused: _NAME,
    Forbidden: "Check the permissions of the file and its folder; a stream goes through a pipe.",
    NoSpace: "Make room on this machine's disk.",
    TooLarge: "Choose a file system that takes larger files.",
    FileChanged: "Try again.",
    FileError: "Check the disk of this machine.",
}


def hint_for(problem: SecftpError) -> str:
    """The hint for a failure that has none; empty if there is nothing to be said."""
    is_local = isinstance(problem, FileError) and problem.side is Side.LOCAL
    hints = _LOCAL if is_local else _REMOTE
    return next((hints[kind] for kind in type(problem).__mro__ if kind in hints), "")
