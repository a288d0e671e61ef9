"""`AsyncClient.put` and `get`: the copies of the blocking client, whose connection and files wait on the event loop.

A copy uses one connection: streams of one file are for threads. Callbacks are called by the task that awaits the copy,
on the thread of the loop.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from secftp.aio.methods import coroutine_of
from secftp.api.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_CALLBACKS: Final = ("on_progress", "on_error", "on_skip")


def _copying(
    method: Callable[Concatenate[Client, _Parameters], _Result],
) -> Callable[Concatenate[Any, _Parameters], Coroutine[Any, Any, _Result]]:
    """Return a copy of the blocking client as a coroutine; raises TypeError for callbacks that are coroutines."""
    copy = coroutine_of(method)

    @functools.wraps(method)
    async def call(self: Any, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        for name in _CALLBACKS:
            if inspect.iscoroutinefunction(kwargs.get(name)):
                raise TypeError(f"{name} must be a function, not a coroutine function: it is called and not awaited")
        return await copy(self, *args, **kwargs)

    return call


class CopyOperations:
    """The part of `AsyncClient` that copies files and directories."""

    put = _copying(Client.put)
    get = _copying(Client.get)
    copytree = _copying(Client.copytree)
