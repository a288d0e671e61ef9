"""Jobs of a Python program, run by a process of their own at one end of a line.

`python -m bench.fsspec.jobs URL KEY_FILE DIRECTORY` reads the name of a job from each line of its standard input,
prepares it, writes a line when it is ready, waits for another line, runs it and writes the seconds that it took.
"""

from __future__ import annotations

import io
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import secftp
from secftp.api.filesystem import SecftpFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable

KIB, MIB = 1 << 10, 1 << 20
FILES, FILE_BYTES = 20, 10 * KIB
RANGES, RANGE_BYTES = 100, 4 * KIB
RANDOM_READS = 200  # of 4 KiB; each is a round trip
LARGE_BYTES = 128 * MIB
WRITE_BYTES = 64 * MIB
LINE = b"2026-11-28,a field,another field,1234567890,0.123456789,of a line of a hundred bytes, with its end\n"
COLUMNS = ("c3", "c7")


def make_sources(directory: Path) -> None:
    """Make the files that are read: random bytes, lines, small files, and a Parquet file if pyarrow is installed."""
    dice = random.Random(1)
    (directory / "large").write_bytes(dice.randbytes(LARGE_BYTES))
    (directory / "lines").write_bytes(LINE * (LARGE_BYTES // len(LINE)))
    small = directory / "small"
    small.mkdir()
    for number in range(FILES):
        (small / f"{number:02}").write_bytes(dice.randbytes(FILE_BYTES))
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        return
    table = pa.table({f"c{number}": [dice.random() for _ in range(200_000)] for number in range(10)})
    parquet.write_table(table, directory / "table", row_group_size=50_000, compression="none", use_dictionary=False)


class Jobs:
    """The jobs: each method prepares one, and returns what is measured."""

    def __init__(self, url: str, key_file: str, directory: Path) -> None:
        self._directory = directory
        self._client = secftp.connect(url, key_file=key_file)
        location = SecftpFileSystem._get_kwargs_from_urls(url)
        self._fs = SecftpFileSystem(**location, key_file=key_file)
        self._count = 0

    def prepare(self, name: str) -> Callable[[], object]:
        """Return a job; connections are open before it is run."""
        self._count += 1
        self._client.exists("/")
        self._fs.exists("/")
        prepared: Callable[[], object] = getattr(self, name)()
        return prepared

    def put(self) -> Callable[[], object]:
        """Copy 20 files with the client's own `put`."""
        return lambda: self._client.put(self._directory / "small", f"/put-{self._count}")

    def fs_put(self) -> Callable[[], object]:
        """Copy 20 files with fsspec's `put`."""
        return lambda: self._fs.put(f"{self._directory}/small", f"/fs-put-{self._count}", recursive=True)

    def get(self) -> Callable[[], object]:
        """Copy 20 files with the client's own `get`."""
        return lambda: self._client.get("/small", self._directory / f"get-{self._count}")

    def fs_get(self) -> Callable[[], object]:
        """Copy 20 files with fsspec's `get`."""
        return lambda: self._fs.get("/small", f"{self._directory}/fs-get-{self._count}", recursive=True)

    def cat_ranges(self) -> Callable[[], object]:
        """Read 100 ranges of a file."""
        starts = random.Random(2).sample(range(0, LARGE_BYTES, MIB), RANGES)
        ends = [start + RANGE_BYTES for start in starts]
        return lambda: self._fs.cat_ranges(["/large"] * RANGES, starts, ends, on_error="raise")

    def cat(self) -> Callable[[], object]:
        """Read 20 whole files."""
        return lambda: self._fs.cat([f"/small/{number:02}" for number in range(FILES)])

    def read(self) -> Callable[[], object]:
        """Read a large file by 1 MiB."""
        return lambda: self._read("/large", MIB)

    def lines(self) -> Callable[[], object]:
        """Iterate over the lines of a large file."""

        def run() -> int:
            with self._fs.open("/lines") as file:
                return sum(1 for _ in file)

        return run

    def random_reads(self) -> Callable[[], object]:
        """Read 4 KiB at random places of a large file, 200 times."""
        places = random.Random(3).sample(range(LARGE_BYTES - MIB), RANDOM_READS)

        def run() -> None:
            with self._fs.open("/large") as file:
                for place in places:
                    file.seek(place)
                    if len(file.read(RANGE_BYTES)) != RANGE_BYTES:
                        raise AssertionError

        return run

    def columns(self) -> Callable[[], object]:
        """Read two of ten columns of a Parquet file with four row groups."""
        from pyarrow import parquet

        def run() -> Any:
            with self._fs.open("/table") as file:
                return parquet.read_table(file, columns=list(COLUMNS))

        return run

    def planned_columns(self) -> Callable[[], object]:
        """Read them with fsspec's `open_parquet_file`, which asks for all parts at once."""
        from fsspec.parquet import open_parquet_file
        from pyarrow import parquet

        def run() -> Any:
            with open_parquet_file("/table", fs=self._fs, columns=list(COLUMNS), engine="pyarrow") as file:
                return parquet.read_table(file, columns=list(COLUMNS))

        return run

    def write(self) -> Callable[[], object]:
        """Write a large file by 1 MiB."""
        data = random.Random(4).randbytes(MIB)

        def run() -> None:
            with self._fs.open(f"/written-{self._count}", "wb") as file:
                for _ in range(WRITE_BYTES // MIB):
                    file.write(data)

        return run

    def _read(self, path: str, size: int) -> None:
        with self._fs.open(path) as file:
            found = 0
            while part := file.read(size):
                found += len(part)
        if found != LARGE_BYTES:
            raise AssertionError(found)


def main() -> None:
    """Run jobs as standard input tells."""
    url, key_file, directory = sys.argv[1:]
    jobs = Jobs(url, key_file, Path(directory))
    output = io.TextIOWrapper(sys.stdout.buffer, write_through=True)
    for line in sys.stdin:
        job = jobs.prepare(line.strip())
        output.write("ready\n")
        sys.stdin.readline()
        began = time.perf_counter()
        job()
        output.write(f"{time.perf_counter() - began}\n")


if __name__ == "__main__":
    main()
