"""Files whose size the system does not tell: those of proc say 0, those of sysfs 4096, whatever is in them.

How long such a file is shows only by reading it to its end. What must never happen: that it is taken for an empty file,
or for one that was cut, or that one which never ends, or waits for events, fills the memory or holds a thread: it is
read without blocking, and by a server only up to `MAX_UNSIZED`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from secftp.errors import TooLarge
from secftp.storage.base import Source
from secftp.storage.failures import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.base import FileInfo, Path

MAX_UNSIZED: Final = 16 << 20  # bytes of such a file that are held in memory, where its size has to be known first
_PIECE: Final = 1 << 16


def size_of(fd: int, status: os.stat_result) -> int | None:
    """The size of a regular file in bytes, None if the one in `status` says nothing; raises OSError.

    Only a file without blocks is asked: it is empty, all holes, stored beside its inode, or made up by the system.
    """
    size = status.st_size
    if size and status.st_blocks:
        return size
    if os.pread(fd, 1, max(0, size - 1)):
        return size or os.fstat(fd).st_size or None  # it may have grown since
    return None if size and os.fstat(fd).st_size == size else size


def read_rest(fd: int, data: bytes, limit: int) -> bytes | None:
    """`data`, and what follows it in a file up to its end; None if that is more than `limit` bytes. Raises OSError."""
    parts, room = [data], limit + 1 - len(data)
    while room > 0 and (part := os.read(fd, room)):
        parts.append(part)
        room -= len(part)
    return b"".join(parts) if room > 0 else None


def has_changed(before: os.stat_result, after: os.stat_result, count: int) -> bool:
    """Whether `count` bytes that were read to the end between two looks at a file need not be one version of it.

    A file that grew is taken for one that was appended to. Fewer bytes than its size are all that there is only where
    the size says nothing.
    """
    size, left = before.st_size, after.st_size
    if left == size:
        return after.st_mtime_ns != before.st_mtime_ns or (count < size and before.st_blocks > 0)
    return left < size or count < size


class Snapshot(Source):
    """The bytes of a file whose size could not be known, as they were read."""

    __slots__ = ("_data", "info")

    def __init__(self, info: FileInfo, data: bytes) -> None:
        self._data = memoryview(data)
        self.info: FileInfo = info._replace(size=len(data))

    @property
    def wait_descriptor(self) -> None:
        """None: all of it is here."""
        return

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `Source.readv`."""
        done = 0
        for buffer in buffers:
            part = self._data[offset + done : offset + done + len(buffer)]
            buffer[: len(part)] = part
            done += len(part)
        return done

    def check_unchanged(self) -> None:
        """Nothing to check: what was read is what is sent."""

    def close(self) -> None:
        """Nothing is open."""


def with_size(source: Source, subject: Path | str) -> Source:
    """The source itself if its size is known; else its bytes, and it is closed. Raises `TooLarge`."""
    if source.info.size is not None:
        return source
    with source:
        data, piece = bytearray(), memoryview(bytearray(_PIECE))
        while count := source.readv([piece], len(data)):
            data += piece[:count]
            if len(data) > MAX_UNSIZED:
                raise failure(TooLarge, "The system does not tell its size, and it is too large to find out", subject)
        source.check_unchanged()
        return Snapshot(source.info, bytes(data))
