"""Files whose contents wait: for the end of a transaction of fsspec, or for the end of their compression.

Within a transaction, small files wait in memory; one that grows beyond `SPILL_BYTES` is sent to the server, which keeps
it under a temporary name until its writer is closed. Compressors of the standard library do not close the file that
they write to, and finish it when they are finalized.

Invariants: nothing is committed that was not closed, and nothing whose block failed; a transaction that has ended
leaves no file open, whatever its end was.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from fsspec.transaction import Transaction

from secftp.errors import FileError, UsageError
from secftp.fsspec import paths
from secftp.fsspec.values import missing_directories, open_writer, write_value, write_values
from secftp.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.api.client import Client
    from secftp.api.writer import RemoteWriter

    Writable: TypeAlias = "RemoteWriter | DeferredFile"

SPILL_BYTES: Final = 1 << 20
_TOGETHER: Final = 2  # files, from which on a copy of all of them is quicker


class Deferred(Protocol):
    """A change that is made at the end of a transaction."""

    def commit(self) -> None:
        """Make the change."""

    def discard(self) -> None:
        """Give it up."""


class DeferredCall:
    """A change without data that have to wait: of a time, for example."""

    def __init__(self, change: Callable[[], object]) -> None:
        self._change = change

    def commit(self) -> None:
        """Make the change."""
        self._change()

    def discard(self) -> None:
        """Give it up."""


class DeferredFile(io.RawIOBase):
    """A file that is written within a transaction, and committed or discarded after it was closed.

    `parents`: create missing directories above it.
    """

    def __init__(self, client: Client, name: str, *, overwrite: bool, parents: bool, spill: int = SPILL_BYTES) -> None:
        super().__init__()
        self.name = name
        self.client: Final = client
        self._overwrite = overwrite
        self.parents: Final = parents
        self._spill = spill
        self._data = bytearray()
        self._writer: RemoteWriter | None = None  # once it has grown beyond `spill`
        self._made: list[str] = []  # directories that were created for that
        self._given_up = False
        self._opened_during = sys.exc_info()[1]

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Append bytes and return their number."""
        if self.closed:
            raise UsageError("The file is closed.")
        if self._given_up:
            return memoryview(data).nbytes
        if self._writer is not None:
            return self._writer.write(data)
        self._data += memoryview(data).cast("B")
        if len(self._data) > self._spill:
            self._begin_upload()
        return memoryview(data).nbytes

    def tell(self) -> int:
        """Return how many bytes were written so far."""
        return len(self._data) if self._writer is None else self._writer.tell()

    @property
    def is_value(self) -> bool:
        """Whether it is closed, in memory, and may replace a file."""
        return self.closed and self._overwrite and not self._given_up and self._writer is None

    @property
    def value(self) -> bytes:
        """The contents of a file in memory."""
        return bytes(self._data)

    def commit(self) -> None:
        """Let the file appear. Raises `UsageError` if it was not closed."""
        if self._given_up:
            return
        if not self.closed:
            self.discard()
            raise UsageError(
                f"{escape(self.name)!r} was not closed within the transaction; it was not written.",
                hint="Write it in a with block.",
            )
        if self._writer is not None:
            self._writer.__exit__(None, None, None)  # whatever exception is being handled where a transaction ends
        else:
            data, self._data = bytes(self._data), bytearray()
            write_value(self.client, self.name, data, overwrite=self._overwrite, parents=self.parents)

    def discard(self) -> None:
        """Give up the file, and the directories that were created for it."""
        self._given_up = True
        self._data.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()
        for directory in self._made:
            with contextlib.suppress(FileError):  # something else is in it by now
                self.client.rmdir(directory)
        self._made.clear()

    def close(self) -> None:
        """Complete the contents; they are given up if an exception is being handled, as by `RemoteWriter`."""
        if not self.closed and sys.exc_info()[1] not in {None, self._opened_during}:
            self._give_up("was closed while an exception was being handled", RuntimeWarning)
        super().close()

    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def _dealloc_warn(self, _forgotten: object) -> None:
        """Give up the file: `io.TextIOWrapper` and `io.BufferedWriter` call this in their finalizers, and close it."""
        self._give_up("was never closed", ResourceWarning)

    def _give_up(self, why: str, kind: type[Warning]) -> None:
        if not self._given_up:
            self.discard()
            warnings.warn(f"{escape(self.name)!r} {why}; it was not written.", kind, stacklevel=3)

    def _begin_upload(self) -> None:
        if self.parents:
            self._made = missing_directories(self.client, paths.parent_of(self.name))
        self._writer = open_writer(self.client, self.name, overwrite=self._overwrite, parents=self.parents)
        data, self._data = bytes(self._data), bytearray()
        self._writer.write(data)


class AllOrNothing(Transaction):  # type: ignore[misc]  # fsspec has no types
    """A transaction. The first commit that fails ends it; what was committed before stays, the rest is discarded."""

    files: deque[Deferred]

    def start(self) -> None:
        """Begin the transaction."""
        if self.fs._intrans:  # noqa: SLF001 - fsspec's attribute
            raise UsageError("A transaction is under way already.", hint="End it before you begin another one.")
        super().start()

    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:
        self.complete(commit=kind is None)

    def complete(self, commit: bool = True) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """End the transaction: commit or discard all that was written."""
        files, self.files = self.files, deque()
        try:
            while commit and files:
                if not commit_together(files):
                    files[0].commit()
                    files.popleft()
        finally:
            for file in files:
                with contextlib.suppress(Exception):  # the rest has to be discarded, too
                    file.discard()
            if self.fs is not None:
                self.fs._intrans = False  # noqa: SLF001 - fsspec's attribute
                self.fs._transaction = None  # noqa: SLF001


def commit_together(files: deque[Deferred]) -> bool:
    """Commit the small files that come first, if there are several, with one copy; returns whether that was done."""
    values: dict[str, DeferredFile] = {}
    for file in files:
        if not (isinstance(file, DeferredFile) and file.is_value) or file.name in values:
            break
        values[file.name] = file
    if len(values) < _TOGETHER:
        return False
    parents = any(file.parents for file in values.values())
    some = next(iter(values.values()))
    write_values(some.client, {name: file.value for name, file in values.items()}, parents=parents)
    for _ in values:
        files.popleft()
    return True


class Compressed(io.RawIOBase):
    """A writer that compresses. Those of the standard library do not close the file that they write to."""

    def __init__(self, file: Writable, compress: Callable[..., Any]) -> None:
        super().__init__()
        self._output = _CompressorOutput(file)
        self._compressed = compress(self._output, mode="w")

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Compress and write bytes, and return their number."""
        if self._output.file is None and not self.closed:  # given up: a text layer's finalizer still flushes its rest
            return memoryview(data).nbytes
        return int(self._compressed.write(data))

    def close(self) -> None:
        """Write the rest, and close the file."""
        if self._output.file is not None:
            try:
                self._compressed.close()
            except BaseException:
                self._give_up()
                raise
            if (file := self._output.detach_file()) is not None:
                file.close()
        super().close()

    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:
        if kind is not None:
            self._give_up()
        self.close()

    def __del__(self) -> None:
        self._give_up()

    def _dealloc_warn(self, _forgotten: object) -> None:
        """Give up the file, as `RemoteWriter` does in a finalizer."""
        self._give_up()

    def _give_up(self) -> None:
        file = self._output.detach_file()
        if file is None:
            return
        with contextlib.suppress(Exception):  # else the finalizer of an archive complains that a file in it is open
            self._compressed.close()
        if isinstance(file, DeferredFile):
            file.discard()
        else:
            file.abort()


class _CompressorOutput(io.RawIOBase):
    """The file that a compressor writes to, until it is detached; bytes that are written afterwards are dropped.

    A compressor that is finalized still writes its last bytes. A file that was given up would raise then, where no
    caller can catch it.
    """

    def __init__(self, file: Writable) -> None:
        super().__init__()
        self.file: Writable | None = file

    def detach_file(self) -> Writable | None:
        """Return the file, and stop writing to it."""
        file, self.file = self.file, None
        return file

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Append bytes and return their number."""
        return memoryview(data).nbytes if self.file is None else self.file.write(data)

    def tell(self) -> int:
        """Return how many bytes were written so far."""
        return 0 if self.file is None else self.file.tell()
