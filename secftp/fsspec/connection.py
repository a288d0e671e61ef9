"""The connection of a file system for fsspec to its server, and its names; the base of the classes with the methods."""

from __future__ import annotations

import atexit
import json
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fsspec import AbstractFileSystem

from secftp.api.arguments import directory_path
from secftp.api.choice import DEFAULT_CIPHER, DEFAULT_TIMEOUT
from secftp.api.client import Client, connect
from secftp.errors import UsageError
from secftp.fsspec import paths
from secftp.fsspec.keys import HeldKey, KeyedInstances
from secftp.fsspec.paths import number_of, truth_of
from secftp.url import DEFAULT_PORT, Url, format_url, is_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.api.arguments import Cipher, LocalPath
    from secftp.api.pool import Pool
    from secftp.keys import Key
    from secftp.storage import Path


# Those that have connected. Libraries that use a file system for their user (pandas, for example) never close it.
_connected: Final[weakref.WeakValueDictionary[int, Connected]] = weakref.WeakValueDictionary()


class Unsupported(UsageError, NotImplementedError):
    """A method of fsspec, or an option of one, that secftp can't carry out as promised."""


class _StripProtocol:
    """The method `_strip_protocol`, which fsspec calls on the class and on file systems.

    A file system refuses a URL of another server: fsspec makes one for the first URL of a list, and DuckDB asks the one
    that is registered for all URLs. It would return the file of that name at its own server.
    """

    def __get__(self, filesystem: Connected | None, _kind: type) -> Callable[[Any], Any]:
        if filesystem is None:
            return paths.strip_protocol
        return lambda path: paths.strip_protocol(path, of=filesystem._location)  # noqa: SLF001 - of this module


class Connected(AbstractFileSystem, metaclass=KeyedInstances):  # type: ignore[misc]  # fsspec has no types
    """A file system that connects when it is used.

    `host`, `port`, `username`, `key` and the other parameters: see `secftp.fsspec.filesystem.SecftpFileSystem`.
    """

    protocol = "secftp"
    root_marker = "/"
    auto_mkdir: bool

    def __init__(
        self,
        host: str = "",
        port: int | str = DEFAULT_PORT,
        username: str = "",
        *,
        key: str | Key | HeldKey | None = None,
        key_file: LocalPath | None = None,
        anonymous: bool | str = False,
        cipher: Cipher = DEFAULT_CIPHER,
        timeout: float | str = DEFAULT_TIMEOUT,
        connect_timeout: float | str | None = None,
        congestion: str | None = None,
        config: bool | str = False,
        auto_mkdir: bool | str = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.auto_mkdir = truth_of("auto_mkdir", auto_mkdir)
        if not host:
            raise UsageError("No server was given.", hint="Write secftp://HOST/PATH, or give host=...")
        self._location = Url(host, int(number_of("port", port)), username, (), trailing_slash=True)
        self._arguments: dict[str, Any] = {
            "key": key.key if isinstance(key, HeldKey) else key,
            "key_file": key_file,
            "anonymous": truth_of("anonymous", anonymous),
            "cipher": cipher,
            "timeout": number_of("timeout", timeout),
            "connect_timeout": None if connect_timeout is None else number_of("connect_timeout", connect_timeout),
            "congestion": congestion,
            "config": truth_of("config", config),
        }
        self._client: Client | None = None
        self._closes = 0
        self._make_locks()

    def _make_locks(self) -> None:
        self._process = os.getpid()
        self._connecting = threading.Lock()
        self._lock = threading.Lock()  # for the attributes of the connection, never held for long

    @property
    def client(self) -> Client:
        """The client that is used; raises what `secftp.connect` does, and `UsageError` if it is closed meanwhile."""
        if self._process != os.getpid():
            self._make_locks()  # a thread of the parent may have held them during the fork
        with self._connecting:
            with self._lock:
                if self._client is not None and not self._client.closed:
                    return self._client
                closes = self._closes
            made = connect(format_url(self._location), **self._arguments)
            with self._lock:
                if closes == self._closes:
                    self._client = made
                    _connected[id(self)] = self
                    return made
        made.close()
        raise UsageError("The file system was closed while it was connecting.")

    @property
    def _pool(self) -> Pool:
        return self.client._pool  # noqa: SLF001 - of this package

    def close(self) -> None:
        """Close the connections, without waiting for one that is being opened; the next request opens new ones."""
        if self._process != os.getpid():
            self._make_locks()
        with self._lock:
            self._closes += 1
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __repr__(self) -> str:
        return f"<secftp.SecftpFileSystem {format_url(self._location)}>"

    # --- names --------------------------------------------------------------------------------------------------------

    _strip_protocol = _StripProtocol()

    @staticmethod
    def _get_kwargs_from_urls(path: Any) -> dict[str, Any]:
        return paths.options_of(path)

    @classmethod
    def _parent(cls, path: Any) -> str:
        return paths.parent_of(paths.strip_protocol(path))

    def unstrip_protocol(self, name: str) -> str:
        """Return the URL of a path; what is a URL already is returned as it is."""
        if isinstance(name, str) and is_url(name):
            return name
        self._path(name)  # which raises what no server accepts
        return paths.url_of(self._location, self._strip_protocol(name))

    @property
    def fsid(self) -> str:
        """What tells this server from others: its address and the name of the key."""
        return format_url(self._location)

    def _path(self, name: Any) -> Path:
        """Return the components of a path; raises `NameRefused`."""
        return directory_path(self._strip_protocol(name))

    # --- what the options of a file system are to others --------------------------------------------------------------

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Return a dictionary for JSON, of which fsspec makes the file system again. It never holds a key.

        Raises `UsageError` for a file system with a key that is not in a file, unless without `include_password`.
        """
        options = {name: value for name, value in self.storage_options.items() if name != "key"}
        if include_password and self.storage_options.get("key") is not None:
            raise UsageError(
                "A key can't be made part of JSON.",
                hint="Give key_file=... instead of key=..., or say include_password=False.",
            )
        names = {name: os.fsdecode(value) for name, value in options.items() if isinstance(value, os.PathLike | bytes)}
        kind = type(self)
        return {
            "cls": f"{kind.__module__}:{kind.__name__}",
            "protocol": self.protocol,
            "args": list(self.storage_args),
            **options,
            **names,
        }

    def to_json(self, *, include_password: bool = True) -> str:
        """Return what `to_dict` does as a text."""
        return json.dumps(self.to_dict(include_password=include_password))


@atexit.register
def close_all() -> None:
    """Close the connections of every file system of this process."""
    for filesystem in list(_connected.values()):
        filesystem.close()


def refuse(sentence: str, *, hint: str = "") -> NoReturn:
    """Raise `Unsupported`."""
    raise Unsupported(sentence, hint=hint)


def name_of(path: Path) -> str:
    """Return the path of components as fsspec has it."""
    return "/" + b"/".join(path).decode("utf-8", "surrogateescape")
