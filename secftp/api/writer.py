"""A file at a server, open for writing: it appears there, whole, when it is closed in order, and else never.

What must never happen: that a file which was abandoned, or whose writer failed, takes the place of a good one. So a
with block that is left by an exception gives it up, and so does an object that is forgotten. A close that comes while
an exception is on its way (`finally: file.close()`, the end of an `io.TextIOWrapper` around it) is taken for what it
most likely is: the end of something that failed.
"""

from __future__ import annotations

import io
import sys
import warnings
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from secftp.api.upload import Upload
from secftp.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer

    from secftp.api.pool import Pool
    from secftp.storage import Path

    class _Base(io.RawIOBase, BinaryIO):  # as typeshed has it for io.BufferedWriter
        name: str | bytes
        mode: str

else:
    _Base = io.RawIOBase

# Small writes are put together to this much before the connection gets them.
TOGETHER: Final = 256 << 10


class RemoteWriter(_Base):
    r"""What `Remote.open` returns for `"wb"` and `"xb"`: a binary file, written from its begin to its end.

    The file appears under its name, verified, when `close` or the end of a with block returns; what was there before
    stays until then. It does not appear at all if the with block is left by an exception, if the object is forgotten,
    or if `close` is called while an exception is being handled that was not there when the file was opened (a
    `RuntimeWarning` says so). It can't be sought. An hour between two writes does no harm. One thread at a time.

    What goes wrong at the server is raised by the next `write`, or by `close`: `NoSpace`, `Forbidden`, `AlreadyExists`,
    `ConnectionLost` and others; then there is no file.

    >>> with remote.open("backup/lines.txt", "wb") as file:
    ...     for number in range(3):
    ...         _ = file.write(b"%d\n" % number)
    >>> remote.read_bytes("backup/lines.txt")
    b'0\n1\n2\n'
    """

    def __init__(
        self, pool: Pool, path: Path, name: str | bytes, *, exclusive: bool = False, permissions: int | None = None
    ) -> None:
        super().__init__()
        self._upload: Upload | None = None  # for a finaliser that comes before there is one
        self.name = name
        self.mode = "xb" if exclusive else "wb"
        self._opened_during = sys.exc_info()[1]
        self._abandoned = False  # by a wrapper that is being finalized, and will still flush and close
        self._gathered = bytearray()
        self._written = 0
        self._upload = Upload(pool, path, overwrite=not exclusive, mode=permissions)

    # --- what a file can do -------------------------------------------------------------------------------------------

    def writable(self) -> bool:
        """True."""
        self._require_open()
        return True

    def tell(self) -> int:
        """How many bytes were written so far."""
        self._require_open()
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        """Append bytes, all of them; their number."""
        if self._abandoned:
            return memoryview(data).nbytes
        upload = self._require_open()
        part = data if isinstance(data, bytes) else memoryview(data).cast("B")
        if len(part) < TOGETHER:
            self._gathered += part
            if len(self._gathered) >= TOGETHER:
                self._hand_over(upload)
        else:
            self._hand_over(upload)
            upload.add(bytes(part))  # no copy if it is bytes; else one, since the owner may change it any time
        self._written += len(part)
        return len(part)

    def flush(self) -> None:
        """Let what was written leave for the server, which shows nothing of it yet."""
        if self._upload is not None:
            self._hand_over(self._upload)

    def close(self) -> None:
        """Wait until the file stands at the server, whole and verified. Raises what went wrong instead; idempotent."""
        upload = self._upload
        if upload is None:
            super().close()
        elif sys.exc_info()[1] not in (None, self._opened_during):
            self.abort()
            warnings.warn(
                f"{self.name!r} was closed while an exception was being handled; it was not written.",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._commit(upload)

    def abort(self) -> None:
        """Close it without a file at the server: what was there before stays. Nothing after a close; idempotent."""
        upload, self._upload = self._upload, None
        self._gathered.clear()
        super().close()
        if upload is not None:
            upload.give_up()
            upload.wait()

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif self._upload is not None:
            self._commit(self._upload)

    def __del__(self) -> None:
        self._dealloc_warn(self, stacklevel=3)

    def _dealloc_warn(self, forgotten: object, stacklevel: int = 2) -> None:
        """What `io.TextIOWrapper` and `io.BufferedWriter` call before they close, if they were forgotten themselves.

        They flush afterwards. That must not raise: there is no caller, and since Python 3.13 it would be printed.
        """
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.give_up()
            self._abandoned = forgotten is not self
            if not self._abandoned:
                super().close()
            text = f"{self.name!r} was never closed; it was not written."
            warnings.warn(text, ResourceWarning, stacklevel=stacklevel, source=forgotten)

    def __repr__(self) -> str:
        return f"<secftp.RemoteWriter {self.name!r}{' closed' if self.closed else ''}>"

    # --- how ----------------------------------------------------------------------------------------------------------

    def _hand_over(self, upload: Upload) -> None:
        if self._gathered:
            data, self._gathered = bytes(self._gathered), bytearray()
            upload.add(data)

    def _commit(self, upload: Upload) -> None:
        try:
            self._hand_over(upload)
            upload.finish()
        except BaseException:
            self.abort()
            raise
        self._upload = None
        super().close()

    def _require_open(self) -> Upload:
        if self._upload is None:
            raise UsageError("The file is closed.")
        return self._upload
