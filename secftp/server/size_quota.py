"""Limit on the size of files in any store, as a wrapper of it.

Invariant: no file over the limit is begun, or grows beyond it, in any way. An object store has no free space that could
be limited, too.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `storage.store`

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from secftp.errors import TooLarge
from secftp.server.quota import BoundedStore
from secftp.storage import LocalStore, ResumedSink, Sink, SmallFiles, Store, WriteOptions
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS
from secftp.storage.wrappers import SinkWrapper, SmallFilesWrapper, StoreWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from secftp.errors import FileError
    from secftp.server.quota import Quota
    from secftp.storage import FileInfo, Path, Source
    from secftp.storage.attributes import Kept
    from secftp.storage.directories import Space
    from secftp.storage.store import UploadSink


def bounded(store: Store, quota: Quota) -> Store:
    """Return the store under a quota: of sizes alone if it is not on a disk of this machine."""
    return BoundedStore(store, quota) if isinstance(store, LocalStore) else SizeBoundedStore(store, quota)


class SizeBoundedStore(StoreWrapper[Store]):
    """Any store, in which no file gets larger than the quota allows."""

    def __init__(self, inner: Store, quota: Quota) -> None:
        super().__init__(inner)
        self._quota = quota

    def space(self, path: Path) -> Space:
        return self._quota.bounded(self._inner.space(path))

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        self._quota.check_size(options.size or 0)
        return SizeBoundedSink(self._inner.create_sink(path, options), self._quota, 0)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        self._quota.check_size(offset + (options.size or 0))
        return SizeBoundedResumedSink(self._inner.resume_sink(path, offset, options), self._quota, offset)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        self._quota.check_size(options.size or 0)
        return self._inner.open_upload(path, tag, options, adopt=adopt)

    def copy(self, path: Path, to: Path, options: WriteOptions, check: Callable[[int], None], /) -> FileInfo | None:
        """Copy a file whose size is known to be within the quota; any other has to be read and written."""
        if options.size is None:
            return None
        self._quota.check_size(options.size)
        return self._inner.copy(path, to, options, check)

    def small_files(self) -> SmallFiles:
        return _SizeBoundedSmallFiles(self._inner.small_files(), self._quota)


_AnySink = TypeVar("_AnySink", bound=Sink)


class SizeBoundedSink(SinkWrapper[_AnySink]):
    """The sink `inner`, which ends when it grows beyond the quota. `size` bytes of the file exist already."""

    def __init__(self, inner: _AnySink, quota: Quota, size: int) -> None:
        super().__init__(inner)
        self._quota = quota
        self._size = size

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._grow(sum(map(len, buffers)))
        self._inner.writev(buffers)

    def append_from(self, source: Source, offset: int, count: int) -> int:
        self._quota.check_size(self._size + count)
        done = self._inner.append_from(source, offset, count)
        self._size += done
        return done

    def _grow(self, count: int) -> None:
        self._size += count
        try:
            self._quota.check_size(self._size)
        except BaseException:
            self._inner.abort()
            raise


class SizeBoundedResumedSink(SizeBoundedSink[ResumedSink], ResumedSink):
    """A resumed sink under a quota of sizes."""

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._inner.readv(buffers, offset)


class _SizeBoundedSmallFiles(SmallFilesWrapper[SmallFiles]):
    """Small files under a quota of sizes."""

    def __init__(self, inner: SmallFiles, quota: Quota) -> None:
        super().__init__(inner)
        self._quota = quota

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        self._quota.check_size(len(data))
        return self._inner.write(path, data, options)

    def write_each(
        self, files: Iterable[tuple[Path, memoryview, WriteOptions]]
    ) -> Generator[Kept | FileError, None, None]:
        """Have the inner one write those within the quota, as many at once as it does; the others fail in place."""
        refused: deque[FileError | None] = deque()  # of the files that were taken, None for one that is written

        def accepted() -> Iterator[tuple[Path, memoryview, WriteOptions]]:
            for file in files:
                try:
                    self._quota.check_size(len(file[1]))
                except TooLarge as problem:
                    refused.append(problem)
                else:
                    refused.append(None)
                    yield file

        with contextlib.closing(self._inner.write_each(accepted())) as written:
            for kept in written:
                while (problem := refused.popleft()) is not None:
                    yield problem
                yield kept
        while refused and (problem := refused.popleft()) is not None:
            yield problem
