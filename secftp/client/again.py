"""One session after another for verbs that change something: an answer that got lost is asked for once more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self, TypeVar

from secftp.client.connect import Connector
from secftp.errors import ConnectionLost, SecftpError
from secftp.messages import check_path
from secftp.session.retry import change_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from secftp.client.common import Connection
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Url

_T = TypeVar("_T")


class Changing:
    """Sessions with the server of the URLs, whose paths are checked before it hears of them; a context manager."""

    def __init__(self, connection: Connection, urls: Sequence[Url], terminal: Terminal, *, quiet: bool) -> None:
        terminal.quiet = quiet
        for url in urls:
            if url.path:
                check_path(url.path)
        self._connector = Connector.choose(connection, terminal.waiting)
        self._open = contextlib.ExitStack()
        self._session: Session | None = None

    def change(self, step: Callable[[Session, bool], _T]) -> _T:
        """Make a change as `change_once` does."""
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
