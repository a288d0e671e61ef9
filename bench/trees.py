"""Many small files, compared with other programs: `python -m bench.trees`.

10,000 files of 1 KiB in 20 directories, whole processes over loopback, from the page cache to tmpfs: secftp, `rsync -a`
and `scp -r` over ssh, `cp -r` as the bound, in turn, each round in a random order; medians. The target is removed
before each run, untimed, and the received files are counted and compared once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import time
from random import Random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import packages
from bench.peers.commands import SSH_CIPHER
from bench.peers.directories import directories
from bench.peers.failure import BenchError
from bench.peers.field import secftp_servers
from bench.peers.machine import facts
from bench.peers.process import run
from bench.peers.servers import path_of, sshd
from bench.peers.table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.peers.directories import Directories

DIRECTORIES, FILE_BYTES = 20, 1024
LIMIT_SECONDS = 300.0
RSYNC, SCP = "rsync -a over ssh", "scp -r"
RSYNC_TARGET, SCP_TARGET = 0.7, 1 / 6


class Mover(NamedTuple):
    """One program in one direction."""

    name: str
    way: str
    command: tuple[str, ...]


def make_tree(top: Path, count: int) -> None:
    """Create `count` files of random bytes, evenly distributed over the directories, in the page cache."""
    for number in range(DIRECTORIES):
        directory = top / f"directory-{number:02}"
        directory.mkdir(parents=True)
        for file in range(number, count, DIRECTORIES):
            (directory / f"file-{file:06}").write_bytes(os.urandom(FILE_BYTES))


def contents(top: Path) -> dict[str, bytes]:
    """Return the contents of all files below a directory, by relative path."""
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def ours(stack: contextlib.ExitStack, places: Directories, cipher: str) -> Iterator[Mover]:
    """Yield `secftp put` and `secftp get` of the directory."""
    sending, receiving = secftp_servers(stack, places)
    client = (sys.executable, "-P", "-m", "secftp.client")
    options = ("-q", "--cipher", cipher, "--key-file", str(sending.key))
    put = (*client, "put", *options, str(places.source / "tree"), f"secftp://{receiving.place}/tree")
    get = (*client, "get", *options, f"secftp://{sending.place}/tree", str(places.target / "tree"))
    yield Mover(f"secftp {cipher}", "put", put)
    yield Mover(f"secftp {cipher}", "get", get)


def over_ssh(stack: contextlib.ExitStack, places: Directories) -> Iterator[Mover]:
    """scp and sftp, through an sshd started for this."""
    ssh = stack.enter_context(sshd(places))
    source, target = places.source / "tree", places.target / "tree"
    scp = (path_of("scp"), "-q", "-r", "-F", str(ssh.config), *SSH_CIPHER)
    yield Mover(SCP, "put", (*scp, str(source), f"peer:{target}"))
    yield Mover(SCP, "get", (*scp, f"peer:{source}", str(target)))
    shell = f'{path_of("ssh")} -F "{ssh.config}" {" ".join(SSH_CIPHER)}'
    rsync = (path_of("rsync"), "-a", f"--rsync-path={path_of('rsync')}", "-e", shell)
    yield Mover(RSYNC, "put", (*rsync, f"{source}/", f"peer:{target}/"))
    yield Mover(RSYNC, "get", (*rsync, f"peer:{source}/", f"{target}/"))


def once(mover: Mover, places: Directories, expected: dict[str, bytes] | None) -> float:
    """Return the seconds of one run from a clean state; with `expected`, compare the result."""
    target = places.target / "tree"
    shutil.rmtree(target, ignore_errors=True)
    seconds = run(mover.command, places.own / "client.log", limit_seconds=LIMIT_SECONDS).seconds
    if expected is not None and contents(target) != expected:
        raise BenchError(f"{mover.name}, {mover.way}: the received files differ from the sent ones")
    return seconds


def measure(movers: list[Mover], places: Directories, rounds: int) -> dict[Mover, float]:
    """Return the medians of all programs that work; a failure of secftp raises `BenchError`."""
    expected = contents(places.source / "tree")
    seconds: dict[Mover, list[float]] = {}
    for mover in movers:
        try:
            once(mover, places, expected)
            seconds[mover] = []
        except BenchError as failure:
            if mover.name.startswith("secftp"):
                raise
            print(f"skipped: {mover.name}, {mover.way}: {failure}", file=sys.stderr)
    for number in range(rounds):
        for mover in Random(number).sample(list(seconds), len(seconds)):
            seconds[mover].append(once(mover, places, None))
    return {mover: median(taken) for mover, taken in seconds.items()}


def show(medians: dict[Mover, float], count: int, cipher: str) -> None:
    """Print the table."""
    rows = [("way", "program", "seconds", "us/file", "secftp / it", "target")]
    targets = {RSYNC: f"<= {RSYNC_TARGET:.2f}", SCP: f"<= {SCP_TARGET:.2f}"}
    for way in ("put", "get"):
        own = next(taken for mover, taken in medians.items() if (mover.way, mover.name) == (way, f"secftp {cipher}"))
        for mover, taken in sorted(medians.items(), key=lambda item: item[1]):
            if mover.way == way:
                ratio = f"{own / taken:.2f}"
                rows.append(
                    (way, mover.name, f"{taken:.3f}", f"{taken / count * 1e6:.0f}", ratio, targets.get(mover.name, ""))
                )
    print(aligned(rows))


def compare(count: int, rounds: int, cipher: str) -> None:
    """Measure everything and print it."""
    with directories(count * FILE_BYTES) as places, contextlib.ExitStack() as stack:
        make_tree(places.source / "tree", count)
        movers = list(ours(stack, places, cipher))
        try:
            movers += over_ssh(stack, places)
        except BenchError as failure:
            print(f"skipped: {failure}", file=sys.stderr)
        source, target = str(places.source / "tree"), str(places.target / "tree")
        movers += [Mover("cp -r", way, (path_of("cp"), "-r", source, target)) for way in ("put", "get")]
        print(
            f"\n{count} files of {FILE_BYTES} bytes in {DIRECTORIES} directories, medians of {rounds} rounds\n",
            flush=True,
        )
        show(measure(movers, places, rounds), count, cipher)


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.trees", description=__doc__.split("\n\n")[0])
    parser.add_argument("--files", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--cipher", default="aes128", help="of secftp; default: aes128")
    parser.add_argument("--no-install", action="store_true", help="measure the installed programs only")
    options = parser.parse_args()
    if not options.no_install:
        packages.install_missing()
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}\nsecftp: {machine['secftp']}")
    start = time.monotonic()
    try:
        compare(max(DIRECTORIES, options.files), max(1, options.rounds), options.cipher)
    except BenchError as failure:
        sys.exit(f"trees: {failure}")
    print(f"\nin {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
