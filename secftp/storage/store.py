"""Interfaces of the storage layer: sources, sinks, small files and stores. `wrappers` has a wrapper of each.

The server and the transfer engine know stores only by these. A store gets names that a peer chose and refuses by itself
what `names.check` refuses. Invariants of every store: the bytes of a sink are not visible under its name before
`commit`, and nothing outside of the store's root is reached.

Every failure is a `secftp.errors.FileError`. Its message names the file as the peer named it, and never tells where the
store is. Sources and sinks are for one thread at a time; a store is for any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from secftp.errors import FileError
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS, Extent, WriteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from secftp.intervals import Intervals
    from secftp.protocol import Algorithm, Capability, Kind
    from secftp.storage.attributes import FileInfo, Identity, Kept
    from secftp.storage.directories import Space
    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.upload_map import KeptParts


class ScanEntry(NamedTuple):
    """One entry of a listing.

    `path`: its names below the listed directory. `info`: None if its attributes could not be read, and `problem` tells
    why. A `problem` at a directory means that it could not be entered, or not be listed to its end.
    """

    path: Path
    info: FileInfo | None
    problem: FileError | None = None


class Closing(Protocol):
    """A context manager that closes itself."""

    __slots__ = ()

    def close(self) -> None:
        """Release what it holds."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Source(Closing, Protocol):
    """One version of a file, open for reading; renaming or removing the file does not affect it."""

    __slots__ = ()

    @property
    def info(self) -> FileInfo:
        """The file as it was when the source was opened."""
        ...

    @property
    def wait_descriptor(self) -> int | None:
        """The descriptor to poll before a `readv` that may block on a peer process; None if none does."""
        ...

    @property
    def stamp(self) -> tuple[int, ...] | None:
        """Numbers that differ between versions of the file, None if there are none.

        They are those that the system has for it, and tell more than a peer may know.
        """
        return None

    @property
    def is_stamp_shared(self) -> bool:
        """Whether other processes and machines have the same stamp for the version, which tells a reader nothing."""
        return False

    @property
    def is_sparse(self) -> bool:
        """Whether the file may have holes worth looking for, as far as is known without a look."""
        return False

    @property
    def hole_bytes(self) -> int:
        """About how many of the bytes of the file are in holes, which need no space."""
        return 0

    def extent_at(self, offset: int, end: int) -> Extent:  # noqa: ARG002 - for those that have holes
        """Return what begins at `offset`: a hole, which reads as zeros, or data, and where that ends, at most `end`."""
        return Extent(False, end)

    def stored_digest(self, algorithm: Algorithm) -> bytes | None:  # noqa: ARG002 - for those that have one
        """Return the digest of the whole file that the store has for this version; None if it has none by `algorithm`.

        It was computed by a server when the file was written, and agreed with the writer's.
        """
        return None

    def expect(self, offset: int, length: int) -> None:  # noqa: ARG002 - for those that read ahead
        """Take note that `readv` will be called for this range, in order; a store that is far away reads it ahead."""
        return

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Fill `buffers` (contiguous views of bytes) in order, from `offset`; return the number of bytes, 0 at the end.

        Fewer bytes than requested mean the end, except from a stream, which returns what is available.
        """
        ...

    def check_unchanged(self) -> None:
        """Raise `FileChanged` if the bytes that were read may not be one version of the file."""
        ...

    def close(self) -> None:
        """Release it; idempotent."""
        ...


class Writer(Protocol):
    """What the bytes of a file are appended to."""

    __slots__ = ()

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append all of `buffers` (contiguous views of bytes)."""
        ...


class Sink(Closing, Protocol):
    """A file that does not exist under its name before `commit`.

    A failure ends it and leaves nothing: only `abort` and `close` may still be called. Leaving its `with` block without
    a commit aborts it.
    """

    __slots__ = ()

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append all of `buffers` (contiguous views of bytes); raises `NoSpace`, `TooLarge`, `InputOutputError`."""
        ...

    def append_from(self, source: Source, offset: int, count: int) -> int:  # noqa: ARG002 - for those that can
        """Append up to `count` bytes of a source, copied by the system; return their number, 0 if that can't be done.

        Nothing was appended then, and all has to be read and written. Raises what `writev` does.
        """
        return 0

    def note_digest(self, algorithm: Algorithm, digest: bytes) -> None:  # noqa: ARG002 - for those that keep them
        """Take the digest of all that was written, which agrees with the writer's; called before `commit`, if at all.

        A store that keeps no digests ignores it.
        """
        return

    def commit(self) -> FileInfo:
        """Give the whole file its name atomically; raises `AlreadyExists` if it may not replace what has the name."""
        ...

    def abort(self) -> None:
        """Discard what was written; idempotent, and without effect after a commit."""
        ...

    def keep(self) -> None:
        """Abort it, but keep what was written for `resume_sink`, if `WriteOptions.keep` allows it.

        Nothing is kept of a stream, of an empty file, or where another writer has the partial of the name.
        """
        self.abort()

    def close(self) -> None:
        """Abort it unless it was committed; idempotent."""
        ...


class ResumedSink(Sink, Protocol):
    """A sink that continues a partial, which is unchanged until the first `writev` or `commit`."""

    __slots__ = ()

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read the bytes that are there already, as `Source.readv` does: 0 at the offset it was resumed at."""
        ...


class UploadSink(Closing, Protocol):
    """A file that is written in parts, in any order, and does not exist under its name before `commit`.

    `writev_at` and `readv` may run in several threads at once; nothing else may run at the same time as any other call
    that changes it. Leaving its `with` block without a commit or `keep` aborts it.
    """

    __slots__ = ()

    @property
    def ranges(self) -> Intervals:
        """The ranges that have been written and verified. Not to be changed."""
        ...

    def writev_at(self, buffers: Sequence[memoryview], at: int) -> None:
        """Write all of `buffers` (contiguous views of bytes); raises as `Sink.writev`, but leaves the file open."""
        ...

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read what was written, as `Source.readv` does."""
        ...

    def add(self, at: int, end: int) -> None:
        """Note that this range was written and verified; it is not written again."""
        ...

    def take_over(self) -> None:
        """Make an adopted partial a part of this upload; until then it is unchanged, also by `close`."""
        ...

    def commit(self) -> FileInfo:
        """Give the file its name, as `Sink.commit` does; all of its bytes have been written."""
        ...

    def keep(self) -> None:
        """End it, and keep what was written and verified, if `WriteOptions.keep` allows it."""
        ...

    def close(self) -> None:
        """End it, and discard everything unless it was committed or kept; idempotent."""
        ...


class SmallFiles(Closing, Protocol):
    """Reads and writes whole files that fit into memory, many in a row; for one thread, and for one batch."""

    __slots__ = ()

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        """Return a whole file; raises `TooLarge` beyond `limit` bytes, and as `Store.open_source` and `Source` do."""
        ...

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        """Make or replace a whole file; `size` and `keep` of the options are ignored.

        Returns which of the requested attributes it has. Raises as `Store.create_sink` and its sink do.
        """
        ...

    def read_each(self, paths: Iterable[Path], limit: int) -> Generator[tuple[FileInfo, bytes] | FileError, None, None]:
        """Yield for each path, in order, what `read` returns, or the `FileError` that it raises.

        Lazy: a store may read some files ahead, within a bound on their number and bytes; it stops when it is closed.
        """
        for path in paths:
            try:
                found: tuple[FileInfo, bytes] | FileError = self.read(path, limit)
            except FileError as problem:
                found = problem
            yield found

    def write_each(
        self, files: Iterable[tuple[Path, memoryview, WriteOptions]]
    ) -> Generator[Kept | FileError, None, None]:
        """Yield for each file, in order, what `write` returns, or the `FileError` that it raises.

        Lazy: a store may take some files ahead of the results, within a bound. Two files of one path are written in
        their order. When it is closed, what was begun is finished, and the rest of what was taken is not written.
        """
        for path, data, options in files:
            try:
                kept: Kept | FileError = self.write(path, data, options)
            except FileError as problem:
                kept = problem
            yield kept

    def close(self) -> None:
        """Release what stays open between two files; idempotent."""
        ...


class Store(Closing, Protocol):
    """A tree of files. Names are tuples of bytes, see `names.check`; they are not decoded, normalised or folded."""

    __slots__ = ()

    @property
    def lacks(self) -> frozenset[Capability]:
        """The capabilities that need what this store does not have; a server does not announce them for it."""
        return frozenset()

    @property
    def at_once(self) -> int:
        """How many questions are worth being put to it at one time, each in a thread: more than one if it is remote.

        Then `stat` and `open_source` are for any number of threads.
        """
        return 1

    def open_source(self, path: Path) -> Source:
        """Open a file for reading; raises `NotFound`, `IsADirectory`, `NotADirectory`, `Forbidden`, `NameRefused`."""
        ...

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        """Begin a file in an existing directory; raises as `open_source` does, and `AlreadyExists`, `NoSpace`."""
        ...

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        """Continue the partial of a name behind its first `offset` bytes.

        Raises as `create_sink` does, `NotFound` if there is no partial, `Forbidden` if it has a writer,
        `ChecksumMismatch` if it is shorter than `offset`.
        """
        ...

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        """Begin or continue a file of `options.size` bytes that is sent in parts; raises as `create_sink` does.

        A partial that was kept with the same tag of 16 bytes and the same size is continued, any other is discarded.
        Raises `UploadElsewhere` of `storage.upload` if another process is receiving that upload.
        With `adopt` the partial is continued whatever its tag; raises `NotFound` if there is none, `Forbidden` if it
        has a writer, `ChecksumMismatch` if it is longer than the file.
        """
        ...

    def kept_parts(self, path: Path) -> KeptParts:
        """Return the partial of a name, and its parts; raises as `stat` does."""
        ...

    def identity_of_root(self) -> Identity:
        """Return which directory this is; the same for two stores of one directory."""
        ...

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        """Return what is known of a file or directory; raises as `open_source` does.

        With `partial`: of the partial of the name; its `mode` is meaningless.
        """
        ...

    def space(self, path: DirectoryPath) -> Space:
        """Return the size of the file system of `path`, or of the nearest directory above it that exists.

        Raises `NameRefused`, `InputOutputError`.
        """
        ...

    def scan(self, path: DirectoryPath, *, recursive: bool = False, others: bool = False) -> Iterator[ScanEntry]:
        """List a directory, with `recursive` depth first and a directory before its contents.

        A lazy generator in the order of the file system, which closes what it has opened when it is closed. Only files
        and directories are listed, with `others` also symlinks and special files.

        The first step raises what is wrong with the directory itself, a later one if
        reading it fails; what is wrong with one below is a `problem`, at its entry, or at a second entry of the same
        directory where it shows only while that is read.
        """
        ...

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        """Remove a file, or a directory that holds nothing but unfinished files without writers.

        With `kind`, only what is of that kind: symlinks and special files are removed only as such, themselves. The
        partial of the name is removed with it, also where there is nothing else of the name. Raises `NotFound`,
        `IsADirectory`, `NotADirectory`, `NotEmpty`, `Forbidden`, `NameRefused`.
        """
        ...

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        """Rename a file or a directory atomically.

        With `overwrite` a file may replace a file; a directory neither replaces anything nor is replaced. Raises
        `NotFound` (also for the directory of the new name), `AlreadyExists`, `IsADirectory`, `NotADirectory`,
        `Forbidden`, `NameRefused`.
        """
        ...

    def copy(
        self,
        path: Path,  # noqa: ARG002 - these: for those that can
        to: Path,  # noqa: ARG002
        options: WriteOptions,  # noqa: ARG002
        check: Callable[[int], None],  # noqa: ARG002
        /,
    ) -> FileInfo | None:
        """Copy a file within the store, without its bytes passing through this process.

        Returns what the copy has; None if the store can't do that, and nothing was done: the bytes have to be read and
        written. The copy has the source's mode and time where `options` has none. `check(done)` is called before it,
        and now and then with the number of bytes that are done, and ends the copy by raising. Raises what
        `open_source` does, and, `of_target`, what `create_sink` and the commit of its sink do.
        """
        return None

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """Make a directory; return whether it was made.

        With `parents` missing directories above it are made, and an existing one is no error. `mode`: the permissions
        of the last directory, if it is made, as in `WriteOptions`. Raises `AlreadyExists`, `NotFound`, `NotADirectory`,
        `Forbidden`, `NoSpace`, `NameRefused`.
        """
        ...

    def identity(self, path: Path) -> Identity:
        """Return which file or directory has a name, for `set_attributes`; raises as `stat` does."""
        ...

    def set_attributes(
        self,
        path: DirectoryPath,
        *,
        mode: int | None = None,
        mtime_ns: int | None = None,
        only: Identity | None = None,
    ) -> Kept:
        """Set the permissions (as in `WriteOptions`) or the modification time; return which of them it has then.

        A mask may take permissions away, and a file system may not have the time. With `only`, raises `Forbidden` if
        another file or directory has the name by now. Raises `NotFound`, `NotADirectory`, `Forbidden`, `NameRefused`.
        """
        ...

    def has_attributes(self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:
        """Return whether `set_attributes` would change nothing; raises as `stat` does."""
        ...

    def make_writable(self, path: Path) -> int | None:
        """Let the owner list, enter and change a directory that is a part of a tree which is copied or removed.

        Returns the permissions that it had, for `restore_mode`; None if nothing was changed, because nothing had to be,
        or because it belongs to another user. Raises as `set_attributes` does.
        """
        ...

    def restore_mode(self, path: Path, mode: int) -> None:
        """Undo a `make_writable` that returned `mode`, unless the permissions have been changed since."""
        ...

    def small_files(self) -> SmallFiles:
        """Return a reader and writer of small files; close it after a batch, and before the store."""
        ...

    def close(self) -> None:
        """Close the store when no call on it is running; its sources and sinks stay usable. Idempotent."""
        ...
