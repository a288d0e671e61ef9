"""Queue of waiting clients: order of replies, and eviction when it is full; without a network, with a fake clock."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from secftp.server.fairness import PROTECTED_MAX, EvictionPool, FairQueue, RandomIndex, source_address
from secftp.server.hello_queue import HelloQueue, Timers
from secftp.server.options import ServerLimits


class Candidate:
    """A hello that came from somewhere."""

    def __init__(self, host, arrived=0.0, *, trusted=False):
        self.host = host
        self.source = source_address(host)
        self.arrived = arrived
        self.trusted = trusted
        self.charge = None


def admission(**changes):
    return HelloQueue(ServerLimits(**changes), 0.0, random.Random(1).randrange)


def add(made, candidate, now):
    """Add one as the accept loop does; who had to go for it."""
    dropped = made.find_victim(candidate)
    if dropped is not None:
        made.remove(dropped)
    made.add(candidate, now)
    return dropped


# --- sources ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", True),
        ("2001:db8:1:2::", "2001:db8:1:3::", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("0.0.0.1", "::1", False),
    ],
)
def test_whom_a_connection_is_laid_to(one, other, same):
    assert (source_address(one).address == source_address(other).address) is same


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("2001:db8:1:2::", "2001:db8:1:3::", 4),  # the /56
        ("2001:db8:1:2::", "2001:db8:1:ff00::", 3),  # the /48
        ("2001:db8:1::", "2001:db8:2::", 2),  # the /32
        ("2001:db8::", "2001:db9::", 1),
        ("192.0.2.1", "192.0.2.2", 4),  # the /24
        ("192.0.2.1", "192.0.3.1", 3),
        ("192.0.2.1", "192.1.2.1", 2),
        ("192.0.2.1", "193.0.2.1", 1),
    ],
)
def test_networks_that_two_addresses_share(one, other, shared):
    pairs = zip(source_address(one).networks, source_address(other).networks, strict=True)
    assert [first == second for first, second in pairs] == [True] * shared + [False] * (5 - shared)


def test_a_site_is_the_48_of_an_ipv6_address():
    assert (
        source_address("2001:db8:1:2::").site
        == source_address("2001:db8:1:ffff::").site
        != source_address("2001:db8:2::").site
    )
    assert source_address("192.0.2.1").site is None


# --- order ------------------------------------------------------------------------------------------------------------


def test_networks_have_their_turns_and_addresses_within_them():
    queue = FairQueue()
    hosts = ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.9.1", "2001:db8::1", "10.0.0.1"]
    for host in hosts:
        queue.add(Candidate(host))
    order = [queue.take().host for _ in hosts]
    assert order == ["10.0.0.1", "2001:db8::1", "10.0.9.1", "10.0.0.2", "10.0.0.1", "10.0.0.1"]
    with pytest.raises(KeyError):
        queue.take()


def test_a_queue_that_is_left_in_any_order_keeps_nothing():
    chance = random.Random(3)
    queue, there = FairQueue(), []
    for _ in range(3000):
        if there and chance.random() < 0.5:
            if chance.random() < 0.5:
                there.remove(queue.take())
            else:
                queue.remove(there.pop(chance.randrange(len(there))))
        else:
            there.append(Candidate(f"10.{chance.randrange(3)}.{chance.randrange(3)}.{chance.randrange(3)}"))
            queue.add(there[-1])
        assert len(queue) == len(there)
    for candidate in there:
        queue.remove(candidate)
    assert not queue._root.turns


# --- eviction ---------------------------------------------------------------------------------------------------------


def crowd(*candidates, oldest_first=True):
    made = EvictionPool(oldest_first=oldest_first, choose=random.Random(2).randrange)
    for candidate in candidates:
        made.add(candidate)
    return made


def test_the_most_crowded_network_loses_one():
    flood = [Candidate(f"2001:db8:1:{number:x}::") for number in range(200)]
    honest = [Candidate("192.0.2.1"), Candidate("2001:db8:2::"), Candidate("2001:db9::")]
    made = crowd(*flood, *honest)
    for _ in range(190):
        dropped = made.victim()
        assert dropped in flood
        made.discard(dropped)
    assert all(candidate in made for candidate in honest)


def test_within_a_network_the_most_crowded_one_in_it_loses_one():
    flood = [Candidate(f"2001:db8:1:1{number:02x}::") for number in range(100)]  # one /56
    honest = Candidate("2001:db8:1:200::")  # of the same /48
    made = crowd(*flood, honest)
    for _ in range(95):
        made.discard(made.victim())
    assert honest in made


def test_of_equally_crowded_ones_the_oldest_goes_or_a_random_one():
    candidates = [Candidate("192.0.2.1", arrived=float(number)) for number in range(8)]
    picked = Counter(crowd(*candidates, oldest_first=True).victim().arrived for _ in range(5))
    assert picked == {0.0: 5}
    made = crowd(*candidates, oldest_first=False)
    assert len({made.victim().arrived for _ in range(100)}) == 8


def test_a_few_of_a_trusted_address_are_kept_and_no_more():
    """A client that holds a key can't keep out those that have not proved one yet."""
    trusted = Candidate("192.0.2.1", trusted=True)
    flood = [Candidate(f"{number + 1}.51.100.1") for number in range(50)]
    made = crowd(trusted, *flood)
    for _ in range(50):
        made.discard(made.victim())
    assert trusted in made
    many = [Candidate("192.0.2.1", trusted=True) for _ in range(PROTECTED_MAX + 1)]
    newcomer = Candidate("198.51.100.1")
    assert crowd(*many, newcomer).victim() in many


def test_one_of_an_address_is_picked_among_its_own():
    made = crowd(*[Candidate(f"10.0.0.{number}") for number in range(50)], *[Candidate("192.0.2.1") for _ in range(3)])
    for _ in range(3):
        picked = made.victim_of(source_address("192.0.2.1"))
        assert picked.host == "192.0.2.1"
        made.discard(picked)
    assert made.victim_of(source_address("192.0.2.1")) is None
    assert made.count(source_address("192.0.2.1")) == 0


@pytest.mark.parametrize("below", [1, 2, 3, 7, 1024])
def test_chance_reaches_every_number_and_no_other(below):
    chance = RandomIndex()
    counts = Counter(chance(below) for _ in range(20_000))
    assert set(counts) == set(range(below))
    assert max(counts.values()) < 20_000 / below * 2 + 20


def test_an_empty_crowd_keeps_nothing():
    candidates = [Candidate(f"10.0.{number}.1") for number in range(10)]
    made = crowd(*candidates)
    for candidate in candidates * 2:
        made.discard(candidate)
    assert made.victim() is None
    assert (len(made), made._of_network, made._of_address, made._indices) == (0, Counter(), {}, {})


# --- time -------------------------------------------------------------------------------------------------------------


def test_each_thing_has_one_time():
    timers = Timers()
    for what, when in [("a", 5.0), ("b", 3.0), ("a", 1.0), ("c", 2.0), ("b", 4.0)]:
        timers.set(what, when)
    timers.clear("c")
    timers.clear("nothing")
    assert timers.next() == 1.0
    assert timers.take(0.5) is None
    assert [timers.take(10.0) for _ in range(3)] == ["a", "b", None]
    assert timers.next() is None


def test_times_that_were_cleared_are_swept():
    timers = Timers()
    for number in range(10_000):
        timers.set(number, 1e9 - number)
        timers.clear(number)
    assert len(timers._heap) < 200


# --- all of it --------------------------------------------------------------------------------------------------------


def run(made, attack, honest, seconds, *, step=0.01):
    """Let hellos come that `attack` and `honest` give; how long each honest one waited, None for ever."""
    came, answered, now = {}, {}, 0.0
    while now < seconds:
        for candidate in (*attack(now), *(mine := list(honest(now)))):
            add(made, candidate, now)
        came.update(dict.fromkeys(mine, now))
        made.expire(now)
        while (candidate := made.take(now)) is not None:
            made.charge(candidate, now)
            if candidate in came:
                answered[candidate] = now
                made.proved(candidate, now)
        now += step
    return [answered[one] - began if one in answered else None for one, began in came.items()]


def every(seconds, hosts, until=1e9):
    """One hello each so many seconds, from one host after the other."""
    state = {"next": 0.0, "count": 0}

    def come(now):
        while now >= state["next"] and state["next"] < until:
            state["next"] += seconds
            state["count"] += 1
            yield Candidate(hosts(state["count"]), now)

    return come


@pytest.mark.parametrize(
    ("attackers", "honest"),
    [
        (lambda number: f"2001:db8:1:{number % 65536:x}::", lambda _: "192.0.2.1"),
        (lambda number: f"2001:db8:1:{number % 65536:x}::", lambda number: f"2001:db8:2:{number:x}::"),
        (lambda number: f"2001:db8:{number % 500:x}::", lambda number: f"2001:db9:{number:x}::"),
        (lambda number: f"2001:db8:1:1{number % 256:02x}::", lambda number: f"2001:db8:1:2{number:02x}::"),
        (lambda number: f"10.1.{number // 250 % 250}.{number % 250}", lambda number: f"10.2.0.{number}"),
        (lambda number: f"10.1.{number // 250 % 250}.{number % 250}", lambda number: f"192.0.2.{number}"),
    ],
    ids=["a /48, IPv4", "a /48", "a /32", "a /56", "an IPv4 /16", "an IPv4 /8"],
)
def test_a_flood_of_fresh_addresses_of_one_network_delays_no_other(attackers, honest):
    waits = run(admission(), every(1 / 150, attackers), every(2.0, honest, until=20.0), 22.0)
    assert len(waits) == 10
    assert all(wait is not None and wait < 1.0 for wait in waits), waits


def test_a_flood_from_everywhere_delays_no_source_that_has_proved_a_key():
    chance = random.Random(5)
    made = admission()
    for number in range(10):
        made.proved(Candidate(f"192.0.2.{number + 1}"), 0.0)
    scattered = every(1 / 150, lambda _: ".".join(str(chance.randrange(1, 255)) for _ in range(4)))
    waits = run(made, scattered, every(2.0, lambda number: f"192.0.2.{number}", until=20.0), 22.0)
    assert all(wait is not None and wait < 0.1 for wait in waits), waits


def test_the_last_challenge_of_the_budget_is_for_a_source_that_has_proved_a_key():
    made = admission(guess_burst=1, guess_rate=0.001)
    first, unknown, trusted = Candidate("192.0.2.1"), Candidate("198.51.100.1"), Candidate("192.0.2.1")
    made.proved(first, 0.0)
    add(made, first, 0.0)
    made.charge(made.take(0.0), 0.0)  # out of the budget of those who have proved a key
    for candidate in (unknown, trusted):
        add(made, candidate, 0.0)
    assert made.take(0.0) is trusted
    made.charge(trusted, 0.0)
    assert made.take(0.0) is None


def test_a_proof_is_good_for_all_of_its_address_that_wait():
    made = admission(guess_burst=2, guess_rate=0.001)
    attackers = [Candidate(f"198.51.{number}.1") for number in range(50)]
    mine = [Candidate("192.0.2.1") for _ in range(3)]
    for candidate in (mine[0], *attackers, *mine[1:]):
        add(made, candidate, 0.0)
    assert made.take(0.0) is mine[0]
    made.charge(mine[0], 0.0)
    made.charge(made.take(0.0), 0.0)
    assert made.take(0.0) is None, "the budget is used up"
    made.proved(mine[0], 0.0)
    assert [made.take(0.0), made.take(0.0)] == mine[1:]
    assert made.take(0.0) in attackers, "the proof has given one guess back"


def test_a_device_with_an_old_key_delays_its_address_for_seconds_only():
    attack = every(1.0, lambda _: "192.0.2.1")
    waits = run(admission(), attack, every(2.0, lambda _: "192.0.2.1", until=60.0), 90.0)
    assert all(wait is not None and wait < 15.0 for wait in waits), waits


def test_a_full_queue_drops_a_random_one_and_never_the_newcomer():
    made = admission(max_waiting_per_source=8, free_guesses=0)
    survived = Counter()
    for number in range(400):
        newcomer = Candidate("192.0.2.1")
        dropped = add(made, newcomer, 0.0)
        assert dropped is not newcomer
        assert newcomer in made
        assert len(made) == min(number + 1, 8)
        newcomer.number = number
        if dropped is not None:
            survived[number - dropped.number] += 1
    assert len(survived) > 8, "it is neither the first nor the last"


def test_a_crowded_address_loses_one_of_its_own():
    made = admission(max_waiting_per_source=2, free_guesses=0, guess_burst=1, guess_rate=0.001)
    for number in range(50):
        add(made, Candidate(f"10.0.0.{number}"), 0.0)
    dropped = [add(made, Candidate("192.0.2.1"), 0.0) for _ in range(10)]
    assert [one and one.host for one in dropped] == [None, None] + ["192.0.2.1"] * 8


def test_the_queue_of_all_is_bounded():
    made = admission(max_waiting=50, guess_burst=1, guess_rate=0.001)
    for number in range(500):
        add(made, Candidate(f"10.0.{number // 250}.{number % 250}"), 0.0)
    assert len(made) == 50


def test_a_hello_that_has_waited_for_its_turn_for_too_long_is_told_so():
    made = admission(guess_burst=1, guess_rate=0.001, waiting_seconds=30.0)
    first, second = Candidate("192.0.2.1"), Candidate("192.0.2.2")
    for candidate in (first, second):
        add(made, candidate, 0.0)
    assert made.take(0.0) is first
    made.charge(first, 0.0)
    assert made.take(1.0) is None
    assert made.next_time(1.0) == 30.0
    assert made.expire(29.0) == []
    assert made.expire(30.0) == [second]
    assert (len(made), made.next_time(30.0)) == (0, None)


def test_a_long_delay_is_no_wait_for_a_turn():
    """Its own delay does not count as time spent waiting; else a delay above that would be a lock-out."""
    made = admission(free_guesses=0, guess_delay=100.0, waiting_seconds=30.0)
    for _ in range(20):
        made.charge(Candidate("192.0.2.1"), 0.0)
    candidate = Candidate("192.0.2.1")
    add(made, candidate, 0.0)
    assert made.expire(99.0) == []
    assert made.take(99.0) is None
    assert made.expire(100.0) == []
    assert made.take(100.0) is candidate


def test_removing_one_that_waits_for_its_delay_or_its_turn_leaves_nothing():
    made = admission(free_guesses=0, guess_burst=1, guess_rate=0.001)
    made.charge(Candidate("192.0.2.1"), 0.0)
    delayed, due = Candidate("192.0.2.1"), Candidate("192.0.2.2")
    for candidate in (delayed, due):
        add(made, candidate, 0.0)
    for candidate in (delayed, due, delayed):
        made.remove(candidate)
    assert (list(made), made.next_time(0.0), made._is_due) == ([], None, set())


def test_a_step_takes_no_longer_when_a_thousand_wait():
    """Ten times as many that wait may not take ten times as long for each that comes."""

    def seconds(waiting):
        made = admission(max_waiting=waiting, guess_burst=1, guess_rate=0.001)
        for number in range(2 * waiting):
            add(made, Candidate(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"), 0.0)
        candidates = [Candidate(f"11.0.{number >> 8}.{number & 255}") for number in range(2000)]
        began = time.process_time()
        for candidate in candidates:
            add(made, candidate, 0.0)
            made.expire(0.0)
            made.take(0.0)
            made.next_time(0.0)
        return time.process_time() - began

    few, many = (min(seconds(waiting) for _ in range(3)) for waiting in (100, 2000))
    assert many < 4 * few, (few, many)


@pytest.mark.parametrize("cause", ["their own wrong keys", "wrong keys from everywhere"])
def test_newcomers_overtake_none_of_their_own_address_that_waits(cause):
    """Waiting clients are answered in the order of arrival, for the delay as for the queue."""
    crowded = cause == "wrong keys from everywhere"
    made = admission(free_guesses=1000 if crowded else 0, guess_burst=1 if crowded else 1000, guess_rate=1.0)
    for _ in range(8):
        made.charge(Candidate("192.0.2.7" if crowded else "192.0.2.1"), 0.0)
    arrived, answered = [], []
    for tick in range(4000):
        now = tick / 20
        if tick < 400 and not tick % 20:
            arrived.append(Candidate("192.0.2.1", now))
            add(made, arrived[-1], now)
        made.expire(now)
        while (candidate := made.take(now)) is not None:
            made.charge(candidate, now)
            answered.append(candidate)
    assert len(arrived) == 20
    assert [arrived.index(one) for one in answered] == list(range(20))
