"""What to do about a failure that brings no hint of its own: where it was raised, nobody knew who asks and how.

A hint follows from the exception's class, from the side that its file is on and from its reason, never from the words
of its message.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from secftp.errors import (
    AlreadyExists,
    ConnectionLost,
    FileChanged,
    FileError,
    Forbidden,
    InputOutputError,
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
    Side,
    TooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = "A name is one or more parts joined by '/', none of them '.' or '..', and some are reserved."
_REMOTE: Final[Mapping[type[SecftpError], str]] = {
    NotFound: "Names are relative to the folder that the server serves.",
    NotADirectory: "Names are relative to the folder that the server serves.",
    IsADirectory: "Name a file in it.",
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
    NotADirectory: "Check the name of the local file.",
    IsADirectory: "Name a file in it.",
    AlreadyExists: "Choose another name, or leave out --no-clobber.",
    NameRefused: _NAME,
    Forbidden: "Check the permissions of the file and its folder; a stream goes through a pipe.",
    NoSpace: "Make room on this machine's disk.",
    TooLarge: "Choose a file system that takes larger files.",
    FileChanged: "Try again.",
    FileError: "Check the disk of this machine.",
}


_LOCAL_REASONS: Final[Mapping[Reason, str]] = {
    Reason.NO_PARENT: "Make the directory first, or name another; a slash at the end of a target makes it.",
    Reason.SYMLINK: "Remove the symlink, or choose another target.",
    Reason.SYMLINK_LOOP: "Follow the symlinks with readlink, and mend the one that leads back.",
    Reason.DANGLING: "Make what the symlink leads to, or remove the symlink.",
    Reason.SPECIAL: "Name a regular file or a directory; a stream goes through a pipe.",
    Reason.DIRECTORY: "Choose another name, or remove the directory.",
    Reason.FILE: "Choose another name, or remove the file.",
    Reason.READ_ONLY_FILE_SYSTEM: "Choose a target on a file system that can be written to.",
    Reason.OTHER_FILE_SYSTEM: "Choose a place on the same file system.",
    Reason.INTO_ITSELF: "Choose a target that is not beneath it.",
    Reason.BUSY: "It may be a mount point; choose another name.",
    Reason.EXECUTED: "Try again when the program has ended.",
    Reason.BEING_WRITTEN: "Try again when that is over.",
    Reason.NAME_TOO_LONG: "Choose a shorter name.",
    Reason.NAME_ENCODING: "Choose another name, or another file system.",
    Reason.RESERVED_NAME: "Names that begin with .secftp- are those of unfinished files.",
    Reason.DISK_QUOTA: "Make room in your quota, or choose another file system.",
    Reason.FILE_SYSTEM_LIMIT: "Choose a file system that takes larger files.",
}
_NO_DISK: Final = "The system gives no other reason; not every file of /proc, /sys or a device can be read or written."
_TOO_DEEP: Final = "Copy a directory further down, or pack the tree into an archive."


def hint_for(problem: SecftpError) -> str:
    """The hint for a failure that has none; empty if there is nothing to be said."""
    if isinstance(problem, FileError) and problem.reason is not None:
        if problem.reason is Reason.TOO_DEEP:
            return _TOO_DEEP
        if problem.side is Side.LOCAL and problem.reason in _LOCAL_REASONS:
            return _LOCAL_REASONS[problem.reason]
    is_local = isinstance(problem, FileError) and problem.side is Side.LOCAL
    if is_local and isinstance(problem, InputOutputError) and problem.errno not in (None, errno.EIO):
        return _NO_DISK
    hints = _LOCAL if is_local else _REMOTE
    return next((hints[kind] for kind in type(problem).__mro__ if kind in hints), "")
