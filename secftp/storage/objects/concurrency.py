"""Many requests to a store at once, with their results in order.

A request takes 50 to 200 ms, so a thousand files one after the other take minutes. Invariants: no more calls are begun
ahead of their results than the bound allows; when the iterator is closed, nothing of it runs any more.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

AT_ONCE: Final = 64


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
    waiting: deque[Future[_Result]] = deque()
    threads = ThreadPoolExecutor(at_once, thread_name_prefix="secftp-objects")
    try:
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
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _done(result: _Result) -> Future[_Result]:
    future: Future[_Result] = Future()
    future.set_result(result)
    return future
