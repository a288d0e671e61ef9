"""File object that fsspec gets for a file that is open for reading, with what its caches and users ask of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fsspec.caching import BaseCache

from secftp.api.arguments import file_path
from secftp.api.entries import RemoteStat
from secftp.api.raw_reader import BUFFER_BYTES
from secftp.api.reader import RemoteReader
from secftp.errors import UsageError
from secftp.fsspec.trees import description

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.fsspec.connection import Connected

BLOCK_BYTES: Final = 4 << 20  # of caches around a file, if no size is given
MAX_BUFFER: Final = 16 << 20
_Version = tuple[int, int, bytes]  # size, time, and what the server calls it, empty if that is not known


class FsspecReader(RemoteReader):
    """A file at the server, open for reading: a `secftp.RemoteReader` that fsspec's caches can use.

    It has the attributes of fsspec's `AbstractBufferedFile`: `fs`, `path`, `full_name`, `mode`, `blocksize`, `size`,
    `loc`, `details`, `kwargs` and `cache`. `blocksize` is the least that is fetched at once if one is given; else a
    few KiB, and `blocksize` is that of caches which take it from here.

    Its pickle holds the file system and the path, and opens the file again. It holds no key, and fails if the file is
    another version by then.
    """

    autocommit = True
    start = end = None

    def __init__(self, fs: Connected, path: str, block_size: int | str | None = None, **options: Any) -> None:
        self._cache: Any = None
        block = _block_bytes(block_size)
        super().__init__(
            fs._pool,  # noqa: SLF001 - of this package
            file_path(path),
            path,
            buffer_bytes=min(block or BUFFER_BYTES, MAX_BUFFER),
        )
        self.fs = fs
        self.path = path
        self.blocksize = block or BLOCK_BYTES
        self.kwargs = {name: value for name, value in options.items() if value is not None}
        self._given = block

    @property
    def closed(self) -> bool:
        """Whether it is closed. fsspec's caches also set this, when they have closed it."""
        return super().closed

    @closed.setter
    def closed(self, closed: bool) -> None:
        if closed:
            self.close()

    def close(self) -> None:
        """Close the file, and the cache."""
        super().close()
        cache, self._cache = self._cache, None  # breaks cycles of references, so that it is freed at once
        if cache is not None:
            self._reader.use_cache(None)
            close = getattr(cache, "close", None)
            if callable(close):
                close()

    @property
    def block_size(self) -> int:
        """The same as `blocksize`."""
        return self.blocksize

    @property
    def full_name(self) -> str:
        """The URL."""
        return str(self.fs.unstrip_protocol(self.path))

    @property
    def loc(self) -> int:
        """The position in bytes."""
        return self.tell()

    @property
    def details(self) -> dict[str, Any]:
        """What `info` returns."""
        return self.info()

    def info(self) -> dict[str, Any]:
        """Return the entry of the file as it was when it was opened."""
        found = self._reader.info
        return description(self.path, RemoteStat(found.kind, found.size, found.mtime_ns, found.mode))

    @property
    def cache(self) -> Any:
        """The cache through which the file is read; by default one that keeps nothing.

        It can be set to another of fsspec's. What it fetches is of one version of the file.
        """
        if self._cache is None:
            return BaseCache(self.blocksize, self._fetch_range, self.size)
        return self._cache

    @cache.setter
    def cache(self, cache: Any) -> None:
        if getattr(cache, "multi_fetcher", None) is not None:
            cache.multi_fetcher = self._reader.fetch_ranges
        self._cache = cache
        self._reader.use_cache(_fetch_of(cache))

    def readuntil(self, char: bytes = b"\n", blocks: int | None = None) -> bytes:
        """Return the bytes up to and with the next `char`, or up to the end; `blocks`: how many are read at once."""
        parts: list[bytes] = []
        while part := self.read(blocks or BUFFER_BYTES):
            # The text may begin in one block and end in the next.
            before = b"".join(parts)[-len(char) + 1 :] if len(char) > 1 else b""
            found = (before + part).find(char)
            if found >= 0:
                length = found - len(before) + len(char)
                self.seek(length - len(part), 1)
                parts.append(part[:length])
                break
            parts.append(part)
        return b"".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        found, file = self._reader.info, self._reader._file  # noqa: SLF001 - what the server told of it
        version = found.size, found.mtime_ns, file.version
        return _reopen, (self.fs, self.path, self._given, self.tell(), version, self.kwargs)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:  # `io.BufferedReader` has one that refuses
        return self.__reduce__()

    def _fetch_range(self, start: int, end: int) -> bytes:
        """Return a range of the file, past the buffer."""
        return self._reader.fetch_ranges([(start, end)])[0]


def _block_bytes(given: int | str | None) -> int | None:
    if given in (None, "default", 0):
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise UsageError("The block size must be a number of bytes.")
    return given


def _fetch_of(cache: Any) -> Callable[[int, int], bytes]:
    """Return what reads through a cache.

    A cache of blocks in a file marks those that it lacks as present before it fetches them, and its marks outlive the
    program: after a fetch that failed, zeros would be read there for ever.
    """
    fetch: Callable[[int, int], bytes] = cache._fetch  # noqa: SLF001 - the interface of fsspec's caches
    present = getattr(cache, "blocks", None)
    if not isinstance(present, set):
        return fetch

    def fetch_or_unmark(start: int, end: int) -> bytes:
        missing = set(range(start // cache.blocksize, end // cache.blocksize + 1)) - present
        try:
            return fetch(start, end)
        except BaseException:
            present.difference_update(missing)
            raise

    return fetch_or_unmark


def _reopen(
    fs: Connected, path: str, block: int | None, position: int, version: _Version, options: dict[str, Any]
) -> FsspecReader:
    file = FsspecReader(fs, path, block, **options)
    found = file._reader.info  # noqa: SLF001
    if (found.size, found.mtime_ns) != version[:2]:
        file.close()
        raise file._reader.changed()  # noqa: SLF001
    file._reader._file.version = version[2]  # noqa: SLF001 - which the server compares when a part is read
    file.seek(position)
    return file
