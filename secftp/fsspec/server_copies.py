"""Methods of fsspec's interface that copy within the server, without transferring contents.

Invariants: a copy appears whole or not at all, as by `Client.copy`. Whatever was not copied is raised, except a source
that was removed meanwhile where fsspec has it ignored.
"""

from __future__ import annotations

from glob import has_magic
from typing import TYPE_CHECKING, Any

from secftp.errors import FileError, IsADirectory, NotFound
from secftp.fsspec import paths
from secftp.fsspec.deferred import DeferredCall
from secftp.fsspec.requests import copy_files, make_directories, raise_first
from secftp.fsspec.rules import Sources, is_one, is_pattern, pairs_of, targets_of
from secftp.fsspec.trees import ask_status
from secftp.fsspec.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


# ruff: noqa: FBT001, FBT002 - the signatures are those of fsspec


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
        if recursive and maxdepth is None and is_one(path1) and is_one(path2) and not self._intrans:
            tree = self._tree(path1, path2)
            if tree is not None:
                self._copy_tree(*tree, on_error)
                return
        known = self._expand(path1, recursive=recursive, maxdepth=maxdepth)
        one, whole = is_one(path1), recursive and maxdepth is None
        if one and not whole:
            known = {name: entry for name, entry in known.items() if entry is None or entry["type"] != "directory"}
        slash = one and paths.has_trailing_slash(path1)
        top = self._strip_protocol(path1) if one else ""
        sources = Sources(sorted(known), one, slash, one and is_pattern(top, known), top)
        if is_one(path2):
            target = self._strip_protocol(path2)
            shown = target + "/" if paths.has_trailing_slash(path2) and target != "/" else target
            targets = targets_of(sources, shown, is_directory=lambda: self.isdir(target))
        else:
            targets = self._strip_protocol(path2)
        found = pairs_of(sources.names, targets)
        directories = {name for name, entry in known.items() if entry is not None and entry["type"] == "directory"}
        self._copy(found, on_error, directories, skips_directories=one and not whole)

    def _tree(self, path1: Any, path2: Any) -> tuple[str, str] | None:
        """Return a directory and the name of its copy; None for a file, a pattern, and the served directory."""
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if has_magic(source) or source == "/":
            return None
        found, there = ask_status(self._pool, [self._path(source), self._path(target)])
        if isinstance(found, FileError):
            raise found
        if not found.is_dir():
            return None
        status = None if isinstance(there, FileError) else there
        into = paths.has_trailing_slash(path2) or (status is not None and status.is_dir())
        if into and not paths.has_trailing_slash(path1):
            target = paths.join(target, source.rpartition("/")[2])
        if target == "/":
            return None
        if self.auto_mkdir and status is None:
            make_directories(self._pool, [path for path in (self._path(target)[:-1],) if path])
        return source, target

    def _copy_tree(self, source: str, target: str, on_error: str) -> None:
        """Copy a directory as `Client.copytree`: directories get their permissions and times, too."""
        failures: list[FileError] = []
        self.client.copytree(source, target, on_error=lambda _name, problem: failures.append(problem))
        raise_first(_unless_gone(failures, on_error), "copied")

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
        wanted = [self._path(new) for old, new in pairs if old in directories]
        made = make_directories(self._pool, [path for path in wanted if path])
        failures = [problem for problem in made if problem is not None]
        files = [(self._path(old), self._path(new)) for old, new in pairs if old not in directories]
        outcomes = copy_files(self._pool, files, parents=self.auto_mkdir)
        unexpected = [new for (_, new), problem in zip(files, outcomes, strict=True) if _is_of_directory(problem)]
        if not skips_directories:
            failures += filter(None, make_directories(self._pool, unexpected))
        failures += [problem for problem in outcomes if problem is not None and not _is_of_directory(problem)]
        raise_first(_unless_gone(failures, on_error), "copied")


def _unless_gone(failures: list[FileError], on_error: str) -> list[FileError]:
    """Return failures without those of sources that were removed meanwhile, if fsspec has them ignored."""
    if on_error != "ignore":
        return failures
    return [problem for problem in failures if not isinstance(problem, NotFound) or problem.of_target]


def _is_of_directory(problem: FileError | None) -> bool:
    """Whether a copy failed because its source is a directory."""
    return isinstance(problem, IsADirectory) and not problem.of_target
