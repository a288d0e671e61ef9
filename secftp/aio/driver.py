"""A driver that runs blocking code on an event loop: in a greenlet, which switches to the loop wherever it waits.

`run` is awaited by the caller's task and starts the greenlet; `wait`, called anywhere inside it, suspends the greenlet,
lets that task await something, and returns the result. So the code in between is ordinary code with ordinary calls, and
what it waits for is awaited by the task of its caller: a cancellation arrives as `CancelledError` at the wait, and is
unwound by the `finally` and `with` statements that unwind a Ctrl-C in the blocking client.

Invariants: clean-up is never skipped. After one exception was thrown into a greenlet, further cancellations are held
back until it has ended; they are still counted by the task (`asyncio.Task.cancelling`). A coroutine that is closed
while it waits (its loop is gone) unwinds its greenlet, too, which can't wait any more then.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from secftp.errors import InstallationError

try:
    import greenlet
except ImportError as problem:
    raise InstallationError(
        "asyncio clients need the library greenlet.", hint="Install it: pip install 'secftp[aio]'."
    ) from problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

# A greenlet that does not wait lets the loop run after so long. Between two calls of `pace` it takes some more.
PACE_SECONDS: Final = 0.001
# Awaits that a greenlet may still begin while it is unwound without a loop, before it is given up as a bug.
_LAST_WAITS: Final = 100


class Abandoned(BaseException):
    """Raised by `wait` in a greenlet whose coroutine was closed: there is no loop that could wait."""


async def run(
    function: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
) -> _Result:
    """Return what the function returns, which runs in a greenlet and may use `wait`. Raises what it raises.

    It runs in the context of the calling task: context variables are those of the caller, and `asyncio.current_task`
    is the caller's task.
    """
    outer = greenlet.getcurrent()
    driven = greenlet.greenlet(function, outer)
    driven.secftp_resumed = time.monotonic()
    driven.gr_context = outer.gr_context
    step: Any = driven.switch(*args, **kwargs)
    while not driven.dead:
        try:
            value = await step
        except BaseException as problem:
            driven.secftp_resumed = time.monotonic()
            step = driven.throw(problem)
            if isinstance(problem, GeneratorExit):
                _unwind(driven, step)
                raise
            if isinstance(problem, asyncio.CancelledError):
                step = await _clean_up(driven, step)
        else:
            driven.secftp_resumed = time.monotonic()
            step = driven.switch(value)
    result: _Result = step  # once the greenlet has ended
    return result


def wait(awaitable: Awaitable[_Result]) -> _Result:
    """Suspend the greenlet until `awaitable` is done, and return its result. Only in a function that `run` runs.

    Raises what the awaitable raises, and `asyncio.CancelledError` when the task is cancelled.
    """
    if not is_driven():
        _drop(awaitable)
        raise RuntimeError("wait was called outside of a function that secftp.aio.driver.run runs")
    # Not kept in a variable: a greenlet that is suspended with a reference to itself is never collected.
    result: _Result = greenlet.getcurrent().parent.switch(awaitable)
    return result


def current() -> object:
    """Return what stands for the call that is being run: the same in all of it, and different from any other."""
    return greenlet.getcurrent()


def is_driven() -> bool:
    """Whether the caller may use `wait`."""
    return hasattr(greenlet.getcurrent(), "secftp_resumed")


def pace() -> None:
    """Let the loop run, if the greenlet has run for long since it was resumed. Nothing outside of one."""
    resumed: float | None = getattr(greenlet.getcurrent(), "secftp_resumed", None)
    if resumed is not None and time.monotonic() - resumed > PACE_SECONDS:
        wait(asyncio.sleep(0))


class Pace:
    """Awaited between two steps: lets the loop run if that was not done for a millisecond."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = time.monotonic()

    async def __call__(self) -> None:
        """Let the loop run, or return at once."""
        if time.monotonic() - self._last > PACE_SECONDS:
            await asyncio.sleep(0)
            self._last = time.monotonic()


async def _clean_up(driven: greenlet.greenlet, step: Any) -> Any:
    """Drive a greenlet that was cancelled to its end; further cancellations are held back until then."""
    while not driven.dead:
        future = asyncio.ensure_future(step)
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
            except GeneratorExit as problem:
                future.cancel()
                _unwind(driven, driven.throw(problem))
                raise
        driven.secftp_resumed = time.monotonic()
        try:
            value = future.result()
        except BaseException as problem:  # noqa: BLE001 - as above
            step = driven.throw(problem)
        else:
            step = driven.switch(value)
    return step


def _unwind(driven: greenlet.greenlet, step: Any) -> None:
    """Unwind a greenlet whose coroutine is being closed: every wait in its clean-up fails at once."""
    with contextlib.suppress(Abandoned):
        for _ in range(_LAST_WAITS):
            if driven.dead:
                return
            _drop(step)
            step = driven.throw(Abandoned())
        raise RuntimeError("a greenlet of secftp can't be unwound")


def _drop(awaitable: Any) -> None:
    """Close or cancel what will not be awaited."""
    close = getattr(awaitable, "close", None) or getattr(awaitable, "cancel", None)
    if close is not None:
        close()
