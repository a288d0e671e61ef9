"""`secftp df`: the size of a server's file systems, and how much of them a key can still write.

Invariant: a number that is not known is printed as `-`, and never as 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    CommandParser,
    ConnectionOptions,
    add_connection_options,
    add_size_options,
    add_urls,
    parse_urls,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.terminal import Terminal
    from secftp.protocol import Capacity
    from secftp.session import Session
    from secftp.url import Url

_BLOCK: Final = 1024
_UNKNOWN: Final = "-"


class SpaceOptions(NamedTuple):
    """What to ask about, and how to print it; `base`: of sizes in units, None for blocks of 1024 bytes."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    json: bool
    base: int | None


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "df",
        usage="[options] URL...",
        description="Show the size of a server's disks, and how much this key can still write.",
        epilog="The unit is 1024 bytes. What is available is less than what is free where the\n"
        "operator keeps some space free, and 0 for a key that may not write. A number\n"
        "that the file system does not report, or that the key may not know, is a\n"
        "hyphen. With --json each line is an object: path; total, used, free, available,\n"
        "kept (free by the operator) and largest (size of a file that is accepted) in\n"
        "bytes; files (how many there can be) and files_available; read_only. null:\n"
        "unknown, or no limit.\n\n"
        "examples:\n"
        "  secftp df -h secftp://host/\n"
        "  secftp df --json nas:backup | jq .available\n",
        short_help=False,
    )
    add_urls(parser)
    add_size_options(parser)
    parser.add_argument(
        "-k", dest="base", action="store_const", const=None, help="in units of 1024 bytes (the default)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> SpaceOptions:
    """Return the options; raises `UsageError`."""
    return SpaceOptions(**parse_urls(parser(), arguments))


def run(options: SpaceOptions, terminal: Terminal) -> None:
    """Ask about the file system of each URL. Raises what the session and printing raise."""
    from secftp.client.connect import open_session
    from secftp.client.globs import expand

    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        urls = expand(session, options.urls)
        failures.operands = len(urls)
        found = _ask(session, urls, failures)
        if not found:
            return
        if options.json:
            _print_objects(found)
        else:
            _print_table(found, options)
            _tell_limits(session, found, terminal)
        failures.done = True


def _ask(session: Session, urls: list[Url], failures: Failures) -> list[tuple[Url, Capacity]]:
    """Return what the server says of each URL, asked together."""
    asked, found = [], []
    for url in urls:
        with failures.collected():
            asked.append((url, session.begin_space(url.path)))
    for url, requested in asked:
        with failures.collected():
            found.append((url, requested.result()))
    return found


def _print_objects(found: list[tuple[Url, Capacity]]) -> None:
    from secftp.client.terminal import print_output
    from secftp.json_lines import line, name_fields

    for url, told in found:
        fields = name_fields("path", b"/".join(url.path)) | {
            "total": told.total,
            "used": told.used,
            "free": told.free,
            "available": told.available,
            "kept": told.kept,
            "largest": told.largest,
            "files": told.files,
            "files_available": told.files_available,
            "read_only": told.read_only,
        }
        print_output(line(fields))


def _print_table(found: list[tuple[Url, Capacity]], options: SpaceOptions) -> None:
    from secftp.client.terminal import print_output
    from secftp.text import show_path

    show = _shown_in(options.base)
    head = ("1K-blocks" if options.base is None else "Size", "Used", "Avail", "Use%")
    rows = [(show(told.total), show(told.used), show(told.available), _percentage(told)) for _, told in found]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    names = ["Path", *(show_path(url.path) for url, _ in found)]
    for numbers, name in zip([head, *rows], names, strict=True):
        cells = (f"{number:>{width}}" for number, width in zip(numbers, widths, strict=True))
        print_output(f"{' '.join(cells)} {name}\n")


def _shown_in(base: int | None) -> Callable[[int | None], str]:
    from secftp.client.sizes import blocks, human_size

    def show(size: int | None) -> str:
        if size is None:
            return _UNKNOWN
        return blocks(size, _BLOCK) if base is None else human_size(size, base)

    return show


def _percentage(told: Capacity) -> str:
    """Return how much is in use of what this key could use, rounded up, as df does; of all if it may not write."""
    if told.used is None or told.available is None or told.total is None:
        return _UNKNOWN
    whole = told.total if told.read_only else told.used + told.available
    return f"{-(-100 * told.used // whole)}%" if whole else _UNKNOWN


def _tell_limits(session: Session, found: list[tuple[Url, Capacity]], terminal: Terminal) -> None:
    """Say why less is available than is free."""
    from secftp.text import format_size, show_path

    told_already = set()
    for url, told in found:
        notes = []
        if told.read_only:
            may_write = session.may("write")
            notes.append("the file system is mounted read-only" if may_write else "this key may not write")
        elif told.kept:
            notes.append(f"the operator keeps {format_size(told.kept)} free")
        if told.files_available == 0 and not told.read_only:
            notes.append("no more files can be created")
        if told.largest is not None and not told.read_only:
            notes.append(f"files may have up to {format_size(told.largest)}")
        for note in notes:
            if note not in told_already:
                told_already.add(note)
                terminal.note(f"{show_path(url.path)}: {note}.")
