"""Names in columns, as many as fit into a terminal, filled from top to bottom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from secftp.text import width as width_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_GAP: Final = 2  # columns of the terminal between two names
_USUAL_COLUMNS: Final = 80


def terminal_columns(descriptor: int, environment: Mapping[str, str]) -> int:
    """Return the width of the terminal: that of COLUMNS, else what the terminal says, else 80."""
    text = environment.get("COLUMNS", "")
    if text.isascii() and text.isdigit() and 0 < len(text) <= 5 and int(text):  # noqa: PLR2004
        return int(text)
    try:
        return os.get_terminal_size(descriptor).columns or _USUAL_COLUMNS
    except OSError:
        return _USUAL_COLUMNS


def in_columns(names: Sequence[str], shown: Sequence[str], width: int) -> Iterator[str]:
    """Yield the lines, without their ends. `shown` is each of the `names` as it is printed, with its colour."""
    if not names:
        return
    widths = list(map(width_of, names))
    rows, starts = _layout(widths, width)
    for row in range(rows):
        line: list[str] = []
        reached = 0
        for place, start in zip(range(row, len(names), rows), starts, strict=False):
            line += (" " * (start - reached), shown[place])
            reached = start + widths[place]
        yield "".join(line)


def _layout(widths: Sequence[int], width: int) -> tuple[int, list[int]]:
    """Return the number of rows, the smallest that fits, and where each column starts."""
    count = len(widths)
    most = min(count, max(1, (width + _GAP) // (min(widths) + _GAP)))
    for columns in range(most, 1, -1):
        rows = -(-count // columns)
        sizes = [max(widths[first : first + rows]) for first in range(0, count, rows)]
        if sum(sizes) + _GAP * (len(sizes) - 1) <= width:
            return rows, _starts(sizes)
    return count, [0]


def _starts(sizes: Sequence[int]) -> list[int]:
    starts, at = [], 0
    for size in sizes:
        starts.append(at)
        at += size + _GAP
    return starts
