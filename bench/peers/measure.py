"""Seconds and memory of contenders, in turn, so that a slow minute of the machine is slow for all.

First a warm-up: each runs once, what arrived is compared with what was sent, its memory is followed, and whoever fails
is left out with a reason. Then the rounds, each in an order of its own that is the same in every run. A fixed order
would not do: a virtual machine gives memory that has been free for two seconds back to its host, and getting it back
costs up to 2 s a GiB. With a fixed order it would hit the same contenders in every round. The target is removed before
each run, outside the time. No round begins that would end after the deadline, but there are at least three.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from bench.peers.failure import BenchError
from bench.peers.folders import same_content
from bench.peers.process import Run, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.peers.commands import Contender

ROUNDS_MIN = 3
LIMIT_SECONDS = 120.0


@dataclass
class Samples:
    """What was measured of one contender: seconds of each round, bytes of its largest process (None: unknown)."""

    contender: Contender
    peak: int | None = None
    seconds: list[float] = field(default_factory=list)
    failed: bool = False

    @property
    def median(self) -> float:
        """The median of its seconds."""
        return median(self.seconds)


def measure(
    contenders: Sequence[Contender],
    log: Path,
    *,
    rounds: int,
    deadline: float,
    leave_out: Callable[[str, str], None],
) -> list[Samples]:
    """Samples of all contenders that work, in their order; `deadline` is a time of `time.monotonic`.

    `leave_out` hears name and reason of those that don't. A failure of secftp itself raises `BenchError`.
    """
    competing = [Samples(contender) for contender in contenders]
    for samples in competing:
        with _fair(samples, leave_out):
            samples.peak = once(samples.contender, log, warm_up=True).peak
    longest = 0.0
    for number in range(rounds):
        start = time.monotonic()
        if number >= ROUNDS_MIN and start + longest > deadline:
            break
        competing = [samples for samples in competing if not samples.failed]
        for samples in Random(number).sample(competing, len(competing)):
            with _fair(samples, leave_out):
                samples.seconds.append(seconds_of(samples.contender, once(samples.contender, log)))
        longest = max(longest, time.monotonic() - start)
    return [samples for samples in competing if not samples.failed]


@contextlib.contextmanager
def _fair(samples: Samples, leave_out: Callable[[str, str], None]) -> Iterator[None]:
    """A peer that fails is out, with all its samples; secftp has no such way out."""
    try:
        yield
    except BenchError as failure:
        name = f"{samples.contender.name}, {samples.contender.way}"
        if samples.contender.name.startswith("secftp"):
            raise BenchError(f"{name}: {failure}") from None
        samples.failed = True
        leave_out(name, str(failure))


def once(contender: Contender, log: Path, *, warm_up: bool = False) -> Run:
    """One run from a clean state; raises `BenchError` if the program fails or the size of what arrived is wrong.

    In the warm-up its memory is followed, and what arrived is compared byte by byte.
    """
    target = contender.target
    if target is not None:
        target.unlink(missing_ok=True)
    result = run(contender.command, log, limit_seconds=LIMIT_SECONDS, watch=warm_up)
    if target is not None:
        arrived = target.stat().st_size if target.exists() else None
        if arrived != contender.size:
            raise BenchError(f"{contender.size} bytes were to arrive, and it was {arrived or 'none'}")
        if warm_up and not same_content(contender.source, target):
            raise BenchError("what arrived is not what was sent")
    return result


def seconds_of(contender: Contender, result: Run) -> float:
    """The seconds that count for this contender."""
    return contender.own_seconds(result.output) if contender.own_seconds else result.seconds
