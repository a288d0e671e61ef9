"""Delays after wrong keys, without a network and with a fake clock."""

from __future__ import annotations

import pytest

from secftp.server.fairness import source_address
from secftp.server.options import ServerLimits
from secftp.server.throttle import SIDE_BY_SIDE, SOURCES_MAX, TRUSTED_SECONDS, GuessLimiter

HERE, THERE = source_address("192.0.2.1"), source_address("192.0.2.2")


def guesses(**changes):
    return GuessLimiter(ServerLimits(**changes), 0.0)


def wait(made, source=HERE, now=0.0, waiting=0):
    """How long a hello of this source waits for its own delay."""
    return made.schedule(source, waiting, now) - now


def charge(made, source=HERE, now=0.0, *, trusted=False):
    return made.charge(source, now, trusted=trusted)


def budget(made, now=0.0, *, trusted=False):
    """How long it takes until the budgets allow a challenge."""
    return made.due(now, trusted=trusted) - now


def test_delays_grow_and_stay_below_a_bound():
    made = guesses(free_guesses=3, guess_delay=5.0)
    waits = []
    for _ in range(12):
        charge(made)
        waits.append(wait(made))
    assert waits == [0, 0, 0, 0.25, 0.5, 1, 2, 4, 5, 5, 5, 5]


@pytest.mark.parametrize("delay", [0.1, 5.0, 86_400.0])
def test_an_absurd_number_of_guesses_is_no_overflow(delay):
    made = guesses(free_guesses=0, guess_rate=1e9, guess_burst=10**9, guess_delay=delay)
    for _ in range(3000):
        charge(made)
    assert wait(made) == delay


def test_a_delay_is_counted_from_the_last_challenge_of_the_source():
    made = guesses(free_guesses=0)
    charge(made, now=10.0)
    assert made.schedule(HERE, 0, 10.1) == 10.25
    assert made.schedule(HERE, 0, 10.6) == 10.6, "a client that has waited on its own waits no more"


def test_several_that_come_at_once_don_t_all_profit_from_a_pause():
    made = guesses(free_guesses=0, guess_delay=5.0)
    for _ in range(10):
        charge(made)
    assert [wait(made, now=30.0) for _ in range(3)] == [0, 5, 5]


def test_those_that_wait_count_as_if_they_had_been_charged():
    """So that connections side by side don't outrun the count."""
    made = guesses(free_guesses=3, guess_delay=5.0)
    waits = [wait(made, waiting=number) for number in range(9)]
    assert waits[:4] == [0, 0, 0, 0]
    for number, delay in enumerate([0.25, 0.5, 1, 2, 4], 4):
        assert waits[number] == pytest.approx(delay * (1 + number / SIDE_BY_SIDE))


def test_delays_run_side_by_side_and_get_longer_the_more_wait():
    made = guesses(free_guesses=0, guess_delay=5.0)
    for _ in range(20):
        charge(made)
    assert wait(made, waiting=0) == 5.0
    assert wait(made, waiting=4) == pytest.approx(6.25)
    assert wait(made, waiting=63) == pytest.approx(24.69, abs=0.01)


@pytest.mark.parametrize("connections", [1, 4, 16, 64])
def test_a_source_has_three_guesses_a_second_however_many_connections_it_uses(connections):
    """Each of them guesses again as soon as it has been answered, for ten minutes."""
    made = guesses(free_guesses=10, guess_delay=5.0, guess_rate=1e9, guess_burst=10**9, forgiven_seconds=60.0)
    due = [0.0] * connections
    count, now = 0, 0.0
    while now < 600:
        now = min(due)
        due.remove(now)
        charge(made, now=now)
        count += 1
        due.append(made.schedule(HERE, len(due), now))
    assert count / 600 <= SIDE_BY_SIDE / 5.0 + 0.2


def test_another_source_is_not_delayed():
    made = guesses(free_guesses=0)
    charge(made)
    assert wait(made, THERE) == 0


def test_a_proof_takes_the_charge_back_and_nothing_else():
    made = guesses(free_guesses=1)
    charge(made)
    charged = charge(made)
    assert wait(made) > 0
    made.refund(HERE, charged, 0.0)
    assert (made.count(HERE, 0.0), wait(made)) == (1, 0)
    for _ in range(2):
        made.refund(HERE, charged, 0.0)
    assert made.count(HERE, 0.0) == 0
    made.refund(THERE, charged, 0.0)
    assert made.count(THERE, 0.0) == 0


@pytest.mark.parametrize("guessed", [3, 12, 200], ids=["few", "delayed", "at the longest delay"])
def test_proofs_of_one_key_don_t_pay_for_guesses_at_another(guessed):
    made = guesses(free_guesses=10, guess_burst=10**6)
    for _ in range(guessed):
        charge(made)
    before = made.count(HERE, 0.0)
    for _ in range(50):
        made.refund(HERE, charge(made), 0.0)  # a key that it has
    assert made.count(HERE, 0.0) == before
    for _ in range(20):
        charge(made)  # a guess
        made.refund(HERE, charge(made), 0.0)
    assert made.count(HERE, 0.0) >= min(before + 20, 16)


def test_guesses_are_forgiven_one_by_one():
    made = guesses(free_guesses=0, forgiven_seconds=60)
    for _ in range(3):
        charge(made)
    assert [made.count(HERE, float(now)) for now in (59, 60, 119, 120, 180, 1000)] == [3, 2, 2, 1, 0, 0]


def test_however_long_a_source_has_guessed_it_is_forgiven_in_minutes():
    """A device with an old key tries it once a second for a day; then it is switched off."""
    made = guesses(free_guesses=10, guess_delay=5.0, forgiven_seconds=60)
    for second in range(86_400):
        charge(made, now=float(second))
    assert wait(made, now=86_400.0) == pytest.approx(4, abs=1)
    assert [wait(made, now=86_400.0 + 10 * 60) for _ in range(3)] == [0, 0, 0]


def test_all_sources_together_have_a_budget_that_comes_in_again():
    made = guesses(guess_burst=100, guess_rate=10)
    for number in range(100):
        charge(made, source_address(f"10.0.0.{number}"))
    assert budget(made) == pytest.approx(0.1)
    assert budget(made, 0.1) == 0
    charge(made, THERE, 0.1)
    assert budget(made, 0.1) == pytest.approx(0.1)
    assert wait(made, HERE, 0.1) == 0, "this is no fault of that source"


def test_sources_that_have_proved_a_key_have_a_budget_of_their_own():
    made = guesses(guess_burst=10, guess_rate=1)
    for number in range(10):
        charge(made, source_address(f"10.0.0.{number}"))
    assert budget(made) > 0
    assert budget(made, trusted=True) == 0
    for _ in range(10):
        charge(made, THERE, trusted=True)
    assert budget(made, trusted=True) > 0
    for _ in range(10):
        charge(made, THERE, 11.0, trusted=True)
    assert budget(made, 11.0, trusted=True) == 0, "they may use that of all besides"
    assert budget(made, 11.0) == 0


def test_a_source_is_trusted_for_some_hours():
    made = guesses()
    assert not made.is_trusted(HERE, 0.0)
    made.trust(HERE, 5.0)
    assert made.is_trusted(HERE, TRUSTED_SECONDS)
    assert not made.is_trusted(THERE, TRUSTED_SECONDS)
    assert not made.is_trusted(HERE, TRUSTED_SECONDS + 6.0)
    made.trust(HERE, TRUSTED_SECONDS)
    assert made.is_trusted(HERE, TRUSTED_SECONDS + 6.0)


def test_trusted_sources_are_bounded_and_those_who_come_often_are_kept():
    made = guesses()
    for number in range(SOURCES_MAX + 10):
        made.trust(source_address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"), 0.0)
        made.trust(HERE, 0.0)
    assert len(made._trusted) == SOURCES_MAX
    assert made.is_trusted(HERE, 0.0)
    assert not made.is_trusted(source_address("10.0.0.0"), 0.0)


def test_a_proof_costs_the_budget_nothing():
    made = guesses(guess_burst=10, guess_rate=1)
    for number in range(1000):
        source = source_address(f"10.0.{number // 250}.{number % 250}")
        for trusted in (False, True):
            made.refund(source, charge(made, source, trusted=trusted), 0.0)
    assert budget(made) == 0
    assert budget(made, trusted=True) == 0


def test_the_budget_never_grows_beyond_its_size():
    made = guesses(guess_burst=10, guess_rate=10)
    charged = charge(made)
    for _ in range(100):
        made.refund(HERE, charged, 1e6)
    for number in range(10):
        assert budget(made, 1e6) == 0
        charge(made, source_address(f"10.0.0.{number}"), 1e6)
    assert budget(made, 1e6) > 0


def test_sources_are_bounded_and_those_that_guess_are_kept():
    made = guesses(free_guesses=0, guess_burst=10**9)
    for number in range(SOURCES_MAX + 100):
        charge(made, source_address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
        charge(made, HERE)
    assert len(made._debts) == SOURCES_MAX
    assert made.count(HERE, 0.0) > 5
    assert made.count(source_address("10.0.0.0"), 0.0) == 0
