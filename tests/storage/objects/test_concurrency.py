"""Many calls at once: in order, within a bound, and none left when it is closed."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

from secftp.storage.objects import concurrency
from secftp.storage.objects.concurrency import Threads, each


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


def test_a_set_of_threads_leaves_as_many_as_it_has(monkeypatch):
    budget = concurrency._Budget(8)
    monkeypatch.setattr(concurrency, "_budget", budget)
    first, second = (Counter(wanted=99) for _ in range(2))
    with contextlib.closing(Threads(64)) as one, contextlib.closing(Threads(64)) as other:
        calls = [one.submit(first, number) for number in range(64)]
        assert budget.free == 4
        calls += [other.submit(second, number) for number in range(64)]
        assert budget.free == 2
        first.gate.set()
        second.gate.set()
        assert [call.result() for call in calls] == [*range(64), *range(64)]
        assert first.most <= 5  # with the thread that takes the results
        assert second.most <= 3
    assert budget.free == 8


@pytest.mark.parametrize("free", [0, 1])
def test_calls_are_made_also_without_threads_of_their_own(monkeypatch, free):
    monkeypatch.setattr(concurrency, "_budget", concurrency._Budget(free))
    assert list(each(lambda item: list(each(str, range(item), 4)), range(10), 3)) == [
        [str(number) for number in range(item)] for item in range(10)
    ]


def test_a_system_without_threads_is_no_failure(monkeypatch):
    budget = concurrency._Budget(8)
    monkeypatch.setattr(concurrency, "_budget", budget)

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert list(each(str, range(10), 3)) == [str(number) for number in range(10)]
    assert budget.free == 8


@pytest.mark.parametrize("by_thread", [True, False])
def test_a_failure_is_in_no_cycle(monkeypatch, by_thread):
    def fail(item):
        raise KeyError(item)

    monkeypatch.setattr(concurrency, "_budget", concurrency._Budget(int(by_thread)))

    gc.collect()
    gc.disable()
    try:
        with contextlib.closing(Threads(2)) as threads:
            call = threads.submit(fail, 1)
            while by_thread and not call.is_done:
                time.sleep(0.001)
            with pytest.raises(KeyError) as caught:
                call.result()
        gone = weakref.ref(call._future)
        del caught, call
        assert gone() is None
    finally:
        gc.enable()


def test_a_call_that_hangs_does_not_keep_the_process():
    program = """if True:
        import threading
        from secftp.storage.objects.concurrency import Threads
        begun = threading.Event()
        def hang(item):
            begun.set()
            threading.Event().wait(600)
        Threads(1).submit(hang, 0)
        assert begun.wait(30)
    """
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
