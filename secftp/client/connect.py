"""From the options of a command line to an open session, as often as necessary.

The key is obtained and stretched once. Invariant: a core dump of this process does not contain it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self, TypeVar

from secftp import system
from secftp.client.key import choose_key
from secftp.crypto import Mode, Password, Suite
from secftp.errors import (
    ConnectionLost,
    FileError,
    KeyFormatError,
    NotADirectory,
    SecftpError,
    ServerUnreachable,
    TransferTimeout,
)
from secftp.protocol import Kind, check_path, remote_failure
from secftp.session import Session
from secftp.storage import load_digests
from secftp.transport import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from secftp.client.options import ConnectionOptions
    from secftp.client.terminal import Terminal
    from secftp.keys import Key
    from secftp.protocol import Info
    from secftp.session.requested import RequestedListing
    from secftp.transport.tcp_totals import TcpTotals
    from secftp.url import Url

_T = TypeVar("_T")


@contextlib.contextmanager
def suggesting(options: ConnectionOptions) -> Iterator[None]:
    """Add to the hint of a failure that the host may be one of the user's file, mistyped."""
    try:
        yield
    except (KeyFormatError, ServerUnreachable, TransferTimeout) as problem:
        from secftp.command_line import closest

        if similar := closest(options.endpoint.host, options.other_hosts):
            problem.hint = f"Did you mean {similar}, which is in the file of hosts? {problem.hint}"
        raise


class Connector:
    """Opens sessions with one server.

    `on_wait` is called when the server takes its time to answer a handshake; a `checksum` is loaded before the first.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        obtain: Callable[[], Key] | None,
        on_wait: Callable[[], None],
        *,
        checksum: str | None = None,
    ) -> None:
        self._options = options
        self._on_wait = on_wait
        self._obtain = obtain
        self._checksum = checksum
        self._credentials: Credentials | None = None
        self.totals: TcpTotals | None = None  # of the connections, if they are to be counted

    @classmethod
    def choose(cls, options: ConnectionOptions, on_wait: Callable[[], None]) -> Self:
        """Return one with the key that the options say; raises as `choose_key` does."""
        return cls(options, choose_key(options), on_wait)

    @property
    def has_key(self) -> bool:
        """Return whether a connection was attempted, for which the key was needed."""
        return self._credentials is not None

    def open(self) -> Session:
        """Connect and perform the handshake. Raises what `Session.open` and obtaining the key raise."""
        return self._open(self.credentials(), self._on_wait)

    def credentials(self) -> Credentials:
        """Return what the handshake takes; the key is obtained by the first call, and raises what that raises."""
        if self._credentials is None:
            with suggesting(self._options):
                self._credentials = self._make_credentials()
        return self._credentials

    def _open(
        self,
        credentials: Credentials,
        on_wait: Callable[[], None] | None,
        wanted: Callable[[], bool] | None = None,
    ) -> Session:
        options, endpoint = self._options, self._options.endpoint
        with suggesting(options):
            session = Session.open(
                endpoint.host,
                endpoint.port,
                credentials,
                timeout=options.timeout,
                connect_timeout=options.connect_timeout,
                on_wait=on_wait,
                congestion=options.congestion,
                wanted=wanted,
            )
        if self.totals is not None:
            self.totals.watch(session.pipeline.channel)
        return session

    def open_stream(self, is_wanted: Callable[[], bool]) -> Session:
        """Open an additional session of a copy, in any thread; the user is not told if that takes its time."""
        assert self._credentials is not None  # the session of the copy is open
        return self._open(self._credentials, None, is_wanted)

    def run(self, work: Callable[[Session], _T]) -> _T:
        """Return what `work` returns for a new session."""
        with self.open() as session:
            return work(session)

    def _make_credentials(self) -> Credentials:
        with contextlib.suppress(OSError, ImportError):  # a sandbox may forbid it, and then has its own rules
            system.forbid_dumps()  # they would hold the key
        options = self._options
        if self._checksum is not None:
            load_digests(self._checksum)
        suite = Suite[options.cipher.upper()]
        if self._obtain is None:
            return Credentials(Password.anonymous(), suite, Mode.ANONYMOUS, options.endpoint.name)
        return Credentials(self._obtain().password(), suite, Mode.KEYED, options.endpoint.name)


class ChangingSessions:
    """One session after another with the server of the URLs, for changes that are repeated if an answer is lost."""

    def __init__(self, options: ConnectionOptions, urls: Sequence[Url], terminal: Terminal, *, quiet: bool) -> None:
        terminal.quiet = quiet
        check_paths(urls)
        self._connector = Connector.choose(options, terminal.waiting)
        self._open = contextlib.ExitStack()
        self._session: Session | None = None

    def change(self, step: Callable[[Session, bool], _T]) -> _T:
        """Make a change as `change_once` does."""
        from secftp.session.retry import change_once

        return change_once(self._current, step)

    @contextlib.contextmanager
    def _current(self) -> Iterator[Session]:
        if self._session is None:
            self._session = self._open.enter_context(self._connector.open())
        try:
            yield self._session
        except ConnectionLost as lost:
            self._session = None
            with contextlib.suppress(SecftpError, OSError):
                self._open.__exit__(type(lost), lost, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


@contextlib.contextmanager
def open_session(
    options: ConnectionOptions, urls: Sequence[Url], terminal: Terminal, *, quiet: bool
) -> Iterator[Session]:
    """Open a session with the server of the URLs, whose paths are checked first."""
    terminal.quiet = quiet
    check_paths(urls)
    with Connector.choose(options, terminal.waiting).open() as session:
        yield session


def check_paths(urls: Iterable[Url]) -> None:
    """Raise `NameRefused` for a path that no server accepts, before one is asked."""
    for url in urls:
        if url.path:
            check_path(url.path)


def check_congestion(options: ConnectionOptions) -> None:
    """Raise `UsageError` for a congestion control that the kernel refuses, before a key is asked for."""
    if options.congestion is not None:
        from secftp.transport import require_congestion

        require_congestion(options.congestion)


def stat_url(session: Session, url: Url) -> Info:
    """Return what the server knows of a URL. Raises `NotADirectory` for a file whose URL ends with a slash."""
    return checked_kind(url, session.stat(url.path))


def stat_and_list(
    session: Session, url: Url, *, recursive: bool = False, others: bool = False
) -> tuple[Info, RequestedListing]:
    """Return what `stat_url` does, and the listing of the URL, requested together: of a directory, else of no use."""
    asked, listing = session.begin_stat(url.path), session.begin_list(url.path, recursive=recursive, others=others)
    try:
        return checked_kind(url, asked.result()), listing
    except BaseException:
        listing.drop()
        raise


def checked_kind(url: Url, info: Info) -> Info:
    """Return what the server said of a URL. Raises `NotADirectory` for a file whose URL ends with a slash."""
    if url.trailing_slash and info.kind is not Kind.DIRECTORY:
        raise not_a_directory(url)
    return info


def not_a_directory(url: Url) -> FileError:
    """Return the failure of a file whose URL ends with a slash."""
    return remote_failure(NotADirectory, url.path, "it is a file.", hint="Leave out the slash at the end.")
