"""Measurement over a line: whole processes, in turn, each round in another order.

A run that took long is not repeated: over a lossy line one may take minutes. No round begins that would end after the
deadline, but everything is measured once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from bench.line.contenders import SECFTP, Job, clear, require_same
from bench.peers.failure import BenchError
from bench.peers.process import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.line.emulator import Line
    from bench.line.scenarios import Scenario

LIMIT_SECONDS = 300.0
# From here on once is enough.
LONG_SECONDS = 45.0


@dataclass
class Samples:
    """Of one job: seconds of each run, and the most connections it had."""

    job: Job
    seconds: list[float] = field(default_factory=list)
    connections: int = 0

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return median(self.seconds)


def measure(
    line: Line,
    scenario: Scenario,
    chosen: list[Job],
    log: Path,
    *,
    rounds: int,
    deadline: float,
    leave_out: Callable[[str, str], None],
) -> list[Samples]:
    """The samples of all jobs that work; `deadline` is a time of `time.monotonic`.

    A peer that fails is left out, with a reason; a failure of secftp is a `BenchError`.
    """
    samples = [Samples(job) for job in chosen]
    failed: list[Samples] = []
    for number in range(rounds):
        due = [one for one in samples if one not in failed and not is_enough(one)]
        if number and time.monotonic() + sum(one.median for one in due) > deadline:
            break
        for one in Random(number).sample(due, len(due)):
            try:
                _once(line, scenario, one, log, number)
            except BenchError as failure:
                if one.job.program.startswith(SECFTP):
                    raise BenchError(f"{one.job.program}, {one.job.name}: {failure}") from None
                leave_out(f"{one.job.program}, {one.job.name}", str(failure))
                failed.append(one)
    return [one for one in samples if one not in failed]


def is_enough(samples: Samples) -> bool:
    """Whether a run of it has taken so long that there is no other."""
    return any(seconds >= LONG_SECONDS for seconds in samples.seconds)


def _once(line: Line, scenario: Scenario, samples: Samples, log: Path, seed: int) -> None:
    clear(samples.job.target)
    line.set(replace(scenario.conditions, seed=seed))
    seconds = run(samples.job.command, log, limit_seconds=LIMIT_SECONDS).seconds
    require_same(samples.job)
    samples.seconds.append(seconds)
    samples.connections = max(samples.connections, line.connections())
