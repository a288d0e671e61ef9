"""`secftp rm`: remove files and directories at a server.

Invariants: without -r no directory is removed, and nothing is removed whose kind is not the one that was listed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    REQUEST_EVENTS,
    CommandParser,
    ConnectionOptions,
    add_connection_options,
    add_urls,
    parse_urls,
)
from secftp.command_line import add_option
from secftp.errors import FileError, IsADirectory, NotFound, UsageError

if TYPE_CHECKING:
    from secftp.client.left_out import Others
    from secftp.client.request_progress import RequestProgress
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.session.requested import RequestedListing
    from secftp.url import Path, Url

_USE_R: Final = "Use -r to remove a directory and its contents."


class RemoveOptions(NamedTuple):
    """What to remove."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    recursive: bool
    force: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "rm",
        usage="[options] URL...",
        description="Remove files on a server; this can't be undone.",
        epilog="examples:\n"
        "  secftp rm secftp://host/notes.txt\n"
        "  secftp rm -r secftp://host/backup/2019\n"
        f"\n{REQUEST_EVENTS}",
    )
    add_urls(parser)
    add_option(
        parser,
        "-r",
        "--recursive",
        aliases=("-R",),
        action="store_true",
        help="remove directories and their contents, too",
    )
    parser.add_argument("-f", "--force", action="store_true", help="ignore files that do not exist")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> RemoveOptions:
    """Return the options; raises `UsageError`."""
    options = RemoveOptions(**parse_urls(parser(), arguments))
    if any(not url.path for url in options.urls):
        raise UsageError("The directory that a server serves can't be removed.", hint="Name its contents.")
    return options


def run(options: RemoveOptions, terminal: Terminal) -> None:
    """Remove the file or directory of each URL. Raises what the session raises."""
    from secftp.client.connect import ChangingSessions
    from secftp.client.globs import expand
    from secftp.client.left_out import Others
    from secftp.session import new_token

    others = Others()
    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        ChangingSessions(options.connection, options.urls, terminal, quiet=options.quiet) as sessions,
        terminal.counting("removed", "entries", failures) as progress,
    ):
        urls = sessions.change(
            lambda session, _repeated: expand(session, options.urls, whole=options.recursive, missing_ok=options.force)
        )
        failures.operands = len(urls)
        for url in urls:
            try:
                sessions.change(partial(_remove_once, url, options, failures, progress, others, new_token()))
            except NotFound as problem:
                if not options.force:
                    failures.add(problem)
            except FileError as problem:
                failures.add(problem)
        if sentence := others.sentence("removed, not followed"):
            terminal.note(sentence)


def _remove_once(
    url: Url,
    options: RemoveOptions,
    failures: Failures,
    progress: RequestProgress,
    others: Others,
    token: bytes,
    session: Session,
    repeated: bool,  # noqa: FBT001 - as `ChangingSessions.change` passes it
) -> None:
    """Remove it. If the request is repeated, what is not found was removed before the answer was lost."""
    progress.now()
    try:
        _remove(session, url, options, failures, progress, others, token)
    except NotFound:
        if not repeated:
            raise
        failures.done = True


def _remove(
    session: Session,
    url: Url,
    options: RemoveOptions,
    failures: Failures,
    progress: RequestProgress,
    others: Others,
    token: bytes,
) -> None:
    from secftp.client.connect import stat_and_list, stat_url
    from secftp.protocol import Kind, remote_failure

    if not options.recursive and not url.trailing_slash:
        try:
            session.remove(url.path, kind=Kind.FILE, token=token)
        except NotFound:
            _remove_link(session, url.path)
        except IsADirectory:
            raise remote_failure(IsADirectory, url.path, "it is a directory.", hint=_USE_R) from None
        failures.done = True
        progress.add()
    elif not options.recursive:
        stat_url(session, url)  # which has to be a directory
        raise remote_failure(IsADirectory, url.path, "it is a directory.", hint=_USE_R)
    else:
        try:
            info, listing = stat_and_list(session, url, others=True)
        except NotFound:
            if url.trailing_slash:
                raise
            _remove_link(session, url.path)
            failures.done = True
            progress.add()
            return
        if info.kind is Kind.FILE:
            listing.drop()
            session.remove(url.path, kind=Kind.FILE, token=token)
            failures.done = True
            progress.add()
        else:
            _remove_tree(session, url.path, listing, failures, progress, others)


def _remove_link(session: Session, path: Path) -> None:
    """Remove a symlink itself, which does not exist for other requests. Raises `NotFound` if there is none."""
    from secftp.protocol import Capability, Kind, remote_failure
    from secftp.session import new_token

    if not session.can(Capability.OTHERS):
        raise remote_failure(NotFound, path, "no such file or directory.")
    session.remove(path, kind=Kind.SYMLINK, token=new_token())


def _remove_tree(
    session: Session,
    top: Path,
    listing: RequestedListing,
    failures: Failures,
    progress: RequestProgress,
    others: Others,
) -> None:
    from secftp.protocol import Capability
    from secftp.session.operations import list_tree, remove_tree

    session.require(Capability.LIST, top)
    found = list_tree(session, top, failures.add, listing=listing, others=others.add)
    for problem in remove_tree(session, top, found):
        if problem is None:
            failures.done = True
            progress.add()
        else:
            failures.add(problem)
