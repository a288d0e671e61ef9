"""What a program awaits, enters and iterates, made from methods of the blocking client, which run in the driver."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, AnyStr, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar

from secftp.aio import driver
from secftp.api.entries import RemoteEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator
    from types import TracebackType

    from secftp.api.client import Client

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Method = TypeVar("_Method")
_Item = TypeVar("_Item")
_END: Final[Any] = object()
_EXAMPLE: Final = "\n        Example:"


# --- coroutines -------------------------------------------------------------------------------------------------------


class Wrapper(Protocol):
    """What has a blocking client whose pool waits on an event loop."""

    _client: Client


def coroutine_of(
    method: Callable[Concatenate[Client, _Parameters], _Result],
) -> Callable[Concatenate[Any, _Parameters], Coroutine[Any, Any, _Result]]:
    """Return a method that is a coroutine, with the parameters and the documentation of a method of `Client`."""

    @functools.wraps(method)
    async def call(self: Wrapper, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        for name, value in kwargs.items():
            if name.startswith("on") and inspect.iscoroutinefunction(value):
                raise TypeError(f"{name} must be a function, not a coroutine function: it is called and not awaited")
        return await driver.run(method, self._client, *args, **kwargs)

    call.__doc__ = documentation(method)
    return call


def documented_as(method: Callable[..., object]) -> Callable[[_Method], _Method]:
    """Return a decorator that gives a method the documentation of a method of `Client`."""

    def decorate(documented: _Method) -> _Method:
        documented.__doc__ = documentation(method)
        return documented

    return decorate


def documentation(method: Callable[..., object]) -> str:
    """Return the documentation of a method of `Client`, without the example, which does not await."""
    return (method.__doc__ or "").partition(_EXAMPLE)[0].rstrip()


# --- opening ----------------------------------------------------------------------------------------------------------


class Closing(Protocol):
    """What `async with` closes."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


_Opened = TypeVar("_Opened", bound=Closing)


class Opening(Generic[_Opened]):
    """Something to be opened: `await` opens it and returns it, `async with` also closes it at its end.

    Nothing is done before that. Each `await` opens another one.
    """

    __slots__ = ("_begin", "_opened")

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, _Opened]]) -> None:
        self._begin = begin
        self._opened: _Opened | None = None

    def __await__(self) -> Generator[Any, Any, _Opened]:
        return self._begin().__await__()

    async def __aenter__(self) -> _Opened:
        self._opened = await self._begin()
        return await self._opened.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(kind, value, trace)


# --- iterators --------------------------------------------------------------------------------------------------------


class AsyncIteration(Generic[_Item]):
    """An asynchronous iterator. `begin` returns the iterator that it goes on with; it is called for the first item.

    `aclose` ends it early, which cancels what was requested; `contextlib.aclosing` and `async with` do so, too.
    """

    def __init__(self, begin: Callable[[], Iterator[_Item]]) -> None:
        self._begin: Callable[[], Iterator[_Item]] | None = begin
        self._iterator: Iterator[_Item] | None = None
        self._pace = driver.Pace()

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
