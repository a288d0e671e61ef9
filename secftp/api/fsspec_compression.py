"""Files that are compressed while they are written, for fsspec's `open(..., compression=...)`.

Compressors of the standard library do not close the file that they write to, and finish it when they are finalized.

Invariant: a file whose block failed, or that was never closed, is given up, as by `secftp.RemoteWriter`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeAlias

from secftp.api.fsspec_transaction import DeferredFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.api.writer import RemoteWriter

    Writable: TypeAlias = RemoteWriter | DeferredFile


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
        if isinstance(file, DeferredFile):
            file.discard()
        elif file is not None:
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
