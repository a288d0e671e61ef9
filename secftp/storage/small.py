"""Small files one after the other, each whole in memory: the way of a store for which thousands a second come.

What a sink and a source promise holds here too: a file appears whole or not at all, nothing is followed, reserved names
are refused. It is cheaper because the bytes are there before the file is begun: one write, no time in which the writer
could die with half of it, and so no lock. A sweep that takes such a file for a leftover, in the microseconds before it
has its name, makes it go the long way. The last folder stays open between two files of it; whoever asks closes this
after a batch, so that a folder which is renamed meanwhile takes in no more than the rest of that.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from secftp.errors import FileChanged, NotFound, TooLarge
from secftp.storage.base import FileInfo, file_info
from secftp.storage.failures import require_regular, translated
from secftp.storage.names import check, shown, temporary_name
from secftp.storage.source import OPEN_FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from secftp.storage.base import Path, Store

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = OPEN_FLAGS | os.O_NOFOLLOW
_PERMISSIONS = 0o777
_DEFAULT_MODE = 0o666


def read_whole(fd: int, subject: Path, limit: int) -> tuple[FileInfo, bytes]:
    """Read and close `fd`, as `SmallFiles.read`; raises OSError, too."""
    try:
        status = os.fstat(fd)
        require_regular(status, subject)
        size = status.st_size
        if size > limit:
            raise TooLarge(f"Too large to be read at once: {shown(subject)}")
        data = os.read(fd, size) if size else b""
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if len(data) != size or after.st_size < size or (after.st_size == size and after.st_mtime_ns != status.st_mtime_ns):
        raise FileChanged(f"It changed while it was being read: {shown(subject)}", hint="Try again.")
    return file_info(status), data


class SmallFiles:
    """Reads and writes files of a store that fit into memory. A context manager; for one thread, and for one batch.

    This one goes by the store's own sources and sinks; `LocalSmallFiles` is the fast one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        """A whole file; raises `TooLarge` beyond `limit` bytes, and as `Store.open_source` and `Source` do."""
        with self._store.open_source(path) as source:
            size = source.info.size
            if size is None or size > limit:
                raise TooLarge(f"Too large to be read at once: {shown(path)}")
            data = bytearray(size)
            if size and source.readv([memoryview(data)], 0) != size:
                raise FileChanged(f"It changed while it was being read: {shown(path)}", hint="Try again.")
            source.check_unchanged()
            return source.info, bytes(data)

    def write(
        self,
        path: Path,
        data: memoryview,
        *,
        overwrite: bool = True,
        mode: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        """Make or replace a whole file; options and errors as `Store.create_sink`'s and its sink's."""
        with self._store.create_sink(path, overwrite=overwrite, mode=mode, mtime_ns=mtime_ns, size=len(data)) as sink:
            if data:
                sink.writev([data])
            sink.commit()

    def close(self) -> None:
        """Let go of the last folder; idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class LocalSmallFiles(SmallFiles):
    """The same for a local folder. `enter(path)` gives a new descriptor of the folder that holds `path`'s last name."""

    def __init__(self, store: Store, enter: Callable[[Path], int]) -> None:
        super().__init__(store)
        self._enter = enter
        self._at: Path | None = None
        self._folder = -1

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        """As `SmallFiles.read`."""
        check(path)
        folder = self._go_to(path)
        with translated(path):
            return read_whole(os.open(path[-1], _READ_FLAGS, dir_fd=folder), path, limit)

    def write(
        self,
        path: Path,
        data: memoryview,
        *,
        overwrite: bool = True,
        mode: int | None = None,
        mtime_ns: int | None = None,
    ) -> None:
        """As `SmallFiles.write`."""
        if not overwrite:
            super().write(path, data, overwrite=overwrite, mode=mode, mtime_ns=mtime_ns)
            return
        check(path)
        folder = self._go_to(path)
        with translated(path):
            replaced = _look(path, folder)
            temporary = temporary_name()
            wished = _DEFAULT_MODE if mode is None else mode & _PERMISSIONS
            fd = os.open(temporary, _CREATE_FLAGS, wished, dir_fd=folder)
            try:
                _fill(fd, data, replaced.st_mode & _PERMISSIONS if replaced and mode is None else None, mtime_ns)
                os.rename(temporary, path[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except FileNotFoundError:
                pass  # a sweep came between, or somebody who tidies up
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            else:
                return
        super().write(path, data, overwrite=overwrite, mode=mode, mtime_ns=mtime_ns)

    def close(self) -> None:
        """As `SmallFiles.close`."""
        folder, self._folder, self._at = self._folder, -1, None
        if folder >= 0:
            os.close(folder)

    def _go_to(self, path: Path) -> int:
        above = path[:-1]
        if above != self._at:
            self.close()
            try:
                self._folder = self._enter(path)
            except NotFound as error:
                raise NotFound(f"No such folder: {shown(above)}") from error
            self._at = above
        return self._folder


def _look(path: Path, folder: int) -> os.stat_result | None:
    """What would be replaced; raises if that is anything but a regular file."""
    try:
        status = os.stat(path[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    require_regular(status, path)
    return status


def _fill(fd: int, data: memoryview, mode: int | None, mtime_ns: int | None) -> None:
    """Write all of it and close it; close(2) is where a network file system reports a write that failed."""
    try:
        while data:
            data = data[os.write(fd, data) :]
        if mode is not None:
            os.fchmod(fd, mode)
        if mtime_ns is not None:
            os.utime(fd, ns=(time.time_ns(), mtime_ns))
    finally:
        os.close(fd)
