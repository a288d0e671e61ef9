"""Where each source goes at the server, as cp would put it; one round trip finds that out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from secftp.copy.steps import Goal
from secftp.errors import FileError, Forbidden, NameRefused, NotADirectory, NotFound, Side, UsageError
from secftp.messages import Capability, Kind, no_parent, remote_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.copy.options import RemoteLocation
    from secftp.session import Session
    from secftp.storage import Path

_CONTENTS: Final = (b"", b".", b"..")


def goals(session: Session, sources: Sequence[str], target: RemoteLocation) -> tuple[list[Goal], bool]:
    """Where the sources go, in their order, and whether the target is a folder that has to be made first.

    Raises `NotADirectory` and `NotFound` for a target that can't be.
    """
    if not sources:
        raise UsageError("There is nothing to be put.")
    kind = _kind(session, target)
    needs_folder = target.trailing_slash or len(sources) > 1
    if kind is Kind.FILE and needs_folder:
        raise remote_failure(NotADirectory, target.path, "it is not a folder.", hint="Name a folder as the target.")
    if kind is None and len(sources) > 1 and not target.trailing_slash:
        raise remote_failure(
            NotFound, target.path, "there is no such folder at the server.", hint="With a slash at its end it is made."
        )
    if kind is None and not needs_folder:
        _require_parent(session, target.path)
    is_folder = kind is Kind.DIRECTORY or needs_folder
    found = []
    for source in sources:
        name = _name(source)
        if not name:
            found.append(Goal(source, target.path, name, makes_top=not is_folder))
        elif is_folder:
            found.append(Goal(source, (*target.path, name), name))
        elif kind is Kind.FILE and os.path.isdir(source):
            raise remote_failure(
                NotADirectory, target.path, "it is a file, and can't become a folder.", hint="Choose another name."
            )
        else:
            found.append(Goal(source, target.path, name))
    return found, kind is None and needs_folder


def _name(source: str) -> bytes:
    """The last name of a source, empty for one that stands for what is in it."""
    try:
        name = os.path.basename(os.fsencode(source).rstrip(b"/"))
    except UnicodeEncodeError:
        raise NameRefused("A name holds a character that can't be encoded.", filename=source, side=Side.LOCAL) from None
    return b"" if name in _CONTENTS else name


def _require_parent(session: Session, path: Path) -> None:
    """Raise `NotFound` if the directory that a name is to be made in is missing, as far as the server tells."""
    if len(path) < 2 or not session.can(Capability.STAT):  # noqa: PLR2004 - the served directory is always there
        return
    try:
        session.stat(path[:-1])
    except NotFound:
        raise no_parent(path) from None
    except Forbidden:
        return


def _kind(session: Session, target: RemoteLocation) -> Kind | None:
    """What stands at the target; None for nothing, and where the server does not tell."""
    if not target.path:
        return Kind.DIRECTORY
    if not session.can(Capability.STAT):
        return None
    try:
        return session.stat(target.path).kind
    except NotFound:
        return None
    except Forbidden:
        return Kind.DIRECTORY if target.trailing_slash else None
    except FileError as problem:
        raise problem from None
