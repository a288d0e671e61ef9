"""Many calls at once: in order, within a bound, and none left when it is closed."""

from __future__ import annotations

import threading

import pytest

from secftp.storage.objects.concurrency import each


class Counter:
    """Counts calls that run at the same time; each waits until `gate` is open."""

    def __init__(self, wanted=1):
        self.running = self.most = self.begun = 0
        self.reached = threading.Event()
        self.gate = threading.Event()
        self._wanted = wanted
        self._lock = threading.Lock()

    def __call__(self, item):
        with self._lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
            if self.running >= self._wanted:
                self.reached.set()
        assert self.gate.wait(30)
        with self._lock:
            self.running -= 1
        return item


def test_results_are_in_order_and_calls_run_at_the_same_time():
    counter = Counter(wanted=8)
    opener = threading.Thread(target=lambda: counter.reached.wait(30) and counter.gate.set())
    opener.start()
    assert list(each(counter, range(100), 8)) == list(range(100))
    opener.join()
    assert counter.most == 8


def test_no_more_is_taken_ahead_than_the_bound_allows():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    results = each(lambda item: item, items(), 4)
    for number in range(10):
        assert next(results) == number
        assert len(taken) <= number + 4
    results.close()


def test_what_needs_no_call_keeps_its_place():
    found = each(lambda item: ("asked", item), range(20), 3, ready=lambda item: ("known", item) if item % 3 else None)
    assert list(found) == [("known" if item % 3 else "asked", item) for item in range(20)]


def test_an_exception_is_raised_in_its_place():
    def call(item):
        if item == 2:
            raise KeyError(item)
        return item

    found = each(call, range(5), 4)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(KeyError):
        next(found)


def test_what_the_items_raise_comes_behind_the_results_before_it():
    def items():
        yield 0
        yield 1
        raise KeyError(2)

    found = each(lambda item: item, items(), 4)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(KeyError):
        next(found)


def test_closing_waits_for_what_runs_and_begins_nothing_more():
    counter = Counter()
    found = each(counter, range(100), 4)
    taker = threading.Thread(target=lambda: next(found))
    taker.start()
    assert counter.reached.wait(30)
    counter.gate.set()
    taker.join()
    begun = counter.begun
    found.close()
    assert counter.running == 0
    assert counter.begun <= begun + 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("secftp-objects")]
