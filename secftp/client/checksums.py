"""Checksums that the server computes, many asked for at once.

A window of requests is on its way while the answers are used, so that neither the line's round trip nor the other
side's work is waited for with nothing to do here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.client.remote import shown
from secftp.errors import FileError, ProtocolError
from secftp.messages import Error, Ok, Sum, exception_for
from secftp.messages.schema import CAPABILITY_SUM
from secftp.session import Single

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.messages import Algorithm
    from secftp.places import Path
    from secftp.session import Session

WINDOW: Final = 64

_Item = TypeVar("_Item")
Outcome: TypeAlias = bytes | FileError


def checksums(
    session: Session, files: Iterable[tuple[_Item, Path]], algorithm: Algorithm
) -> Iterator[tuple[_Item, Outcome]]:
    """For each file, in order: the item that came with its path, and its digest or what is wrong with it.

    `files` may use the session itself to find out what comes next. Raises `FileError` if the server computes none, and
    what ends the session.
    """
    session.require(CAPABILITY_SUM)
    pipeline = session.pipeline
    waiting: deque[tuple[_Item, Path, Single]] = deque()
    with pipeline.alive():
        for item, path in files:
            answer = Single()
            pipeline.submit(Sum(id=pipeline.next_id(), path=path, algorithm=algorithm), answer)
            waiting.append((item, path, answer))
            if len(waiting) >= WINDOW:
                yield from _taken(session, waiting, WINDOW // 2)
        yield from _taken(session, waiting, 0)


def _taken(session: Session, waiting: deque[tuple[_Item, Path, Single]], left: int) -> Iterator[tuple[_Item, Outcome]]:
    """Answers, waited for until only so many are `left` to come."""
    session.pipeline.flush()
    while len(waiting) > left:
        item, path, answer = waiting.popleft()
        while not answer.complete:
            session.pipeline.step()
        message = answer.message
        if isinstance(message, Error):
            yield item, exception_for(message.code, shown(path))
        elif isinstance(message, Ok) and message.digest is not None:
            yield item, message.digest
        else:
            raise ProtocolError("The answer does not fit the request.")
