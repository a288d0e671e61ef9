"""Many requests to a store at once, with their results in order.

A request takes 50 to 200 ms, so a thousand files one after the other take minutes. The threads of all sessions together
are bounded: a session gets at most as many as are free, so that one with thousands of requests leaves some to others.
Where there is none, the caller that waits for a result makes the request.

Invariants: no more calls are begun ahead of their results than the bound allows; when the iterator is closed, nothing
of it runs any more; a request that hangs does not keep the process from ending.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

AT_ONCE: Final = 64
MOST_THREADS: Final = 384  # of the process


class _Budget:
    """The threads that may still be started in this process."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self.free = most

    def take(self, has: int) -> bool:
        """Take one for a set that `has` some; return False if that would be more than are free."""
        with self._lock:
            if has >= self.free:
                return False
            self.free -= 1
            return True

    def give_back(self) -> None:
        """Give one back."""
        with self._lock:
            self.free += 1


_budget: Final = _Budget(MOST_THREADS)


class Call(Generic[_Result]):
    """A call that was submitted to threads."""

    __slots__ = ("_future", "_run", "_threads")

    def __init__(self, threads: Threads, run: Callable[[], _Result]) -> None:
        self._threads = threads
        self._run = run
        self._future: Future[_Result] = Future()

    def result(self) -> _Result:
        """Return what it returns, or raise what it raises; one that has not begun is made by the caller itself."""
        future = self._future
        if self._threads.take_back(self):
            _make(self._run, future)
        try:
            return future.result()
        finally:
            del self, future  # or an exception would be in a cycle with the future that holds it

    @property
    def is_done(self) -> bool:
        """Whether `result` need not wait."""
        return self._future.done()

    def wait(self) -> None:
        """Wait until it is done, as `result` does."""
        if self._threads.take_back(self):
            self.make()
        wait([self._future])
        del self  # likewise

    def give_up(self) -> None:
        """Never make it; if it runs, wait for its end."""
        if not self._threads.take_back(self):
            wait([self._future])

    def make(self) -> None:
        """Make the call; never raises."""
        run, future = self._run, self._future
        del self
        _make(run, future)
        del run, future  # as in `result`: the exception holds this frame


def _make(run: Callable[[], _Result], future: Future[_Result]) -> None:
    try:
        found = run()
    except BaseException as problem:  # noqa: BLE001 - raised where the result is taken
        future.set_exception(problem)
    else:
        future.set_result(found)
    del future  # as in `result`


class Threads:
    """Up to `most` threads, started as there are calls for them. The results are taken in the order of the calls.

    They are no executor of the standard library: the end of the process waits for the threads of these.
    """

    def __init__(self, most: int, name: str = "secftp-objects") -> None:
        self._most = most
        self._name = name
        self._changed = threading.Condition()
        self._waiting: deque[Call[Any]] = deque()
        self._started: list[threading.Thread] = []
        self._idle = 0
        self._is_over = False

    def submit(self, function: Callable[[_Item], _Result], item: _Item) -> Call[_Result]:
        """Have `function(item)` called."""
        call = Call(self, lambda: function(item))
        with self._changed:
            self._waiting.append(call)
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif len(self._started) < self._most and _budget.take(len(self._started)):
                self._start()
        return call

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # the system has none: who waits for the result makes the call
            _budget.give_back()
        else:
            self._started.append(thread)

    def take_back(self, call: Call[Any]) -> bool:
        """Take a call out of the queue for the caller to make it; return False if it has begun."""
        with self._changed:
            with contextlib.suppress(ValueError):
                self._waiting.remove(call)
                return True
            return False

    def close(self) -> None:
        """Wait for the calls that run; those that have not begun are never made."""
        with self._changed:
            self._is_over = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._started:
            thread.join()

    def _work(self) -> None:
        try:
            while (call := self._next()) is not None:
                call.make()
                del call  # its result is the caller's alone
        finally:
            _budget.give_back()

    def _next(self) -> Call[Any] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None


def each(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    at_once: int = AT_ONCE,
    *,
    ready: Callable[[_Item], _Result | None] | None = None,
) -> Generator[_Result, None, None]:
    """Yield `function(item)` for each item, in order, with up to `at_once` calls running in threads.

    `ready(item)` returns a result for which no call is needed, or None. Lazy: items are taken as results are, at most
    `at_once` ahead of them. An exception of a call is raised in its place, and so is one of `items`, behind the results
    of those before it. Closing it waits for the calls that run; those that wait for a thread are never begun.
    """
    waiting: deque[Call[_Result] | Future[_Result]] = deque()
    with contextlib.closing(Threads(at_once)) as threads:
        problem: Exception | None = None
        remaining = iter(items)
        while True:
            try:
                item = next(remaining)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - it is raised in its turn
                problem = error
                break
            found = None if ready is None else ready(item)
            if found is None:
                waiting.append(threads.submit(function, item))
            elif not waiting:
                yield found
            else:
                waiting.append(_done(found))
            if len(waiting) == at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if problem is not None:
            raise problem


def _done(result: _Result) -> Future[_Result]:
    future: Future[_Result] = Future()
    future.set_result(result)
    return future
