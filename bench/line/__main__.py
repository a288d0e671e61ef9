"""`python -m bench.line`: every job of every program over lines of several kinds; medians and ratios.

Ends with 77, and one line on standard error, where no line can be made.
"""

from __future__ import annotations

import argparse
import json
import sys
from random import Random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.line.contenders import LARGE, SECFTP, Job, clear, jobs, make_sources, require_same
from bench.line.emulator import CLIENT, CONGESTION, SERVER, Conditions, Line, Unavailable
from bench.peers import packages
from bench.peers.directories import directories
from bench.peers.failure import BenchError
from bench.peers.machine import TOP
from bench.peers.process import run
from bench.peers.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNAVAILABLE = 77
RESULTS = TOP / "build" / "line"
LIMIT_SECONDS = 300.0
LARGEST = 256 << 20


class Scenario(NamedTuple):
    """A kind of line, and which jobs are tried on it."""

    name: str
    conditions: Conditions
    congestion: str
    jobs: tuple[str, ...] = ()  # beginnings of names; all without


def scenarios(options: argparse.Namespace) -> list[Scenario]:
    """The lines of a run: the one without loss for all jobs, those with loss for the large file."""
    common = {"delay": options.round_trip / 2000, "rate": options.rate * 1e6, "queue": options.queue}
    large = (f"put {LARGE}", f"get {LARGE}")
    found = [Scenario("no loss", Conditions(**common), options.congestion)]
    if options.loss:
        lossy = Conditions(**common, loss=options.loss / 100)
        found += [Scenario(f"{options.loss} % loss, {name}", lossy, name, large) for name in ("bbr", "reno")]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    try:
        if not options.no_install:
            packages.install_missing(packages.LINE_PACKAGES)
        measured = _compare(options)
    except Unavailable as failure:
        print(f"line: {failure}", file=sys.stderr)
        return UNAVAILABLE
    except BenchError as failure:
        print(f"line: {failure}", file=sys.stderr)
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "line.json").write_text(json.dumps(measured, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.line", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--round-trip", type=float, default=100.0, metavar="MS", help="milliseconds (default: 100)")
    parser.add_argument("--rate", type=float, default=400.0, metavar="MBIT", help="megabits a second (default: 400)")
    parser.add_argument("--queue", type=int, default=4_000_000, metavar="BYTES", help="drop-tail (default: 4000000)")
    parser.add_argument("--loss", type=float, default=0.1, metavar="PERCENT", help="of the lossy lines (default: 0.1)")
    parser.add_argument("--congestion", default="bbr", help="of the line without loss (default: bbr)")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--only", action="append", metavar="TEXT", help="repeatable: programs whose name begins so")
    parser.add_argument("--job", action="append", metavar="TEXT", help="repeatable: jobs whose name begins so")
    parser.add_argument("--line", action="append", metavar="TEXT", help="repeatable: lines whose name begins so")
    parser.add_argument("--option", action="append", default=[], metavar="WORD", help="for secftp's get and put")
    parser.add_argument("--no-install", action="store_true", help="measure what is here, and install nothing")
    return parser


def _compare(options: argparse.Namespace) -> list[dict[str, object]]:
    measured: list[dict[str, object]] = []
    with Line() as line, directories(LARGEST) as places:
        make_sources(places.source)
        with jobs(line, places, options.option, _left_out) as everything:
            for scenario in scenarios(options):
                if not _wanted(scenario.name, options.line):
                    continue
                chosen = [
                    job
                    for job in everything
                    if _wanted(job.program, options.only)
                    and _wanted(job.name, options.job)
                    and _wanted(job.name, scenario.jobs)
                ]
                for side in (CLIENT, SERVER):
                    line.write_setting(side, CONGESTION, scenario.congestion)
                seconds = _measure(line, scenario, chosen, places.own / "client.log", options.rounds)
                _show(scenario, seconds)
                measured += [
                    {"line": scenario.name, "job": job.name, "program": job.program, "seconds": taken}
                    for job, taken in seconds.items()
                ]
    return measured


def _wanted(name: str, beginnings: Sequence[str] | None) -> bool:
    return not beginnings or name.startswith(tuple(beginnings))


def _left_out(name: str, why: str) -> None:
    print(f"line: left out: {name}: {why}", file=sys.stderr, flush=True)


def _measure(line: Line, scenario: Scenario, chosen: list[Job], log: Path, rounds: int) -> dict[Job, list[float]]:
    """Seconds of whole processes, the programs in another order each round; a round that fails ends a peer's."""
    seconds: dict[Job, list[float]] = {job: [] for job in chosen}
    for number in range(rounds):
        for job in Random(number).sample(list(seconds), len(seconds)):
            clear(job.target)
            line.set(Conditions(**{**vars(scenario.conditions), "seed": number}))
            try:
                taken = run(job.command, log, limit_seconds=LIMIT_SECONDS).seconds
                require_same(job)
            except BenchError as failure:
                if job.program == SECFTP:
                    raise BenchError(f"{job.name}: {failure}") from None
                _left_out(f"{job.program}, {job.name}", str(failure))
                del seconds[job]
            else:
                seconds[job].append(taken)
    return seconds


def _show(scenario: Scenario, seconds: dict[Job, list[float]]) -> None:
    """Medians in seconds, and how many times as long as secftp a peer takes."""
    line = scenario.conditions
    print(
        f"\n{scenario.name}: {line.delay * 2000:.0f} ms round trip, {line.rate / 1e6:.0f} Mb/s, queue "
        f"{line.queue} bytes, {scenario.congestion}\n"
    )
    medians = {(job.name, job.program): median(taken) for job, taken in seconds.items() if taken}
    programs = list(dict.fromkeys(program for _, program in medians))
    rows = [("", *programs)]
    for name in dict.fromkeys(name for name, _ in medians):
        own = medians.get((name, SECFTP))
        cells = []
        for program in programs:
            taken = medians.get((name, program))
            ratio = f" ({taken / own:.2f})" if taken and own and program != SECFTP else ""
            cells.append(f"{taken:.2f} s{ratio}" if taken else "")
        rows.append((name, *cells))
    print(aligned(rows), flush=True)


if __name__ == "__main__":
    sys.exit(main())
