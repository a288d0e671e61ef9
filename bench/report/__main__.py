"""Command line of the report: measures, writes build/report/, and updates the figure of the README."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from bench.peers import commands, machine
from bench.peers.commands import program_name
from bench.peers.directories import directories, make_source, parse_size, size_name
from bench.peers.failure import BenchError
from bench.peers.field import secftp_servers
from bench.peers.measure import measure
from bench.report.page import page
from bench.report.published import CIPHERS, SIZES, Place
from bench.report.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.peers.commands import Contender

DIRECTORY = machine.TOP / "build" / "report"
PICTURES = machine.TOP / "docs" / "pictures"
SMALL_ROUNDS, LARGE_ROUNDS = 21, 7
LARGE_FROM = 1 << 26
# Time limit for one size.
SECONDS = 90.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the report and return the exit code."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop_here)
    try:
        _report(options.size, options.rounds)
    except BenchError as failure:
        print(f"report: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("report: Interrupted; the servers have been stopped.", file=sys.stderr)
        return 130
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description="Measure secftp and draw the results.")
    parser.add_argument("--size", type=parse_size, action="append", metavar="SIZE", help="such as 64MiB; repeatable")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help=f"default: {SMALL_ROUNDS}, {LARGE_ROUNDS} for large files"
    )
    options = parser.parse_args(arguments)
    options.size = sorted(set(options.size or SIZES))
    return options


def _report(sizes: list[int], rounds: int | None) -> None:
    # Fail before the measurement, which takes minutes.
    try:
        from bench.report import documents, plots
    except ImportError as problem:
        raise BenchError(f"{problem.name} is missing; `make report` installs it.") from None
    results = Results(_measure(sizes, rounds), machine.facts())
    figures = {"seconds": plots.seconds_figure(results), "rates": plots.rates_figure(results)}
    pictures = {name: documents.svg(figure) for name, figure in figures.items()}
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(DIRECTORY / f"{name}.png")
        (DIRECTORY / f"{name}.svg").write_text(pictures[name], encoding="utf-8")
    documents.write_pdf(DIRECTORY / "report.pdf", results, figures)
    (DIRECTORY / "report.html").write_text(page(results, pictures), encoding="utf-8")
    (DIRECTORY / "report.txt").write_text(documents.text(results), encoding="utf-8")
    (DIRECTORY / "report.json").write_text(_record(results), encoding="utf-8")
    if tuple(sizes) == SIZES:
        shutil.copyfile(DIRECTORY / "seconds.png", PICTURES / "report.png")
    print(documents.text(results), flush=True)
    _progress("written to build/report/: report.html, report.pdf, report.txt, report.json, figures as PNG and SVG")


def _measure(sizes: list[int], rounds: int | None) -> dict[Place, list[float]]:
    """Return the seconds of every run; ciphers and directions of a size alternate."""
    seconds: dict[Place, list[float]] = {}
    with contextlib.ExitStack() as stack:
        places = stack.enter_context(directories(max(sizes)))
        sending, receiving = secftp_servers(stack, places)
        for size in sizes:
            _progress(f"{size_name(size)}: warm-up, then rounds")
            source = make_source(places.source, size)
            measured = measure(
                list(_by_file(commands.secftp(sending, receiving, source, places))),
                places.own / "client.log",
                rounds=rounds or (LARGE_ROUNDS if size >= LARGE_FROM else SMALL_ROUNDS),
                deadline=time.monotonic() + SECONDS,
                leave_out=lambda _name, _why: None,  # secftp is never skipped
            )
            seconds |= {_place(item.contender): item.seconds for item in measured}
    return seconds


def _by_file(contenders: Iterable[Contender]) -> Iterator[Contender]:
    """Return the contenders that use files, not pipes."""
    names = {program_name(cipher) for cipher in CIPHERS}
    return (contender for contender in contenders if contender.name in names)


def _place(contender: Contender) -> Place:
    cipher = next(cipher for cipher in CIPHERS if program_name(cipher) == contender.name)
    return Place(contender.size, contender.way, cipher)


def _record(results: Results) -> str:
    rows = [{**place._asdict(), "seconds": seconds} for place, seconds in results.seconds.items()]
    return json.dumps({"facts": results.facts, "measured": rows}, indent=1) + "\n"


def _progress(text: str) -> None:
    print(f"report: {text}", file=sys.stderr, flush=True)


def _stop_here(_number: int, _frame: object) -> NoReturn:
    """Unwind all context managers on SIGTERM and SIGHUP; BenchError handlers do not catch SystemExit."""
    raise SystemExit("report: Stopped; the servers have been stopped.")


if __name__ == "__main__":
    sys.exit(main())
