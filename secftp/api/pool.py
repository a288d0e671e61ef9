"""Connection pool of a client: connections are opened as needed, shared by threads, and dropped when they are stale.

Each user of a connection has it alone. Short requests share up to `SHORT_MAX` connections; a request that may last (a
file that is written, a copy) gets one of its own, so that it never holds up others. Short requests that take longer
than `SLOW_SECONDS` (a server's file system that hangs, a network that drops packets) count as long ones. The key is
stretched once, so that another connection costs one or two round trips and no scrypt.

Invariant: a connection with an outstanding answer is never given to another user, who would take the answer for its
own; a forked process never uses a connection of its parent.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from secftp.api.read_ahead_limit import ReadAheadLimit
from secftp.errors import ConnectionLost, FileError, SecftpError, TransferTimeout, UsageError
from secftp.protocol import Bye
from secftp.session import Session
from secftp.session.retry import change_once, confirm
from secftp.transport import connect
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.protocol import Info
    from secftp.session import Transferred, Unconfirmed
    from secftp.storage import Path
    from secftp.transport import Channel, Credentials
    from secftp.waits import Waits

_T = TypeVar("_T")

SHORT_MAX: Final = 4
SLOW_SECONDS: Final = 5.0
IDLE_MAX: Final = 4
# A server closes a session after 60 s of silence. An idle connection gets no keepalives: the next request opens another
# one, which also works after this machine slept or the server was restarted.
FRESH_SECONDS: Final = 45.0
# For threads to notice that their connection was closed.
JOIN_SECONDS: Final = 5.0


class PooledConnection:
    """A connection with its session, used by one thread at a time."""

    def __init__(self, channel: Channel) -> None:
        self.session = Session(channel)
        self.last_used = self.taken = time.monotonic()
        self.reused = False  # whether it was used before, and may have been lost meanwhile
        self.long = False
        self.winding_down = False  # whether what is unanswered was cancelled, and is not waited for
        self._channel = channel

    def is_fresh(self) -> bool:
        """Whether it looks usable, as far as that can be seen without a request."""
        if time.monotonic() - self.last_used > FRESH_SECONDS:
            return False
        try:
            if self.winding_down and not self.wind_down():
                return True  # but not usable yet
            if self.session.welcome is None:
                self.session.pipeline.poll()  # it had not been asked anything
            return not self._channel.waiting()  # all that an idle session can receive is its end
        except (SecftpError, OSError):
            return False

    def is_settled(self) -> bool:
        """Whether every request has been answered completely."""
        return not len(self._channel.pending) and not self._channel.receiving_file

    def settle(self) -> bool:
        """Wait for answers that are not wanted, if any are to come; return False if the connection is lost."""
        try:
            if self.winding_down:
                self.session.pipeline.settle()
                self.winding_down = False
        except (SecftpError, OSError):
            return False
        return True

    def wind_down(self) -> bool:
        """Throw away what has come of answers that are not wanted; return whether every request is answered now."""
        while not self.is_settled() and self.session.pipeline.step_at_once():
            pass
        self.winding_down = not self.is_settled()
        return not self.winding_down

    @property
    def belongs_here(self) -> bool:
        """Whether this process opened it; False in one that was forked later."""
        return self._channel.belongs_here

    def interrupt(self) -> None:
        """Make its user fail; callable from any thread."""
        self._channel.interrupt()

    def close(self, *, politely: bool) -> None:
        """Close it; `politely` says BYE first."""
        with contextlib.suppress(SecftpError, OSError):
            self._channel.close(Bye() if politely else None)


class Pool:
    """The connections of one client.

    `timeout`: the limit in seconds for connecting and for each wait of a session; `connect_timeout`: for connecting, if
    that is another one. `congestion`: of each connection; None leaves the system's.
    """

    waits: Waits = DIRECT
    has_streams = True  # whether a copy may use several connections

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials,
        *,
        timeout: float,
        connect_timeout: float | None = None,
        congestion: str | None = None,
    ) -> None:
        self._address: Final = host, port
        self.closed = False
        self._credentials = credentials
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._congestion = congestion
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._idle: list[PooledConnection] = []
        self._busy: set[PooledConnection] = set()
        self._opening: list[float] = []  # since when connections are being made for short requests
        self._workers: set[threading.Thread] = set()
        self.read_aheads = ReadAheadLimit()

    @property
    def endpoint(self) -> str:
        """The host and the port of the server."""
        host, port = self._address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    # --- requests -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def session(self, *, long: bool = False) -> Iterator[Session]:
        """Context manager of a session; raises what connecting raises, and `UsageError` once the pool is closed."""
        with self.connection(long=long) as connection:
            yield connection.session

    @contextlib.contextmanager
    def connection(
        self, *, long: bool = False, accepted: bool = True, held: bool = False
    ) -> Iterator[PooledConnection]:
        """Context manager of a connection, which can be reused if nothing but a `FileError` ends the block.

        `accepted`: wait until the server has accepted the client. Else a request tells, which saves a round trip.
        `held`: the program holds it between its calls, as it holds an open file.
        """
        connection = self._take(long=long or held, accepted=accepted, held=held)
        reusable = False
        try:
            yield connection
            reusable = True
        except FileError:
            reusable = True
            raise
        finally:
            is_over = connection.is_settled() or connection.winding_down
            self._give_back(connection, reusable=reusable and is_over)

    @contextlib.contextmanager
    def stream(self, is_wanted: Callable[[], bool]) -> Iterator[Session]:
        """Context manager of an additional session of a copy; raises what connecting raises.

        It is never used for anything else: a server ends such sessions first when it is short of them.
        """
        connection = self._handshake(lambda: is_wanted() and not self.closed)
        connection.long = True
        with self._changed:
            self._busy.add(connection)
            if self.closed:
                connection.interrupt()
        try:
            yield connection.session
        finally:
            with self._changed:
                self._busy.discard(connection)
            connection.close(politely=connection.is_settled())

    def ask(
        self,
        question: Callable[[PooledConnection], _T],
        *,
        long: bool = False,
        losses: tuple[type[ConnectionLost | TransferTimeout], ...] = (ConnectionLost,),
        repeatable: Callable[[], bool] = lambda: True,
    ) -> _T:
        """Return the result of a request that may be made again; it is, if the idle connection had been lost.

        Such a loss is not visible before if a gateway dropped the connection, or the server's machine crashed.
        `losses`: the exceptions by which it shows. `repeatable`: asked after one, whether to repeat the request.
        """
        while True:
            used: PooledConnection | None = None
            try:
                with self.connection(long=long, accepted=False) as used:
                    return question(used)
            except losses:
                if used is None or not used.reused or self.closed or not repeatable():
                    raise

    def stat(self, path: Path) -> Info:
        """Return the status of a file or directory."""
        return self.ask(lambda connection: connection.session.stat(path))

    def read_small(self, path: Path) -> bytes | None:  # noqa: ARG002 - of `AsyncPool`
        """Return the contents of a file if that is small and is read together with others; else None: to be read."""
        return None

    def change(self, step: Callable[[Session, bool], _T], *, long: bool = False) -> _T:
        """Return the result of a change, as `change_once` does."""
        return change_once(lambda: self.session(long=long), step, possible=lambda: not self.closed)

    def confirm(self, path: Path, lost: Unconfirmed) -> Transferred:
        """Return what was sent to a file if it has arrived; else raise the loss of the connection."""
        return confirm(lambda question: self.ask(lambda used: question(used.session), long=True), path, lost)

    def prolong(self, connection: PooledConnection) -> None:
        """Count a request that was thought to be short as a long one, so that others need not wait for it."""
        with self._changed:
            connection.long = True
            self._changed.notify()

    def hold(self, connection: PooledConnection) -> None:
        """Count a connection as one that the program holds from now on, between its calls."""
        self.prolong(connection)

    def begin_work(self, thread: threading.Thread) -> None:
        """Start a thread that uses a connection of this pool; `close` waits for its end."""
        with self._changed:
            self.require_open()
            self._workers = {worker for worker in self._workers if worker.is_alive()}
            thread.start()
            self._workers.add(thread)

    def pause(self, seconds: float) -> None:
        """Wait before something is tried again; raises `UsageError` as soon as the pool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, seconds)
            self.require_open()

    def require_open(self) -> None:
        """Raise `UsageError` once it is closed."""
        if self.closed:
            raise _closed()

    def close(self) -> None:
        """Close idle connections politely, abort those in use, wait for the threads of the pool. Idempotent."""
        self.closed = True
        if self._process != os.getpid():
            self._leave_to_parent()
            return
        with self._changed:
            idle, self._idle = self._idle, []
            for connection in tuple(self._busy):
                connection.interrupt()  # under the lock, so that none is closed meanwhile and its descriptor reused
            workers = self._workers - {threading.current_thread()}
            self._changed.notify_all()
        for connection in idle:
            connection.close(politely=True)
        deadline = time.monotonic() + JOIN_SECONDS
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    # --- implementation -----------------------------------------------------------------------------------------------

    def _take(self, *, long: bool, accepted: bool, held: bool) -> PooledConnection:
        if self._process != os.getpid():
            self._leave_to_parent()
        stale: list[PooledConnection] = []
        try:
            with self._changed:
                while True:
                    self.require_open()
                    now = time.monotonic()
                    if connection := self._find_idle(stale):
                        connection.long, connection.taken = long, now
                        self._busy.add(connection)
                        break
                    if long or (limit := self._wait_limit(now)) <= 0:
                        break
                    self._changed.wait(limit)
                if connection is None and not long:
                    self._opening.append(now)
        finally:
            for unusable in stale:
                unusable.close(politely=False)
        if connection is None:
            return self._open(None if long else now, accepted=accepted)
        return connection if self._settle(connection) else self._take(long=long, accepted=accepted, held=held)

    def _settle(self, connection: PooledConnection) -> bool:
        """Wait for answers that are not wanted; return whether the connection can be used then."""
        is_usable = False
        try:
            is_usable = connection.settle()
        finally:
            if not is_usable:
                self._give_back(connection, reusable=False)
        return is_usable

    def _wait_limit(self, now: float) -> float:
        """Return the limit in seconds that another short request has to wait; 0 if it need not."""
        short = [connection.taken for connection in tuple(self._busy) if not connection.long]
        quick = [since for since in (*short, *self._opening) if now - since < SLOW_SECONDS]
        return min(quick) + SLOW_SECONDS - now if len(quick) >= SHORT_MAX else 0.0

    def _leave_to_parent(self) -> None:
        """Close the copies of the parent's connections in a forked process; the parent goes on with them."""
        inherited = self._idle
        self._reset()
        for connection in inherited:
            connection.close(politely=False)

    def _find_idle(self, stale: list[PooledConnection]) -> PooledConnection | None:
        winding_down: list[PooledConnection] = []
        found = None
        while self._idle and found is None:
            connection = self._idle.pop()  # the one used last is the most likely to be alive
            if not connection.is_fresh():
                stale.append(connection)
            elif connection.winding_down:
                winding_down.append(connection)
            else:
                found = connection
        if found is None and winding_down:
            found = winding_down.pop(0)  # a new one would take no less time
        self._idle += reversed(winding_down)
        if found is not None:
            found.reused = True
        return found

    def _open(self, since: float | None, *, accepted: bool) -> PooledConnection:
        """Open a connection; `since` is when a short request began to wait for it, None for a long request."""
        try:
            connection = self._connect(accepted=accepted)
        except BaseException:
            self._opened(since)
            raise
        connection.long = since is None
        with self._changed:
            self._opened(since)
            if not self.closed:
                self._busy.add(connection)
                return connection
        connection.close(politely=True)
        raise _closed()

    def _opened(self, since: float | None) -> None:
        with self._changed:  # a condition's lock may be taken twice by one thread
            if since is not None:
                self._opening.remove(since)
                self._changed.notify()

    def _handshake(self, wanted: Callable[[], bool] | None = None) -> PooledConnection:
        return PooledConnection(
            connect(
                *self._address,
                self._credentials,
                timeout=self._timeout,
                connect_timeout=self._connect_timeout,
                congestion=self._congestion,
                wanted=wanted,
            )
        )

    def _connect(self, *, accepted: bool) -> PooledConnection:
        connection = self._handshake()
        try:
            if accepted:
                connection.session.can("stat")  # waits for WELCOME, with which the server has accepted the client
        except BaseException:
            connection.close(politely=False)
            raise
        return connection

    def _give_back(self, connection: PooledConnection, *, reusable: bool) -> None:
        if sys.is_finalizing():
            return  # a thread that ended with the interpreter may hold the lock
        if not connection.belongs_here:  # a listing or a file of the parent ends in a forked process
            connection.close(politely=False)
            return
        with self._changed:
            self._busy.discard(connection)
            keep = reusable and not self.closed and len(self._idle) < IDLE_MAX
            if keep:
                connection.last_used = time.monotonic()
                self._idle.append(connection)
            self._changed.notify()
        if not keep:
            connection.close(politely=reusable)


def _closed() -> UsageError:
    return UsageError("The client is closed.", hint="Create another one with secftp.connect.")
