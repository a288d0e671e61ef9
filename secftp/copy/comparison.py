"""Comparison of a file here with one at the server: modification times, and digests of what both have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import FileChanged, Side

if TYPE_CHECKING:
    from secftp.storage import Digest, ResumedSink, Source

# Resolutions of modification times in nanoseconds: most file systems, NTFS, some network ones, old ones, FAT.
_RESOLUTIONS: Final = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
_CHUNK: Final = 2**20


def same_time(one: int, other: int) -> bool:
    """Whether two times in nanoseconds are equal, or one is the other at a file system's coarser resolution."""
    if one == other:
        return True
    if abs(one - other) >= _RESOLUTIONS[-1]:
        return False
    return any(one // step == other // step and not (one % step and other % step) for step in _RESOLUTIONS)


def hash_prefix(readable: Source | ResumedSink, digest: Digest, size: int) -> None:
    """Update a digest with the first `size` bytes; raises `FileChanged` if there are fewer."""
    chunk = memoryview(bytearray(min(size, _CHUNK)))
    done = 0
    while done < size:
        count = readable.readv([chunk[: size - done]], done)
        if not count:
            raise FileChanged("The file became shorter while it was being read.", hint="Try again.", side=Side.LOCAL)
        digest.update(chunk[:count])
        done += count
