"""Servers of an object store that takes a while to answer: `python -m bench.objects`, or `make bench-objects`.

An object store in memory that answers each request after 50 ms (`bench.objects.fake_store`), and one server of it, then
two: the rate of large files that two clients put and get at the same time, the files per second of a tree of small ones
and of its listing, the requests that the store got, and the peak memory of the servers. Everything is on this machine,
so that its processors bound the rates; what many servers gain beyond that needs more machines.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.objects.store import LatentStore, object_server
from bench.peers.directories import TMPFS, make_source, parse_size, size_name
from bench.peers.failure import BenchError
from bench.peers.machine import facts
from bench.peers.process import ENVIRONMENT
from secftp.keys import write_key_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.peers.servers import Secftp

CLIENTS = 2
FILES, FILE_BYTES, DIRECTORIES = 2_000, 4_096, 20
LIMIT_SECONDS = 900.0
MIB = 1 << 20


class Result(NamedTuple):
    """Seconds of one job, and the requests that the store got for it."""

    seconds: float
    requests: int


class Setting(NamedTuple):
    """What every job needs."""

    servers: list[Secftp]
    store: LatentStore
    large: Path
    tree: Path
    target: Path


def run_together(commands: list[list[str]]) -> float:
    """Run all commands at the same time; return the seconds until the last has ended. Raises `BenchError`."""
    start = time.perf_counter()
    running = [
        subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        for process in running:
            process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired as problem:
        raise BenchError(f"a client took longer than {LIMIT_SECONDS:.0f} s") from problem
    finally:
        for process in running:
            process.kill()
            process.wait()
    seconds = time.perf_counter() - start
    if any(process.returncode for process in running):
        raise BenchError("a client failed")
    return seconds


def client(setting: Setting, number: int, command: str, *words: str) -> list[str]:
    """Return a command of client `number`, at the server that is its own; in `words`, @/ is the URL of its server."""
    served = setting.servers[number % len(setting.servers)]
    url = f"secftp://{served.place}/"
    replaced = [url + word[2:] if word.startswith("@/") else word for word in words]
    return [sys.executable, "-P", "-m", "secftp.client", command, *replaced, "-q", "--key-file", str(served.key)]


def jobs(setting: Setting) -> dict[str, list[list[str]]]:
    """Return the commands of each job, which run at the same time; later ones need what earlier ones have made."""
    each = range(CLIENTS)
    large, tree, target = map(str, (setting.large, setting.tree, setting.target))
    return {
        "put large": [client(setting, n, "put", large, f"@/large-{n}") for n in each],
        "get large": [client(setting, n, "get", f"@/large-{n}", f"{target}/large-{n}") for n in each],
        "put tree": [client(setting, n, "put", "-T", tree, f"@/tree-{n}") for n in each],
        "put tree again, --update": [client(setting, n, "put", "-T", "--update", tree, f"@/tree-{n}") for n in each],
        "list tree": [client(setting, n, "ls", "-R", f"@/tree-{n}") for n in each],
        "get tree": [client(setting, n, "get", "-T", f"@/tree-{n}", f"{target}/tree-{n}") for n in each],
    }


def measure_round(setting: Setting) -> dict[str, Result]:
    """Run every job once, and forget what it has made: to remove each file takes far longer than the jobs."""
    found: dict[str, Result] = {}
    for job, commands in jobs(setting).items():
        before = setting.store.requests()
        seconds = run_together(commands)
        found[job] = Result(seconds, setting.store.requests() - before)
    setting.store.forget()
    run_together([["rm", "-rf", *(str(path) for path in setting.target.iterdir())]])
    return found


def rate(job: str, size: int, seconds: float) -> str:
    """Return what a job has moved in a second: bytes or files of all clients."""
    if "large" in job:
        return f"{CLIENTS * size / seconds / 1e6:.0f} MB/s"
    return f"{CLIENTS * FILES / seconds:.0f} files/s"


def make_tree(place: Path) -> Path:
    """Make the tree of small files."""
    tree = place / "tree"
    for number in range(FILES):
        directory = tree / f"d{number % DIRECTORIES}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{number}").write_bytes(os.urandom(FILE_BYTES))
    return tree


@contextlib.contextmanager
def prepared(count: int, latency: float, size: int) -> Iterator[Setting]:
    """Start a store and `count` servers of it, and make the files."""
    with contextlib.ExitStack() as stack:
        place = TMPFS if TMPFS.is_dir() else None
        here, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-", dir=where))).resolve()
            for where in (place, None)
        )
        write_key_file(own / "key")
        store = stack.enter_context(LatentStore(latency))
        servers = [
            stack.enter_context(object_server(store, own / "key", own / f"server-{number}.log"))
            for number in range(count)
        ]
        target = here / "target"
        target.mkdir()
        yield Setting(servers, store, make_source(here, size), make_tree(here), target)


def measure(latency: float, size: int, rounds: int) -> None:
    """Measure one server and two, and print a table."""
    columns: list[dict[str, tuple[str, int]]] = []
    peaks: list[float] = []
    for count in (1, 2):
        with prepared(count, latency, size) as setting:
            found = [measure_round(setting) for _ in range(rounds)]
            peaks.append(max(server.server.peak() or 0 for server in setting.servers) / MIB)
        columns.append(
            {
                job: (rate(job, size, median(each[job].seconds for each in found)), found[-1][job].requests)
                for job in found[0]
            }
        )
    print(f"\n{latency * 1000:.0f} ms, {CLIENTS} clients: {size_name(size)} each, or {FILES:,} files of 4 KiB")
    print(f"\n  {'':<28}{'one server':>16}{'two servers':>16}{'requests':>12}")
    for job in columns[0]:
        (one, requests), (two, _) = columns[0][job], columns[1][job]
        print(f"  {job:<28}{one:>16}{two:>16}{requests:>12,}")
    print(f"  {'peak memory of a server':<28}{peaks[0]:>12.0f} MiB{peaks[1]:>12.0f} MiB")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.objects", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--size", type=parse_size, default=256 * MIB, help="of a large file (default: 256 MiB)")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds until an answer (default: 0.05)")
    options = parser.parse_args(arguments)
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}")
    measure(options.latency, options.size, max(1, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
