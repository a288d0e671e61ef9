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

# IP version, prefix length in bits, and prefix.
Network: TypeAlias = tuple[int, int, int]

_PREFIXES: Final = {4: (0, 8, 16, 24, 32), 6: (0, 32, 48, 56, 64)}
_SITE_BITS: Final = 48
SAMPLE: Final = 8
# Connections of a trusted address that are kept before others; with more of them it could keep others out.
PROTECTED_MAX: Final = 4
_RANDOM_BYTES: Final = 4096


class SourceAddress(NamedTuple):
    """An address as the networks that it is in, the widest first; all addresses of an IPv6 /64 are one source."""

    networks: tuple[Network, ...]

    @property
    def address(self) -> Network:
        """The unit that limits count: the IPv4 address, or the /64 of the IPv6 address."""
        return self.networks[-1]

    @property
    def site(self) -> Network | None:
        """The /48 of an IPv6 address, all of which a single customer of a provider may have; None for IPv4."""
        return next((network for network in self.networks if network[:2] == (6, _SITE_BITS)), None)

    def apart(self) -> SourceAddress:
        """Return the same networks under numbers of their own: nothing that counts for them counts for these."""
        return SourceAddress(tuple((-version, prefix, number) for version, prefix, number in self.networks))


def source_address(host: str) -> SourceAddress:
    """Parse an IP address as the system writes it, with or without a zone (`fe80::1%eth0`). Raises `ValueError`."""
    address = ipaddress.ip_address(host.partition("%")[0])
    version, number, bits = address.version, int(address), address.max_prefixlen
    return SourceAddress(tuple((version, prefix, number >> (bits - prefix)) for prefix in _PREFIXES[version]))


class Pending(Protocol):
    """A connection that waits for something. `trusted`: a key was proved from its source recently."""

    arrived: float
    trusted: bool

    def __hash__(self) -> int: ...

    @property
    def source(self) -> SourceAddress:
        """The address that the connection comes from."""
        ...


_T = TypeVar("_T", bound=Pending)


class _Node:
    """A network: its members that wait, in the order of their turns. Connections themselves have None."""

    __slots__ = ("turns",)

    def __init__(self) -> None:
        self.turns: OrderedDict[Hashable, _Node | None] = OrderedDict()


class FairQueue(Generic[_T]):
    """Queue that serves networks in turn, and the networks within each likewise: a tree of round-robin queues.

    Connections of one network wait behind each other and not in front of other networks. Every operation takes as many
    steps as there are levels, however many connections wait. A connection is in the queue at most once.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: _T) -> None:
        """Append a connection to those of its address; a network that is new has its turn after the others."""
        node = self._root
        for network in item.source.networks:
            child = node.turns.get(network)
            if child is None:
                child = node.turns[network] = _Node()
            node = child
        node.turns[item] = None
        self._count += 1

    def take(self) -> _T:
        """Remove and return the connection whose turn it is. Raises `KeyError` if the queue is empty."""
        node = self._root
        while True:
            if not node.turns:
                raise KeyError("the queue is empty")
            key, child = next(iter(node.turns.items()))
            node.turns.move_to_end(key)
            if child is None:
                item: _T = key  # type: ignore[assignment]  # only connections have no node
                self.remove(item)
                return item
            node = child

    def remove(self, item: _T) -> None:
        """Remove a connection, which must be in the queue, and the networks that are empty then."""
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
    """Random numbers from the system's generator, read in blocks: a flood takes eight for each connection."""

    def __init__(self) -> None:
        self._drawn: Iterator[int] = iter(())

    def __call__(self, below: int) -> int:
        """Return a number from 0 to `below` - 1; `below` must be far less than 2^32."""
        number = next(self._drawn, None)
        if number is None:
            self._drawn = iter(memoryview(os.urandom(_RANDOM_BYTES)).cast("I"))
            number = next(self._drawn)
        return number * below >> 32


class EvictionPool(Generic[_T]):
    """Set of connections, counted by network, that chooses which one to evict.

    `choose(n)` returns a random number below n. `oldest_first`: of two from equally crowded networks the older one is
    evicted, which is right where an honest client stays for one round trip only.
    """

    def __init__(self, *, oldest_first: bool, choose: Callable[[int], int] | None = None) -> None:
        self._oldest_first = oldest_first
        self._choose = choose or RandomIndex()
        self._members: list[_T] = []
        self._indices: dict[_T, int] = {}
        self._of_network: Counter[Network] = Counter()
        self._of_address: dict[Network, dict[_T, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._members))

    def __contains__(self, member: _T) -> bool:
        return member in self._indices

    def count(self, source: SourceAddress) -> int:
        """Return the number of connections of this address (or /64)."""
        return self._of_network[source.address]

    def of(self, source: SourceAddress) -> tuple[_T, ...]:
        """Return the connections of this address (or /64)."""
        return tuple(self._of_address.get(source.address, ()))

    def add(self, member: _T) -> None:
        """Add a connection."""
        self._indices[member] = len(self._members)
        self._members.append(member)
        self._of_network.update(member.source.networks)
        self._of_address.setdefault(member.source.address, {})[member] = None

    def discard(self, member: _T) -> None:
        """Remove a connection if it is in the pool."""
        index = self._indices.pop(member, None)
        if index is None:
            return
        last = self._members.pop()
        if last is not member:
            self._members[index] = last
            self._indices[last] = index
        self._of_network.subtract(member.source.networks)
        for network in member.source.networks:
            if not self._of_network[network]:
                del self._of_network[network]
        of_address = self._of_address[member.source.address]
        del of_address[member]
        if not of_address:
            del self._of_address[member.source.address]

    def victim(self) -> _T | None:
        """Return the connection to evict; None if the pool is empty."""
        return self._most_crowded(self._members)

    def victim_of(self, source: SourceAddress) -> _T | None:
        """Return the connection of this address to evict; None if it has none."""
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
