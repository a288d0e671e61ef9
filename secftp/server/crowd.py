"""A bounded set of connections, and which of them is dropped when there is no room for another.

Of a random sample it is the one whose networks have the most connections in the set: the widest network counts first.
A few connections of an address that has proved a key lately are kept before all others.
So a flood pushes out its own connections, from however many addresses it comes, and nobody can predict which. Every
operation takes a few steps, however many connections there are.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from secftp.server.fair_queue import HasSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.server.sources import Network, Source

SAMPLE: Final = 8
# So many connections of a trusted address are kept before others; with more of them it could keep others out.
PROTECTED_MAX: Final = 4


class HasAge(HasSource, Protocol):
    """What can be in a crowd. `trusted`: its source has proved a key lately."""

    arrived: float
    trusted: bool


_T = TypeVar("_T", bound=HasAge)
_DRAWN_BYTES: Final = 4096


class Chance:
    """Random numbers from the system's generator, drawn by the thousand: a flood takes eight for each connection."""

    def __init__(self) -> None:
        self._drawn: Iterator[int] = iter(())

    def __call__(self, below: int) -> int:
        """A number from 0 to `below` - 1, which is far less than 2^32."""
        number = next(self._drawn, None)
        if number is None:
            self._drawn = iter(memoryview(os.urandom(_DRAWN_BYTES)).cast("I"))
            number = next(self._drawn)
        return number * below >> 32


class Crowd(Generic[_T]):
    """Connections, each at most once, counted by network.

    `choose(n)` is a random number below n. `oldest_first`: of two from equally crowded networks the older one goes,
    which is right where an honest client stays for a round trip only.
    """

    def __init__(self, *, oldest_first: bool, choose: Callable[[int], int] | None = None) -> None:
        self._oldest_first = oldest_first
        self._choose = choose or Chance()
        self._members: list[_T] = []
        self._places: dict[_T, int] = {}  # where each of them is in the list
        self._of_network: Counter[Network] = Counter()
        self._of_address: dict[Network, dict[_T, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._members))

    def __contains__(self, member: _T) -> bool:
        return member in self._places

    def count(self, source: Source) -> int:
        """How many are of this address (or /64)."""
        return self._of_network[source.address]

    def of(self, source: Source) -> tuple[_T, ...]:
        """Those of this address (or /64)."""
        return tuple(self._of_address.get(source.address, ()))

    def add(self, member: _T) -> None:
        """Take one in."""
        self._places[member] = len(self._members)
        self._members.append(member)
        self._of_network.update(member.source.networks)
        self._of_address.setdefault(member.source.address, {})[member] = None

    def discard(self, member: _T) -> None:
        """Let one out; one that is not in it changes nothing."""
        place = self._places.pop(member, None)
        if place is None:
            return
        last = self._members.pop()
        if last is not member:
            self._members[place] = last
            self._places[last] = place
        self._of_network.subtract(member.source.networks)
        for network in member.source.networks:
            if not self._of_network[network]:
                del self._of_network[network]
        of_address = self._of_address[member.source.address]
        del of_address[member]
        if not of_address:
            del self._of_address[member.source.address]

    def pick(self) -> _T | None:
        """Which one is dropped next; None if there is none."""
        return self._most_crowded(self._members)

    def pick_of(self, source: Source) -> _T | None:
        """Which one of this address is dropped next; None if it has none."""
        return self._most_crowded(self.of(source))

    def _most_crowded(self, members: Sequence[_T]) -> _T | None:
        if not members:
            return None
        sample = [members[self._choose(len(members))] for _ in range(SAMPLE)]
        return max(sample, key=self._weight)

    def _weight(self, member: _T) -> tuple[bool, list[int], float]:
        protected = member.trusted and self.count(member.source) <= PROTECTED_MAX
        age = -member.arrived if self._oldest_first else 0.0
        return not protected, [self._of_network[network] for network in member.source.networks], age
