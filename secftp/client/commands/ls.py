"""`secftp ls`: list directories at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import CommandParser, ConnectionOptions, add_connection_options, add_urls, parse_urls

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url


class ListOptions(NamedTuple):
    """What to list, and how."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    json: bool
    long: bool
    recursive: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "ls",
        usage="[options] URL...",
        description="List directories on a server. A directory's name ends with a slash.",
        epilog="Control characters in names are escaped (\\n, \\xNN). With --json each line is an\n"
        "object: path, kind (file or folder), size, mtime_ns, mtime, mode; and problem\n"
        "if a directory can't be listed or, with null for all else, if nothing is known\n"
        "of a name. If only mtime is null, it is before 1677 or after 2262. If a path is\n"
        "not UTF-8, path_base64 has its bytes, and path an escaped form. On standard\n"
        "error each line is an object, too, with an event: failed (message, exit_code),\n"
        "error (and a hint).\n\n"
        "examples:\n"
        "  secftp ls secftp://host/\n"
        "  secftp ls -l -R --key-file KEY secftp://host/backup\n"
        "  secftp ls -R --json secftp://host/backup | jq 'select(.size > 1e9).path'\n",
    )
    add_urls(parser)
    parser.add_argument("-l", dest="long", action="store_true", help="show permissions, size and time")
    parser.add_argument("-R", dest="recursive", action="store_true", help="list subdirectories recursively")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> ListOptions:
    """Return the options; raises `UsageError`."""
    return ListOptions(**parse_urls(parser(), arguments))


def run(options: ListOptions, terminal: Terminal) -> None:
    """List each URL: a directory's entries, or a file itself. Raises what the session and printing raise."""
    from secftp.client.connect import open_session
    from secftp.client.globs import expand
    from secftp.client.listing import print_listing

    terminal.json = options.json
    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        urls = expand(session, options.urls)
        failures.operands = len(urls)
        has_heads = len(urls) > 1 and not options.json
        for number, url in enumerate(urls):
            with failures.collected():
                head = ("\n" if number else "") if has_heads else None
                print_listing(
                    session,
                    url,
                    failures,
                    as_json=options.json,
                    long=options.long,
                    recursive=options.recursive,
                    head=head,
                )
