"""What the original system's results document says, in its own seconds, and how a figure gets its place in a table."""

from __future__ import annotations

from typing import NamedTuple

CIPHERS = ("none", "aes128", "aes256")
WAYS = ("write", "read")
SIZES = (1 << 10, 1 << 20, 1 << 30)


class Place(NamedTuple):
    """One figure's place: bytes of the file, `write` or `read`, the cipher."""

    size: int
    way: str
    cipher: str


def _seconds(size: int, way: str, *seconds: float) -> dict[Place, float]:
    return {Place(size, way, cipher): value for cipher, value in zip(CIPHERS, seconds, strict=True)}


# The original speaks of 1 KB, 1 MB and 1 GB. Ours are the binary sizes: never less than its files had.
ORIGINAL_SECONDS: dict[Place, float] = {
    **_seconds(SIZES[0], "write", 0.190, 0.189, 0.186),
    **_seconds(SIZES[0], "read", 0.101, 0.143, 0.140),
    **_seconds(SIZES[1], "write", 0.166, 0.244, 0.281),
    **_seconds(SIZES[1], "read", 0.168, 0.217, 0.238),
    **_seconds(SIZES[2], "write", 15.918, 40.503, 43.063),
    **_seconds(SIZES[2], "read", 40.148, 69.836, 75.398),
}
# Decimal, as the original names its sizes: for its rate.
ORIGINAL_BYTES = {SIZES[0]: 10**3, SIZES[1]: 10**6, SIZES[2]: 10**9}
ORIGINAL_NAMES = {SIZES[0]: "1 KB", SIZES[1]: "1 MB", SIZES[2]: "1 GB"}
