"""`secftp sum`: checksums that the server computes, in the format of sha256sum.

A line is the checksum, two blanks and the name's bytes as they are, for only so does `sha256sum -c` find the file. As
that format has it, a name with a newline, a carriage return or a backslash is escaped, and its line begins with a
backslash. A terminal gets the name escaped like all others: nobody checks sums that were printed there.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from secftp.client.remote import Failures, is_a_file, opened
from secftp.client.terminal import STANDARD_OUTPUT, print_bytes, print_output
from secftp.errors import FileError
from secftp.messages import Algorithm, Kind
from secftp.session.batch import checksums
from secftp.session.operations import list_tree
from secftp.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.client.remote_options import SumOptions
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Path, Url

_ESCAPES: Final = ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r"))


def run_sum(options: SumOptions, terminal: Terminal) -> None:
    """Print a line for each file that the URLs name or hold. Raises what the session and printing raise."""
    on_terminal = sys.stdout is not None and os.isatty(STANDARD_OUTPUT)
    with (
        Failures(terminal, len(options.urls)) as failures,
        opened(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        for url, path, outcome in _outcomes(session, options, failures):
            if isinstance(outcome, FileError):
                failures.add(outcome)
            else:
                _print_line(outcome, _name(url, path), on_terminal=on_terminal)
                failures.done = True


def _outcomes(
    session: Session, options: SumOptions, failures: Failures
) -> Iterator[tuple[Url, Path, bytes | FileError]]:
    """Of each file: the URL it belongs to, its path below that, and its digest or what is wrong with it."""

    def files() -> Iterator[tuple[tuple[Url, Path], Path]]:
        for url in options.urls:
            with failures.collected():
                for path in _files(session, url, failures):
                    yield (url, path), (*url.path, *path)

    for (url, path), outcome in checksums(session, files(), Algorithm(options.checksum)):
        yield url, path, outcome


def _files(session: Session, url: Url, failures: Failures) -> Iterator[Path]:
    """The files of a URL by their paths below it; `()` for the URL's own."""
    if session.stat(url.path).kind is Kind.FILE:
        if url.trailing_slash:
            raise is_a_file(url.path)
        yield ()
        return
    for path, kind in list_tree(session, url.path, failures.add, ordered=True):
        if kind is Kind.FILE:
            yield path[len(url.path) :]


def _name(url: Url, path: Path) -> bytes:
    return b"/".join((*url.path[-1:], *path))


def _print_line(digest: bytes, name: bytes, *, on_terminal: bool) -> None:
    if on_terminal:
        print_output(f"{digest.hex()}  {escape(name)}\n")
        return
    escaped = name
    for sign, stands in _ESCAPES:
        escaped = escaped.replace(sign, stands)
    print_bytes((b"\\" if escaped != name else b"") + digest.hex().encode() + b"  " + escaped + b"\n")
