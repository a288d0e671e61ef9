"""Upload of a file that a program writes piece by piece: a task that sends it on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from secftp.aio import driver
from secftp.aio.source import LoopSource
from secftp.api.naming import Place, name_error, named_as
from secftp.api.writer import GIVE_UP_SECONDS, require_writable
from secftp.errors import FileError, UsageError
from secftp.session import Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.aio.pool import AsyncPool
    from secftp.api.pool import PooledConnection
    from secftp.session import Transferred
    from secftp.storage import Path, WriteOptions

_TASK_NAME: Final = "secftp-upload"


class Upload:
    """A file that is being sent. Nothing here refers to the file object, which may be forgotten.

    `name`: the path as the program gave it.

    Invariant: the file appears at the server only after `finish`.
    """

    def __init__(self, pool: AsyncPool, path: Path, options: WriteOptions, name: str | bytes) -> None:
        self._pool = pool
        self._path = path
        self._place = Place(name, path)
        self._options = options
        self._source = LoopSource()
        self._task: asyncio.Task[None] | None = None
        self._done: Transferred | None = None
        self._failure: BaseException | None = None

    @property
    def endpoint(self) -> str:
        """The host and the port of the server."""
        return self._pool.endpoint

    async def begin(self) -> None:
        """Begin to send. Raises what connecting raises, and the `FileError` of a name that can't be written."""
        await driver.run(self._begin)

    def require_here(self) -> None:
        """Raise `UsageError` on another event loop, and in a forked process."""
        self._pool.require_here()

    async def room(self) -> None:
        """Wait while much is queued. Raises what ended the upload."""
        self._pool.require_here()
        if not await self._source.room():
            await self._ended()
            raise self._outcome()

    def add(self, data: bytes) -> None:
        """Append bytes, after `room`."""
        self._source.add(data)

    async def finish(self) -> Transferred:
        """Complete the file and wait until the server has stored it. Raises what failed.

        If this is cancelled, the connection is broken off; whether the file appears then is not known.
        """
        self._source.complete()
        try:
            await self._ended()
        except BaseException:
            await self.break_off()
            raise
        if self._done is None:
            raise self._outcome()
        return self._done

    def give_up(self) -> None:
        """Give up the file without waiting. Idempotent."""
        self._source.give_up()

    def forget(self) -> None:
        """Give up the file, from any thread and without a loop: for a finalizer."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, which has ended the task
            self._pool.loop.call_soon_threadsafe(self._source.give_up)

    async def wait(self) -> None:
        """Wait after `give_up` until the server knows, for some seconds at most."""
        try:
            if self._task is not None:
                await asyncio.wait([self._task], timeout=GIVE_UP_SECONDS)
        finally:
            await self.break_off()

    async def break_off(self) -> None:
        """End the task and its connection, and wait for that; a cancellation is raised after it."""
        self.give_up()
        task = self._task
        if task is None or task.done():
            return
        task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as problem:
                cancelled = problem
        if cancelled is not None:
            raise cancelled

    # --- implementation -----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        pool, path = self._pool, self._path
        with named_as([self._place]):
            pool.ask(lambda used: require_writable(used.session, path, overwrite=self._options.overwrite))
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(pool.connection(held=True))
            keep = undo.pop_all()
        self._task = pool.begin_task(_driven(self._send, connection, keep), _TASK_NAME)
        self._task.add_done_callback(lambda _: keep.close())  # a task that is cancelled at once never runs

    def _send(self, connection: PooledConnection, keep: contextlib.ExitStack) -> None:
        with contextlib.suppress(Exception), keep:
            try:
                self._done = connection.session.write(self._path, self._source, self._options)
            except Unconfirmed as lost:
                self._failure = lost.with_traceback(None)
                self._done = self._pool.confirm(self._path, lost)
            except BaseException as failure:
                self._failure = failure.with_traceback(None)
                raise
            finally:
                self._source.close()

    async def _ended(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    def _outcome(self) -> BaseException:
        failure = self._failure
        if failure is None or isinstance(failure, asyncio.CancelledError):
            return UsageError("The file was aborted.")
        return name_error(failure, [self._place]) if isinstance(failure, FileError) else failure


async def _driven(function: Callable[..., None], *args: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):  # by `break_off`
        await driver.run(function, *args)
