"""What guessing costs, without a network and with a clock of the test's own."""

from __future__ import annotations

import pytest

from secftp.server.guesses import SOURCES_MAX, Guesses, source_of
from secftp.server.limits import Limits

HERE, THERE = "192.0.2.1", "192.0.2.2"


def guesses(**changes):
    return Guesses(Limits(**changes), 0.0)


def wait(made, source=HERE, now=0.0):
    return made.due(source, now) - now


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("::1", "::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_whom_a_connection_is_laid_to(host, source):
    assert source_of(host) == source


def test_delays_grow_and_stay_below_a_bound():
    made = guesses(free_guesses=3, guess_delay=5.0)
    waits = []
    for _ in range(12):
        made.charge(HERE, 0.0)
        waits.append(wait(made))
    assert waits == [0, 0, 0, 0.25, 0.5, 1, 2, 4, 5, 5, 5, 5]


def test_an_absurd_number_of_guesses_is_no_overflow():
    made = guesses(free_guesses=0, guess_rate=1e9, guess_burst=10**9)
    for _ in range(3000):
        made.charge(HERE, 0.0)
    assert wait(made) == 5.0


def test_a_delay_is_over_when_it_is_over():
    made = guesses(free_guesses=0)
    made.charge(HERE, 10.0)
    assert made.due(HERE, 10.1) == 10.25
    assert made.due(HERE, 10.3) <= 10.3


def test_another_source_is_not_delayed():
    made = guesses(free_guesses=0)
    made.charge(HERE, 0.0)
    assert wait(made, THERE) == 0


def test_a_proof_takes_the_charge_back_and_nothing_else():
    made = guesses(free_guesses=1)
    made.charge(HERE, 0.0)
    made.charge(HERE, 0.0)
    assert wait(made) > 0
    made.refund(HERE, 0.0)
    assert (made.count(HERE, 0.0), wait(made)) == (1, 0)
    made.refund(HERE, 0.0)
    made.refund(HERE, 0.0)
    assert made.count(HERE, 0.0) == 0
    made.refund(THERE, 0.0)
    assert made.count(THERE, 0.0) == 0


def test_proofs_of_one_key_don_t_pay_for_guesses_at_another():
    made = guesses(free_guesses=10)
    for _ in range(20):
        made.charge(HERE, 0.0)  # a guess
        made.charge(HERE, 0.0)  # a key that it has
        made.refund(HERE, 0.0)
    assert made.count(HERE, 0.0) == 20


def test_guesses_are_forgiven_one_by_one():
    made = guesses(free_guesses=0, forgiven_seconds=60)
    for _ in range(3):
        made.charge(HERE, 0.0)
    assert [made.count(HERE, float(now)) for now in (59, 60, 119, 120, 180, 1000)] == [3, 2, 2, 1, 0, 0]


def test_all_sources_together_have_a_budget_that_comes_in_again():
    made = guesses(guess_burst=100, guess_rate=10)
    for number in range(100):
        made.charge(f"10.0.0.{number}", 0.0)
    assert wait(made, THERE) == pytest.approx(0.1)
    assert wait(made, THERE, now=0.1) == 0
    made.charge(THERE, 0.1)
    assert wait(made, HERE, now=0.1) == pytest.approx(0.1)
    assert made.source_due(HERE, 0.1) <= 0.1, "this is no fault of that source"


def test_a_proof_costs_the_budget_nothing():
    made = guesses(guess_burst=10, guess_rate=1)
    for number in range(1000):
        made.charge(f"10.0.{number // 250}.{number % 250}", 0.0)
        made.refund(f"10.0.{number // 250}.{number % 250}", 0.0)
    assert wait(made) == 0


def test_the_budget_never_grows_beyond_its_size():
    made = guesses(guess_burst=10, guess_rate=10)
    for _ in range(100):
        made.refund(HERE, 1e6)
    for number in range(10):
        assert wait(made, now=1e6) == 0
        made.charge(f"10.0.0.{number}", 1e6)
    assert wait(made, now=1e6) > 0


def test_sources_are_bounded_and_those_that_guess_are_kept():
    made = guesses(free_guesses=0, guess_burst=10**9)
    for number in range(SOURCES_MAX + 100):
        made.charge(f"quiet {number}", 0.0)
        made.charge(HERE, 0.0)
    assert len(made._debts) == SOURCES_MAX
    assert made.count(HERE, 0.0) > SOURCES_MAX
    assert made.count("quiet 0", 0.0) == 0
