"""Guesses at all servers: what a server does with what Redis says."""

from __future__ import annotations

import pytest

from secftp.server.fairness import source_address
from secftp.server.hello_queue import HelloQueue
from secftp.server.options import ServerLimits
from secftp.server.shared.guesses import MOST_REFUNDS, SharedGuesses
from secftp.server.shared.scripts import CHARGE, REFUND
from tests.server.shared.fakes import NAMES, FakeRedis, Unstarted
from tests.server.test_hello_queue import Candidate

LIMITS = ServerLimits()
HERE = source_address("192.0.2.1")


class World:
    """A server whose Redis gives one answer to each charge."""

    def __init__(self, answer):
        self.reply = answer
        self.redis = FakeRedis(lambda script, keys, values: self.reply if script is CHARGE else 0)
        self.link = Unstarted(self.redis)
        self.guesses = SharedGuesses(self.link, NAMES, LIMITS)
        self.link.on_hurry = self.link.on_beat = [self.guesses.settle]
        self.link.start()
        self.queue = HelloQueue(LIMITS, 0.0, others=self.guesses)

    def take(self, hello, now):
        """Take a hello as the accept loop does; whether it is challenged."""
        self.queue.expire(now)
        if self.queue.take(now) is not hello:
            return False
        return not self.queue.must_wait(hello, now)

    def count(self, script):
        return self.redis.scripts().count(script)


CHARGED = [0, b"epoch", 3, 1]


@pytest.mark.parametrize(
    ("answer", "longest"),
    [
        ([1, b"1e9"], LIMITS.guess_delay),
        ([1, b"inf"], LIMITS.guess_delay),
        ([2, b"1e9"], 1 / LIMITS.guess_rate),
    ],
)
def test_no_answer_makes_a_client_wait_longer_than_this_server_would(answer, longest):
    world = World(answer)
    assert 0 < world.guesses.charge(HERE, 0.0, 0.0, trusted=False).seconds <= longest


@pytest.mark.parametrize(
    "answer",
    [b"", [], [0], [0, b"x"], [b"x"], [1], [1, b"nan?"], [0, b"e", 9, 1], [0, 1, 3, 1], [b"1" * 9999, 1], {}, "text"],
)
def test_an_answer_that_makes_no_sense_counts_as_a_loss(answer):
    world = World(answer)
    found = world.guesses.charge(HERE, 0.0, 0.0, trusted=False)
    assert (found.seconds, found.receipt) == (0.0, None)
    assert not world.link.is_up
    assert world.link.lines.text.count("an answer that is not understood") == 1


def test_a_hello_that_has_to_wait_is_asked_for_again():
    world, hello = World([1, b"2"]), Candidate("192.0.2.1")
    world.queue.add(hello, 0.0)
    assert not world.take(hello, 0.0)
    assert hello in world.queue
    assert world.queue.next_time(0.0) == pytest.approx(2.0)
    assert not world.take(hello, 1.9)
    assert world.count(CHARGE) == 1
    world.reply = CHARGED
    assert world.take(hello, 2.0)
    waited = world.redis.calls[-1][2][1]
    assert waited == pytest.approx(2.0), "it has waited since it came"


@pytest.mark.parametrize("answer", [[2, b"0.05"], [1, b"5"]])
def test_a_hello_that_is_never_its_turn_is_not_kept_for_ever(answer):
    """Other servers may use up what all have together again and again."""
    world, hello = World(answer), Candidate("192.0.2.1")
    world.queue.add(hello, 0.0)
    now, expired = 0.0, []
    while not expired and now < 10 * LIMITS.waiting_seconds:
        expired = world.queue.expire(now)
        if (taken := world.queue.take(now)) is not None:
            assert world.queue.must_wait(taken, now)
        now += 0.5
    assert expired == [hello]
    assert LIMITS.waiting_seconds <= now <= LIMITS.waiting_seconds + LIMITS.guess_delay + 1
    assert hello not in world.queue
    assert not world.queue._ends


def test_hellos_of_one_source_ask_one_after_the_other():
    world = World([1, b"0.001"])
    hellos = [Candidate("192.0.2.1") for _ in range(10)]
    for hello in hellos:
        world.queue.add(hello, 0.0)
        world.take(hello, 0.0)
    world.redis.calls.clear()
    for tenth in range(1, 11):
        for _ in hellos:
            world.queue.expire(tenth / 10)
            if (hello := world.queue.take(tenth / 10)) is not None:
                world.queue.must_wait(hello, tenth / 10)
    assert world.count(CHARGE) <= 1 + 1.0 / (LIMITS.guess_delay / 16)


def test_an_empty_budget_of_all_is_asked_for_once_for_all_hellos():
    world = World([2, b"0.05"])
    hellos = [Candidate(f"192.0.2.{number}") for number in range(10)]
    for hello in hellos:
        world.queue.add(hello, 0.0)
    for _ in hellos:
        if (hello := world.queue.take(0.0)) is not None:
            assert world.queue.must_wait(hello, 0.0)
    assert world.count(CHARGE) == 1
    assert world.queue.next_time(0.0) == pytest.approx(0.05)
    world.reply = CHARGED
    taken = 0
    while (hello := world.queue.take(0.05)) is not None:
        taken += not world.queue.must_wait(hello, 0.05)
    assert taken == len(hellos)


def test_a_lost_redis_delays_no_client_and_the_own_limits_hold():
    world = World(CHARGED)
    world.redis.away = True
    answered = []
    for number in range(30):
        hello = Candidate("192.0.2.1")
        world.queue.add(hello, 0.0)
        if world.take(hello, 0.0):
            world.queue.charge(hello, 0.0)
            answered.append(number)
    assert answered == list(range(LIMITS.free_guesses + 1))


def test_no_answer_of_redis_lets_a_client_be_answered_that_this_server_would_delay():
    world = World(CHARGED)
    answered = 0
    for _ in range(30):
        hello = Candidate("192.0.2.1")
        world.queue.add(hello, 0.0)
        if world.take(hello, 0.0):
            world.queue.charge(hello, 0.0)
            answered += 1
    assert answered == LIMITS.free_guesses + 1


# --- what is taken back -----------------------------------------------------------------------------------------------


def prove(world, now=0.0):
    hello = Candidate("192.0.2.1")
    world.queue.add(hello, now)
    assert world.take(hello, now)
    world.queue.charge(hello, now)
    return hello


def test_a_proof_takes_its_own_charge_back_once():
    world = World(CHARGED)
    hello = prove(world)
    world.queue.proved(hello, 0.0)
    world.queue.proved(hello, 0.0)
    world.link.step(due=False)
    world.link.step()
    ((_, keys, values),) = [call for call in world.redis.calls if call[0] is REFUND]
    assert keys[1:] == (NAMES.key("debt", HERE.address), NAMES.key("budget", "budget"))
    assert values[:2] == (b"epoch", 1)


def test_a_charge_that_was_never_made_there_is_not_taken_back_there():
    world = World(CHARGED)
    world.redis.away = True
    hello = prove(world)
    world.redis.away = False
    world.link.step()
    assert world.link.is_up
    world.queue.proved(hello, 0.0)
    world.link.step()
    assert world.count(REFUND) == 0


def test_what_was_charged_before_a_loss_is_taken_back_after_it():
    world = World(CHARGED)
    hello = prove(world)
    world.redis.away = True
    world.link.step()
    world.queue.proved(hello, 0.0)
    world.link.step(due=False)
    assert world.count(REFUND) == 0
    world.redis.away = False
    world.link.step()
    assert world.count(REFUND) == 1


def test_what_is_taken_back_when_redis_is_lost_is_taken_back_after_it():
    world = World(CHARGED)
    hello = prove(world)
    world.queue.proved(hello, 0.0)
    world.redis.away = True
    world.link.step(due=False)
    assert not world.link.is_up
    assert world.count(REFUND) == 0
    world.redis.away = False
    world.link.step()
    world.link.step()
    assert world.count(REFUND) == 1


def test_a_wrong_key_is_not_taken_back():
    world = World(CHARGED)
    hello = prove(world)
    world.queue.remove(hello)
    world.queue.proved(hello, 0.0)
    world.link.step()
    assert world.count(REFUND) == 0


def test_what_is_remembered_is_bounded():
    world = World(CHARGED)
    receipt = world.guesses.charge(HERE, 0.0, 0.0, trusted=False).receipt
    for _ in range(MOST_REFUNDS + 10):
        world.guesses.refund(receipt)
    assert len(world.guesses._refunds) == MOST_REFUNDS
    queue = world.queue
    for number in range(100):
        hello = Candidate(f"192.0.2.{number}")
        queue.add(hello, 0.0)
        if (taken := queue.take(0.0)) is not None and not queue.must_wait(taken, 0.0):
            queue.charge(taken, 0.0)
            queue.remove(taken)
    assert not queue._receipts
    assert not queue._came
    assert not queue._ends
