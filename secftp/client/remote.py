"""What the verbs that act on names at the server share: the session, how names look, and several failures at once.

A failure of one name leaves the others alone. What fails as a whole keeps its own exit code and hint. Where it is some
of several that failed, each gets a line as it happens, and the exit code is 1.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from secftp.client.connect import Connector
from secftp.errors import FileError, NotADirectory, SecftpError
from secftp.messages import check_path, remote_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from secftp.client.common import Connection
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Path, Url


class PartialFailure(SecftpError):
    """Some of what was asked for could not be done; what each failure was has been told."""


class Failures:
    """What went wrong, name by name, in a `with` block whose end says how it all ended.

    In order it raises nothing if there was none, the failure itself if that is all that was asked for, and else
    `PartialFailure`. `operands`: how many names were given. `done`: whether anything was done beside what failed.
    `tell_one` tells of one among several.
    """

    def __init__(
        self, terminal: Terminal, operands: int = 1, tell_one: Callable[[FileError], None] | None = None
    ) -> None:
        self.count = 0
        self.done = False
        self._operands = operands
        self._tell_one = tell_one or terminal.failed
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
        self.count += 1
        if self.count == 1:
            self._kept = problem
        else:
            self.tell()
            self._tell_one(problem)

    def tell(self) -> None:
        """Tell what was kept back, which then counts as one among others."""
        if self._kept is not None:
            self._tell_one(self._kept)
            self._kept = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.conclude()
        self.tell()

    def conclude(self) -> None:
        """Raise what there is to raise."""
        if self._operands > 1 or self.done:
            self.tell()
        kept, self._kept = self._kept, None
        if kept is not None:
            raise kept
        if self.count:
            number = "One failure, told above." if self.count == 1 else f"{self.count} failures, each told above."
            raise PartialFailure(number, hint="The rest was done." if self.done else "Nothing else was done.")


@contextlib.contextmanager
def opened(connection: Connection, urls: Sequence[Url], terminal: Terminal, *, quiet: bool) -> Iterator[Session]:
    """A session with the server of the URLs, whose paths are checked before it hears of them."""
    terminal.quiet = quiet
    for url in urls:
        if url.path:
            check_path(url.path)
    with Connector.choose(connection, terminal.waiting).open() as session:
        yield session


def is_a_file(path: Path) -> NotADirectory:
    """The failure of a URL with a slash at its end that leads to a file."""
    return remote_failure(NotADirectory, path, "it is a file.", hint="Leave out the slash at its end.")
