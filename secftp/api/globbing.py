"""`Client.glob`: paths that match a pattern, by the rules of Python's `glob` module.

A pattern with `**` takes one listing of the tree below its part without wildcards. Any other takes one listing for each
directory that it leads through; those of a level are requested together, and share round trips.

Invariant: a directory that can't be listed is never taken for an empty one.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, AnyStr, Final, NamedTuple, TypeAlias

from secftp.api.arguments import decode_name, directory_path, encode_path, join_names, join_path
from secftp.api.entries import AHEAD_BYTES, AHEAD_ENTRIES, Listing
from secftp.api.naming import Place, name_error, named_as
from secftp.errors import FileError, NotADirectory, NotFound
from secftp.protocol import Kind, problem_of
from secftp.session.list_ahead import AHEAD, ListingsAhead
from secftp.session.listings import BoundedIterator, MemoryBudget
from secftp.session.patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.api.entries import RemoteEntry
    from secftp.api.pool import Pool, PooledConnection
    from secftp.protocol import Info
    from secftp.session import Session
    from secftp.session.requested import Requested
    from secftp.storage import Path

_PLACE_BYTES: Final = 400  # of a directory that waits for its turn, beyond its name


class _Place(NamedTuple):
    """A directory in which the parts of the pattern from `number` on remain to be matched; `shown` is its path."""

    path: Path
    shown: str
    number: int


# What an entry contributes: a path that matches, a place to look into, a failure to find out, or nothing.
_Match: TypeAlias = str | _Place | FileError | None


@dataclass(slots=True)
class _Seen:
    """What some places contained: how many places these were, what matches, what is below, and what is wrong.

    `large`: the next place, if it has too many entries to be kept.
    """

    count: int = 0
    found: list[str] = field(default_factory=list)
    below: list[_Place] = field(default_factory=list)
    problems: list[FileError] = field(default_factory=list)
    large: _Place | None = None


def glob(
    pool: Pool,
    base: Path,
    given: AnyStr,
    *,
    include_hidden: bool,
    onerror: Callable[[FileError], object] | None,
) -> Iterator[AnyStr]:
    """Return an iterator over what `Client.glob` yields. Raises `NameRefused`."""
    text = given.decode("utf-8", "surrogateescape") if isinstance(given, bytes) else given
    pattern = Pattern(text, include_hidden=include_hidden)
    top = directory_path(pattern.start, base)
    search = _Search(pool, pattern, onerror)
    paths = search.name(text, top) if not pattern.parts else search.paths(top)
    if isinstance(given, bytes):
        return (path.encode("utf-8", "surrogateescape") for path in paths)
    return paths


class _Search:
    """A search for a pattern."""

    def __init__(self, pool: Pool, pattern: Pattern, onerror: Callable[[FileError], object] | None) -> None:
        self._pool = pool
        self._pattern = pattern
        self._onerror = onerror

    def name(self, text: str, path: Path) -> Iterator[str]:
        """Yield the text of a pattern without wildcards, if there is such a file or directory."""
        if not text:
            return
        try:
            with named_as([Place(text, path)]):
                kind = self._pool.ask(lambda connection: connection.session.stat(path)).kind
        except (NotFound, NotADirectory):
            return
        if kind is Kind.DIRECTORY or not self._pattern.directories:
            yield text

    def paths(self, top: Path) -> Iterator[str]:
        """Yield the paths that match below a directory."""
        return self._in_tree(top) if self._pattern.any_depth else self._by_levels(top)

    def _fail(self, problem: FileError) -> None:
        if isinstance(problem, NotFound | NotADirectory):
            return  # what has gone meanwhile does not match
        if self._onerror is None:
            raise problem
        self._onerror(problem)

    # --- one listing of a whole tree ----------------------------------------------------------------------------------

    def _in_tree(self, top: Path) -> Iterator[str]:
        pattern, start = self._pattern, self._pattern.start
        skipped = len(join_names(start, ""))
        states, parent, below_parent = pattern.first_states(), "", pattern.first_states()
        for entry in self._entries(top, start, recursive=True):
            if entry is None:
                if start and len(pattern.parts) == 1:
                    yield join_names(start, "")
                continue
            above, _, name = entry.path[skipped:].rpartition("/")
            if above != parent:
                parent, below_parent = above, self._states(states, above)
            below, matches, is_top = pattern.next_states(below_parent, name)
            if matches and (entry.is_dir() or not pattern.directories):
                yield entry.path + "/" * pattern.directories
            elif is_top and entry.is_dir():
                yield entry.path + "/"
            if entry.problem is not None and (below or (pattern.directories and not entry.is_dir())):
                self._fail(entry.problem)

    def _entries(self, path: Path, shown: str, *, recursive: bool) -> Iterator[RemoteEntry[str] | None]:
        """Yield None if there is such a directory, and then its entries."""
        try:
            listing = Listing(self._pool, path, shown, recursive=recursive)
        except FileError as problem:
            self._fail(problem)
            return
        with listing:
            yield None
            try:
                yield from listing
            except FileError as problem:
                self._fail(problem)

    def _states(self, states: frozenset[int], path: str) -> frozenset[int]:
        for name in filter(None, path.split("/")):
            states, _, _ = self._pattern.next_states(states, name)
        return states

    # --- one listing for each directory -------------------------------------------------------------------------------

    def _by_levels(self, top: Path) -> Iterator[str]:
        budget = MemoryBudget()
        levels = [deque([self._place(top, self._pattern.start, 0)])]
        budget.take(_cost(levels[0][0]), 1)
        while levels:
            places = levels[-1]
            if not places:
                levels.pop()
                continue
            first = tuple(islice(places, AHEAD))
            seen = self._pool.ask(partial(self._look, first))
            for _ in range(seen.count + (seen.large is not None)):
                budget.give(_cost(places.popleft()), 1)
            below = deque(seen.below)
            yield from seen.found
            for problem in seen.problems:
                self._fail(problem)
            if seen.large is not None:
                yield from self._stream(seen.large, below)
            for place in below:
                budget.take(_cost(place), 1)
            levels.append(below)

    def _place(self, path: Path, shown: str, number: int) -> _Place:
        """Return a place, after the names that follow: all but the last, which has to be looked for."""
        parts = self._pattern.parts
        while number < len(parts) - 1 and (name := parts[number].literal) is not None:
            path, shown, number = (*path, name), join_path(shown, name), number + 1
        return _Place(path, shown, number)

    def _look(self, places: tuple[_Place, ...], connection: PooledConnection) -> _Seen:
        """Look into places, all at once; stops after some if there is much in them. Changes nothing here."""
        session, seen = connection.session, _Seen()
        ahead = ListingsAhead(session.pipeline, whole_tree=False)
        with contextlib.closing(ahead):
            asked = deque(self._ask(session, ahead, place) for place in places)
            for place in places:
                try:
                    status = asked.popleft()
                    if status is not None:
                        self._add_name(place, status.result(), seen)
                    elif not self._add_listing(place, ahead, seen):
                        seen.large = place
                        break
                except FileError as problem:
                    seen.problems.append(name_error(problem, [Place(place.shown, place.path)]))
                seen.count += 1
                if len(seen.found) + len(seen.below) >= AHEAD_ENTRIES:
                    break
        session.pipeline.settle()  # so that the connection can be used again
        return seen

    def _ask(self, session: Session, ahead: ListingsAhead, place: _Place) -> Requested[Info] | None:
        name = self._pattern.parts[place.number].literal
        if name is not None:
            return session.begin_stat((*place.path, name))
        if ahead.has_room(soon=True):
            ahead.request(place.path)
        return None

    def _add_name(self, place: _Place, info: Info, seen: _Seen) -> None:
        name, directories = self._pattern.parts[place.number].literal, self._pattern.directories
        assert name is not None
        if info.kind is Kind.DIRECTORY or not directories:
            seen.found.append(join_path(place.shown, name) + "/" * directories)

    def _add_listing(self, place: _Place, ahead: ListingsAhead, seen: _Seen) -> bool:
        """Add what matches in a directory; False if it has so many entries that none was added."""
        entries = BoundedIterator(ahead.take(place.path), AHEAD_ENTRIES, AHEAD_BYTES)
        found, below, problems = [], [], []
        for listed in entries:
            problem = problem_of(listed, join_path(place.shown, listed.path[0]))
            match = self._match(place, listed.path[0], problem, is_directory=listed.kind is Kind.DIRECTORY)
            if isinstance(match, str):
                found.append(match)
            elif isinstance(match, _Place):
                below.append(match)
            elif match is not None:
                problems.append(match)
        if entries.is_more:
            return False
        seen.found += found
        seen.below += below
        seen.problems += problems
        return True

    def _match(self, place: _Place, name: bytes, problem: FileError | None, *, is_directory: bool) -> _Match:
        """Return what an entry contributes."""
        pattern = self._pattern
        if not pattern.parts[place.number].matches(decode_name(name, "")):
            return None
        shown, is_last = join_path(place.shown, name), place.number == len(pattern.parts) - 1
        if is_last and not pattern.directories:
            return shown
        if problem is not None:
            problem.filename, problem.is_named = shown, True
            return problem
        if not is_directory:
            return None
        return shown + "/" if is_last else self._place((*place.path, name), shown, place.number + 1)

    def _stream(self, place: _Place, below: deque[_Place]) -> Iterator[str]:
        """Yield what matches in a directory with more entries than are kept."""
        for entry in filter(None, self._entries(place.path, place.shown, recursive=False)):
            match = self._match(place, encode_path(entry.name), entry.problem, is_directory=entry.is_dir())
            if isinstance(match, str):
                yield match
            elif isinstance(match, _Place):
                below.append(match)
            elif match is not None:
                self._fail(match)


def _cost(place: _Place) -> int:
    return _PLACE_BYTES + 2 * len(place.shown)
