"""The client for asyncio: `python -m bench.aio`, or `make bench-aio`.

A large file, put and got by the blocking client and on an event loop, in turn, with the longest that the loop was busy;
then a thousand small files read at once, compared with the sftp of asyncssh. All files are in memory (tmpfs).
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

from bench.aio import copies, reads
from bench.aio.loops import LOOPS, runner
from bench.peers.directories import TMPFS, Directories, make_source, parse_size, size_name
from bench.peers.failure import BenchError
from bench.peers.machine import facts
from bench.peers.servers import secftp, sshd
from secftp.keys import write_key_file

COPY_TARGET, READ_TARGET = 0.8, 2.0


def measure(size: int, rounds: int, loop: str) -> None:
    """Measure everything with one server and print it."""
    with contextlib.ExitStack() as stack:
        place = TMPFS if TMPFS.is_dir() else None
        served, here, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-", dir=where))).resolve()
            for where in (place, place, None)
        )
        write_key_file(own / "key")
        server = stack.enter_context(secftp(served, own / "key", own / "server.log"))
        url, run = f"secftp://{server.place}", runner(loop)
        source = make_source(served, size)
        found = copies.compare(copies.Place(url, server.key, source, served, here), run, rounds)
        print(f"\n  {size_name(size):<10}{'blocking':>12}{loop:>12}   MB/s{'ratio':>8}{'loop late at most':>22}")
        for way, each in found.items():
            print(
                f"  {way:<10}{size / each.blocking / 1e6:>12.0f}{size / each.loop / 1e6:>12.0f}{each.ratio:>15.2f}"
                f"{each.latest * 1000:>19.1f} ms"
            )
        print(f"  target{'':<34}>= {COPY_TARGET:g}")
        try:
            ssh = stack.enter_context(sshd(Directories(served, here, own)))
        except BenchError as problem:
            print(f"\n  asyncssh: not compared: {problem}")
            return
        many = reads.compare(url, server.key, ssh.config, served, run, rounds)
        title = f"{reads.FILES:,} reads of {size_name(reads.FILE_BYTES)} at once"
        ours, theirs = reads.FILES / many.secftp, reads.FILES / many.asyncssh
        print(f"\n  {title:<30}{'secftp':>12}{'asyncssh':>12}   reads/s{'ratio':>8}")
        print(f"  {'':<30}{ours:>12.0f}{theirs:>12.0f}{many.ratio:>18.2f}")
        print(f"  target{'':<57}>= {READ_TARGET:g}")


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.aio", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (default: 5)")
    parser.add_argument("--size", type=parse_size, default=1 << 30, help="of the large file (default: 1 GiB)")
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0], help="the event loop (default: asyncio)")
    options = parser.parse_args()
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}")
    measure(options.size, max(1, options.rounds), options.loop)


if __name__ == "__main__":
    main()
