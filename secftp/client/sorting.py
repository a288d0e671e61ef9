"""The order of the entries of a listing: by name, time or size, in bounded memory.

Names are compared byte by byte, as `ls` does in the locale C: the same everywhere, and without asking what language a
name is in. By name, entries come sorted if they fit into memory, and else as they arrive. Where another order was asked
for, parts of the listing are sorted, packed and merged. Invariant: a listing that is too long even for that is a
failure, and never printed in another order than asked for.
"""

from __future__ import annotations

import heapq
import itertools
import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from secftp.protocol import Listed
from secftp.session.listings import BUDGET_BYTES, MemoryBudget, Packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Key: TypeAlias = Callable[[Any], Any]

BY_NAME: Final = "name"
BY_TIME: Final = "time"
BY_SIZE: Final = "size"
BY_VERSION: Final = "version"  # names, with the numbers in them compared as numbers
UNSORTED: Final = "none"
_NUMBER: Final = re.compile(rb"([0-9]+)")


def _by_version(entry: Any) -> tuple[Any, ...]:
    parts = [_NUMBER.split(name) for name in entry.path]
    return [[int(part) if place % 2 else part for place, part in enumerate(name)] for name in parts], entry.path


KEYS: Final[dict[str, Key]] = {
    BY_NAME: attrgetter("path"),
    BY_TIME: lambda entry: (-entry.mtime_ns, entry.path),
    BY_SIZE: lambda entry: (-entry.size, entry.path),
    BY_VERSION: _by_version,
}
RUN_ENTRIES: Final = 8192  # that are sorted at once
_BLOCK: Final = 64  # of them that are packed together: one block of each run is unpacked while they are merged
_ENTRY_BYTES: Final = 400  # that an entry takes beside its names
_decode: Callable[[bytes], list[Listed]] = msgspec.msgpack.Decoder(list[Listed]).decode


def ordered(entries: Iterator[Listed], order: str, most: int, *, reverse: bool) -> Iterator[Listed]:
    """Return an iterator over the entries in an order; `most` is how many are sorted by name. Raises `TooLarge`."""
    if order == UNSORTED:
        return entries
    if order == BY_NAME and not reverse:
        first, rest = _beginning(entries, most)
        return itertools.chain(first, rest)
    return _all_sorted(entries, KEYS[order], reverse=reverse)


def _beginning(entries: Iterator[Listed], most: int) -> tuple[list[Listed], Iterator[Listed]]:
    """Return the entries that fit into memory, sorted if there are no others, and an iterator over the others."""
    first: list[Listed] = []
    room = BUDGET_BYTES // 2  # an entry with its line
    for entry in entries:
        first.append(entry)
        room -= _ENTRY_BYTES + 100 * len(entry.path) + sum(map(len, entry.path))
        if len(first) >= most or room <= 0:
            break
    more = next(entries, None)
    if more is None:
        first.sort(key=KEYS[BY_NAME])
        return first, iter(())
    return first, itertools.chain([more], entries)


def _all_sorted(entries: Iterator[Listed], key: Key, *, reverse: bool) -> Iterator[Listed]:
    budget = MemoryBudget(BUDGET_BYTES)
    runs: list[Packed[Listed]] = []
    while run := list(itertools.islice(entries, RUN_ENTRIES)):
        run.sort(key=key, reverse=reverse)
        if not runs and len(run) < RUN_ENTRIES:
            yield from run
            return
        packed = Packed(budget, _decode)
        for start in range(0, len(run), _BLOCK):
            packed.pack(run[start : start + _BLOCK])
        runs.append(packed)
    yield from heapq.merge(*runs, key=key, reverse=reverse)
