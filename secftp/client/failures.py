"""Failures of a command: the hint for an error that has none, and several failures in one run.

A hint follows from the exception's class, from the side that its file is on and from its reason, never from the text of
its message. The failure of one name does not affect the others: an error of the whole command keeps its own exit code
and hint; if some of several names fail, each gets a line as it happens, and the exit code is 1.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Final, Self

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
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

_NAME: Final = "A name is one or more parts joined by '/', none of them '.' or '..'; some names are reserved."
_RELATIVE: Final = "Names are relative to the directory that the server serves."
_REMOTE: Final[Mapping[type[SecftpError], str]] = {
    NotFound: _RELATIVE,
    NotADirectory: _RELATIVE,
    IsADirectory: "Name a file in it.",
    AlreadyExists: "Choose another name, or remove the existing file.",
    NameRefused: _NAME,
    NotEmpty: "Remove its contents first.",
    Forbidden: "Ask the server's operator for permission.",
    NoSpace: "Ask the server's operator to free some space.",
    ConnectionLost: "Try again.",
    ProtocolError: "Check that both ends run a current version of secftp.",
    KeyFormatError: "Check where the key comes from.",
    FileError: "Ask the server's operator; its log has the details.",
}
_LOCAL: Final[Mapping[type[SecftpError], str]] = {
    NotFound: "Check the name of the local file, and that its directory exists.",
    NotADirectory: "Check the name of the local file.",
    IsADirectory: "Name a file in it.",
    AlreadyExists: "Choose another name, or leave out --no-overwrite.",
    NameRefused: _NAME,
    Forbidden: "Check the permissions of the file and its directory; use a pipe for a stream.",
    NoSpace: "Free some space on this machine's disk.",
    TooLarge: "Choose a file system that supports larger files.",
    FileChanged: "Try again.",
    FileError: "Check the disk of this machine.",
}
_LOCAL_REASONS: Final[Mapping[Reason, str]] = {
    Reason.NO_PARENT: "Create the directory first, or name another; a slash at the end of a target creates it.",
    Reason.SYMLINK: "Remove the symlink, or choose another target.",
    Reason.SYMLINK_LOOP: "Follow the symlinks with readlink, and fix the one that leads back.",
    Reason.DANGLING: "Create the target of the symlink, or remove the symlink.",
    Reason.SPECIAL: "Name a regular file or a directory; use a pipe for a stream.",
    Reason.DIRECTORY: "Choose another name, or remove the directory.",
    Reason.FILE: "Choose another name, or remove the file.",
    Reason.READ_ONLY_FILE_SYSTEM: "Choose a target on a writable file system.",
    Reason.OTHER_FILE_SYSTEM: "Choose a target on the same file system.",
    Reason.INTO_ITSELF: "Choose a target outside of it.",
    Reason.BUSY: "It may be a mount point; choose another name.",
    Reason.EXECUTED: "Try again when the program has ended.",
    Reason.BEING_WRITTEN: "Try again when that has ended.",
    Reason.BACKUP: "Choose another suffix: --backup=SUFFIX.",
    Reason.NAME_TOO_LONG: "Choose a shorter name.",
    Reason.NAME_ENCODING: "Choose another name, or another file system.",
    Reason.RESERVED_NAME: "Names that begin with .secftp- are reserved for partial files.",
    Reason.DISK_QUOTA: "Free some space in your quota, or choose another file system.",
    Reason.FILE_SYSTEM_LIMIT: "Choose a file system that supports larger files.",
}
_NOT_A_DISK: Final = "The system gives no reason; some files of /proc, /sys and devices can't be read or written."
_TOO_DEEP: Final = "Copy a directory further down, or pack the tree into an archive."


def hint_for(problem: SecftpError) -> str:
    """Return the hint for an error that has none; empty if there is nothing to suggest."""
    is_local = isinstance(problem, FileError) and problem.side is Side.LOCAL
    if isinstance(problem, FileError) and problem.reason is not None:
        if problem.reason is Reason.TOO_DEEP:
            return _TOO_DEEP
        if is_local and problem.reason in _LOCAL_REASONS:
            return _LOCAL_REASONS[problem.reason]
    if is_local and isinstance(problem, InputOutputError) and problem.errno not in (None, errno.EIO):
        return _NOT_A_DISK
    hints = _LOCAL if is_local else _REMOTE
    return next((hints[kind] for kind in type(problem).__mro__ if kind in hints), "")


class PartialFailure(SecftpError):
    """A part of the command failed; each failure has been reported."""


class Failures:
    """Collects failures, name by name, in a `with` block whose end decides how the command ends.

    It raises nothing if there was none, the failure itself if that was all that was asked for, and else
    `PartialFailure`. `report` reports one among several. `operands`: how many names were given, or match a pattern.
    `done`: whether anything succeeded.
    """

    def __init__(self, report: Callable[[FileError], None], operands: int = 1) -> None:
        self.count = 0
        self.done = False
        self._report = report
        self.operands = operands
        self._first: FileError | None = None

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Collect a `FileError` of the block instead of letting it end the command."""
        try:
            yield
        except FileError as problem:
            self.add(problem)

    def add(self, problem: FileError) -> None:
        """Collect a failure. The first is held back: if it stays the only one, it is reported with its hint."""
        self.count += 1
        if self.count == 1:
            self._first = problem
        else:
            self.report_first()
            self._report(problem)

    def report_first(self) -> None:
        """Report the failure that was held back, as one among others."""
        if self._first is not None:
            self._report(self._first)
            self._first = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.conclude()
        self.report_first()

    def conclude(self) -> None:
        """Raise what the failures amount to."""
        if self.operands > 1 or self.done:
            self.report_first()
        first, self._first = self._first, None
        if first is not None:
            raise first
        if self.count:
            number = "One failure, reported above." if self.count == 1 else f"{self.count} failures, reported above."
            raise PartialFailure(number, hint="Everything else was done." if self.done else "Nothing else was done.")
