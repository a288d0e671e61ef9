"""Sets of byte ranges: which parts of a file are there, and which are missing.

Ranges are half-open, `[at, end)`, kept sorted and merged, so that a set has as few of them as possible. Not
thread-safe. Invariant: no two ranges of a set touch or overlap, and none is empty.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Interval(NamedTuple):
    """The bytes from `at` up to but not including `end`."""

    at: int
    end: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.at


class Intervals:
    """A set of bytes, as ranges. `Intervals([(0, 5), (5, 9)])` has the one range `(0, 9)`."""

    __slots__ = ("_ats", "_ends")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._ats: list[int] = []
        self._ends: list[int] = []
        for at, end in ranges:
            self.add(at, end)

    def add(self, at: int, end: int) -> None:
        """Add the bytes from `at` up to `end`; nothing if the range is empty."""
        if at >= end:
            return
        first = bisect_left(self._ends, at)  # the first range that touches this one or lies behind it
        last = bisect_right(self._ats, end)
        if first < last:
            at = min(at, self._ats[first])
            end = max(end, self._ends[last - 1])
        self._ats[first:last] = [at]
        self._ends[first:last] = [end]

    def remove(self, at: int, end: int) -> None:
        """Remove the bytes from `at` up to `end`."""
        if at >= end:
            return
        first = bisect_right(self._ends, at)
        last = bisect_left(self._ats, end)
        if first >= last:
            return
        kept = [(self._ats[first], at), (end, self._ends[last - 1])]
        kept = [(start, stop) for start, stop in kept if start < stop]
        self._ats[first:last] = [start for start, _ in kept]
        self._ends[first:last] = [stop for _, stop in kept]

    def gaps(self, total: int) -> Intervals:
        """Return the bytes of `[0, total)` that are not in the set."""
        missing = Intervals([(0, total)])
        for at, end in self:
            missing.remove(at, end)
        return missing

    def covers(self, at: int, end: int) -> bool:
        """Whether all bytes from `at` up to `end` are in the set."""
        if at >= end:
            return True
        place = bisect_right(self._ats, at) - 1
        return place >= 0 and self._ends[place] >= end

    @property
    def prefix(self) -> int:
        """The number of bytes from 0 on that are in the set without a gap."""
        return self._ends[0] if self._ats and self._ats[0] <= 0 else 0

    @property
    def end(self) -> int:
        """The end of the last range, 0 if there is none."""
        return self._ends[-1] if self._ends else 0

    @property
    def total(self) -> int:
        """The number of bytes in the set."""
        return sum(self._ends) - sum(self._ats)

    def __iter__(self) -> Iterator[Interval]:
        return map(Interval, tuple(self._ats), tuple(self._ends))

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self._ats)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals):
            return NotImplemented
        return self._ats == other._ats and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Intervals({[tuple(each) for each in self]})"
