"""The least CPU time that a transfer can cost here: the floor's system calls, sealing, opening and hashing.

Both ends hash, one seals, the other opens. What secftp takes beyond that is its own: start-up, protocol, Python. All
but the start-up is held at a bound.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import xxhash

from bench.pair import Batch
from bench.peers.commands import FLOOR, program_name
from bench.peers.verdict import Verdict
from secftp.crypto import Suite

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.peers.table import Figures

OURS, SUITE = program_name("aes128"), Suite.AES128
FRAMES, PAYLOAD = 16, 65_504
REPEATS, ROUNDS = 64, 5
BOUND = 1.10


def crypto_seconds(size: int) -> float:
    """CPU seconds of sealing, opening and twice hashing `size` bytes; the best of several rounds."""
    batch, content = Batch(SUITE, FRAMES, PAYLOAD), bytes(FRAMES * PAYLOAD)

    def once() -> None:
        batch.seal()
        batch.open()
        for _ in range(2):
            xxhash.xxh3_128_digest(content)

    return min(_cpu(once) for _ in range(ROUNDS)) * size / (REPEATS * len(content))


def _cpu(action: Callable[[], None]) -> float:
    began = time.thread_time()
    for _ in range(REPEATS):
        action()
    return time.thread_time() - began


def verdicts(figures: Figures, start: Figures) -> list[Verdict]:
    """For each direction, CPU seconds of secftp compared with the least; empty without the floor's.

    `start` is of files so small that they cost nothing but starting up, which is left out: it does not grow with size.
    """
    floor = figures.cpu.get((FLOOR, "write"))
    if floor is None:
        return []
    crypto = crypto_seconds(figures.size)
    return [
        _verdict(way, whole, started, floor, crypto)
        for way in ("write", "read")
        if (whole := figures.cpu.get((OURS, way))) is not None and (started := start.cpu.get((OURS, way))) is not None
    ]


def _verdict(way: str, whole: float, started: float, floor: float, crypto: float) -> Verdict:
    ratio = (whole - started) / (floor + crypto)
    return Verdict(
        f"{OURS}, {way}: {whole:.3f} CPU seconds, {started:.3f} of them to start up. The least is "
        f"{floor + crypto:.3f}: the floor {floor:.3f}, crypto and hash {crypto:.3f}. Without start-up {ratio:.2f} "
        f"times the least, with it {whole / (floor + crypto):.2f}; at most {BOUND:.2f} without",
        ratio <= BOUND,
    )
