"""The progress of a copy on a terminal: a line for the file under way, and one with a bar for the whole.

A copy of one file has the second line only. Both are drawn as rarely as `progress.Bar` draws its own, and go away
without a trace.
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from secftp.client import progress
from secftp.client.progress import INTERVAL_SECONDS, LONGEST_BAR, SHORTEST_BAR, Bar
from secftp.text import escape, fitting, format_duration, format_rate, format_size, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.copy_counts import Counts

# "Erase to the end of the line" and "one line up": what every terminal but a dumb one knows.
_ERASE: Final = "\x1b[K"
_UP: Final = "\x1b[A"
_SHORTEST_NAME: Final = 8
# A file that is over before it could be read needs no share of its own.
_LARGE: Final = 10**7


class CopyBar(Bar):
    """A bar over what has been counted; `look` is to be called whenever that has changed."""

    __slots__ = ("_counts", "_folded", "_two")

    def __init__(
        self,
        write: Callable[[str], None],
        counts: Counts,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(write, clock=clock)
        self._counts = counts
        self._two = os.environ.get("TERM", "dumb") != "dumb"
        self._folded = False

    def look(self) -> None:
        """Draw, if it is time to."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        counts = self._counts
        if counts.moved_bytes > 0:  # before the first answer there is no rate, not one of 0
            self._follow_rate(now, counts.moved_bytes)
        if not progress._in_foreground():  # noqa: SLF001 - its own subclass
            return
        columns = progress._columns()  # noqa: SLF001
        whole = render_whole(counts, self._rate, columns)
        if self._two and (counts.files is None or counts.files > 1) and counts.name:
            self._draw_two(render_file(counts, columns), whole)
        else:
            self.clear()
            self._draw(whole)

    def _draw_two(self, above: str, line: str) -> None:
        if self._shown and not self._folded:
            self.clear()
        start = f"\r{_UP}" if self._folded else "\r"
        self._folded, self._shown = True, 1
        self._write(f"{start}{above}{_ERASE}\n{line}{_ERASE}")

    def clear(self) -> None:
        """Take the lines away."""
        if not self._folded:
            super().clear()
            return
        self._folded, self._shown = False, 0
        self._write(f"\r{_ERASE}{_UP}{_ERASE}")


def render_whole(counts: Counts, rate: float, columns: int) -> str:
    """The line of the whole: share, bar, bytes, rate, time left, files done; what has no room goes, the bar first."""
    room = max(columns - 1, 0)
    speed = f"{format_rate(rate):>10}"
    done, total = counts.done_bytes, counts.bytes
    files = f"{counts.done_files} {_files(counts.done_files)}"
    if counts.files is None:
        lines = [f"{format_size(done):>8}  {speed}  {files}", f"{format_size(done):>8}  {speed}", files]
        return next((line for line in lines if len(line) <= room), "")
    share = min(max(done / total, 0.0), 1.0) if total else 1.0
    percent = f"{math.floor(share * 100):3} %"
    left = f"{format_duration(max(total - done, 0) / rate if rate > 0 else math.inf)} left"
    amount = f"{format_size(done):>8} of {format_size(total)}"
    files = f"  {counts.done_files} of {counts.files} files" if counts.files > 1 else ""
    lines = [
        f"{percent}  {amount}  {speed}  {left}{files}",
        f"{percent}  {amount}  {speed}{files}",
        f"{percent}  {amount}  {speed}",
        f"{percent}  {speed}",
        percent,
    ]
    size = min(room - len(lines[0]) - len("  []"), LONGEST_BAR)
    if size >= SHORTEST_BAR:
        marks = math.floor(share * size)
        return f"{percent}  [{'#' * marks}{'-' * (size - marks)}]{lines[0].removeprefix(percent)}"
    return next((line for line in lines if len(line) <= room), "")


def render_file(counts: Counts, columns: int) -> str:
    """The line of the file under way: its name, and how far it is."""
    room = max(columns - 1, 0)
    text = ""
    if counts.size >= _LARGE:
        share = min(max(counts.name_done / counts.size, 0.0), 1.0)
        text = f"  {math.floor(share * 100):3} % of {format_size(counts.size)}"
    if room - len(text) < _SHORTEST_NAME:
        text = ""
    # As it will stand on the terminal, whose encoding may lack some of it: else the line is longer than the terminal.
    name = fitting(escape(counts.name), getattr(sys.stderr, "encoding", None))
    return shorten(name, room - len(text)) + text if room >= _SHORTEST_NAME else ""


def _files(number: int) -> str:
    return "file" if number == 1 else "files"
