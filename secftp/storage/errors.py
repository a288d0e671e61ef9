"""Translation of OSError into secftp's exceptions: one table from errno to class, message and reason.

A message names the file as its user or peer named it. Invariants: no message tells where on this machine a store is, or
lets a peer tell a symlink from a name that does not exist.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    FileError,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NameRefused,
    NoSpace,
    NotADirectory,
    NotEmpty,
    NotFound,
    Reason,
    Side,
    TooLarge,
)
from secftp.text import escape, path_text

if TYPE_CHECKING:
    from types import TracebackType

    from secftp.storage.names import Path

_Kind = TypeVar("_Kind", bound=FileError)


class _Meaning(NamedTuple):
    kind: type[FileError]
    words: str
    reason: Reason | None = None


_NO_REGULAR_FILE = _Meaning(Forbidden, "Not a regular file", Reason.SPECIAL)
# Same class and message as for a name that does not exist: only the user of this machine gets the reason.
_NOT_FOLLOWED = _Meaning(NotFound, "No such file", Reason.SYMLINK)
# For names that the user of this process typed: symlinks in them are followed.
_LOOP = _Meaning(NotFound, "Too many levels of symlinks", Reason.SYMLINK_LOOP)
_DANGLING = _Meaning(NotFound, "Dangling symlink", Reason.DANGLING)
_MEANINGS: dict[int, _Meaning] = {
    errno.ENOENT: _Meaning(NotFound, "No such file"),
    errno.ELOOP: _NOT_FOLLOWED,  # O_NOFOLLOW met one; EMLINK is the same on FreeBSD
    errno.EMLINK: _NOT_FOLLOWED,
    errno.ENOTDIR: _Meaning(NotADirectory, "Not a directory"),
    errno.EISDIR: _Meaning(IsADirectory, "Is a directory"),
    errno.EEXIST: _Meaning(AlreadyExists, "Already exists"),
    errno.ENOTEMPTY: _Meaning(NotEmpty, "Directory not empty"),
    errno.EACCES: _Meaning(Forbidden, "Permission denied", Reason.PERMISSION),
    errno.EPERM: _Meaning(Forbidden, "Permission denied", Reason.PERMISSION),
    errno.EROFS: _Meaning(Forbidden, "Read-only file system", Reason.READ_ONLY_FILE_SYSTEM),
    errno.ETXTBSY: _Meaning(Forbidden, "Program file in use", Reason.EXECUTED),
    errno.EBUSY: _Meaning(Forbidden, "In use by the system", Reason.BUSY),  # a mount point
    errno.EXDEV: _Meaning(Forbidden, "Can't be moved to another file system", Reason.OTHER_FILE_SYSTEM),
    errno.ENXIO: _NO_REGULAR_FILE,  # a socket, or a device without a driver
    errno.ENODEV: _NO_REGULAR_FILE,
    errno.ENAMETOOLONG: _Meaning(NameRefused, "Name too long for the file system", Reason.NAME_TOO_LONG),
    errno.EILSEQ: _Meaning(NameRefused, "Invalid name for the file system", Reason.NAME_ENCODING),
    errno.ENOSPC: _Meaning(NoSpace, "No space left on device"),
    errno.EDQUOT: _Meaning(NoSpace, "Disk quota exceeded for", Reason.DISK_QUOTA),
    errno.EFBIG: _Meaning(TooLarge, "File too large for the file system", Reason.FILE_SYSTEM_LIMIT),
}


def failure(
    kind: type[_Kind], words: str, subject: Path | str, *, hint: str = "", reason: Reason | None = None
) -> _Kind:
    """Return the exception of this class about a file of this machine.

    Its message is `words` and the displayed name, which is escaped; its `filename` is the name itself.
    """
    name = path_text(subject or ".")
    return kind(f"{words}: {escape(name)}", hint=hint, filename=name, side=Side.LOCAL, reason=reason)


def translate(error: OSError, subject: Path | str) -> FileError:
    """Return the exception for `error` at the file `subject`; any other errno is an `InputOutputError`."""
    meaning = _MEANINGS.get(error.errno or 0)
    if meaning is not None and isinstance(subject, str):
        meaning = _of_followed(meaning, subject)
    if meaning is None:
        problem = failure(InputOutputError, os.strerror(error.errno or errno.EIO).capitalize(), subject)
        problem.errno = error.errno or errno.EIO
        problem.strerror = os.strerror(problem.errno)
        return problem
    return failure(meaning.kind, meaning.words, subject, reason=meaning.reason)


def _of_followed(meaning: _Meaning, name: str) -> _Meaning:
    """Return what an error means for a name that the user of this process typed: symlinks in it are followed."""
    if meaning is _NOT_FOLLOWED:
        return _LOOP
    return _DANGLING if meaning.kind is NotFound and os.path.islink(name) else meaning


def not_regular(subject: Path | str) -> Forbidden:
    """Return the exception for a device, a FIFO or a socket."""
    return failure(Forbidden, _NO_REGULAR_FILE.words, subject, reason=Reason.SPECIAL)


def not_followed(subject: Path | str) -> NotFound:
    """Return the exception for a symlink where none is followed: `NotFound`, which differs in its reason alone."""
    return failure(NotFound, _NOT_FOLLOWED.words, subject, reason=Reason.SYMLINK)


def changed(subject: Path | str) -> FileChanged:
    """Return the exception for a file that was written to while it was read."""
    return failure(FileChanged, "Changed while it was being read", subject, hint="Try again.")


def kind_of(status: os.stat_result) -> Reason:
    """Return the kind of a directory entry as a `Reason`."""
    kinds = {stat.S_IFREG: Reason.FILE, stat.S_IFDIR: Reason.DIRECTORY, stat.S_IFLNK: Reason.SYMLINK}
    return kinds.get(stat.S_IFMT(status.st_mode), Reason.SPECIAL)


def already_there(status: os.stat_result, subject: Path | str, *, replaceable: bool = False) -> AlreadyExists:
    """Return the exception for a name that was to be made and is taken.

    Its reason tells by what, unless that is a file and `replaceable`: then permission to overwrite is all that lacks.
    """
    reason = kind_of(status)
    return failure(
        AlreadyExists,
        "Already exists",
        subject,
        reason=None if replaceable and reason is Reason.FILE else reason,
    )


_IN_THE_WAY = {
    Reason.FILE: "A file has this name",
    Reason.DIRECTORY: "A directory has this name",
    Reason.SYMLINK: "A symlink has this name, and is neither followed nor replaced",
    Reason.SPECIAL: "A device, a FIFO or a socket has this name",
}


def detailed(problem: FileError) -> FileError:
    """Return the failure with the kind of what has the name in its message, for the user of this machine.

    A store itself does not tell a symlink from nothing, because a peer may have asked.
    """
    words = _IN_THE_WAY.get(problem.reason) if problem.reason is not None else None
    if problem.reason is not Reason.SYMLINK and not isinstance(problem, AlreadyExists):
        words = None
    if words is None or problem.side is not Side.LOCAL or problem.filename is None:
        return problem
    return failure(type(problem), words, problem.filename, hint=problem.hint, reason=problem.reason)


def require_regular(status: os.stat_result, subject: Path | str) -> None:
    """Raise `IsADirectory` or `Forbidden` unless `status` is that of a regular file."""
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise failure(IsADirectory, "Is a directory", subject)
    if stat.S_ISLNK(status.st_mode):
        raise failure(Forbidden, _NO_REGULAR_FILE.words, subject, reason=Reason.SYMLINK)
    raise not_regular(subject)


class of_target:  # noqa: N801 - used like a function
    """A block in which a failure is about the new name of a rename."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, FileError):
            error.of_target = True


class translated:  # noqa: N801 - used like a function
    """A block in which an OSError is raised as the exception that it means for `subject`.

    A BrokenPipeError stays as it is: a reader that closed its end is no fault of the file. A class, because a generator
    as a context manager takes three times as long.
    """

    __slots__ = ("_subject",)

    def __init__(self, subject: Path | str) -> None:
        self._subject = subject

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, (FileError, BrokenPipeError)):
            raise translate(error, self._subject) from error


def close_quietly(fd: int) -> None:
    """Close a descriptor and ignore errors.

    For what holds no written data: a file that was only read, a directory, an aborted file, or one whose errors
    close(2) has reported on a duplicate.
    """
    try:
        os.close(fd)
    except OSError:
        return
