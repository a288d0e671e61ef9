"""Regular files that are written in parts, in any order, by several sessions at once.

The file is the partial of its name from the start, with a map of its parts beside it, so that even a server that is
killed leaves what it needs to go on. Where another writer has the partial, or nothing is to be kept, the file has a
random name and no map. Invariants: those of `sink` and `upload_map`.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import ChecksumMismatch, FileError, Forbidden, NotFound, Reason
from secftp.intervals import Intervals
from secftp.storage.attributes import PERMISSIONS
from secftp.storage.errors import close_quietly, failure, translated
from secftp.storage.names import is_partial
from secftp.storage.partial import open_partial, remove_map
from secftp.storage.sink import FileSink
from secftp.storage.source import transfer_all
from secftp.storage.store import UploadSink
from secftp.storage.upload_map import PartMap, kept_parts, read_map, write_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.attributes import FileInfo, WriteOptions
    from secftp.storage.names import Path


# A new partial is locked, and then gets its map: so long another process that meets it waits for the map.
_MAP_SECONDS: Final = 0.01
_MAP_ATTEMPTS: Final = 10


class UploadElsewhere(Forbidden):
    """Another process, a server of the same directory, is receiving this very upload."""


class FileUpload(FileSink, UploadSink):
    """A regular file of `options.size` bytes, which is written in parts; arguments as those of `FileSink`.

    `tag` tells whether a kept partial is this upload's; with `adopt` any partial is continued. Raises `UploadElsewhere`
    if the partial is this upload's, and another process has it.
    """

    __slots__ = ("_adopt", "_adopted", "_inode", "_ranges", "_tag", "_total")

    def __init__(
        self,
        directory: int,
        name: bytes,
        subject: Path | str,
        tag: bytes,
        options: WriteOptions,
        *,
        adopt: bool = False,
        mask: int = PERMISSIONS,
    ) -> None:
        assert options.size is not None
        self._tag = tag
        self._total = options.size
        self._adopt = adopt
        self._adopted: bytes | None = None  # the name of a partial that is not taken over yet
        self._inode = 0  # of a partial
        self._ranges = Intervals()
        super().__init__(directory, name, subject, options, mask=mask)
        self._extent = self._total

    @property
    def ranges(self) -> Intervals:
        return self._ranges

    # --- the beginning ----------------------------------------------------------------------------------------------

    def _missing_bytes(self) -> int:
        return max(0, self._total - self._options.holes - self._kept_bytes())

    def _replaces_older(self, lacking: int) -> bool:
        return not self._kept_bytes() and super()._replaces_older(lacking)

    def _kept_bytes(self) -> int:
        """Return how many bytes of an earlier transfer will be continued."""
        try:
            kept = kept_parts(self._directory, self._subject, self._name)
        except FileError:
            return 0
        return kept.ranges.total if self._adopt or self._is_own(kept.tag, kept.total) else 0

    def _is_own(self, tag: bytes | None, total: int | None) -> bool:
        return self._options.keep and (tag, total) == (self._tag, self._total)

    def _begin(self) -> None:
        if self._adopt:
            self._open_kept()
            if self._ranges and max(end for _, end in self._ranges) > self._total:
                raise failure(ChecksumMismatch, "Partial file longer than announced", self._subject)
        elif not self._continues_own():
            super()._begin()
            if is_partial(self._temporary or b""):
                self._inode = os.fstat(self._fd).st_ino
                self._record()
            elif self._options.keep:
                self._require_other_writer()

    def _open_kept(self) -> PartMap | None:
        """Lock and open the partial, and take its parts from its map; return the map."""
        self._fd, self._adopted, status = open_partial(self._directory, self._subject, self._name)
        self._inode = status.st_ino
        found = read_map(self._directory, self._adopted, status)
        self._ranges = Intervals([(0, status.st_size)]) if found is None else found.ranges
        return found

    def _require_other_writer(self) -> None:
        """Raise `UploadElsewhere` if the writer of the partial, of which there is one, has this upload."""
        for _ in range(_MAP_ATTEMPTS):
            try:
                kept = kept_parts(self._directory, self._subject, self._name)
            except FileError:
                return
            if kept.tag is not None:
                if self._is_own(kept.tag, kept.total):
                    raise _elsewhere(self._subject)
                return
            time.sleep(_MAP_SECONDS)

    def _continues_own(self) -> bool:
        """Continue the partial if it was left by this upload; return whether it was."""
        if not self._kept_bytes():
            return False
        with contextlib.suppress(NotFound, Forbidden):
            found = self._open_kept()
            if found is not None and self._is_own(found.tag, found.total):
                self._temporary, self._adopted = self._adopted, None
                return True
            fd, self._fd, self._adopted, self._ranges = self._fd, -1, None, Intervals()
            close_quietly(fd)
        return False

    def take_over(self) -> None:
        self._require_open()
        if self._adopted is not None:
            self._temporary, self._adopted = self._adopted, None
            with contextlib.suppress(OSError):  # what the former map lists is still true
                self._record()

    # --- parts ------------------------------------------------------------------------------------------------------

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        self._require_open()
        fd = self._fd
        with translated(self._subject):
            return transfer_all(lambda rest, done: os.preadv(fd, rest, offset + done), buffers, self._total - offset)

    def add(self, at: int, end: int) -> None:
        """A map that can't be written stays as it was: what it lists is still true."""
        self._ranges.add(at, end)
        with contextlib.suppress(OSError):
            self._record()

    def _record(self) -> None:
        """Replace the map on the disk, if there is one; raises OSError."""
        if self._temporary is not None and is_partial(self._temporary):
            parts = PartMap(self._tag, self._total, self._ranges)
            write_map(self._directory, self._temporary, parts, self._inode)

    # --- the end ----------------------------------------------------------------------------------------------------

    def commit(self) -> FileInfo:
        self._require_open()
        try:
            with translated(self._subject):
                if os.fstat(self._fd).st_size != self._total:
                    os.ftruncate(self._fd, self._total)  # what was adopted was longer behind its last part
                remove_map(self._directory, self._temporary or b"")
        except BaseException:
            self.close()
            raise
        return super().commit()

    def keep(self) -> None:
        temporary = self._temporary
        with contextlib.suppress(OSError):
            if self._options.keep and self._ranges and temporary is not None and is_partial(temporary):
                self._leave(temporary)
        self.close()

    def close(self) -> None:
        adopted, self._adopted = self._adopted, None
        if adopted is not None:
            self._will_discard(adopted)
        if self._temporary is not None and self._directory >= 0:
            with contextlib.suppress(OSError):
                remove_map(self._directory, self._temporary)
        super().close()


def _elsewhere(subject: Path | str) -> FileError:
    return failure(UploadElsewhere, "Being written by another server", subject, reason=Reason.BEING_WRITTEN)
