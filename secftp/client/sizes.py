"""Sizes as ls, du and df show them: in a unit of their own with -h, or in blocks; always rounded up.

What is left of a unit counts as a whole one, as coreutils has it: a sum never looks smaller than it is.
"""

from __future__ import annotations

from typing import Final

BINARY: Final = 1024
DECIMAL: Final = 1000
_UNITS: Final = {BINARY: "KMGTPEZY", DECIMAL: "kMGTPEZY"}
_TENTHS: Final = 100  # below ten, a decimal is shown


def human_size(size: int, base: int = BINARY) -> str:
    """Return a number of bytes as `ls -h` shows it: `999`, `1.2K`, `15M`; with base 1000 as `ls --si` does."""
    if size < base:
        return str(size)
    divisor = 1
    for unit in _UNITS[base]:
        divisor *= base
        tenths = -(-size * 10 // divisor)
        if tenths < _TENTHS:
            return f"{tenths // 10}.{tenths % 10}{unit}"
        whole = -(-size // divisor)
        if whole < base:
            return f"{whole}{unit}"
    return f"{whole}{unit}"


def blocks(size: int, unit: int) -> str:
    """Return a number of bytes in blocks of `unit` bytes."""
    return str(-(-size // unit))
