"""`python -m bench.line`: every job of every program over lines of several kinds; medians, ratios, connections, goals.

Ends with 77, and one line on standard error, where no line can be made.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from bench.line import goals
from bench.line.contenders import Job, jobs, make_sources
from bench.line.emulator import CLIENT, CONGESTION, SERVER, Line, Unavailable, require
from bench.line.measure import measure
from bench.line.scenarios import scenarios
from bench.line.table import table
from bench.peers import machine, packages
from bench.peers.directories import directories
from bench.peers.failure import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.line.measure import Samples
    from bench.line.scenarios import Scenario
    from bench.peers.directories import Directories

UNAVAILABLE = 77
RESULTS = machine.TOP / "build" / "line"
DEFAULT_SECONDS = 1800
LARGEST = 256 << 20

Measured = list[tuple["Scenario", list["Samples"]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    try:
        require()
        if not options.no_install:
            packages.install_missing(packages.LINE_PACKAGES)
        _compare(options)
    except Unavailable as failure:
        print(f"line: {failure}", file=sys.stderr)
        return UNAVAILABLE
    except BenchError as failure:
        print(f"line: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("line: Interrupted; all servers have been stopped.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.line", description="Compare secftp with its peers over emulated lines."
    )
    parser.add_argument("--round-trip", type=float, default=100.0, metavar="MS", help="milliseconds (default: 100)")
    parser.add_argument("--rate", type=float, default=400.0, metavar="MBIT", help="megabits a second (default: 400)")
    parser.add_argument("--queue", type=int, default=4_000_000, metavar="BYTES", help="drop-tail (default: 4000000)")
    parser.add_argument("--loss", type=float, default=0.1, metavar="PERCENT", help="of the lossy lines (default: 0.1)")
    parser.add_argument("--congestion", default="bbr", help="of the lines without loss (default: bbr)")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3; what takes 45 s is run once")
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_SECONDS,
        help=f"begin no further round that would end later (default: {DEFAULT_SECONDS}); one round takes 15 minutes",
    )
    parser.add_argument("--only", action="append", metavar="TEXT", help="repeatable: programs whose name begins so")
    parser.add_argument("--job", action="append", metavar="TEXT", help="repeatable: jobs whose name begins so")
    parser.add_argument("--line", action="append", metavar="TEXT", help="repeatable: lines whose name begins so")
    parser.add_argument("--option", action="append", default=[], metavar="WORD", help="for secftp's get and put")
    parser.add_argument("--no-install", action="store_true", help="measure what is here, and install nothing")
    return parser


def _compare(options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds
    measured: Measured = []
    with Line() as line, directories(LARGEST) as places:
        make_sources(places.source)
        chosen = [one for one in scenarios(options) if _wanted(one.name, options.line)]
        with jobs(line, places, options.option, _left_out) as everything:
            for number, scenario in enumerate(chosen):
                now = time.monotonic()
                deadline = now + (end - now) / (len(chosen) - number)
                samples = _over(line, scenario, everything, places, options, deadline)
                measured.append((scenario, samples))
    _show(measured)


def _over(
    line: Line,
    scenario: Scenario,
    everything: Sequence[Job],
    places: Directories,
    options: argparse.Namespace,
    deadline: float,
) -> list[Samples]:
    """Measure one kind of line, and print its table."""
    jobs_of_it = [
        job
        for job in everything
        if scenario.wants(job) and _wanted(job.program, options.only) and _wanted(job.name, options.job)
    ]
    try:
        for side in (CLIENT, SERVER):
            line.write_setting(side, CONGESTION, scenario.congestion)
    except Unavailable as refused:
        _left_out(scenario.name, str(refused))
        return []
    samples = measure(
        line,
        scenario,
        jobs_of_it,
        places.own / "client.log",
        rounds=options.rounds,
        deadline=deadline,
        leave_out=_left_out,
    )
    print(table(scenario, samples), end="\n\n", flush=True)
    return samples


def _show(measured: Measured) -> None:
    """Print the goals, and write everything down."""
    medians = {
        (scenario.name, one.job.name, one.job.program): one.median for scenario, samples in measured for one in samples
    }
    print(goals.listing(medians), end="\n\n")
    print("\n".join(f"{name}: {value}" for name, value in machine.facts().items()), flush=True)
    rows = [
        {
            "line": scenario.name,
            "job": one.job.name,
            "program": one.job.program,
            "connections": one.connections,
            "seconds": one.seconds,
        }
        for scenario, samples in measured
        for one in samples
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "line.json").write_text(json.dumps({"facts": machine.facts(), "measured": rows}, indent=1) + "\n")


def _wanted(name: str, beginnings: Sequence[str] | None) -> bool:
    return not beginnings or name.startswith(tuple(beginnings))


def _left_out(name: str, why: str) -> None:
    print(f"line: left out: {name}: {why}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
