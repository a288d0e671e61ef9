"""Batches of requests: the same request for each of many names, a window of them under way at once.

Neither the round trip nor the server's work is waited for while replies are used. A `FileError` of what makes the
requests leaves the session in order: all replies are taken in before it is raised.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.errors import FileError, ProtocolError
from secftp.messages import Capability, Error, Ok, Remove, Sum, exception_for
from secftp.session.replies import SingleReply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from secftp.messages import Algorithm, Kind
    from secftp.session.session import Session
    from secftp.storage import Path

WINDOW: Final = 64

_Item = TypeVar("_Item")
_Request: TypeAlias = "Callable[[int], Remove | Sum]"


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
            raise ProtocolError("The answer does not fit the request.")


def removals(
    session: Session, top: Path, names: Iterable[tuple[Path, Kind]]
) -> Generator[FileError | None, None, None]:
    """Remove each name, in order, if it is of its kind. Yields for each what is wrong with it.

    The names are the directory `top` and what is in it: these may be directories that their owner may not write to; the
    one around `top` is not touched. Raises as `checksums`.
    """
    session.require(Capability.CHANGE)

    def ask(path: Path, kind: Kind) -> _Request:
        return lambda number: Remove(id=number, path=path, kind=kind, tree=path != top)

    for path, reply in _replies(session, ((path, ask(path, kind)) for path, kind in names)):
        yield exception_for(reply.code, path, reply.reason) if isinstance(reply, Error) else None


def _replies(session: Session, requests: Iterable[tuple[_Item, _Request]]) -> Iterator[tuple[_Item, Ok | Error]]:
    """The reply to each request; half of a window leaves at once."""
    pipeline = session.pipeline
    waiting: deque[tuple[_Item, SingleReply]] = deque()
    with pipeline.keepalive():
        try:
            for item, make in requests:
                reply = SingleReply()
                pipeline.submit(make(pipeline.next_id()), reply)
                waiting.append((item, reply))
                if len(waiting) >= WINDOW:
                    yield from _taken(session, waiting, WINDOW // 2)
        except FileError:
            pipeline.settle()
            raise
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
            raise ProtocolError("The answer does not fit the request.")
        yield item, reply.message
