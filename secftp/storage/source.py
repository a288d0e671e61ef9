"""Regular files as sources, read by position; and files whose size the system does not tell.

A source is one version of a file: bytes that are appended after it was opened are not part of it, so a file that grows
as fast as it is read still ends. Where the size is not known (those of /proc report 0, those of /sys 4096) the version
ends where reading ends. Files are not mapped into memory: a truncation would be a SIGBUS.

Invariants: only what `fstat` of the open descriptor calls a regular file is read; opening never blocks, as it would at
a FIFO; and a file of unknown size is neither taken for an empty or truncated one, nor can it fill the memory if it
never ends: a server reads it without blocking, and up to `MAX_UNSIZED`.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import TooLarge
from secftp.storage.attributes import LEAST_HOLE, FileInfo, file_info, mtime_of
from secftp.storage.errors import changed, close_quietly, failure, require_regular, translated
from secftp.storage.store import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.attributes import Extent, FileInfo
    from secftp.storage.names import Path

IOV_MAX = os.sysconf("SC_IOV_MAX")
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
MAX_UNSIZED: Final = 16 << 20  # bytes of a file of unknown size that are read into memory where its size is needed
_PIECE: Final = 1 << 16
_BLOCK_UNIT: Final = 512  # bytes: st_blocks is in these, whatever the file system


class _Step(Protocol):
    def __call__(self, buffers: Sequence[memoryview], done: int, /) -> int: ...


def transfer_all(step: _Step, buffers: Sequence[memoryview], limit: int | None = None) -> int:
    """Call `step(rest of buffers, bytes done)` until all is done, a call did nothing, or `limit` bytes are reached.

    Carries readv and writev to their end: the kernel may do less than requested, and takes IOV_MAX buffers a call.
    `step` gets at most that many, the first of them not empty. A batch that the kernel takes whole costs one call and
    no copy. Returns the bytes done, which can exceed `limit`.
    """
    sizes = [buffer.nbytes for buffer in buffers]
    if 0 in sizes:
        return transfer_all(step, [buffer for buffer in buffers if buffer.nbytes], limit)
    total = sum(sizes)
    if limit is not None and limit < total:
        total = limit
    first = skipped = done = 0  # all before buffers[first][skipped] is done
    while done < total:
        window = buffers[first : first + IOV_MAX]
        if skipped:
            window = [window[0][skipped:], *window[1:]]
        count = step(window, done)
        done += count
        if not count or done >= total:
            break
        skipped += count
        while skipped >= sizes[first]:
            skipped -= sizes[first]
            first += 1
    return done


class FileSource(Source):
    """A regular file, read by position. Takes over the descriptor, and closes it if the file is not a regular one.

    `info.size` is None if only reading can tell it.
    """

    __slots__ = ("_fd", "_size", "_status", "_subject", "info")

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
        self._status = status
        self.info: FileInfo = file_info(status)._replace(size=size)

    @property
    def wait_descriptor(self) -> None:
        """None: a regular file is always ready."""
        return

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file, to copy from."""
        return self._fd

    @property
    def stamp(self) -> tuple[int, ...] | None:
        """Device, inode, size, and the times of the last modification and the last change; None for an unknown size."""
        status = self._status
        if self._size is None:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    @property
    def is_sparse(self) -> bool:
        """Whether it occupies less of the disk than it has bytes: it has holes then, or is compressed there."""
        return self.hole_bytes >= LEAST_HOLE

    def extent_at(self, offset: int, end: int) -> Extent:
        """Ask the system."""
        from secftp.storage.holes import extent_at  # only where there are any

        return extent_at(self._fd, offset, end)

    @property
    def hole_bytes(self) -> int:
        """The bytes for which the file system has no blocks; 0 if the size is not known."""
        return max(0, (self._size or 0) - self._status.st_blocks * _BLOCK_UNIT)

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read with one preadv for a batch, repeated if that was short of both the buffers and the end."""
        wanted = None if self._size is None else self._size - offset
        if wanted is not None and wanted <= 0:
            return 0
        fd = self._fd
        with translated(self._subject):
            count = transfer_all(lambda rest, done: os.preadv(fd, rest, offset + done), buffers, wanted)
        return count if wanted is None else min(count, wanted)

    def check_unchanged(self) -> None:
        """Raise `FileChanged` if the file shrank, or was written to without growing (by its modification time).

        A file that grew counts as appended to: what was announced has been sent. A change in place within one tick of
        the file system's clock, or hidden by setting the time back, is not noticed.
        """
        check_unchanged(self._fd, self._status.st_size, self.info.mtime_ns, self._subject)

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close_quietly(fd)


def check_unchanged(fd: int, size: int, mtime_ns: int, subject: Path | str) -> None:
    """Raise `FileChanged` if the regular file `fd` is shorter than `size`, or as long with another `mtime_ns`."""
    with translated(subject):
        status = os.fstat(fd)
    if status.st_size < size or (status.st_size == size and mtime_of(status) != mtime_ns):
        raise changed(subject)


def open_beneath(directory: int, name: bytes, subject: Path) -> FileSource:
    """Open the file `name` of the open directory `directory`; a symlink is not followed and counts as missing."""
    with translated(subject):
        fd = os.open(name, OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=directory)
    return FileSource(fd, subject)


def size_of(fd: int, status: os.stat_result) -> int | None:
    """Return the size of a regular file in bytes, None if the one in `status` is meaningless; raises OSError.

    Only a file without blocks is probed: it is empty, sparse, stored in its inode, or generated by the system.
    """
    size = status.st_size
    if size and status.st_blocks:
        return size
    if os.pread(fd, 1, max(0, size - 1)):
        return size or os.fstat(fd).st_size or None  # it may have grown since
    return None if size and os.fstat(fd).st_size == size else size


def read_rest(fd: int, data: bytes, limit: int) -> bytes | None:
    """Return `data` and the rest of a file, None if that is more than `limit` bytes; raises OSError."""
    parts, room = [data], limit + 1 - len(data)
    while room > 0 and (part := os.read(fd, room)):
        parts.append(part)
        room -= len(part)
    return b"".join(parts) if room > 0 else None


def read_small(fd: int, subject: Path | str, limit: int) -> tuple[os.stat_result, bytes] | None:
    """Return the status and the bytes of a regular file of at most `limit` bytes; None if it is larger.

    A file that grew meanwhile counts as appended to. Raises `IsADirectory`, `Forbidden`, `FileChanged` and OSError.
    """
    before = os.fstat(fd)
    require_regular(before, subject)
    size = before.st_size
    if size > limit:
        return None
    data = os.read(fd, size) if size else b""
    if not data or len(data) < size:
        rest = read_rest(fd, data, limit)
        if rest is None:
            return None
        data = rest
    after, count = os.fstat(fd), len(data)
    if after.st_size == size:
        # Fewer bytes than its size are the whole file only where the size is meaningless.
        is_changed = after.st_mtime_ns != before.st_mtime_ns or (count < size and before.st_blocks > 0)
    else:
        is_changed = after.st_size < size or count < size
    if is_changed:
        raise changed(subject)
    return before, data


class Snapshot(Source):
    """The bytes of a file of unknown size, as they were read."""

    __slots__ = ("_data", "info")

    def __init__(self, info: FileInfo, data: bytes) -> None:
        self._data = memoryview(data)
        self.info: FileInfo = info._replace(size=len(data))

    @property
    def wait_descriptor(self) -> None:
        """None: all bytes are in memory."""
        return

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
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
    """Return the source itself if its size is known; else read it whole and close it. Raises `TooLarge`."""
    if source.info.size is not None:
        return source
    with source:
        data, piece = bytearray(), memoryview(bytearray(_PIECE))
        while count := source.readv([piece], len(data)):
            data += piece[:count]
            if len(data) > MAX_UNSIZED:
                raise failure(TooLarge, "Size not reported by the system, and too large to determine", subject)
        source.check_unchanged()
        return Snapshot(source.info, bytes(data))
