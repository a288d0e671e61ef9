"""What the verbs that act on names at the server share: the session, how names look, and several failures at once.

A failure of one name leaves the others alone. One failure is told like any other; of several each gets a line as it
happens, and the exit code is 1.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Self

from secftp.client.connect import Connector
from secftp.errors import FileError, SecftpError
from secftp.messages import check_path
from secftp.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from secftp.client.common import Connection
    from secftp.client.terminal import Terminal
    from secftp.places import Path, Url
    from secftp.session import Session

_ROOT: Final = "/"


class PartialFailure(SecftpError):
    """Some of what was asked for could not be done; what each failure was has been told."""


class Failures:
    """What went wrong, name by name, in a `with` block whose end says how it all ended.

    In order it raises the only failure, `PartialFailure` for several, and nothing if there was none.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._count = 0
        self._kept: FileError | None = None

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """In its block the failure of a file is noted, and ends nothing else."""
        try:
            yield
        except FileError as problem:
            self.add(problem)

    def add(self, problem: FileError) -> None:
        """Take note. The first is kept back: it may stay the only one, and is then told with its hint."""
        self._count += 1
        if self._count == 1:
            self._kept = problem
        else:
            self.tell()
            self._terminal.failed(problem)

    def tell(self) -> None:
        """Tell what was kept back."""
        if self._kept is not None:
            self._terminal.failed(self._kept)
            self._kept = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._kept is not None:
            raise self._kept
        self.tell()
        if kind is None and self._count:
            raise PartialFailure(f"{self._count} failures, each told above.", hint="The rest was done.")


@contextlib.contextmanager
def opened(connection: Connection, urls: Sequence[Url], terminal: Terminal, *, quiet: bool) -> Iterator[Session]:
    """A session with the server of the URLs, whose paths are checked before it hears of them."""
    terminal.quiet = quiet
    for url in urls:
        if url.path:
            check_path(url.path)
    with Connector.choose(connection).open() as session:
        yield session


def shown(path: Path) -> str:
    """A path at the server for people."""
    return escape(b"/".join(path)) or _ROOT
