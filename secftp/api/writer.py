"""File object to write a file at a server, which appears there only when the object is closed without an error.

A thread sends the file on a connection of its own while the program writes. The thread does not refer to the file
object, so that an object that is no longer referenced is finalized, and gives up the file.

Invariant: a file that was abandoned, or whose writer failed, never takes the place of a good one. A `with` block that
ends with an exception gives the file up, and so does a finalizer. So does `close` while an exception is being handled
(`finally: file.close()`, or the end of an `io.TextIOWrapper` around it): most likely something failed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from secftp.api.memory import GrowingSource
from secftp.api.naming import Place, named_as
from secftp.errors import AlreadyExists, FileError, Forbidden, NotFound, UsageError
from secftp.protocol import ErrorCode, Kind, exception_for, no_parent, remote_failure
from secftp.session import Unconfirmed
from secftp.text import counted

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer

    from secftp.api.pool import Pool
    from secftp.protocol import Info
    from secftp.session import Session, Transferred
    from secftp.session.requested import Requested
    from secftp.storage import Path, WriteOptions

    class _RawWriter(io.RawIOBase, BinaryIO):  # as typeshed declares io.BufferedWriter
        name: str | bytes
        mode: str

else:
    _RawWriter = io.RawIOBase

BUFFER_BYTES: Final = 256 << 10  # small writes are sent together
GIVE_UP_SECONDS: Final = 2.0  # that a file which is given up is waited for, before its connection is broken off


class RemoteWriter(_RawWriter):
    r"""A binary file at the server, open for sequential writing; `Client.open` returns it for `"wb"` and `"xb"`.

    The file appears under its name, whole and verified, when `close` or the `with` block returns; until then a file of
    that name stays as it is. It does not appear if the `with` block ends with an exception, if the object is not
    closed, or if `close` is called while an exception is being handled that was raised after the file was opened (with
    a `RuntimeWarning`). It is not seekable and not thread-safe. Nothing times out between two writes.

    What fails at the server is raised by the next `write` or by `close`, and there is no file then.

    Attributes:
        name (str or bytes): The path, as it was given.
        mode (str): `"wb"` or `"xb"`.

    Raises:
        NoSpace: The server's disk, or a quota, is full.
        AlreadyExists: The file exists, and the mode is `"xb"` or the key may not overwrite.
        Forbidden: The server does not allow it.
        ConnectionLost: The connection broke off.
        TransferTimeout: The server is silent.
        UsageError: The file is closed (a ValueError).

    Example:
        >>> with client.open("backup/lines.txt", "wb") as file:
        ...     for number in range(3):
        ...         _ = file.write(b"%d\n" % number)
        >>> client.read_bytes("backup/lines.txt")
        b'0\n1\n2\n'
    """

    def __init__(self, pool: Pool, path: Path, name: str | bytes, options: WriteOptions) -> None:
        super().__init__()
        self._upload: UploadThread | None = None  # for a finalizer that runs before it is set
        self.name = name
        self.mode = "wb" if options.overwrite else "xb"
        self._opened_during = sys.exc_info()[1]
        self._abandoned = False  # by a wrapper that is being finalized, and still flushes and closes
        self._gathered = bytearray()
        self._has_gap = False  # whether a write was interrupted, so that bytes are missing
        self._written = 0
        self._place = Place(name, path)
        self._host = pool.endpoint
        self._upload = UploadThread(pool, path, options)

    # --- io.RawIOBase -------------------------------------------------------------------------------------------------

    def writable(self) -> bool:
        """Return whether the file can be written to.

        Returns:
            bool: True.

        Raises:
            UsageError: The file is closed (a ValueError).
        """
        self._require_open()
        return True

    def tell(self) -> int:
        """Return the position.

        Returns:
            int: How many bytes were written so far.
        """
        self._require_open()
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        """Append all the bytes. Blocks while the connection is behind.

        Args:
            data (bytes-like object): The bytes.

        Returns:
            int: Their number.

        Raises:
            FileError: The file failed at the server.
            UsageError: The file is closed (a ValueError).
        """
        if self._abandoned:
            return memoryview(data).nbytes
        upload = self._require_open()
        part = data if isinstance(data, bytes) else memoryview(data).cast("B")
        if len(part) < BUFFER_BYTES:
            self._gathered += part
            if len(self._gathered) >= BUFFER_BYTES:
                self._hand_over(upload)
        else:
            self._hand_over(upload)
            # No copy if it is bytes; else one, since the owner may change it any time.
            self._add(upload, part)
        self._written += len(part)
        return len(part)

    def flush(self) -> None:
        """Send what is buffered. The file does not appear yet."""
        if self._upload is not None:
            self._hand_over(self._upload)

    def close(self) -> None:
        """Complete the file, and wait until the server has verified and stored it. Idempotent.

        Raises:
            FileError: The file failed at the server; there is none then.
        """
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
        """Give up the file: an existing one stays as it is. No effect after `close`; idempotent."""
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
        """Give up the file; `io.TextIOWrapper` and `io.BufferedWriter` call this in their finalizers.

        They flush afterwards, which must not raise: there is no caller, and since Python 3.13 it would be printed.
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
        state = "closed" if self.closed else f"{counted(self._written, 'byte')} written"
        return f"<secftp.RemoteWriter {self.name!r} at {self._host}, {self.mode}, {state}>"

    # --- the upload ---------------------------------------------------------------------------------------------------

    def _hand_over(self, upload: UploadThread) -> None:
        if self._gathered:
            data, self._gathered = self._gathered, bytearray()
            self._add(upload, data)

    def _add(self, upload: UploadThread, data: ReadableBuffer) -> None:
        try:
            with named_as([self._place]):
                upload.add(bytes(data))
        except BaseException:
            self._has_gap = True
            raise

    def _require_no_gap(self, upload: UploadThread) -> None:
        if self._has_gap:
            raise upload.outcome("An earlier write was interrupted, so the file was not written.")

    def _commit(self, upload: UploadThread) -> None:
        try:
            self._require_no_gap(upload)
            self._hand_over(upload)
            with named_as([self._place]):
                upload.finish()
        except BaseException:
            self.abort()
            raise
        self._upload = None
        super().close()

    def _require_open(self) -> UploadThread:
        if self._upload is None:
            raise UsageError("The file is closed.")
        return self._upload


class UploadThread:
    """A thread that sends a file while it is written.

    Raises what connecting raises, and the `FileError` of a name that can't be written.
    """

    def __init__(self, pool: Pool, path: Path, options: WriteOptions) -> None:
        self._pool = pool
        self._path = path
        self._options = options
        self._process = os.getpid()
        self._source = GrowingSource()
        self._done: Transferred | None = None
        self._failure: BaseException | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self._source.close)
            pool.ask(lambda connection: require_writable(connection.session, path, overwrite=options.overwrite))
            self._connection = undo.enter_context(pool.connection(long=True))
            keep = undo.pop_all()
        self._thread = threading.Thread(target=self._run, args=(keep,), name="secftp-upload", daemon=True)
        try:
            pool.begin_work(self._thread)
        except BaseException:
            keep.close()
            raise

    def add(self, data: bytes) -> None:
        """Append bytes, waiting while much is queued; raises what ended the upload."""
        self._require_same_process()
        if not self._source.add(data):
            raise self.outcome()

    def finish(self) -> Transferred:
        """Complete the file and wait until the server has stored it. Raises what failed."""
        self._require_same_process()
        self._source.complete()
        self._thread.join()
        if self._done is None:
            raise self.outcome()
        return self._done

    def outcome(self, sentence: str = "The file was aborted.") -> BaseException:
        """Return what ended the upload; a `UsageError` with a sentence if nothing of the upload did."""
        return self._failure or UsageError(sentence)

    def give_up(self) -> None:
        """Give up the file without waiting. Idempotent."""
        if self._is_alive():
            self._source.give_up()

    def wait(self) -> None:
        """Wait after `give_up` until the server knows, for some seconds at most."""
        if not self._is_alive():
            return
        self._thread.join(GIVE_UP_SECONDS)
        if self._thread.is_alive():
            self._connection.interrupt()
            self._thread.join(GIVE_UP_SECONDS)

    def _run(self, keep: contextlib.ExitStack) -> None:
        with contextlib.suppress(BaseException), keep:
            try:
                self._done = self._connection.session.write(self._path, self._source, self._options)
            except Unconfirmed as lost:
                self._failure = lost.with_traceback(None)
                self._done = self._pool.confirm(self._path, lost)
            except BaseException as failure:
                self._failure = failure.with_traceback(None)
                raise
            finally:
                self._source.close()

    def _is_alive(self) -> bool:
        """Whether the thread still runs.

        Not in a forked process, nor when the interpreter exits: threads end there wherever they are, with any lock
        that they hold. Their connection ends with the process, and the server discards what it got.
        """
        return self._process == os.getpid() and not sys.is_finalizing()

    def _require_same_process(self) -> None:
        if self._process != os.getpid():
            raise UsageError(
                "A forked process can't write a file that its parent opened.",
                hint="Open it in the child.",
            )


def require_writable(session: Session, path: Path, *, overwrite: bool) -> None:
    """Raise early what a write to this path would raise at its end; the write itself decides. One round trip."""
    asked = session.begin_stat(path)
    parent = session.begin_stat(path[:-1]) if len(path) > 1 else None
    kind: Kind | None = None
    try:
        kind = asked.result().kind
    except Forbidden:
        pass  # the write may be allowed all the same
    except NotFound:
        if parent is not None:
            _require_directory(parent, path)
    except FileError:
        _settle(parent)
        raise
    _settle(parent)  # and not after an interruption, which ends the session
    if kind is None:
        return
    if kind is not Kind.FILE:
        raise exception_for(ErrorCode.IS_DIRECTORY, path)
    if not overwrite:
        raise remote_failure(AlreadyExists, path, "it exists already.")


def _settle(asked: Requested[Info] | None) -> None:
    if asked is not None:
        asked.settle()


def _require_directory(parent: Requested[Info], path: Path) -> None:
    try:
        parent.result()
    except NotFound:
        raise no_parent(path) from None
