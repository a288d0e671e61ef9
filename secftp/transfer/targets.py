"""Where each source of a copy goes, by the rules of `cp`; finding that out takes one round trip.

Into the target if that is a directory, else to that name. With a trailing slash the target has to be a directory, and
is created if it is missing; several sources need one. A source that stands for its contents (the served directory, a
local name that ends in `.` or `..`) is copied without its name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import (
    AlreadyExists,
    FileError,
    Forbidden,
    IsADirectory,
    NameRefused,
    NotADirectory,
    NotFound,
    Reason,
    Side,
    UsageError,
)
from secftp.protocol import Capability, Info, Kind, Right, no_parent, remote_failure
from secftp.protocol.errors import MISSING_RIGHT
from secftp.storage import make_local_directory, stat_local
from secftp.storage.errors import failure, translated
from secftp.transfer.local_tree import SourceRoot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.session import Session
    from secftp.session.requested import Requested
    from secftp.storage import Path
    from secftp.transfer.options import RemoteLocation

_CONTENTS: Final = (b"", b".", b"..")
_NAME_A_DIRECTORY: Final = "Name a directory as the target."
_LEAVE_OUT: Final = "Without -T it is copied into the directory."
_IN_THE_WAY: Final = "it is a directory, so a file can't get its name."
_FILE_WITH_A_SLASH: Final = "a file can't get a name with a slash at its end."
ADD_A_SLASH: Final = "With a trailing slash it is created."


def require_right(session: Session, right: Right, path: Path) -> None:
    """Raise `Forbidden` if the server said that this session lacks a right; for a dry run, which tries nothing."""
    if not session.may(right):
        raise remote_failure(
            Forbidden,
            path,
            f"this session is not allowed to {right}.",
            hint="The server's operator grants rights to keys.",
            reason=MISSING_RIGHT[right],
        )


# --- uploads ----------------------------------------------------------------------------------------------------------


def upload_roots(
    session: Session, sources: Sequence[str], target: RemoteLocation, *, is_exact: bool = False
) -> tuple[list[SourceRoot], bool]:
    """Return the sources with their paths at the server, and whether the target directory has to be created first.

    `is_exact`: the one source gets the name of the target. Raises `NotADirectory`, `IsADirectory` and `NotFound` for a
    target that can't be used.
    """
    if not sources:
        raise UsageError("There is nothing to upload.")
    if is_exact:
        return _exact_root(session, sources, target), False
    needs_directory = target.trailing_slash or len(sources) > 1
    # Asked together, although the second question matters only if there is nothing: a round trip costs more.
    has_parent = len(target.path) > 1 and not needs_directory and session.can(Capability.STAT)
    kind, parent = _ask_kinds(session, target, target.path[:-1] if has_parent else None)
    if kind is Kind.FILE and needs_directory:
        raise remote_failure(NotADirectory, target.path, "it is not a directory.", hint=_NAME_A_DIRECTORY)
    if kind is None and len(sources) > 1 and not target.trailing_slash:
        raise remote_failure(
            NotFound,
            target.path,
            "no such directory on the server.",
            hint=ADD_A_SLASH,
        )
    if kind is None and isinstance(parent, NotFound):
        raise no_parent(target.path) from None
    is_directory = kind is Kind.DIRECTORY or needs_directory
    roots = []
    for source in sources:
        name = last_name(source)
        if kind is Kind.FILE and name and session.pipeline.waits.call(os.path.isdir, source):
            raise remote_failure(
                NotADirectory,
                target.path,
                "it is a file, so a directory can't be copied to it.",
                hint="Choose another name.",
            )
        path = (*target.path, name) if name and is_directory else target.path
        roots.append(SourceRoot(source, path, name, copies_top=bool(name) or not is_directory))
    return roots, kind is None and needs_directory


def _exact_root(session: Session, sources: Sequence[str], target: RemoteLocation) -> list[SourceRoot]:
    """Return the one source with the target as its path."""
    require_one(sources)
    (source,) = sources
    name = last_name(source)
    kind, parent = _ask_kinds(session, target, target.path[:-1] if len(target.path) > 1 else None)
    if kind is None and isinstance(parent, NotFound):
        raise no_parent(target.path) from None
    is_directory = session.pipeline.waits.call(os.path.isdir, source)
    if is_directory and kind is Kind.FILE:
        raise remote_failure(
            NotADirectory, target.path, "it is a file, so a directory can't get its name.", hint="Choose another name."
        )
    if not is_directory and kind is Kind.DIRECTORY:
        raise remote_failure(IsADirectory, target.path, _IN_THE_WAY, hint=_LEAVE_OUT)
    if not is_directory and target.trailing_slash:
        raise remote_failure(NotADirectory, target.path, _FILE_WITH_A_SLASH, hint=_LEAVE_OUT)
    return [SourceRoot(source, target.path, name, copies_top=bool(target.path))]


def require_one(sources: Sequence[object]) -> None:
    """Raise `UsageError` unless there is one source, for a copy whose target is exactly the name of it."""
    if len(sources) > 1:
        raise UsageError("With -T there is one source, which gets the name of the target.", hint=_LEAVE_OUT)


def last_name(source: str) -> bytes:
    """Return the last name of a source, empty for one that stands for its contents."""
    try:
        name = os.path.basename(os.fsencode(source).rstrip(b"/"))
    except UnicodeEncodeError:
        raise NameRefused(
            "A name contains a character that can't be encoded.", filename=source, side=Side.LOCAL
        ) from None
    return b"" if name in _CONTENTS else name


def _ask_kinds(session: Session, target: RemoteLocation, parent: Path | None) -> tuple[Kind | None, FileError | None]:
    """Return what stands at the target, and why its parent directory can't be looked at, if that is to be asked.

    The kind is None for nothing, and where the server does not tell.
    """
    if not target.path:
        return Kind.DIRECTORY, None
    if not session.can(Capability.STAT):
        return None, None
    asked = session.begin_stat(target.path)
    asked_parent = None if parent is None else session.begin_stat(parent)
    kind: Kind | None = None
    try:
        kind = asked.result().kind
    except NotFound:
        pass
    except Forbidden:
        kind = Kind.DIRECTORY if target.trailing_slash else None
    if kind is not None or asked_parent is None:
        return kind, None  # a reply that comes later is of no use
    try:
        asked_parent.result()
    except (NotFound, Forbidden) as problem:
        return kind, problem
    return kind, None


def target_missing() -> UsageError:
    """Return the failure of a shard of a directory whose target is a name that does not exist.

    The first shard would create that for what is in the directory, and the next one would copy into it, by its name.
    """
    return UsageError(
        "A shard of a directory needs a target that exists, or one that is the same for every shard.",
        hint="Add a slash to the target, which is then created, or use -T to give the directory its name.",
    )


# --- downloads --------------------------------------------------------------------------------------------------------


class RemoteSource(NamedTuple):
    """A source at the server and what it is; `info` is None, and `problem` says why, if it can't be copied."""

    path: Path
    info: Info | None
    problem: FileError | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.info is not None and self.info.kind is Kind.DIRECTORY


class DownloadTarget(NamedTuple):
    """The target of a download: a directory that takes the sources (or becomes the one source), or a file's name.

    `existed`: it was there before. `takes_names`: the sources keep their names in it. `is_exact`: the one source gets
    this name, with its attributes, whatever is there.
    """

    name: str
    is_directory: bool
    existed: bool
    takes_names: bool
    is_exact: bool = False


def ask_sources(session: Session, sources: Sequence[RemoteLocation]) -> list[Requested[Info]]:
    """Ask the server what the sources are; may be called before WELCOME."""
    if not sources:
        raise UsageError("There is nothing to download.")
    return [session.begin_stat(source.path) for source in sources]


def stat_sources(
    session: Session, sources: Sequence[RemoteLocation], asked: Sequence[Requested[Info]]
) -> list[RemoteSource]:
    """Return what the sources are, from the replies to `ask_sources`. Raises `FileError` if the server does not say."""
    session.require(Capability.STAT, sources[0].path)
    return [_remote_source(source, answer) for source, answer in zip(sources, asked, strict=True)]


def _remote_source(source: RemoteLocation, answer: Requested[Info]) -> RemoteSource:
    try:
        info = answer.result()
    except FileError as problem:
        return RemoteSource(source.path, None, problem)
    if source.trailing_slash and info.kind is not Kind.DIRECTORY:
        return RemoteSource(source.path, None, remote_failure(NotADirectory, source.path, "it is not a directory."))
    return RemoteSource(source.path, info)


def download_target(name: str, sources: Sequence[RemoteSource], *, is_exact: bool = False) -> DownloadTarget:
    """Decide how the target is to be used. Raises `NotADirectory`, `IsADirectory` and `NotFound` if it can't be.

    `is_exact`: the one source gets its name.
    """
    kind = _local_kind(name)
    if is_exact:
        require_one(sources)
        return _exact_target(name, kind, is_directory=sources[0].is_directory)
    several, as_directory = len(sources) > 1, name.endswith("/")
    if kind is Kind.DIRECTORY:
        return DownloadTarget(name, is_directory=True, existed=True, takes_names=True)
    if kind is None and several and not as_directory:
        raise failure(NotFound, "No such directory", name, hint=ADD_A_SLASH)
    if kind is not None and (several or as_directory or sources[0].is_directory):
        raise failure(NotADirectory, "Not a directory", name, hint=_NAME_A_DIRECTORY)
    parent = os.path.dirname(name)
    if kind is None and not as_directory and parent and not os.path.isdir(parent):
        raise failure(NotFound, "No such directory", parent, reason=Reason.NO_PARENT)
    takes_names = several or as_directory
    return DownloadTarget(
        name, is_directory=takes_names or sources[0].is_directory, existed=kind is not None, takes_names=takes_names
    )


def _exact_target(name: str, kind: Kind | None, *, is_directory: bool) -> DownloadTarget:
    if is_directory and kind is Kind.FILE:
        raise failure(NotADirectory, "Not a directory", name, hint="Choose another name.")
    if not is_directory and kind is Kind.DIRECTORY:
        raise failure(IsADirectory, "Is a directory", name, hint=_LEAVE_OUT)
    if not is_directory and name.endswith("/"):
        raise failure(NotADirectory, "Not a directory", name, hint=_LEAVE_OUT)
    parent = os.path.dirname(name.rstrip("/"))
    if kind is None and parent and not os.path.isdir(parent):
        raise failure(NotFound, "No such directory", parent, reason=Reason.NO_PARENT)
    return DownloadTarget(name, is_directory, existed=kind is not None, takes_names=False, is_exact=True)


def create_target(name: str, mode: int | None) -> None:
    """Create the target directory, and those above it that are missing."""
    parent = os.path.dirname(name.rstrip("/"))
    if parent:
        with translated(parent):
            os.makedirs(parent, exist_ok=True)
    try:
        make_local_directory(name, mode=mode)
    except AlreadyExists:
        if not os.path.isdir(name):  # another copy into it, of another shard, has begun at the same time
            raise


def _local_kind(name: str) -> Kind | None:
    """Return what stands at `name`; None for nothing, FILE for a device, and for what only opening it will tell."""
    try:
        return stat_local(name.rstrip("/") or name).kind
    except NotFound:
        return None
    except NotADirectory:
        raise
    except FileError:
        return Kind.FILE
