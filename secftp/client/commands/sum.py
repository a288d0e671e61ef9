"""`secftp sum`: checksums computed by the server, in the format of sha256sum.

A line is the checksum, two spaces and the unescaped bytes of the name, so that `sha256sum -c` finds the file. In that
format a name with a newline, a carriage return or a backslash is escaped, and its line begins with a backslash. On a
terminal names are escaped as everywhere else.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    CommandParser,
    ConnectionOptions,
    add_checksum_option,
    add_connection_options,
    add_urls,
    checked_checksum,
    parse_urls,
)
from secftp.client.terminal import STANDARD_OUTPUT, print_bytes, print_output
from secftp.errors import FileError
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Path, Url

DEFAULT_CHECKSUM: Final = "sha256"
_ESCAPES: Final = ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r"))


class SumOptions(NamedTuple):
    """Which files to sum up."""

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    checksum: str


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "sum",
        usage="[options] URL...",
        description="Print checksums that the server computes, in the format of sha256sum.",
        epilog="A directory stands for all files in it. Names begin with the last part of the\n"
        "URL, so that sha256sum -c finds the files that secftp get has downloaded.\n\n"
        "examples:\n"
        "  secftp sum secftp://host/data.tar\n"
        "  secftp sum secftp://host/backup/data | sha256sum -c\n",
    )
    add_urls(parser)
    add_checksum_option(parser, DEFAULT_CHECKSUM)
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> SumOptions:
    """Return the options; raises `UsageError`."""
    options = SumOptions(**parse_urls(parser(), arguments))
    checked_checksum(options.checksum)
    return options


def run(options: SumOptions, terminal: Terminal) -> None:
    """Print a line for each file of the URLs. Raises what the session and printing raise."""
    from secftp.client.connect import open_session
    from secftp.protocol import Algorithm
    from secftp.session.operations import checksums

    on_terminal = sys.stdout is not None and os.isatty(STANDARD_OUTPUT)
    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        files = _all_files(session, options.urls, failures)
        for name, outcome in checksums(session, files, Algorithm(options.checksum)):
            if isinstance(outcome, FileError):
                failures.add(outcome)
            else:
                _print_line(outcome, name, on_terminal=on_terminal)
                failures.done = True


def _all_files(session: Session, urls: tuple[Url, ...], failures: Failures) -> Iterator[tuple[bytes, Path]]:
    """Yield each file's name as it is printed, and its path at the server."""
    for url in urls:
        with failures.collected():
            for path in _files(session, url, failures):
                yield b"/".join((*url.path[-1:], *path)), (*url.path, *path)


def _files(session: Session, url: Url, failures: Failures) -> Iterator[Path]:
    """Yield the paths of the files below a URL; `()` if it is a file itself."""
    from secftp.client.connect import stat_url
    from secftp.protocol import Kind
    from secftp.session.operations import list_tree

    if stat_url(session, url).kind is Kind.FILE:
        yield ()
        return
    for path, kind in list_tree(session, url.path, failures.add, ordered=True):
        if kind is Kind.FILE:
            yield path[len(url.path) :]


def _print_line(digest: bytes, name: bytes, *, on_terminal: bool) -> None:
    if on_terminal:
        print_output(f"{digest.hex()}  {show_path(name)}\n")
        return
    escaped = name
    for character, escape in _ESCAPES:
        escaped = escaped.replace(character, escape)
    print_bytes((b"\\" if escaped != name else b"") + digest.hex().encode() + b"  " + escaped + b"\n")
