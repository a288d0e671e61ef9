"""Directory entries and listings: what a server says of its files, as `os.stat` and `os.scandir` have it."""

from __future__ import annotations

import contextlib
import datetime as dt
import stat
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, AnyStr, Final, Generic, Self

from secftp.api.arguments import join_path
from secftp.api.naming import Place, name_error
from secftp.errors import ConnectionLost, FileError, InputOutputError, Side
from secftp.protocol import Kind, problem_of
from secftp.session.listings import BoundedIterator
from secftp.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from secftp.api.pool import Pool
    from secftp.protocol import Capacity, Info, Listed
    from secftp.storage import Path

NANOSECONDS: Final = 1_000_000_000
AHEAD_ENTRIES: Final = 20_000
AHEAD_BYTES: Final = 20 << 20  # of memory; fewer entries with long names are read ahead


@dataclass(frozen=True, slots=True)
class RemoteStat:
    """Status of a file or directory at the server, similar to `os.stat_result`.

    Symlinks and special files are never served, so there are no other kinds.

    Attributes:
        kind (Kind): `Kind.FILE` or `Kind.DIRECTORY`.
        size (int): The size in bytes, 0 for a directory.
        mtime_ns (int): The time of the last modification in nanoseconds since the epoch.
        mode (int): The twelve permission bits.

    Example:
        >>> client.chmod("backup/a.bin", 0o640) and client.utime("backup/a.bin", ns=0)
        True
        >>> client.stat("backup/a.bin")
        RemoteStat(kind='file', size=6, mtime_ns=0, mode=0o640)
    """

    kind: Kind
    size: int
    mtime_ns: int
    mode: int

    def __repr__(self) -> str:
        kind = "file" if self.is_file() else "directory"
        return f"RemoteStat({kind=}, size={self.size}, mtime_ns={self.mtime_ns}, mode={self.mode:#o})"

    def is_file(self) -> bool:
        """Return whether it is a file.

        Returns:
            bool: Whether it is a file.
        """
        return self.kind is Kind.FILE

    def is_dir(self) -> bool:
        """Return whether it is a directory.

        Returns:
            bool: Whether it is a directory.
        """
        return self.kind is Kind.DIRECTORY

    @property
    def mtime(self) -> float:
        """The time of the last modification in seconds since the epoch."""
        return self.mtime_ns / NANOSECONDS

    @property
    def modified(self) -> dt.datetime:
        """The time of the last modification as an aware datetime in UTC, in microseconds.

        Raises:
            OverflowError: The year is before 1 or after 9999.
        """
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return epoch + dt.timedelta(microseconds=self.mtime_ns // 1000)

    @property
    def st_size(self) -> int:
        """`size`, as in `os.stat_result`."""
        return self.size

    @property
    def st_mtime(self) -> float:
        """`mtime`, as in `os.stat_result`."""
        return self.mtime

    @property
    def st_mtime_ns(self) -> int:
        """`mtime_ns`, as in `os.stat_result`."""
        return self.mtime_ns

    @property
    def st_mode(self) -> int:
        """Permission bits and file type, as in `os.stat_result`, for `stat.S_ISDIR` and `stat.filemode`."""
        return self.mode | (stat.S_IFDIR if self.is_dir() else stat.S_IFREG)


@dataclass(frozen=True, slots=True)
class RemoteSpace:
    """Space of a file system at the server, similar to what `shutil.disk_usage` returns.

    A number that is None is not known, is not limited, or is not told to a key without the rights to read and to list.

    Attributes:
        total (int or None): The size of the file system in bytes.
        used (int or None): The bytes of it that are in use.
        free (int or None): The bytes of it that are free, including what only the superuser may use.
        available (int or None): The bytes that this key can still write, at most; 0 if it may not write.
        kept (int or None): The bytes that the operator keeps free; None for no such limit.
        largest (int or None): The size in bytes of the largest file that the server accepts; None for no such limit.
        files (int or None): The number of files (inodes) that the file system can have; None for no limit.
        files_available (int or None): The number of files that this key can still make; 0 if it may not write.
        read_only (bool): Whether the key may not write, or the file system is mounted read-only.

    Example:
        >>> space = client.space("backup")
        >>> space.total == space.used + space.free
        True
    """

    total: int | None
    used: int | None
    free: int | None
    available: int | None
    kept: int | None
    largest: int | None
    files: int | None
    files_available: int | None
    read_only: bool


@dataclass(frozen=True, slots=True, repr=False)
class RemoteEntry(Generic[AnyStr]):
    """An entry of a directory at the server, similar to `os.DirEntry`: its status when it was listed.

    It is not an `os.PathLike`, so that no function for local files accepts it by mistake.

    Attributes:
        path (str or bytes): The path, for the methods of `Client`: the one that was listed as it was given, joined with
            the names below it; `bytes` if that was `bytes`.
        info (RemoteStat or None): The status, or None if the server could not examine the entry; it is neither a file
            nor a directory then, and its size, time and mode raise the `problem`.
        problem (FileError or None): Why the server could not examine the entry, or not list the directory.

    Example:
        >>> sorted(client.scandir("backup"), key=lambda entry: entry.path)[0]
        <secftp.RemoteEntry 'backup/a.bin' file, 6 bytes>
    """

    path: AnyStr
    info: RemoteStat | None
    problem: FileError | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        kind = (
            "directory"
            if self.is_dir()
            else f"file, {counted(self.size, 'byte')}"
            if self.info is not None
            else "unknown"
        )
        problem = "" if self.problem is None else f": {self.problem}"
        return f"<secftp.RemoteEntry {self.path!r} {kind}{problem}>"

    @property
    def name(self) -> AnyStr:
        """The last component of the path."""
        slash: AnyStr = b"/" if isinstance(self.path, bytes) else "/"
        return self.path.rpartition(slash)[2]

    def stat(self) -> RemoteStat:
        """Return the status; nothing is requested.

        Returns:
            RemoteStat: The status when the entry was listed.

        Raises:
            FileError: The `problem`, if the server could not examine the entry.
        """
        if self.info is None:
            raise self.problem or InputOutputError("It could not be examined.", side=Side.REMOTE)
        return self.info

    def is_file(self) -> bool:
        """Return whether it is a file.

        Returns:
            bool: Whether it is a file; False if that is not known.
        """
        return self.info is not None and self.info.is_file()

    def is_dir(self) -> bool:
        """Return whether it is a directory.

        Returns:
            bool: Whether it is a directory; False if that is not known.
        """
        return self.info is not None and self.info.is_dir()

    @property
    def size(self) -> int:
        """The size in bytes, 0 for a directory.

        Raises:
            FileError: The `problem`, if it is not known.
        """
        return self.stat().size

    @property
    def mtime_ns(self) -> int:
        """The time of the last modification in nanoseconds since the epoch.

        Raises:
            FileError: The `problem`, if it is not known.
        """
        return self.stat().mtime_ns

    @property
    def mode(self) -> int:
        """The twelve permission bits.

        Raises:
            FileError: The `problem`, if they are not known.
        """
        return self.stat().mode


class Listing(Generic[AnyStr]):
    """An iterator over the entries of a directory and a context manager; `Client.scandir` returns it.

    The order is the server's; with `recursive` a directory comes before its entries.

    Raises:
        FileError: The listing broke off; the entries that came before are good.
        ConnectionLost: The connection broke off.
        UsageError: The client is closed.

    Example:
        >>> with client.scandir("backup") as entries:
        ...     sum(entry.size for entry in entries)
        7
    """

    # A directory of ordinary size is read at once, so that the connection is free again before the first entry is used,
    # however long the program takes with it. A larger one is streamed over a connection of its own.

    def __init__(self, pool: Pool, path: Path, given: AnyStr, *, recursive: bool) -> None:
        self._pool = pool
        self._given: AnyStr = given
        self._ahead: deque[Listed] = deque()
        self._rest: Iterator[Listed] | None = None
        self._problem: FileError | None = None  # that ended the listing
        self._place = Place(given, path)
        self._keep: contextlib.ExitStack = contextlib.ExitStack()
        while not self._begin(path, recursive=recursive):
            pass

    def _begin(self, path: Path, *, recursive: bool) -> bool:
        """Read ahead; returns False if the connection had been lost before (see `Pool.ask`)."""
        pool = self._pool
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(pool.connection())
            listed = connection.session.list(path, recursive=recursive)
            some = BoundedIterator(listed, AHEAD_ENTRIES, AHEAD_BYTES)
            try:
                self._ahead.extend(some)
            except ConnectionLost:
                if not connection.reused or self._ahead or pool.closed:
                    raise
                return False
            except FileError as problem:
                name_error(problem, [self._place])
                if not self._ahead:
                    raise
                self._problem = problem.with_traceback(None)  # the entries before it are good
            if some.is_more:
                self._rest = listed
                pool.hold(connection)
                self._keep = undo.pop_all()
        return True

    def __repr__(self) -> str:
        over = not self._ahead and self._rest is None and self._problem is None
        return f"<secftp.Listing {self._given!r}{' ended' if over else ''}>"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RemoteEntry[AnyStr]:
        if not self._ahead and self._rest is not None:
            self._read_on()
        if not self._ahead:
            problem, self._problem = self._problem, None
            if problem is not None:
                raise problem
            raise StopIteration
        return self._entry(self._ahead.popleft())

    def close(self) -> None:
        """End the listing and drop the entries that are left. Idempotent."""
        self._ahead.clear()
        self._rest = self._problem = None
        self._keep.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_on(self) -> None:
        some = BoundedIterator((), AHEAD_ENTRIES, AHEAD_BYTES)
        try:
            self._pool.require_open()
            some = BoundedIterator(self._rest or (), AHEAD_ENTRIES, AHEAD_BYTES)
            self._ahead.extend(some)
        except FileError as problem:
            name_error(problem, [self._place])
            if not self._ahead:
                self.close()
                raise
            self._problem = problem.with_traceback(None)
        except BaseException:
            self.close()
            raise
        if not some.is_more:
            self._rest = None
            self._keep.close()

    def _entry(self, listed: Listed) -> RemoteEntry[AnyStr]:
        path = join_path(self._given, b"/".join(listed.path))
        problem = problem_of(listed, path)
        if problem is not None:
            problem.filename, problem.is_named = path, True
        return RemoteEntry(path, None if listed.kind is None else stat_of(listed), problem)


def space_of(told: Capacity) -> RemoteSpace:
    """Return the space that a message tells."""
    return RemoteSpace(
        total=told.total,
        used=told.used,
        free=told.free,
        available=told.available,
        kept=told.kept,
        largest=told.largest,
        files=told.files,
        files_available=told.files_available,
        read_only=told.read_only,
    )


def stat_of(info: Info | Listed) -> RemoteStat:
    """Return the status that a message holds."""
    assert info.kind is not None  # else the server could not examine the entry
    return RemoteStat(info.kind, info.size, info.mtime_ns, info.mode)
