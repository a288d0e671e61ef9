"""What fsspec needs around a writer: one that waits for the end of a transaction, and one that compresses.

Neither may commit what was forgotten or has failed, as little as the writer itself.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.api.writer import RemoteWriter


class Deferred(io.RawIOBase):
    """A writer within a transaction: its close is not the end yet."""

    def __init__(self, file: RemoteWriter) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any, /) -> int:
        """As `RemoteWriter.write`."""
        return self._file.write(data)

    def tell(self) -> int:
        """As `RemoteWriter.tell`."""
        return self._file.tell()

    def commit(self) -> None:
        """Now the file may appear."""
        self._file.close()

    def discard(self) -> None:
        """The file is not to appear."""
        self._file.abort()


class Compressed(io.RawIOBase):
    """A file that is compressed on its way. Those of the standard library leave the file under them open."""

    def __init__(self, file: RemoteWriter | Deferred, compress: Callable[..., Any]) -> None:
        super().__init__()
        self._output = _Output(file)
        self._compressed = compress(self._output, mode="w")

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any, /) -> int:
        """Compress bytes, and pass on what comes of them."""
        return int(self._compressed.write(data))

    def close(self) -> None:
        """Pass on the rest, and close the file."""
        if self._output.file is not None:
            try:
                self._compressed.close()
            except BaseException:
                self._give_up()
                raise
            if (file := self._output.take()) is not None:
                file.close()
        super().close()

    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:
        if kind is not None:
            self._give_up()
        self.close()

    def __del__(self) -> None:
        self._give_up()

    def _dealloc_warn(self, _forgotten: object) -> None:
        """As that of `RemoteWriter`."""
        self._give_up()

    def _give_up(self) -> None:
        file = self._output.take()
        if isinstance(file, Deferred):
            file.discard()
        elif file is not None:
            file.abort()


class _Output(io.RawIOBase):
    """What the compressor writes to: the file, until it is taken away. What comes afterwards is dropped.

    A compressor that is finalized writes its last bytes whatever happened; a file that was given up would raise then,
    where no caller can catch it.
    """

    def __init__(self, file: RemoteWriter | Deferred) -> None:
        super().__init__()
        self.file: RemoteWriter | Deferred | None = file

    def take(self) -> RemoteWriter | Deferred | None:
        """Return the file, and write nothing to it any more."""
        file, self.file = self.file, None
        return file

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any, /) -> int:
        """As `RemoteWriter.write`."""
        return memoryview(data).nbytes if self.file is None else self.file.write(data)

    def tell(self) -> int:
        """As `RemoteWriter.tell`."""
        return 0 if self.file is None else self.file.tell()
