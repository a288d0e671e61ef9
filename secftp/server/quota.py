"""A store whose files have a largest size, on a disk that is never filled to the brim.

It stands before a local store and sees everything that writes: whole files, files that go on where they were broken
off, small ones by the batch, and directories. Room is looked at on the file system that a file is written to, before
the file is begun and while it grows: seldom while there is plenty, and before each write once there is little. What
must never happen: that a file over the bound is begun, or grows beyond it, by whatever way it comes; or that all
sessions together take of what is to stay free because each looked before the others wrote.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from secftp.errors import FileError, NoSpace, Reason, TooLarge
from secftp.storage import ResumedSink, WriteOptions
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS
from secftp.storage.local import LocalStore
from secftp.storage.sink import FileSink, ResumedFileSink
from secftp.storage.small import LocalSmallFiles
from secftp.storage.store import SinkWrapper, SmallFilesWrapper, StoreWrapper
from secftp.text import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.server.options import ServerLimits
    from secftp.storage import FreeSpace, Path, Sink, SmallFiles
    from secftp.storage.attributes import Kept

# How much may be written to a file system, by all sessions together, between two looks at what it has left.
LOOK_BYTES: Final = 64 << 20


class Quota:
    """The bounds, and whom to tell when one bites: its name and a line. One for all sessions of a server."""

    def __init__(self, limits: ServerLimits, tell: Callable[[str, str], None]) -> None:
        self._max_file_size = limits.max_file_size
        self._min_free = limits.min_free
        self._min_free_files = limits.min_free_files
        self._tell = tell
        self._ahead: dict[int, int] = {}  # by device: bytes that may be written before the next look
        self._lock = threading.Lock()

    def check_size(self, size: int) -> None:
        """Raise `TooLarge` for a file of so many bytes, or of that many and more."""
        if self._max_file_size is not None and size > self._max_file_size:
            most = format_size(self._max_file_size)
            self._tell("max_file_size", f"A file is larger than a client may write: the limit is {most}.")
            raise TooLarge(f"It is larger than this server takes ({most}).")

    def check_space(self, look: Callable[[], FreeSpace], size: int = 0, files: int = 1) -> int:
        """Raise `NoSpace` if so many bytes, and so many files, would take of what is to stay free; else the device.

        `look` tells what the file system has left; without such a bound it is not called.
        """
        if self._min_free is None and self._min_free_files is None:
            return 0
        space = look()
        self._check_bytes(space, size)
        if self._min_free_files is not None and space.files is not None and space.files - files < self._min_free_files:
            self._tell("min_free_files", f"The disk has room for {space.files} files: nothing more is written.")
            raise NoSpace("The server keeps the rest of its disk free.", reason=Reason.KEPT_FREE)
        if self._min_free is not None and space.nbytes is not None:
            with self._lock:
                self._ahead[space.device] = min(self._ahead.get(space.device, 0), space.nbytes - self._min_free)
        return space.device

    def check_growth(self, device: int, look: Callable[[], FreeSpace], size: int) -> None:
        """Raise `NoSpace` if a file that is there can't grow by `size` bytes; `look` is called now and then."""
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

    def _check_bytes(self, space: FreeSpace, size: int) -> None:
        if self._min_free is None:
            return
        if space.nbytes is None:
            # No bound can be kept that can't be measured; to refuse all would take unknown for nothing.
            self._tell(
                "min_free_unknown", "The file system does not tell how much is left: min-free is not kept there."
            )
        elif space.nbytes - size < self._min_free:
            self._tell("min_free", f"The disk has {format_size(space.nbytes)} left: nothing more is written.")
            raise NoSpace("The server keeps the rest of its disk free.", reason=Reason.KEPT_FREE)


class BoundedStore(StoreWrapper[LocalStore]):
    """The store `inner` under a quota: what is made or written may be `TooLarge`, or there is `NoSpace` for it."""

    def __init__(self, inner: LocalStore, quota: Quota) -> None:
        super().__init__(inner)
        self._quota = quota

    def check_space(self, path: Path, size: int, look: Callable[[], FreeSpace]) -> int:
        """As `Quota.check_space` for a new file; what an older try for its name left goes before that fails."""
        try:
            return self._quota.check_space(look, size)
        except NoSpace:
            if not self._inner.discard_partial(path):
                raise
        return self._quota.check_space(look, size)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        """As `Store.create_sink`."""
        size = options.size or 0
        self._quota.check_size(size)
        device = self.check_space(path, size, lambda: self._inner.free_space(path))
        return BoundedSink(self._inner.create_sink(path, options), self._quota, 0, device)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        """As `Store.resume_sink`."""
        size = options.size or 0
        self._quota.check_size(offset + size)
        device = self._quota.check_space(lambda: self._inner.free_space(path), size)
        return BoundedResumedSink(self._inner.resume_sink(path, offset, options), self._quota, offset, device)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """As `Store.make_directory`; each directory that is missing counts."""
        self._quota.check_space(lambda: self._inner.free_space(path), files=self._missing(path) if parents else 1)
        return self._inner.make_directory(path, parents=parents, mode=mode)

    def _missing(self, path: Path) -> int:
        """How many names of the path there are not, 1 at least."""
        for depth in range(len(path) - 1, 0, -1):
            with contextlib.suppress(FileError):
                self._inner.stat(path[:depth])
                return len(path) - depth
        return len(path)

    def small_files(self) -> SmallFiles:
        """As `Store.small_files`."""
        return _BoundedSmallFiles(self._inner.small_files(), self, self._quota)


_AnyFileSink = TypeVar("_AnyFileSink", bound=FileSink)


class BoundedSink(SinkWrapper[_AnyFileSink]):
    """The sink `inner`, which ends when it grows beyond the quota. `size` bytes of the file are there already."""

    def __init__(self, inner: _AnyFileSink, quota: Quota, size: int, device: int) -> None:
        super().__init__(inner)
        self._quota = quota
        self._size = size
        self._device = device

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """As `Sink.writev`."""
        count = sum(map(len, buffers))
        self._size += count
        try:
            self._quota.check_size(self._size)
            self._quota.check_growth(self._device, self._inner.free_space, count)
        except BaseException:
            self._inner.abort()
            raise
        self._inner.writev(buffers)


class BoundedResumedSink(BoundedSink[ResumedFileSink], ResumedSink):
    """The same for a sink that goes on with what is there already."""

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `ResumedSink.readv`."""
        return self._inner.readv(buffers, offset)


class _BoundedSmallFiles(SmallFilesWrapper[LocalSmallFiles]):
    """Small files under a quota, on the way that the store inside has for them."""

    def __init__(self, inner: LocalSmallFiles, store: BoundedStore, quota: Quota) -> None:
        super().__init__(inner)
        self._bounded = store
        self._quota = quota

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        """As `SmallFiles.write`."""
        self._quota.check_size(len(data))
        self._bounded.check_space(path, len(data), lambda: self._inner.free_space(path))
        return self._inner.write(path, data, options)
