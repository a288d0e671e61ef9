"""What the code of a client waits for beside its connection: pauses, and files of this machine.

Sessions and copies wait through the object that their connection brings, so that the same code also runs under an event
loop: there another object waits, which lets the loop run meanwhile. This one waits in the calling thread.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False  # as of typing: a client imports this before it has that
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final, ParamSpec, TypeVar

    _Parameters = ParamSpec("_Parameters")
    _T = TypeVar("_T")
    _Item = TypeVar("_Item")


class Waits:
    """Waits in the calling thread, and the interface of whatever waits otherwise.

    What is called, mapped or iterated here may run in another thread, one step at a time, while the caller waits: it
    must not use the connection, and no callback of a program may be called in it.

    `may_block`: whether the calling thread may wait for other threads, as that of a copy over several streams does.
    """

    may_block = True

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)

    def call(self, function: Callable[_Parameters, _T], *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _T:
        """Return what a function returns that reads, writes or examines local files, or computes for long.

        It always runs to its end. A caller that is cancelled meanwhile never gets the result, which is closed then if
        it has a method `close`.
        """
        return function(*args, **kwargs)

    def map(self, function: Callable[[_Item], _T], items: Iterable[_Item]) -> Iterator[_T]:
        """Return an iterator of what a function returns for each of a few items: short calls, maybe all at once.

        An exception of the function ends the iterator, so it returns those that concern one item.
        """
        return map(function, items)

    def iterate(self, items: Iterator[_T]) -> Iterator[_T]:
        """Return an iterator of the same items, of which some may be taken ahead. Each takes what `call` is for."""
        return items

    def paced(self, items: Iterable[_T]) -> Iterable[_T]:
        """Return the same items, with a `pace` between some of them: for a loop that only computes."""
        return items

    def pace(self) -> None:
        """Let others have the processor, if they wait for it: called between two steps of what can be long."""


DIRECT: Final = Waits()
