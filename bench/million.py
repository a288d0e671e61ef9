"""A million small files: `python -m bench.million --files 1000000`, or `make bench-million`.

Whole processes over loopback: listings, sums, and copies and comparisons of a tree that is the same at both ends. For
each the time, the processor time of the client, and the most memory that the client and the server had, of which the
server's is that of this step alone. The second layout has all files in one directory, which is what asks for most
memory. With `--store SECONDS` the server serves an object store in memory that answers after so long, and begins with
the tree; what is listed in seconds then depends on whose times files have (`-- --object-times stored`).

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

from bench.objects.store import LatentStore, object_server
from bench.peers import servers
from bench.peers.failure import BenchError
from bench.peers.machine import facts
from bench.peers.process import ENVIRONMENT
from secftp.keys import write_key_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


class Choice(NamedTuple):
    """What is measured. `latency`: of the object store, None for a directory. `more`: options of the server."""

    files: int
    place: Path | None
    latency: float | None
    words: list[str]
    more: list[str]

    def wants(self, step: Step) -> bool:
        """Whether a step is measured."""
        return not self.words or any(word in step.name for word in self.words)


@contextlib.contextmanager
def server(
    choice: Choice, here: Path, root: Path, own: Path
) -> Iterator[tuple[servers.Secftp, Callable[[], int | None]]]:
    """A server, and a function that tells how many requests its store has got so far."""
    if choice.latency is None:
        with servers.secftp(root, own / "key", own / "log", *choice.more) as served:
            yield served, lambda: None
        return
    with (
        LatentStore(choice.latency, here) as store,
        object_server(store, own / "key", own / "log", *choice.more) as served,
    ):
        yield served, store.requests


def measure(choice: Choice, layout: str) -> None:
    """Measure all steps with one layout, and print them."""
    is_local, files = choice.latency is None, choice.files
    with trees(choice.place, files, layout, both=is_local) as (own, here, root):
        write_key_file(own / "key")
        print(f"\n{files:,} files, {'in one directory' if layout == 'one' else f'{EACH} a directory'}:", flush=True)
        print(
            f"  {'':<24}{'seconds':>9}{'files/s':>10}{'CPU s':>8}{'client MiB':>12}{'server MiB':>12}{'requests':>11}"
        )
        with server(choice, here, root, own) as (served, requests):
            values = {"url": f"secftp://{served.place}/tree", "here": str(here), "results": str(own / "results")}
            for step in filter(choice.wants, STEPS):
                reset_peak(served.server.pid)
                before = requests()
                words = [word.format(**values) for word in step.words]
                seconds, cpu, mine = run([words[0], "-q", "--key-file", str(own / "key"), *words[1:]])
                after = requests()
                asked = "" if before is None or after is None else f"{after - before:,}"
                print(
                    f"  {step.name:<24}{seconds:>9.1f}{files / seconds:>10,.0f}{cpu:>8.1f}{mine:>12.1f}"
                    f"{peak(served.server.pid):>12.1f}{asked:>11}",
                    flush=True,
                )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="bench.million", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--layout", choices=LAYOUTS, action="append", help="all by default")
    parser.add_argument("--in", dest="place", type=Path, help="where the trees are made")
    parser.add_argument("--store", metavar="SECONDS", type=float, help="an object store that answers after so long")
    parser.add_argument("--step", action="append", default=[], help="only steps with this word")
    parser.add_argument("server", nargs="*", help="options of the server")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(", ".join(f"{name} {value}" for name, value in facts().items()))
    for layout in options.layout or LAYOUTS:
        measure(Choice(options.files, options.place, options.store, options.step, options.server), layout)


if __name__ == "__main__":
    main()
