"""Connections of a server to Redis, and whether it is there.

After a failure it counts as lost: nothing is asked any more, until a thread has connected again and told it everything
that it has to know. So a call takes at most `line.SECONDS`, once; only the thread connects and looks up names.
Invariants: a loss and a return are each logged once; a lost Redis never costs the accept loop more than one timeout.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from secftp.errors import InstallationError, UsageError
from secftp.server.log import LogLevel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.server.log import Log
    from secftp.server.shared.line import Line, Script, Value
    from secftp.server.shared.url import SharedUrl

if TYPE_CHECKING:
    Tell: TypeAlias = Callable[[Callable[..., Any]], None]

HEARTBEAT_SECONDS: Final = 3.0
# Heartbeats that may be missing before a server counts as gone.
LIFE_BEATS: Final = 3.5
# Between attempts to connect again.
RETRY_SECONDS: Final = 1.0
JOIN_SECONDS: Final = 3.0
# What an answer may raise that is not of the form that our scripts give.
MISUNDERSTOOD: Final = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError)


class Link:
    """Two connections: one for the accept loop, which waits for no other thread, and one for all others. Thread-safe.

    `on_beat`: called by the thread at each heartbeat, and before Redis counts as there, with what runs a script;
    `on_hurry`: likewise, soon after `hurry`. Each raises `LineError`. `connect`: opens a connection.
    """

    def __init__(
        self,
        url: SharedUrl,
        password: str | None,
        log: Log,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        connect: Callable[[], Line] | None = None,
    ) -> None:
        self.server = secrets.token_hex(8)
        self.life = heartbeat * LIFE_BEATS
        self.on_beat: list[Tell] = []
        self.on_hurry: list[Tell] = []
        self._url = url
        self._log = log
        self._heartbeat = heartbeat
        self._connect = connect or _connector(url, password)
        self._locks = threading.Lock(), threading.Lock()
        self._lines: list[Line | None] = [None, None]  # that of the accept loop first
        self._state = threading.Lock()
        self._up = False
        self._told = False  # that it is lost
        self._over = threading.Event()
        self._due = threading.Event()
        self._beat_at = 0.0  # when the next heartbeat, or the next attempt to connect, is due
        self._thread = threading.Thread(target=self._run, name="secftp-shared", daemon=True)

    @property
    def is_up(self) -> bool:
        """Whether Redis is there, as far as is known."""
        return self._up

    def start(self) -> None:
        """Connect for the first time, and start the thread. Raises `UsageError` if that is refused."""
        from secftp.server.shared.line import LineError

        try:
            self._open()
        except LineError as problem:
            if problem.is_refusal:
                raise UsageError(
                    f"The Redis of --shared, {self._url}, can't be used: {problem}.",
                    hint="Its password is in --shared-password-file FILE, or in SECFTP_SHARED_PASSWORD.",
                ) from None
            self._tell_loss(problem)
        else:
            self._log.line(f"Limits are shared with other servers @ {self._url}")
        self._thread.start()

    def call(self, script: Script, keys: Sequence[str], values: Sequence[Value], *, accepting: bool = False) -> Any:
        """Run a script; return its answer, None if Redis is lost. `accepting`: in the accept loop."""
        if not self._up:
            return None
        from secftp.server.shared.line import LineError

        number = 0 if accepting else 1
        with self._locks[number]:
            line = self._lines[number]
            if not self._up or line is None:
                return None
            try:
                return line.run(script, keys, values)
            except LineError as problem:
                self.lose(problem)
                return None

    def lose(self, problem: Exception) -> None:
        """Count Redis as lost; a thread connects again."""
        with self._state:
            self._up = False
            self._beat_at = time.monotonic() + min(RETRY_SECONDS, self._heartbeat)
        self._tell_loss(problem)
        self._due.set()

    def distrust(self) -> None:
        """Count Redis as lost because of an answer that is not that of our scripts."""
        self.lose(ValueError("it gives an answer that is not understood"))

    def _tell_loss(self, problem: Exception) -> None:
        with self._state:
            told, self._told = self._told, True
        if not told:
            sentence = f"Redis @ {self._url} is not used: {problem}. This server counts for itself until it is back."
            self._log.line(sentence, LogLevel.WARNING)

    def hurry(self) -> None:
        """Have `on_hurry` called now, in the thread."""
        self._due.set()

    def resume(self) -> None:
        """Have `on_beat` called now, in the thread: Redis lacks what it was told."""
        self._beat_at = 0.0
        self._due.set()

    def close(self) -> None:
        """End the thread, and close the connections."""
        self._over.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)
        with self._state:
            self._up = False
        for lock, number in zip(self._locks, (0, 1), strict=True):
            with lock:
                self._close(number)

    def _close(self, number: int) -> None:
        line, self._lines[number] = self._lines[number], None
        if line is not None:
            line.close()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._due.wait(max(0.0, self._beat_at - time.monotonic()))
            if self._over.is_set():
                return
            self._due.clear()
            self._step()

    def _step(self) -> None:
        from secftp.server.shared.line import LineError

        is_due = time.monotonic() >= self._beat_at
        try:
            if self._up:
                self._tell(self.on_hurry)
            if is_due and self._up:
                self._beat()
            elif is_due:
                self._open()
        except LineError as problem:
            self.lose(problem)
        except Exception as problem:  # noqa: BLE001 - the thread would end, and Redis stay lost
            self._log.line(f"Internal error: {type(problem).__name__}", LogLevel.ERROR)
            self.lose(problem)

    def _open(self) -> None:
        """Connect, and tell Redis what it has to know. Raises `LineError`."""
        for number in (0, 1):
            line = self._connect()
            with self._locks[number]:
                self._close(number)
                self._lines[number] = line
        self._tell(self.on_beat)
        self._beat_at = 0.0  # once more at once: what has changed meanwhile
        with self._state:
            self._up = True
            told, self._told = self._told, False
        if told:
            self._log.line(f"Redis @ {self._url} is back: limits are shared with other servers again.")

    def _beat(self) -> None:
        """Send a heartbeat over both connections. Raises `LineError`."""
        from secftp.server.shared.scripts import NOTHING

        self._beat_at = time.monotonic() + self._heartbeat
        self._tell(self.on_beat)
        with self._locks[0]:
            if self._lines[0] is not None:
                self._lines[0].run(NOTHING, (), ())

    def _tell(self, tellers: list[Tell]) -> None:
        for tell in tellers:
            tell(self._ask)

    def _ask(self, script: Script, keys: Sequence[str], values: Sequence[Value]) -> Any:
        """Run a script over the second connection, also while Redis counts as lost. Raises `LineError`."""
        with self._locks[1]:
            line = self._lines[1]
            return None if line is None else line.run(script, keys, values)


def _connector(url: SharedUrl, password: str | None) -> Callable[[], Line]:
    try:
        from secftp.server.shared.line import Line
    except ImportError:
        raise InstallationError(
            "The package redis is missing, which --shared needs.", hint='Install it: pip install "secftp[shared]"'
        ) from None

    return lambda: Line(url, password)
