"""`secftp ls` and `secftp stat`: what stands at the server, for people and for programs.

A listing of any size is printed as it comes, in bounded memory; one of up to `SORTED_ENTRIES` is sorted first. For
people every name is escaped, whether standard output is a terminal or not; programs take `--json`, which is exact.
"""

from __future__ import annotations

import itertools
import stat
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.remote import Failures, is_a_file, opened
from secftp.client.terminal import print_output
from secftp.messages import Kind, problem_of
from secftp.session.listings import BUDGET_BYTES
from secftp.storage.base import is_beyond
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.client.remote_options import ListOptions
    from secftp.client.terminal import Terminal
    from secftp.errors import FileError
    from secftp.messages import ErrorCode
    from secftp.session import Session
    from secftp.url import Path, Url

SORTED_ENTRIES: Final = 100_000
_ROW_BYTES: Final = 400  # that a row takes beside its names
_BLOCK: Final = 500  # lines that are printed at once
_NANOSECONDS: Final = 10**9
_LAST_YEAR: Final = 9999


class Row(NamedTuple):
    """One name with what is known of it; `size` in bytes.

    `code` tells why a folder's contents are missing, maybe in a second row for the folder, or why nothing is known of
    the name; in both of these rows `kind` is None. `problem` is the same for people, and there without a code, too.
    """

    path: Path
    kind: Kind | None
    size: int
    mtime_ns: int
    mode: int
    code: ErrorCode | None = None
    problem: FileError | None = None


def run_ls(options: ListOptions, terminal: Terminal) -> None:
    """List each URL: a folder's entries, or a file itself. Raises what the session and printing raise."""
    terminal.programs = options.json
    with (
        Failures(terminal, len(options.urls)) as failures,
        opened(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        for number, url in enumerate(options.urls):
            with failures.collected():
                head = len(options.urls) > 1 and not options.json
                _list(session, url, options, failures, head=("\n" if number else "") if head else None)


def run_stat(options: ListOptions, terminal: Terminal) -> None:
    """Tell of each URL. Raises what the session and printing raise."""
    terminal.programs = options.json
    with (
        Failures(terminal, len(options.urls)) as failures,
        opened(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        for url in options.urls:
            with failures.collected():
                row = _row_of(session, url)
                print_output(json_line(row) if options.json else _block(row))
                failures.done = True


def _list(session: Session, url: Url, options: ListOptions, failures: Failures, *, head: str | None) -> None:
    """Print one URL's listing, after a line with its name if `head`, which goes before it, is not None."""
    row = _row_of(session, url)
    if row.kind is not Kind.DIRECTORY:
        print_output(json_line(row) if options.json else _line(row, long=options.long, width=len(str(row.size))))
        failures.done = True
        return
    if head is not None:
        print_output(f"{head}{show_path(url.path)}:\n")
    rows = _rows(session, url, options, failures)
    first, rest = _sorted_beginning(rows)
    width = max((len(str(row.size)) for row in first), default=1)
    for block in _blocks(itertools.chain(first, rest)):
        if options.json:
            lines = [json_line(row) for row in block]
        else:
            lines = [_line(row, long=options.long, width=width) for row in block if row.kind is not None]
        print_output("".join(lines))
        failures.done = failures.done or any(row.kind is not None for row in block)
        for row in block:
            if row.problem is not None:
                failures.add(row.problem)


def _rows(session: Session, url: Url, options: ListOptions, failures: Failures) -> Iterator[Row]:
    """The entries as they come; a listing that breaks off is a failure behind those that came before."""
    with failures.collected():
        for listed in session.list(url.path, recursive=options.recursive):
            problem = problem_of(listed, (*url.path, *listed.path))
            yield Row(listed.path, listed.kind, listed.size, listed.mtime_ns, listed.mode, listed.code, problem)


def _row_of(session: Session, url: Url) -> Row:
    info = session.stat(url.path)
    if url.trailing_slash and info.kind is not Kind.DIRECTORY:
        raise is_a_file(url.path)
    return Row(url.path, info.kind, info.size, info.mtime_ns, info.mode)


def _sorted_beginning(rows: Iterator[Row]) -> tuple[list[Row], Iterator[Row]]:
    """The rows that are known at once, sorted if they are all there are; and those that are still to come."""
    first: list[Row] = []
    room = BUDGET_BYTES // 2  # a row with its line
    for row in rows:
        first.append(row)
        room -= _ROW_BYTES + 100 * len(row.path) + sum(map(len, row.path))
        if len(first) >= SORTED_ENTRIES or room <= 0:
            break
    more = next(rows, None)
    if more is None:
        first.sort(key=lambda row: row.path)
        return first, iter(())
    return first, itertools.chain([more], rows)


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while block := list(itertools.islice(rows, _BLOCK)):
        yield block


# --- for people -----------------------------------------------------------------------------------------------------


def _line(row: Row, *, long: bool, width: int) -> str:
    name = show_path(row.path) + ("/" if row.kind is Kind.DIRECTORY and row.path else "")
    if not long:
        return f"{name}\n"
    return f"{_permissions(row)} {row.size:>{width}} {_time(row.mtime_ns)} {name}\n"


def _block(row: Row) -> str:
    return (
        f"{show_path(row.path)}\n"
        f"  kind: {row.kind}\n"
        f"  size: {row.size} bytes\n"
        f"  modified: {_time(row.mtime_ns, '%Y-%m-%d %H:%M:%S %z')}\n"
        f"  permissions: {_permissions(row)} ({row.mode:04o})\n"
    )


def _permissions(row: Row) -> str:
    return stat.filemode((stat.S_IFDIR if row.kind is Kind.DIRECTORY else stat.S_IFREG) | row.mode)


def _time(mtime_ns: int, form: str = "%Y-%m-%d %H:%M") -> str:
    """The time here; how many seconds since 1970 if it is one that the calendar does not know."""
    if is_beyond(mtime_ns):
        return "after 2262" if mtime_ns > 0 else "before 1677"
    try:
        return time.strftime(form, time.localtime(mtime_ns // _NANOSECONDS))
    except (OverflowError, ValueError, OSError):
        return str(mtime_ns // _NANOSECONDS)


# --- for programs ---------------------------------------------------------------------------------------------------


def json_line(row: Row) -> str:
    """The fields that the help of `ls` lists."""
    from secftp.client.as_json import line, name_fields

    is_known = row.kind is not None  # else the numbers stand for nothing
    fields = name_fields("path", b"/".join(row.path)) | {
        "kind": row.kind,
        "size": row.size if is_known else None,
        "mtime_ns": row.mtime_ns if is_known else None,
        "mtime": _iso(row.mtime_ns) if is_known else None,
        "mode": f"{row.mode:04o}" if is_known else None,
    }
    if row.code is not None:
        fields["problem"] = str(row.code)
    return line(fields)


def _iso(mtime_ns: int) -> str | None:
    """ISO 8601 in UTC, in seconds; None for a year that it does not know, and for a time that is not known exactly."""
    if is_beyond(mtime_ns):
        return None
    try:
        moment = time.gmtime(mtime_ns // _NANOSECONDS)
    except (OverflowError, ValueError, OSError):
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment) if 0 < moment.tm_year <= _LAST_YEAR else None
