"""Files that are open in a text mode: `io.TextIOWrapper` around the binary ones.

Invariant: the file of a writer that was not closed, or failed, never appears, as without the layer of text.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

    from secftp.api.reader import RemoteReader
    from secftp.api.writer import RemoteWriter

DEFAULT_ENCODING: Final = "utf-8"
CHUNK_BYTES: Final = 64 << 10  # that are decoded at once


class TextWriter(io.TextIOWrapper):
    """A text file at the server, open for writing. It is encoded as it is written, and appears when it is closed.

    `abort` gives it up. `buffer` is the `RemoteWriter` that it writes to.
    """

    buffer: RemoteWriter

    def close(self) -> None:
        """Complete the file, and wait until the server has stored it. Raises what failed; there is no file then."""
        if not self.closed and not getattr(self, "_finalizing", False):
            try:
                self.flush()
            except BaseException:
                self.abort()  # a part of the text may be lost
                raise
        super().close()

    def abort(self) -> None:
        """Give up the file: an existing one stays as it is. No effect after `close`; idempotent."""
        self.buffer.abort()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        else:
            self.close()


def text_reader(
    file: RemoteReader, mode: str, encoding: str | None, errors: str | None, newline: str | None
) -> io.TextIOWrapper:
    """Return a file that decodes another one; closes that if there is no such encoding, or no such `errors`."""
    try:
        text = io.TextIOWrapper(file, encoding or DEFAULT_ENCODING, errors, newline)
    except BaseException:
        file.close()
        raise
    text._CHUNK_SIZE = CHUNK_BYTES  # type: ignore[attr-defined]  # noqa: SLF001 - its documented default is 8 KiB
    text.mode = mode  # type: ignore[misc]  # as the built-in open does
    return text


def text_writer(
    file: RemoteWriter, mode: str, encoding: str | None, errors: str | None, newline: str | None
) -> TextWriter:
    """Return a file that encodes into another one; gives that up if there is no such encoding, or no such `errors`."""
    # Where a stream can't be told to be at its beginning, `io.TextIOWrapper` writes no byte order mark for UTF-16.
    file.seekable = lambda: True  # type: ignore[method-assign]
    try:
        text = TextWriter(file, encoding or DEFAULT_ENCODING, errors, newline)
    except BaseException:
        file.abort()
        raise
    finally:
        del file.seekable
    text.mode = mode  # type: ignore[misc]  # as the built-in open does
    return text
