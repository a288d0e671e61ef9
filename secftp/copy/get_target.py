"""Where each source of the server's goes on this machine, as cp would put it; one round trip finds that out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileError, NotADirectory, NotFound, Reason, UsageError
from secftp.messages import Capability, Error, Info, Kind, Stat, exception_for, remote_failure
from secftp.session.replies import SingleReply
from secftp.storage import make_local_directory, stat_local
from secftp.storage.errors import failure, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.copy.options import RemoteLocation
    from secftp.session import Session
    from secftp.storage import Path


class Found(NamedTuple):
    """A source and what it is; `info` is None, and `problem` says why, if it can't be copied."""

    remote: Path
    info: Info | None
    problem: FileError | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.info is not None and self.info.kind is Kind.DIRECTORY


class Target(NamedTuple):
    """`is_folder`: the sources go into it, or it becomes the one folder that is the source; else it becomes a file.

    `is_there`: whether it was there before. `takes_names`: whether the sources keep their names in it.
    """

    name: str
    is_folder: bool
    is_there: bool
    takes_names: bool


def look_at_sources(session: Session, sources: Sequence[RemoteLocation]) -> list[Found]:
    """What the sources are."""
    if not sources:
        raise UsageError("There is nothing to be fetched.")
    session.require(Capability.STAT, sources[0].path)
    answers = []
    for source in sources:
        answer = SingleReply()
        answers.append(answer)
        session.pipeline.submit(Stat(id=session.pipeline.next_id(), path=source.path), answer)
    session.pipeline.settle()
    return [_found(source, answer) for source, answer in zip(sources, answers, strict=True)]


def _found(source: RemoteLocation, answer: SingleReply) -> Found:
    if isinstance(answer.message, Error):
        return Found(source.path, None, exception_for(answer.message.code, source.path, answer.message.reason))
    assert isinstance(answer.message, Info)  # nothing else answers STAT
    if source.trailing_slash and answer.message.kind is not Kind.DIRECTORY:
        return Found(source.path, None, remote_failure(NotADirectory, source.path, "it is not a folder."))
    return Found(source.path, answer.message)


def look_at_target(name: str, sources: Sequence[Found]) -> Target:
    """How the target is to be used. Raises `NotADirectory` and `NotFound` if it can't be."""
    kind = _kind(name)
    several, as_folder = len(sources) > 1, name.endswith("/")
    if kind is Kind.DIRECTORY:
        return Target(name, is_folder=True, is_there=True, takes_names=True)
    if kind is None and several and not as_folder:
        raise failure(NotFound, "No such folder", name, hint="With a slash at its end it is made.")
    if kind is not None and (several or as_folder or sources[0].is_folder):
        raise failure(NotADirectory, "It is not a folder", name, hint="Name a folder as the target.")
    if kind is None and not as_folder:
        _require_parent(name)
    takes_names = several or as_folder
    return Target(
        name, is_folder=takes_names or sources[0].is_folder, is_there=kind is not None, takes_names=takes_names
    )


def _require_parent(name: str) -> None:
    """Raise `NotFound` if the directory that a name is to be made in is missing."""
    above = os.path.dirname(name)
    if above and not os.path.isdir(above):
        raise failure(NotFound, "No such folder", above, reason=Reason.NO_PARENT)


def make_target(name: str, mode: int | None) -> None:
    """Make the target folder, and, if it is meant to take in what is fetched, those above it that are missing."""
    above = os.path.dirname(name.rstrip("/"))
    if above:
        with translated(above):
            os.makedirs(above, exist_ok=True)
    make_local_directory(name, mode=mode)


def _kind(name: str) -> Kind | None:
    """What stands at `name`; None for nothing, a file for a device, and for what only opening it will tell."""
    try:
        return stat_local(name.rstrip("/") or name).kind
    except NotFound:
        return None
    except NotADirectory:
        raise
    except FileError:
        return Kind.FILE
