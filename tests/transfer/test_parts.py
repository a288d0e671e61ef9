"""The queue of parts: each byte is done, to be taken, or in exactly one part."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from secftp.intervals import Intervals
from secftp.transfer.parts import LEAST_REST, MAX_PART, MIN_PART, STALLED_SECONDS, Part, PartQueue, part_size

MIB = 2**20
TOTAL = 40 * MIB + 12345


class Queue(RuleBasedStateMachine):
    """Streams that take, transfer, finish, give back and split, in any order."""

    parts = Bundle("parts")

    def __init__(self):
        super().__init__()
        self.queue = PartQueue(TOTAL, 4, clock=lambda: 0.0)  # nothing ever stalls
        self.held: list[Part] = []

    @rule(target=parts, split=st.booleans(), may_shrink=st.booleans())
    def take(self, split, may_shrink):
        part = self.queue.take(split=split, may_shrink=may_shrink)
        if part is None:
            assert self.queue.is_taken
            assert not split or all(not each.can_shrink or each.rest < 2 * LEAST_REST for each in self.held)
            return Part(0, 0, can_shrink=False)
        assert part.at < part.end
        self.held.append(part)
        return part

    @rule(target=parts, at=st.integers(0, TOTAL), size=st.integers(1, 8 * MIB))
    def take_at(self, at, size):
        part = self.queue.take_at(at, size)
        if part is None:
            return Part(0, 0, can_shrink=False)
        assert part.at == at
        assert 0 < part.size <= size
        self.held.append(part)
        return part

    @rule(part=parts, share=st.floats(0, 1.5))
    def reach(self, part, share):
        end = self.queue.reach(part, part.at + int(part.size * share))
        assert end == part.end
        assert part.at <= part.position <= part.end

    @rule(part=consumes(parts))
    def finish(self, part):
        self.queue.finish(part)
        self.drop(part)

    @rule(part=consumes(parts), share=st.floats(0, 1))
    def give_back(self, part, share):
        self.queue.give_back(part, kept=int(part.size * share))
        self.drop(part)
        self.queue.give_back(part, kept=part.size)  # once only

    def drop(self, part):
        if part in self.held:
            self.held.remove(part)

    @invariant()
    def every_byte_is_somewhere_once(self):
        done = self.queue.done
        todo = self.queue._todo
        held = Intervals((part.at, part.end) for part in self.held)
        assert held.total == sum(part.size for part in self.held), "no byte is in two parts"
        assert done.total + todo.total + held.total == TOTAL
        assert Intervals([*done, *todo, *held]) == Intervals([(0, TOTAL)])
        assert self.queue.complete == (done.total == TOTAL)
        assert self.queue.prefix == done.prefix
        assert self.queue.held == len(self.held)


TestQueue = Queue.TestCase


@pytest.mark.parametrize(
    ("total", "streams", "size"),
    [
        (64 * MIB, 4, 4 * MIB),
        (64 * MIB, 1, MAX_PART),
        (1000 * MIB, 8, MAX_PART),
        (3 * MIB, 8, MIN_PART),
        (0, 8, MIN_PART),
        (64 * MIB + 1, 4, 4 * MIB),
    ],
)
def test_part_size(total, streams, size):
    assert part_size(total, streams) == size


@given(st.integers(0, 200 * MIB), st.integers(1, 16))
def test_every_part_is_taken_once_and_in_order(total, streams):
    queue, position = PartQueue(total, streams), 0
    while (part := queue.take(split=False)) is not None:
        assert part.at == position
        assert part.size <= queue.part_bytes + LEAST_REST
        position = part.end
        queue.finish(part)
    assert position == total
    assert queue.complete


def test_the_last_parts_are_smaller():
    queue, sizes = PartQueue(64 * MIB, 4), []
    while (part := queue.take(split=False)) is not None:
        sizes.append(part.size)
    assert sizes[0] == 4 * MIB
    assert sizes == sorted(sizes, reverse=True) or sizes[-1] <= 2 * LEAST_REST
    assert sizes[-1] <= 2 * LEAST_REST


def test_what_is_done_is_not_taken():
    queue = PartQueue(10 * MIB, 2, done=Intervals([(0, MIB), (3 * MIB, 9 * MIB)]))
    taken = []
    while (part := queue.take(split=False)) is not None:
        taken.append((part.at, part.end))
    assert Intervals(taken) == Intervals([(MIB, 3 * MIB), (9 * MIB, 10 * MIB)])
    assert queue.prefix == MIB
    assert queue.transferred == 7 * MIB


def test_the_largest_rest_is_split():
    queue = PartQueue(20 * MIB, 2, part_bytes=10 * MIB)
    first = queue.take_at(0, 10 * MIB)
    second = queue.take_at(10 * MIB, 10 * MIB)
    queue.reach(first, 2 * MIB)
    queue.reach(second, 16 * MIB)
    third = queue.take()
    assert (third.at, third.end) == (6 * MIB, 10 * MIB)
    assert queue.reach(first, 3 * MIB) == first.end == 6 * MIB
    queue.finish(first)
    assert queue.prefix == 6 * MIB


def test_a_part_that_may_not_shrink_is_not_split():
    queue = PartQueue(4 * MIB, 1, part_bytes=4 * MIB)
    parts = []
    while (part := queue.take(split=False, may_shrink=False)) is not None:
        parts.append(part)
    assert queue.take() is None
    queue.give_back(parts[0])
    assert queue.take() is not None


def test_a_thread_waits_for_what_is_given_back():
    queue = PartQueue(LEAST_REST, 2)
    part = queue.take()
    found = []
    thread = threading.Thread(target=lambda: found.append(queue.wait_for_work()))
    thread.start()
    queue.give_back(part)
    thread.join()
    assert found == [True]


@pytest.mark.parametrize("ends", [PartQueue.stop, lambda queue: queue.finish(queue.take())], ids=["stop", "complete"])
def test_nothing_is_waited_for_at_the_end(ends):
    queue = PartQueue(LEAST_REST, 2)
    ends(queue)
    assert not queue.wait_for_work()
    assert queue.take() is None
    assert queue.take_at(0, 1) is None


def test_stopped_parts_can_be_given_back():
    queue = PartQueue(10 * MIB, 2)
    part = queue.take()
    queue.stop()
    assert queue.stopped
    queue.give_back(part, kept=1000)
    assert list(queue.done) == [(part.at, part.at + 1000)]


def test_many_threads_take_everything_once():
    queue, taken, lock = PartQueue(256 * MIB, 8), [], threading.Lock()

    def work():
        while queue.wait_for_work():
            part = queue.take()
            if part is None:
                continue
            while (position := min(part.position + MIB // 2, part.end)) < queue.reach(part, position):
                pass
            with lock:
                taken.append((part.at, part.end))
            queue.finish(part)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.complete
    assert Intervals(taken) == Intervals([(0, 256 * MIB)])


def test_changes_are_told_without_the_lock():
    told = []
    queue = PartQueue(10 * MIB, 2, on_change=lambda: told.append(queue.transferred))
    part = queue.take()
    queue.reach(part, 1000)
    queue.give_back(part, kept=1000)
    queue.stop()
    assert told == [1000, 1000, 1000]


def test_a_part_that_does_not_get_on_is_taken_over():
    now = [100.0]
    queue = PartQueue(LEAST_REST + 5, 2, clock=lambda: now[0])
    part = queue.take()
    queue.reach(part, 1000)
    assert queue.take() is None
    assert not queue.has_work()
    now[0] += STALLED_SECONDS + 0.1
    assert queue.has_work()
    rest = queue.take()
    assert (rest.at, rest.end) == (1000, LEAST_REST + 5)
    assert queue.reach(part, 2000) == part.end == 1000
    queue.finish(rest)
    assert queue.complete
    queue.give_back(part)
    assert queue.complete
    assert not queue.has_work()


def test_a_part_that_only_lacks_the_end_of_its_reply_is_done_after_a_while():
    now = [100.0]
    queue = PartQueue(1000, 2, clock=lambda: now[0])
    part = queue.take()
    queue.reach(part, 1000)
    assert not queue.has_work()
    assert not queue.complete
    now[0] += STALLED_SECONDS + 0.1
    assert not queue.has_work()
    assert queue.complete
