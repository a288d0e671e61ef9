"""A million small files: `python -m bench.million --files 1000000`, or `make bench-million`.

Whole processes over loopback: listings, sums, and copies and comparisons of a tree that is the same at both ends. For
each the time, the processor time of the client, and the most memory that the client and the server had, of which the
server's is that of this step alone. The second layout has all files in one directory, which is what asks for most
memory. With `--root URL` the server serves an object store, into which the tree is put first.

`--in DIRECTORY` says where the trees are made; they take one inode for each file, as the server's tree is made of hard
links. All is removed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import servers
from bench.peers.failure import BenchError
from bench.peers.machine import facts
from bench.peers.process import ENVIRONMENT
from secftp.keys import write_key_file

if TYPE_CHECKING:
    from collections.abc import Iterator

EACH = 1000  # files of a directory, in the layout of many
LAYOUTS = ("many", "one")
MIB = 1 << 20


class Step(NamedTuple):
    """A command. `words`: without the program, `{url}` and `{here}` are the trees."""

    name: str
    words: tuple[str, ...]


UPDATE = ("put", "-T", "--update")
STEPS = (
    Step("ls -R", ("ls", "-R", "{url}")),
    Step("ls -R -U --json", ("ls", "-R", "-U", "--json", "{url}")),
    Step("du", ("du", "{url}")),
    Step("put --update", (*UPDATE, "{here}", "{url}")),
    Step("get --update", ("get", "-T", "--update", "{url}", "{here}")),
    Step("put --update --shard 1/8", (*UPDATE, "--shard", "1/8", "--results", "{results}", "{here}", "{url}")),
    Step("verify", ("verify", "{here}", "{url}")),
    Step("sync --dry-run --delete", ("sync", "--dry-run", "--delete", "{here}/", "{url}")),
)  # fmt: skip


def make(top: Path, files: int, layout: str) -> None:
    """Create the tree: files of some bytes, with names of 15 bytes."""
    for first in range(0, files, EACH):
        directory = top if layout == "one" else top / f"{first // (100 * EACH):03}" / f"{first // EACH:05}"
        directory.mkdir(parents=True, exist_ok=True)
        opened = os.open(directory, os.O_RDONLY)
        try:
            for number in range(first, min(first + EACH, files)):
                file = os.open(f"file-{number:07}.txt", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=opened)
                os.write(file, b"%d\n" % number)
                os.close(file)
        finally:
            os.close(opened)


def run(words: list[str]) -> tuple[float, float, float]:
    """Run a client: seconds, processor seconds, and its peak of memory in MiB. Raises `BenchError` if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "secftp.client", *words],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise BenchError(f"secftp {words[0]} failed")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def reset_peak(pid: int) -> None:
    """Have the kernel count the most memory of a process from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> float:
    """Return the most memory of a process since then, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


@contextlib.contextmanager
def trees(place: Path | None, files: int, layout: str, *, both: bool) -> Iterator[tuple[Path, Path, Path]]:
    """A directory of ours, the tree of the client, and the directory of the server, with the tree if `both`."""
    with tempfile.TemporaryDirectory(prefix="secftp-million-", dir=place) as name:
        own = Path(name).resolve()
        here, root = own / "here", own / "root"
        root.mkdir()
        make(here, files, layout)
        if both:
            subprocess.run(["cp", "-al", here, root / "tree"], check=True)
        yield own, here, root


def measure(files: int, layout: str, place: Path | None, url: str | None, chosen: list[str], more: list[str]) -> None:
    """Measure all steps with one layout, and print them."""
    with trees(place, files, layout, both=url is None) as (own, here, root):
        write_key_file(own / "key")
        print(f"\n{files:,} files, {'in one directory' if layout == 'one' else f'{EACH} a directory'}:", flush=True)
        print(f"  {'':<36}{'seconds':>9}{'files/s':>10}{'CPU s':>8}{'client MiB':>12}{'server MiB':>12}")
        with servers.secftp(root if url is None else url, own / "key", own / "log", *more) as served:
            values = {"url": f"secftp://{served.place}/tree", "here": str(here), "results": str(own / "results")}
            steps = STEPS if url is None else (Step("put", ("put", "-T", "{here}", "{url}")), *STEPS)
            for step in steps:
                if chosen and not any(word in step.name for word in chosen):
                    continue
                reset_peak(served.server.pid)
                words = [word.format(**values) for word in step.words]
                seconds, cpu, mine = run([words[0], "-q", "--key-file", str(own / "key"), *words[1:]])
                rate = files / seconds
                print(
                    f"  {step.name:<36}{seconds:>9.1f}{rate:>10,.0f}{cpu:>8.1f}{mine:>12.1f}"
                    f"{peak(served.server.pid):>12.1f}",
                    flush=True,
                )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="bench.million", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--layout", choices=LAYOUTS, action="append", help="all by default")
    parser.add_argument("--in", dest="place", type=Path, help="where the trees are made")
    parser.add_argument("--root", metavar="URL", help="an object store for the server")
    parser.add_argument("--step", action="append", default=[], help="only steps with this word")
    parser.add_argument("server", nargs="*", help="options of the server")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(", ".join(f"{name} {value}" for name, value in facts().items()))
    for layout in options.layout or LAYOUTS:
        measure(options.files, layout, options.place, options.root, options.step, options.server)


if __name__ == "__main__":
    main()
