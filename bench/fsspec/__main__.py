"""`python -m bench.fsspec`: seconds, round trips and bytes of what a program does through fsspec; medians.

Over an emulated line (which needs root), and on loopback, where round trips and bytes are not counted. Ends with 77 if
no line can be made, after the figures of loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.fsspec.jobs import LARGE_BYTES, make_sources
from bench.line.emulator import CLIENT, CONGESTION, SERVER, Conditions, Line, Unavailable
from bench.peers import machine, servers
from bench.peers.directories import directories
from bench.peers.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.peers.directories import Directories

UNAVAILABLE = 77
JOBS = {
    "put": "own put of 20 files of 10 KiB",
    "fs_put": "fs.put of them",
    "get": "own get of 20 files of 10 KiB",
    "fs_get": "fs.get of them",
    "cat": "fs.cat of 20 files of 10 KiB",
    "cat_ranges": "fs.cat_ranges, 100 ranges of 4 KiB",
    "read": "128 MiB by reads of 1 MiB",
    "random_reads": "200 random reads of 4 KiB",
    "columns": "2 of 10 Parquet columns, 4 row groups",
    "planned_columns": "the same, fsspec's open_parquet_file",
    "lines": "lines of a CSV file of 128 MiB",
    "write": "64 MiB by writes of 1 MiB",
}


class Sample(NamedTuple):
    """One run of a job: seconds; round trips and bytes from the server, if they were counted."""

    seconds: float
    trips: float | None
    nbytes: int | None


class Program:
    """A process that runs jobs, see `bench.fsspec.jobs`."""

    def __init__(self, words: Sequence[str], line: Line | None, conditions: Conditions) -> None:
        self._line = line
        self._conditions = conditions
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, job: str) -> Sample:
        """Run a job; the line is counted while it runs."""
        self._say(job)
        if self._line is None:
            return Sample(float(self._say("go")), None, None)
        self._line.set(self._conditions)
        seconds = float(self._say("go"))
        return Sample(seconds, self._line.round_trips(), self._line.counts()[1].nbytes)

    def _say(self, word: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def program(places: Directories, line: Line | None, conditions: Conditions) -> Iterator[Program]:
    """Context manager of a client's process and its server, at the ends of a line or on loopback."""
    key = places.own / "key"
    if not key.exists():
        words = (sys.executable, "-P", "-m", "secftp.client", "keygen", "--file", str(key))
        subprocess.run(words, check=True, capture_output=True)
    address, server_inside = (LOOPBACK, []) if line is None else (SERVER, line.inside(SERVER))
    inside = [] if line is None else line.inside(CLIENT)
    log = places.own / f"{address}.log"
    with servers.secftp(places.source, key, log, address=address, inside=server_inside) as server:
        words = [*inside, sys.executable, "-m", "bench.fsspec.jobs", f"secftp://{server.place}/", str(key)]
        running = Program([*words, str(places.target)], line, conditions)
        try:
            yield running
        finally:
            running.close()


def measure(places: Directories, line: Line | None, options: argparse.Namespace) -> None:
    """Print a table: a row for each job."""
    conditions = Conditions(options.round_trip / 2000, options.rate * 1e6)
    if line is None:
        print("\nLoopback\n")
    else:
        for side in (CLIENT, SERVER) if options.congestion else ():
            line.write_setting(side, CONGESTION, options.congestion)
        line.set(conditions)
        print(f"\nA line of {options.round_trip:g} ms and {options.rate:g} Mbit/s\n")
    print("| | seconds | round trips | MB from the server |\n|---|---:|---:|---:|", flush=True)
    with program(places, line, conditions) as running:
        for job, name in JOBS.items():
            if options.job and not job.startswith(tuple(options.job)):
                continue
            if "columns" in job and not (places.source / "table").exists():
                print(f"| {name} | pyarrow is not installed | | |")
                continue
            samples = [running.run(job) for _ in range(options.rounds)]
            print(_row(name, samples), flush=True)


def _row(name: str, samples: Sequence[Sample]) -> str:
    seconds = f"{median(sample.seconds for sample in samples):.3f}"
    trips = [sample.trips for sample in samples if sample.trips is not None]
    nbytes = [sample.nbytes for sample in samples if sample.nbytes is not None]
    counted = (f"{median(trips):.1f}", f"{median(nbytes) / 1e6:.2f}") if trips and nbytes else ("", "")
    return f"| {' | '.join((name, seconds, *counted))} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.fsspec", description=__doc__)
    parser.add_argument("--round-trip", type=float, default=50.0, metavar="MS", help="milliseconds (default: 50)")
    parser.add_argument("--rate", type=float, default=400.0, metavar="MBIT", help="megabits a second (default: 400)")
    parser.add_argument("--congestion", help="of both ends (default: that of the system)")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--job", action="append", metavar="TEXT", help="repeatable: jobs whose name begins so")
    parser.add_argument("--loopback", action="store_true", help="only on loopback")
    options = parser.parse_args(arguments)
    with directories(3 * LARGE_BYTES) as places:
        make_sources(places.source)
        _copy_small(places.source, places.target)
        measure(places, None, options)
        if not options.loopback:
            try:
                with Line() as line:
                    measure(places, line, options)
            except Unavailable as failure:
                print(f"fsspec: {failure}", file=sys.stderr)
                return UNAVAILABLE
    print()
    print("\n".join(f"{name}: {value}" for name, value in machine.facts().items()), flush=True)
    return 0


def _copy_small(source: Path, target: Path) -> None:
    """Give the client the files that it puts."""
    (target / "small").mkdir()
    for file in (source / "small").iterdir():
        (target / "small" / file.name).write_bytes(file.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
