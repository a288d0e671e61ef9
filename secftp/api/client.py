"""The way in for programs: `connect`, and the `Remote` that it returns."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from secftp.api.copying import Report, run
from secftp.api.credentials import credentials_for
from secftp.api.files import RemoteFiles
from secftp.api.names import folder_path, local_name, means_folder, paths
from secftp.api.pool import Pool
from secftp.api.tree import algorithm_for
from secftp.copy import CopyOptions, Download, RemoteLocation, Upload
from secftp.errors import UsageError
from secftp.url import Url, format_url, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from secftp.api.copying import OnError, OnProgress, OnSkip
    from secftp.api.credentials import Cipher
    from secftp.api.names import LocalPath, RemotePath
    from secftp.copy import Summary
    from secftp.keys import Key

    Pattern: TypeAlias = str | bytes

DEFAULT_TIMEOUT: Final = 60.0


def connect(
    url: str,
    key: str | Key | None = None,
    *,
    key_file: LocalPath | None = None,
    anonymous: bool = False,
    cipher: Cipher = "aes256",
    timeout: float = DEFAULT_TIMEOUT,
) -> Remote:
    """Connect to a server: `secftp://[name@]host[:port]/path`, port 8888 if it is left out.

    The path is the folder in which names begin that have no slash in front. `key` is a text or a `secftp.Key`,
    `key_file` the name of a file as `secftp keygen` writes it (`~` is the home folder); `anonymous=True` asks a server
    that takes clients without a key. No environment variable is read. `cipher`: aes256, aes128, or none, with which
    everybody on the way can read (and nobody can change) what is sent. `timeout`: how many seconds connecting may take,
    how many the handshake (a server may delay it after wrong keys), and how long the server may then be silent; one
    that is busy gives a sign of life every 15 seconds.

    Raises `UsageError`, `KeyFormatError`, `ServerUnreachable` (a ConnectionError), `TransferTimeout` (a TimeoutError),
    `AuthenticationError` (a PermissionError: the key is wrong), `HandshakeRefused`, `ConnectionLost`, `ProtocolError`.

    >>> with secftp.connect(server.url, key=server.key) as remote:
    ...     remote.exists("backup")
    True
    """
    place = parse_url(url)
    if not 0 < timeout < math.inf:
        raise UsageError("The timeout must be a number of seconds above 0.")
    credentials = credentials_for(key, key_file, anonymous=anonymous, cipher=cipher, name=place.name)
    pool = Pool(place.host, place.port, credentials, timeout=timeout)
    with pool.session():
        pass  # what is wrong shows here, and not at some later request
    return Remote(pool, place)


class Remote(RemoteFiles):
    """A connection to a server, from `secftp.connect`: all that can be done with what it serves.

    Paths are `str`, `bytes` or `pathlib` paths; entries of listings come back as the same kind (`str` for all but
    bytes). A path that begins with a slash starts at the served folder, any other at the folder of the URL.

    It may be shared by threads: there are as many connections beneath it as are used at once, up to four for short
    requests (more where some of them take longer than five seconds), and one for each file that is being written and
    each tree that is being copied. Those that lie idle are
    given up after a while and opened anew at the next request, so it lasts for as long as the program does, also when
    the server is started again. A forked process opens its own.

    All exceptions are `secftp.SecftpError`; those about a file are `secftp.FileError`, an OSError. Each is also what
    Python has for it: `NotFound` a FileNotFoundError, `Forbidden` and `AuthenticationError` a PermissionError,
    `IsADirectory` an IsADirectoryError, `TransferTimeout` a TimeoutError, `ConnectionLost` a ConnectionError.
    """

    def __init__(self, pool: Pool, place: Url) -> None:
        super().__init__(pool, place.path)
        self._place = place

    @property
    def url(self) -> str:
        """The URL of the folder in which names begin."""
        return format_url(self._place._replace(trailing_slash=True))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._pool.closed

    def put(
        self,
        source: LocalPath | Iterable[LocalPath],
        target: RemotePath = "",
        *,
        progress: OnProgress | None = None,
        on_error: OnError | None = None,
        on_skip: OnSkip | None = None,
        preserve: bool = True,
        follow: bool = False,
        include: Iterable[Pattern] = (),
        exclude: Iterable[Pattern] = (),
        dry_run: bool = False,
        overwrite: bool = True,
        update: bool = False,
        resume: bool = False,
        retries: int = 0,
        rate: int | None = None,
        checksum: str = "xxh128",
    ) -> Summary:
        """Copy files and whole folders of this machine to the server; what was done.

        As with `cp`: into `target` if that is a folder there, else as that name; a trailing slash means a folder,
        which is made. Several sources need a folder. Of `.` and of a name that ends in `/.` the content is meant. Each
        file appears whole or not at all.

        `preserve`: keep permissions and modification times. `follow`: copy what links lead to; else they are left out.
        `include`, `exclude`: globs of the names to copy and to leave out. `dry_run`: report, and change nothing.
        `overwrite=False`: skip what exists. `update`: skip what has the same size and modification time. `resume`: go
        on with files that were broken off, after what is there has been verified. `retries`: how many times to connect
        again if the connection is lost, with growing pauses. `rate`: bytes a second at the most. `checksum`: xxh128,
        sha256, blake3 or md5.

        `progress` gets a `CopyProgress` about once a MiB and at the end of each file. `on_skip` is called with a name
        and a reason. `on_error` is called with a name and a `FileError` for each file that fails; without it, the
        error of a single file, or `CopyIncomplete`, is raised after all others were copied. What a callback raises
        ends the copy.

        >>> summary = remote.put(folder / "photos", "backup")
        >>> summary.files, summary.bytes
        (2, 2048)
        >>> sorted(remote.listdir("backup/photos"))
        ['1.jpg', '2.jpg']
        """
        report = Report(progress, on_error, on_skip)
        options = CopyOptions(
            preserve=preserve,
            follow_symlinks=follow,
            include=_patterns(include),
            exclude=_patterns(exclude),
            dry_run=dry_run,
            overwrite=overwrite,
            update=update,
            resume=resume,
            limit_rate=_rate(rate),
            checksum=algorithm_for(checksum),
        )
        sources = list(map(local_name, paths(source)))
        return run(self._pool, Upload(sources, self._copied(target), options, report), report, retries)

    def get(
        self,
        source: RemotePath | Iterable[RemotePath],
        target: LocalPath = ".",
        *,
        progress: OnProgress | None = None,
        on_error: OnError | None = None,
        on_skip: OnSkip | None = None,
        preserve: bool = True,
        include: Iterable[Pattern] = (),
        exclude: Iterable[Pattern] = (),
        dry_run: bool = False,
        overwrite: bool = True,
        update: bool = False,
        resume: bool = False,
        retries: int = 0,
        rate: int | None = None,
        checksum: str = "xxh128",
    ) -> Summary:
        """Copy files and whole folders of the server to this machine; what was done. Everything else as `put`.

        >>> remote.get("backup/a.bin", folder / "copy.bin").files
        1
        >>> (folder / "copy.bin").read_bytes()
        b'abcdef'
        """
        report = Report(progress, on_error, on_skip)
        options = CopyOptions(
            preserve=preserve,
            include=_patterns(include),
            exclude=_patterns(exclude),
            dry_run=dry_run,
            overwrite=overwrite,
            update=update,
            resume=resume,
            limit_rate=_rate(rate),
            checksum=algorithm_for(checksum),
        )
        sources = list(map(self._copied, paths(source)))
        return run(self._pool, Download(sources, local_name(target), options, report), report, retries)

    def close(self) -> None:
        """Close all connections. What is under way in other threads fails; a file being written never appears."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<secftp.Remote {self.url}{' closed' if self.closed else ''}>"

    def _copied(self, path: RemotePath) -> RemoteLocation:
        return RemoteLocation(folder_path(path, self._base), means_folder(path))


def _patterns(patterns: Iterable[Pattern]) -> tuple[bytes, ...]:
    if isinstance(patterns, str | bytes):
        raise TypeError("include and exclude are lists of patterns")
    return tuple(map(os.fsencode, patterns))


def _rate(rate: int | None) -> int | None:
    if rate is not None and rate <= 0:
        raise UsageError("The rate must be a number of bytes a second above 0.")
    return rate
