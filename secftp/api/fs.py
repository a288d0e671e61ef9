"""`secftp://` for fsspec, and so for pandas, dask, pyarrow, xarray and whatever else opens files by URL.

    import pandas

    options = {"key_file": "/home/joe/.secftp.key"}
    table = pandas.read_parquet("secftp://example.org/data/table.parquet", storage_options=options)

Only this module imports fsspec, and fsspec finds it by itself (the extra `secftp[fsspec]`). Nothing is cached: another
program may change the folder at any time. There is no copy at the server, since the protocol has none.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from fsspec import AbstractFileSystem
from fsspec.compression import compr
from fsspec.core import get_compression

from secftp.api.client import DEFAULT_TIMEOUT, Remote, connect
from secftp.api.fs_files import Compressed, Deferred
from secftp.api.names import encoded
from secftp.errors import UsageError
from secftp.messages import Kind
from secftp.url import DEFAULT_PORT, Url, format_url, is_url, parse_url

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from secftp.api.credentials import Cipher
    from secftp.api.entries import RemoteEntry, RemoteStat
    from secftp.api.names import LocalPath
    from secftp.api.reader import RemoteReader
    from secftp.api.writer import RemoteWriter
    from secftp.keys import Key

_TYPES: Final = {Kind.FILE: "file", Kind.DIRECTORY: "directory"}


class SecftpFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """What a server serves, as fsspec has it: paths begin with a slash, at the served folder.

    `username` is the name of a key; `key`, `key_file`, `anonymous`, `cipher` and `timeout` are those of
    `secftp.connect`, which is called at the first request. A key file is the better choice: fsspec keeps the options
    and passes them on with the object. Writers commit as `secftp.RemoteWriter` does, and within a transaction of
    fsspec at its end.
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._place = Url(host, int(port), username, (), trailing_slash=True)
        self._arguments: dict[str, Any] = {
            "key": key,
            "key_file": key_file,
            "anonymous": anonymous,
            "cipher": cipher,
            "timeout": timeout,
        }
        self._connecting = threading.Lock()
        self._lock = threading.Lock()  # of what follows, and never held for long
        self._remote: Remote | None = None
        self._closes = 0

    @property
    def remote(self) -> Remote:
        """The client underneath; raises what `secftp.connect` does, and `UsageError` if it is closed meanwhile."""
        with self._connecting:
            with self._lock:
                if self._remote is not None and not self._remote.closed:
                    return self._remote
                closes = self._closes
            made = connect(format_url(self._place), **self._arguments)
            with self._lock:
                if closes == self._closes:
                    self._remote = made
                    return made
        made.close()
        raise UsageError("The file system was closed while it was connecting.")

    def close(self) -> None:
        """Close its connections, without waiting for one that is being made; the next request opens new ones."""
        with self._lock:
            self._closes += 1
            remote, self._remote = self._remote, None
        if remote is not None:
            remote.close()

    # --- names --------------------------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        name = encoded(path).decode("utf-8", "surrogateescape")
        if is_url(name):
            name = b"/".join(parse_url(name).path).decode("utf-8", "surrogateescape")
        return "/" + name.strip("/")

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path."""
        parts = encoded(self._strip_protocol(name)).split(b"/")
        path = tuple(part for part in parts if part)
        return format_url(self._place._replace(path=path, trailing_slash=not path))

    @staticmethod
    def _get_kwargs_from_urls(urlpath: str) -> dict[str, Any]:
        url = parse_url(urlpath)
        return {"host": url.host, "port": url.port, **({"username": url.name} if url.name else {})}

    # --- looking ------------------------------------------------------------------------------------------------------

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's
        """What is in a folder, or the one file of that name.

        What the server could not look at has the type `other`, and None for everything else.
        """
        name = self._strip_protocol(path)
        found = self.remote.stat(name)
        entries = [_described(entry.path, entry.info) for entry in self._entries(name)] if found.is_dir() else None
        if entries is None:
            entries = [_described(name, found)]
        return entries if detail else sorted(entry["name"] for entry in entries)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """What is known of a file or folder."""
        name = self._strip_protocol(path)
        return _described(name, self.remote.stat(name))

    def exists(self, path: str, **_options: Any) -> bool:
        """Whether it is there; other trouble is raised."""
        return self.remote.exists(self._strip_protocol(path))

    def isdir(self, path: str) -> bool:
        """Whether it is a directory; other trouble is raised."""
        return self.remote.is_dir(self._strip_protocol(path))

    def isfile(self, path: str) -> bool:
        """Whether it is a file; other trouble is raised."""
        return self.remote.is_file(self._strip_protocol(path))

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,  # noqa: FBT001, FBT002 - fsspec's
        on_error: str | Callable[[OSError], object] | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """As fsspec's, but what can't be listed is not left out without a word unless `on_error` is `omit`.

        So `find`, `glob`, `du` and a recursive `get`, which stand on this, raise it, too. A directory that is not there
        holds nothing.
        """
        tell = options.pop("_tell", None) or (_raise_unless_missing if on_error is None else on_error)
        yield from super().walk(path, maxdepth=maxdepth, topdown=topdown, on_error=tell, _tell=tell, **options)

    def modified(self, path: str) -> dt.datetime:
        """When it was last changed."""
        return self.remote.stat(self._strip_protocol(path)).modified

    def _entries(self, name: str) -> Iterator[RemoteEntry[str]]:
        with self.remote.scandir(name) as entries:
            yield from entries

    # --- files --------------------------------------------------------------------------------------------------------

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """A file, or a part of it as a slice has it."""
        name = self._strip_protocol(path)
        if (start is not None and start < 0) or (end is not None and end < 0):
            start, end, _ = slice(start, end).indices(self.remote.stat(name).size)
        offset = start or 0
        length = None if end is None else max(0, end - offset)
        return self.remote.read_bytes(name, offset=offset, length=length)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_options: Any) -> None:
        """Write a whole file."""
        self.remote.write_bytes(self._strip_protocol(path), value, overwrite=mode != "create")

    def touch(self, path: str, truncate: bool = True, **_options: Any) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Make an empty file; with `truncate=False` only set the time of one that is there."""
        name = self._strip_protocol(path)
        if truncate or not self.remote.exists(name):
            self.remote.write_bytes(name, b"")
        else:
            self.remote.utime(name, time.time_ns())

    def open(self, path: str, mode: str = "rb", *args: Any, compression: str | None = None, **options: Any) -> Any:
        """As every file system of fsspec; what is compressed appears when it is closed, like any other file."""
        kind = get_compression(path, compression)
        if kind is None or "r" in mode or "b" not in mode:
            return super().open(path, mode, *args, compression=kind, **options)
        return Compressed(super().open(path, mode, *args, **options), compr[kind])

    def _open(
        self, path: str, mode: str = "rb", *, autocommit: bool = True, **_options: Any
    ) -> RemoteReader | RemoteWriter | Deferred:
        if mode == "rb":
            return self.remote.open(path)
        if mode not in ("wb", "xb"):
            raise UsageError("A file is opened for reading (r), writing (w) or as a new one (x).")
        file = self.remote.open(path, "xb" if mode == "xb" else "wb")
        return file if autocommit else Deferred(file)

    # --- changing -----------------------------------------------------------------------------------------------------

    def mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Make a folder."""
        self.remote.mkdir(self._strip_protocol(path), parents=create_parents)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Make a folder and those above it."""
        self.remote.mkdir(self._strip_protocol(path), parents=True, exist_ok=exist_ok)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self.remote.rmdir(self._strip_protocol(path))

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self.remote.remove(self._strip_protocol(path))

    _rm = rm_file

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Remove files, and with `recursive` whole folders."""
        if maxdepth is not None:
            super().rm(path, recursive=recursive, maxdepth=maxdepth)
            return
        for name in self.expand_path(path):
            if recursive and self.remote.is_dir(name):
                self.remote.rmtree(name)
            else:
                self.remote.remove(name)

    def mv(self, path1: str, path2: str, recursive: bool = True, maxdepth: int | None = None, **_options: Any) -> None:  # noqa: ARG002, FBT001, FBT002 - fsspec's
        """Give a file or a folder another name, in one step; a file may replace a file."""
        self.remote.replace(self._strip_protocol(path1), self._strip_protocol(path2))


def _raise_unless_missing(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError | NotADirectoryError):
        raise problem


def _described(name: str, found: RemoteStat | None) -> dict[str, Any]:
    if found is None:
        return {"name": name, "size": None, "type": "other", "mtime": None, "mode": None}
    return {
        "name": name,
        "size": found.size,
        "type": _TYPES[found.kind],
        "mtime": found.mtime,
        "mode": found.st_mode,
    }
