"""Operations on directory trees of a server, for the command line and the Python API.

A tree is listed one directory at a time, depth first; the names that wait for their turn are packed and counted in a
`MemoryBudget`. Invariant: nothing is removed whose kind is not the one that was listed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from secftp.errors import FileError
from secftp.messages import Kind, problem_of
from secftp.session.batch import removals
from secftp.session.listings import MemoryBudget, PackedNames, SortedNames

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from secftp.session.session import Session
    from secftp.storage import Path

_Item = TypeVar("_Item")
_Place = TypeVar("_Place")


# --- trees ------------------------------------------------------------------------------------------------------------


def depth_first(top: _Place, enter: Callable[[_Place], Generator[_Item, None, Iterator[_Place]]]) -> Iterator[_Item]:
    """Yield what `enter` yields for `top` and for each place below it.

    `enter` returns the places directly below the one that it was called with.
    """
    pending = [(yield from enter(top))]
    while pending:
        place = next(pending[-1], None)
        if place is None:
            pending.pop()
        else:
            pending.append((yield from enter(place)))


def list_tree(
    session: Session, top: Path, failed: Callable[[FileError], None], *, ordered: bool = False
) -> Iterator[tuple[Path, Kind]]:
    """Yield the path and the kind of everything below a directory; a directory comes before what is in it.

    The files of a directory come first, then its subdirectories; with `ordered` both sorted by name. `failed` is called
    with whatever can't be listed, with `TooLarge` if the names do not fit into memory.
    """
    return depth_first(top, partial(_list_directory, session, failed, MemoryBudget(), top, ordered=ordered))


def _list_directory(
    session: Session, failed: Callable[[FileError], None], budget: MemoryBudget, top: Path, path: Path, *, ordered: bool
) -> Generator[tuple[Path, Kind], None, Iterator[Path]]:
    if path != top:
        yield path, Kind.DIRECTORY
    kind: type[PackedNames | SortedNames] = SortedNames if ordered else PackedNames
    files, directories = kind(budget), kind(budget)
    try:
        for entry in session.list(path):
            if (problem := problem_of(entry, (*path, *entry.path))) is not None:
                failed(problem)
            else:
                (directories if entry.kind is Kind.DIRECTORY else files).add(entry.path[0])
    except FileError as problem:
        failed(problem)
    if isinstance(directories, SortedNames):
        directories.sort()  # which packs them for the time that they wait
    for name in _names(files):
        yield (*path, name), Kind.FILE
    return ((*path, name) for name in _names(directories))


def _names(kept: PackedNames | SortedNames) -> Iterator[bytes]:
    return (name for name, _ in kept) if isinstance(kept, SortedNames) else iter(kept)


def remove_tree(
    session: Session, top: Path, found: Iterable[tuple[Path, Kind]]
) -> Generator[FileError | None, None, None]:
    """Remove the directory `top` and what was `found` below it; yields the failure of each name, None for success.

    `found` has each directory before what is in it, as `list_tree`; one may come twice in a row. Requests leave before
    the replies to earlier ones, since a server carries them out in order. Raises what ends the session.
    """
    return removals(session, top, _removal_order(top, found))


def _removal_order(top: Path, found: Iterable[tuple[Path, Kind]]) -> Iterator[tuple[Path, Kind]]:
    """Yield what was found and `top`, each directory after what is in it."""
    inside = [top]
    for path, kind in found:
        while inside[-1] != path[: len(inside[-1])]:
            yield inside.pop(), Kind.DIRECTORY
        if kind is not Kind.DIRECTORY:
            yield path, kind
        elif path != inside[-1]:
            inside.append(path)
    while inside:
        yield inside.pop(), Kind.DIRECTORY
