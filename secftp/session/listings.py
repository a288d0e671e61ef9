"""Listings kept in bounded memory: a listing has no end that the client could count on.

A few entries are kept as they are, for most directories are small. More are encoded and compressed in blocks, some 15
bytes an entry, a tenth of what Python objects take; one block of a listing is unpacked at a time.

Invariant: all that is kept counts in a `MemoryBudget`, so no server, and no tree made for that, fills the memory of the
client's machine.
"""

from __future__ import annotations

import bisect
import heapq
import operator
import zlib
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, AnyStr, Final, Generic, TypeVar, overload

import msgspec

from secftp.errors import Side, TooLarge
from secftp.protocol import Listed
from secftp.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BUDGET_BYTES: Final = 36 << 20  # of one command, with the rest of the process within 64 MiB
BUDGET_ENTRIES: Final = 3_000_000  # however well they can be packed: it bounds the time of an endless listing, too
_ENTRY_BYTES: Final = 600  # of an entry with all that is known of it
_PART_BYTES: Final = 64  # of each name of an entry's path

BLOCK: Final = 256  # entries that are packed together
UNPACKED: Final = 512  # entries of a listing that are not packed
_TIGHT: Final = 128  # of them when the budget is tight
RUN_ENTRIES: Final = 32_768  # that are sorted at once
_RUN_BYTES: Final = 4 << 20  # of them
_BLOCK_BYTES: Final = 80  # of a block beyond its contents: the object, its slot
NAME_BYTES: Final = 160  # of a name that is not packed, beyond its bytes: it, a number, the tuple of both, the slot

_Entry = TypeVar("_Entry")

_encode = msgspec.msgpack.Encoder().encode
_names: Callable[[bytes], list[bytes]] = msgspec.msgpack.Decoder(list[bytes]).decode
_numbered: Callable[[bytes], list[tuple[bytes, int]]] = msgspec.msgpack.Decoder(list[tuple[bytes, int]]).decode
_listed: Callable[[bytes], list[Listed]] = msgspec.msgpack.Decoder(list[Listed]).decode


class MemoryBudget:
    """How much of listings one operation may keep, in bytes of memory and in entries, and how much it keeps now."""

    __slots__ = ("_most", "_most_entries", "entries", "exceeded", "nbytes")

    def __init__(self, most: int = BUDGET_BYTES, entries: int = BUDGET_ENTRIES) -> None:
        self._most = most
        self._most_entries = entries
        self.nbytes = 0
        self.entries = 0
        self.exceeded = False  # whether more was asked for

    @property
    def is_tight(self) -> bool:
        """Whether small listings have to be packed, too."""
        return self.nbytes > self._most // 4

    def take(self, nbytes: int, entries: int = 0) -> None:
        """Count what is kept from now on. Raises `TooLarge`, and counts nothing, if that is too much."""
        if self.nbytes + nbytes > self._most or self.entries + entries > self._most_entries:
            self.exceeded = True
            raise TooLarge(
                "The server's listing is too large to be kept in memory.",
                hint="List its subdirectories one by one.",
                side=Side.REMOTE,
            )
        self.nbytes += nbytes
        self.entries += entries

    def give(self, nbytes: int, entries: int = 0) -> None:
        """Count what is kept no more."""
        self.nbytes -= nbytes
        self.entries -= entries


def entry_cost(entry: Listed) -> int:
    """Return how many bytes an entry takes while it is not packed."""
    return _ENTRY_BYTES + _PART_BYTES * len(entry.path) + sum(map(len, entry.path))


class BoundedIterator:
    """An iterator over the next entries: at most `most` of them, and of `nbytes` bytes.

    `is_more` says, once it has ended, that these bounds ended it.
    """

    def __init__(self, entries: Iterable[Listed], most: int, nbytes: int) -> None:
        self.is_more = False
        self._entries = iter(entries)
        self._most = most
        self._nbytes = nbytes

    def __iter__(self) -> Iterator[Listed]:
        for count, entry in enumerate(self._entries, 1):
            self._nbytes -= entry_cost(entry)
            self.is_more = count >= self._most or self._nbytes <= 0
            yield entry
            if self.is_more:
                return


class Packed(Generic[_Entry]):
    """Entries in the order of arrival, each of which is yielded once and dropped then.

    Raises `TooLarge` for an entry that is beyond the budget.
    """

    __slots__ = ("_blocks", "_budget", "_decode", "_nbytes", "_waiting")

    def __init__(self, budget: MemoryBudget, decode: Callable[[bytes], list[_Entry]]) -> None:
        self._budget = budget
        self._decode = decode
        self._blocks: deque[tuple[bytes, int]] = deque()  # and how many entries are in it
        self._waiting: deque[tuple[_Entry, int]] = deque()  # that are not packed, and how many bytes each takes
        self._nbytes = 0  # of these

    def append(self, entry: _Entry, nbytes: int) -> None:
        """Append an entry, which takes `nbytes` bytes while it is not packed."""
        self._budget.take(nbytes, 1)
        self._waiting.append((entry, nbytes))
        self._nbytes += nbytes
        count = len(self._waiting)
        if count >= _TIGHT and (count >= UNPACKED or (count >= BLOCK and self._blocks) or self._budget.is_tight):
            entries = [entry for entry, _ in self._waiting]
            self._forget_waiting()
            self.pack(entries)

    def pack(self, entries: list[_Entry]) -> None:
        """Append entries as a block. Only while no unpacked entry waits."""
        block = zlib.compress(_encode(entries), 1)
        self._budget.take(len(block) + _BLOCK_BYTES, len(entries))
        self._blocks.append((block, len(entries)))

    def __iter__(self) -> Iterator[_Entry]:
        while self._blocks:
            yield from self._decode(zlib.decompress(self._next_block()))
        while self._waiting:
            entry, nbytes = self._waiting.popleft()
            self._nbytes -= nbytes
            self._budget.give(nbytes, 1)
            yield entry

    def clear(self) -> None:
        """Drop what is left."""
        while self._blocks:
            self._next_block()
        self._forget_waiting()

    def _next_block(self) -> bytes:
        block, count = self._blocks.popleft()
        self._budget.give(len(block) + _BLOCK_BYTES, count)
        return block

    def _forget_waiting(self) -> None:
        self._budget.give(self._nbytes, len(self._waiting))
        self._nbytes = 0
        self._waiting.clear()


class PackedNames(Packed[bytes]):
    """Names in the order of arrival."""

    __slots__ = ()

    def __init__(self, budget: MemoryBudget) -> None:
        super().__init__(budget, _names)

    def add(self, name: bytes) -> None:
        """Append a name. Raises `TooLarge`."""
        self.append(name, len(name) + NAME_BYTES)


class PackedEntries(Packed[Listed]):
    """Entries of listings in the order of arrival."""

    __slots__ = ()

    def __init__(self, budget: MemoryBudget) -> None:
        super().__init__(budget, _listed)


class SortedNames:
    """Names, each with a number, sorted; each is yielded once and dropped then.

    Parts of bounded size are sorted and packed, and merged as they are yielded. Raises `TooLarge`.
    """

    __slots__ = ("_budget", "_nbytes", "_part", "_parts")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._parts: list[Packed[tuple[bytes, int]]] = []
        self._part: list[tuple[bytes, int]] = []  # not sorted yet
        self._nbytes = 0  # of this part

    def add(self, name: bytes, number: int = 0) -> None:
        """Add a name."""
        nbytes = len(name) + NAME_BYTES
        self._budget.take(nbytes, 1)
        self._part.append((name, number))
        self._nbytes += nbytes
        if len(self._part) >= RUN_ENTRIES or self._nbytes >= _RUN_BYTES:
            self._pack()

    def sort(self) -> None:
        """Sort, and pack if that saves memory. To be called when all names have been added."""
        if self._parts or len(self._part) > UNPACKED or (len(self._part) >= _TIGHT and self._budget.is_tight):
            self._pack()
        else:
            self._part.sort(reverse=True)

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        self.sort()
        if self._parts:
            yield from heapq.merge(*self._parts)
            self.clear()
            return
        while self._part:
            entry = self._part.pop()
            nbytes = len(entry[0]) + NAME_BYTES
            self._nbytes -= nbytes
            self._budget.give(nbytes, 1)
            yield entry

    def clear(self) -> None:
        """Drop what is left."""
        for part in self._parts:
            part.clear()
        self._parts.clear()
        self._forget_part()

    def _forget_part(self) -> None:
        self._budget.give(self._nbytes, len(self._part))
        self._nbytes = 0
        self._part = []

    def _pack(self) -> None:
        part = sorted(self._part)
        self._forget_part()
        packed = Packed(self._budget, _numbered)
        self._parts.append(packed)
        for start in range(0, len(part), BLOCK):
            packed.pack(part[start : start + BLOCK])


class NameSequence(Sequence[AnyStr]):
    """An immutable sequence of many names: packed, with one block unpacked at a time.

    `made` converts a name's bytes to what the sequence holds. Threads may share it.
    """

    __slots__ = ("_blocks", "_last", "_made", "_starts")

    def __init__(self, made: Callable[[bytes], AnyStr]) -> None:
        self._made: Callable[[bytes], AnyStr] = made
        self._blocks: list[bytes] = []
        self._starts = [0]  # of each block, and behind the last
        self._last: tuple[int, list[bytes]] = (-1, [])  # the block that was looked at last

    def pack(self, names: list[bytes]) -> int:
        """Append a block of names. Returns how many bytes it takes."""
        block = zlib.compress(_encode(names), 1)
        self._blocks.append(block)
        self._starts.append(self._starts[-1] + len(names))
        return len(block) + _BLOCK_BYTES

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> AnyStr: ...
    @overload
    def __getitem__(self, index: slice) -> list[AnyStr]: ...
    def __getitem__(self, index: int | slice) -> AnyStr | list[AnyStr]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = operator.index(index)
        if place < 0:
            place += len(self)
        if not 0 <= place < len(self):
            raise IndexError(index)
        number = bisect.bisect_right(self._starts, place) - 1
        at, names = self._last
        if at != number:
            names = _names(zlib.decompress(self._blocks[number]))
            self._last = number, names
        return self._made(names[place - self._starts[number]])

    def __iter__(self) -> Iterator[AnyStr]:
        for block in self._blocks:
            yield from map(self._made, _names(zlib.decompress(block)))

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'name')}>"
