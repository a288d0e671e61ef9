"""`secftp ls`: list directories at a server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    USE_DEFAULT,
    WHEN,
    CommandParser,
    ConnectionOptions,
    add_connection_options,
    add_size_options,
    add_urls,
    one_of,
    parse_urls,
)
from secftp.client.terminal import STANDARD_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.client.listing import ListStyle
    from secftp.client.terminal import Terminal
    from secftp.url import Url

_COLOR: Final = "--color"
_ORDERS: Final = (
    ("-t", "time", "sort by time, newest first"),
    ("-S", "size", "sort by size, largest first"),
    ("-v", "version", "sort by the numbers in names"),
    ("-U", "none", "not sorted"),
)


class ListOptions(NamedTuple):
    """What to list, and how.

    `order` is one of `sorting`; `base`: of sizes in units, None for bytes. `one`, `columns`: how names are arranged,
    neither: as the output wants it.
    """

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    json: bool
    long: bool
    recursive: bool
    hidden: bool
    directories: bool
    order: str
    reverse: bool
    base: int | None
    one: bool
    columns: bool
    color: str


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "ls",
        usage="[options] URL...",
        description="List directories on a server. A directory's name ends with a slash.",
        epilog="Names are sorted byte by byte, as by ls with LC_ALL=C. On a terminal they stand\n"
        "in columns, quoted for a shell where necessary, in the colours of LS_COLORS\n"
        "unless NO_COLOR is set; else there is one on each line. -R prints each\n"
        "directory with a head on a terminal, else the paths of the whole tree. Control\n"
        "characters in names are escaped (\\n, \\xNN). With --json each line is an object:\n"
        "path, kind (file or folder), size, mtime_ns, mtime, mode; and problem if a\n"
        "directory can't be listed or, with null for all else, if nothing is known of a\n"
        "name. If only mtime is null, it is before 1677 or after 2262. If a path is not\n"
        "UTF-8, path_base64 has its bytes, and path an escaped form. On standard error\n"
        "each line is an object, too, with an event: failed (message, exit_code), error\n"
        "(and a hint). --json lists names that begin with a dot, too, without -a.\n\n"
        "examples:\n"
        "  secftp ls secftp://host/\n"
        "  secftp ls -lhS nas:backup\n"
        "  secftp ls -lt secftp://host/backup | head\n"
        "  secftp ls -R --json secftp://host/backup | jq 'select(.size > 1e9).path'\n",
        short_help=False,
    )
    add_urls(parser)
    parser.add_argument("-l", dest="long", action="store_true", help="show permissions, size and time")
    parser.add_argument(
        "-a", "-A", "--all", dest="hidden", action="store_true", help="include names that begin with a dot"
    )
    parser.add_argument("-R", "--recursive", action="store_true", help="list subdirectories recursively")
    parser.add_argument(
        "-d",
        "--directory",
        dest="directories",
        action="store_true",
        help="list directories themselves",
    )
    for option, order, text in _ORDERS:
        parser.add_argument(option, dest="order", action="store_const", const=order, default="name", help=text)
    parser.add_argument("-f", dest="raw", action="store_true", help="as -a and -U")
    parser.add_argument("-r", "--reverse", action="store_true", help="reverse the order")
    add_size_options(parser)
    parser.add_argument(
        "-F", "-p", "--classify", action="store_true", help="mark directories with a slash, which is always done"
    )
    parser.add_argument("-1", dest="one", action="store_true", help="one name on each line, also on a terminal")
    parser.add_argument("-C", dest="columns", action="store_true", help="columns, also if it is not a terminal")
    parser.add_argument(
        _COLOR,
        nargs="?",
        metavar="WHEN",
        default=WHEN[0],
        help="auto (the default), always (as --color alone), never",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> ListOptions:
    """Return the options; raises `UsageError`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words = [f"{_COLOR}=always" if word == _COLOR else word for word in arguments[:end]]
    values = parse_urls(parser(), words + arguments[end:])
    del values["classify"]
    if values.pop("raw"):
        values |= {"hidden": True, "order": "none"}
    one_of(WHEN, values["color"], _COLOR, USE_DEFAULT)
    return ListOptions(**values)


def run(options: ListOptions, terminal: Terminal) -> None:
    """List each URL: a directory's entries, or a file itself. Raises what the session and printing raise."""
    from secftp.client.connect import open_session
    from secftp.client.listing import ListingOutput

    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
        terminal.counting("listed", "entries", failures) as progress,
    ):
        progress.now()
        urls: Sequence[Url] = options.urls
        if any(url.pattern is not None for url in urls):
            from secftp.client.globs import expand  # only where it is used: start-up is part of speed

            urls = expand(session, urls)
        failures.operands = len(urls)
        output = ListingOutput(session, _style(options), failures, progress)
        output.print(urls)
    if sentence := output.others.sentence("left out"):
        terminal.note(sentence)


def _style(options: ListOptions) -> ListStyle:
    from secftp.client.listing import ListStyle
    from secftp.client.listing_text import Look

    is_terminal = os.isatty(STANDARD_OUTPUT)
    in_columns = (is_terminal or options.columns) and not (options.one or options.long)
    look = Look(long=options.long, base=options.base, quoted=is_terminal)
    if in_columns:
        from secftp.client.columns import terminal_columns

        look = look._replace(columns=terminal_columns(STANDARD_OUTPUT, os.environ))
    if is_terminal or options.color == "always":
        from secftp.client.colours import choose

        look = look._replace(colours=choose(options.color, os.environ, is_terminal=is_terminal))
    return ListStyle(
        as_json=options.json,
        look=look,
        hidden=options.hidden or options.json,
        order=options.order,
        reverse=options.reverse,
        recursive=options.recursive,
        grouped=(is_terminal or options.columns) and not options.json,
        directories=options.directories,
    )
