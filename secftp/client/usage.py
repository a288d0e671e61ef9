"""Sizes of the trees of a server, added up from its listings, for `du`.

A size is the sum of the sizes of the files, as `ls` shows them; a file with several names counts with each, since names
are all that a listing has. Directories are listed one at a time and requested ahead, so memory does not grow with the
tree, however many files are in a directory. Invariant: a directory in which anything is not known has no size, and
neither have those above it: what is missing never makes a sum smaller.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileError
from secftp.protocol import Kind, problem_of
from secftp.session.list_ahead import ListingsAhead, depth_first
from secftp.session.listings import MemoryBudget, SortedNames

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from secftp.session import Session
    from secftp.session.requested import RequestedListing
    from secftp.storage import Path


class Usage(NamedTuple):
    """The size of a file, or of everything in a directory: `size` bytes in `files` files, or more unless `is_known`."""

    path: Path
    kind: Kind
    size: int
    files: int
    is_known: bool = True

    def with_(self, other: Usage) -> Usage:
        """Return the sum with what is in it."""
        return self._replace(
            size=self.size + other.size, files=self.files + other.files, is_known=self.is_known and other.is_known
        )


def tree_usage(
    session: Session,
    top: Path,
    listing: RequestedListing,
    failed: Callable[[FileError], None],
    *,
    with_files: bool,
    counted: Callable[[Path, int, int], None],
) -> Iterator[Usage]:
    """Yield the usage of each directory after those in it, `top` last; `with_files` also that of each file.

    `listing` is that of `top`. `failed` is called with what is not known, `counted` with the path of each directory,
    and how many files and bytes were found in it.
    """
    ahead = ListingsAhead(session.pipeline)
    ahead.adopt(listing)
    budget = MemoryBudget()

    def enter(path: Path) -> Generator[Usage, None, Iterator[Path]]:
        found = Usage(path, Kind.DIRECTORY, 0, 0)
        below = SortedNames(budget)
        try:
            for entry in ahead.take(path):
                name = (*path, *entry.path)
                if (problem := problem_of(entry, name)) is not None:
                    failed(problem)
                    found = found._replace(is_known=False)
                elif entry.kind is Kind.DIRECTORY:
                    below.add(entry.path[0])
                else:
                    file = Usage(name, Kind.FILE, entry.size, 1)
                    found = found.with_(file)
                    if with_files:
                        yield file
        except FileError as problem:
            failed(problem)
            found = found._replace(is_known=False)
        counted(path, found.files, found.size)
        below.sort()
        yield found
        return ((*path, name) for name, _ in below)

    with contextlib.closing(ahead):
        yield from _added_up(depth_first(top, enter, ahead))


def _added_up(found: Iterator[Usage]) -> Iterator[Usage]:
    """Yield files as they come, and each directory with all that is in it when that is complete."""
    inside: list[Usage] = []
    for usage in found:
        while inside and usage.path[: len(inside[-1].path)] != inside[-1].path:
            yield _closed(inside)
        if usage.kind is Kind.DIRECTORY:
            inside.append(usage)
        else:
            yield usage
    while inside:
        yield _closed(inside)


def _closed(inside: list[Usage]) -> Usage:
    """Remove the last directory, and add it to the one that it is in."""
    done = inside.pop()
    if inside:
        inside[-1] = inside[-1].with_(done)
    return done
