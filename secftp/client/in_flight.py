"""Many requests under way at once, for verbs that do the same to each of many names.

A window of them is on its way while the answers are used, so that neither the line's round trip nor the other side's
work is waited for with nothing to do here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.errors import FileError, ProtocolError
from secftp.messages import Capability, Error, Ok, Remove, Sum, exception_for
from secftp.session import Single

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.messages import Algorithm, Kind
    from secftp.session import Session
    from secftp.url import Path

WINDOW: Final = 64

_Item = TypeVar("_Item")
_Request: TypeAlias = "Callable[[int], Remove | Sum]"


def checksums(
    session: Session, files: Iterable[tuple[_Item, Path]], algorithm: Algorithm
) -> Iterator[tuple[_Item, bytes | FileError]]:
    """For each file, in order: the item that came with its path, and its digest or what is wrong with it.

    `files` may use the session itself to find out what comes next. Raises `FileError` if the server computes none, and
    what ends the session.
    """
    session.require(Capability.SUM)

    def ask(path: Path) -> _Request:
        return lambda number: Sum(id=number, path=path, algorithm=algorithm)

    for (item, path), answer in _answers(session, (((item, path), ask(path)) for item, path in files)):
        if isinstance(answer, Error):
            yield item, exception_for(answer.code, path, answer.reason)
        elif answer.digest is not None:
            yield item, answer.digest
        else:
            raise ProtocolError("The answer does not fit the request.")


def removals(session: Session, top: Path, names: Iterable[tuple[Path, Kind]]) -> Iterator[FileError | None]:
    """Remove what is in the directory `top` and that itself, each only if it is of its kind; as `checksums`.

    Gives for each what is wrong with it. Directories beneath `top`, and it itself, may be ones that their owner may
    not write to; the one around it is not touched.
    """
    session.require(Capability.CHANGE)

    def ask(path: Path, kind: Kind) -> _Request:
        return lambda number: Remove(id=number, path=path, kind=kind, tree=path != top)

    for path, answer in _answers(session, ((path, ask(path, kind)) for path, kind in names)):
        yield exception_for(answer.code, path, answer.reason) if isinstance(answer, Error) else None


def _answers(session: Session, requests: Iterable[tuple[_Item, _Request]]) -> Iterator[tuple[_Item, Ok | Error]]:
    """The answer to each request; half of a window leaves at once."""
    pipeline = session.pipeline
    waiting: deque[tuple[_Item, Single]] = deque()
    with pipeline.alive():
        for item, make in requests:
            answer = Single()
            pipeline.submit(make(pipeline.next_id()), answer)
            waiting.append((item, answer))
            if len(waiting) >= WINDOW:
                yield from _taken(session, waiting, WINDOW // 2)
        yield from _taken(session, waiting, 0)


def _taken(session: Session, waiting: deque[tuple[_Item, Single]], left: int) -> Iterator[tuple[_Item, Ok | Error]]:
    """Answers, waited for until only so many are `left` to come."""
    session.pipeline.flush()
    while len(waiting) > left:
        item, answer = waiting.popleft()
        while not answer.complete:
            session.pipeline.step()
        if not isinstance(answer.message, Ok | Error):
            raise ProtocolError("The answer does not fit the request.")
        yield item, answer.message
