"""Command line of the comparison, `python -m bench.peers`; the results are also written to build/peers/."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from bench.peers import least, machine, packages, streams
from bench.peers.directories import directories, make_source, parse_size, size_name
from bench.peers.failure import BenchError
from bench.peers.field import field
from bench.peers.measure import measure
from bench.peers.table import RATES_FROM, figures, table
from bench.peers.targets import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.peers.commands import Contender
    from bench.peers.directories import Directories
    from bench.peers.field import Field
    from bench.peers.measure import Samples
    from bench.peers.table import Figures
    from bench.peers.verdict import Verdict

RESULTS = machine.TOP / "build" / "peers"
DEFAULT_SIZES = (1 << 10, 1 << 30)
SMALL_ROUNDS, LARGE_ROUNDS = 9, 5
# For measuring; excludes installing programs and creating files.
DEFAULT_SECONDS = 290
KIB, MIB = 1 << 10, 1 << 20
MISSED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code: 3 if a bound is missed that this project is held to."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop_here)
    try:
        missed = _compare(options)
    except BenchError as failure:
        print(f"peers: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("peers: Interrupted; all servers have been stopped.", file=sys.stderr)
        return 130
    if missed:
        print(f"peers: bounds that are missed: {missed}", file=sys.stderr)
    return MISSED if missed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Compare secftp with its peers.")
    parser.add_argument(
        "--size",
        type=parse_size,
        action="append",
        metavar="SIZE",
        help="repeatable (default: 1KiB and 1GiB)",
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help=f"default: {SMALL_ROUNDS}, {LARGE_ROUNDS} from 1 MiB on"
    )
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_SECONDS, help="start no round that would end later (default: 290)"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="TEXT",
        help="only programs whose name begins with TEXT, for more rounds in the same time; repeatable (default: all)",
    )
    parser.add_argument("--no-install", action="store_true", help="measure the installed programs only")
    options = parser.parse_args(arguments)
    options.size = sorted(set(options.size or DEFAULT_SIZES))
    return options


def _compare(options: argparse.Namespace) -> int:
    """The number of bounds that were missed."""
    if not options.no_install:
        packages.install_missing()
    left_out: dict[str, str] = {}

    def leave_out(name: str, why: str) -> None:
        if name not in left_out:
            left_out[name] = why
            _progress(f"skipped: {name}: {why}")

    end = time.monotonic() + options.seconds
    with directories(max(options.size)) as places, field(places, leave_out) as entrants:
        measured: dict[int, list[Samples]] = {}
        for number, size in enumerate(options.size):
            _progress(f"{size_name(size)}: warm-up, then rounds")
            now = time.monotonic()
            measured[size] = measure(
                _chosen(entrants.contenders(make_source(places.source, size)), options.only),
                places.own / "client.log",
                rounds=options.rounds or (LARGE_ROUNDS if size >= RATES_FROM else SMALL_ROUNDS),
                deadline=now + (end - now) / (len(options.size) - number),
                leave_out=leave_out,
            )
        verdicts = _verdicts(measured, _start(measured, entrants, places, leave_out))
        _show(_text(measured, entrants, left_out, verdicts), measured, left_out)
    return sum(not verdict.is_met for verdict in verdicts)


def _start(
    measured: dict[int, list[Samples]],
    entrants: Field,
    places: Directories,
    leave_out: Callable[[str, str], None],
) -> Figures:
    """What starting up costs: the smallest file's figures, which are measured here if there were large ones only."""
    size = min(measured)
    if size < RATES_FROM:
        return figures(size, measured[size])
    contenders = [one for one in entrants.contenders(make_source(places.source, KIB)) if one.name == least.OURS]
    log = places.own / "client.log"
    return figures(KIB, measure(contenders, log, rounds=SMALL_ROUNDS, deadline=time.monotonic(), leave_out=leave_out))


def _verdicts(measured: dict[int, list[Samples]], start: Figures) -> list[Verdict]:
    return [
        verdict
        for size, samples in measured.items()
        if size >= RATES_FROM
        for medians in (figures(size, samples),)
        for verdict in (*least.verdicts(medians, start), *streams.verdicts(medians))
    ]


def _chosen(contenders: Sequence[Contender], only: list[str] | None) -> list[Contender]:
    return [one for one in contenders if only is None or one.name.startswith(tuple(only))]


def _text(
    measured: dict[int, list[Samples]], entrants: Field, left_out: dict[str, str], verdicts: list[Verdict]
) -> str:
    facts = machine.facts() | {name: said for name in packages.VERSIONS if (said := packages.version(name))}
    peak = entrants.server_peak()
    parts = [
        *(table(size, samples) for size, samples in measured.items()),
        "\n".join(verdict.line() for verdict in verdicts),
        listing([figures(size, samples) for size, samples in measured.items()]),
        "Peak memory is that of the largest client process"
        + (f"; of the secftp servers the larger one had {peak / MIB:.0f} MiB." if peak else "."),
        "\n".join(f"Skipped: {name}: {why}" for name, why in left_out.items()),
        "\n".join(f"{name}: {value}" for name, value in facts.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _show(text: str, measured: dict[int, list[Samples]], left_out: dict[str, str]) -> None:
    print(text, flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "peers.txt").write_text(text)
    (RESULTS / "peers.json").write_text(json.dumps(_record(measured, left_out), indent=1) + "\n")
    _progress("written to build/peers/peers.txt and, with every round, peers.json")


def _record(measured: dict[int, list[Samples]], left_out: dict[str, str]) -> dict[str, Any]:
    rows = [
        {
            "program": item.contender.name,
            "way": item.contender.way,
            "bytes": size,
            "seconds": item.seconds,
            "cpu_seconds": item.cpu if item.median_cpu is not None else None,
            "peak_bytes": item.peak,
        }
        for size, samples in measured.items()
        for item in samples
    ]
    return {"facts": machine.facts(), "left_out": left_out, "measured": rows}


def _progress(text: str) -> None:
    print(f"peers: {text}", file=sys.stderr, flush=True)


def _stop_here(_number: int, _frame: object) -> NoReturn:
    """Unwind all context managers on SIGTERM and SIGHUP; BenchError handlers do not catch SystemExit."""
    raise SystemExit("peers: Stopped; all servers have been stopped.")


if __name__ == "__main__":
    sys.exit(main())
