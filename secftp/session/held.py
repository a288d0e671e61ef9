"""How much a client keeps of what a server lists: a listing has no end that the client could count on.

Names that have to be kept are packed (`secftp.session.packed`), so that a directory of a million entries fits. What
must never happen: that a server which lists without end, or a tree that was made for it, fills the memory of the
client's machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import Side, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.messages import Listed

HELD_BYTES: Final = 36 << 20  # of one verb, with the rest of the process within 64 MiB
HELD_ENTRIES: Final = 3_000_000  # however well they can be packed: it bounds the time of an endless listing, too
_ENTRY_BYTES: Final = 600  # of an entry with all that is known of it
_PART_BYTES: Final = 64  # of each name of an entry's path


class Room:
    """What one operation may keep of listings, in bytes of memory and in entries, and what it keeps now."""

    __slots__ = ("_most", "_most_entries", "entries", "nbytes", "refused")

    def __init__(self, most: int = HELD_BYTES, entries: int = HELD_ENTRIES) -> None:
        self._most = most
        self._most_entries = entries
        self.nbytes = 0
        self.entries = 0
        self.refused = False  # whether it was asked for more

    @property
    def is_tight(self) -> bool:
        """Whether little things have to be packed, too."""
        return self.nbytes > self._most // 4

    def take(self, nbytes: int, entries: int = 0) -> None:
        """So much more is kept; raises `TooLarge`, and counts nothing, if that is too much."""
        if self.nbytes + nbytes > self._most or self.entries + entries > self._most_entries:
            self.refused = True
            raise TooLarge(
                "The server lists more entries than can be kept in memory here.",
                hint="Name directories further down, one after the other.",
                side=Side.REMOTE,
            )
        self.nbytes += nbytes
        self.entries += entries

    def give(self, nbytes: int, entries: int = 0) -> None:
        """So much is kept no more."""
        self.nbytes -= nbytes
        self.entries -= entries


def cost(entry: Listed) -> int:
    """What an entry takes, in bytes."""
    return _ENTRY_BYTES + _PART_BYTES * len(entry.path) + sum(map(len, entry.path))


class Some:
    """An iterator over the next entries: as many as are wanted, and no more than so many bytes.

    `is_more` says, once it has ended, that it was ended by these bounds.
    """

    def __init__(self, entries: Iterable[Listed], most: int, nbytes: int) -> None:
        self.is_more = False
        self._entries = iter(entries)
        self._most = most
        self._nbytes = nbytes

    def __iter__(self) -> Iterator[Listed]:
        for count, entry in enumerate(self._entries, 1):
            self._nbytes -= cost(entry)
            self.is_more = count >= self._most or self._nbytes <= 0
            yield entry
            if self.is_more:
                return
