"""From the system's errors to ours: the one table from errno to class and words.

A message names the file as its user or peer did. What must never happen: that it tells where on this machine the store
lies, or that a link which was not followed is told apart from a name that does not exist.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from secftp.errors import (
    AlreadyExists,
    FileError,
    Forbidden,
    InputOutputError,
    IsAFolder,
    NameRefused,
    NoSpace,
    NotAFolder,
    NotEmpty,
    NotFound,
    TooLarge,
)
from secftp.storage.names import shown

if TYPE_CHECKING:
    from types import TracebackType

    from secftp.storage.base import Path

_MEANINGS: dict[int, tuple[type[FileError], str]] = {
    errno.ENOENT: (NotFound, "No such file"),
    errno.ELOOP: (NotFound, "No such file"),  # O_NOFOLLOW met a link
    errno.EMLINK: (NotFound, "No such file"),  # the same on FreeBSD
    errno.ENOTDIR: (NotAFolder, "It is not a folder"),
    errno.EISDIR: (IsAFolder, "It is a folder"),
    errno.EEXIST: (AlreadyExists, "It already exists"),
    errno.ENOTEMPTY: (NotEmpty, "The folder is not empty"),
    errno.EACCES: (Forbidden, "Permission denied"),
    errno.EPERM: (Forbidden, "Permission denied"),
    errno.EROFS: (Forbidden, "Read-only file system"),
    errno.ETXTBSY: (Forbidden, "It is being executed"),
    errno.EBUSY: (Forbidden, "It is in use by the system"),  # a mount point
    errno.EXDEV: (Forbidden, "It can't be moved to another file system"),
    errno.ENXIO: (Forbidden, "It is not a regular file"),  # a socket, or a device without a driver
    errno.ENODEV: (Forbidden, "It is not a regular file"),
    errno.ENAMETOOLONG: (NameRefused, "Name too long for the file system"),
    errno.EILSEQ: (NameRefused, "Name not possible on the file system"),
    errno.ENOSPC: (NoSpace, "No space left for"),
    errno.EDQUOT: (NoSpace, "Disk quota used up at"),
    errno.EFBIG: (TooLarge, "Too large for the file system"),
}


def translate(error: OSError, subject: Path | str) -> FileError:
    """Return the exception that tells of `error` at the file `subject`; what is not known better is an I/O error."""
    meaning = _MEANINGS.get(error.errno or 0)
    if meaning is None:
        return InputOutputError(f"{os.strerror(error.errno or errno.EIO).capitalize()}: {shown(subject)}")
    kind, words = meaning
    return kind(f"{words}: {shown(subject)}")


def not_regular(subject: Path | str) -> Forbidden:
    """The exception for a device, a FIFO, a socket, and for a link where one would be replaced."""
    return Forbidden(f"It is not a regular file: {shown(subject)}")


def require_regular(status: os.stat_result, subject: Path | str) -> None:
    """Raise `IsAFolder` or `Forbidden` unless `status` is a regular file's."""
    if not stat.S_ISREG(status.st_mode):
        raise IsAFolder(f"It is a folder: {shown(subject)}") if stat.S_ISDIR(status.st_mode) else not_regular(subject)


class translated:  # noqa: N801 (used as a statement: `with translated(path):`)
    """In its block, every OSError that is not ours yet becomes ours.

    Only a BrokenPipeError stays: that a reader went away is no fault of the file. A class, because a generator as a
    context manager costs three times as much.
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
    """Close what holds no data of worth: only read, a folder, aborted, or asked for its errors before.

    A failure of close(2) then concerns nobody; the descriptor is gone in any case.
    """
    try:
        os.close(fd)
    except OSError:
        return
