"""The output of `ls` and `stat`, as text and as JSON Lines.

A listing of any size is printed as it arrives, in bounded memory; one of up to `SORTED_ENTRIES` is sorted first. In
text every name is escaped, whether or not standard output is a terminal; JSON is exact.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from secftp.client.connect import checked_kind, stat_and_list, stat_url
from secftp.client.left_out import OTHERS, Others
from secftp.client.listing_text import Look, Row, block
from secftp.client.sorting import BY_NAME, KEYS, UNSORTED, ordered
from secftp.client.terminal import print_output
from secftp.protocol import Kind, problem_of
from secftp.session.list_ahead import ListingsAhead, depth_first
from secftp.session.listings import BUDGET_BYTES, BoundedIterator, MemoryBudget, PackedNames
from secftp.storage.attributes import is_clamped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from secftp.client.failures import Failures
    from secftp.protocol import Info, Listed
    from secftp.session import Session
    from secftp.storage import Path
    from secftp.url import Url

SORTED_ENTRIES: Final = 100_000
_BLOCK: Final = 500  # lines that are printed at once
_COLUMN_BLOCK: Final = 20_000  # names that are laid out together
_NANOSECONDS: Final = 10**9
_LAST_YEAR: Final = 9999


class Progress(Protocol):
    """What counts what was listed; `clear`: before something is printed."""

    def add(self, number: int = 1, nbytes: int | None = None) -> None:
        """Count."""

    def clear(self) -> None:
        """Erase the line."""


class ListStyle(NamedTuple):
    """What of a listing is printed, in which order, and how.

    `hidden`: also names that begin with a dot. `grouped`: a tree is printed directory by directory, each with a head;
    else as one list of paths. `directories`: themselves, and not what is in them.
    """

    as_json: bool = False
    look: Look = Look()
    hidden: bool = True
    order: str = BY_NAME
    reverse: bool = False
    recursive: bool = False
    grouped: bool = False
    directories: bool = False

    def sort(self, rows: list[Row]) -> list[Row]:
        """Return the rows of operands in order."""
        if self.order == UNSORTED or self.as_json:
            return rows
        return sorted(rows, key=KEYS[self.order], reverse=self.reverse)


class ListingOutput:
    """Prints the listings of a session, one after the other. `progress` counts the entries."""

    def __init__(self, session: Session, style: ListStyle, failures: Failures, progress: Progress) -> None:
        self._session = session
        self._style = style
        self._failures = failures
        self._progress = progress
        self._has_printed = False
        self.others = Others()
        self._room = 1  # for sizes

    def print(self, urls: Sequence[Url]) -> None:
        """Print the files among the operands first, then the directories, each with a head if there are several.

        As JSON they are printed in their order.
        """
        if self._style.directories:
            self._print_rows(self._statuses(urls))
        elif len(urls) > 1:
            self._print_several(urls)
        else:
            with self._failures.collected():
                self._print_one(urls[0])

    # --- operands -----------------------------------------------------------------------------------------------------

    def _print_one(self, url: Url) -> None:
        session, style = self._session, self._style
        info, listing = stat_and_list(session, url, recursive=style.recursive and not style.grouped, others=True)
        if info.kind is not Kind.DIRECTORY:
            listing.drop()
            self._print_rows([_row_of(url.path, info)])
        elif style.recursive and style.grouped:
            ahead = ListingsAhead(session.pipeline, others=True)
            ahead.adopt(listing)
            self._print_tree(url.path, ahead)
        else:
            self._print_entries(url.path, listing.entries())

    def _print_several(self, urls: Sequence[Url]) -> None:
        session, style = self._session, self._style
        found = self._statuses(urls)
        if not style.as_json:  # there each operand is in its place
            self._print_rows([row for row in found if row.kind is not Kind.DIRECTORY])
            found = style.sort([row for row in found if row.kind is Kind.DIRECTORY])
        coming = (row for row in found if row.kind is Kind.DIRECTORY)
        with contextlib.closing(ListingsAhead(session.pipeline, whole_tree=False, others=True)) as ahead:
            for row in found:
                if row.kind is not Kind.DIRECTORY:
                    self._print_rows([row])
                elif style.recursive and style.grouped:
                    self._print_tree(row.path, ListingsAhead(session.pipeline, others=True))
                elif style.recursive:
                    self._print_directory(row.path, session.list(row.path, recursive=True, others=True))
                else:
                    while ahead.has_room(soon=True) and (following := next(coming, None)) is not None:
                        ahead.request(following.path)
                    self._print_directory(row.path, ahead.take(row.path))

    def _statuses(self, urls: Iterable[Url]) -> list[Row]:
        """Return what is known of the operands, requested together, without those that fail."""
        asked, found = [], []
        for url in urls:
            with self._failures.collected():
                asked.append((url, self._session.begin_stat(url.path)))
        for url, requested in asked:
            with self._failures.collected():
                found.append(_row_of(url.path, checked_kind(url, requested.result())))
        return found

    def _print_rows(self, rows: list[Row]) -> None:
        """Print operands themselves."""
        if rows:
            rows = self._style.sort(rows)
            self._print_known(rows)
            self._has_printed = True

    # --- directories --------------------------------------------------------------------------------------------------

    def _print_tree(self, top: Path, ahead: ListingsAhead) -> None:
        budget = MemoryBudget()

        def enter(path: Path) -> Generator[None, None, Iterator[Path]]:
            below = PackedNames(budget)
            self._print_directory(path, ahead.take(path), below)
            yield
            return ((*path, name) for name in below)

        with contextlib.closing(ahead):
            for _ in depth_first(top, enter, ahead):
                pass

    def _print_directory(self, path: Path, entries: Iterator[Listed], below: PackedNames | None = None) -> None:
        """Print a directory with a head, unless it can't be listed."""
        with self._failures.collected():
            first = list(itertools.islice(entries, 1))
            if not self._style.as_json:
                self._progress.clear()
                print_output(("\n" if self._has_printed else "") + f"{self._style.look.path(path)}:\n")
                self._has_printed = True
            self._print_entries(path, itertools.chain(first, entries), below)

    def _print_entries(self, path: Path, entries: Iterator[Listed], below: PackedNames | None = None) -> None:
        """Print the entries of a directory, or of a tree, as they arrive; adds the names of directories to `below`.

        A listing that ends early is a failure after the entries before it.
        """
        style = self._style
        if not style.hidden:
            entries = filter(_is_visible, entries)
        entries = ordered(self._collected(path, entries), style.order, SORTED_ENTRIES, reverse=style.reverse)
        for rows in self._blocks(path, entries):
            self._print_known(rows)
            for row in rows:
                if row.problem is not None:
                    self._failures.add(row.problem)
                elif below is not None and row.kind is Kind.DIRECTORY:
                    below.add(row.path[-1])

    def _collected(self, path: Path, entries: Iterator[Listed]) -> Iterator[Listed]:
        """Yield the entries but for symlinks and special files, which are counted."""
        with self._failures.collected():
            for entry in entries:
                if entry.kind in OTHERS:
                    assert entry.kind is not None  # it is one of them
                    self.others.add((*path, *entry.path), entry.kind)
                else:
                    yield entry

    def _blocks(self, path: Path, entries: Iterator[Listed]) -> Iterator[list[Row]]:
        look, is_text = self._style.look, not self._style.as_json
        aligned = SORTED_ENTRIES if is_text and look.long else _COLUMN_BLOCK if is_text and look.columns else _BLOCK
        while rows := [_row_below(path, each) for each in BoundedIterator(entries, aligned, BUDGET_BYTES // 4)]:
            yield rows

    # --- lines --------------------------------------------------------------------------------------------------------

    def _print_known(self, rows: list[Row]) -> None:
        """Print the rows; as text only those that are known."""
        look, known = self._style.look, [row for row in rows if row.kind is not None]
        self._room = max(self._room, look.room(known))
        lines = map(json_line, rows) if self._style.as_json else look.lines(known, self._room)
        self._progress.clear()
        while some := "".join(itertools.islice(lines, _BLOCK)):
            print_output(some)
        self._failures.done = self._failures.done or bool(known)
        self._progress.add(len(rows))


def _is_visible(entry: Listed) -> bool:
    return not any(name.startswith(b".") for name in entry.path)


def print_status(session: Session, url: Url, *, as_json: bool) -> None:
    """Print the status of a file or a directory."""
    row = _row_of(url.path, stat_url(session, url))
    print_output(json_line(row) if as_json else block(row))


def _row_below(path: Path, listed: Listed) -> Row:
    problem = problem_of(listed, (*path, *listed.path))
    return Row(listed.path, listed.kind, listed.size, listed.mtime_ns, listed.mode, listed.code, problem)


def _row_of(path: Path, info: Info) -> Row:
    return Row(path, info.kind, info.size, info.mtime_ns, info.mode)


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
