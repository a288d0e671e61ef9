"""Performance targets of the project, as ratios to other programs, and their measured values.

For large files a target is a minimum ratio of rates; for small ones a maximum ratio of process times. A target that was
not measured is shown as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.peers.commands import SSH_CAT
from bench.peers.directories import size_name
from bench.peers.table import RATES_FROM, aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.peers.table import Figures

BOTH = ("write", "read")
HEADER = ("file", "ratio", "way", "measured", "target", "")


class Target(NamedTuple):
    """`ours` compared with `other`: minimum ratio of rates or, if `small`, maximum ratio of times."""

    ours: str
    other: str
    bound: float
    ways: tuple[str, ...] = BOTH
    other_way: str | None = None  # if the other has another direction
    small: bool = False


TARGETS = (
    Target("secftp aes128", "scp aes128-gcm", 2.5),
    Target("secftp aes256", "scp aes128-gcm", 2.0),
    Target("secftp aes128, pipe", "scp aes128-gcm", 2.0),
    Target("secftp aes256, pipe", "scp aes128-gcm", 2.0),
    Target("secftp aes128, pipe", SSH_CAT, 2.0),
    Target("secftp aes128", "secftp none", 0.75),
    Target("secftp aes128", "cp", 0.6, other_way="copy"),
    Target("secftp none", "iperf3, one stream", 0.5, other_way="stream"),
    Target("secftp aes128", "curl+nginx TLS 1.3 aes128-gcm", 1.0, ways=("read",)),
    Target("secftp aes256", "curl+nginx TLS 1.3 aes256-gcm", 1.0, ways=("read",)),
    Target("secftp aes128", "rsync daemon, clear", 1.0),
    Target("secftp aes128", "scp aes128-gcm", 0.6, small=True),
)


class Outcome(NamedTuple):
    """Measured ratio of a target in one direction; None if one side is missing."""

    target: Target
    way: str
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if unknown."""
        if self.measured is None:
            return None
        return self.measured <= self.target.bound if self.target.small else self.measured >= self.target.bound


def outcomes(figures: Figures) -> list[Outcome]:
    """Return the outcomes of all targets for this size."""
    small = figures.size < RATES_FROM
    return [_outcome(target, way, figures) for target in TARGETS if target.small == small for way in target.ways]


def rows(figures: Figures) -> list[tuple[str, ...]]:
    """Return the outcomes as rows for `HEADER`."""
    return [_row(figures.size, outcome) for outcome in outcomes(figures)]


def listing(all_figures: Sequence[Figures]) -> str:
    """Return the table of outcomes for all sizes."""
    return aligned([HEADER, *(row for figures in all_figures for row in rows(figures))], left=3)


def _outcome(target: Target, way: str, figures: Figures) -> Outcome:
    ours, other = (target.ours, way), (target.other, target.other_way or way)
    # The ratio of rates is the inverse of the ratio of times.
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
