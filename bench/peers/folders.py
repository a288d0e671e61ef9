"""Where the files are: the source in the page cache, the target on tmpfs, so that no disk is measured.

The source is an ordinary file that has been written to its disk and read once; that machine must have the memory to
keep it. The target is on /dev/shm where there is one. Both folders are removed at the end, whatever happens.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from bench.peers.failure import BenchError
from secftp.text import parse_size as secftp_size

if TYPE_CHECKING:
    from collections.abc import Iterator

TMPFS = Path("/dev/shm")
CHUNK_BYTES = 1 << 20
# What the servers, their logs and the clients need beside the files.
SPARE_BYTES = 256 << 20


class Folders(NamedTuple):
    """`source` has the files to be moved, `target` takes them, `own` is for settings, keys and logs."""

    source: Path
    target: Path
    own: Path


def parse_size(text: str) -> int:
    """Bytes from `1 GiB`, `64MiB`, `1000`, as secftp itself reads them; raises `argparse.ArgumentTypeError`."""
    size = secftp_size(text.replace(" ", ""))
    if size is None:
        raise argparse.ArgumentTypeError(f"a size is a number with B, KiB, MiB or GiB, not {text!r}")
    return size


def size_name(size: int) -> str:
    """`1 GiB` for 2**30; the largest unit that leaves a whole number."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def file_name(size: int) -> str:
    """What the file of this size is called in both folders."""
    return size_name(size).replace(" ", "") + ".bin"


@contextlib.contextmanager
def folders(largest: int) -> Iterator[Folders]:
    """The three folders for files of at most `largest` bytes; raises `BenchError` where there is no room."""
    _require_memory(largest)
    with contextlib.ExitStack() as stack:

        def temporary(place: Path) -> Path:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-", dir=place))
            return Path(made).resolve()

        disk = Path(tempfile.gettempdir())
        yield Folders(
            source=temporary(_roomy(largest, disk)), target=temporary(_roomy(largest, TMPFS, disk)), own=temporary(disk)
        )


def make_source(folder: Path, size: int) -> Path:
    """A file of random bytes, which nothing can make smaller, on its disk and in the page cache."""
    path = folder / file_name(size)
    left = size
    with path.open("wb") as file:
        while left:
            left -= file.write(os.urandom(min(left, CHUNK_BYTES)))
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb", buffering=0) as file:
        while file.read(CHUNK_BYTES):
            pass
    return path


def same_content(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
        while True:
            block = first.read(CHUNK_BYTES)
            if block != second.read(CHUNK_BYTES):
                return False
            if not block:
                return True


def _require_memory(largest: int) -> None:
    needed = 2 * largest + SPARE_BYTES
    available = psutil.virtual_memory().available
    if available < needed:
        raise BenchError(
            f"Source and target must fit into memory: {needed / 1e9:.1f} GB are needed, {available / 1e9:.1f} GB are "
            "free. A smaller --size does with less."
        )


def _roomy(largest: int, *places: Path) -> Path:
    """The first of the places that can be written and has room."""
    for place in places:
        # A server may keep what it had while it takes what is new.
        if os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2 * largest + SPARE_BYTES:
            return place
    raise BenchError(
        f"No room for {size_name(largest)} in {' or '.join(map(str, places))}; TMPDIR names another place."
    )
