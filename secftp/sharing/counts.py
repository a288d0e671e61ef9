"""What has been transferred so far, for a progress bar; and a store that counts it.

A bar is a hint for the eye, and not what decides that a delivery is complete.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `storage.store`

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS, FileInfo, WriteOptions
from secftp.storage.store import ResumedSink, Sink, SmallFiles, Source, Store
from secftp.storage.wrappers import SinkWrapper, SmallFilesWrapper, SourceWrapper, StoreWrapper, UploadSinkWrapper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.attributes import Kept
    from secftp.storage.names import Path
    from secftp.storage.store import UploadSink

_Sink = TypeVar("_Sink", bound=Sink)


class Counts:
    """The counts that `secftp.client.progress_bar.CopyBar` draws. Thread-safe, but for a glance at single numbers.

    `files` and `bytes` are the totals, None and 0 while they are unknown.
    """

    def __init__(self) -> None:
        self.name = b""
        self.size = 0
        self.name_done = 0
        self.files: int | None = None
        self.bytes = 0
        self.done_files = 0
        self.done_bytes = 0
        self.moved_bytes = 0
        self._lock = threading.Lock()

    def begun(self, path: Path, size: int | None) -> None:
        """Note the current file."""
        with self._lock:
            self.name, self.size, self.name_done = b"/".join(path), size or 0, 0

    def moved(self, nbytes: int) -> None:
        """Count bytes."""
        with self._lock:
            self.name_done += nbytes
            self.done_bytes += nbytes
            self.moved_bytes += nbytes

    def finished(self) -> None:
        """Count a file."""
        with self._lock:
            self.done_files += 1

    def restart(self) -> None:
        """Begin anew, for another client; the rate goes on."""
        with self._lock:
            self.name, self.size, self.name_done, self.done_files, self.done_bytes = b"", 0, 0, 0, 0


class CountingStore(StoreWrapper[Store]):
    """The store `inner`, in which all that is read and written is counted. Closes it."""

    def __init__(self, inner: Store, counts: Counts) -> None:
        super().__init__(inner)
        self._counts = counts

    def open_source(self, path: Path) -> Source:
        source = self._inner.open_source(path)
        self._counts.begun(path, source.info.size)
        return _CountingSource(source, self._counts)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        sink = self._inner.create_sink(path, options)
        self._counts.begun(path, options.size)
        return _CountingSink(sink, self._counts)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        sink = self._inner.resume_sink(path, offset, options)
        self._counts.begun(path, offset + (options.size or 0))
        return _CountingResumedSink(sink, self._counts)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        upload = self._inner.open_upload(path, tag, options, adopt=adopt)
        self._counts.begun(path, options.size)
        return _CountingUpload(upload, self._counts)

    def small_files(self) -> SmallFiles:
        return _CountingSmallFiles(self._inner.small_files(), self._counts)


class _CountingSource(SourceWrapper):
    __slots__ = ("_counts",)

    def __init__(self, inner: Source, counts: Counts) -> None:
        super().__init__(inner)
        self._counts = counts

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        count = self._inner.readv(buffers, offset)
        self._counts.moved(count)
        return count


class _CountingSink(SinkWrapper[_Sink]):
    __slots__ = ("_counts",)

    def __init__(self, inner: _Sink, counts: Counts) -> None:
        super().__init__(inner)
        self._counts = counts

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._inner.writev(buffers)
        self._counts.moved(sum(map(len, buffers)))


class _CountingResumedSink(_CountingSink[ResumedSink], ResumedSink):
    __slots__ = ()

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._inner.readv(buffers, offset)


class _CountingUpload(UploadSinkWrapper):
    __slots__ = ("_counts",)

    def __init__(self, inner: UploadSink, counts: Counts) -> None:
        super().__init__(inner)
        self._counts = counts

    def writev_at(self, buffers: Sequence[memoryview], at: int) -> None:
        self._inner.writev_at(buffers, at)
        self._counts.moved(sum(map(len, buffers)))


class _CountingSmallFiles(SmallFilesWrapper[SmallFiles]):
    def __init__(self, inner: SmallFiles, counts: Counts) -> None:
        super().__init__(inner)
        self._counts = counts

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        info, data = self._inner.read(path, limit)
        self._counts.begun(path, len(data))
        self._counts.moved(len(data))
        return info, data

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        kept = self._inner.write(path, data, options)
        self._counts.begun(path, len(data))
        self._counts.moved(len(data))
        return kept
