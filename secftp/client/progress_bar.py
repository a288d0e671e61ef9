"""Progress bars: one or two lines of a terminal, redrawn at most ten times a second and removed at the end.

A transfer calls the bar after each batch and waits for it, so a call that draws nothing costs one look at the clock.
No library is used, because the start of this program is part of the time that a small file takes.
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from secftp.text import count_files, escape, escape_unencodable, format_duration, format_rate, format_size, shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

STANDARD_ERROR: Final = 2
INTERVAL_SECONDS: Final = 0.1
# A transfer that ends sooner needs no bar.
FIRST_SECONDS: Final = 0.3
# Time constant of the rate's moving average: it follows a change within seconds and does not jump at every hiccup.
MEMORY_SECONDS: Final = 3.0
USUAL_COLUMNS: Final = 80
LONGEST_BAR: Final = 40
SHORTEST_BAR: Final = 8
# "Erase to the end of the line" and "cursor up": what every terminal but a dumb one supports.
_ERASE: Final = "\x1b[K"
_UP: Final = "\x1b[A"
_SHORTEST_NAME: Final = 8
# A file that is complete before its line could be read needs no percentage of its own.
_LARGE: Final = 10**7


class Bar:
    """The bar of one file: a progress callback and a context manager; `write` writes to the terminal."""

    __slots__ = ("_clock", "_due", "_rate", "_reported", "_shown", "_write")

    def __init__(
        self, write: Callable[[str], None], *, hidden: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        now = clock()
        self._write = write
        self._clock = clock
        self._due = math.inf if hidden else now + FIRST_SECONDS
        self._reported = (now, 0)
        self._rate = math.nan
        self._shown = 0

    def __call__(self, done: int, total: int | None, /) -> None:
        """Note that `done` of `total` bytes (None: unknown) are transferred."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        self._update_rate(now, done)
        if is_in_foreground():
            self._draw(render(done, total, self._rate, terminal_columns()))

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            self._write("\r" + " " * min(self._shown, terminal_columns() - 1) + "\r")
            self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _update_rate(self, now: float, done: int) -> None:
        """Move the average towards the rate since the last update, the further the longer ago that was."""
        before, counted = self._reported
        passed = max(now - before, 1e-9)
        rate = (done - counted) / passed
        if math.isnan(self._rate):
            self._rate = rate
        else:
            self._rate += (rate - self._rate) * -math.expm1(-passed / MEMORY_SECONDS)
        self._reported = (now, done)

    def _draw(self, line: str) -> None:
        rest = max(0, min(self._shown, terminal_columns() - 1) - len(line))
        self._shown = len(line)  # before it is written: Ctrl-C may interrupt the write
        self._write(f"\r{line}{' ' * rest}")


class CopyCounts(Protocol):
    """What a `CopyBar` draws; `files` is None while the total is unknown."""

    name: bytes
    size: int
    name_done: int
    files: int | None
    bytes: int
    done_files: int
    done_bytes: int
    moved_bytes: int


class CopyBar(Bar):
    """The bar of a copy: a line for the current file above one for the whole; a copy of one file has the second only.

    `update` is to be called whenever the counts have changed.
    """

    __slots__ = ("_counts", "_has_two_lines", "_may_use_two_lines")

    def __init__(
        self, write: Callable[[str], None], counts: CopyCounts, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(write, clock=clock)
        self._counts = counts
        self._may_use_two_lines = os.environ.get("TERM", "dumb") != "dumb"
        self._has_two_lines = False

    def update(self) -> None:
        """Draw, if it is time to."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        counts = self._counts
        if counts.moved_bytes > 0:  # before the first answer the rate is unknown, not 0
            self._update_rate(now, counts.moved_bytes)
        if not is_in_foreground():
            return
        columns = terminal_columns()
        whole = render_whole(counts, self._rate, columns)
        if self._may_use_two_lines and (counts.files is None or counts.files > 1) and counts.name:
            self._draw_two(render_file(counts, columns), whole)
        else:
            self.clear()
            self._draw(whole)

    def _draw_two(self, above: str, line: str) -> None:
        if self._shown and not self._has_two_lines:
            self.clear()
        start = f"\r{_UP}" if self._has_two_lines else "\r"
        self._has_two_lines, self._shown = True, 1
        self._write(f"{start}{above}{_ERASE}\n{line}{_ERASE}")

    def clear(self) -> None:
        """Erase the lines."""
        if not self._has_two_lines:
            super().clear()
            return
        self._has_two_lines, self._shown = False, 0
        self._write(f"\r{_ERASE}{_UP}{_ERASE}")


def render(done: int, total: int | None, rate: float, columns: int, files: str = "") -> str:
    """Return the line for a terminal of that width; the last column stays free, since some terminals wrap after it.

    If it is too narrow, the bar is left out first, then what follows from the rest. `files` is appended.
    """
    room = max(columns - 1, 0)
    speed = f"{format_rate(rate):>10}"
    amount = f"{format_size(done):>8}"
    if total is None:
        lines = [f"{amount}  {speed}{files}", f"{amount}  {speed}", files.strip() or format_size(done)]
        return next((line for line in lines if len(line) <= room), "")
    share = min(max(done / total, 0.0), 1.0) if total else 1.0
    percent = f"{math.floor(share * 100):3} %"
    left = f"{format_duration(max(total - done, 0) / rate if rate > 0 else math.inf)} left"
    counts = f"{percent}  {amount} of {format_size(total)}  {speed}"
    lines = [f"{counts}  {left}{files}", f"{counts}{files}", counts, f"{percent}  {speed}", percent]
    size = min(room - len(lines[0]) - len("  []"), LONGEST_BAR)
    if size >= SHORTEST_BAR:
        marks = math.floor(share * size)
        return f"{percent}  [{'#' * marks}{'-' * (size - marks)}]{lines[0].removeprefix(percent)}"
    return next((line for line in lines if len(line) <= room), "")


def render_whole(counts: CopyCounts, rate: float, columns: int) -> str:
    """Return the line for the whole copy, with the number of complete files."""
    if counts.files is None:
        return render(counts.done_bytes, None, rate, columns, f"  {count_files(counts.done_files)}")
    files = f"  {counts.done_files} of {counts.files} files" if counts.files > 1 else ""
    return render(counts.done_bytes, counts.bytes, rate, columns, files)


def render_counts(number: int, done: str, nbytes: int | None, seconds: float, name: str, columns: int) -> str:
    """Return the line for what was counted in so many seconds, `done` being the verb; with the name if it fits."""
    room = max(columns - 1, 0)
    rate = number / seconds if seconds > 0 else 0.0
    each = f"  {round(rate)} a second" if rate >= 1 else ""
    amount = f"{number} {done}"
    size = "" if nbytes is None else f"  {format_size(nbytes)}"
    lines = [f"{amount}{size}{each}  {format_duration(seconds)}", f"{amount}{size}{each}", f"{amount}{size}", amount]
    line = next((line for line in lines if len(line) <= room), "")
    left = room - len(line) - 2
    if not line or not name or left < _SHORTEST_NAME:
        return line
    return f"{line}  {shorten(escape_unencodable(escape(name), getattr(sys.stderr, 'encoding', None)), left)}"


def render_file(counts: CopyCounts, columns: int) -> str:
    """Return the line for the current file: its name and, if it is large, its percentage."""
    room = max(columns - 1, 0)
    text = ""
    if counts.size >= _LARGE:
        share = min(max(counts.name_done / counts.size, 0.0), 1.0)
        text = f"  {math.floor(share * 100):3} % of {format_size(counts.size)}"
    if room - len(text) < _SHORTEST_NAME:
        text = ""
    # As the terminal will show it: with characters that its encoding lacks escaped, which makes the name longer.
    name = escape_unencodable(escape(counts.name), getattr(sys.stderr, "encoding", None))
    return shorten(name, room - len(text)) + text if room >= _SHORTEST_NAME else ""


def terminal_columns() -> int:
    """Return the width of the terminal."""
    try:
        # A terminal whose size was never set reports 0.
        return os.get_terminal_size(STANDARD_ERROR).columns or USUAL_COLUMNS
    except OSError:
        return USUAL_COLUMNS


def is_in_foreground() -> bool:
    """Return whether this process may write to its terminal now; a background job would disturb another's output."""
    try:
        return os.tcgetpgrp(STANDARD_ERROR) == os.getpgrp()
    except OSError:
        return True
