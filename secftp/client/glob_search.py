"""The search for what matches a pattern at a server, over one session.

A pattern with `**` takes one listing of the tree below its part without wildcards. Any other takes one listing for each
directory that it leads through; those of a level are requested together, and the first one together with the question
whether the pattern is the name of a file.

Invariants: a directory that can't be listed is never taken for an empty one; whatever a server lists, the last name of
a match is one that the pattern matches, since a file that is fetched gets it.
"""

from __future__ import annotations

import contextlib
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import FileError, NotADirectory, NotFound, ProtocolError, Side
from secftp.protocol import Kind, problem_of
from secftp.session.list_ahead import AHEAD, ListingsAhead
from secftp.session.listings import MemoryBudget
from secftp.session.patterns import Pattern
from secftp.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.protocol import Info, Listed
    from secftp.session import Session
    from secftp.session.requested import Requested
    from secftp.storage import Path
    from secftp.url import Url

_MATCH_BYTES: Final = 600  # of a match, beside its names
_LITERAL: Final = "In a URL, a wildcard that is part of a name is written %2A for *, %3F for ?, %5B for [."


class _Match(NamedTuple):
    path: Path
    is_directory: bool


def replace(session: Session, urls: Sequence[Url], *, whole: bool, missing_ok: bool) -> list[Url]:
    """Return what `secftp.client.globs.expand` does."""
    asked = [None if url.pattern is None else session.begin_stat(url.path) for url in urls]
    with contextlib.closing(ListingsAhead(session.pipeline, whole_tree=False)) as ahead:
        searches = [None if url.pattern is None else _Search(session, ahead, url.pattern) for url in urls]
        literal = [request is None or _exists(url, request) for url, request in zip(urls, asked, strict=True)]
        found = []
        for url, search, exists in zip(urls, searches, literal, strict=True):
            if exists or search is None:
                found.append(url)
                continue
            matches = search.matches()
            if not matches and not missing_ok:
                raise _no_match(search.text)
            found += [_url(url, match) for match in (_without_contents(matches) if whole else matches)]
    return found


def _exists(url: Url, request: Requested[Info]) -> bool:
    """Return whether there is such a name, or whether the server does not say: then the command itself finds out."""
    try:
        return request.result().kind is Kind.DIRECTORY or not url.trailing_slash
    except (NotFound, NotADirectory):
        return False
    except FileError:
        return True


def _no_match(pattern: str) -> FileError:
    return NotFound(
        f"{escape(pattern)}: nothing matches this pattern.", hint=_LITERAL, filename=pattern, side=Side.REMOTE
    )


def _url(url: Url, match: _Match) -> Url:
    return url._replace(path=match.path, trailing_slash=url.trailing_slash or not match.path, pattern=None)


def _without_contents(matches: Sequence[_Match]) -> Iterator[_Match]:
    """Yield the matches that are not below another one; they are sorted, so that one comes before what is below it."""
    above: Path | None = None
    for match in matches:
        if above is None or match.path[: len(above)] != above:
            yield match
            above = match.path if match.is_directory else above


class _Search:
    """The search for what matches one pattern; its first listing is requested at once."""

    def __init__(self, session: Session, ahead: ListingsAhead, text: str) -> None:
        self.text = text
        self._session = session
        self._ahead = ahead
        self._pattern = Pattern(text, include_hidden=False)
        self._top = tuple(map(_bytes, filter(None, self._pattern.start.split("/"))))
        self._budget = MemoryBudget()
        if not self._pattern.any_depth and ahead.has_room(soon=True):
            ahead.request(self._top)

    def matches(self) -> list[_Match]:
        """Return what matches, sorted."""
        matches = []
        for match in self._in_tree() if self._pattern.any_depth else self._by_levels():
            self._keep(match.path)
            matches.append(match)
        return sorted(matches)

    def _keep(self, path: Path) -> None:
        self._budget.take(_MATCH_BYTES + sum(map(len, path)), 1)

    def _in_tree(self) -> Iterator[_Match]:
        """Yield what matches a pattern with `**`, from one listing of the tree."""
        pattern, top = self._pattern, self._top
        listing = contextlib.closing(self._session.list(top, recursive=True))
        with contextlib.suppress(NotFound, NotADirectory), listing as listed:
            for parent, entries in groupby(listed, key=lambda entry: entry.path[:-1]):
                states = pattern.first_states()
                for name in parent:
                    states, _, _ = pattern.next_states(states, _text(name))
                for entry in entries:
                    below, matches, _ = pattern.next_states(states, _text(entry.path[-1]))
                    is_directory = entry.kind is Kind.DIRECTORY
                    if below or (matches and pattern.directories):
                        _check(entry, (*top, *entry.path))
                    if matches and (is_directory or not pattern.directories):
                        yield _Match((*top, *entry.path), is_directory)

    def _by_levels(self) -> Iterator[_Match]:
        """Yield what matches any other pattern; the directories of a level are listed together."""
        level, parts = [self._top], self._pattern.parts
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            if part.literal is not None:
                level = [(*path, part.literal) for path in level]
                if is_last:
                    yield from self._existing(level)
                continue
            below: list[Path] = []
            for path, entry in self._entries(level):
                if not part.matches(_text(entry.path[0])):
                    continue
                name, is_directory = (*path, *entry.path), entry.kind is Kind.DIRECTORY
                if not is_last or self._pattern.directories:
                    _check(entry, name)
                if not is_last and is_directory:
                    self._keep(name)
                    below.append(name)
                elif is_last and (is_directory or not self._pattern.directories):
                    yield _Match(name, is_directory)
            level = below

    def _entries(self, level: list[Path]) -> Iterator[tuple[Path, Listed]]:
        """Yield the entries of directories, each with the path of its directory."""
        for start in range(0, len(level), AHEAD):
            some = level[start : start + AHEAD]
            for path in some:
                if self._ahead.has_room(soon=True):
                    self._ahead.request(path)
            for path in some:
                with contextlib.suppress(NotFound, NotADirectory):
                    for entry in self._ahead.take(path):
                        if len(entry.path) != 1:  # its last name would not have been compared with the pattern
                            raise ProtocolError("A listing contains an entry of another directory.")
                        yield path, entry

    def _existing(self, paths: list[Path]) -> Iterator[_Match]:
        """Yield those of the paths that exist."""
        for start in range(0, len(paths), AHEAD):
            asked = [(path, self._session.begin_stat(path)) for path in paths[start : start + AHEAD]]
            for path, request in asked:
                with contextlib.suppress(NotFound, NotADirectory):
                    is_directory = request.result().kind is Kind.DIRECTORY
                    if is_directory or not self._pattern.directories:
                        yield _Match(path, is_directory)


def _check(entry: Listed, path: Path) -> None:
    """Raise why an entry that may have to be entered could not be examined or listed, unless it has gone meanwhile."""
    problem = problem_of(entry, path)
    if problem is not None and not isinstance(problem, NotFound):
        raise problem


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
