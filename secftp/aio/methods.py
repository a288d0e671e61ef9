"""Coroutine methods made from the methods of the blocking client, which run in the driver."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from secftp.aio import driver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from secftp.api.client import Client

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Method = TypeVar("_Method")
_EXAMPLE = "\n        Example:"


class Wrapper(Protocol):
    """What has a blocking client whose pool waits on an event loop."""

    _client: Client


def coroutine_of(
    method: Callable[Concatenate[Client, _Parameters], _Result],
) -> Callable[Concatenate[Any, _Parameters], Coroutine[Any, Any, _Result]]:
    """Return a method that is a coroutine, with the parameters and the documentation of a method of `Client`."""

    @functools.wraps(method)
    async def call(self: Wrapper, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
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
