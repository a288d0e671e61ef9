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
    from secftp.session import new_token

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
                sessions.change(partial(_remove_once, url, options, failures, progress, new_token()))
            except NotFound as problem:
                if not options.force:
                    failures.add(problem)
            except FileError as problem:
                failures.add(problem)


def _remove_once(
    url: Url,
    options: RemoveOptions,
    failures: Failures,
    progress: RequestProgress,
    token: bytes,
    session: Session,
    repeated: bool,  # noqa: FBT001 - as `ChangingSessions.change` passes it
) -> None:
    """Remove it. If the request is repeated, what is not found was removed before the answer was lost."""
    progress.now()
    try:
        _remove(session, url, options, failures, progress, token)
    except NotFound:
        if not repeated:
            raise
        failures.done = True


def _remove(
    session: Session, url: Url, options: RemoveOptions, failures: Failures, progress: RequestProgress, token: bytes
) -> None:
    from secftp.client.connect import stat_and_list, stat_url
    from secftp.protocol import Kind, remote_failure

    if not options.recursive and not url.trailing_slash:
        try:
            session.remove(url.path, kind=Kind.FILE, token=token)
        except IsADirectory:
            raise remote_failure(IsADirectory, url.path, "it is a directory.", hint=_USE_R) from None
        failures.done = True
        progress.add()
    elif not options.recursive:
        stat_url(session, url)  # which has to be a directory
        raise remote_failure(IsADirectory, url.path, "it is a directory.", hint=_USE_R)
    else:
        info, listing = stat_and_list(session, url)
        if info.kind is Kind.FILE:
            listing.drop()
            session.remove(url.path, kind=Kind.FILE, token=token)
            failures.done = True
            progress.add()
        else:
            _remove_tree(session, url.path, listing, failures, progress)


def _remove_tree(
    session: Session, top: Path, listing: RequestedListing, failures: Failures, progress: RequestProgress
) -> None:
    from secftp.protocol import Capability
    from secftp.session.operations import list_tree, remove_tree

    session.require(Capability.LIST, top)
    for problem in remove_tree(session, top, list_tree(session, top, failures.add, listing=listing)):
        if problem is None:
            failures.done = True
            progress.add()
        else:
            failures.add(problem)
