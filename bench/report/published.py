"""Published results of the original system, in seconds, and the key of a figure in the tables."""

from __future__ import annotations

from typing import NamedTuple

CIPHERS = ("none", "aes128", "aes256")
WAYS = ("write", "read")
SIZES = (1 << 10, 1 << 20, 1 << 30)


class Place(NamedTuple):
    """Key of a figure: file size in bytes, `write` or `read`, cipher."""

    size: int
    way: str
    cipher: str


def _seconds(size: int, way: str, *seconds: float) -> dict[Place, float]:
    return {Place(size, way, cipher): value for cipher, value in zip(CIPHERS, seconds, strict=True)}


# The original used 1 KB, 1 MB and 1 GB. secftp is measured with the binary sizes, which are not smaller.
ORIGINAL_SECONDS: dict[Place, float] = {
    **_seconds(SIZES[0], "write", 0.190, 0.189, 0.186),
    **_seconds(SIZES[0], "read", 0.101, 0.143, 0.140),
    **_seconds(SIZES[1], "write", 0.166, 0.244, 0.281),
    **_seconds(SIZES[1], "read", 0.168, 0.217, 0.238),
    **_seconds(SIZES[2], "write", 15.918, 40.503, 43.063),
    **_seconds(SIZES[2], "read", 40.148, 69.836, 75.398),
}
# Decimal sizes, for the rates of the original.
ORIGINAL_BYTES = {SIZES[0]: 10**3, SIZES[1]: 10**6, SIZES[2]: 10**9}
ORIGINAL_NAMES = {SIZES[0]: "1 KB", SIZES[1]: "1 MB", SIZES[2]: "1 GB"}
