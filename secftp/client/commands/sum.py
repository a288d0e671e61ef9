"""`secftp sum`: checksums computed by the server, in the format of sha256sum.

A line is the checksum, two spaces and the unescaped bytes of the name, so that `sha256sum -c` finds the file. In that
format a name with a newline, a carriage return or a backslash is escaped, and its line begins with a backslash. On a
terminal names are escaped as everywhere else.
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    REQUEST_EVENTS,
    CommandParser,
    ConnectionOptions,
    add_checksum_option,
    add_connection_options,
    add_urls,
    checked_checksum,
    parse_urls,
)
from secftp.client.terminal import STANDARD_OUTPUT, print_bytes, print_output
from secftp.errors import FileError, IsADirectory
from secftp.text import show_digest, show_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.client.terminal import Terminal
    from secftp.protocol import Algorithm
    from secftp.session import Session
    from secftp.url import Url

DEFAULT_CHECKSUM: Final = "sha256"
# Whose lines say by themselves what they are: they are those of sha256sum and md5sum.
_OF_COREUTILS: Final = ("sha256", "md5")
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
        "URL, so that sha256sum -c finds the files that secftp get has downloaded. The\n"
        "lines of other kinds are those of md5sum, b3sum and xxh128sum; on a terminal the\n"
        "last two begin with blake3: or xxh128:.\n\n"
        "examples:\n"
        "  secftp sum secftp://host/data.tar\n"
        "  secftp sum secftp://host/backup/data | sha256sum -c\n"
        f"\n{REQUEST_EVENTS}",
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
    from secftp.client.globs import expand
    from secftp.protocol import Algorithm

    on_terminal = sys.stdout is not None and os.isatty(STANDARD_OUTPUT)
    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
        terminal.counting("summed", "files", failures) as progress,
    ):
        progress.now()
        urls = tuple(expand(session, options.urls, whole=True))
        failures.operands = len(urls)
        for name, outcome in _sums(session, urls, Algorithm(options.checksum), failures):
            if isinstance(outcome, FileError):
                failures.add(outcome)
            else:
                if on_terminal:
                    progress.clear()
                _print_line(outcome, name, options.checksum, on_terminal=on_terminal)
                failures.done = True
                progress.now(name)
                progress.add()


def _sums(
    session: Session, urls: tuple[Url, ...], algorithm: Algorithm, failures: Failures
) -> Iterator[tuple[bytes, bytes | FileError]]:
    """Yield each file's name as it is printed, and its checksum or what is wrong with it.

    Each URL is taken for a file until the server says that it is a directory: no file waits for the question.
    """
    from secftp.client.connect import not_a_directory
    from secftp.session.operations import checksums

    for is_top, group in itertools.groupby(urls, lambda url: not url.path):
        if is_top:
            for url in group:
                yield from _sums_below(session, url, algorithm, failures)
            continue
        for url, outcome in checksums(session, ((url, url.path) for url in group), algorithm):
            if isinstance(outcome, IsADirectory):
                yield from _sums_below(session, url, algorithm, failures)
            elif url.trailing_slash and not isinstance(outcome, FileError):
                yield url.path[-1], not_a_directory(url)
            else:
                yield url.path[-1], outcome


def _sums_below(
    session: Session, url: Url, algorithm: Algorithm, failures: Failures
) -> Iterator[tuple[bytes, bytes | FileError]]:
    """Yield what `_sums` does for the files below a directory."""
    from secftp.protocol import Kind
    from secftp.session.operations import checksums, list_tree

    found = list_tree(session, url.path, failures.add, ordered=True)
    names = ((b"/".join(path[max(0, len(url.path) - 1) :]), path) for path, kind in found if kind is Kind.FILE)
    yield from checksums(session, names, algorithm)


def _print_line(digest: bytes, name: bytes, checksum: str, *, on_terminal: bool) -> None:
    if on_terminal:
        shown = digest.hex() if checksum in _OF_COREUTILS else show_digest(checksum, digest)
        print_output(f"{shown}  {show_path(name)}\n")
        return
    escaped = name
    for character, escape in _ESCAPES:
        escaped = escaped.replace(character, escape)
    print_bytes((b"\\" if escaped != name else b"") + digest.hex().encode() + b"  " + escaped + b"\n")
