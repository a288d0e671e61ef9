"""Log of a server: text lines or JSON events, and the counters behind its metrics.

Text lines have the words and the form of the original: `!! 19:06:18: Listening @ ...`. A session's lines end with its
number and its peer, so that concurrent sessions can be told apart.

Names from a peer arrive escaped; a last safeguard replaces what is not printable. Clients can't fill the disk: a line
is bounded (`log_format`), a limit is logged at most once in ten seconds, all unauthenticated clients share a budget of
lines, and each session has 1 MiB a minute (`log_limits`). Omitted lines are counted.

Invariants: a key is never logged; the line of a file that was transferred is never omitted.
"""

from __future__ import annotations

import enum
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from secftp.server.log_format import (
    LONGEST_LINE,
    Operation,
    bounded,
    connection_fields,
    connection_text,
    fit,
    json_line,
    operation_fields,
    printable,
)
from secftp.server.log_limits import SESSION_BYTES, ByteBudget, RepeatLimiter, SourceBudgets
from secftp.server.log_output import NonBlockingWriter
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from secftp.json_lines import Value
    from secftp.protocol import Bye
    from secftp.transport import Peer
    from secftp.transport.tcp_info import TcpInfo

LIMIT_SECONDS: Final = 10.0
# Lines about unauthenticated clients: at once, and per second.
UNPROVED_LINES: Final = 10_000
UNPROVED_LINES_PER_SECOND: Final = 50.0


class LogLevel(enum.IntEnum):
    """Severity of a line; a log omits lines below its own level."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class EventCounter(Protocol):
    """Counters of what happens, as metrics have them. Called from any thread; must not block."""

    def handshake(self, result: str) -> None:
        """Count a handshake: `ok`, or the reason of its failure."""
        ...

    def session(self, change: int) -> None:
        """Count a session that begins (1) or ends (-1)."""
        ...

    def operation(self, done: Operation, cipher: str) -> None:
        """Count a finished request."""
        ...

    def limit(self, name: str) -> None:
        """Count a limit that was reached."""
        ...


class Log:
    """Log of all clients, on standard output or another stream. Thread-safe."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        level: LogLevel = LogLevel.INFO,
        json: bool = False,
        counter: EventCounter | None = None,
    ) -> None:
        self.counter = counter
        self.json = json
        self._writer = NonBlockingWriter(stream)
        self._level = level
        self._lock = threading.Lock()
        self._limits = RepeatLimiter(LIMIT_SECONDS)
        self._unproved = TokenBucket(UNPROVED_LINES_PER_SECOND, UNPROVED_LINES, time.monotonic())
        self._unproved_lock = threading.Lock()
        self.sources = SourceBudgets()

    def line(self, text: str, level: LogLevel = LogLevel.INFO) -> None:
        """Write one line. A log that can't be written never ends a transfer."""
        self.lines((text,), level)

    def lines(self, texts: Iterable[str], level: LogLevel = LogLevel.INFO) -> None:
        """Write several lines at once."""
        if self.is_enabled(level):
            self.write("".join(self.format_line(text, level) for text in texts))

    def is_enabled(self, level: LogLevel) -> bool:
        """Return whether lines of this level are written."""
        return level >= self._level

    def event(self, name: str, fields: dict[str, Value], level: LogLevel = LogLevel.INFO) -> None:
        """Write a JSON event; the text format has lines instead."""
        if self.json and self.is_enabled(level):
            self.write(json_line(level.name.lower(), name, fields))

    def limit(self, name: str, text: str) -> None:
        """Log that a limit was reached, at most once in ten seconds for each name; the line counts the omitted ones."""
        if self.counter is not None:
            self.counter.limit(name)
        left_out = self._limits.admit(name)
        if left_out is None:
            return
        more = f" (and {left_out} more since the last such line)" if left_out else ""
        if self.json:
            self.event("limit", {"limit": name, "text": printable(text), "left_out": left_out}, LogLevel.WARNING)
        else:
            self.line(bounded(text) + more, LogLevel.WARNING)

    def session(self, number: int, peer: Peer) -> SessionLog:
        """Return the log of one client."""
        return SessionLog(self, number, peer)

    def spend(self, lines: int) -> bool:
        """Take lines from the budget of unauthenticated clients; False if it lacks them."""
        with self._unproved_lock:
            if self._unproved.take(lines, time.monotonic()):
                return True
        self.limit("log", "Log lines about unauthenticated clients are omitted: there are too many.")
        return False

    def reopen(self, stream: TextIO | None) -> TextIO | None:
        """Write to another stream from now on; return the former one."""
        with self._lock:
            before, self._writer = self._writer.stream, NonBlockingWriter(stream)
        return before

    def write(self, text: str) -> None:
        """Write formatted lines."""
        with self._lock:
            lost = self._writer.lost
            self._writer.write(text)
            if lost and not self._writer.lost:
                note = f"Before this, {lost} lines were lost: the output did not accept them."
                self._writer.write(self.format_line(note, LogLevel.WARNING))

    def format_line(self, text: str, level: LogLevel) -> str:
        """Return a bounded line with its time, or a JSON event `message`."""
        if self.json:
            return json_line(level.name.lower(), "message", {"text": printable(text)})
        stamp = f"!! {time.strftime('%H:%M:%S')}: "
        return f"{stamp}{fit(printable(text), LONGEST_LINE - len(stamp) - 1)}\n"


class FileLine(str):
    """Line of a file that was transferred, which is never omitted; then it includes `name`, the escaped file name."""

    __slots__ = ("name",)

    name: str

    def __new__(cls, text: str, name: str) -> Self:
        """Return the text with the name."""
        line = super().__new__(cls, text)
        line.name = name
        return line


class SessionLog:
    """Log of one client. `proved` is set once it is authenticated (or anonymous), `key` to the name of its key.

    `bye`: the client's BYE, once it has come. `quiet` is set while it may be no client, but a proxy that looks whether
    the server is there: lines and events are for debugging then.
    """

    def __init__(self, log: Log, number: int, peer: Peer) -> None:
        self.proved = False
        self.quiet = False
        self.key = ""
        self.cipher = ""
        self.bye: Bye | None = None
        self._log = log
        self._number = number
        self._host = peer.host
        self._peer = f"{peer.host}:{peer.port}"
        self._suffix = f"  [{number} {self._peer}]"
        self._budgets: tuple[ByteBudget, ...] = ()  # once it is authenticated
        self._left_out = 0

    def of(self, peer: Peer) -> SessionLog:
        """Return the log of the same session under another address: that of the client, whom a proxy has named."""
        return SessionLog(self._log, self._number, peer)

    def line(self, text: str, level: LogLevel = LogLevel.INFO) -> None:
        """Write one line."""
        self.lines((text,), level)

    def lines(self, texts: Iterable[str], level: LogLevel = LogLevel.INFO) -> None:
        """Write several lines at once."""
        level = self._level_of(level)
        if not self._log.is_enabled(level):
            return
        if not self.proved:
            suffixed = [bounded(text) + self._suffix for text in texts]
            if self._log.spend(len(suffixed)):
                self._log.lines(suffixed, level)
        else:
            self._put("".join(self._passing(texts, level)))

    def event(self, name: str, **fields: Value) -> None:
        """Write a JSON event of this client."""
        level = LogLevel.DEBUG if self.quiet else LogLevel.INFO
        if not self._log.json or not self._log.is_enabled(level):
            return
        if self.proved:
            self._event(name, fields)
        elif self._log.spend(1):
            self._log.event(name, self._fields() | fields, level)

    def handshake(self, result: str) -> None:
        """Record the end of the handshake: `ok`, or the reason of its failure."""
        if self._log.counter is not None:
            self._log.counter.handshake(result)
        self.event("handshake", cipher=self.cipher, result=result)

    def limit(self, name: str, text: str) -> None:
        """Log that this client has reached a limit."""
        self._log.limit(name, bounded(text) + self._suffix)

    def operations(self, done: Iterable[Operation]) -> None:
        """Record finished requests as metrics and JSON events; the text format has lines instead."""
        counter = self._log.counter
        if counter is None and not self._log.json:
            return
        for one in done:
            if counter is not None:
                counter.operation(one, self.cipher)
            if self._log.json:
                self._operation(one)

    def _operation(self, done: Operation) -> None:
        if done.moved or not self._omits():
            self._event("operation", operation_fields(done), moved=done.moved)

    def end(self, connection: TcpInfo | None = None, *, additional: bool = False) -> None:
        """Write the last lines of an authenticated client, which are never omitted; `connection` has ended.

        `additional`: it was an additional stream of a transfer.
        """
        self._log_omitted()
        if connection is not None and self._log.json:
            self._log.event("disconnected", self._fields() | connection_fields(connection, additional=additional))
        else:
            self._log.event("disconnected", self._fields())
            if connection is not None and self._log.is_enabled(LogLevel.DEBUG):
                self._log.line(connection_text(connection, additional=additional) + self._suffix, LogLevel.DEBUG)
        self._log.line("Done." + self._suffix, self._level_of(LogLevel.INFO))

    # --- budgets ------------------------------------------------------------------------------------------------------

    def _event(self, name: str, fields: dict[str, Value], *, moved: bool = False) -> None:
        if not self._log.is_enabled(LogLevel.INFO):
            return
        line = json_line(LogLevel.INFO.name.lower(), name, self._fields() | fields)
        if self._may_pass(line, counts=not moved) or moved:
            self._put(line)

    def _passing(self, texts: Iterable[str], level: LogLevel) -> list[str]:
        """Format the lines that the budgets admit, and those of transferred files in any case."""
        passing = []
        for text in texts:
            if isinstance(text, FileLine):
                line = self._formatted(text, level)
                if not self._may_pass(line, counts=False):
                    line = self._formatted(f"{text}, filename: {text.name}", level)
                passing.append(line)
            elif not self._omits() and self._may_pass(line := self._formatted(text, level)):
                passing.append(line)
        return passing

    def _formatted(self, text: str, level: LogLevel) -> str:
        return self._log.format_line(bounded(text) + self._suffix, level)

    def _omits(self) -> bool:
        """Return whether a budget is used up, so that a line need not even be formatted; then count it as omitted."""
        if not any(budget.is_used_up for budget in self._budgets):
            return False
        self._left_out += 1
        return True

    def _may_pass(self, line: str, *, counts: bool = True) -> bool:
        """Take a line from the budgets; False, and with `counts` it is counted as omitted, if they lack room."""
        if not self._budgets:
            self._budgets = ByteBudget(SESSION_BYTES), self._log.sources.share(self._host, self.key)
        nbytes = len(line) if line.isascii() else len(line.encode(errors="backslashreplace"))
        if all(budget.take(nbytes) for budget in self._budgets):
            self._log_omitted()
            return True
        if counts:
            if not self._left_out:
                self.limit("session_log", "Log lines of this session are omitted: there are too many.")
            self._left_out += 1
        return False

    def _log_omitted(self) -> None:
        count, self._left_out = self._left_out, 0
        if not count:
            return
        if self._log.json:
            self._log.event("left_out", self._fields() | {"left_out": count}, LogLevel.WARNING)
        else:
            self._log.line(f"Before this, {count} lines of this session were omitted.{self._suffix}", LogLevel.WARNING)

    def _put(self, text: str) -> None:
        if text:
            self._log.write(text)

    def _level_of(self, level: LogLevel) -> LogLevel:
        """With JSON, lines are for debugging only: events have the same information."""
        return LogLevel.DEBUG if self._log.json or self.quiet else level

    def _fields(self) -> dict[str, Value]:
        return {"session": self._number, "peer": self._peer, "name": self.key}
