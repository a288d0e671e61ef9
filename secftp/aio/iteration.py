"""Asynchronous iterators over what the blocking client iterates: listings, walks, paths that match a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AnyStr, Final, Generic, Self, TypeVar

from secftp.aio import driver
from secftp.aio.pace import Pace
from secftp.api.entries import RemoteEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


_Item = TypeVar("_Item")
_END: Final[Any] = object()


class AsyncIteration(Generic[_Item]):
    """An asynchronous iterator. `begin` returns the iterator that it goes on with; it is called for the first item.

    `aclose` ends it early, which cancels what was requested; `contextlib.aclosing` and `async with` do so, too.
    """

    def __init__(self, begin: Callable[[], Iterator[_Item]]) -> None:
        self._begin: Callable[[], Iterator[_Item]] | None = begin
        self._iterator: Iterator[_Item] | None = None
        self._pace = Pace()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Item:
        await self._pace()
        item = await driver.run(self._next)
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """End it; nothing more is returned. Idempotent."""
        self._begin = None
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        if close is not None:
            await driver.run(close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _start(self) -> None:
        begin, self._begin = self._begin, None
        if begin is not None:
            self._iterator = begin()

    def _next(self) -> _Item:
        self._start()
        found: _Item = _END if self._iterator is None else next(self._iterator, _END)
        return found


class AsyncListing(AsyncIteration[RemoteEntry[AnyStr]], Generic[AnyStr]):
    """An asynchronous iterator over the entries of a directory; `AsyncClient.scandir` returns it.

    The order is the server's; with `recursive` a directory comes before its entries. Raises what `Client.scandir` and
    `Listing` raise: what is wrong with the directory itself when an `async with` block is entered, or else with the
    first entry.
    """

    async def close(self) -> None:
        """End the listing and drop the entries that are left. Idempotent."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        await driver.run(self._start)
        return self
