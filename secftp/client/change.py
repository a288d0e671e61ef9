"""`secftp rm`, `secftp mv` and `secftp mkdir`: names at the server that come, go and change.

What must never happen: that `rm` without -r takes away a folder, or that anything is removed whose kind is not the one
that was seen a moment ago.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from secftp.client.again import Changing
from secftp.client.remote import Failures, is_a_file
from secftp.errors import AlreadyExists, FileError, IsADirectory, NotADirectory, NotFound
from secftp.messages import Kind, check_path, remote_failure
from secftp.session import new_token
from secftp.session.operations import list_tree, remove_tree

if TYPE_CHECKING:
    from secftp.client.remote_options import MakeOptions, MoveOptions, RemoveOptions
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Path, Url

_WITH_R: Final = "Use -r to remove a folder with all that is in it."


def run_rm(options: RemoveOptions, terminal: Terminal) -> None:
    """Remove each URL's file or folder. Raises what the session raises."""
    with (
        Failures(terminal, len(options.urls)) as failures,
        Changing(options.connection, options.urls, terminal, quiet=options.quiet) as sessions,
    ):
        for url in options.urls:
            removal = _Removal(url, options, failures)
            try:
                sessions.change(removal.run)
            except NotFound as problem:
                if not options.force:
                    failures.add(problem)
            except FileError as problem:
                failures.add(problem)


def run_mkdir(options: MakeOptions, terminal: Terminal) -> None:
    """Make each URL's folder. Raises what the session raises."""
    with (
        Failures(terminal, len(options.urls)) as failures,
        Changing(options.connection, options.urls, terminal, quiet=options.quiet) as sessions,
    ):
        for url in options.urls:
            with failures.collected():
                if url.path:
                    sessions.change(partial(_make, url, options, new_token()))
                    failures.done = True
                elif not options.parents:
                    raise remote_failure(
                        AlreadyExists, (), "it exists already.", hint="That is the folder that the server serves."
                    )


def _make(url: Url, options: MakeOptions, token: bytes, session: Session, _again: bool) -> None:  # noqa: FBT001
    session.make_directory(url.path, parents=options.parents, token=token)


def run_mv(options: MoveOptions, terminal: Terminal) -> None:
    """Give each URL's file or folder its new name. Raises what the session raises."""
    urls = (*options.sources, options.target)
    with (
        Failures(terminal, len(options.sources)) as failures,
        Changing(options.connection, urls, terminal, quiet=options.quiet) as sessions,
    ):
        into = sessions.change(lambda session, _again: _is_target_folder(session, options))
        taken = set()
        for url in options.sources:
            with failures.collected():
                to = (*options.target.path, url.path[-1]) if into else options.target.path
                if to in taken:
                    raise remote_failure(
                        AlreadyExists,
                        url.path,
                        "another source has the same name, and was moved there.",
                        hint="Give each a target of its own.",
                    )
                check_path(to)
                sessions.change(partial(_move, url, to, options, new_token()))
                taken.add(to)
                failures.done = True


def _move(url: Url, to: Path, options: MoveOptions, token: bytes, session: Session, again: bool) -> None:  # noqa: FBT001
    if url.trailing_slash and not again:  # it may have its new name by then
        _require_folder(session, url)
    session.rename(url.path, to, overwrite=not options.no_clobber, token=token)


# --- rm ---------------------------------------------------------------------------------------------------------------


class _Removal:
    """What is to be removed for one URL."""

    def __init__(self, url: Url, options: RemoveOptions, failures: Failures) -> None:
        self._url = url
        self._options = options
        self._failures = failures
        self._token = new_token()

    def run(self, session: Session, again: bool) -> None:  # noqa: FBT001 - as `Changing.change` calls it
        """Remove it; what is gone when it is asked for again was removed before the answer got lost."""
        try:
            _remove(session, self._url, self._options, self._failures, self._token)
        except NotFound:
            if not again:
                raise
            self._failures.done = True


def _remove(session: Session, url: Url, options: RemoveOptions, failures: Failures, token: bytes) -> None:
    if not options.recursive and not url.trailing_slash:
        try:
            session.remove(url.path, kind=Kind.FILE, token=token)
        except IsADirectory:
            raise remote_failure(IsADirectory, url.path, "it is a folder.", hint=_WITH_R) from None
        failures.done = True
        return
    kind = session.stat(url.path).kind
    if kind is Kind.FILE:
        if url.trailing_slash:
            raise is_a_file(url.path)
        session.remove(url.path, kind=kind, token=token)
        failures.done = True
    elif options.recursive:
        _remove_folder(session, url.path, failures)
    else:
        raise remote_failure(IsADirectory, url.path, "it is a folder.", hint=_WITH_R)


def _remove_folder(session: Session, top: Path, failures: Failures) -> None:
    for problem in remove_tree(session, top, list_tree(session, top, failures.add)):
        if problem is None:
            failures.done = True
        else:
            failures.add(problem)


# --- mv ---------------------------------------------------------------------------------------------------------------


def _is_target_folder(session: Session, options: MoveOptions) -> bool:
    """Whether things go into the target. Raises `NotFound` and `NotADirectory` if they must and can't."""
    target, several = options.target, len(options.sources) > 1
    try:
        is_folder = session.stat(target.path).kind is Kind.DIRECTORY
    except NotFound:
        if several or (target.trailing_slash and not _all_folders(options)):
            raise remote_failure(
                NotFound, target.path, "there is no such folder.", hint="Make it first, with secftp mkdir."
            ) from None
        return False
    if not is_folder and (several or target.trailing_slash):
        raise remote_failure(NotADirectory, target.path, "it is a file.", hint="Name a folder to move things into.")
    return is_folder


def _all_folders(options: MoveOptions) -> bool:
    """Whether the sources are meant to be folders, so that `mv a/ b/` gives a folder a new name as mv does."""
    return all(url.trailing_slash for url in options.sources)


def _require_folder(session: Session, url: Url) -> None:
    if session.stat(url.path).kind is not Kind.DIRECTORY:
        raise is_a_file(url.path)
