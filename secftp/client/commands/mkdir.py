"""`secftp mkdir`: create directories at a server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import CommandParser, ConnectionOptions, add_connection_options, add_urls, parse_urls
from secftp.errors import AlreadyExists

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Url


class MakeDirectoryOptions(NamedTuple):
    """Which directories to create."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    parents: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "mkdir",
        usage="[options] URL...",
        description="Create directories on a server.",
        epilog="examples:\n  secftp mkdir secftp://host/backup\n  secftp mkdir -p secftp://host/backup/2026/july\n",
    )
    add_urls(parser)
    parser.add_argument(
        "-p", "--parents", action="store_true", help="create missing parent directories; no error if it exists"
    )
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> MakeDirectoryOptions:
    """Return the options; raises `UsageError`."""
    return MakeDirectoryOptions(**parse_urls(parser(), arguments))


def run(options: MakeDirectoryOptions, terminal: Terminal) -> None:
    """Create the directory of each URL. Raises what the session raises."""
    from secftp.client.connect import ChangingSessions
    from secftp.protocol import remote_failure
    from secftp.session import new_token

    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        ChangingSessions(options.connection, options.urls, terminal, quiet=options.quiet) as sessions,
    ):
        for url in options.urls:
            with failures.collected():
                if url.path:
                    sessions.change(partial(_make, url, options, new_token()))
                    failures.done = True
                elif not options.parents:
                    raise remote_failure(
                        AlreadyExists, (), "it exists already.", hint="That is the directory that the server serves."
                    )


def _make(url: Url, options: MakeDirectoryOptions, token: bytes, session: Session, _repeated: bool) -> None:  # noqa: FBT001
    session.make_directory(url.path, parents=options.parents, token=token)
