"""Trees of a server for `find` and `walk` of fsspec: one request, or one for each level if the depth is limited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secftp.api import fsspec_paths as paths
from secftp.api.arguments import directory_path
from secftp.api.fsspec_listings import described, entries_of, list_directories
from secftp.errors import FileError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.api.client import Client
    from secftp.api.entries import RemoteEntry
    from secftp.session.listings import MemoryBudget


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
