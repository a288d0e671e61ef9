"""The lines of the comparison, and what is tried on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.line.contenders import COMPRESSED, LARGE, ONE_STREAM, SECFTP, TEXT, TREE, WITH_BBR, Job
from bench.line.emulator import Conditions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

# A home's uplink, where compression is worth its time.
SLOW_RATE, SLOW_DELAY = 100e6, 0.01


class Scenario(NamedTuple):
    """A kind of line; `congestion` is the control of both its ends, `wants` says which jobs are tried on it."""

    name: str
    conditions: Conditions
    congestion: str
    wants: Callable[[Job], bool]


def scenarios(options: argparse.Namespace) -> list[Scenario]:
    """The lines of a run: without loss for every job, with loss for the large file, a slow one for compression."""
    delay, rate = options.round_trip / 2000, options.rate * 1e6
    lossless = Conditions(delay, rate, options.queue)
    lossy = Conditions(delay, rate, options.queue, loss=options.loss / 100)
    slow = Conditions(SLOW_DELAY, SLOW_RATE, options.queue)
    name = f"{options.loss:g} % loss"
    return [
        Scenario("no loss", lossless, options.congestion, _on_a_clean_line),
        Scenario(f"{name}, bbr", lossy, "bbr", _on_a_lossy_line),
        Scenario("slow", slow, options.congestion, _on_a_slow_line),
        # The last one, as a single round of it takes ten minutes.
        Scenario(f"{name}, reno", lossy, "reno", _on_a_line_with_reno),
    ]


def _on_a_clean_line(job: Job) -> bool:
    if job.file == TEXT or job.program in {COMPRESSED, WITH_BBR}:
        return False
    return job.program != ONE_STREAM or job.file in {LARGE, TREE}


def _on_a_lossy_line(job: Job) -> bool:
    return job.file == LARGE and _on_a_clean_line(job)


def _on_a_line_with_reno(job: Job) -> bool:
    """One stream of ours would take as long as scp: minutes."""
    is_ours = job.file == LARGE and job.program == WITH_BBR
    return is_ours or (_on_a_lossy_line(job) and job.program != ONE_STREAM)


def _on_a_slow_line(job: Job) -> bool:
    """Text by all that can compress; what can't be made smaller by ours, to see what trying costs."""
    if job.file == TEXT:
        return job.program not in {ONE_STREAM, WITH_BBR}
    return job.file == LARGE and job.program in {SECFTP, COMPRESSED}
