"""Token bucket, with times that the tests choose."""

from __future__ import annotations

import math

import pytest

from secftp.token_bucket import TokenBucket


def test_it_begins_full_and_refuses_what_it_lacks():
    bucket = TokenBucket(8, 5, 100.0)
    assert bucket.take(4, 100.0)
    assert not bucket.take(2, 100.0)
    assert bucket.take(1, 100.0)
    assert not bucket.take(1, 100.0625)
    assert bucket.take(1, 100.125)


def test_unused_tokens_are_kept_up_to_the_capacity():
    bucket = TokenBucket(10, 5, 0.0, tokens=0)
    assert bucket.available(0.25) == pytest.approx(2.5)
    assert bucket.available(3600.0) == 5


def test_without_a_capacity_nothing_expires():
    bucket = TokenBucket(2, math.inf, 0.0, tokens=8)
    assert bucket.take(7208, 3600.0)
    assert not bucket.take(1, 3600.0)


def test_spending_more_than_there_is_makes_a_debt():
    bucket = TokenBucket(100, 50, 0.0)
    assert bucket.spend(50, 0.0) == 0.0
    assert bucket.spend(200, 0.0) == pytest.approx(2.0)
    assert bucket.spend(0, 1.5) == pytest.approx(0.5)
    assert not bucket.take(1, 2.0)
    assert bucket.take(1, 2.125)


def test_a_debt_is_bounded_and_a_larger_one_stays():
    bucket = TokenBucket(100, 0, 0.0)
    for _ in range(10):
        assert bucket.spend(100, 0.0, max_debt=300) <= 3.0
    assert bucket.available(0.0) == -300
    bucket.spend(200, 0.0)
    bucket.spend(100, 0.0, max_debt=300)
    assert bucket.available(0.0) == -500


def test_what_is_put_back_can_be_taken_again():
    bucket = TokenBucket(1, 2, 0.0)
    assert bucket.take(2, 0.0)
    bucket.put_back(1, 0.0)
    assert bucket.take(1, 0.0)
    bucket.put_back(10, 0.0)
    assert bucket.available(0.0) == 2


def test_the_delay_ends_when_the_tokens_are_there():
    bucket = TokenBucket(4, 8, 10.0, tokens=1)
    assert bucket.delay(1, 10.0) == 0.0
    assert bucket.delay(3, 10.0) == pytest.approx(0.5)
    assert bucket.take(3, 10.5)


def test_a_clock_that_steps_back_adds_nothing_and_takes_nothing():
    bucket = TokenBucket(10, 10, 100.0, tokens=0)
    assert bucket.available(50.0) == 0
    assert bucket.available(100.5) == pytest.approx(5)
