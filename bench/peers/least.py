"""The least CPU time that a transfer can cost here: the floor's system calls, sealing, opening and hashing.

Both ends hash, one seals, the other opens. What secftp takes beyond that is its own: start-up, protocol, Python.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import xxhash

from bench.pair import Batch
from bench.peers.commands import FLOOR, program_name
from secftp.crypto import Suite

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.peers.table import Figures

CIPHER, SUITE = "aes128", Suite.AES128
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


def lines(figures: Figures) -> str:
    """One line a direction: CPU seconds of secftp beside the least; empty if one of them was not measured."""
    floor = figures.cpu.get((FLOOR, "write"))
    if floor is None:
        return ""
    crypto = crypto_seconds(figures.size)
    said = []
    for way in ("write", "read"):
        own = figures.cpu.get((program_name(CIPHER), way))
        if own is not None:
            said.append(
                f"{program_name(CIPHER)}, {way}: {own:.3f} CPU seconds; the least is {floor + crypto:.3f}: floor "
                f"{floor:.3f}, crypto and hash {crypto:.3f}. Ratio {own / (floor + crypto):.2f}, at most {BOUND:.2f}."
            )
    return "\n".join(said)
