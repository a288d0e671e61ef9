"""What is in the files of a server: at once, as text, or opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, overload

from secftp.api.memory import MemorySink, MemorySource
from secftp.api.names import file_path, spelled
from secftp.api.reader import RemoteReader
from secftp.api.tree import RemoteTree
from secftp.api.writer import RemoteWriter
from secftp.errors import UsageError
from secftp.session import Unconfirmed, has_arrived
from secftp.transfer import unwatched

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    from secftp.api.names import RemotePath
    from secftp.api.pool import Connection
    from secftp.transfer import Progress

    BytesDone: TypeAlias = Callable[[int, int | None], object]

# More bytes than this may take a while: they get a connection that nobody else waits for.
SHORT_BYTES: Final = 8 << 20


class RemoteFiles(RemoteTree):
    """The files of a server, and their names."""

    def read_bytes(
        self, path: RemotePath, *, offset: int = 0, length: int | None = None, progress: BytesDone | None = None
    ) -> bytes:
        """What is in a file, verified; with `offset` and `length` (bytes) the part of it that there is.

        `progress` is called with the bytes that are here and those there will be. Raises `NotFound` and `IsADirectory`.

        >>> remote.read_bytes("backup/a.bin", offset=1, length=3)
        b'bcd'
        """
        wanted = file_path(path, self._base)
        watch = _watching(progress)

        def read(connection: Connection) -> bytes:
            def moved(done: int, total: int | None, /) -> None:
                if not done and (total or 0) > SHORT_BYTES:
                    self._pool.prolong(connection)
                watch(done, total)

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
        progress: BytesDone | None = None,
    ) -> int:
        """Write a whole file, which then stands there verified, or not at all; the number of bytes.

        Raises `AlreadyExists` without `overwrite`, `NotFound` if its folder is missing, `IsADirectory`, `Forbidden`,
        `NoSpace`. `permissions`: as `open`'s. `progress` is called with the bytes that are sent, and all of them.

        >>> remote.write_bytes("backup/a.bin", b"abcdef")
        6
        """
        wanted = file_path(path, self._base)
        view = memoryview(data).cast("B")
        watch = _watching(progress)

        sent: Unconfirmed | None = None

        def write(connection: Connection) -> int:
            nonlocal sent
            source = MemorySource(view)
            session = connection.session
            if sent is not None and has_arrived(session, wanted, sent):
                return sent.sent.size
            try:
                return session.write(wanted, source, overwrite=overwrite, mode=permissions, progress=watch).size
            except Unconfirmed as lost:
                sent = lost
                raise

        try:
            if overwrite:
                return self._pool.ask(write, long=len(view) > SHORT_BYTES)
            # Asked twice, it could find in its way what it wrote the first time.
            with self._pool.connection(long=len(view) > SHORT_BYTES) as connection:
                return write(connection)
        except Unconfirmed as lost:
            return self._pool.confirm(wanted, lost).size

    def read_text(self, path: RemotePath, encoding: str = "utf-8", errors: str = "strict") -> str:
        """What is in a file, decoded; line ends stay as they are.

        >>> remote.read_text("backup/a.bin")
        'abcdef'
        """
        return self.read_bytes(path).decode(encoding, errors)

    def write_text(self, path: RemotePath, text: str, encoding: str = "utf-8", errors: str = "strict") -> int:
        """As `write_bytes` of the encoded text, line ends as they are; the number of bytes."""
        return self.write_bytes(path, text.encode(encoding, errors))

    @overload
    def open(self, path: RemotePath, mode: Literal["rb"] = "rb") -> RemoteReader: ...
    @overload
    def open(self, path: RemotePath, mode: Literal["wb", "xb"], *, permissions: int | None = None) -> RemoteWriter: ...
    def open(
        self, path: RemotePath, mode: Literal["rb", "wb", "xb"] = "rb", *, permissions: int | None = None
    ) -> RemoteReader | RemoteWriter:
        """A binary file object: `"rb"` to read, `"wb"` to write, `"xb"` to write what must not exist yet.

        A reader can be sought and asks for the parts that are read. A writer streams; the file appears when it is
        closed in order, see `RemoteWriter`. `permissions` are those of the new file, applied exactly as far as the
        server's operator allows; left out, those of the file that is replaced.

        Raises `NotFound` for the file, or the folder to write it to, `IsADirectory`, and `AlreadyExists` for `"xb"`.

        >>> with remote.open("backup/a.bin") as file:
        ...     file.seek(-2, 2)
        ...     file.read()
        4
        b'ef'
        """
        wanted = file_path(path, self._base)
        if mode == "rb":
            return RemoteReader(self._pool, wanted, spelled(path))
        if mode not in ("wb", "xb"):
            raise UsageError(
                "A file is opened as 'rb', 'wb' or 'xb'.",
                hint="For text: io.TextIOWrapper(remote.open(path, 'rb'), encoding='utf-8').",
            )
        return RemoteWriter(self._pool, wanted, spelled(path), exclusive=mode == "xb", permissions=permissions)


def _watching(progress: BytesDone | None) -> Progress:
    """A program's callback, which may return anything, as one of the transfer's."""
    if progress is None:
        return unwatched

    def watch(done: int, total: int | None, /) -> None:
        progress(done, total)

    return watch
