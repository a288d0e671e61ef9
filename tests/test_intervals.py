"""Sets of byte ranges, compared with sets of bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secftp.intervals import Interval, Intervals

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12)


def as_set(ranges):
    return {byte for at, end in ranges for byte in range(at, end)}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40)), max_size=20))
def test_adding_and_removing(steps):
    intervals, expected = Intervals(), set()
    for adds, at, end in steps:
        if adds:
            intervals.add(at, end)
            expected |= set(range(at, end))
        else:
            intervals.remove(at, end)
            expected -= set(range(at, end))
        found = list(intervals)
        assert as_set(found) == expected
        assert all(each.size > 0 for each in found)
        assert all(one.end < other.at for one, other in itertools.pairwise(found)), "merged and sorted"
        assert intervals.total == len(expected)
        assert len(intervals) == len(found)


@given(RANGES, st.integers(0, 45))
def test_gaps_and_prefix(ranges, total):
    intervals = Intervals(ranges)
    there = as_set(ranges)
    assert as_set(intervals.gaps(total)) == set(range(total)) - there
    assert intervals.prefix == next(byte for byte in range(100) if byte not in there)


@given(RANGES, st.integers(0, 40), st.integers(0, 40))
def test_covers(ranges, at, end):
    assert Intervals(ranges).covers(at, end) == (set(range(at, end)) <= as_set(ranges))


def test_plain_values():
    assert list(Intervals([(5, 9), (0, 5), (20, 20)])) == [Interval(0, 9)]
    assert Intervals([(0, 5), (5, 9)]) == Intervals([(0, 9)])
    assert Intervals([(0, 5)]) != Intervals([(0, 6)])
    assert Intervals() != ()
    assert repr(Intervals([(1, 2), (4, 6)])) == "Intervals([(1, 2), (4, 6)])"
    with pytest.raises(TypeError):
        hash(Intervals())
