"""Between the error codes of the wire and the exceptions of `secftp.errors`.

A code travels with a fixed text of ours, never with an exception's own sentence: that one may name a path of this
machine. What arrives becomes an exception with our sentence for its code; the peer's own text must never stand in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from secftp import errors
from secftp.messages.schema import ErrorCode
from secftp.text import path_text, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.messages.schema import Listed

    Subject: TypeAlias = Sequence[bytes] | bytes | str

_Kind = TypeVar("_Kind", bound=errors.FileError)


class _Meaning(NamedTuple):
    exception: type[errors.FileError]
    text: str
    hint: str = ""


_MEANINGS: dict[ErrorCode, _Meaning] = {
    ErrorCode.NOT_FOUND: _Meaning(errors.NotFound, "there is no such file"),
    ErrorCode.FORBIDDEN: _Meaning(errors.Forbidden, "the server may not read or write it"),
    ErrorCode.BAD_NAME: _Meaning(errors.NameRefused, "the server does not use such a name"),
    ErrorCode.EXISTS: _Meaning(errors.AlreadyExists, "it exists already and was not to be overwritten"),
    ErrorCode.IS_FOLDER: _Meaning(errors.IsAFolder, "it is a folder"),
    ErrorCode.NOT_FOLDER: _Meaning(errors.NotAFolder, "a part of its path is not a folder"),
    ErrorCode.NO_SPACE: _Meaning(errors.NoSpace, "no space is left on the server"),
    ErrorCode.TOO_LARGE: _Meaning(errors.TooLarge, "it is larger than the server takes"),
    ErrorCode.CHANGED: _Meaning(errors.FileChanged, "it was changed while it was being sent", "Try again."),
    ErrorCode.CHECKSUM: _Meaning(
        errors.ChecksumMismatch, "its checksum does not match; nothing was kept", "Try again."
    ),
    ErrorCode.IO_ERROR: _Meaning(errors.InputOutputError, "the file system failed", "The server's log says more."),
    ErrorCode.READ_ONLY: _Meaning(errors.Forbidden, "the server is read-only"),
    ErrorCode.UNSUPPORTED: _Meaning(errors.FileError, "the server can't do this"),
    ErrorCode.CANCELLED: _Meaning(errors.Cancelled, "the transfer was cancelled"),
    ErrorCode.STOPPING: _Meaning(errors.Cancelled, "the server is stopping", "Try again later."),
    ErrorCode.LIMIT: _Meaning(errors.NoSpace, "a limit of the server was reached"),
    ErrorCode.NOT_EMPTY: _Meaning(errors.NotEmpty, "the folder is not empty"),
}

# An exception that several codes mean is sent as the plainest of them.
_CODES: dict[type[BaseException], ErrorCode] = {
    **{meaning.exception: code for code, meaning in reversed(_MEANINGS.items())},
    errors.FileError: ErrorCode.IO_ERROR,  # nothing more is known about it
}


def text_for(code: ErrorCode) -> str:
    """Return the fixed text that goes with `code` in ERROR and ABORT: a clause of at most 200 characters."""
    return _MEANINGS[code].text


def code_for(error: BaseException) -> ErrorCode:
    """Return the code that tells a peer of `error`: that of its nearest known class, else `io_error`."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return ErrorCode.IO_ERROR


def exception_for(code: ErrorCode, subject: Subject | None = None) -> errors.FileError:
    """Return the exception that `code` means, about the peer's file `subject`: a path, or a name as it is, unescaped.

    Without a subject it is about no file that has a name here.
    """
    meaning = _MEANINGS[code]
    return remote_failure(meaning.exception, subject, f"{meaning.text}.", hint=meaning.hint)


def problem_of(listed: Listed, subject: Subject) -> errors.FileError | None:
    """Return what keeps an entry of a listing from being known, or from being listed to its end; None for nothing."""
    if listed.code is None and listed.kind is not None:
        return None
    return exception_for(listed.code or ErrorCode.IO_ERROR, subject)


def remote_failure(kind: type[_Kind], subject: Subject | None, clause: str, *, hint: str = "") -> _Kind:
    """Return the exception of this class about a file at the peer: its name, then the `clause` with its full stop."""
    name = None if subject is None else path_text(subject)
    shown = "The file" if name is None else show_path(name)
    return kind(f"{shown}: {clause}", hint=hint, filename=name, side=errors.Side.REMOTE)
