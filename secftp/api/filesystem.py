"""File system for fsspec, so that pandas, dask, pyarrow, xarray and others open `secftp://` URLs.

    import pandas

    options = {"key_file": "/home/joe/.secftp.key"}
    table = pandas.read_parquet("secftp://example.org/data/table.parquet", storage_options=options)

fsspec finds this module by its entry point; only it imports fsspec (the extra `secftp[fsspec]`). Nothing is cached,
since other programs may change the files at any time. Files can't be copied within the server: the protocol has no
request for that.

Invariant: a writer that was not closed, or failed, commits nothing, whether it compresses or is in a transaction.
"""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem
from fsspec.compression import compr
from fsspec.core import get_compression

from secftp.api.arguments import encode_path
from secftp.api.client import DEFAULT_TIMEOUT, Client, connect
from secftp.errors import UsageError
from secftp.url import DEFAULT_PORT, Url, format_url, is_url, parse_url

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from secftp.api.arguments import Cipher, LocalPath
    from secftp.api.entries import RemoteEntry, RemoteStat
    from secftp.api.reader import RemoteReader
    from secftp.api.writer import RemoteWriter
    from secftp.keys import Key


class SecftpFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The file system of a server for fsspec; paths begin with a slash, at the served directory.

    `host`, `port`: of the server. `username`: the name of a key. `key`, `key_file`, `anonymous`, `cipher`, `timeout`,
    `congestion`: as for `secftp.connect`, which the first request calls; prefer `key_file`, since fsspec keeps the
    options and pickles them with the object. A file appears when its writer is closed, as for `secftp.RemoteWriter`,
    and in a transaction of fsspec when that ends.
    """

    protocol = "secftp"
    root_marker = "/"

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        username: str = "",
        *,
        key: str | Key | None = None,
        key_file: LocalPath | None = None,
        anonymous: bool = False,
        cipher: Cipher = "aes256",
        timeout: float = DEFAULT_TIMEOUT,
        congestion: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._location = Url(host, int(port), username, (), trailing_slash=True)
        self._arguments: dict[str, Any] = {
            "key": key,
            "key_file": key_file,
            "anonymous": anonymous,
            "cipher": cipher,
            "timeout": timeout,
            "congestion": congestion,
        }
        self._connecting = threading.Lock()
        self._lock = threading.Lock()  # for the attributes below, never held for long
        self._client: Client | None = None
        self._closes = 0

    @property
    def client(self) -> Client:
        """The client that is used; raises what `secftp.connect` does, and `UsageError` if it is closed meanwhile."""
        with self._connecting:
            with self._lock:
                if self._client is not None and not self._client.closed:
                    return self._client
                closes = self._closes
            made = connect(format_url(self._location), **self._arguments)
            with self._lock:
                if closes == self._closes:
                    self._client = made
                    return made
        made.close()
        raise UsageError("The file system was closed while it was connecting.")

    def close(self) -> None:
        """Close the connections, without waiting for one that is being opened; the next request opens new ones."""
        with self._lock:
            self._closes += 1
            client, self._client = self._client, None
        if client is not None:
            client.close()

    # --- names --------------------------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        name = encode_path(path).decode("utf-8", "surrogateescape")
        if is_url(name):
            name = b"/".join(parse_url(name).path).decode("utf-8", "surrogateescape")
        return "/" + name.strip("/")

    def unstrip_protocol(self, name: str) -> str:
        """Return the URL of a path."""
        parts = encode_path(self._strip_protocol(name)).split(b"/")
        path = tuple(part for part in parts if part)
        return format_url(self._location._replace(path=path, trailing_slash=not path))

    @staticmethod
    def _get_kwargs_from_urls(urlpath: str) -> dict[str, Any]:
        url = parse_url(urlpath)
        return {"host": url.host, "port": url.port, **({"username": url.name} if url.name else {})}

    # --- status -------------------------------------------------------------------------------------------------------

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's
        """Return the entries of a directory, or that of a file.

        An entry that the server could not examine has the type `other`, and None for everything else.
        """
        name = self._strip_protocol(path)
        found = self.client.stat(name)
        entries = [_described(entry.path, entry.info) for entry in self._entries(name)] if found.is_dir() else None
        if entries is None:
            entries = [_described(name, found)]
        return entries if detail else sorted(entry["name"] for entry in entries)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Return the entry of a file or directory."""
        name = self._strip_protocol(path)
        return _described(name, self.client.stat(name))

    def exists(self, path: str, **_options: Any) -> bool:
        """Return whether the path exists; raises any other failure."""
        return self.client.exists(self._strip_protocol(path))

    def isdir(self, path: str) -> bool:
        """Return whether the path is a directory; raises any other failure."""
        return self.client.is_dir(self._strip_protocol(path))

    def isfile(self, path: str) -> bool:
        """Return whether the path is a file; raises any other failure."""
        return self.client.is_file(self._strip_protocol(path))

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,  # noqa: FBT001, FBT002 - fsspec's
        on_error: str | Callable[[OSError], object] | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Walk a tree as fsspec does, but raise what can't be listed unless `on_error` is `omit`.

        So `find`, `glob`, `du` and a recursive `get`, which use this, raise it, too. A missing directory is empty.
        """
        tell = options.pop("_tell", None) or (_raise_unless_missing if on_error is None else on_error)
        yield from super().walk(path, maxdepth=maxdepth, topdown=topdown, on_error=tell, _tell=tell, **options)

    def modified(self, path: str) -> dt.datetime:
        """Return the time of the last modification."""
        return self.client.stat(self._strip_protocol(path)).modified

    def _entries(self, name: str) -> Iterator[RemoteEntry[str]]:
        with self.client.scandir(name) as entries:
            yield from entries

    # --- files --------------------------------------------------------------------------------------------------------

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """Return the contents of a file, or the part between `start` and `end` as in a slice."""
        name = self._strip_protocol(path)
        if (start is not None and start < 0) or (end is not None and end < 0):
            start, end, _ = slice(start, end).indices(self.client.stat(name).size)
        offset = start or 0
        length = None if end is None else max(0, end - offset)
        return self.client.read_bytes(name, offset=offset, length=length)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_options: Any) -> None:
        """Write a whole file."""
        self.client.write_bytes(self._strip_protocol(path), value, overwrite=mode != "create")

    def touch(self, path: str, truncate: bool = True, **_options: Any) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Create an empty file; with `truncate=False` only set the time of one that exists."""
        name = self._strip_protocol(path)
        if truncate or not self.client.exists(name):
            self.client.write_bytes(name, b"")
        else:
            self.client.utime(name, ns=time.time_ns())

    def open(self, path: str, mode: str = "rb", *args: Any, compression: str | None = None, **options: Any) -> Any:
        """Open a file as fsspec does; one that is compressed appears when it is closed, like any other."""
        kind = get_compression(path, compression)
        if kind is None or "r" in mode or "b" not in mode:
            return super().open(path, mode, *args, compression=kind, **options)
        return Compressed(super().open(path, mode, *args, **options), compr[kind])

    def _open(
        self, path: str, mode: str = "rb", *, autocommit: bool = True, **_options: Any
    ) -> RemoteReader | RemoteWriter | Deferred:
        if mode == "rb":
            return self.client.open(path)
        if mode not in ("wb", "xb"):
            raise UsageError("The mode must be 'rb', 'wb' or 'xb'.")
        file = self.client.open(path, "xb" if mode == "xb" else "wb")
        return file if autocommit else Deferred(file)

    # --- changing -----------------------------------------------------------------------------------------------------

    def mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Create a directory."""
        self.client.mkdir(self._strip_protocol(path), parents=create_parents)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Create a directory and its parents."""
        self.client.mkdir(self._strip_protocol(path), parents=True, exist_ok=exist_ok)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self.client.rmdir(self._strip_protocol(path))

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self.client.remove(self._strip_protocol(path))

    _rm = rm_file

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Remove files, and with `recursive` whole directories."""
        if maxdepth is not None:
            super().rm(path, recursive=recursive, maxdepth=maxdepth)
            return
        for name in self.expand_path(path):
            if recursive and self.client.is_dir(name):
                self.client.rmtree(name)
            else:
                self.client.remove(name)

    def mv(self, path1: str, path2: str, recursive: bool = True, maxdepth: int | None = None, **_options: Any) -> None:  # noqa: ARG002, FBT001, FBT002 - fsspec's
        """Rename a file or a directory; a file may replace a file, atomically."""
        self.client.replace(self._strip_protocol(path1), self._strip_protocol(path2))


def _raise_unless_missing(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError | NotADirectoryError):
        raise problem


def _described(name: str, found: RemoteStat | None) -> dict[str, Any]:
    if found is None:
        return {"name": name, "size": None, "type": "other", "mtime": None, "mode": None}
    return {
        "name": name,
        "size": found.size,
        "type": "directory" if found.is_dir() else "file",
        "mtime": found.mtime,
        "mode": found.st_mode,
    }


class Deferred(io.RawIOBase):
    """A writer within a transaction, which commits or discards it after it was closed."""

    def __init__(self, file: RemoteWriter) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Append bytes and return their number."""
        return self._file.write(data)

    def tell(self) -> int:
        """Return how many bytes were written so far."""
        return self._file.tell()

    def commit(self) -> None:
        """Let the file appear."""
        self._file.close()

    def discard(self) -> None:
        """Give up the file."""
        self._file.abort()


class Compressed(io.RawIOBase):
    """A writer that compresses. Those of the standard library do not close the file that they write to."""

    def __init__(self, file: RemoteWriter | Deferred, compress: Callable[..., Any]) -> None:
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
        if isinstance(file, Deferred):
            file.discard()
        elif file is not None:
            file.abort()


class _CompressorOutput(io.RawIOBase):
    """The file that a compressor writes to, until it is detached; bytes that are written afterwards are dropped.

    A compressor that is finalized still writes its last bytes. A file that was given up would raise then, where no
    caller can catch it.
    """

    def __init__(self, file: RemoteWriter | Deferred) -> None:
        super().__init__()
        self.file: RemoteWriter | Deferred | None = file

    def detach_file(self) -> RemoteWriter | Deferred | None:
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
