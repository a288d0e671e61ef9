"""Requests about many names at a server, many of them under way at once: copies, removals, directories.

Each may be repeated after a lost connection. What fails for a name is returned in its place; nothing else is lost.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.api.naming import name_error
from secftp.errors import FileError, NotFound
from secftp.protocol import Kind, MakeDirectory, Ok, Remove
from secftp.session import new_token
from secftp.session.requested import Requested

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secftp.api.pool import Pool
    from secftp.session import Session
    from secftp.storage import Path

# ruff: noqa: FBT001 - the signatures are those of fsspec


_UNDER_WAY: Final = 256  # copies that are requested together


def copy_files(pool: Pool, files: Sequence[tuple[Path, Path]], *, parents: bool) -> list[FileError | None]:
    """Copy files at the server, many requests under way at once; returns for each what failed, None if nothing.

    `parents`: create missing directories above the copies, which is done if copies have failed because of them.
    """
    outcomes = _copy_once(pool, files)
    missing = [number for number, problem in enumerate(outcomes) if isinstance(problem, NotFound) and problem.of_target]
    if not parents or not missing:
        return outcomes
    above = list(dict.fromkeys(files[number][1][:-1] for number in missing))
    refused = dict(zip(above, make_directories(pool, above), strict=True))
    for number, again in zip(missing, _copy_once(pool, [files[number] for number in missing]), strict=True):
        lacks_directory = isinstance(again, NotFound) and again.of_target
        outcomes[number] = (refused[files[number][1][:-1]] or again) if lacks_directory else again
    return outcomes


def _copy_once(pool: Pool, files: Sequence[tuple[Path, Path]]) -> list[FileError | None]:
    tokens = [new_token() for _ in files]

    def copy(session: Session, _again: bool) -> list[FileError | None]:
        return _outcomes(
            session,
            (session.begin_copy(old, new, token=token) for (old, new), token in zip(files, tokens, strict=True)),
        )

    return pool.change(copy, long=True) if files else []


def remove_files(pool: Pool, files: Sequence[Path]) -> list[FileError | None]:
    """Remove files, many requests under way at once; returns for each what failed, None if nothing."""
    tokens = [new_token() for _ in files]

    def remove(session: Session, again: bool) -> list[FileError | None]:
        pipeline = session.pipeline
        requests = (
            Remove(id=pipeline.next_id(), path=path, kind=Kind.FILE, token=token)
            for path, token in zip(files, tokens, strict=True)
        )
        outcomes = _outcomes(session, (Requested(pipeline, request, Ok, request.path) for request in requests))
        # It is gone, which was wanted: a server that was restarted meanwhile does not remember the token.
        return [None if again and isinstance(problem, NotFound) else problem for problem in outcomes]

    return pool.change(remove, long=True) if files else []


def raise_first(outcomes: Iterable[FileError | None], done: str) -> None:
    """Raise the first failure if there is one, with a note of how many more there are."""
    failures = [problem for problem in outcomes if problem is not None]
    if failures:
        if len(failures) > 1:
            failures[0].add_note(f"{len(failures) - 1} more could not be {done}.")
        raise failures[0]


def make_directories(pool: Pool, directories: Sequence[Path]) -> list[FileError | None]:
    """Create directories and those above them; returns for each what failed. One that exists is no failure."""

    def make(session: Session, _again: bool) -> list[FileError | None]:
        pipeline = session.pipeline
        requests = (MakeDirectory(id=pipeline.next_id(), path=path, parents=True) for path in directories)
        return _outcomes(session, (Requested(pipeline, request, Ok, request.path) for request in requests))

    return pool.change(make) if directories else []


def _outcomes(session: Session, requests: Iterator[Requested[Ok]]) -> list[FileError | None]:
    """Make requests and wait for their replies, with a window of them under way."""
    outcomes: list[FileError | None] = []
    waiting: deque[Requested[Ok]] = deque()
    with session.pipeline.keepalive():
        for asked in requests:
            waiting.append(asked)
            if len(waiting) >= min(_UNDER_WAY, session.pipeline.most_unanswered):
                outcomes.append(_outcome(waiting.popleft()))
        outcomes.extend(map(_outcome, waiting))
    return outcomes


def _outcome(asked: Requested[Ok]) -> FileError | None:
    try:
        asked.result()
    except FileError as problem:
        return name_error(problem.with_traceback(None), ())
    return None
