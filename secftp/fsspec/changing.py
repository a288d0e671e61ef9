"""Methods of fsspec's interface that create, rename, remove and copy names at the server.

All but copies happen at once, within a transaction, too: only contents wait for its end.

Invariants: a copy appears whole or not at all, as by `Client.copy`. Whatever was not copied is raised, except a source
that was removed meanwhile where fsspec has it ignored.
"""

from __future__ import annotations

from collections import deque
from glob import has_magic
from typing import TYPE_CHECKING, Any, Final

from secftp.api.naming import name_error
from secftp.errors import FileError, IsADirectory, NotEmpty, NotFound
from secftp.fsspec import paths
from secftp.fsspec.connection import refuse
from secftp.fsspec.deferred import DeferredCall
from secftp.fsspec.looking import Looking
from secftp.fsspec.rules import Sources, is_one, pairs_of, targets_of
from secftp.fsspec.trees import ask_status
from secftp.fsspec.writing import Writing
from secftp.protocol import Kind, MakeDirectory, Ok, Remove
from secftp.session import new_token
from secftp.session.requested import Requested

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from secftp.api.pool import Pool
    from secftp.session import Session
    from secftp.storage import Path

# ruff: noqa: FBT001, FBT002 - the signatures are those of fsspec


class Changing(Looking):
    """The part of the file system that changes names."""

    # --- directories --------------------------------------------------------------------------------------------------

    def mkdir(self, path: Any, create_parents: bool = True, **_options: Any) -> None:
        """Create a directory, and with `create_parents` those above it that are missing."""
        self.client.mkdir(self._strip_protocol(path), parents=create_parents)

    def makedirs(self, path: Any, exist_ok: bool = False) -> None:
        """Create a directory and those above it that are missing."""
        self.client.mkdir(self._strip_protocol(path), parents=True, exist_ok=exist_ok)

    def rmdir(self, path: Any) -> None:
        """Remove an empty directory."""
        self.client.rmdir(self._strip_protocol(path))

    # --- removal ------------------------------------------------------------------------------------------------------

    def rm_file(self, path: Any) -> None:
        """Remove a file."""
        self.client.remove(self._strip_protocol(path))

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files, and with `recursive` whole directories; patterns are expanded.

        With `maxdepth` the files down to this level, and the directories that are empty then. The served directory
        itself is never removed.
        """
        if maxdepth is not None and recursive:
            self._remove_levels(self.expand_path(path, recursive=True, maxdepth=maxdepth))
            return
        names = self.expand_path(path)
        directories = self._directories(names) if recursive else set()
        for name in _tops(names):
            if name in directories:
                self.client.rmtree(name)
        files = [name for name in names if not any(name == top or paths.is_in(name, top) for top in directories)]
        raise_first(remove_files(self._pool, [self._path(name) for name in files]), "removed")

    def _directories(self, names: list[str]) -> set[str]:
        """Return which of the names are directories; raises `NotFound`."""
        found = set()
        for name, status in zip(names, ask_status(self._pool, [self._path(name) for name in names]), strict=True):
            if isinstance(status, FileError):
                raise status
            if status.is_dir():
                found.add(name)
        return found

    def _remove_levels(self, names: list[str]) -> None:
        for name in reversed(names):  # what is in a directory comes before it
            try:
                self.client.remove(name)
            except IsADirectory:
                self._remove_if_empty(name)

    def _remove_if_empty(self, name: str) -> None:
        try:
            self.client.rmdir(name)
        except NotEmpty:
            return

    # --- renaming -----------------------------------------------------------------------------------------------------

    def mv(self, path1: Any, path2: Any, recursive: bool = True, maxdepth: int | None = None, **_options: Any) -> None:  # noqa: ARG002
        """Rename a file or a directory; a file may replace a file, atomically.

        Into `path2` if that is a directory or ends in a slash. Several sources, or a pattern, need a directory, except
        that a list of as many targets names each. Missing directories are created, unless the file system has
        `auto_mkdir=False`. Nothing is copied, so `recursive` makes no difference; `maxdepth` raises `Unsupported`.
        """
        if maxdepth is not None:
            refuse("A move can't be limited to a depth: it renames.", hint="Copy with maxdepth, and remove then.")
        for old, new in self._moves(path1, path2):
            self._move(old, new)

    def _moves(self, path1: Any, path2: Any) -> Iterable[tuple[str, str]]:
        """Yield which name each source gets."""
        if isinstance(path1, list | tuple) and isinstance(path2, list | tuple):
            return zip(self._strip_protocol(path1), self._strip_protocol(path2), strict=True)
        target = self._strip_protocol(path2)
        is_one = isinstance(path1, str | bytes) or hasattr(path1, "__fspath__")
        sources = self.expand_path(path1)
        if is_one and not has_magic(sources[0]) and sources == [self._strip_protocol(path1)]:
            into = paths.has_trailing_slash(path2) or (target != sources[0] and self.client.is_dir(target))
        else:
            into = True
        return [(old, paths.join(target, old.rpartition("/")[2]) if into else target) for old in sources]

    def _move(self, old: str, new: str) -> None:
        if old == new:
            self.client.stat(old)  # raises if there is nothing
            return
        try:
            self.client.replace(old, new)
        except NotFound as problem:
            if not (self.auto_mkdir and problem.of_target):
                raise
            self.client.mkdir(paths.parent_of(new), parents=True, exist_ok=True)
            self.client.replace(old, new)


def _tops(names: list[str]) -> list[str]:
    """Return the sorted names without those that are below others of them."""
    tops: list[str] = []
    for name in names:
        if not any(paths.is_in(name, top) for top in tops[-1:]):
            tops.append(name)
    return tops


_UNDER_WAY: Final = 256  # copies that are requested together


class CopyingAtServer(Writing):
    """The part of the file system that copies within the server."""

    def cp_file(self, path1: Any, path2: Any, **_options: Any) -> None:
        """Copy a file to a path, with its permissions and time; of a directory, only create it.

        Missing directories above the copy are created, unless the file system has `auto_mkdir=False`.
        """
        self._copy([(self._strip_protocol(path1), self._strip_protocol(path2))], "raise")

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        on_error: str | None = None,
        **_options: Any,
    ) -> None:
        """Copy files, and with `recursive` directories, by fsspec's rules; see `put`.

        `on_error`: `"ignore"` leaves out files that are removed meanwhile, the default with `recursive`; `"raise"`.
        Files that fail do not keep others from being copied; raises the first failure.
        """
        on_error = on_error or ("ignore" if recursive else "raise")
        if not is_one(path1) and not is_one(path2):
            self._copy(pairs_of(self._strip_protocol(path1), self._strip_protocol(path2)), on_error)
            return
        known = self._expand(path1, recursive=recursive, maxdepth=maxdepth)
        one, whole = is_one(path1), recursive and maxdepth is None
        if one and not whole:
            known = {name: entry for name, entry in known.items() if entry is None or entry["type"] != "directory"}
        slash = one and paths.has_trailing_slash(path1)
        sources = Sources(sorted(known), one, slash, one and has_magic(self._strip_protocol(path1)))
        if is_one(path2):
            target = self._strip_protocol(path2)
            shown = target + "/" if paths.has_trailing_slash(path2) and target != "/" else target
            targets = targets_of(sources, shown, is_directory=lambda: self.isdir(target))
        else:
            targets = self._strip_protocol(path2)
        found = pairs_of(sources.names, targets)
        directories = {name for name, entry in known.items() if entry is not None and entry["type"] == "directory"}
        self._copy(found, on_error, directories, skips_directories=one and not whole)

    def _copy(
        self,
        pairs: Sequence[tuple[str, str]],
        on_error: str,
        directories: Collection[str] = (),
        *,
        skips_directories: bool = False,
    ) -> None:
        """Copy now, or at the end of a transaction. `directories`: sources that are known to be directories."""
        if self._intrans:
            self._defer(
                DeferredCall(lambda: self._copy_now(pairs, on_error, directories, skips_directories=skips_directories))
            )
        else:
            self._copy_now(pairs, on_error, directories, skips_directories=skips_directories)

    def _copy_now(
        self, pairs: Sequence[tuple[str, str]], on_error: str, directories: Collection[str], *, skips_directories: bool
    ) -> None:
        made = make_directories(self._pool, [self._path(new) for old, new in pairs if old in directories])
        failures = [problem for problem in made if problem is not None]
        files = [(self._path(old), self._path(new)) for old, new in pairs if old not in directories]
        outcomes = copy_files(self._pool, files, parents=self.auto_mkdir)
        unexpected = [new for (_, new), problem in zip(files, outcomes, strict=True) if _is_of_directory(problem)]
        if not skips_directories:
            failures += filter(None, make_directories(self._pool, unexpected))
        failures += [problem for problem in outcomes if problem is not None and not _is_of_directory(problem)]
        if on_error == "ignore":
            failures = [problem for problem in failures if not isinstance(problem, NotFound) or problem.of_target]
        raise_first(failures, "copied")


def _is_of_directory(problem: FileError | None) -> bool:
    """Whether a copy failed because its source is a directory."""
    return isinstance(problem, IsADirectory) and not problem.of_target


def copy_files(pool: Pool, files: Sequence[tuple[Path, Path]], *, parents: bool) -> list[FileError | None]:
    """Copy files at the server, many requests under way at once; returns for each what failed, None if nothing.

    `parents`: create missing directories above the copies, which is done if copies have failed because of them.
    """
    outcomes = _copy_once(pool, files)
    missing = [number for number, problem in enumerate(outcomes) if isinstance(problem, NotFound) and problem.of_target]
    if not parents or not missing:
        return outcomes
    above = list(dict.fromkeys(files[number][1][:-1] for number in missing))
    refused = dict(zip(above, make_directories(pool, above), strict=True))
    for number, again in zip(missing, _copy_once(pool, [files[number] for number in missing]), strict=True):
        lacks_directory = isinstance(again, NotFound) and again.of_target
        outcomes[number] = (refused[files[number][1][:-1]] or again) if lacks_directory else again
    return outcomes


def _copy_once(pool: Pool, files: Sequence[tuple[Path, Path]]) -> list[FileError | None]:
    tokens = [new_token() for _ in files]

    def copy(session: Session, _again: bool) -> list[FileError | None]:
        return _outcomes(
            session,
            (session.begin_copy(old, new, token=token) for (old, new), token in zip(files, tokens, strict=True)),
        )

    return pool.change(copy, long=True) if files else []


def remove_files(pool: Pool, files: Sequence[Path]) -> list[FileError | None]:
    """Remove files, many requests under way at once; returns for each what failed, None if nothing."""
    tokens = [new_token() for _ in files]

    def remove(session: Session, again: bool) -> list[FileError | None]:
        pipeline = session.pipeline
        requests = (
            Remove(id=pipeline.next_id(), path=path, kind=Kind.FILE, token=token)
            for path, token in zip(files, tokens, strict=True)
        )
        outcomes = _outcomes(session, (Requested(pipeline, request, Ok, request.path) for request in requests))
        # It is gone, which was wanted: a server that was restarted meanwhile does not remember the token.
        return [None if again and isinstance(problem, NotFound) else problem for problem in outcomes]

    return pool.change(remove, long=True) if files else []


def raise_first(outcomes: Iterable[FileError | None], done: str) -> None:
    """Raise the first failure if there is one, with a note of how many more there are."""
    failures = [problem for problem in outcomes if problem is not None]
    if failures:
        if len(failures) > 1:
            failures[0].add_note(f"{len(failures) - 1} more could not be {done}.")
        raise failures[0]


def make_directories(pool: Pool, directories: Sequence[Path]) -> list[FileError | None]:
    """Create directories and those above them; returns for each what failed. One that exists is no failure."""

    def make(session: Session, _again: bool) -> list[FileError | None]:
        pipeline = session.pipeline
        requests = (MakeDirectory(id=pipeline.next_id(), path=path, parents=True) for path in directories)
        return _outcomes(session, (Requested(pipeline, request, Ok, request.path) for request in requests))

    return pool.change(make) if directories else []


def _outcomes(session: Session, requests: Iterator[Requested[Ok]]) -> list[FileError | None]:
    """Make requests and wait for their replies, with a window of them under way."""
    outcomes: list[FileError | None] = []
    waiting: deque[Requested[Ok]] = deque()
    with session.pipeline.keepalive():
        for asked in requests:
            waiting.append(asked)
            if len(waiting) >= min(_UNDER_WAY, session.pipeline.most_unanswered):
                outcomes.append(_outcome(waiting.popleft()))
        outcomes.extend(map(_outcome, waiting))
    return outcomes


def _outcome(asked: Requested[Ok]) -> FileError | None:
    try:
        asked.result()
    except FileError as problem:
        return name_error(problem.with_traceback(None), ())
    return None
