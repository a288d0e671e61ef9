"""The connections of one client: opened when they are needed, shared by its threads, dropped when they are stale.

Each user of a connection has it alone. Short requests open `SHORT_MAX` of them and then wait for one another; what may
last (a file being written, a tree being copied) gets a connection of its own, so that it never holds up the others. The
key was stretched once, so one more connection costs a round trip or two and no scrypt.

What must never happen: that a connection with an answer still to come is given to somebody else, who would take it for
his own; or that a forked process goes on with a connection of its parent's. Nor do requests that hang (the server's
file system, a network that swallows everything) keep all others waiting: after `SLOW_SECONDS` they count as long ones.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from secftp.channel import connect
from secftp.errors import ConnectionLost, FileError, SecftpError, UsageError
from secftp.messages import Bye
from secftp.session import Session, has_arrived
from secftp.session.retry import change_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.channel import Channel, Credentials
    from secftp.session import Transferred, Unconfirmed
    from secftp.storage import Path

_T = TypeVar("_T")

SHORT_MAX: Final = 4
SLOW_SECONDS: Final = 5.0
IDLE_MAX: Final = 4
# A server gives up on a client after 60 s of silence. An idle connection is not kept alive for days by signs of life:
# it is opened anew at the next request, which also works after a machine slept or a server was started again.
FRESH_SECONDS: Final = 45.0
# For threads whose connection was broken off to notice it.
JOIN_SECONDS: Final = 5.0


class Connection:
    """One connection and its session, in the hands of one thread at a time."""

    def __init__(self, channel: Channel) -> None:
        self.session = Session(channel)
        self.last_used = self.taken = time.monotonic()
        self.reused = False  # whether it was used before, and may have been lost since
        self.long = False
        self._channel = channel

    def is_fresh(self) -> bool:
        """Whether the server is still there, as far as that can be seen without asking."""
        if time.monotonic() - self.last_used > FRESH_SECONDS:
            return False
        try:
            return not self._channel.waiting()  # an idle session has nothing to hear but its end
        except (SecftpError, OSError):
            return False

    def is_settled(self) -> bool:
        """Whether everything that was asked for has been answered to the end."""
        return not len(self._channel.pending) and not self._channel.receiving_file

    @property
    def belongs_here(self) -> bool:
        """Whether this process opened it; false in one that was forked since."""
        return self._channel.belongs_here

    def interrupt(self) -> None:
        """Let whoever uses it fail; from any thread."""
        self._channel.interrupt()

    def close(self, *, politely: bool) -> None:
        """Close it, with a word of goodbye if there is nothing under way."""
        with contextlib.suppress(SecftpError, OSError):
            self._channel.close(Bye() if politely else None)


class Pool:
    """Where a client's sessions come from. `timeout` in seconds is for connecting and for each wait of a session."""

    def __init__(self, host: str, port: int, credentials: Credentials, *, timeout: float) -> None:
        self.place: Final = host, port
        self.closed = False
        self._credentials = credentials
        self._timeout = timeout
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening: list[float] = []  # since when connections are being made for short requests
        self._workers: set[threading.Thread] = set()

    # --- for whoever has something to ask -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def session(self, *, long: bool = False) -> Iterator[Session]:
        """A session for the time of a with block; raises what connecting raises, `UsageError` once it is closed."""
        with self.connection(long=long) as connection:
            yield connection.session

    @contextlib.contextmanager
    def connection(self, *, long: bool = False) -> Iterator[Connection]:
        """As `session`; it is given back if the block is left in order or by a `FileError`, with nothing under way."""
        connection = self._take(long=long)
        reusable = False
        try:
            yield connection
            reusable = True
        except FileError:
            reusable = True
            raise
        finally:
            self._give_back(connection, reusable=reusable and connection.is_settled())

    def ask(self, question: Callable[[Connection], _T], *, long: bool = False) -> _T:
        """What a request comes to that changes nothing; asked once more if it met a connection that was gone by then.

        That happens where the end of an idle connection does not come through: a gateway that forgot it, a crash.
        """
        while True:
            used: Connection | None = None
            try:
                with self.connection(long=long) as used:
                    return question(used)
            except ConnectionLost:
                if used is None or not used.reused or self.closed:
                    raise

    def change(self, step: Callable[[Session, bool], _T], *, long: bool = False) -> _T:
        """Make a change as `change_once` does."""
        return change_once(lambda: self.session(long=long), step, possible=lambda: not self.closed)

    def confirm(self, path: Path, lost: Unconfirmed) -> Transferred:
        """What was sent to a file, if it is there; else raises the loss of the connection that it was sent over."""
        try:
            if not self.closed and self.ask(lambda used: has_arrived(used.session, path, lost), long=True):
                return lost.sent
        except SecftpError:
            pass  # nobody can tell now
        raise lost

    def prolong(self, connection: Connection) -> None:
        """What was thought to be short will last: let others have a connection of their own."""
        with self._changed:
            connection.long = True
            self._changed.notify()

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
        """Say goodbye on idle connections, break off those in use, wait for our own threads. Idempotent."""
        self.closed = True
        if self._process != os.getpid():
            self._begin_anew()
            return
        with self._changed:
            idle, self._idle = self._idle, []
            for connection in tuple(self._busy):
                connection.interrupt()  # under the lock: none of them is closed meanwhile, and its number reused
            workers = self._workers - {threading.current_thread()}
            self._changed.notify_all()
        for connection in idle:
            connection.close(politely=True)
        deadline = time.monotonic() + JOIN_SECONDS
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    # --- how ----------------------------------------------------------------------------------------------------------

    def _take(self, *, long: bool) -> Connection:
        if self._process != os.getpid():
            self._begin_anew()
        stale: list[Connection] = []
        try:
            with self._changed:
                while True:
                    self.require_open()
                    now = time.monotonic()
                    if connection := self._find_idle(stale):
                        connection.long, connection.taken = long, now
                        self._busy.add(connection)
                        return connection
                    if long or (patience := self._until_room(now)) <= 0:
                        break
                    self._changed.wait(patience)
                if not long:
                    self._opening.append(now)
        finally:
            for connection in stale:
                connection.close(politely=False)
        return self._open(None if long else now)

    def _until_room(self, now: float) -> float:
        """For how many seconds at most one more short request has to wait; 0 if it needs not."""
        short = [connection.taken for connection in tuple(self._busy) if not connection.long]
        quick = [since for since in (*short, *self._opening) if now - since < SLOW_SECONDS]
        return min(quick) + SLOW_SECONDS - now if len(quick) >= SHORT_MAX else 0.0

    def _begin_anew(self) -> None:
        """In a forked process: leave the connections to the parent, which goes on with them."""
        inherited = self._idle
        self._begin()
        for connection in inherited:
            connection.close(politely=False)

    def _find_idle(self, stale: list[Connection]) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()  # the one used last is the surest to be alive
            if connection.is_fresh():
                connection.reused = True
                return connection
            stale.append(connection)
        return None

    def _open(self, since: float | None) -> Connection:
        """A new connection; `since` when it has been waited for by a short request, None for one that may last."""
        try:
            connection = self._connect()
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

    def _connect(self) -> Connection:
        connection = Connection(connect(*self.place, self._credentials, timeout=self._timeout))
        try:
            connection.session.can("stat")  # waits for WELCOME: from now on the server has let us in
        except BaseException:
            connection.close(politely=False)
            raise
        return connection

    def _give_back(self, connection: Connection, *, reusable: bool) -> None:
        if sys.is_finalizing():
            return  # a thread that ended with the interpreter may have taken the lock along
        if not connection.belongs_here:  # a listing or a file of the parent's ends in a forked process
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
    return UsageError("The connection was closed.", hint="Open a new one with secftp.connect.")
