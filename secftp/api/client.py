"""`secftp.connect`, and the `Client` that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from secftp.api.arguments import directory_path, is_directory_name, local_path, path_list
from secftp.api.choice import DEFAULT_CIPHER, DEFAULT_TIMEOUT, choose
from secftp.api.copying import CallbackListener, DownloadOptions, UploadOptions, copy_options, run, shows_options
from secftp.api.files import FileOperations
from secftp.api.naming import names_files, place
from secftp.api.pool import Pool
from secftp.transfer import Download, RemoteLocation, Upload
from secftp.url import format_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Unpack

    from secftp.api.arguments import Cipher, LocalPath, RemotePath
    from secftp.api.copying import OnError, OnProgress, OnSkip
    from secftp.keys import Key
    from secftp.transfer import Summary
    from secftp.url import Url


def connect(
    url: str,
    key: str | Key | None = None,
    *,
    key_file: LocalPath | None = None,
    anonymous: bool = False,
    cipher: Cipher = DEFAULT_CIPHER,
    timeout: float = DEFAULT_TIMEOUT,
    connect_timeout: float | None = None,
    congestion: str | None = None,
    config: bool = False,
) -> Client:
    """Connect to a server and return a `Client`.

    Exactly one of `key`, `key_file` and `anonymous=True` is required, unless `config=True` gives a key. No environment
    variables are read, except those that name the file of hosts (`SECFTP_CONFIG`, `XDG_CONFIG_HOME`, `HOME`).

    Args:
        url (str): `secftp://[name@]host[:port]/path`. The port is 8888 by default, the name is that of a key, and
            relative paths start at the directory `path`. With `config=True` also `host:path`, or the name of a host
            alone.
        key (str, Key or None, default None): The key, as a text or a `Key`.
        key_file (str, bytes or os.PathLike or None, default None): The path of a key file as `secftp keygen` writes it;
            `~` is the home directory.
        anonymous (bool, default False): Use no key, for servers that accept anonymous clients.
        cipher (str, default 'aes256'): `aes256`, `aes128`, or `none`, which authenticates the data without encrypting
            it.
        timeout (float, default 60.0): The limit in seconds for connecting, for the handshake (which a server may delay
            after wrong keys), and for the server's silence afterwards; a busy server sends a keepalive every 15
            seconds.
        connect_timeout (float or None, default None): The limit in seconds for connecting, in place of `timeout`.
        congestion (str or None, default None): The congestion control (Linux: `reno`, `cubic`, `bbr`, ...) of what this
            program sends; None leaves the system's. What is read is sent by the server, whose own choice counts
            (`secftpd --congestion`).
        config (bool, default False): Read the user's file of hosts, as the command line does: for the URL of a host,
            and for its key, cipher and time limits where no argument gives them. It may name a command that is run.

    Returns:
        Client: A client that is connected.

    Raises:
        UsageError: An argument is invalid (a ValueError).
        KeyFormatError: The key or the key file can't be used (a ValueError).
        ServerUnreachable: There is no such host, or nothing listens there (a ConnectionError).
        TransferTimeout: The server did not answer in time (a TimeoutError).
        AuthenticationError: The key is wrong (a PermissionError).
        HandshakeRefused: The server refuses the cipher, the version, or anonymous clients (a ConnectionError).
        ServerBusy: The server has as many clients as it accepts.
        ConnectionLost: The connection broke off.
        ProtocolError: What answered is not a secftp server.

    Example:
        >>> with secftp.connect(server.url, key=server.key) as client:
        ...     client.exists("backup")
        True
    """
    choice = choose(
        url,
        anonymous=anonymous,
        cipher=cipher,
        timeout=timeout,
        connect_timeout=connect_timeout,
        congestion=congestion,
        config=config,
    )
    credentials = choice.credentials(key, key_file, anonymous=anonymous)
    location = choice.location
    pool = Pool(
        location.host,
        location.port,
        credentials,
        timeout=choice.timeout,
        connect_timeout=choice.connect_timeout,
        congestion=congestion,
    )
    with pool.session():
        pass  # so that a failure is raised here and not by a later request
    return Client(pool, location)


class Client(FileOperations):
    """A client of a server; `connect` returns it. A context manager that closes its connections.

    Paths are `str`, `bytes` or `pathlib` paths; paths that are returned are `bytes` for `bytes` and else `str`. A path
    that begins with a slash starts at the served directory, any other at the directory of the URL.

    A client is thread-safe. It opens connections as they are needed: up to four for short requests (more if some take
    longer than five seconds), one for each file that is being written and one for each copy. Idle connections are
    closed after a while and opened again, so a client can be used as long as the program runs, also after a restart of
    the server. A forked process opens its own.

    All exceptions are a `SecftpError`. Failures of a file are a `FileError`, an OSError; most are also the exception
    that Python has for them, as `NotFound` is a FileNotFoundError. Their `filename` is the path as it was given to the
    method. Each method can also raise what ends a connection, as `ConnectionLost`, and `UsageError` once the client is
    closed.

    Example:
        >>> with secftp.connect(server.url, key=server.key) as client:
        ...     client.listdir("backup/old")
        []
    """

    def __init__(self, pool: Pool, location: Url) -> None:
        super().__init__(pool, location.path)
        self._location = location

    @property
    def url(self) -> str:
        """The URL of the directory at which relative paths start."""
        return format_url(self._location._replace(trailing_slash=True))

    @property
    def closed(self) -> bool:
        """Whether the client is closed."""
        return self._pool.closed

    # The options are those of the command line, declared once in `CopyOptions`. They are keywords of the methods and
    # not an object, as in shutil and asyncssh; a TypedDict gives their types, and the decorator shows them in help().

    @names_files("target")
    @shows_options(UploadOptions)
    def put(
        self,
        source: LocalPath | Iterable[LocalPath],
        target: RemotePath = "",
        *,
        on_progress: OnProgress | None = None,
        on_error: OnError | None = None,
        on_skip: OnSkip | None = None,
        retries: int = 0,
        **options: Unpack[UploadOptions],
    ) -> Summary:
        """Copy local files and directories to the server and return a summary.

        Each file appears whole, with a verified digest, or not at all. A copy continues when a file fails.

        A pattern without a slash matches names at any depth, one with a slash paths below the source, one with a slash
        at the end directories alone: `*.o`, `docs/*.html`, `cache/`.

        Args:
            source (str, bytes, os.PathLike or iterable of them): A path or several. Of `.`, and of a path that ends in
                `/.`, the contents are copied.
            target (str, bytes or os.PathLike, default ''): As for `cp`, the directory to copy into if it exists, and
                else the new name; with a trailing slash a directory, which is created. Several sources require one.
            on_progress (callable or None, default None): Called with a `CopyProgress`, about once for each MiB and at
                the end of each file. An exception of a callback ends the copy.
            on_error (callable or None, default None): Called with a name and a `FileError` for each file that fails,
                which then raises nothing at the end.
            on_skip (callable or None, default None): Called with a name and a reason for each name that is skipped.
            retries (int, default 0): How many times to connect again after a lost connection, with exponential backoff.
            **options: The options of `secftp put`.

        Returns:
            Summary: What was copied, in files and bytes, and what was skipped or failed.

        Raises:
            NotFound: The source does not exist, or the directory of the target.
            NotADirectory: The target has to be a directory, and is a file.
            FileError: The copy of one file failed, and there is no `on_error`.
            CopyIncomplete: Some of several files failed, and there is no `on_error`.
            UsageError: An option is invalid (a ValueError).
            InstallationError: The library for compression is missing.
            ConnectionLost: The connection broke off, more often than there were retries.

        Example:
            >>> summary = client.put(directory / "photos", "backup")
            >>> summary.files, summary.bytes
            (2, 2048)
            >>> sorted(client.listdir("backup/photos"))
            ['1.jpg', '2.jpg']
        """
        listener = CallbackListener(on_progress, on_error, on_skip, [place(target, self._base)])
        sources = list(map(local_path, path_list(source)))
        upload = Upload(sources, self._location_of(target), copy_options(options, UploadOptions), listener)
        return run(self._pool, upload, listener, retries)

    @names_files("source")
    @shows_options(DownloadOptions)
    def get(
        self,
        source: RemotePath | Iterable[RemotePath],
        target: LocalPath = ".",
        *,
        on_progress: OnProgress | None = None,
        on_error: OnError | None = None,
        on_skip: OnSkip | None = None,
        retries: int = 0,
        **options: Unpack[DownloadOptions],
    ) -> Summary:
        """Copy files and directories of the server to this machine and return a summary.

        Each file appears whole, with a verified digest, or not at all. A copy continues when a file fails. Patterns are
        those of `put`.

        Args:
            source (str, bytes, os.PathLike or iterable of them): A path or several.
            target (str, bytes or os.PathLike, default '.'): As for `cp`, the directory to copy into if it exists, and
                else the new name; with a trailing slash a directory, which is created. Several sources require one.
            on_progress (callable or None, default None): Called with a `CopyProgress`, about once for each MiB and at
                the end of each file. An exception of a callback ends the copy.
            on_error (callable or None, default None): Called with a name and a `FileError` for each file that fails,
                which then raises nothing at the end.
            on_skip (callable or None, default None): Called with a name and a reason for each name that is skipped.
            retries (int, default 0): How many times to connect again after a lost connection, with exponential backoff.
            **options: The options of `secftp get`.

        Returns:
            Summary: What was copied, in files and bytes, and what was skipped or failed.

        Raises:
            NotFound: The source does not exist, or the directory of the target.
            NotADirectory: The target has to be a directory, and is a file.
            FileError: The copy of one file failed, and there is no `on_error`.
            CopyIncomplete: Some of several files failed, and there is no `on_error`.
            UsageError: An option is invalid (a ValueError).
            InstallationError: The library for compression is missing.
            ConnectionLost: The connection broke off, more often than there were retries.

        Example:
            >>> client.get("backup/a.bin", directory / "copy.bin").files
            1
            >>> (directory / "copy.bin").read_bytes()
            b'abcdef'
        """
        given = path_list(source)
        places = [place(path, self._base) for path in given]
        listener = CallbackListener(on_progress, on_error, on_skip, places, local_path(target))
        sources = list(map(self._location_of, given))
        download = Download(sources, local_path(target), copy_options(options, DownloadOptions), listener)
        return run(self._pool, download, listener, retries)

    def close(self) -> None:
        """Close all connections. Requests of other threads fail, and a file that is being written never appears."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<secftp.Client {self.url}{' closed' if self.closed else ''}>"

    def _location_of(self, path: RemotePath) -> RemoteLocation:
        return RemoteLocation(directory_path(path, self._base), is_directory_name(path))
