"""How much a client keeps of what a server lists: a listing has no end that the client could count on.

Costs are what Python's objects take, roughly and rather too much. What must never happen: that a server which lists
without end, or a tree that was made for it, fills the memory of the client's machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import Side, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.messages import Listed

HELD_BYTES: Final = 40 << 20  # of one verb, with the rest of the process within 64 MiB
_NAME_BYTES: Final = 200  # of a name that is kept, beside its bytes: the object, its place, a path of few names
_ENTRY_BYTES: Final = 600  # of an entry with all that is known of it
_PART_BYTES: Final = 64  # of each name of an entry's path


class Held:
    """What is kept now, in bytes."""

    __slots__ = ("_most", "nbytes")

    def __init__(self, most: int = HELD_BYTES) -> None:
        self._most = most
        self.nbytes = 0

    def keep(self, name: bytes | str) -> None:
        """A name more is kept; raises `TooLarge` if that is too much."""
        self.add(len(name) + _NAME_BYTES)

    def release(self, name: bytes | str) -> None:
        """It is kept no more."""
        self.nbytes -= len(name) + _NAME_BYTES

    def add(self, nbytes: int) -> None:
        """So many bytes more are kept (or fewer); raises `TooLarge` and keeps nothing of them if that is too much."""
        if nbytes > 0 and self.nbytes + nbytes > self._most:
            raise TooLarge(
                "The server lists more than can be kept in memory here.",
                hint="Name a directory further down.",
                side=Side.REMOTE,
            )
        self.nbytes += nbytes


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
