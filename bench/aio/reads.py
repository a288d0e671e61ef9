"""A thousand small files, read at once by a thousand tasks: by secftp, and by the sftp of asyncssh from an sshd.

Both use one call for each file, as a program would that has so many requests at once, and have connected before.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import asyncssh

import secftp.aio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bench.aio.loops import Run

FILES = 1000
FILE_BYTES = 4096


class Compared(NamedTuple):
    """Medians in seconds for all the files."""

    secftp: float
    asyncssh: float

    @property
    def ratio(self) -> float:
        """How many times as fast secftp is."""
        return self.asyncssh / self.secftp


def make_files(directory: Path) -> list[str]:
    """Make the files; return their names."""
    for number in range(FILES):
        (directory / f"small-{number}").write_bytes(b"%4d" % number * (FILE_BYTES // 4))
    return [f"small-{number}" for number in range(FILES)]


def compare(url: str, key_file: Path, config: Path, directory: Path, run: Run, rounds: int) -> Compared:
    """Return the comparison, after a warm-up. `config`: of ssh, for the host `peer`, which has the same directory."""
    names = make_files(directory)

    async def both() -> Compared:
        async with (
            secftp.aio.connect(url, key_file=key_file, cipher="aes128") as client,
            asyncssh.connect("peer", config=str(config)) as connection,
            connection.start_sftp_client() as sftp,
        ):

            async def read(name: str) -> bytes:
                async with sftp.open(str(directory / name), "rb") as file:
                    return bytes(await file.read())

            ours, theirs = [], []
            for number in range(rounds + 1):
                first, second = await _all(client.read_bytes, names), await _all(read, names)
                if number:
                    ours.append(first)
                    theirs.append(second)
            return Compared(median(ours), median(theirs))

    return run(both())


async def _all(read: Callable[[str], Awaitable[bytes]], names: list[str]) -> float:
    began = time.perf_counter()
    found = await asyncio.gather(*map(read, names))
    seconds = time.perf_counter() - began
    assert all(data == b"%4d" % number * (FILE_BYTES // 4) for number, data in enumerate(found))
    return seconds
