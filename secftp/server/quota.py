"""Limits on the size of files and on the free space of the disk, as a wrapper of a local store.

It sees everything that writes: whole files, resumed ones, batches of small ones, and directories. Free space is checked
on the file system that a file is written to, before the file is created and while it grows: rarely while there is
plenty, and before each write once there is little. Invariants: no file over the limit is begun, or grows beyond it, in
any way; and concurrent sessions never take together of what has to stay free because each checked before the others
wrote. `size_quota` is for other stores.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `storage.store`

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from secftp.errors import FileError, NoSpace, Reason, TooLarge
from secftp.protocol import are_zeros
from secftp.storage import ResumedSink, WriteOptions
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS
from secftp.storage.local import LocalStore
from secftp.storage.resumed_sink import ResumedFileSink
from secftp.storage.sink import FileSink
from secftp.storage.small import LocalSmallFiles
from secftp.storage.wrappers import SinkWrapper, SmallFilesWrapper, StoreWrapper, UploadSinkWrapper
from secftp.text import counted, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.server.options import ServerLimits
    from secftp.storage import FreeSpace, Path, Sink, SmallFiles
    from secftp.storage.attributes import Kept
    from secftp.storage.directories import Space
    from secftp.storage.store import Source, UploadSink
    from secftp.storage.upload import FileUpload

# Bytes that all sessions together may write to a file system between two checks of its free space.
LOOK_BYTES: Final = 64 << 20


class Quota:
    """The limits of a server, for all its sessions. `tell` gets the name of a limit that was reached, and a line."""

    def __init__(self, limits: ServerLimits, tell: Callable[[str, str], None]) -> None:
        self._max_file_size = limits.max_file_size
        self._min_free = limits.min_free
        self._min_free_files = limits.min_free_files
        self._tell = tell
        self._ahead: dict[int, int] = {}  # by device: bytes that may be written before the next check
        self._lock = threading.Lock()

    def check_size(self, size: int) -> None:
        """Raise `TooLarge` for a file of at least so many bytes."""
        if self._max_file_size is not None and size > self._max_file_size:
            most = format_size(self._max_file_size)
            self._tell("max_file_size", f"A file is larger than a client may write: the limit is {most}.")
            raise TooLarge(f"It is larger than this server accepts ({most}).")

    def check_space(self, look: Callable[[], FreeSpace], size: int = 0, files: int = 1) -> int:
        """Return the device; raise `NoSpace` if so many bytes or files would take of what has to stay free.

        `look` returns the free space; without such a limit it is not called.
        """
        if self._min_free is None and self._min_free_files is None:
            return 0
        space = look()
        self._check_bytes(space, size)
        if self._min_free_files is not None and space.files is not None and space.files - files < self._min_free_files:
            self._tell(
                "min_free_files", f"The disk has room for {counted(space.files, 'file')}: nothing more is written."
            )
            raise NoSpace("The server keeps the rest of its disk free.", reason=Reason.KEPT_FREE)
        if self._min_free is not None and space.nbytes is not None:
            with self._lock:
                self._ahead[space.device] = min(self._ahead.get(space.device, 0), space.nbytes - self._min_free)
        return space.device

    def check_growth(self, device: int, look: Callable[[], FreeSpace], size: int) -> None:
        """Raise `NoSpace` if a file can't grow by `size` bytes; `look` is called only now and then."""
        if self._min_free is None:
            return
        with self._lock:
            left = self._ahead.get(device, 0) - size
            if left >= 0:
                self._ahead[device] = left
                return
        space = look()
        self._check_bytes(space, size)
        left = LOOK_BYTES if space.nbytes is None else min(LOOK_BYTES, space.nbytes - size - self._min_free)
        with self._lock:
            self._ahead[device] = left

    def bounded(self, space: Space) -> Space:
        """Return the part of a file system that clients may fill."""
        available, files_available = space.available, space.files_available
        if available is not None:
            available = max(0, available - (self._min_free or 0))
        if files_available is not None:
            files_available = max(0, files_available - (self._min_free_files or 0))
        return space._replace(
            available=available, files_available=files_available, kept=self._min_free, largest=self._max_file_size
        )

    def _check_bytes(self, space: FreeSpace, size: int) -> None:
        if self._min_free is None:
            return
        if space.nbytes is None:
            # A limit that can't be measured can't be kept; refusing everything would treat unknown as 0.
            self._tell(
                "min_free_unknown", "The file system does not report its free space: min-free is not enforced there."
            )
        elif space.nbytes - size < self._min_free:
            self._tell("min_free", f"The disk has {format_size(space.nbytes)} left: nothing more is written.")
            raise NoSpace("The server keeps the rest of its disk free.", reason=Reason.KEPT_FREE)


class BoundedStore(StoreWrapper[LocalStore]):
    """The store `inner` under a quota: what is made or written raises `TooLarge` or `NoSpace` beyond it."""

    def __init__(self, inner: LocalStore, quota: Quota) -> None:
        super().__init__(inner)
        self._quota = quota

    def check_space(self, path: Path, size: int, look: Callable[[], FreeSpace]) -> int:
        """Do as `Quota.check_space` for a new file; an older partial of its name is discarded before that fails."""
        try:
            return self._quota.check_space(look, size)
        except NoSpace:
            if not self._inner.discard_partial(path):
                raise
        return self._quota.check_space(look, size)

    def space(self, path: Path) -> Space:
        return self._quota.bounded(self._inner.space(path))

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        size = options.size or 0
        self._quota.check_size(size)
        device = self.check_space(path, max(0, size - options.holes), lambda: self._inner.free_space(path))
        return BoundedSink(self._inner.create_sink(path, options), self._quota, 0, device)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        size = options.size or 0
        self._quota.check_size(offset + size)
        device = self._quota.check_space(lambda: self._inner.free_space(path), max(0, size - options.holes))
        return BoundedResumedSink(self._inner.resume_sink(path, offset, options), self._quota, offset, device)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        size = options.size or 0
        self._quota.check_size(size)
        kept = self._kept_bytes(path, tag, options, adopt=adopt)
        if kept:
            missing = max(0, size - options.holes - kept)
            device = self._quota.check_space(lambda: self._inner.free_space(path), missing)
        else:
            missing = max(0, size - options.holes)
            device = self.check_space(path, missing, lambda: self._inner.free_space(path))
        return BoundedUpload(self._inner.open_upload(path, tag, options, adopt=adopt), self._quota, device)

    def _kept_bytes(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool) -> int:
        """Return how many bytes an upload finds written already."""
        try:
            kept = self._inner.kept_parts(path)
        except FileError:
            return 0
        is_own = options.keep and (kept.tag, kept.total) == (tag, options.size)
        return kept.ranges.total if adopt or is_own else 0

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """Make a directory; each one that is missing counts."""
        self._quota.check_space(lambda: self._inner.free_space(path), files=self._missing(path) if parents else 1)
        return self._inner.make_directory(path, parents=parents, mode=mode)

    def _missing(self, path: Path) -> int:
        """Return how many names of the path don't exist, at least 1."""
        for depth in range(len(path) - 1, 0, -1):
            with contextlib.suppress(FileError):
                self._inner.stat(path[:depth])
                return len(path) - depth
        return len(path)

    def small_files(self) -> SmallFiles:
        return _BoundedSmallFiles(self._inner.small_files(), self, self._quota)


_AnyFileSink = TypeVar("_AnyFileSink", bound=FileSink)


class BoundedSink(SinkWrapper[_AnyFileSink]):
    """The sink `inner`, which ends when it grows beyond the quota. `size` bytes of the file exist already."""

    def __init__(self, inner: _AnyFileSink, quota: Quota, size: int, device: int) -> None:
        super().__init__(inner)
        self._quota = quota
        self._size = size
        self._device = device

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._grow(sum(map(len, buffers)), is_hole=are_zeros(buffers))
        self._inner.writev(buffers)

    def append_from(self, source: Source, offset: int, count: int) -> int:
        before = self._size
        self._grow(count)
        done = self._inner.append_from(source, offset, count)
        self._size = before + done
        return done

    def _grow(self, count: int, *, is_hole: bool = False) -> None:
        """Count so many bytes more; a file that is too large is ended. A hole has a size, and takes no space."""
        self._size += count
        try:
            self._quota.check_size(self._size)
            if not is_hole:
                self._quota.check_growth(self._device, self._inner.free_space, count)
        except BaseException:
            self._inner.abort()
            raise


class BoundedResumedSink(BoundedSink[ResumedFileSink], ResumedSink):
    """A resumed sink under a quota."""

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._inner.readv(buffers, offset)


class BoundedUpload(UploadSinkWrapper):
    """A file in parts under a quota. Its whole size was checked at its beginning."""

    def __init__(self, inner: FileUpload, quota: Quota, device: int) -> None:
        super().__init__(inner)
        self._file = inner
        self._quota = quota
        self._device = device

    def writev_at(self, buffers: Sequence[memoryview], at: int) -> None:
        if not are_zeros(buffers):
            self._quota.check_growth(self._device, self._file.free_space, sum(map(len, buffers)))
        self._inner.writev_at(buffers, at)


class _BoundedSmallFiles(SmallFilesWrapper[LocalSmallFiles]):
    """Small files under a quota."""

    def __init__(self, inner: LocalSmallFiles, store: BoundedStore, quota: Quota) -> None:
        super().__init__(inner)
        self._bounded = store
        self._quota = quota

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        self._quota.check_size(len(data))
        self._bounded.check_space(path, len(data), lambda: self._inner.free_space(path))
        return self._inner.write(path, data, options)
