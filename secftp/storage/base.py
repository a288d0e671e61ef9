"""The small interface that every store has: open a source, create a sink, stat a name.

A server and the pump know stores only by this. A store gets names that a peer chose and must refuse by itself whatever
`names.check` refuses; what must never happen in any of them is that a sink's bytes are seen under its name before
`commit`, or that anything outside of what the store was made for is reached.

Every failure is a `secftp.errors.FileError`; its sentence names the file as the peer named it, unescaped, and never the
place where the store keeps it. Sources and sinks serve one thread at a time; a store serves any number.
"""

from __future__ import annotations

import dataclasses
import stat
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

Path: TypeAlias = tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file without reading it.

    `size` in bytes, 0 for a folder, None for a stream whose end is not known; `mtime_ns` in nanoseconds since 1970;
    `mode` the twelve permission bits.
    """

    kind: Literal["file", "folder"]
    size: int | None
    mtime_ns: int
    mode: int


def file_info(status: os.stat_result) -> FileInfo:
    """The `FileInfo` of a regular file or a folder."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return FileInfo("folder", 0, status.st_mtime_ns, stat.S_IMODE(mode))
    return FileInfo("file", status.st_size, status.st_mtime_ns, stat.S_IMODE(mode))


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

    def close(self) -> None:
        """Abort it unless it was committed; idempotent."""
        ...


class Store(_Closing, Protocol):
    """A tree of files. Names are tuples of bytes, see `names.check`; they are not decoded, normalised or folded."""

    __slots__ = ()

    def open_source(self, path: Path) -> Source:
        """Open a file for reading; raises `NotFound`, `IsAFolder`, `NotAFolder`, `Forbidden`, `NameRefused`."""
        ...

    def create_sink(
        self,
        path: Path,
        *,
        overwrite: bool = True,
        mode: int | None = None,
        mtime_ns: int | None = None,
        size: int | None = None,
    ) -> Sink:
        """Begin a file in a folder that exists; raises as `open_source` does, and `AlreadyExists`, `NoSpace`.

        `mode`: permissions wished for, of which 0o777 without the umask is granted; None keeps those of the file that
        is replaced. `mtime_ns`: its modification time, None for now. `size`: how many bytes are expected; a file that
        can't fit is refused at once, but nothing is reserved and nothing else follows from the number.
        """
        ...

    def stat(self, path: Path) -> FileInfo:
        """What stands under a name; raises as `open_source` does, but a folder is an answer."""
        ...

    def close(self) -> None:
        """Give up the store, once no call on it is under way; its sources and sinks live on. Idempotent."""
        ...
