"""`secftp.Server`: a server in a thread of a Python program, for tests and for sharing a directory for a while."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Final, Self

from secftp.api.arguments import key_for, suite_for
from secftp.api.values import require_bool, require_callable, require_int, require_permissions, require_text
from secftp.errors import NotADirectory, NotFound, Side, UsageError
from secftp.keys import generate_key, read_key_file, refuse_beneath
from secftp.server.access import Access
from secftp.server.log import Log, LogLevel
from secftp.server.log_format import printable
from secftp.server.options import OBJECT_TIMES
from secftp.server.path_checks import CodePaths
from secftp.server.roots import open_reachable, prepare_for_writing
from secftp.server.server import DEFAULT_MAX_CLIENTS, FileServer, open_listener
from secftp.storage import LocalStore
from secftp.storage.objects import is_object_url
from secftp.storage.objects.urls import check_url
from secftp.text import show_local
from secftp.transport import require_congestion
from secftp.url import PORT_MAX, Url, format_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from secftp.api.arguments import Cipher, LocalPath, ObjectTimes
    from secftp.keys import Key
    from secftp.server.roots import Root
    from secftp.storage import Store

_LOGGER: Final = logging.getLogger("secftp.server")
_LOGGER.addHandler(logging.NullHandler())  # without a handler, warnings would go to standard error
# The address in the URL of a server that listens on all addresses.
_REACHABLE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_ALL_CIPHERS: Final[tuple[Cipher, ...]] = ("none", "aes128", "aes256")


class Server:
    """A server of a directory, in a thread of this process; a context manager that starts and stops it.

    Nothing is printed. Log lines go to the logger `secftp.server`, or to `log`. Names in them are escaped; keys never
    appear. By default only this machine can connect.

    Args:
        root (str, bytes or os.PathLike): The directory to serve; or, as a str, the URL of one in an object store
            (`s3://bucket/prefix`, `gs://...`, `az://...`), with credentials from the environment.
        key (str, Key or None, default None): The key of the clients, as a text or a `Key`. Without `key` and `key_file`
            a new one is generated (see the attribute `key`), unless the server is anonymous.
        key_file (str, bytes or os.PathLike or None, default None): The path of a file with the key; `~` is the home
            directory.
        port (int, default 0): The TCP port, 0 for a free one.
        host (str, default '127.0.0.1'): An address of this machine, '' for all.
        anonymous (bool, default False): Clients without a key may read.
        anonymous_write (bool, default False): Clients without a key may read and write.
        read_only (bool, default False): No client may write.
        overwrite (bool, default True): If false, no client may replace, rename over or remove anything.
        mode_mask (int, default 0o777): The permission bits that clients may set.
        object_times (str, default 'own'): In an object store: 'own' for each file's own time, with a request for each
            file of a listing, or 'stored' for the time at which the store got it.
        max_clients (int, default 256): The limit of sessions at once.
        ciphers (iterable of str, default ('none', 'aes128', 'aes256')): The ciphers that clients may use.
        congestion (str or None, default None): The congestion control (Linux) of what clients read; None leaves the
            system's.
        log (callable or None, default None): Called with each line of the log, from any thread.

    Raises:
        UsageError: An argument is invalid (a ValueError).
        KeyFormatError: The key or the key file can't be used (a ValueError).

    Example:
        >>> with secftp.Server(directory) as server:
        ...     with secftp.connect(server.url, key=server.key) as client:
        ...         client.write_text("hello.txt", "Hello!")
        ...         client.listdir()
        6
        ['hello.txt']
    """

    def __init__(
        self,
        root: LocalPath,
        key: str | Key | None = None,
        *,
        key_file: LocalPath | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        anonymous: bool = False,
        anonymous_write: bool = False,
        read_only: bool = False,
        overwrite: bool = True,
        mode_mask: int = 0o777,
        object_times: ObjectTimes = "own",
        max_clients: int = DEFAULT_MAX_CLIENTS,
        ciphers: Iterable[Cipher] = _ALL_CIPHERS,
        congestion: str | None = None,
        log: Callable[[str], object] | None = None,
    ) -> None:
        self._root = os.fsdecode(root)
        self._directory = None if is_object_url(self._root) else self._root
        if self._directory is None:
            check_url(self._root)
        if object_times not in OBJECT_TIMES:
            raise UsageError("object_times must be 'own' or 'stored'.")
        self._object_times = object_times
        if congestion is not None:
            require_congestion(require_text("congestion", congestion))
        if isinstance(ciphers, str) or not hasattr(ciphers, "__iter__"):
            raise UsageError("ciphers must be a list of ciphers.")
        require_bool("anonymous", anonymous)
        require_bool("anonymous_write", anonymous_write)
        require_bool("read_only", read_only)
        require_bool("overwrite", overwrite)
        require_callable("log", log)
        self._key = self._choose_key(key, key_file, optional=anonymous or anonymous_write)
        self._access = Access(
            None if self._key is None else key_for(self._key),
            suites=frozenset(map(suite_for, ciphers)),
            anonymous=anonymous,
            anonymous_write=anonymous_write,
            read_only=read_only,
            overwrite=overwrite,
        )
        self._is_written = not read_only and (self._key is not None or anonymous_write)
        self._replaces = overwrite
        self._host = require_text("host", host)
        self._port = require_int("port", port, 0, PORT_MAX, shown=f"from 0 to {PORT_MAX}")
        self._mode_mask = require_permissions("mode_mask", mode_mask)
        self._max_clients = require_int("max_clients", max_clients, 1)
        self._congestion = congestion
        self._log = _Forwarded(log)
        self._running: tuple[FileServer, threading.Thread] | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()

    @property
    def key(self) -> str | Key | None:
        """The key of the clients: as it was given, or the text of the one that was generated.

        None if only anonymous clients are accepted.
        """
        return self._key

    @property
    def port(self) -> int:
        """The TCP port; of a server that was given 0, the free one that it listens on once it is started."""
        return self._port

    @property
    def host(self) -> str:
        """The address, as it was given."""
        return self._host

    @property
    def url(self) -> str:
        """The URL of the served directory.

        Raises:
            UsageError: The port is not known yet.
        """
        if not self._port:
            raise UsageError("The server is not started yet.", hint="Use it in a with block, or call start().")
        host = _REACHABLE.get(self._host, self._host)
        return format_url(Url(host, self._port, "", (), trailing_slash=True))

    def start(self) -> Self:
        """Start the server; it accepts clients when this returns.

        Returns:
            Server: The server itself.

        Raises:
            NotFound: The directory, or the bucket, does not exist.
            NotADirectory: The path is that of a file.
            Forbidden: There are no credentials for the object store, or it refuses them.
            ServerUnreachable: The object store can't be reached.
            InstallationError: The library for object stores is missing.
            UsageError: The server is running, the host or the port can't be listened on, or clients may write to a
                directory from which this program loads code (an entry of `sys.path`, the program itself); or nothing
                may be replaced, and the object store can't ensure that.
        """
        with self._lock:
            if self._running is not None:
                raise UsageError("The server is running.")
            self._process = os.getpid()
            with contextlib.ExitStack() as undo:
                store = undo.enter_context(contextlib.closing(self._open_store()))
                engine = FileServer(store, self._access, self._log, max_clients=self._max_clients)
                listener = open_listener([self._host] if self._host else [], self._port)
                undo.callback(listener.close)
                if self._congestion is not None:
                    listener.set_congestion(self._congestion)

                def run() -> None:
                    with contextlib.closing(store):
                        engine.serve(listener)

                thread = threading.Thread(target=run, name="secftp-server", daemon=True)
                port = listener.port
                thread.start()
                undo.pop_all()  # the thread closes them from now on
                self._port, self._running = port, (engine, thread)
        return self

    def stop(self, *, abort: bool = False) -> None:
        """Stop the server: accept no more clients, wait five seconds for transfers to end, and close the sessions.

        Idempotent.

        Args:
            abort (bool, default False): Abort transfers at once; none of them leaves an incomplete file.
        """
        with self._lock:
            running, self._running = self._running, None
        if running is None or self._process != os.getpid():
            return  # a forked process has a copy of this object and no server
        engine, thread = running
        engine.stop()
        if abort:
            engine.stop()
        thread.join()

    def __enter__(self) -> Self:
        return self if self._running is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(abort=kind is not None)

    def __repr__(self) -> str:
        state = "running" if self._running is not None else "stopped"
        host = f"[{self._host}]" if ":" in self._host else self._host or "*"
        return f"<secftp.Server {self._root!r} {state} at {host}:{self._port}>"

    def _choose_key(self, key: str | Key | None, key_file: LocalPath | None, *, optional: bool) -> str | Key | None:
        if key_file is not None:
            if key is not None:
                raise UsageError("Only one of key and key_file can be given.")
            name = os.path.expanduser(os.fsdecode(key_file))
            if self._directory is not None:
                refuse_beneath(name, self._directory)
            return read_key_file(name)
        return generate_key() if key is None and not optional else key

    def _open_store(self) -> Store:
        with contextlib.ExitStack() as undo:
            store = undo.enter_context(contextlib.closing(self._open_root()))
            if self._is_written:
                prepare_for_writing(store, replaces=self._replaces, tell=self._tell)
            undo.pop_all()
            return store

    def _tell(self, text: str) -> None:
        self._log.line(f"In the served directory, {text}", LogLevel.WARNING)

    def _open_root(self) -> Root:
        if self._directory is None:
            return open_reachable(self._root, times=self._object_times, mode_mask=self._mode_mask)
        if not os.path.isdir(self._root):
            shown = show_local(self._root)
            if os.path.lexists(self._root):
                raise NotADirectory(f"{shown} is not a directory.", filename=self._root, side=Side.LOCAL)
            raise NotFound(f"There is no directory {shown}.", filename=self._root, side=Side.LOCAL)
        if self._is_written:
            CodePaths().refuse(self._root)
        return LocalStore(self._root, sweep=True, try_locks=self._is_written, mode_mask=self._mode_mask)


class _Forwarded(Log):
    """The server's log, forwarded to a function of the program or to the logger."""

    def __init__(self, tell: Callable[[str], object] | None) -> None:
        super().__init__()
        self._tell = tell

    def lines(self, texts: Iterable[str], level: LogLevel = LogLevel.INFO) -> None:
        """Forward lines; a function that fails never ends a transfer."""
        for text in texts:
            line = printable(text)
            with contextlib.suppress(Exception):
                if self._tell is None:
                    _LOGGER.log(level, "%s", line)
                else:
                    self._tell(line)

    def format_line(self, text: str, level: LogLevel) -> str:
        """Return a line for `write`: with the level, and without a time, which a logger adds."""
        return f"{level.name} {printable(text)}\n"

    def write(self, text: str) -> None:
        """Forward lines that `formed` made."""
        for line in text.splitlines():
            level, _, words = line.partition(" ")
            self.lines([words], LogLevel[level])
