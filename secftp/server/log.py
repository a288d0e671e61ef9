"""What the server tells whoever watches it, in lines for people or in events for programs.

Lines have the words and the form of the original: `!! 19:06:18: Listening @ ...`. Events are one JSON object a line.
Names from a peer come here escaped; a last guard sees to it that only printable signs get out. Keys never get here. A
session's lines end with its number and its peer in brackets, so that many at once can be told apart. Neither may a
client fill the disk with them: a line has 4 KiB at the most, a limit that bites is told at most once in ten seconds,
clients that have proved nothing share a budget of lines, and a session has 1 MiB a minute beyond one line for each file
that is moved (`allowance`). A line counts those that were left out.
"""

from __future__ import annotations

import enum
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from secftp.server import as_json
from secftp.server.log_limits import SESSION_BYTES, ByteBudget, EventLimiter, SourceBudgets
from secftp.server.log_output import NonBlockingWriter
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from secftp.channel import Peer
    from secftp.storage import Path

LONGEST_TEXT: Final = 1024  # signs
LONGEST_LINE: Final = 4096  # bytes of a line, in whatever encoding
_LONGEST_OF_SESSION: Final = 3072  # bytes of its text, beside the time and whose it is
LIMIT_SECONDS: Final = 10.0
# Lines about clients that have proved nothing: so many at once, and so many a second.
UNPROVED_LINES: Final = 10_000
UNPROVED_LINES_PER_SECOND: Final = 50.0


class Level(enum.IntEnum):
    """How much a line matters; a log leaves out what is below its own."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class Operation(NamedTuple):
    """A request that is over, for programs: lines tell people of it in words.

    `name` is that of the message in lower case (`read`, `writemany` counts as `write` for each file), `result` is `ok`
    or the code of the error, `nbytes` what was moved, `to` the other path of a rename. `moved`: a whole file was.
    """

    name: str
    path: Path
    result: str
    seconds: float
    nbytes: int = 0
    digest: bytes | None = None
    to: Path | None = None
    moved: bool = False


class Counter(Protocol):
    """Whoever counts what happens (`metrics`). Called from any thread, and never for long."""

    def handshake(self, result: str) -> None:
        """A connection has become a session (`ok`), or has not."""
        ...

    def session(self, change: int) -> None:
        """There is one session more, or one less."""
        ...

    def operation(self, done: Operation, cipher: str) -> None:
        """A request is over."""
        ...

    def limit(self, name: str) -> None:
        """A limit bit."""
        ...


class Log:
    """Lines on standard output or another stream, one at a time whichever thread they come from."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        level: Level = Level.INFO,
        json: bool = False,
        counter: Counter | None = None,
    ) -> None:
        self.counter = counter
        self.json = json
        self._outlet = NonBlockingWriter(stream)
        self._level = level
        self._lock = threading.Lock()
        self._limits = EventLimiter(LIMIT_SECONDS)
        self._unproved = TokenBucket(UNPROVED_LINES_PER_SECOND, UNPROVED_LINES, time.monotonic())
        self._unproved_lock = threading.Lock()
        self.sources = SourceBudgets()

    def line(self, text: str, level: Level = Level.INFO) -> None:
        """Write one line. A log that can't be written never ends a transfer."""
        self.lines((text,), level)

    def lines(self, texts: Iterable[str], level: Level = Level.INFO) -> None:
        """Write several lines that came together, at one go."""
        if self.writes(level):
            self.write("".join(self.formed(text, level) for text in texts))

    def writes(self, level: Level) -> bool:
        """Whether lines of this level are written."""
        return level >= self._level

    def event(self, name: str, fields: dict[str, as_json.Value], level: Level = Level.INFO) -> None:
        """Write an event for programs; the text form has told of it in lines."""
        if self.json and self.writes(level):
            self.write(as_json.line(level.name.lower(), name, fields))

    def limit(self, name: str, text: str) -> None:
        """Tell that a limit bit; of those with one name at most one line in ten seconds, which counts the others."""
        if self.counter is not None:
            self.counter.limit(name)
        left_out = self._limits.ask(name)
        if left_out is None:
            return
        more = f" (and {left_out} more since the last such line)" if left_out else ""
        if self.json:
            self.event("limit", {"limit": name, "text": _printable(text), "left_out": left_out}, Level.WARNING)
        else:
            self.line(_bounded(text) + more, Level.WARNING)

    def session(self, number: int, peer: Peer) -> SessionLog:
        """The log of one client."""
        return SessionLog(self, number, peer)

    def spend(self, lines: int) -> bool:
        """Whether so many more lines may be written about clients that have proved nothing."""
        with self._unproved_lock:
            if self._unproved.take(lines, time.monotonic()):
                return True
        self.limit("log", "Log lines about unauthenticated clients are omitted: there are too many.")
        return False

    def reopen(self, stream: TextIO | None) -> TextIO | None:
        """Write into another stream from now on; the one until now."""
        with self._lock:
            before, self._outlet = self._outlet.stream, NonBlockingWriter(stream)
        return before

    def write(self, text: str) -> None:
        """Write lines that have their form, without a further look."""
        with self._lock:
            lost = self._outlet.lost
            self._outlet.write(text)
            if lost and not self._outlet.lost:
                self._outlet.write(self.formed(f"Before that {lost} lines were lost: nobody took them.", Level.WARNING))

    def formed(self, text: str, level: Level) -> str:
        """A line as it is written, no longer than the longest."""
        if self.json:
            return as_json.line(level.name.lower(), "message", {"text": _printable(text)})
        stamp = f"!! {time.strftime('%H:%M:%S')}: "
        return f"{stamp}{_fitting(_printable(text), LONGEST_LINE - len(stamp) - 1)}\n"


class FileLine(str):
    """The line of a file that was moved, which is never left out; then it has the file's name, too.

    `name` is for the log already.
    """

    __slots__ = ("name",)

    name: str

    def __new__(cls, text: str, name: str) -> Self:
        """A text with that name."""
        line = super().__new__(cls, text)
        line.name = name
        return line


class SessionLog:
    """One client's lines. `proved` says that it has proved a key (or that it needs none), `key` which, by its name."""

    def __init__(self, log: Log, number: int, peer: Peer) -> None:
        self.proved = False
        self.key = ""
        self.cipher = ""
        self._log = log
        self._number = number
        self._host = peer.host
        self._peer = f"{peer.host}:{peer.port}"
        self._suffix = f"  [{number} {self._peer}]"
        self._shares: tuple[ByteBudget, ...] = ()  # once it is let in
        self._left_out = 0

    def line(self, text: str, level: Level = Level.INFO) -> None:
        """Write one line of this client's."""
        self.lines((text,), level)

    def lines(self, texts: Iterable[str], level: Level = Level.INFO) -> None:
        """Write several lines of this client's that came together."""
        level = self._level_of(level)
        if not self.proved:
            bounded = [_bounded(text) + self._suffix for text in texts]
            if self._log.spend(len(bounded)):
                self._log.lines(bounded, level)
        elif self._log.writes(level):
            self._put("".join(self._passing(texts, level)))

    def _formed(self, text: str, level: Level) -> str:
        return self._log.formed(_bounded(text) + self._suffix, level)

    def event(self, name: str, **fields: as_json.Value) -> None:
        """Tell programs what has become of this client."""
        if not self._log.json:
            return
        if self.proved:
            self._event(name, fields)
        elif self._log.spend(1):
            self._log.event(name, self._fields() | fields)

    def handshake(self, result: str) -> None:
        """Its handshake is over: `ok`, or why not."""
        if self._log.counter is not None:
            self._log.counter.handshake(result)
        self.event("handshake", cipher=self.cipher, result=result)

    def limit(self, name: str, text: str) -> None:
        """A limit bit this client."""
        self._log.limit(name, _bounded(text) + self._suffix)

    def operations(self, done: Iterable[Operation]) -> None:
        """Take note of requests that are over; the text form has told of them in lines."""
        counter = self._log.counter
        if counter is None and not self._log.json:
            return
        for one in done:
            if counter is not None:
                counter.operation(one, self.cipher)
            if self._log.json:
                self._operation(one)

    def _operation(self, done: Operation) -> None:
        if done.moved or not self._leaves_out():
            self._event("operation", as_json.operation(done), moved=done.moved)

    def end(self) -> None:
        """The last lines of a client that was let in, which are never left out."""
        self._tell_left_out()
        self._log.event("disconnected", self._fields())
        self._log.line("Done." + self._suffix, self._level_of(Level.INFO))

    # --- what may pass ------------------------------------------------------------------------------------------------

    def _event(self, name: str, fields: dict[str, as_json.Value], *, moved: bool = False) -> None:
        if not self._log.writes(Level.INFO):
            return
        line = as_json.line(Level.INFO.name.lower(), name, self._fields() | fields)
        if self._may_pass(line, counts=not moved) or moved:
            self._put(line)

    def _passing(self, texts: Iterable[str], level: Level) -> list[str]:
        """Those lines that may pass; that of a file which was moved does in any case."""
        passing = []
        for text in texts:
            if isinstance(text, FileLine):
                line = self._formed(text, level)
                if not self._may_pass(line, counts=False):
                    line = self._formed(f"{text}, filename: {text.name}", level)
                passing.append(line)
            elif not self._leaves_out() and self._may_pass(line := self._formed(text, level)):
                passing.append(line)
        return passing

    def _leaves_out(self) -> bool:
        """Whether a share is used up, so that a line need not even be made; then it is counted."""
        if not any(share.is_used_up for share in self._shares):
            return False
        self._left_out += 1
        return True

    def _may_pass(self, line: str, *, counts: bool = True) -> bool:
        """Whether its shares have room for a line; else it is left out, and counted."""
        if not self._shares:
            self._shares = ByteBudget(SESSION_BYTES), self._log.sources.share(self._host, self.key)
        nbytes = len(line) if line.isascii() else len(line.encode(errors="backslashreplace"))
        if all(share.take(nbytes) for share in self._shares):
            self._tell_left_out()
            return True
        if counts:
            if not self._left_out:
                self.limit("session_log", "Log lines of this session are omitted: there are too many.")
            self._left_out += 1
        return False

    def _tell_left_out(self) -> None:
        count, self._left_out = self._left_out, 0
        if not count:
            return
        if self._log.json:
            self._log.event("left_out", self._fields() | {"left_out": count}, Level.WARNING)
        else:
            self._log.line(f"Before this, {count} lines of this session were left out.{self._suffix}", Level.WARNING)

    def _put(self, text: str) -> None:
        if text:
            self._log.write(text)

    def _level_of(self, level: Level) -> Level:
        """Lines tell people what programs learn by events."""
        return Level.DEBUG if self._log.json else level

    def _fields(self) -> dict[str, as_json.Value]:
        return {"session": self._number, "peer": self._peer, "name": self.key}


def _printable(text: str) -> str:
    """The last guard, whatever a caller forgot to escape."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)


def _bounded(text: str) -> str:
    """What a client can make longer is cut, before the part that tells whose it is."""
    return _fitting(text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "...", _LONGEST_OF_SESSION)


def _fitting(text: str, most: int) -> str:
    """As much of it as has `most` bytes in any encoding: one that lacks a sign has up to ten for it."""
    if 10 * len(text) <= most or (text.isascii() and len(text) <= most):
        return text
    size, room = 0, most - len("...")
    if len(text.encode("ascii", "backslashreplace")) <= most:
        return text
    for number, sign in enumerate(text):
        size += len(sign.encode("ascii", "backslashreplace"))
        if size > room:
            return text[:number] + "..."
    return text
