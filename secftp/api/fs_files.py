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
        self._file: RemoteWriter | Deferred | None = file
        self._compressed = compress(file, mode="w")

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any, /) -> int:
        """Compress bytes, and pass on what comes of them."""
        return int(self._compressed.write(data))

    def close(self) -> None:
        """Pass on the rest, and close the file."""
        file, self._file = self._file, None
        if file is not None:
            try:
                self._compressed.close()
            except BaseException:
                _discard(file)
                raise
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
        file, self._file = self._file, None
        if file is not None:
            _discard(file)


def _discard(file: RemoteWriter | Deferred) -> None:
    if isinstance(file, Deferred):
        file.discard()
    else:
        file.abort()
