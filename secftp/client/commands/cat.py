"""`secftp cat`: write files of a server to standard output, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import CommandParser, ConnectionOptions, add_connection_options, add_urls, parse_urls
from secftp.errors import UsageError

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url


class CatOptions(NamedTuple):
    """What to write."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "cat",
        usage="[options] URL...",
        description="Write files of a server to standard output, one after the other, verified.",
        epilog="A file whose checksum is not that of the server, or that changes meanwhile, is\n"
        "an error behind what was written of it. A terminal receives text only. To go on\n"
        "after a lost connection: secftp get --retries N URL -.\n\n"
        "examples:\n"
        "  secftp cat secftp://host/notes.txt\n"
        "  secftp cat nas:'log/2026-*.gz' | zcat | grep error\n",
    )
    add_urls(parser)
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> CatOptions:
    """Return the options; raises `UsageError`."""
    if "-" in arguments:
        raise UsageError("cat writes files of a server; - would be standard input.", hint="Name files as URLs.")
    return CatOptions(**parse_urls(parser(), arguments))


def run(options: CatOptions, terminal: Terminal) -> None:
    """Write each file. Raises what the session raises, and `open_output`."""
    from secftp.client.connect import open_session
    from secftp.client.contents import write_files
    from secftp.client.globs import expand

    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        urls = expand(session, options.urls)
        failures.operands = len(urls)
        write_files(session, urls, failures)
