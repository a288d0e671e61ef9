"""Fair shares for client networks: source addresses, round-robin queue and eviction.

An attacker has many addresses more easily than many networks: a household has an IPv6 /56 or /64, a hosted server a /64
and often a /48. So what is shared is shared by networks first and by addresses last.

A full `EvictionPool` drops the connection of a random sample whose networks have the most connections in the pool, the
widest network first; a few connections of an address that proved a key recently are kept before all others. A flood so
evicts its own connections, however many addresses it comes from, and which of them is unpredictable. Every operation
takes a constant number of steps.
"""

from __future__ import annotations

import ipaddress
import os
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

# The version of IP, the length of the prefix in bits, and the prefix.
Network: TypeAlias = tuple[int, int, int]

_PREFIXES: Final = {4: (0, 8, 16, 24, 32), 6: (0, 32, 48, 56, 64)}
_SITE_BITS: Final = 48
SAMPLE: Final = 8
# Connections of a trusted address that are kept before others; with more of them it could keep others out.
PROTECTED_MAX: Final = 4
_RANDOM_BYTES: Final = 4096


class SourceAddress(NamedTuple):
    """An address as the networks that it is in, the widest first; two addresses of one IPv6 /64 are one source."""

    networks: tuple[Network, ...]

    @property
    def address(self) -> Network:
        """What is counted by: the IPv4 address, or the /64 of the IPv6 address."""
        return self.networks[-1]

    @property
    def site(self) -> Network | None:
        """The /48 of an IPv6 address, which one customer of a provider may have whole; None for IPv4."""
        return next((network for network in self.networks if network[:2] == (6, _SITE_BITS)), None)


def source_address(host: str) -> SourceAddress:
    """The source of an address as the system writes it, with or without a zone (`fe80::1%eth0`)."""
    address = ipaddress.ip_address(host.partition("%")[0])
    number, bits = int(address), address.max_prefixlen
    return SourceAddress(
        tuple((address.version, prefix, number >> (bits - prefix)) for prefix in _PREFIXES[address.version])
    )


class Pending(Protocol):
    """A connection that waits for something. `trusted`: a key was proved from its source recently."""

    arrived: float
    trusted: bool

    def __hash__(self) -> int: ...

    @property
    def source(self) -> SourceAddress:
        """Where the connection comes from."""
        ...


_T = TypeVar("_T", bound=Pending)


class _Node:
    """One network: those in it that have somebody waiting, in the order of their turns. Items themselves have None."""

    __slots__ = ("turns",)

    def __init__(self) -> None:
        self.turns: OrderedDict[Hashable, _Node | None] = OrderedDict()


class FairQueue(Generic[_T]):
    """Items that wait, each at most once. A network that is new in here has its turn after those that are there."""

    def __init__(self) -> None:
        self._root = _Node()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: _T) -> None:
        """Put it behind the others of its address."""
        node = self._root
        for network in item.source.networks:
            child = node.turns.get(network)
            if child is None:
                child = node.turns[network] = _Node()
            node = child
        node.turns[item] = None
        self._count += 1

    def take(self) -> _T:
        """Remove and return the item whose turn it is. Raises `KeyError` if there is none."""
        node = self._root
        while True:
            if not node.turns:
                raise KeyError("the queue is empty")
            key, child = next(iter(node.turns.items()))
            node.turns.move_to_end(key)
            if child is None:
                item: _T = key  # type: ignore[assignment]  # only items have no node of their own
                self.remove(item)
                return item
            node = child

    def remove(self, item: _T) -> None:
        """Remove an item that is in the queue, and every network that has nobody left."""
        path = [self._root]
        for network in item.source.networks:
            child = path[-1].turns[network]
            assert child is not None  # a network
            path.append(child)
        del path[-1].turns[item]
        self._count -= 1
        for above, network in zip(reversed(path[:-1]), reversed(item.source.networks), strict=True):
            child = above.turns[network]
            assert child is not None
            if child.turns:
                break
            del above.turns[network]


class RandomIndex:
    """Random numbers from the system's generator, drawn by the thousand: a flood takes eight for each connection."""

    def __init__(self) -> None:
        self._drawn: Iterator[int] = iter(())

    def __call__(self, below: int) -> int:
        """A number from 0 to `below` - 1, which is far less than 2^32."""
        number = next(self._drawn, None)
        if number is None:
            self._drawn = iter(memoryview(os.urandom(_RANDOM_BYTES)).cast("I"))
            number = next(self._drawn)
        return number * below >> 32


class EvictionPool(Generic[_T]):
    """Connections, each at most once, counted by network.

    `choose(n)` is a random number below n. `oldest_first`: of two from equally crowded networks the older one goes,
    which is right where an honest client stays for a round trip only.
    """

    def __init__(self, *, oldest_first: bool, choose: Callable[[int], int] | None = None) -> None:
        self._oldest_first = oldest_first
        self._choose = choose or RandomIndex()
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

    def count(self, source: SourceAddress) -> int:
        """How many are of this address (or /64)."""
        return self._of_network[source.address]

    def of(self, source: SourceAddress) -> tuple[_T, ...]:
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

    def pick_of(self, source: SourceAddress) -> _T | None:
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
