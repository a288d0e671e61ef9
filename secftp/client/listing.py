"""The output of `ls` and `stat`, as text and as JSON Lines.

A listing of any size is printed as it arrives, in bounded memory; one of up to `SORTED_ENTRIES` is sorted first. In
text every name is escaped, whether or not standard output is a terminal; JSON is exact.
"""

from __future__ import annotations

import itertools
import stat
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.connect import stat_and_list, stat_url
from secftp.client.terminal import print_output
from secftp.protocol import Kind, problem_of
from secftp.session.listings import BUDGET_BYTES
from secftp.storage.attributes import is_clamped
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.client.failures import Failures
    from secftp.errors import FileError
    from secftp.protocol import ErrorCode, Info
    from secftp.session import Session
    from secftp.session.requested import RequestedListing
    from secftp.storage import Path
    from secftp.url import Url

SORTED_ENTRIES: Final = 100_000
_ROW_BYTES: Final = 400  # that a row takes beside its names
_BLOCK: Final = 500  # lines that are printed at once
_NANOSECONDS: Final = 10**9
_LAST_YEAR: Final = 9999


class Row(NamedTuple):
    """One name and its status; `size` in bytes.

    `code` says why a directory's contents are missing, possibly in a second row for the directory, or why nothing is
    known of the name; in both of these rows `kind` is None. `problem` is the exception, also if there is no code.
    """

    path: Path
    kind: Kind | None
    size: int
    mtime_ns: int
    mode: int
    code: ErrorCode | None = None
    problem: FileError | None = None


def print_listing(
    session: Session,
    url: Url,
    failures: Failures,
    *,
    as_json: bool,
    long: bool,
    recursive: bool,
    head: str | None,
) -> None:
    """Print the listing of a directory, or a file itself; `head` precedes a line with the directory's name."""
    info, listing = stat_and_list(session, url, recursive=recursive)
    if info.kind is not Kind.DIRECTORY:
        listing.drop()
        row = _row_of(url, info)
        print_output(json_line(row) if as_json else _line(row, long=long, width=len(str(row.size))))
        failures.done = True
        return
    if head is not None:
        print_output(f"{head}{show_path(url.path)}:\n")
    first, rest = _sorted_beginning(_rows(listing, url, failures))
    width = max((len(str(row.size)) for row in first), default=1)
    for block in _blocks(itertools.chain(first, rest)):
        if as_json:
            lines = [json_line(row) for row in block]
        else:
            lines = [_line(row, long=long, width=width) for row in block if row.kind is not None]
        print_output("".join(lines))
        failures.done = failures.done or any(row.kind is not None for row in block)
        for row in block:
            if row.problem is not None:
                failures.add(row.problem)


def print_status(session: Session, url: Url, *, as_json: bool) -> None:
    """Print the status of a file or a directory."""
    row = _row_of(url, stat_url(session, url))
    print_output(json_line(row) if as_json else _block(row))


def _rows(listing: RequestedListing, url: Url, failures: Failures) -> Iterator[Row]:
    """Yield the entries as they arrive; a listing that ends early is a failure after those before it."""
    with failures.collected():
        for listed in listing.entries():
            problem = problem_of(listed, (*url.path, *listed.path))
            yield Row(listed.path, listed.kind, listed.size, listed.mtime_ns, listed.mode, listed.code, problem)


def _row_of(url: Url, info: Info) -> Row:
    return Row(url.path, info.kind, info.size, info.mtime_ns, info.mode)


def _sorted_beginning(rows: Iterator[Row]) -> tuple[list[Row], Iterator[Row]]:
    """Return the rows that fit into memory, sorted if there are no others, and an iterator over the others."""
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


# --- text -----------------------------------------------------------------------------------------------------------


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
    """Return the local time, or the seconds since 1970 if the calendar has no such year."""
    if is_clamped(mtime_ns):
        return "after 2262" if mtime_ns > 0 else "before 1677"
    try:
        return time.strftime(form, time.localtime(mtime_ns // _NANOSECONDS))
    except (OverflowError, ValueError, OSError):
        return str(mtime_ns // _NANOSECONDS)


# --- JSON -----------------------------------------------------------------------------------------------------------


def json_line(row: Row) -> str:
    """Return the object with the fields that the help of `ls` lists."""
    from secftp.json_lines import line, name_fields

    is_known = row.kind is not None  # otherwise the numbers mean nothing
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
    """Return ISO 8601 in UTC, in seconds; None for a year beyond it, and for a time that is not known exactly."""
    if is_clamped(mtime_ns):
        return None
    try:
        moment = time.gmtime(mtime_ns // _NANOSECONDS)
    except (OverflowError, ValueError, OSError):
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment) if 0 < moment.tm_year <= _LAST_YEAR else None
