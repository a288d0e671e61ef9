"""Measurement of time and memory, in turn, so that a slow phase of the machine affects all contenders.

First a warm-up: each runs once, the received file is compared with the sent one, the memory is sampled, and programs
that fail are skipped with a reason. Then the rounds, each in a pseudo-random order that is the same in every run. A
fixed order would be unfair: some virtual machines return memory that has been free for two seconds to the host, and
getting it back costs up to 2 s per GiB, which would hit the same contenders in every round. The target is removed
before each run, untimed. No round starts that would end after the deadline, but there are at least three.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from bench.peers.commands import CP, FLOOR
from bench.peers.directories import same_content
from bench.peers.failure import BenchError
from bench.peers.process import Run, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.peers.commands import Contender

ROUNDS_MIN = 3
LIMIT_SECONDS = 120.0


@dataclass
class Samples:
    """Measurements of a contender: seconds and CPU seconds of each round, peak bytes of its largest process or None."""

    contender: Contender
    peak: int | None = None
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failed: bool = False

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return median(self.seconds)

    @property
    def median_cpu(self) -> float | None:
        """The median of the CPU seconds of both ends; None if those of the server are not known."""
        is_whole = self.contender.server is not None or self.contender.name in (FLOOR, CP)
        return median(self.cpu) if self.cpu and is_whole else None


def measure(
    contenders: Sequence[Contender],
    log: Path,
    *,
    rounds: int,
    deadline: float,
    leave_out: Callable[[str, str], None],
) -> list[Samples]:
    """Return the samples of all contenders that work, in order; `deadline` is a time of `time.monotonic`.

    `leave_out` is called with the name of each that fails, and the reason. A failure of secftp raises `BenchError`.
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
                result = once(samples.contender, log)
                samples.seconds.append(seconds_of(samples.contender, result))
                samples.cpu.append(result.cpu)
        longest = max(longest, time.monotonic() - start)
    return [samples for samples in competing if not samples.failed]


@contextlib.contextmanager
def _fair(samples: Samples, leave_out: Callable[[str, str], None]) -> Iterator[None]:
    """Drop a contender that fails, with all its samples; a failure of secftp is an error."""
    try:
        yield
    except BenchError as failure:
        name = f"{samples.contender.name}, {samples.contender.way}"
        if samples.contender.name.startswith("secftp"):
            raise BenchError(f"{name}: {failure}") from None
        samples.failed = True
        leave_out(name, str(failure))


def once(contender: Contender, log: Path, *, warm_up: bool = False) -> Run:
    """Run once from a clean state; raises `BenchError` if the program fails or the size of the result is wrong.

    In the warm-up, the memory is sampled and the result is compared byte by byte.
    """
    target = contender.target
    if target is not None:
        target.unlink(missing_ok=True)
    result = run(contender.command, log, limit_seconds=LIMIT_SECONDS, watch=warm_up, server=contender.server)
    if target is not None:
        arrived = target.stat().st_size if target.exists() else None
        if arrived != contender.size:
            raise BenchError(f"expected {contender.size} bytes, received {arrived or 'none'}")
        if warm_up and not same_content(contender.source, target):
            raise BenchError("the received file differs from the sent one")
    return result


def seconds_of(contender: Contender, result: Run) -> float:
    """Return the seconds to report for this contender."""
    return contender.own_seconds(result.output) if contender.own_seconds else result.seconds
