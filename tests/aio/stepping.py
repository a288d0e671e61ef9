"""Cancellation of a coroutine where a test wants it: at its n-th suspension, as often as it suspends."""

from __future__ import annotations

import asyncio
import types

# How: before what is awaited has happened, in the moment in which it has, or at every suspension from the n-th on.
EARLY, LATE, REPEATED = "before it is awaited", "when it has happened", "again and again"
HOW = (EARLY, LATE, REPEATED)


class Stepper:
    """Runs a coroutine in the calling task, which is cancelled at its `at`-th suspension; `steps` counts them."""

    def __init__(self, at: int, how: str) -> None:
        self.steps = 0
        self.reached = False
        self._at = at
        self._how = how

    @types.coroutine
    def run(self, coroutine):
        steps = coroutine.__await__()
        resume, argument = steps.send, None
        while True:
            try:
                awaited = resume(argument)
            except StopIteration as end:
                return end.value
            self.steps += 1
            if self.steps == self._at or (self.reached and self._how == REPEATED):
                self.reached = True
                self._cancel(awaited)
            try:
                resume, argument = steps.send, (yield awaited)
            except BaseException as problem:  # noqa: BLE001 - all of it is for the coroutine
                resume, argument = steps.throw, problem

    def _cancel(self, awaited):
        task = asyncio.current_task()
        if self._how == LATE and awaited is not None:
            # This callback comes before that of the task, which thus finds both: what it awaited, and the cancellation.
            awaited.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()


async def cancelled_at(at, how, coroutine):
    """Run a coroutine in a task of its own that is cancelled so; its `Stepper`, and what it raised or None."""
    stepper = Stepper(at, how)

    async def main():
        await stepper.run(coroutine)

    task = asyncio.create_task(main())
    await asyncio.wait([task])
    return stepper, asyncio.CancelledError() if task.cancelled() else task.exception()
