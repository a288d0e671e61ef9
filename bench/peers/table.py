"""Result tables as text, one per size.

Rates are decimal (1 MB is 10**6 bytes); a ratio above 1 means faster than secftp with aes128 in the same direction. CPU
is user and system time of both ends, where the server is known. The limits of the machine have no direction and are
compared with writing.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from bench.peers.directories import size_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.peers.measure import Samples

BASE = "secftp aes128"
# Below this size startup dominates: no rates, and times in milliseconds.
RATES_FROM = 1 << 20
WAYS = ("write", "read", "copy", "stream")
HEADER = ("way", "program", "time", "min", "max", "MB/s", f"x {BASE}", "CPU", "peak MiB")
LEFT = 2


class Figures(NamedTuple):
    """Medians for one size, by program and direction: wall-clock seconds, and CPU seconds of both ends."""

    size: int
    seconds: Mapping[tuple[str, str], float]
    cpu: Mapping[tuple[str, str], float] = MappingProxyType({})

    def speed(self, fast: tuple[str, str], slow: tuple[str, str]) -> float | None:
        """Return how many times as fast the first is as the second; None if one of them was not measured."""
        if fast not in self.seconds or slow not in self.seconds:
            return None
        return self.seconds[slow] / self.seconds[fast]


def figures(size: int, measured: Sequence[Samples]) -> Figures:
    """Return the medians for one size."""
    names = [(item.contender.name, item.contender.way) for item in measured]
    return Figures(
        size,
        dict(zip(names, (item.median for item in measured), strict=True)),
        {name: cpu for name, item in zip(names, measured, strict=True) if (cpu := item.median_cpu) is not None},
    )


def table(size: int, measured: Sequence[Samples]) -> str:
    """Return the table for one size, the fastest of each direction first."""
    medians = figures(size, measured)
    ordered = sorted(measured, key=lambda item: (WAYS.index(item.contender.way), item.median))
    rounds = len(measured[0].seconds) if measured else 0
    title = f"{size_name(size)}, whole processes, median of {rounds} rounds in turn, source in page cache"
    return f"{title}\n\n" + aligned([HEADER, *(_row(item, medians) for item in ordered)])


def aligned(rows: Sequence[Sequence[str]], left: int = LEFT) -> str:
    """Format rows as aligned lines; the first `left` columns are left-aligned, the rest right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def shown_time(seconds: float, size: int) -> str:
    """Format a time in seconds, or in milliseconds for small files."""
    return f"{seconds:.3f} s" if size >= RATES_FROM else f"{seconds * 1e3:.1f} ms"


def _row(item: Samples, medians: Figures) -> tuple[str, ...]:
    name, way, size = item.contender.name, item.contender.way, item.contender.size
    ratio = medians.speed((name, way), (BASE, "read" if way == "read" else "write"))
    return (
        way,
        name,
        *(shown_time(seconds, size) for seconds in (item.median, min(item.seconds), max(item.seconds))),
        f"{size / item.median / 1e6:.0f}" if size >= RATES_FROM else "-",
        "-" if ratio is None else f"{ratio:.2f}",
        "-" if item.median_cpu is None else shown_time(item.median_cpu, size),
        "-" if item.peak is None else f"{item.peak / 2**20:.0f}",
    )
