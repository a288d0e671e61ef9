"""Concurrent clients of one server: `python -m bench.clients`, or `make bench-clients`.

The rate of one client process alone, and of eight concurrent ones, in total and each, measured in turn, as medians;
then the memory of the server per connection, after a file has been transferred. Reads go to /dev/null, writes to tmpfs.
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

import psutil

from bench.peers.directories import TMPFS, make_source
from bench.peers.failure import BenchError
from bench.peers.machine import facts
from bench.peers.process import ENVIRONMENT
from bench.peers.servers import secftp
from secftp.crypto import Mode, Suite
from secftp.keys import read_key_file, write_key_file
from secftp.session import Session
from secftp.storage import create_local_sink
from secftp.transport import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.peers.servers import Secftp

CLIENTS = 8
# The same total: memory that was not used recently is slow, so using more of it would look slower.
EACH_BYTES = 1 << 29
ALONE_BYTES = CLIENTS * EACH_BYTES
CONNECTIONS, SAMPLE_BYTES = 64, 4 << 20
LIMIT_SECONDS = 300.0
SUM_TARGET, SHARE_TARGET, MEMORY_TARGET = 0.9, 2.0, 3.0
MIB = 1 << 20


class Together(NamedTuple):
    """Rates of concurrent clients, in bytes per second: the total, the fastest and the slowest."""

    sum: float
    fastest: float
    slowest: float


def together(commands: list[list[str]], size: int) -> Together:
    """Run all commands concurrently, each of which transfers `size` bytes; raises `BenchError` if one fails."""
    start = time.perf_counter()
    running = {
        process.pid: process
        for command in commands
        for process in [subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, start_new_session=True)]
    }
    seconds: list[float] = []
    try:
        while running:
            if time.perf_counter() - start > LIMIT_SECONDS:
                raise BenchError(f"the clients took longer than {LIMIT_SECONDS:.0f} s")
            pid, status = os.wait()
            seconds.append(time.perf_counter() - start)
            running.pop(pid).returncode = os.waitstatus_to_exitcode(status)
            if status:
                raise BenchError("a client failed")
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return Together(len(commands) * size / max(seconds), size / min(seconds), size / max(seconds))


def compare(command: Callable[[int, int], list[str]], rounds: int, tidy: Callable[[], None]) -> tuple[float, Together]:
    """Return the rate of one client and of eight concurrent ones: medians of alternating rounds, after a warm-up."""
    alone: list[float] = []
    many: list[Together] = []
    for number in range(rounds + 1):
        tidy()
        one = together([command(0, ALONE_BYTES)], ALONE_BYTES).sum
        tidy()
        eight = together([command(client, EACH_BYTES) for client in range(CLIENTS)], EACH_BYTES)
        if number:
            alone.append(one)
            many.append(eight)
    return median(alone), Together(*(median(column) for column in zip(*many, strict=True)))


def show(way: str, alone: float, many: Together) -> None:
    """Print a line of the table."""
    print(
        f"  {way:<8}{alone / 1e6:>10.0f}{many.sum / 1e6:>12.0f}{many.sum / alone:>8.2f}"
        f"{many.fastest / 1e6:>12.0f}{many.slowest / 1e6:>10.0f}{many.fastest / many.slowest:>8.2f}"
    )


def memory(served: Secftp, file: Path) -> None:
    """Print the memory of the server per open connection, after a file was transferred over each."""
    host, _, port = served.place.rpartition(":")
    credentials = Credentials(read_key_file(served.key).password(), Suite.AES128, Mode.KEYED)
    process = psutil.Process(served.server.pid)
    with contextlib.ExitStack() as stack:
        used: list[int] = []
        for number in range(CONNECTIONS + 1):
            session = stack.enter_context(Session.open(host, int(port), credentials, timeout=LIMIT_SECONDS))
            with create_local_sink(os.devnull) as sink:
                session.read((os.fsencode(file.name),), sink)
            if number in (0, CONNECTIONS):
                used.append(process.memory_info().rss)
    first, last = used
    each = (last - first) / CONNECTIONS / MIB
    print(
        f"\nserver's memory: {first / MIB:.1f} MiB with one connection, {last / MIB:.1f} MiB with {CONNECTIONS + 1}: "
        f"{each:.2f} MiB for each further one (target: at most {MEMORY_TARGET:g})"
    )


def measure(rounds: int) -> None:
    """Measure everything with one server and print it."""
    with contextlib.ExitStack() as stack:
        place = TMPFS if TMPFS.is_dir() else None
        root, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-", dir=where))).resolve()
            for where in (place, None)
        )
        write_key_file(own / "key")
        files = {size: make_source(root, size) for size in (ALONE_BYTES, EACH_BYTES, SAMPLE_BYTES)}
        served = stack.enter_context(secftp(root, own / "key", own / "server.log"))
        client = [sys.executable, "-P", "-m", "secftp.client"]
        options = [served.place, "aes128", "-q", "--key-file", str(served.key)]

        def read(_number: int, size: int) -> list[str]:
            return [*client, "read", files[size].name, *options, "-o", os.devnull]

        def write(number: int, size: int) -> list[str]:
            return [*client, "write", f"written-{number}", *options, "-i", str(files[size])]

        def tidy() -> None:
            for path in root.glob("written-*"):
                path.unlink()

        print(f"\n  {'aes128':<8}{'one':>10}{'eight':>12}{'ratio':>8}{'fastest':>12}{'slowest':>10}{'ratio':>8}   MB/s")
        for way, command in (("read", read), ("write", write)):
            show(way, *compare(command, rounds, tidy))
        print(f"  targets{'':<26}>= {SUM_TARGET:g}{'':<22}<= {SHARE_TARGET:g}")
        memory(served, files[SAMPLE_BYTES])


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (default: 5)")
    options = parser.parse_args()
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}")
    measure(max(1, options.rounds))


if __name__ == "__main__":
    main()
