"""The ratios that the project has set itself, and what was measured of each.

For large files a ratio is of rates: at least the target. For small ones it is of whole processes' times: at most the
target. A ratio whose other side was left out is shown as not measured, and never dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.peers.folders import size_name
from bench.peers.table import RATES_FROM, aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.peers.table import Figures

BOTH = ("write", "read")
HEADER = ("file", "ratio", "way", "measured", "target", "")


class Target(NamedTuple):
    """`ours` against `other`: at least `bound` as a ratio of rates, or, if `small`, at most as one of times."""

    ours: str
    other: str
    bound: float
    ways: tuple[str, ...] = BOTH
    other_way: str | None = None  # where the other goes another way
    small: bool = False


TARGETS = (
    Target("secftp aes128", "scp aes128-gcm", 2.5),
    Target("secftp aes256", "scp aes128-gcm", 2.0),
    Target("secftp aes128, pipe", "scp aes128-gcm", 2.0),
    Target("secftp aes256, pipe", "scp aes128-gcm", 2.0),
    Target("secftp aes128", "secftp none", 0.75),
    Target("secftp aes128", "cp", 0.6, other_way="copy"),
    Target("secftp none", "iperf3, one stream", 0.5, other_way="stream"),
    Target("secftp aes128", "curl+nginx TLS 1.3 aes128-gcm", 1.0, ways=("read",)),
    Target("secftp aes256", "curl+nginx TLS 1.3 aes256-gcm", 1.0, ways=("read",)),
    Target("secftp aes128", "rsync daemon, clear", 1.0),
    Target("secftp aes128", "scp aes128-gcm", 0.6, small=True),
)


class Outcome(NamedTuple):
    """One target, one way: the ratio that was measured, None if one side is missing."""

    target: Target
    way: str
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if that is not known."""
        if self.measured is None:
            return None
        return self.measured <= self.target.bound if self.target.small else self.measured >= self.target.bound


def outcomes(figures: Figures) -> list[Outcome]:
    """What became of all targets that are about files of this size."""
    small = figures.size < RATES_FROM
    return [_outcome(target, way, figures) for target in TARGETS if target.small == small for way in target.ways]


def rows(figures: Figures) -> list[tuple[str, ...]]:
    """The outcomes as rows that belong beneath `HEADER`."""
    return [_row(figures.size, outcome) for outcome in outcomes(figures)]


def listing(all_figures: Sequence[Figures]) -> str:
    """The outcomes for all sizes as one list."""
    return aligned([HEADER, *(row for figures in all_figures for row in rows(figures))], left=3)


def _outcome(target: Target, way: str, figures: Figures) -> Outcome:
    ours, other = (target.ours, way), (target.other, target.other_way or way)
    # A ratio of rates is the inverse of that of times.
    measured = figures.speed(other, ours) if target.small else figures.speed(ours, other)
    return Outcome(target, way, measured)


def _row(size: int, outcome: Outcome) -> tuple[str, ...]:
    target = outcome.target
    return (
        size_name(size),
        f"{target.ours} / {target.other}",
        f"{outcome.way}, time" if target.small else f"{outcome.way}, rate",
        "-" if outcome.measured is None else f"{outcome.measured:.2f}",
        f"{'at most' if target.small else 'at least'} {target.bound:g}",
        {True: "met", False: "missed", None: "not measured"}[outcome.met],
    )
