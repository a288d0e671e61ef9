"""The small interface that every store has: read, write and look at files, change what they are called.

A server and the pump know stores only by this. A store gets names that a peer chose and must refuse by itself whatever
`names.check` refuses; what must never happen in any of them is that a sink's bytes are seen under its name before
`commit`, or that anything outside of what the store was made for is reached.

Every failure is a `secftp.errors.FileError`; its sentence names the file as the peer named it, unescaped, and never the
place where the store keeps it. Sources and sinks serve one thread at a time; a store serves any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from secftp.messages import Kind
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS, WriteOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from secftp.errors import FileError
    from secftp.messages import Kind
    from secftp.storage.attributes import FileInfo, Identity, Kept
    from secftp.storage.names import DirectoryPath, Path


class ScanEntry(NamedTuple):
    """One entry of a listing.

    `path`: its names below the folder that was listed. `info` is None if it could not be looked at, and the `problem`
    says why. A `problem` at a folder says that it could not be entered, or not be listed to its end.
    """

    path: Path
    info: FileInfo | None
    problem: FileError | None = None


class _Closing(Protocol):
    """A context manager that closes what it is."""

    __slots__ = ()

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Source(_Closing, Protocol):
    """One version of one file, held open: renaming or removing the name does not disturb it."""

    __slots__ = ()

    @property
    def info(self) -> FileInfo:
        """As it was when the source was opened."""
        ...

    @property
    def wait_descriptor(self) -> int | None:
        """What to poll before a `readv` that may have to wait for somebody; None where it never has to."""
        ...

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Fill `buffers` (flat views of bytes), in order, from `offset`; return the number of bytes, 0 at the end.

        Fewer bytes than there is room for mean the end, except from a stream, which gives what is there.
        """
        ...

    def check_unchanged(self) -> None:
        """Raise `FileChanged` if what was read need not be one version of the file."""
        ...

    def close(self) -> None:
        """Give it up; idempotent."""
        ...


class Sink(_Closing, Protocol):
    """A file that does not exist under its name before `commit`.

    Whatever fails ends it: nothing of it is left, and only `abort` and `close` may still be called. Leaving it as a
    context manager without a commit aborts it.
    """

    __slots__ = ()

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append all of `buffers` (flat views of bytes); raises `NoSpace`, `TooLarge`, `InputOutputError`."""
        ...

    def commit(self) -> FileInfo:
        """Give the whole file its name in one step; raises `AlreadyExists` if that is taken and not to be replaced."""
        ...

    def abort(self) -> None:
        """Throw away what was written; idempotent, nothing after a commit."""
        ...

    def keep(self) -> None:
        """End it as `abort` does, but keep what was written for `resume_sink`, if it was made with `keep`.

        What can't be kept (nothing was written, another partial of the name has a writer, a stream) is thrown away.
        """
        self.abort()

    def close(self) -> None:
        """Abort it unless it was committed; idempotent."""
        ...


class ResumedSink(Sink, Protocol):
    """A sink that begins with bytes of a partial; nothing of that is changed before the first `writev` or `commit`."""

    __slots__ = ()

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `Source.readv`, of the bytes that are there already: 0 at the offset it was resumed at."""
        ...


class SmallFiles(_Closing, Protocol):
    """Reads and writes files that fit into memory, many one after the other; for one thread, and for one batch."""

    __slots__ = ()

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        """A whole file; raises `TooLarge` beyond `limit` bytes, and as `Store.open_source` and `Source` do."""
        ...

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        """Make or replace a whole file; errors as `Store.create_sink`'s and its sink's.

        Of the options `size` and `keep` have no meaning here. Returns what the file has of mode and time.
        """
        ...

    def close(self) -> None:
        """Let go of what stays open between two files; idempotent."""
        ...


class Store(_Closing, Protocol):
    """A tree of files. Names are tuples of bytes, see `names.check`; they are not decoded, normalised or folded."""

    __slots__ = ()

    def open_source(self, path: Path) -> Source:
        """Open a file for reading; raises `NotFound`, `IsADirectory`, `NotADirectory`, `Forbidden`, `NameRefused`."""
        ...

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        """Begin a file in a folder that exists; raises as `open_source` does, and `AlreadyExists`, `NoSpace`."""
        ...

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        """Go on with the partial of a name, behind its first `offset` bytes.

        Raises as `create_sink` does, `NotFound` if there is no partial, `Forbidden` if it is being written,
        `ChecksumMismatch` if it is shorter than `offset`.
        """
        ...

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        """What stands under a name; raises as `open_source` does, but a folder is an answer.

        With `partial`, the partial that is kept for the name; its `mode` says nothing.
        """
        ...

    def scan(self, path: DirectoryPath, *, recursive: bool = False) -> Iterator[ScanEntry]:
        """List a folder, with `recursive` depth first, a folder before what is in it; the order is the system's.

        A generator that is read as it goes, and that closes all it has opened when it is closed. Only files and folders
        are in it. What is wrong with the folder itself is raised by its first step (or later, if the listing breaks
        off); what is wrong with one below is a `problem`, at its entry, or at a second entry for the same folder where
        it shows only while that is listed.
        """
        ...

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        """Remove a file, or a folder with nothing in it but unfinished files that nobody writes.

        What is kept of an unfinished file of that name goes with it, also where there is nothing else of the name.
        With `kind`, only that. Raises `NotFound`, `IsADirectory`, `NotADirectory`, `NotEmpty`, `Forbidden`,
        `NameRefused`.
        """
        ...

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        """Give a file or a folder another name, in one step.

        With `overwrite` a file may replace a file; a folder never replaces anything, nor is it ever replaced. Raises
        `NotFound` (the new name's folder, too), `AlreadyExists`, `IsADirectory`, `NotADirectory`, `Forbidden`,
        `NameRefused`.
        """
        ...

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """Make a folder; with `parents` those above it, too, and one that exists is fine. Whether it was made.

        `mode` is as `WriteOptions.mode` and holds for the last one, if it is made. Raises `AlreadyExists`,
        `NotFound`, `NotADirectory`, `Forbidden`, `NoSpace`, `NameRefused`.
        """
        ...

    def identity(self, path: Path) -> Identity:
        """Which file or directory stands under a name, for `set_attributes`; raises as `stat` does."""
        ...

    def set_attributes(
        self,
        path: DirectoryPath,
        *,
        mode: int | None = None,
        mtime_ns: int | None = None,
        only: Identity | None = None,
    ) -> Kept:
        """Set the permissions (as `WriteOptions.mode`), or the modification time, or both, of a file or a folder.

        With `only`, raises `Forbidden` if another file or directory has the name by now. Returns what of them it has:
        a mask may take permissions, and a file system may not have the time.
        Raises `NotFound`, `NotADirectory`, `Forbidden`, `NameRefused`.
        """
        ...

    def has_attributes(self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:
        """Whether `set_attributes` would change nothing; raises as `stat` does."""
        ...

    def make_writable(self, path: Path) -> int | None:
        """Let its owner list, enter and change a directory that is a part of a tree which is copied or removed.

        Returns the permissions that it had, for `restore_mode`; None if nothing had to be changed, or nothing may be:
        it belongs to another user. Raises as `set_attributes` does.
        """
        ...

    def restore_mode(self, path: Path, mode: int) -> None:
        """Give a directory back what `make_writable` returned, unless it has been given other permissions since."""
        ...

    def small_files(self) -> SmallFiles:
        """The way to read and write many files that fit into memory; close it after a batch, before the store."""
        ...

    def close(self) -> None:
        """Give up the store, once no call on it is under way; its sources and sinks live on. Idempotent."""
        ...


# ruff: noqa: D102 - the methods are those of the contracts in `base`

_Sink = TypeVar("_Sink", bound=Sink)
_Store = TypeVar("_Store", bound=Store)
_SmallFiles = TypeVar("_SmallFiles", bound=SmallFiles)


class SourceWrapper(Source):
    """A source that reads from another."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Source) -> None:
        self._inner = inner

    @property
    def info(self) -> FileInfo:
        return self._inner.info

    @property
    def wait_descriptor(self) -> int | None:
        return self._inner.wait_descriptor

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._inner.readv(buffers, offset)

    def check_unchanged(self) -> None:
        self._inner.check_unchanged()

    def close(self) -> None:
        self._inner.close()


class SinkWrapper(Sink, Generic[_Sink]):
    """A sink that writes to another."""

    __slots__ = ("_inner",)

    def __init__(self, inner: _Sink) -> None:
        self._inner = inner

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._inner.writev(buffers)

    def commit(self) -> FileInfo:
        return self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()

    def keep(self) -> None:
        self._inner.keep()

    def close(self) -> None:
        self._inner.close()


class StoreWrapper(Store, Generic[_Store]):
    """A store that acts on another."""

    def __init__(self, inner: _Store) -> None:
        self._inner = inner

    def open_source(self, path: Path) -> Source:
        return self._inner.open_source(path)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        return self._inner.create_sink(path, options)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        return self._inner.resume_sink(path, offset, options)

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        return self._inner.stat(path, partial=partial)

    def scan(self, path: DirectoryPath, *, recursive: bool = False) -> Iterator[ScanEntry]:
        return self._inner.scan(path, recursive=recursive)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        self._inner.remove(path, kind=kind)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        self._inner.rename(path, to, overwrite=overwrite)

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
    """Small files that are read and written by others."""

    def __init__(self, inner: _SmallFiles) -> None:
        self._inner = inner

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        return self._inner.read(path, limit)

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        return self._inner.write(path, data, options)

    def close(self) -> None:
        self._inner.close()
