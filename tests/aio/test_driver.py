"""The driver: blocking code in greenlets of an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import traceback

import pytest

from secftp.aio import driver
from secftp.aio.driver import run as drive
from secftp.aio.driver import wait
from tests.aio.loops import run, turns

__all__ = ["run"]

VARIABLE = contextvars.ContextVar("variable", default="outside")


def test_a_function_returns_and_raises_through_the_driver(run):
    def add(one, *, other):
        return one + other

    def fail():
        wait(asyncio.sleep(0))
        raise KeyError("inside")

    async def main():
        assert await drive(add, 1, other=2) == 3
        with pytest.raises(KeyError, match="inside") as caught:
            await drive(fail)
        frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert frames[0] == "main"
        assert frames[-1] == "fail"

    run(main())


def test_waits_let_other_tasks_run(run):
    seen = []

    def count(name):
        for number in range(3):
            seen.append((name, number))
            wait(asyncio.sleep(0))
        return name

    async def main():
        assert await asyncio.gather(drive(count, "a"), drive(count, "b")) == ["a", "b"]
        assert seen == [(name, number) for number in range(3) for name in "ab"]

    run(main())


def test_an_awaitable_gives_its_value_or_its_exception(run):
    async def later(value):
        await asyncio.sleep(0)
        return value

    async def broken():
        await asyncio.sleep(0)
        raise ValueError("later")

    def use():
        assert wait(later(5)) == 5
        with pytest.raises(ValueError, match="later"):
            wait(broken())
        return "used"

    async def main():
        assert await drive(use) == "used"

    run(main())


def test_context_variables_and_the_current_task_are_those_of_the_caller(run):
    def use():
        seen = VARIABLE.get(), asyncio.current_task()
        VARIABLE.set("inside")
        wait(asyncio.sleep(0))
        return *seen, VARIABLE.get()

    async def main():
        VARIABLE.set("caller")
        assert await drive(use) == ("caller", asyncio.current_task(), "inside")
        assert VARIABLE.get() == "inside"

    run(main())


def test_a_cancellation_is_raised_at_the_wait_and_cleans_up_with_further_waits(run):
    steps = []

    def work():
        try:
            wait(asyncio.sleep(3600))
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise
        finally:
            wait(asyncio.sleep(0))
            steps.append("cleaned")

    async def main():
        task = asyncio.create_task(drive(work))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert steps == ["cancelled", "cleaned"]

    run(main())


def test_a_second_cancellation_does_not_skip_the_clean_up(run):
    steps = []

    async def main():
        gate = asyncio.Event()

        def work():
            try:
                wait(asyncio.sleep(3600))
            finally:
                wait(gate.wait())
                steps.append("cleaned")

        task = asyncio.create_task(drive(work))
        await turns()
        for _ in range(3):
            task.cancel()
            await turns()
        assert (task.done(), steps) == (False, [])
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert steps == ["cleaned"]

    run(main())


def test_a_wait_that_fails_in_the_clean_up_of_a_cancellation_raises_there(run):
    async def broken():
        await asyncio.sleep(0)
        raise OSError("in the clean-up")

    def work():
        try:
            wait(asyncio.sleep(3600))
        finally:
            with pytest.raises(OSError, match="in the clean-up"):
                wait(broken())

    async def main():
        task = asyncio.create_task(drive(work))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_timeout_from_outside_ends_a_wait(run):
    def work():
        wait(asyncio.sleep(3600))

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await drive(work)

    run(main())


def test_a_coroutine_that_is_closed_unwinds_its_greenlet(run):
    steps = []

    def work():
        try:
            wait(asyncio.sleep(3600))
        finally:
            try:
                wait(asyncio.sleep(0))
            finally:
                steps.append("unwound")

    async def main():
        coroutine = drive(work)
        coroutine.send(None)
        coroutine.close()
        assert steps == ["unwound"]

    run(main())


def test_wait_outside_of_the_driver_is_an_error(run):
    async def main():
        assert not driver.is_driven()
        with pytest.raises(RuntimeError, match="outside"):
            wait(asyncio.sleep(0))
        assert await drive(driver.is_driven)

    run(main())


class Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


def test_a_greenlet_that_computes_for_long_lets_the_loop_run(run, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(driver, "time", clock)

    def compute():
        for _ in range(30):
            clock.now += 0.4 * driver.PACE_SECONDS
            driver.pace()  # every third time it is late

    async def main():
        ticks = 0
        task = asyncio.create_task(drive(compute))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        assert ticks == 30 // 3 + 1

    driver.pace()  # outside of a greenlet, it does nothing
    run(main())


def test_without_greenlet_there_is_a_sentence():
    text = (
        "import sys; sys.modules['greenlet'] = None\n"
        "import secftp\n"
        "try:\n    import secftp.aio\n"
        "except secftp.InstallationError as problem:\n    print(problem.message, problem.hint)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert "pip install 'secftp[aio]'" in done.stdout
