"""Event loops by name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")

LOOPS = ("asyncio", "uvloop")


class Run(Protocol):
    """Runs a coroutine on a loop of its own."""

    def __call__(self, coroutine: Coroutine[Any, Any, _T], /) -> _T:
        """Return what it returns."""
        ...


def runner(name: str) -> Run:
    """Return what runs coroutines on the loop of that name."""
    if name == "asyncio":
        return asyncio.run
    import uvloop

    def run(coroutine: Coroutine[Any, Any, _T], /) -> _T:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            return loop.run(coroutine)

    return run
