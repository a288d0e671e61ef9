"""Operations on many files of a server, for the command line and the Python API: list, hash and remove trees.

A tree is listed one directory at a time, depth first, and the next ones are requested ahead; the names that wait for
their turn are packed and counted in a `MemoryBudget`. Hashing and removal send a window of requests before the replies
to earlier ones, so that neither the round trip nor the server's work is waited for while replies are used.

Invariant: nothing is removed whose kind is not the one that was listed.
"""

from __future__ import annotations

import contextlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.errors import FileError
from secftp.protocol import OTHER_KINDS, Capability, Error, Kind, Ok, Remove, Sum, exception_for, problem_of
from secftp.session.list_ahead import ListingsAhead, depth_first
from secftp.session.listings import MemoryBudget, PackedNames, SortedNames
from secftp.session.replies import SingleReply, unexpected_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from secftp.protocol import Algorithm
    from secftp.session.requested import RequestedListing
    from secftp.session.session import Session
    from secftp.storage import Path

WINDOW: Final = 1024  # requests under way, where the server allows as many

_Item = TypeVar("_Item")
_Request: TypeAlias = "Callable[[int], Remove | Sum]"


# --- listing ----------------------------------------------------------------------------------------------------------


def list_tree(
    session: Session,
    top: Path,
    failed: Callable[[FileError], None],
    *,
    ordered: bool = False,
    listing: RequestedListing | None = None,
    others: Callable[[Path, Kind], None] | None = None,
) -> Iterator[tuple[Path, Kind]]:
    """Yield the path and the kind of everything below a directory; a directory comes before what is in it.

    The files of a directory come first, then its subdirectories; with `ordered` both sorted by name. `failed` is called
    with whatever can't be listed, with `TooLarge` if the names do not fit into memory. `listing` is that of `top`, if
    it was requested already.

    `others` is called for each symlink and each special file, which are yielded with the files then. A server that does
    not know of this lists none.
    """
    ahead = ListingsAhead(session.pipeline, others=others is not None)
    if listing is not None:
        ahead.adopt(listing)
    enter = partial(_list_directory, ahead, failed, MemoryBudget(), top, ordered=ordered, others=others)
    with contextlib.closing(ahead):
        yield from depth_first(top, enter, ahead)


def _list_directory(
    ahead: ListingsAhead,
    failed: Callable[[FileError], None],
    budget: MemoryBudget,
    top: Path,
    path: Path,
    *,
    ordered: bool,
    others: Callable[[Path, Kind], None] | None,
) -> Generator[tuple[Path, Kind], None, Iterator[Path]]:
    if path != top:
        yield path, Kind.DIRECTORY
    kind: type[PackedNames | SortedNames] = SortedNames if ordered else PackedNames
    found = {each: kind(budget) for each in Kind}
    try:
        for entry in ahead.take(path):
            if (problem := problem_of(entry, (*path, *entry.path))) is not None:
                failed(problem)
            else:
                assert entry.kind is not None  # it is known what it is
                if others is not None and entry.kind in OTHER_KINDS:
                    others((*path, entry.path[0]), entry.kind)
                found[entry.kind].add(entry.path[0])
    except FileError as problem:
        failed(problem)
    directories = found.pop(Kind.DIRECTORY)
    if isinstance(directories, SortedNames):
        directories.sort()  # which packs them for the time that they wait
    for what, names in found.items():
        for name in _names(names):
            yield (*path, name), what
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

    def ask(path: Path, kind: Kind) -> _Request:
        return lambda number: Remove(id=number, path=path, kind=kind, tree=path != top)

    requests = ((path, ask(path, kind)) for path, kind in _removal_order(top, found))
    for path, reply in _replies(session, requests, Capability.CHANGE):
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

    def ask(path: Path) -> _Request:
        return lambda number: Sum(id=number, path=path, algorithm=algorithm)

    requests = (((item, path), ask(path)) for item, path in files)
    for (item, path), reply in _replies(session, requests, Capability.SUM):
        if isinstance(reply, Error):
            yield item, exception_for(reply.code, path, reply.reason)
        elif reply.digest is not None:
            yield item, reply.digest
        else:
            raise unexpected_reply()


# --- requests ---------------------------------------------------------------------------------------------------------


def _replies(
    session: Session, requests: Iterable[tuple[_Item, _Request]], capability: Capability
) -> Iterator[tuple[_Item, Ok | Error]]:
    """Yield the reply to each request, in order, with as many under way as the server allows.

    Raises `FileError` if the server lacks the capability that they need, which it tells before the first reply. What
    makes the requests may raise an exception, with requests under way: see `Pipeline.settle`.
    """
    pipeline = session.pipeline
    waiting: deque[tuple[_Item, SingleReply]] = deque()

    def next_reply() -> tuple[_Item, Ok | Error]:
        item, reply = waiting.popleft()
        session.require(capability)
        pipeline.wait_for(reply)
        if not isinstance(reply.message, Ok | Error):
            raise unexpected_reply()
        return item, reply.message

    with pipeline.keepalive():
        for item, make in requests:
            if session.welcome is not None:
                session.require(capability)
            reply = SingleReply()
            pipeline.submit(make(pipeline.next_id()), reply)
            waiting.append((item, reply))
            while waiting and (waiting[0][1].complete or len(waiting) >= min(WINDOW, pipeline.most_unanswered)):
                yield next_reply()
        while waiting:
            yield next_reply()
