"""Listings for fsspec: whole trees with one request, and many directories or names with a round trip for all of them.

Invariant: what is kept counts in a `MemoryBudget`, since a listing has no end that could be relied on; and what can't
be listed or examined is raised or returned as such, never left out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from secftp.api.entries import RemoteEntry, stat_of
from secftp.api.fsspec_base import name_of
from secftp.api.naming import name_error
from secftp.errors import FileError
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
