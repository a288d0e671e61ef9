"""Operations on the contents of files at a server: read or write a whole file, open one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, overload

from secftp.api.arguments import file_path, path_text
from secftp.api.memory import MemorySink, MemorySource
from secftp.api.reader import RemoteReader
from secftp.api.tree import NameOperations
from secftp.api.writer import RemoteWriter
from secftp.errors import UsageError
from secftp.session import Unconfirmed
from secftp.session.retry import has_arrived
from secftp.storage import WriteOptions
from secftp.transport.file_data import unwatched

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    from secftp.api.arguments import RemotePath
    from secftp.api.pool import PooledConnection
    from secftp.transport.file_data import Progress

    OnBytes: TypeAlias = Callable[[int, int | None], object]

SHORT_BYTES: Final = 8 << 20  # a larger file gets a connection that no other request waits for


class FileOperations(NameOperations):
    """The part of `Client` that handles the contents of files."""

    def read_bytes(
        self, path: RemotePath, *, offset: int = 0, length: int | None = None, on_progress: OnBytes | None = None
    ) -> bytes:
        """Return the contents of a file, verified.

        `offset`, `length`: the range in bytes; by default the whole file. A range that extends beyond the end is cut.
        `on_progress`: called with the number of bytes received and the number to receive.

        Raises `NotFound`, `IsADirectory`, `Forbidden` and `ChecksumMismatch`.

        >>> client.read_bytes("backup/a.bin", offset=1, length=3)
        b'bcd'
        """
        wanted = file_path(path, self._base)
        report = _progress(on_progress)

        def read(connection: PooledConnection) -> bytes:
            def moved(done: int, total: int | None, /) -> None:
                if not done and (total or 0) > SHORT_BYTES:
                    self._pool.prolong(connection)
                report(done, total)

            sink = MemorySink()
            connection.session.read(wanted, sink, offset=offset, length=length, progress=moved)
            return sink.data()

        return self._pool.ask(read)

    def write_bytes(
        self,
        path: RemotePath,
        data: ReadableBuffer,
        *,
        overwrite: bool = True,
        permissions: int | None = None,
        on_progress: OnBytes | None = None,
    ) -> int:
        """Write a whole file and return its size in bytes; it is stored verified or not at all.

        `overwrite`: replace an existing file. `permissions`: as in `open`. `on_progress`: called with the number of
        bytes sent and the number to send.

        Raises `AlreadyExists` without `overwrite`, `NotFound` if the directory is missing, `IsADirectory`, `Forbidden`
        and `NoSpace`.

        >>> client.write_bytes("backup/a.bin", b"abcdef")
        6
        """
        wanted = file_path(path, self._base)
        view, options = memoryview(data).cast("B"), WriteOptions(overwrite, permissions)
        report = _progress(on_progress)

        sent: Unconfirmed | None = None

        def write(connection: PooledConnection) -> int:
            nonlocal sent
            source = MemorySource(view)
            session = connection.session
            if sent is not None and has_arrived(session, wanted, sent):
                return sent.sent.size
            try:
                return session.write(wanted, source, options, progress=report).size
            except Unconfirmed as lost:
                sent = lost
                raise

        try:
            if overwrite:
                return self._pool.ask(write, long=len(view) > SHORT_BYTES)
            # A second request could be refused because of the file that the first one wrote.
            with self._pool.connection(long=len(view) > SHORT_BYTES) as connection:
                return write(connection)
        except Unconfirmed as lost:
            return self._pool.confirm(wanted, lost).size

    def read_text(self, path: RemotePath, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the decoded contents of a file; line ends are not translated. Raises what `read_bytes` does.

        >>> client.read_text("backup/a.bin")
        'abcdef'
        """
        return self.read_bytes(path).decode(encoding, errors)

    def write_text(self, path: RemotePath, text: str, encoding: str = "utf-8", errors: str = "strict") -> int:
        """Write the encoded text as a whole file and return its size in bytes; line ends are not translated.

        Raises what `write_bytes` does.
        """
        return self.write_bytes(path, text.encode(encoding, errors))

    @overload
    def open(self, path: RemotePath, mode: Literal["rb"] = "rb") -> RemoteReader: ...
    @overload
    def open(self, path: RemotePath, mode: Literal["wb", "xb"], *, permissions: int | None = None) -> RemoteWriter: ...
    def open(
        self, path: RemotePath, mode: Literal["rb", "wb", "xb"] = "rb", *, permissions: int | None = None
    ) -> RemoteReader | RemoteWriter:
        """Open a file in binary mode and return a file object.

        `mode`: `"rb"` to read (a seekable `RemoteReader`), `"wb"` to write, `"xb"` to write a new file (a sequential
        `RemoteWriter`; the file appears when it is closed without an error). `permissions`: the permission bits of the
        new file, as far as the server's configuration allows them; None for those of the file that is replaced.

        Raises `NotFound` for the file or for the directory of a new one, `IsADirectory`, `Forbidden`, `AlreadyExists`
        for `"xb"`, and `UsageError` for another mode.

        >>> with client.open("backup/a.bin") as file:
        ...     file.seek(-2, 2)
        ...     file.read()
        4
        b'ef'
        """
        wanted = file_path(path, self._base)
        if mode == "rb":
            return RemoteReader(self._pool, wanted, path_text(path))
        if mode not in ("wb", "xb"):
            raise UsageError(
                "The mode must be 'rb', 'wb' or 'xb'.",
                hint="For text: io.TextIOWrapper(client.open(path, 'rb'), encoding='utf-8').",
            )
        return RemoteWriter(self._pool, wanted, path_text(path), WriteOptions(mode == "wb", permissions))


def _progress(on_progress: OnBytes | None) -> Progress:
    """Return a callback of the program, which may return anything, as one of the transfer."""
    if on_progress is None:
        return unwatched

    def report(done: int, total: int | None, /) -> None:
        on_progress(done, total)

    return report
