"""Directories for the benchmarks: the source in the page cache, the target on tmpfs, so that no disk is measured.

The source is a regular file that has been written to disk and read once; the machine must have the memory to cache it.
The target is on /dev/shm if that exists. All directories are removed at the end; those of a run that was killed are
removed by the next one. A run holds a lock on each of its own, so that it is not taken for one of these.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from bench.peers.failure import BenchError
from secftp.text import parse_size as secftp_size

if TYPE_CHECKING:
    from collections.abc import Iterator

TMPFS = Path("/dev/shm")
PREFIX = "secftp-bench-run-"
# A directory is not locked at the moment it is made.
YOUNG_SECONDS = 10.0
CHUNK_BYTES = 1 << 20
# For servers, logs and clients, in addition to the files.
SPARE_BYTES = 256 << 20


class Directories(NamedTuple):
    """`source` has the files to transfer, `target` receives them, `own` has configurations, keys and logs."""

    source: Path
    target: Path
    own: Path


def parse_size(text: str) -> int:
    """Parse a size such as `1 GiB`, `64MiB` or `1000`; raises `argparse.ArgumentTypeError`."""
    size = secftp_size(text.replace(" ", ""))
    if size is None:
        raise argparse.ArgumentTypeError(f"a size is a number with B, KiB, MiB or GiB, not {text!r}")
    return size


def size_name(size: int) -> str:
    """Format a size with the largest unit that gives an integer: `1 GiB` for 2**30."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def file_name(size: int) -> str:
    """Return the name of the file of this size in both directories."""
    return size_name(size).replace(" ", "") + ".bin"


@contextlib.contextmanager
def directories(largest: int) -> Iterator[Directories]:
    """Create the directories for files of at most `largest` bytes; raises `BenchError` if there is no space."""
    _require_memory(largest)
    with contextlib.ExitStack() as stack:

        def temporary(place: Path) -> Path:
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX, dir=place))).resolve()
            stack.callback(os.close, lock(made))
            return made

        disk = Path(tempfile.gettempdir())
        for place in (disk, TMPFS):
            remove_leftovers(place)
        yield Directories(
            source=temporary(_roomy(largest, disk)), target=temporary(_roomy(largest, TMPFS, disk)), own=temporary(disk)
        )


def lock(directory: Path) -> int:
    """Lock a directory as one that is in use; the descriptor that holds the lock. Raises `BlockingIOError`."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(held)
        raise
    return held


def remove_leftovers(place: Path) -> None:
    """Remove the directories of runs that were killed: those of this user that no process has locked."""
    for path in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < YOUNG_SECONDS:
                continue
            held = lock(path)
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


def make_source(directory: Path, size: int) -> Path:
    """Create a file of random, incompressible bytes, synced to disk and in the page cache."""
    path = directory / file_name(size)
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
    """Return whether two files have the same contents."""
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
            "free. A smaller --size needs less."
        )


def _roomy(largest: int, *places: Path) -> Path:
    """Return the first directory that is writable and has enough space."""
    for place in places:
        # A server keeps the old file until the new one is complete.
        if os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2 * largest + SPARE_BYTES:
            return place
    raise BenchError(
        f"No space for {size_name(largest)} in {' or '.join(map(str, places))}; set TMPDIR to another directory."
    )
