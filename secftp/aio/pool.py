"""Connection pool of an asyncio client: a `Pool` whose users are greenlets of one event loop, and wait in order.

At most `connections` short requests run at once, and as many long ones (copies, checksums); further ones wait until it
is their turn, first come, first served. A call that has a connection never waits for another one, or a few calls that
need two would wait for each other. What a program holds on to, between its calls, is not counted: a file that is being
written, a listing that is read while it arrives. Else a program that holds some could wait for itself.

Invariants: a connection with an outstanding answer is never given to another user; a connection is used on the loop on
which it was made, and in the process that made it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Final

from secftp.aio import driver
from secftp.aio.gathering import Gathering
from secftp.aio.network import LoopNetwork
from secftp.api.pool import IDLE_MAX, JOIN_SECONDS, Pool, PooledConnection
from secftp.api.ranges import read_small
from secftp.errors import FileError, UsageError
from secftp.transport import connect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from secftp.aio.local import LoopWaits
    from secftp.protocol import Info
    from secftp.storage import Path
    from secftp.transport import Credentials

DEFAULT_CONNECTIONS: Final = 4


class LoopConnection(PooledConnection):
    """A connection of an `AsyncPool`, used by one call at a time."""

    owner: object = None  # the greenlet of the call that took it
    turn: asyncio.Semaphore | None = None  # to be released when it is given back


class AsyncPool(Pool):
    """The connections of one asyncio client, see `Pool`. Made in a coroutine; for functions that the driver runs."""

    waits: LoopWaits
    has_streams = False

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials,
        *,
        timeout: float,
        connect_timeout: float | None = None,
        congestion: str | None = None,
        connections: int = DEFAULT_CONNECTIONS,
        waits: LoopWaits,
    ) -> None:
        self._connections = connections
        self.loop = asyncio.get_running_loop()
        self.waits = waits
        self._network = LoopNetwork(self.loop, waits)
        super().__init__(
            host, port, credentials, timeout=timeout, connect_timeout=connect_timeout, congestion=congestion
        )

    def _reset(self) -> None:
        super()._reset()
        self._free: list[LoopConnection] = []
        self._used: set[LoopConnection] = set()
        self._short = asyncio.Semaphore(self._connections)
        self._long = asyncio.Semaphore(self._connections)
        self.streaming = asyncio.Semaphore(self._connections)  # of the program: uploads from its iterators
        self._closing = asyncio.Event()
        self._stats: Gathering[Info] = Gathering(self.ask, self.begin_task, self._connections, _stat_all)
        self._reads: Gathering[bytes] = Gathering(self.ask, self.begin_task, self._connections, read_small)
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- requests -----------------------------------------------------------------------------------------------------

    def require_open(self) -> None:
        """Raise `UsageError` once it is closed, on another event loop, and in a forked process."""
        self.require_here()
        super().require_open()

    def require_here(self) -> None:
        """Raise `UsageError` on another event loop, and in a forked process."""
        if self._process != os.getpid():
            raise UsageError(
                "A forked process can't use an asyncio client of its parent.",
                hint="Connect anew in this process: secftp.aio.connect.",
            )
        if asyncio.get_running_loop() is not self.loop:
            raise UsageError(
                "This client belongs to another event loop.",
                hint="Connect anew on this event loop: secftp.aio.connect.",
            )

    def stat(self, path: Path) -> Info:
        """Return the status of a file or directory; while other requests wait, together with others."""
        self.require_open()
        found = self._stats.answer(path) if self._short.locked() else None
        return super().stat(path) if found is None else found

    def read_small(self, path: Path) -> bytes | None:
        """Return the contents of a small file, together with others, while other requests wait; else None."""
        self.require_open()
        return self._reads.answer(path) if self._short.locked() else None

    def prolong(self, connection: PooledConnection) -> None:
        """Count a request that was thought to be short as a long one, if that need not wait for its turn."""
        assert isinstance(connection, LoopConnection)
        connection.long = True
        if connection.turn is self._short and not self._long.locked():
            self._take_turn(self._long)
            connection.turn = self._long
            self._short.release()

    def hold(self, connection: PooledConnection) -> None:
        """Count a connection no more, which the program holds from now on, between its calls."""
        assert isinstance(connection, LoopConnection)
        turn, connection.turn, connection.owner = connection.turn, None, None
        if turn is not None:
            turn.release()

    def begin_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that uses a connection of this pool; `close` waits for its end."""
        task = self.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def pause(self, seconds: float) -> None:
        """Wait before something is tried again; raises `UsageError` as soon as the pool is closed."""
        with contextlib.suppress(TimeoutError):
            driver.wait(asyncio.wait_for(self._closing.wait(), seconds))
        self.require_open()

    def close(self) -> None:
        """Close all connections, those that are idle politely, and wait for the tasks of the pool. Idempotent."""
        self.require_here()
        self.closed = True
        self._closing.set()
        free, self._free = self._free, []
        for used in tuple(self._used):
            used.close(politely=False)  # its user finds it lost
        for connection in free:
            connection.close(politely=True)
        if self._tasks:
            driver.wait(asyncio.wait(tuple(self._tasks), timeout=JOIN_SECONDS))
        self.waits.close()

    def abandon(self) -> bool:
        """Close all connections at once, without a loop. Returns whether there was any. For a finalizer."""
        self.closed = True
        left: list[LoopConnection] = [*self._free, *self._used]
        self._free = []
        for connection in left:
            connection.close(politely=False)
        self.waits.close()
        return bool(left)

    # --- implementation -----------------------------------------------------------------------------------------------

    def _take(self, *, long: bool, accepted: bool, held: bool) -> PooledConnection:
        self.require_open()
        owner = None if held else driver.current()
        turn: asyncio.Semaphore | None = None
        if not held and not any(used.owner is owner for used in self._used):
            turn = self._long if long else self._short
            self._take_turn(turn)
        connection: LoopConnection | None = None
        try:
            self.require_open()  # it may have been closed meanwhile
            connection = self._find_free()
            if connection is None:
                connection = self._connect_anew(accepted=accepted)
            self.require_open()
        except BaseException:
            if turn is not None:
                turn.release()
            if connection is not None:
                self._drop(connection)
            raise
        connection.owner, connection.turn = owner, turn
        connection.long, connection.taken = long, time.monotonic()
        return connection

    @staticmethod
    def _take_turn(turn: asyncio.Semaphore) -> None:
        driver.wait(turn.acquire())

    def _drop(self, connection: LoopConnection) -> None:
        self._used.discard(connection)
        connection.close(politely=False)

    # A connection counts as used as soon as anything waits for it, so that `close` ends that wait.

    def _find_free(self) -> LoopConnection | None:
        while self._free:
            connection = self._free.pop()  # the one used last is the most likely to be alive
            self._used.add(connection)
            is_fresh = False
            try:
                is_fresh = connection.is_fresh() and connection.settle()
            finally:
                if not is_fresh:
                    self._drop(connection)
            if is_fresh:
                connection.reused = True
                return connection
        return None

    def _connect_anew(self, *, accepted: bool) -> LoopConnection:
        connection = LoopConnection(
            connect(
                *self._address,
                self._credentials,
                timeout=self._timeout,
                connect_timeout=self._connect_timeout,
                congestion=self._congestion,
                network=self._network,
            )
        )
        self._used.add(connection)
        try:
            if accepted:
                connection.session.can("stat")  # waits for WELCOME, with which the server has accepted the client
        except BaseException:
            self._drop(connection)
            raise
        return connection

    def _give_back(self, connection: PooledConnection, *, reusable: bool) -> None:
        assert isinstance(connection, LoopConnection)
        self._used.discard(connection)
        turn, connection.turn, connection.owner = connection.turn, None, None
        try:
            if reusable and not self.closed and len(self._free) < max(IDLE_MAX, self._connections):
                connection.last_used = time.monotonic()
                self._free.append(connection)
            else:
                connection.close(politely=reusable and driver.is_driven())
        finally:
            if turn is not None:
                turn.release()


def _stat_all(connection: PooledConnection, paths: Sequence[Path]) -> list[Info | FileError | None]:
    requested = [connection.session.begin_stat(path) for path in paths]
    found: list[Info | FileError | None] = []
    for each in requested:
        try:
            found.append(each.result())
        except FileError as problem:
            found.append(problem.with_traceback(None))
    return found
