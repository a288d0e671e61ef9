"""Shards of a copy: parts of a tree that jobs copy independently of each other.

The shard of a file follows from its path alone: XXH3-64 (seed 0) of the bytes of the path, whose names are joined by
slashes, modulo the number of shards, plus 1. The path begins in the source, and does not contain the name of a source
that is a directory; of a file that is the source itself it is the name. So `put` and `get` of a tree and `verify`
agree, each file is in exactly one shard, and no job has to know what the others do. Directories are in every shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage import Path
    from secftp.transfer.options import Shard


def shard_of(path: Path, shards: int) -> int:
    """Return the number of the shard, from 1 to `shards`, that a file is in."""
    return int(xxhash.xxh3_64_intdigest(b"/".join(path))) % shards + 1


def membership(shard: Shard) -> Callable[[Path], bool]:
    """Return the function that tells whether a file is in a shard."""
    number, of = shard
    return lambda path: shard_of(path, of) == number
