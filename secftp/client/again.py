"""One session after another for verbs that change something: an answer that got lost is asked for once more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self, TypeVar

from secftp.client.connect import Connector
from secftp.errors import ConnectionLost, SecftpError
from secftp.messages import check_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
        """What the step comes to, called once more over a new connection if one is lost; it is told whether that is so.

        If no new connection can be had, the loss of the first is raised: what was done is not known then.
        """
        if self._session is None:
            self._session = self._open.enter_context(self._connector.open())
        try:
            return step(self._session, False)
        except ConnectionLost as lost:
            first = lost
        self._session = None
        with contextlib.suppress(SecftpError, OSError):
            self._open.__exit__(type(first), first, None)
        try:
            self._session = self._open.enter_context(self._connector.open())
        except SecftpError:
            raise first from None
        return step(self._session, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
