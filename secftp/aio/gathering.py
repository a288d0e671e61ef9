"""Questions of many tasks at once, gathered: those that wait for their turn leave together and share a round trip.

While no request waits for its turn, each is made as by the blocking client. What waits is taken by a few tasks of the
pool, which wait in the same queue as all other requests, and ask for many things at once when it is their turn. What
they can't answer (a large file, a lost connection) is asked again by the one who wanted it, so that each gets an
exception of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from secftp.aio import driver
from secftp.errors import FileError, SecftpError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from secftp.api.pool import PooledConnection
    from secftp.storage import Path

_Answer = TypeVar("_Answer")

MOST: Final = 256  # questions that leave together
FEWEST: Final = 64  # that leave together if so many wait

# Returns the answer to each question, or the `FileError` that it is; None for what has to be asked in another way.
Serve: TypeAlias = "Callable[[PooledConnection, Sequence[Path]], list[_Answer | FileError | None]]"
Ask: TypeAlias = "Callable[[Callable[[PooledConnection], None]], None]"  # as Pool.ask
Begin: TypeAlias = "Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]"  # as AsyncPool.begin_task


class Gathering(Generic[_Answer]):
    """Questions about paths that wait for their turn. At most `most_tasks` tasks answer them."""

    def __init__(self, ask: Ask, begin: Begin, most_tasks: int, serve: Serve[_Answer]) -> None:
        self._ask = ask
        self._begin = begin
        self._most_tasks = most_tasks
        self._serve = serve
        self._waiting: deque[_Question[_Answer]] = deque()
        self._tasks = 0

    def answer(self, path: Path) -> _Answer | None:
        """Wait for the answer about a path; None: to be asked in another way. Raises the `FileError` that it is."""
        question: _Question[_Answer] = _Question(path)
        self._waiting.append(question)
        if self._tasks < min(self._most_tasks, len(self._waiting)):
            self._tasks += 1
            self._begin(self._run(), "secftp-gathering")
        found = driver.wait(question.future)
        if isinstance(found, FileError):
            raise found
        return found

    async def _run(self) -> None:
        try:
            await driver.run(self._serve_all)
        except asyncio.CancelledError:  # the loop ends
            pass
        finally:
            self._tasks -= 1
            if not self._tasks:
                _answer(self._waiting, ())
                self._waiting.clear()

    def _serve_all(self) -> None:
        while self._waiting:
            taken: list[_Question[_Answer]] = []
            found: list[_Answer | FileError | None] = []
            try:
                self._ask(partial(self._serve_some, taken, found))
            except SecftpError:
                if not taken:
                    return  # there is no connection, so the last task leaves the rest to those who asked
            finally:
                _answer(taken, found)

    def _serve_some(
        self,
        taken: list[_Question[_Answer]],
        found: list[_Answer | FileError | None],
        connection: PooledConnection,
    ) -> None:
        """Take some questions, once there is a connection, and answer them; called again if that was lost."""
        if not taken:
            taken += self._take()
        if taken:
            found[:] = self._serve(connection, [question.path for question in taken])

    def _take(self) -> list[_Question[_Answer]]:
        """Take the next questions: as many as leave the other tasks their share, if there are many."""
        share = min(max(len(self._waiting) // self._most_tasks, FEWEST), MOST, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(share)]
        return [question for question in taken if not question.future.done()]


class _Question(Generic[_Answer]):
    """A path that something is asked about; done once it is answered, or not wanted any more."""

    __slots__ = ("future", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.future: asyncio.Future[_Answer | FileError | None] = asyncio.get_running_loop().create_future()


def _answer(
    questions: Sequence[_Question[_Answer]] | deque[_Question[_Answer]], found: Sequence[_Answer | FileError | None]
) -> None:
    for number, question in enumerate(questions):
        if not question.future.done():
            question.future.set_result(found[number] if number < len(found) else None)
