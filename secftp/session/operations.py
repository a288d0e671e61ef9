"""Operations on many files of a server, for the command line and the Python API: list, hash and remove trees.

A tree is listed one directory at a time, depth first; the names that wait for their turn are packed and counted in a
`MemoryBudget`. Hashing and removal send a window of requests before the replies to earlier ones, so that neither the
round trip nor the server's work is waited for while replies are used.

Invariant: nothing is removed whose kind is not the one that was listed.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.errors import FileError
from secftp.protocol import Capability, Error, Kind, Ok, Remove, Sum, exception_for, problem_of
from secftp.session.listings import MemoryBudget, PackedNames, SortedNames
from secftp.session.replies import SingleReply, unexpected_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from secftp.protocol import Algorithm
    from secftp.session.session import Session
    from secftp.storage import Path

WINDOW: Final = 64

_Item = TypeVar("_Item")
_Place = TypeVar("_Place")
_Request: TypeAlias = "Callable[[int], Remove | Sum]"


# --- listing ----------------------------------------------------------------------------------------------------------


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


# --- removal ----------------------------------------------------------------------------------------------------------


def remove_tree(
    session: Session, top: Path, found: Iterable[tuple[Path, Kind]]
) -> Generator[FileError | None, None, None]:
    """Remove the directory `top` and what was `found` below it; yields the failure of each name, None for success.

    `found` has each directory before what is in it, as `list_tree`; one may come twice in a row. A server carries out
    the requests in order. It makes directories writable for this if they are its user's own, but not the one that holds
    `top`. Raises what `found` raises, and what ends the session.
    """
    session.require(Capability.CHANGE)

    def ask(path: Path, kind: Kind) -> _Request:
        return lambda number: Remove(id=number, path=path, kind=kind, tree=path != top)

    for path, reply in _replies(session, ((path, ask(path, kind)) for path, kind in _removal_order(top, found))):
        yield exception_for(reply.code, path, reply.reason) if isinstance(reply, Error) else None


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


# --- checksums --------------------------------------------------------------------------------------------------------


def checksums(
    session: Session, files: Iterable[tuple[_Item, Path]], algorithm: Algorithm
) -> Generator[tuple[_Item, bytes | FileError], None, None]:
    """Yield for each file, in order, the item that came with its path, and its digest or what is wrong with it.

    `files` may use the session itself to find out what comes next. Raises `FileError` if the server computes none, and
    what ends the session.
    """
    session.require(Capability.SUM)

    def ask(path: Path) -> _Request:
        return lambda number: Sum(id=number, path=path, algorithm=algorithm)

    for (item, path), reply in _replies(session, (((item, path), ask(path)) for item, path in files)):
        if isinstance(reply, Error):
            yield item, exception_for(reply.code, path, reply.reason)
        elif reply.digest is not None:
            yield item, reply.digest
        else:
            raise unexpected_reply()


# --- requests ---------------------------------------------------------------------------------------------------------


def _replies(session: Session, requests: Iterable[tuple[_Item, _Request]]) -> Iterator[tuple[_Item, Ok | Error]]:
    """Yield the reply to each request, in order; half of a window is sent at once.

    What makes the requests may raise an exception, with requests under way: see `Pipeline.settle`.
    """
    pipeline = session.pipeline
    waiting: deque[tuple[_Item, SingleReply]] = deque()
    with pipeline.keepalive():
        for item, make in requests:
            reply = SingleReply()
            pipeline.submit(make(pipeline.next_id()), reply)
            waiting.append((item, reply))
            if len(waiting) >= WINDOW:
                yield from _taken(session, waiting, WINDOW // 2)
        yield from _taken(session, waiting, 0)


def _taken(
    session: Session, waiting: deque[tuple[_Item, SingleReply]], left: int
) -> Iterator[tuple[_Item, Ok | Error]]:
    """Replies, waited for until only so many are `left` to come."""
    session.pipeline.flush()
    while len(waiting) > left:
        item, reply = waiting.popleft()
        session.pipeline.wait_for(reply)
        if not isinstance(reply.message, Ok | Error):
            raise unexpected_reply()
        yield item, reply.message
