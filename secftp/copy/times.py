"""When two modification times are the same, although two file systems keep them."""

from __future__ import annotations

from typing import Final

# What file systems round down to, in nanoseconds: NTFS, some network ones, old ones, FAT.
_STEPS: Final = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)


def same_time(one: int, other: int) -> bool:
    """Whether two times in nanoseconds are equal, or one is what a file system with longer ticks made of the other."""
    if one == other:
        return True
    if abs(one - other) >= _STEPS[-1]:
        return False
    return any(one // step == other // step and not (one % step and other % step) for step in _STEPS)
