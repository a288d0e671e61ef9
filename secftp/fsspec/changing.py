"""Methods of fsspec's interface that create, rename and remove names at the server.

They happen at once, within a transaction, too: only contents wait for its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secftp.errors import FileError, IsADirectory, NotEmpty, NotFound
from secftp.fsspec import paths
from secftp.fsspec.connection import refuse
from secftp.fsspec.looking import Looking
from secftp.fsspec.requests import raise_first, remove_files
from secftp.fsspec.rules import is_pattern, pairs_of
from secftp.fsspec.trees import ask_status

if TYPE_CHECKING:
    from collections.abc import Iterable


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
            return pairs_of(self._strip_protocol(path1), self._strip_protocol(path2))
        target = self._strip_protocol(path2)
        is_one = isinstance(path1, str | bytes) or hasattr(path1, "__fspath__")
        sources = self.expand_path(path1)
        if is_one and not is_pattern(self._strip_protocol(path1), sources):
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
