"""A queue that serves networks in turn, and in each of them the networks within it: a tree of round robins.

Whoever has many addresses in one network waits behind each other and not in front of other networks. Every operation
takes as many steps as there are levels, however many wait.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from secftp.server.sources import Source


class HasSource(Protocol):
    """What can be queued."""

    def __hash__(self) -> int: ...

    @property
    def source(self) -> Source:
        """Where it comes from."""
        ...


_T = TypeVar("_T", bound=HasSource)


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
