"""Listings for fsspec: whole trees with one request; many directories, or names, with a round trip for all of them.

A tree of a limited depth, and a pattern without `**`, is listed level by level: only what can hold a match is listed.

Invariant: what is kept counts in a `MemoryBudget`, since a listing has no end that could be relied on; and what can't
be listed or examined is raised or returned as such, never left out.
"""

from __future__ import annotations

import re
from collections import deque
from glob import has_magic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fsspec.utils import glob_translate

from secftp.api.arguments import directory_path
from secftp.api.entries import RemoteEntry, stat_of
from secftp.api.naming import name_error
from secftp.errors import FileError, NotADirectory, NotFound
from secftp.fsspec import paths
from secftp.fsspec.connection import name_of
from secftp.protocol import problem_of
from secftp.session.listings import MemoryBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from secftp.api.client import Client
    from secftp.api.entries import RemoteStat
    from secftp.api.pool import Pool, PooledConnection
    from secftp.protocol import Info
    from secftp.session.requested import Requested, RequestedListing
    from secftp.storage import Path

    Entry: TypeAlias = RemoteEntry[str]


MOST_BYTES: Final = 1 << 30  # of memory for the entries of one result: fsspec's methods return all of them at once
MOST_ENTRIES: Final = 2_000_000
_ENTRY_BYTES: Final = 500  # of an entry in a result, beyond its path
_UNDER_WAY: Final = 64  # listings, each of which may be large
_QUESTIONS_UNDER_WAY: Final = 512


def result_budget() -> MemoryBudget:
    """Return the budget of one result; more raises `TooLarge`."""
    return MemoryBudget(MOST_BYTES, MOST_ENTRIES)


def described(entry: Entry) -> dict[str, Any]:
    """Return an entry of a listing as fsspec has it; one that could not be examined has the type `other`."""
    return description(entry.path, entry.info)


def description(name: str, found: RemoteStat | None) -> dict[str, Any]:
    """Return the status of a path as fsspec has it, None for one that could not be examined."""
    if found is None:
        return {"name": name, "size": None, "type": "other", "mtime": None, "mtime_ns": None, "mode": None}
    return {
        "name": name,
        "size": found.size,
        "type": "directory" if found.is_dir() else "file",
        "mtime": found.mtime,
        "mtime_ns": found.mtime_ns,
        "mode": found.st_mode,
    }


def entries_of(client: Client, name: str, budget: MemoryBudget, *, recursive: bool = False) -> Iterator[Entry]:
    """Yield the entries of a directory, with `recursive` of the whole tree, which is one request."""
    with client.scandir(name, recursive=recursive) as listing:
        for entry in listing:
            budget.take(_ENTRY_BYTES + 2 * len(entry.path), 1)
            yield entry


def list_directories(pool: Pool, directories: Sequence[Path], budget: MemoryBudget) -> list[list[Entry] | FileError]:
    """Return the entries of each directory, or why it can't be listed; the requests are under way together."""

    def ask(used: PooledConnection) -> list[list[Entry] | FileError]:
        session = used.session
        waiting: deque[RequestedListing] = deque()
        found: list[list[Entry] | FileError] = []
        counted = budget.nbytes, budget.entries
        try:
            for path in directories:
                waiting.append(session.begin_list(path))
                if len(waiting) >= _UNDER_WAY:
                    found.append(_taken(waiting.popleft(), directories[len(found)], budget))
            while waiting:
                found.append(_taken(waiting.popleft(), directories[len(found)], budget))
        except BaseException:
            for listing in waiting:
                listing.drop()
            budget.give(budget.nbytes - counted[0], budget.entries - counted[1])  # it may be asked again
            raise
        return found

    return pool.ask(ask, long=True) if directories else []


def _taken(listing: RequestedListing, directory: Path, budget: MemoryBudget) -> list[Entry] | FileError:
    found: list[Entry] = []
    above = name_of(directory).rstrip("/")
    try:
        for listed in listing.entries():
            path = f"{above}/{b'/'.join(listed.path).decode('utf-8', 'surrogateescape')}"
            budget.take(_ENTRY_BYTES + 2 * len(path), 1)
            info = None if listed.kind is None else stat_of(listed)
            found.append(RemoteEntry(path, info, problem_of(listed, path)))
    except FileError as problem:
        if budget.exceeded:
            raise
        return name_error(problem.with_traceback(None), ())
    return found


def ask_status(pool: Pool, wanted: Sequence[Path]) -> list[RemoteStat | FileError]:
    """Return the status of each path, or why there is none; the requests are under way together."""

    def ask(used: PooledConnection) -> list[RemoteStat | FileError]:
        session = used.session
        waiting: deque[Requested[Info]] = deque()
        found: list[RemoteStat | FileError] = []
        for path in wanted:
            waiting.append(session.begin_stat(path))
            if len(waiting) >= min(_QUESTIONS_UNDER_WAY, session.pipeline.most_unanswered):
                found.append(_status(waiting.popleft()))
        found.extend(map(_status, waiting))
        return found

    return pool.ask(ask) if wanted else []


def _status(asked: Requested[Info]) -> RemoteStat | FileError:
    try:
        return stat_of(asked.result())
    except FileError as problem:
        return name_error(problem.with_traceback(None), ())


def tell_raising(problem: OSError) -> None:
    """Raise what a walk can't list."""
    raise problem


def teller(on_error: str | Callable[[OSError], object] | None) -> Callable[[OSError], object]:
    """Return what is called with a directory that can't be listed, for fsspec's `on_error`; by default it is raised."""
    if on_error == "omit":
        return lambda _problem: None
    return on_error if callable(on_error) else tell_raising


def names_in(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return the sorted names of entries."""
    return sorted(entry["name"] for entry in found)


class ListedTree:
    """The tree below the directory `top`, `maxdepth` levels of it or all."""

    def __init__(self, client: Client, top: str, maxdepth: int | None, budget: MemoryBudget) -> None:
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        self._client = client
        self._top = top
        self._maxdepth = maxdepth
        self._budget = budget
        self._inside: dict[str, dict[str, RemoteEntry[str]]] = {}  # the entries of each directory by name
        self._problems: dict[str, FileError] = {}  # of directories that can't be listed

    def entries(self) -> Iterator[RemoteEntry[str]]:
        """Yield the entries, those of a directory after it. Raises what can't be listed, also after some entries."""
        if self._maxdepth in {None, 1}:
            for entry in entries_of(self._client, self._top, self._budget, recursive=self._maxdepth is None):
                if entry.problem is not None and entry.is_dir():
                    raise_unless_gone(entry.problem)
                yield entry
            return
        self.read()
        for problem in self._problems.values():
            raise_unless_gone(problem)
        for inside in self._inside.values():
            yield from inside.values()

    # --- walking ------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """List the tree. Raises the `FileError` of its top, and of nothing else."""
        if self._maxdepth in {None, 1}:
            self._read_at_once()
        else:
            self._read_levels(self._maxdepth or 1)

    def _read_at_once(self) -> None:
        self._inside[self._top] = {}
        for entry in entries_of(self._client, self._top, self._budget, recursive=self._maxdepth is None):
            self._inside.setdefault(paths.parent_of(entry.path), {})[entry.name] = entry
            if entry.is_dir():
                self._inside.setdefault(entry.path, {})
                if entry.problem is not None:
                    self._problems[entry.path] = entry.problem

    def _read_levels(self, levels: int) -> None:
        names = [self._top]
        for level in range(levels):
            found = list_directories(self._client._pool, [directory_path(name) for name in names], self._budget)  # noqa: SLF001 - of this package
            below: list[str] = []
            for name, entries in zip(names, found, strict=True):
                if isinstance(entries, FileError):
                    if not level:
                        raise entries
                    self._problems[name] = entries
                    continue
                self._inside[name] = {entry.name: entry for entry in entries}
                below += [entry.path for entry in entries if entry.is_dir()]
            names = below

    def walk(self, tell: Callable[[OSError], object], *, topdown: bool, detail: bool) -> Iterator[tuple[str, Any, Any]]:
        """Yield what fsspec's `walk` does, of the tree that was read; `tell` is called with what can't be listed."""
        return self._walk(self._top, self._maxdepth, tell, topdown=topdown, detail=detail)

    def _walk(
        self, name: str, levels: int | None, tell: Callable[[OSError], object], *, topdown: bool, detail: bool
    ) -> Iterator[tuple[str, Any, Any]]:
        if name not in self._inside and name not in self._problems:  # which the caller has added
            tree = ListedTree(self._client, name, levels, self._budget)
            try:
                tree.read()
            except FileError as problem:
                self._tell(problem, tell)
                return
            yield from tree.walk(tell, topdown=topdown, detail=detail)
            return
        if name in self._problems:
            self._tell(self._problems[name], tell)
            return
        inside = self._inside.pop(name)
        directories: Any = {last: described(entry) for last, entry in inside.items() if entry.is_dir()}
        others: Any = {last: described(entry) for last, entry in inside.items() if not entry.is_dir()}
        if not detail:
            directories, others = list(directories), list(others)
        if topdown:
            yield name, directories, others
        left = None if levels is None else levels - 1
        if left != 0:
            for last in tuple(directories):
                yield from self._walk(paths.join(name, last), left, tell, topdown=topdown, detail=detail)
        if not topdown:
            yield name, directories, others

    def _tell(self, problem: FileError, tell: Callable[[OSError], object]) -> None:
        if self._budget.exceeded:
            raise problem  # that the caller can't mean by leaving out what can't be listed
        if not isinstance(problem, NotFound):
            tell(problem)


def raise_unless_gone(problem: FileError) -> None:
    """Raise why a directory below the top can't be listed, unless it was removed meanwhile."""
    if not isinstance(problem, NotFound):
        raise problem


_MISSING = (NotFound, NotADirectory)


def match_levels(client: Client, pattern: str, budget: MemoryBudget) -> Iterator[RemoteEntry[str]]:
    """Yield the entries that a stripped pattern matches. Raises what can't be listed or examined."""
    parts = [part for part in pattern.split("/") if part]
    names = ["/"]
    while parts:
        depth = next((number for number, part in enumerate(parts) if has_magic(part)), len(parts))
        names = [paths.join(name, "/".join(parts[:depth])) if depth else name for name in names]
        if depth == len(parts):
            break
        matching = re.compile(glob_translate(parts[depth]))
        found = [entry for entry in _listed(client, names, budget) if matching.match(entry.name)]
        parts = parts[depth + 1 :]
        if not parts:
            yield from found
            return
        names = []
        for entry in found:
            if entry.info is None:
                entry.stat()  # raises why it is not known whether it is a directory
            elif entry.is_dir():
                names.append(entry.path)
    yield from _existing(client, names)


def _listed(client: Client, names: list[str], budget: MemoryBudget) -> Iterator[RemoteEntry[str]]:
    pool = client._pool  # noqa: SLF001 - of this package
    for entries in list_directories(pool, [directory_path(name) for name in names], budget):
        if not isinstance(entries, FileError):
            yield from entries
        elif not isinstance(entries, _MISSING):
            raise entries


def _existing(client: Client, names: list[str]) -> Iterator[RemoteEntry[str]]:
    pool = client._pool  # noqa: SLF001 - of this package
    for name, found in zip(names, ask_status(pool, [directory_path(name) for name in names]), strict=True):
        if not isinstance(found, FileError):
            yield RemoteEntry(name, found)
        elif not isinstance(found, _MISSING):
            raise found
