"""Local files under an event loop: a few threads read and write them, while the greenlet that asked waits.

Invariants: a job always runs to its end before its caller goes on, also one that is cancelled, so that no descriptor is
closed, and no buffer used again, under a read or write. No thread keeps a client, a loop or the interpreter alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from secftp.aio import driver
from secftp.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Parameters = ParamSpec("_Parameters")
_T = TypeVar("_T")
_Item = TypeVar("_Item")

MAX_THREADS: Final = 4
# Of an iterator, taken at once: as many as fit in so many seconds, so that the first are not waited for.
ITEMS_AHEAD: Final = 256
_AHEAD_SECONDS: Final = 0.005
_PACED_ITEMS: Final = 64
_POLL_SECONDS: Final = 0.001

_Jobs = queue.SimpleQueue["_Job | None"]  # None ends a thread


class LoopWaits(Waits):
    """Waits on an event loop. `call`, `map` and `iterate` use at most `threads` threads, which are started as needed.

    Where nothing drives the caller (a finalizer, a program's own thread), it waits as `Waits` does.
    """

    may_block = False

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int = MAX_THREADS) -> None:
        self._loop = loop
        self._most = threads
        self._threads = 0
        self._is_closed = False
        self._jobs: _Jobs = queue.SimpleQueue()
        self._under_way = 0

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        if driver.is_driven():
            driver.wait(asyncio.sleep(seconds))
        else:
            super().sleep(seconds)

    def paced(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield the same items, and let the loop run between some of them."""
        for count, item in enumerate(items):
            if not count % _PACED_ITEMS:
                driver.pace()
            yield item

    def pace(self) -> None:
        """Let the loop run, if this has not been for a while."""
        driver.pace()

    def call(self, function: Callable[_Parameters, _T], *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _T:
        """Return what a function returns that runs in a thread, see `Waits.call`."""
        if not driver.is_driven():
            return function(*args, **kwargs)
        job = _Job(self._loop, function, args, kwargs)
        self._submit(job)
        try:
            try:
                driver.wait(job.future)
            except BaseException:
                self._abandon(job)
                raise
        finally:
            self._under_way -= 1
        result: _T = job.outcome()
        return result

    def map(self, function: Callable[[_Item], _T], items: Iterable[_Item]) -> Iterator[_T]:
        """Return an iterator of what a function returns for each item, which has all been done by then."""
        return iter(self.call(lambda: list(map(function, items))))

    def iterate(self, items: Iterator[_T]) -> Iterator[_T]:
        """Return an iterator of the same items, some of which are taken ahead in a thread."""
        try:
            is_over = False
            while not is_over:
                ahead, is_over, problem = self.call(_take, items)
                yield from ahead
                if problem is not None:
                    raise problem
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def close(self) -> None:
        """End the threads, after the jobs that they have. Idempotent; a job that comes later gets one of its own."""
        self._is_closed = True
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def __del__(self) -> None:
        self.close()

    def _submit(self, job: _Job) -> None:
        self._under_way += 1
        if self._threads < min(self._under_way, self._most):
            # It refers to the jobs alone, so that what is forgotten is collected, and its threads end.
            thread = threading.Thread(target=_work, args=(self._jobs,), name="secftp-files", daemon=True)
            try:
                thread.start()
                self._threads += 1
            except RuntimeError:  # the interpreter exits, or has no more threads
                if not self._threads:
                    job.run()
                    return
        self._jobs.put(job)
        if self._is_closed:
            self.close()

    @staticmethod
    def _abandon(job: _Job) -> None:
        """Wait for the end of a job whose result is not taken, and close that."""
        try:
            while not job.is_over:
                with contextlib.suppress(asyncio.CancelledError):
                    driver.wait(job.renewed())
        except BaseException:  # noqa: BLE001 - the loop is gone, so nothing wakes this thread
            while not job.is_over:
                time.sleep(_POLL_SECONDS)
        close = getattr(job.result, "close", None)
        if close is not None:
            close()


class _Job:
    """A call in a thread. `future` is done some time after `is_over` is true."""

    __slots__ = ("_args", "_function", "_kwargs", "_loop", "_problem", "future", "is_over", "result")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> None:
        self.future: asyncio.Future[None] = loop.create_future()
        self.result: Any = None
        self.is_over = False
        self._loop = loop
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._problem: BaseException | None = None

    def run(self) -> None:
        """Make the call; for the thread."""
        try:
            self.result = self._function(*self._args, **self._kwargs)
        except BaseException as problem:  # noqa: BLE001 - the caller raises it
            self._problem = problem
        self.is_over = True
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._wake)

    def renewed(self) -> asyncio.Future[None]:
        """Return another future, after the first was cancelled. Only on the loop's thread."""
        self.future = self._loop.create_future()
        if self.is_over:
            self.future.set_result(None)
        return self.future

    def outcome(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        problem, self._problem = self._problem, None
        if problem is not None:
            try:
                raise problem
            finally:
                del problem  # which refers to this frame
        return self.result

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


def _work(jobs: _Jobs) -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job  # with its result, while the next one is waited for


def _take(items: Iterator[_T]) -> tuple[list[_T], bool, BaseException | None]:
    """Return some items, whether they are the last, and what the iterator raised instead of more."""
    taken: list[_T] = []
    end = time.monotonic() + _AHEAD_SECONDS
    try:
        for item in items:
            taken.append(item)
            if len(taken) >= ITEMS_AHEAD or time.monotonic() >= end:
                return taken, False, None
    except BaseException as problem:  # noqa: BLE001 - raised when the items before it are used
        return taken, True, problem
    return taken, True, None
