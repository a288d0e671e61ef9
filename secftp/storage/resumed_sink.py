"""Partials as sinks: what an interrupted transfer has left is continued behind its first bytes.

Invariant: nothing of the partial is changed before the first new byte arrives, or the file is committed.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from secftp.errors import ChecksumMismatch
from secftp.storage.attributes import KEPT_OPTIONS, PERMISSIONS
from secftp.storage.errors import failure, translated
from secftp.storage.partial import open_partial, remove_map
from secftp.storage.sink import FileSink
from secftp.storage.source import transfer_all
from secftp.storage.store import ResumedSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.attributes import FileInfo, WriteOptions
    from secftp.storage.names import Path


class ResumedFileSink(FileSink, ResumedSink):
    """The partial of a name, to be continued behind its first `offset` bytes."""

    __slots__ = ("_offset", "_partial")

    def __init__(
        self,
        directory: int,
        name: bytes,
        subject: Path | str,
        offset: int,
        options: WriteOptions = KEPT_OPTIONS,
        *,
        mask: int = PERMISSIONS,
    ) -> None:
        self._offset = offset
        self._partial: bytes | None = None  # until the first change
        super().__init__(directory, name, subject, options, mask=mask)

    def _begin(self) -> None:
        from secftp.storage.upload_map import prefix_of  # only where something is resumed: start-up is part of speed

        self._fd, self._partial, status = open_partial(self._directory, self._subject, self._name)
        size = prefix_of(self._directory, self._partial, status)
        if size < self._offset:
            raise failure(ChecksumMismatch, "Partial file shorter than announced", self._subject)
        self._size = self._offset

    def stop_at_hole(self) -> int:
        """Continue where the partial has its first hole, if it has one; return the offset.

        It was written in parts then, by a writer that was killed. The block before the hole may lack bytes, too.
        """
        self._require_open()
        with translated(self._subject):
            hole = _first_hole(self._fd)
            block = max(os.fstat(self._fd).st_blksize, 1)
        if hole < self._offset:
            self._offset = self._size = max(0, hole - 1) // block * block
        return self._offset

    def _discard_older(self) -> bool:
        """False: the older partial is what this continues."""
        return False

    def _replaces_older(self, lacking: int) -> bool:  # noqa: ARG002 - the signature is that of the base class
        """Likewise."""
        return False

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        self._require_open()
        wanted = self._offset - offset
        if wanted <= 0:
            return 0
        fd = self._fd
        with translated(self._subject):
            count = transfer_all(lambda rest, done: os.preadv(fd, rest, offset + done), buffers, wanted)
        return min(count, wanted)

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Cut off what is behind the offset before the first bytes are appended."""
        self._cut()
        super().writev(buffers)

    def begin_parts(self, total: int) -> None:
        self._cut()
        super().begin_parts(total)

    def commit(self) -> FileInfo:
        self._cut()
        return super().commit()

    def close(self) -> None:
        """Discard the partial, too, if it is untouched and another writer has completed the file meanwhile."""
        partial, self._partial = self._partial, None
        if partial is not None and self._will_discard(partial):
            with contextlib.suppress(OSError):
                remove_map(self._directory, partial)
        super().close()

    def _cut(self) -> None:
        """Take over the partial: from now on it is removed with the sink, unless it is kept."""
        self._require_open()
        if self._partial is not None:
            self._temporary, self._partial = self._partial, None
            try:
                with translated(self._subject):
                    remove_map(self._directory, self._temporary)
                    os.ftruncate(self._fd, self._offset)
            except BaseException:
                self.abort()
                raise


def _first_hole(fd: int) -> int:
    """Return where a file has its first hole, at the latest at its end; raises OSError."""
    size = os.fstat(fd).st_size
    if not size or not hasattr(os, "SEEK_HOLE"):
        return size
    try:
        return os.lseek(fd, 0, os.SEEK_HOLE)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            return size
        raise
