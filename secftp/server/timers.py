"""One time for each of many things, and which of them has come."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

_T = TypeVar("_T", bound="Hashable")
# So many entries of times that were cleared may stay behind before they are swept.
_STALE: Final = 64


class Timers(Generic[_T]):
    """Times in seconds of one monotonic clock. Each operation takes a logarithmic number of steps on average."""

    def __init__(self) -> None:
        self._times: dict[_T, int] = {}  # the number of its entry in the heap
        self._heap: list[tuple[float, int, _T]] = []
        self._numbers = itertools.count()

    def set(self, what: _T, when: float) -> None:
        """From now on its time is this one, instead of the one before."""
        number = next(self._numbers)
        self._times[what] = number
        heapq.heappush(self._heap, (when, number, what))
        if len(self._heap) > 2 * len(self._times) + _STALE:
            self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def clear(self, what: _T) -> None:
        """It has no time any more; if it had none, that changes nothing."""
        self._times.pop(what, None)

    def next(self) -> float | None:
        """The earliest time."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> _T | None:
        """Something whose time has come, the earliest first; it has no time any more. None if there is none."""
        when = self.next()
        if when is None or when > now:
            return None
        _, _, what = heapq.heappop(self._heap)
        del self._times[what]
        return what
