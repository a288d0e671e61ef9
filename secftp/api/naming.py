"""File names of errors: the paths that a program gave, in place of those that were sent to the server.

`os.stat("notes")` raises an error whose `filename` is `"notes"`, and so does `Client.stat`, whatever directory the path
is relative to. A file that was not named, but is below one that was, has the path of that one joined with the rest. Any
other has a path that begins with a slash. So the name of every file at the server is a path that `Client` takes.

Names of local files stay as they are.
"""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from secftp.api.arguments import directory_path, encode_path, join_names, path_text
from secftp.errors import FileError, NameRefused, Side
from secftp.text import path_text as wire_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from secftp.api.arguments import RemotePath
    from secftp.storage import Path

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Place(NamedTuple):
    """A path as a program gave it, and what it means; None if it means nothing."""

    given: str | bytes
    path: Path | None


def place(given: RemotePath, base: Path) -> Place:
    """Return what a program gave, and what it means for a client of the directory `base`."""
    try:
        return Place(path_text(given), directory_path(given, base))
    except NameRefused:
        return Place(path_text(given), None)


def name_error(error: FileError, places: Iterable[Place]) -> FileError:
    """Set the `filename` of an error to the path that a program gave, and return the error. Idempotent."""
    if error.is_named or error.side is Side.LOCAL:
        return error
    error.is_named = True
    named = list(places)
    if error.filename is None:
        error.filename = named[0].given if len(named) == 1 else None
        return error
    wire = wire_text(encode_path(error.filename).strip(b"/")).lstrip("/")
    error.filename = next((found for place in named if (found := _below(place, wire)) is not None), f"/{wire}")
    return error


def _below(place: Place, wire: str) -> str | bytes | None:
    """Return the path that was given, joined with what is below it; None if the file is neither it nor below it."""
    if place.path is None:
        return None
    top = wire_text(place.path).lstrip("/")
    if wire == top:
        return place.given or None
    if top and not wire.startswith(f"{top}/"):
        return None
    rest = wire[len(top) :].lstrip("/")
    if isinstance(place.given, bytes):
        return join_names(place.given, encode_path(rest))
    return join_names(place.given, rest)


class named_as:  # noqa: N801 - used like a function
    """A block whose errors name the files as they were given."""

    __slots__ = ("_places",)

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = places

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, FileError):
            name_error(error, self._places)


def names_files(*parameters: str) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Return a decorator for methods of `Client`: the errors that they raise name the files as those parameters do.

    With two parameters the second is the `filename2`, as for `os.rename`.
    """

    def decorate(method: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        @functools.wraps(method)
        def named(*arguments: _Parameters.args, **keywords: _Parameters.kwargs) -> _Result:
            try:
                return method(*arguments, **keywords)
            except FileError as error:
                if not error.is_named and error.side is not Side.LOCAL:
                    _name_as_given(error, inspect.signature(method).bind(*arguments, **keywords), parameters)
                raise

        return named

    return decorate


def _name_as_given(error: FileError, call: inspect.BoundArguments, parameters: tuple[str, ...]) -> None:
    call.apply_defaults()
    base: Path = call.arguments["self"]._base  # noqa: SLF001 (of the client whose method this is)
    values = [call.arguments[parameter] for parameter in parameters]
    if len(values) > 1:
        error.filename, error.filename2 = map(path_text, values)
        error.is_named = True
        return
    given = values[0] if not isinstance(values[0], str | bytes | os.PathLike) else values
    name_error(error, [place(value, base) for value in given])
