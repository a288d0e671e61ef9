"""Wrappers of sources, sinks, small files and stores: each passes everything on to what it wraps.

A limit, a count or a change of one operation is a subclass that overrides what it changes. Invariant: what an interface
has is passed on, so that a store stays whole whatever is wrapped around it.
"""

# ruff: noqa: D102 - the methods are those of the interfaces in `store`

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS, WriteOptions
from secftp.storage.store import Sink, SmallFiles, Source, Store, UploadSink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from secftp.errors import FileError
    from secftp.intervals import Intervals
    from secftp.protocol import Algorithm, Capability, Kind
    from secftp.storage.attributes import Extent, FileInfo, Identity, Kept
    from secftp.storage.directories import Space
    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.store import ResumedSink, ScanEntry
    from secftp.storage.upload_map import KeptParts

_Sink = TypeVar("_Sink", bound=Sink)
_Store = TypeVar("_Store", bound=Store)
_SmallFiles = TypeVar("_SmallFiles", bound=SmallFiles)


class SourceWrapper(Source):
    """A source that reads from `_inner`. A subclass overrides what it changes."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Source) -> None:
        self._inner = inner

    @property
    def info(self) -> FileInfo:
        return self._inner.info

    @property
    def wait_descriptor(self) -> int | None:
        return self._inner.wait_descriptor

    @property
    def stamp(self) -> tuple[int, ...] | None:
        return self._inner.stamp

    @property
    def is_stamp_shared(self) -> bool:
        return self._inner.is_stamp_shared

    @property
    def is_sparse(self) -> bool:
        return self._inner.is_sparse

    @property
    def hole_bytes(self) -> int:
        return self._inner.hole_bytes

    def extent_at(self, offset: int, end: int) -> Extent:
        return self._inner.extent_at(offset, end)

    def stored_digest(self, algorithm: Algorithm) -> bytes | None:
        return self._inner.stored_digest(algorithm)

    def expect(self, offset: int, length: int) -> None:
        self._inner.expect(offset, length)

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._inner.readv(buffers, offset)

    def check_unchanged(self) -> None:
        self._inner.check_unchanged()

    def close(self) -> None:
        self._inner.close()


class SinkWrapper(Sink, Generic[_Sink]):
    """A sink that writes to `_inner`. A subclass overrides what it changes."""

    __slots__ = ("_inner",)

    def __init__(self, inner: _Sink) -> None:
        self._inner = inner

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._inner.writev(buffers)

    def append_from(self, source: Source, offset: int, count: int) -> int:
        return self._inner.append_from(source, offset, count)

    def note_digest(self, algorithm: Algorithm, digest: bytes) -> None:
        self._inner.note_digest(algorithm, digest)

    def commit(self) -> FileInfo:
        return self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()

    def keep(self) -> None:
        self._inner.keep()

    def close(self) -> None:
        self._inner.close()


class UploadSinkWrapper(UploadSink):
    """A file in parts that is written to `_inner`. A subclass overrides what it changes."""

    __slots__ = ("_inner",)

    def __init__(self, inner: UploadSink) -> None:
        self._inner = inner

    @property
    def ranges(self) -> Intervals:
        return self._inner.ranges

    def writev_at(self, buffers: Sequence[memoryview], at: int) -> None:
        self._inner.writev_at(buffers, at)

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._inner.readv(buffers, offset)

    def add(self, at: int, end: int) -> None:
        self._inner.add(at, end)

    def take_over(self) -> None:
        self._inner.take_over()

    def commit(self) -> FileInfo:
        return self._inner.commit()

    def keep(self) -> None:
        self._inner.keep()

    def close(self) -> None:
        self._inner.close()


class StoreWrapper(Store, Generic[_Store]):
    """A store that acts on `_inner`. A subclass overrides what it changes."""

    def __init__(self, inner: _Store) -> None:
        self._inner = inner

    @property
    def lacks(self) -> frozenset[Capability]:
        return self._inner.lacks

    @property
    def at_once(self) -> int:
        return self._inner.at_once

    def open_source(self, path: Path) -> Source:
        return self._inner.open_source(path)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        return self._inner.create_sink(path, options)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        return self._inner.resume_sink(path, offset, options)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        return self._inner.open_upload(path, tag, options, adopt=adopt)

    def kept_parts(self, path: Path) -> KeptParts:
        return self._inner.kept_parts(path)

    def identity_of_root(self) -> Identity:
        return self._inner.identity_of_root()

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        return self._inner.stat(path, partial=partial)

    def space(self, path: DirectoryPath) -> Space:
        return self._inner.space(path)

    def scan(self, path: DirectoryPath, *, recursive: bool = False, others: bool = False) -> Iterator[ScanEntry]:
        return self._inner.scan(path, recursive=recursive, others=others)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        self._inner.remove(path, kind=kind)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        self._inner.rename(path, to, overwrite=overwrite)

    def copy(self, path: Path, to: Path, options: WriteOptions, check: Callable[[int], None], /) -> FileInfo | None:
        """Have `_inner` copy, unless a subclass changes what is read or written and does not override this, too."""
        if _is_changed(self, StoreWrapper, "create_sink") or _is_changed(self, StoreWrapper, "open_source"):
            return None
        return self._inner.copy(path, to, options, check)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        return self._inner.make_directory(path, parents=parents, mode=mode)

    def identity(self, path: Path) -> Identity:
        return self._inner.identity(path)

    def set_attributes(
        self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None, only: Identity | None = None
    ) -> Kept:
        return self._inner.set_attributes(path, mode=mode, mtime_ns=mtime_ns, only=only)

    def has_attributes(self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:
        return self._inner.has_attributes(path, mode=mode, mtime_ns=mtime_ns)

    def make_writable(self, path: Path) -> int | None:
        return self._inner.make_writable(path)

    def restore_mode(self, path: Path, mode: int) -> None:
        self._inner.restore_mode(path, mode)

    def small_files(self) -> SmallFiles:
        return self._inner.small_files()

    def close(self) -> None:
        self._inner.close()


class SmallFilesWrapper(SmallFiles, Generic[_SmallFiles]):
    """Small files that `_inner` reads and writes. A subclass overrides what it changes."""

    def __init__(self, inner: _SmallFiles) -> None:
        self._inner = inner

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        return self._inner.read(path, limit)

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        return self._inner.write(path, data, options)

    def read_each(self, paths: Iterable[Path], limit: int) -> Generator[tuple[FileInfo, bytes] | FileError, None, None]:
        """Pass it on, unless a subclass changes `read` and does not override this, too."""
        if _is_changed(self, SmallFilesWrapper, "read"):
            return super().read_each(paths, limit)
        return self._inner.read_each(paths, limit)

    def write_each(
        self, files: Iterable[tuple[Path, memoryview, WriteOptions]]
    ) -> Generator[Kept | FileError, None, None]:
        """Pass it on, unless a subclass changes `write` and does not override this, too."""
        if _is_changed(self, SmallFilesWrapper, "write"):
            return super().write_each(files)
        return self._inner.write_each(files)

    def close(self) -> None:
        self._inner.close()


def _is_changed(wrapper: object, base: type, method: str) -> bool:
    """Return whether a subclass of a wrapper overrides a method: what is passed on must not get past that."""
    return getattr(type(wrapper), method) is not getattr(base, method)
