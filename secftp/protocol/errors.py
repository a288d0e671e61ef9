"""Mapping between the error codes of the wire and the exceptions of `secftp.errors`.

A code travels with a fixed text of ours, never with the message of an exception, which may name a path of this machine.
A code that arrives becomes an exception with our own message. Invariant: the peer's text never occurs in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from secftp import errors
from secftp.errors import Reason
from secftp.protocol.message import ErrorCode, Right
from secftp.text import path_text, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.protocol.replies import Listed

    Subject: TypeAlias = Sequence[bytes] | bytes | str

_Kind = TypeVar("_Kind", bound=errors.FileError)


class _CodeMeaning(NamedTuple):
    exception: type[errors.FileError]
    text: str
    hint: str = ""


_MEANINGS: dict[ErrorCode, _CodeMeaning] = {
    ErrorCode.NOT_FOUND: _CodeMeaning(errors.NotFound, "no such file or directory"),
    ErrorCode.FORBIDDEN: _CodeMeaning(errors.Forbidden, "permission denied"),
    ErrorCode.BAD_NAME: _CodeMeaning(errors.NameRefused, "the server does not allow this name"),
    ErrorCode.EXISTS: _CodeMeaning(errors.AlreadyExists, "it already exists"),
    ErrorCode.IS_DIRECTORY: _CodeMeaning(errors.IsADirectory, "it is a directory"),
    ErrorCode.NOT_DIRECTORY: _CodeMeaning(errors.NotADirectory, "it, or a part of its path, is not a directory"),
    ErrorCode.NO_SPACE: _CodeMeaning(errors.NoSpace, "no space left on the server"),
    ErrorCode.TOO_LARGE: _CodeMeaning(errors.TooLarge, "it is larger than the server accepts"),
    ErrorCode.CHANGED: _CodeMeaning(errors.FileChanged, "it changed while it was being sent", "Try again."),
    ErrorCode.CHECKSUM: _CodeMeaning(
        errors.ChecksumMismatch, "its checksum does not match; nothing was kept", "Try again."
    ),
    ErrorCode.IO_ERROR: _CodeMeaning(
        errors.InputOutputError, "input/output error on the server", "See the log of the server."
    ),
    ErrorCode.READ_ONLY: _CodeMeaning(errors.Forbidden, "the server is read-only"),
    ErrorCode.UNSUPPORTED: _CodeMeaning(
        errors.Unsupported, "the server does not support this", "It may be too old, or lack an optional package."
    ),
    ErrorCode.CANCELLED: _CodeMeaning(errors.Cancelled, "the transfer was cancelled"),
    ErrorCode.STOPPING: _CodeMeaning(errors.ServerStopping, "the server is stopping", "Try again later."),
    ErrorCode.LIMIT: _CodeMeaning(errors.NoSpace, "a limit of the server was reached"),
    ErrorCode.NOT_EMPTY: _CodeMeaning(errors.NotEmpty, "the directory is not empty"),
}

# An exception that several codes mean is sent as the most general of them.
_CODES: dict[type[BaseException], ErrorCode] = {
    **{meaning.exception: code for code, meaning in reversed(_MEANINGS.items())},
    errors.FileError: ErrorCode.IO_ERROR,  # nothing more is known
}


MISSING_RIGHT: Final = {right: Reason(f"may_not_{right}") for right in Right}

# What a reason adds to a code. A pair that is not listed here is never sent, and means no more than its code when it
# arrives: so a client that may not see a symlink can't tell it from a name that does not exist.
_REASONS: dict[tuple[ErrorCode, Reason], tuple[str, str]] = {
    (ErrorCode.NOT_FOUND, Reason.NO_PARENT): (
        "its parent directory does not exist",
        "Create it first: secftp mkdir -p, or mkdir(parents=True) in Python.",
    ),
    (ErrorCode.NOT_DIRECTORY, Reason.NO_PARENT): (
        "a part of its path is not a directory",
        "Names are relative to the directory that the server serves.",
    ),
    (ErrorCode.FORBIDDEN, Reason.PERMISSION): (
        "the user that the server runs as has no permission for this",
        "The server's operator can change the permissions of the file or its directory.",
    ),
    (ErrorCode.FORBIDDEN, Reason.SPECIAL): (
        "it is a device, a FIFO or a socket",
        "Only regular files and directories are served; choose another name.",
    ),
    (ErrorCode.FORBIDDEN, Reason.SYMLINK): (
        "a symlink has this name, and is neither followed nor replaced",
        "Choose another name, or remove the symlink on the server.",
    ),
    (ErrorCode.FORBIDDEN, Reason.INTO_ITSELF): (
        "a directory can't be moved into itself",
        "Choose a target that is not beneath it.",
    ),
    (ErrorCode.FORBIDDEN, Reason.SAME_FILE): (
        "source and target are the same file",
        "Choose another name for the copy.",
    ),
    (ErrorCode.FORBIDDEN, Reason.OTHER_FILE_SYSTEM): (
        "it can't be moved to another file system",
        "Copy it there, and remove it here when that is done.",
    ),
    (ErrorCode.FORBIDDEN, Reason.READ_ONLY_FILE_SYSTEM): (
        "its file system is read-only",
        "Choose another place; the server's operator can remount it read-write.",
    ),
    (ErrorCode.FORBIDDEN, Reason.BUSY): ("the server's operating system is using it", "It may be a mount point."),
    (ErrorCode.FORBIDDEN, Reason.EXECUTED): ("it is a program that is running", "Try again when it has ended."),
    (ErrorCode.FORBIDDEN, Reason.BEING_WRITTEN): ("it is being written", "Try again later."),
    (ErrorCode.FORBIDDEN, Reason.BACKUP): (
        "what has the name of its backup is not a file",
        "Choose another suffix: --backup=SUFFIX.",
    ),
    (ErrorCode.BAD_NAME, Reason.NAME_TOO_LONG): (
        "its name is too long for the server's file system",
        "Choose a shorter name.",
    ),
    (ErrorCode.BAD_NAME, Reason.NAME_ENCODING): (
        "the server's file system can't store its name",
        "Choose another name.",
    ),
    (ErrorCode.BAD_NAME, Reason.RESERVED_NAME): (
        "names that begin with .secftp- are reserved",
        "Choose another name.",
    ),
    (ErrorCode.BAD_NAME, Reason.TOO_DEEP): (
        "it is more than 64 levels deep",
        "Copy a directory further down, or pack the tree into an archive.",
    ),
    (ErrorCode.EXISTS, Reason.FILE): ("a file has this name", "Choose another name, or remove the file."),
    (ErrorCode.EXISTS, Reason.DIRECTORY): (
        "a directory has this name",
        "Choose another name, or remove the directory.",
    ),
    (ErrorCode.EXISTS, Reason.SYMLINK): (
        "a symlink has this name, and is neither followed nor replaced",
        "Choose another name, or remove the symlink on the server.",
    ),
    (ErrorCode.EXISTS, Reason.SPECIAL): (
        "a device, a FIFO or a socket has this name",
        "Choose another name.",
    ),
    (ErrorCode.NO_SPACE, Reason.DISK_QUOTA): (
        "the disk quota of the user that the server runs as is exhausted",
        "The server's operator can raise it or make room.",
    ),
    (ErrorCode.NO_SPACE, Reason.KEPT_FREE): (
        "the server keeps the rest of its disk free",
        "The server's operator can make room or lower --min-free.",
    ),
    (ErrorCode.TOO_LARGE, Reason.FILE_SYSTEM_LIMIT): (
        "it exceeds the maximum file size of the server's file system",
        "Send it in parts, or choose another place.",
    ),
    (ErrorCode.TOO_LARGE, Reason.COPY_LIMIT): (
        "the server's storage can't copy a file of this size, or write it without replacing",
        "Send it with overwriting allowed.",
    ),
    (ErrorCode.UNSUPPORTED, Reason.DIRECTORY): (
        "the server's storage can't rename a directory",
        "Copy it, and remove it when that is done.",
    ),
    (ErrorCode.UNSUPPORTED, Reason.NO_CONDITION): (
        "the server's storage can't write a file only if there is none of its name",
        "Send it with overwriting allowed.",
    ),
    (ErrorCode.IO_ERROR, Reason.UNCONFIRMED): (
        "the server's storage has not confirmed it, and may have stored it",
        "Look for it there, or send it again.",
    ),
    (ErrorCode.NOT_EMPTY, Reason.BEING_WRITTEN): ("a file in it is being written", "Try again later."),
    **{
        (code, reason): (
            f"this key may not {'remove' if right is Right.DELETE else right}{more}",
            "The server's operator gives rights to keys.",
        )
        for code, more in ((ErrorCode.FORBIDDEN, ""), (ErrorCode.READ_ONLY, "; the server is read-only for it"))
        for right, reason in MISSING_RIGHT.items()
    },
    (ErrorCode.EXISTS, Reason.MAY_NOT_OVERWRITE): (
        "it already exists, and this key may not overwrite",
        "Choose another name; the server's operator gives rights to keys.",
    ),
}

_WORDS = {str(reason): reason for reason in Reason}


def text_for(code: ErrorCode) -> str:
    """Return the fixed text that goes with `code` in ERROR and ABORT: a clause of at most 200 characters."""
    return _MEANINGS[code].text


def code_for(error: BaseException) -> ErrorCode:
    """Return the code for an exception: that of its nearest known class, else `io_error`."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return ErrorCode.IO_ERROR


def reason_for(error: errors.FileError, code: ErrorCode) -> Reason | None:
    """Return the reason that may be sent beside the `code` of `error`; None if there is none."""
    reason = error.reason
    return reason if reason is not None and (code, reason) in _REASONS else None


def exception_for(code: ErrorCode, subject: Subject | None = None, reason: str | None = None) -> errors.FileError:
    """Return the exception that `code` means for the peer's file `subject`: a path, or an unescaped name.

    None: the file has no name here. `reason` is the peer's word; one that is unknown, or does not go with the code, is
    ignored.
    """
    meaning = _MEANINGS[code]
    known = _known_reason(code, reason)
    text, hint = (meaning.text, meaning.hint) if known is None else _REASONS[code, known]
    return remote_failure(meaning.exception, subject, f"{text}.", hint=hint, reason=known)


def clause_for(code: ErrorCode, reason: str | None = None) -> str:
    """Return the message of `exception_for` without the name and the period."""
    known = _known_reason(code, reason)
    return _MEANINGS[code].text if known is None else _REASONS[code, known][0]


def _known_reason(code: ErrorCode, word: str | None) -> Reason | None:
    known = _WORDS.get(word or "")
    return known if known is not None and (code, known) in _REASONS else None


def problem_of(listed: Listed, subject: Subject) -> errors.FileError | None:
    """Return why an entry of a listing could not be examined, or not be listed to its end; None if it could."""
    if listed.code is None and listed.kind is not None:
        return None
    return exception_for(listed.code or ErrorCode.IO_ERROR, subject)


def no_parent(path: Sequence[bytes], subject: Subject | None = None) -> errors.NotFound:
    """Return the exception for a `path` that can't be created, since its parent directory does not exist.

    `subject` is the user's name for the file, if it is not that path.
    """
    return remote_failure(
        errors.NotFound,
        path if subject is None else subject,
        f"no such directory on the server: {show_path(path[:-1])}.",
        hint="Create it first: secftp mkdir -p, or mkdir(parents=True) in Python.",
        reason=Reason.NO_PARENT,
    )


def no_directory(path: Subject) -> errors.NotFound:
    """Return the exception for a directory that can't be created together with its parents."""
    return remote_failure(
        errors.NotFound,
        path,
        "a part of its path is not a directory.",
        hint="It may be a symlink; the server follows none. Choose another name.",
    )


def remote_failure(
    kind: type[_Kind], subject: Subject | None, clause: str, *, hint: str = "", reason: Reason | None = None
) -> _Kind:
    """Return an exception of class `kind` about a file at the peer; the message is its name and the `clause`."""
    name = None if subject is None else path_text(subject)
    shown = "The file" if name is None else show_path(name)
    return kind(f"{shown}: {clause}", hint=hint, filename=name, side=errors.Side.REMOTE, reason=reason)
