"""The progress bar: one line of a terminal, drawn over itself ten times a second and gone without a trace at the end.

The transfer calls it after each batch and waits for it, so a call that draws nothing costs one look at the clock.
It is our own and no library's because the start of this program is part of the time that a small file takes.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Final, Self

from secftp.text import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

STANDARD_ERROR: Final = 2
INTERVAL_SECONDS: Final = 0.1
# What is over sooner needs no bar.
FIRST_SECONDS: Final = 0.3
# How far back the shown rate looks: it follows a change within seconds, and does not jump at every hiccup.
MEMORY_SECONDS: Final = 3.0
USUAL_COLUMNS: Final = 80
LONGEST_BAR: Final = 40
SHORTEST_BAR: Final = 8


class Bar:
    """A `secftp.transfer.Progress` and a context manager; `write` puts text onto the terminal."""

    __slots__ = ("_clock", "_due", "_rate", "_shown", "_told", "_write")

    def __init__(
        self, write: Callable[[str], None], *, hidden: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        now = clock()
        self._write = write
        self._clock = clock
        self._due = math.inf if hidden else now + FIRST_SECONDS
        self._told = (now, 0)
        self._rate = math.nan
        self._shown = 0

    def __call__(self, done: int, total: int | None, /) -> None:
        """Take note that `done` of `total` bytes (None: nobody knows) are through."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        self._follow_rate(now, done)
        if _in_foreground():
            self._draw(render(done, total, self._rate, _columns()))

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("\r" + " " * min(self._shown, _columns() - 1) + "\r")
            self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _follow_rate(self, now: float, done: int) -> None:
        """Move the rate towards that of the time since the last look, the further the longer that was."""
        before, counted = self._told
        passed = max(now - before, 1e-9)
        rate = (done - counted) / passed
        if math.isnan(self._rate):
            self._rate = rate
        else:
            self._rate += (rate - self._rate) * -math.expm1(-passed / MEMORY_SECONDS)
        self._told = (now, done)

    def _draw(self, line: str) -> None:
        rest = max(0, min(self._shown, _columns() - 1) - len(line))
        self._shown = len(line)  # before it is written: Ctrl-C may come in the middle
        self._write(f"\r{line}{' ' * rest}")


def render(done: int, total: int | None, rate: float, columns: int) -> str:
    """The line for a terminal of so many columns, of which the last stays free: some terminals wrap behind it.

    Where there is not room for everything, the bar goes first, then what can be worked out from the rest.
    """
    room = max(columns - 1, 0)
    speed = f"{format_rate(rate):>10}"
    if total is None:
        lines = [f"{format_size(done):>8}  {speed}", format_size(done)]
    else:
        share = min(done / total, 1.0) if total else 1.0
        percent = f"{math.floor(share * 100):3} %"
        left = f"{format_duration((total - done) / rate if rate > 0 else math.inf)} left"
        counts = f"{percent}  {format_size(done):>8} of {format_size(total)}  {speed}"
        lines = [f"{counts}  {left}", counts, f"{percent}  {speed}", percent]
        size = min(room - len(lines[0]) - len("  []"), LONGEST_BAR)
        if size >= SHORTEST_BAR:
            marks = math.floor(share * size)
            return f"{percent}  [{'#' * marks}{'-' * (size - marks)}]{lines[0].removeprefix(percent)}"
    return next((line for line in lines if len(line) <= room), "")


def _columns() -> int:
    try:
        # A terminal that never was told its size says 0.
        return os.get_terminal_size(STANDARD_ERROR).columns or USUAL_COLUMNS
    except OSError:
        return USUAL_COLUMNS


def _in_foreground() -> bool:
    """Whether this process may write on its terminal just now: a job in the background would write into another's."""
    try:
        return os.tcgetpgrp(STANDARD_ERROR) == os.getpgrp()
    except OSError:
        return True
