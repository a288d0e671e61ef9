"""The rate limit of a copy, with a clock that only sleeping advances; comparison of modification times."""

from __future__ import annotations

import pytest

from secftp.storage.attributes import same_time
from secftp.transfer.rate_limit import RateLimit, RateLimitedSource
from tests.support.serving import MemorySource


class Clock:
    def __init__(self):
        self.now = 100.0
        self.naps = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


def limited(rate):
    clock = Clock()
    return clock, RateLimit(rate, clock=clock, sleep=clock.sleep)


def test_bytes_take_their_time():
    clock, limit = limited(1000)
    for _ in range(20):
        limit.spend(500)
    assert clock.now - 100 == pytest.approx(10, abs=0.01)
    assert max(clock.naps) <= 0.1 + 1e-9  # so that Ctrl-C and keepalives are never far


def test_time_that_passed_unused_is_worth_little():
    clock, limit = limited(1000)
    clock.now += 3600
    limit.spend(3000)
    assert clock.now - 3700 == pytest.approx(2)


def test_a_slow_copy_is_not_made_slower():
    clock, limit = limited(1000)
    for _ in range(10):
        clock.now += 1
        limit.spend(500)
    assert clock.naps == []


def test_without_a_limit_nothing_waits():
    clock, limit = limited(None)
    limit.spend(1 << 40)
    assert clock.naps == []
    assert limit.chunk_size is None


def test_a_rate_limited_source_returns_a_chunk_at_a_time_and_all_in_the_end():
    data = bytes(range(250)) * 4
    source = RateLimitedSource(MemorySource(data), 300)
    got, room = b"", [bytearray(128) for _ in range(8)]
    while count := source.readv([memoryview(part) for part in room], len(got)):
        assert count <= 300
        got += b"".join(room)[:count]
    assert got == data


S = 1_000_000_000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (5 * S + 123_456_789, 5 * S + 123_456_789, True),
        (5 * S + 123_456_789, 5 * S + 123_456_788, False),
        (5 * S + 123_456_789, 5 * S, True),  # whole seconds
        (5 * S + 123_456_789, 5 * S + 123_456_700, True),  # NTFS
        (5 * S + 123_456_789, 5 * S + 123_456_000, True),  # microseconds
        (5 * S + 123_456_789, 5 * S + 123_000_000, True),
        (5 * S + 123_456_789, 4 * S, True),  # FAT keeps even seconds
        (6 * S + 123_456_789, 5 * S, False),
        (5 * S, 4 * S, True),
        (4 * S, 6 * S, False),
        (5 * S + 1, 5 * S + 2, False),
        (-5 * S + 500, -5 * S, True),
        (0, S, True),
        (0, 3 * S, False),
    ],
)
def test_times_are_the_same_if_one_file_system_could_have_kept_one_for_the_other(one, other, same):
    assert same_time(one, other) is same
    assert same_time(other, one) is same
