"""`secftp stat`: show the status of files and directories at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import CommandParser, ConnectionOptions, add_connection_options, add_urls, parse_urls

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url


class StatOptions(NamedTuple):
    """What to show, and how."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    json: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "stat",
        usage="[options] URL...",
        description="Show the status of files and directories on a server.",
        epilog="--json prints the fields of ls --json.\n\n"
        "examples:\n"
        "  secftp stat secftp://host/notes.txt\n"
        "  secftp stat --json secftp://host/notes.txt | jq .size\n",
    )
    add_urls(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> StatOptions:
    """Return the options; raises `UsageError`."""
    return StatOptions(**parse_urls(parser(), arguments))


def run(options: StatOptions, terminal: Terminal) -> None:
    """Show the status of each URL. Raises what the session and printing raise."""
    from secftp.client.connect import open_session
    from secftp.client.globs import expand
    from secftp.client.listing import print_status

    terminal.json = options.json
    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        urls = expand(session, options.urls)
        failures.operands = len(urls)
        for url in urls:
            with failures.collected():
                print_status(session, url, as_json=options.json)
                failures.done = True
