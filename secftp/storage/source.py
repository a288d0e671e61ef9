"""Regular files as sources: only what `fstat` of the open descriptor calls regular is ever read.

Opened without blocking, because a FIFO would hold a thread for ever before one could see that it is one. A source is
one version of a file: bytes that were appended after it was opened are not part of it, so a file that grows as fast as
it is read still ends. Where the system does not tell the size (proc, sysfs) the version ends where reading ends. Never
mapped into memory: a truncation would be a SIGBUS.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secftp.errors import FileChanged
from secftp.storage.base import FileInfo, Source, file_info, mtime_of
from secftp.storage.failures import close_quietly, failure, require_regular, translated
from secftp.storage.unsized import size_of
from secftp.storage.vectors import transfer_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.base import Path

OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FileSource(Source):
    """A regular file, read by position. Takes over the descriptor, and closes it if the file is not a regular one.

    `info.size` is None if only reading can tell it.
    """

    __slots__ = ("_fd", "_size", "_stated", "_subject", "info")

    def __init__(self, fd: int, subject: Path | str) -> None:
        self._fd = fd
        self._subject = subject
        try:
            with translated(subject):
                status = os.fstat(fd)
                require_regular(status, subject)
                size = size_of(fd, status)
                if size is not None:
                    os.set_blocking(fd, True)
                    if size != status.st_size:
                        status = os.fstat(fd)
                        size = status.st_size
        except BaseException:
            self.close()
            raise
        self._size = size
        self._stated = status.st_size
        self.info: FileInfo = file_info(status)._replace(size=size)

    @property
    def wait_descriptor(self) -> None:
        """None: a regular file is always ready."""
        return

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `Source.readv`: one preadv for a batch, repeated if that came short of both the room and the end."""
        wanted = None if self._size is None else self._size - offset
        if wanted is not None and wanted <= 0:
            return 0
        fd = self._fd
        with translated(self._subject):
            count = transfer_all(lambda rest, done: os.preadv(fd, rest, offset + done), buffers, wanted)
        return count if wanted is None else min(count, wanted)

    def check_unchanged(self) -> None:
        """Raise `FileChanged` if the file shrank, or was written to without growing (by its modification time).

        A file that grew is taken for one that was appended to: what was announced has been sent. A change in place
        that stays within one tick of the file system's clock, or is hidden by setting the time back, is not noticed.
        """
        check_unchanged(self._fd, self._stated, self.info.mtime_ns, self._subject)

    def close(self) -> None:
        """Give up the descriptor; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close_quietly(fd)


def check_unchanged(fd: int, size: int, mtime_ns: int, subject: Path | str) -> None:
    """Raise `FileChanged` if the regular file `fd` is shorter than `size`, or as long with another `mtime_ns`."""
    with translated(subject):
        status = os.fstat(fd)
    if status.st_size < size or (status.st_size == size and mtime_of(status) != mtime_ns):
        raise failure(FileChanged, "It changed while it was being read", subject, hint="Try again.")


def open_beneath(folder: int, name: bytes, subject: Path) -> FileSource:
    """Open the file `name` of the folder held open as `folder`; a link is not followed and counts as missing."""
    with translated(subject):
        fd = os.open(name, OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    return FileSource(fd, subject)
