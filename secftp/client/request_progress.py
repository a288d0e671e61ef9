"""Progress of commands that make many requests: a line on a terminal, or events, of what was counted so far.

A server may take minutes for one request, such as the checksum of a large file. So a thread draws: the command only
counts, which costs nothing, and the line goes on while it waits. Without a terminal and without --progress json there
is no thread. Invariant: after `clear` nothing is drawn until the command counts again, so that nothing else that it
writes is mixed with the line.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from secftp.client import progress_bar
from secftp.client.progress_bar import FIRST_SECONDS, INTERVAL_SECONDS, Bar, render_counts
from secftp.text import path_text, width

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from secftp.client.failures import Failures
    from secftp.json_lines import Value

EVENT_SECONDS: Final = 0.5
_JOIN_SECONDS: Final = 1.0  # a terminal may have been stopped (Ctrl-S)


class Output(Protocol):
    """What is used of `secftp.client.terminal.Terminal`."""

    bar: Bar | RequestProgress | None
    counts: dict[str, Value]

    @property
    def has_events(self) -> bool:
        """Whether --progress json was given."""

    @property
    def shows_bars(self) -> bool:
        """Whether a bar would be visible."""

    def draw(self, text: str, /) -> None:
        """Write as it is."""

    def event(self, fields: dict[str, Value], /) -> None:
        """Write an object as a line."""

    def ended(self) -> None:
        """Write the event about the end."""


class RequestProgress:
    """What a command has counted, as a context manager: `number` of a `unit`, `bytes` (None: they are not known).

    Its end puts the counts where the log and the event `ended` find them, with those of `failures`, and writes the
    event. `done`: the verb of the line.
    """

    def __init__(
        self,
        terminal: Output,
        done: str,
        unit: str,
        failures: Failures,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number = 0
        self.bytes: int | None = None
        self._terminal = terminal
        self._done = done
        self._unit = unit
        self._failures = failures
        self._clock = clock
        self._began = clock()
        self._name: bytes | tuple[bytes, ...] = b""
        self._shown = 0  # columns
        self._line = ""
        self._may_draw = False  # the key may have to be asked for first
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def now(self, name: bytes | tuple[bytes, ...] = b"") -> None:
        """Note what the command is at: a name, or a path; from the first call on, the line may be drawn."""
        self._name = name
        self._may_draw = True

    def add(self, number: int = 1, nbytes: int | None = None) -> None:
        """Count more of it."""
        self.number += number
        if nbytes is not None:
            self.bytes = (self.bytes or 0) + nbytes
        self._may_draw = True

    def show(self, number: int, nbytes: int | None) -> None:
        """Set the counts."""
        self.number, self.bytes = number, nbytes
        self._may_draw = True

    def clear(self) -> None:
        """Erase the line; it is drawn again when the command goes on."""
        with self._lock:
            self._may_draw = False
            if self._shown:
                self._terminal.draw("\r" + " " * min(self._shown, progress_bar.terminal_columns() - 1) + "\r")
                self._shown = 0

    def counts(self) -> dict[str, Value]:
        """Return the counts by name."""
        return {self._unit: self.number, "bytes": self.bytes, "failed": self._failures.count}

    def tick(self) -> None:
        """Draw, or write the event."""
        with self._lock:
            seconds = self._clock() - self._began
            if self._terminal.has_events:
                fields = {key: value for key, value in self.counts().items() if value is not None}
                self._terminal.event({"event": "progress", **fields, "seconds": round(seconds, 1)})
            elif self._may_draw and progress_bar.is_in_foreground():
                name = path_text(self._name) if self._name else ""
                line = render_counts(
                    self.number, self._done, self.bytes, seconds, name, progress_bar.terminal_columns()
                )
                if self._shown and line == self._line:
                    return
                rest = max(0, min(self._shown, progress_bar.terminal_columns() - 1) - width(line))
                self._shown, self._line = width(line), line
                self._terminal.draw(f"\r{line}{' ' * rest}")

    def __enter__(self) -> Self:
        self._terminal.bar = self
        if self._terminal.has_events or self._terminal.shows_bars:
            self._thread = threading.Thread(target=self._run, name="secftp-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        self.clear()
        self._terminal.counts |= self.counts()
        if kind is None:
            self._terminal.ended()

    def _run(self) -> None:
        pause = EVENT_SECONDS if self._terminal.has_events else FIRST_SECONDS
        while not self._over.wait(pause):
            self.tick()
            if not self._terminal.has_events:
                pause = INTERVAL_SECONDS


class EventBar(Bar):
    """The progress of one file as events, in place of its bar."""

    __slots__ = ("_terminal",)

    def __init__(self, terminal: Output) -> None:
        super().__init__(lambda _text: None)
        self._terminal = terminal
        self._due = self._clock() + EVENT_SECONDS

    def __call__(self, done: int, total: int | None, /) -> None:
        """Write the event, if it is time to."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + EVENT_SECONDS
        self._update_rate(now, done)
        left = max(total - done, 0) / self._rate if total is not None and self._rate > 0 else None
        self._terminal.event(
            {
                "event": "progress",
                "bytes": done,
                "bytes_planned": total,
                "rate": round(self._rate),
                "seconds_left": None if left is None else round(left, 1),
            }
        )

    def clear(self) -> None:
        """Do nothing."""
