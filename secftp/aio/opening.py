"""What is begun by `await` as well as by `async with`: a connection, an open file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import TracebackType


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
