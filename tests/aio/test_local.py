"""Local files under an event loop: jobs in a few threads, each awaited to its end, whatever happens to its caller."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest

from secftp.aio import driver, local
from secftp.aio.local import ITEMS_AHEAD, LoopWaits
from tests.aio.loops import run, turns
from tests.support.serving import DEADLINE

__all__ = ["run"]


def file_threads():
    return [thread for thread in threading.enumerate() if thread.name == "secftp-files"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    for thread in file_threads():
        thread.join(DEADLINE)
    assert file_threads() == []


class Gate:
    """A job that waits until it may end."""

    def __init__(self, result=None):
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.over = False
        self.result = result

    def __call__(self):
        self.begun.set()
        assert self.may_end.wait(DEADLINE)
        self.over = True
        return self.result

    async def until_begun(self):
        await asyncio.to_thread(self.begun.wait, DEADLINE)


class Closable:
    closed = False

    def close(self):
        self.closed = True


def test_a_job_runs_in_a_thread_and_its_result_and_exceptions_are_those_of_the_call(run):
    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        here = threading.get_ident()
        name, there, kwargs = await driver.run(
            waits.call, lambda name, **kwargs: (name, threading.get_ident(), kwargs), 1, a=2
        )
        assert (name, kwargs) == (1, {"a": 2})
        assert there != here
        with pytest.raises(ZeroDivisionError):
            await driver.run(waits.call, lambda: 1 // 0)
        waits.close()

    run(main())


def test_the_loop_runs_while_a_job_does_and_no_more_jobs_run_at_once_than_there_may_be_threads(run):
    running, most = 0, 0
    lock = threading.Lock()

    def job():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    async def main():
        waits = LoopWaits(asyncio.get_running_loop(), threads=3)
        await asyncio.gather(*(driver.run(waits.call, job) for _ in range(9)))
        assert len(file_threads()) == 3
        waits.close()

    run(main())
    assert most == 3


def test_a_thread_is_started_only_when_all_are_busy(run):
    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        for _ in range(5):
            await driver.run(waits.call, int)
        assert len(file_threads()) == 1
        waits.close()

    run(main())


@pytest.mark.parametrize("cancellations", [1, 3])
def test_a_job_that_is_cancelled_is_awaited_to_its_end_and_what_it_has_opened_is_closed(run, cancellations):
    async def main():
        waits, opened = LoopWaits(asyncio.get_running_loop()), Closable()
        gate, cleaned = Gate(opened), []

        def work():
            try:
                waits.call(gate)
            finally:
                cleaned.append(gate.over)
                cleaned.append(waits.call(lambda: "in a thread"))

        task = asyncio.create_task(driver.run(work))
        await gate.until_begun()
        for _ in range(cancellations):
            task.cancel()
            await turns()
        assert not task.done()
        gate.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert opened.closed
        assert cleaned == [True, "in a thread"]
        waits.close()

    run(main())


def test_a_coroutine_that_is_closed_waits_for_its_job(run):
    async def main():
        waits, gate, opened = LoopWaits(asyncio.get_running_loop()), Gate(), []
        coroutine = driver.run(waits.call, gate)
        assert coroutine.send(None) is not None
        assert gate.begun.wait(DEADLINE)
        threading.Timer(0.05, gate.may_end.set).start()
        coroutine.close()
        opened.append(gate.over)
        waits.close()
        assert opened == [True]

    run(main())


def test_without_a_driver_it_waits_where_it_is_called(run):
    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        assert waits.call(threading.get_ident) == threading.get_ident()
        assert list(waits.map(str, range(2))) == ["0", "1"]
        assert list(waits.iterate(iter(range(2)))) == [0, 1]
        began = time.monotonic()
        waits.sleep(0.01)
        waits.pace()
        assert time.monotonic() - began >= 0.01

    run(main())
    assert file_threads() == []


def test_what_is_mapped_is_one_job_and_what_is_iterated_is_few(run):
    threads = []

    def items():
        for number in range(3 * ITEMS_AHEAD):
            threads.append(threading.get_ident())
            yield number

    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        jobs = []
        call = waits.call

        def counted(*args):
            jobs.append(1)
            return call(*args)

        waits.call = counted
        assert await driver.run(lambda: list(waits.map(str, range(200)))) == list(map(str, range(200)))
        assert len(jobs) == 1
        assert await driver.run(lambda: list(waits.iterate(items()))) == list(range(3 * ITEMS_AHEAD))
        assert len(jobs) < 100
        del waits.call
        waits.close()

    run(main())
    assert threading.get_ident() not in threads


def test_few_items_are_taken_ahead_of_what_is_slow_and_exceptions_come_after_the_items_before_them(run, monkeypatch):
    def failing():
        yield 1
        yield 2
        raise ZeroDivisionError

    taken = []

    def counting():
        try:
            for number in range(10):
                taken.append(number)
                yield number
        finally:
            taken.append("closed")

    async def main():
        waits = LoopWaits(asyncio.get_running_loop())

        def work():
            some = waits.iterate(failing())
            assert [next(some), next(some)] == [1, 2]
            with pytest.raises(ZeroDivisionError):
                next(some)
            monkeypatch.setattr(local, "_AHEAD_SECONDS", 0)
            items = waits.iterate(counting())
            assert next(items) == 0
            assert taken == [0]
            items.close()
            assert taken == [0, "closed"]

        await driver.run(work)
        waits.close()

    run(main())


def test_a_pause_lets_the_loop_run(run):
    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        pause = asyncio.create_task(driver.run(waits.sleep, 0.05))
        await turns()
        assert not pause.done()
        await pause

        def busy():
            before = ran
            end = time.monotonic() + 0.01
            while time.monotonic() < end:
                waits.pace()
            return ran > before

        ran = 0

        async def others():
            nonlocal ran
            while True:
                ran += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        assert await driver.run(busy)
        other.cancel()

    run(main())


def test_a_job_after_the_end_gets_a_thread_of_its_own_which_ends(run):
    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        await driver.run(waits.call, int)
        waits.close()
        waits.close()
        assert await driver.run(waits.call, lambda: "late") == "late"

    run(main())


def test_threads_end_with_what_they_belong_to(run):
    async def main():
        await driver.run(LoopWaits(asyncio.get_running_loop()).call, int)

    run(main())


def test_where_no_thread_can_be_started_a_job_runs_where_it_is(run, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    async def main():
        waits = LoopWaits(asyncio.get_running_loop())
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert await driver.run(waits.call, threading.get_ident) == threading.get_ident()

    run(main())


def test_a_job_that_ends_after_its_loop_is_closed_is_no_error():
    loop = asyncio.new_event_loop()
    coroutine = driver.run((waits := LoopWaits(loop)).call, gate := Gate())
    coroutine.send(None)
    assert gate.begun.wait(DEADLINE)
    loop.close()
    threading.Timer(0.05, gate.may_end.set).start()
    coroutine.close()
    assert gate.over
    waits.close()
