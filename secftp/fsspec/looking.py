"""Methods of fsspec's interface that look at files and directories, and change nothing.

A tree is one request, and so is each level of a pattern or of a limited depth, however many directories it has.

Invariant: only what the server says is missing is missing. A wrong key, a server that does not answer, and a directory
that can't be listed raise, and are never an empty result.
"""

from __future__ import annotations

import hashlib
import os
from glob import has_magic
from typing import TYPE_CHECKING, Any

from secftp.api.arguments import directory_path, encode_path
from secftp.errors import FileError, NotADirectory, NotFound, Side
from secftp.fsspec.connection import Connected, refuse
from secftp.fsspec.trees import (
    ListedTree,
    ask_status,
    described,
    description,
    entries_of,
    match_levels,
    names_in,
    result_budget,
    teller,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator


# ruff: noqa: FBT001, FBT002 - the signatures are those of fsspec

_MISSING = (NotFound, NotADirectory)


class Looking(Connected):
    """The part of the file system that looks at names and their status."""

    # --- one path -----------------------------------------------------------------------------------------------------

    def info(self, path: Any, **_options: Any) -> dict[str, Any]:
        """Return name, size, type (`file` or `directory`), mtime in seconds, mtime_ns and mode of a path."""
        name = self._strip_protocol(path)
        return description(name, self.client.stat(name))

    def exists(self, path: Any, **_options: Any) -> bool:
        """Return whether the path exists; raises any other failure."""
        return self.client.exists(self._strip_protocol(path))

    def isdir(self, path: Any) -> bool:
        """Return whether the path is a directory; raises any other failure than its absence."""
        return self.client.is_dir(self._strip_protocol(path))

    def isfile(self, path: Any) -> bool:
        """Return whether the path is a file; raises any other failure than its absence."""
        return self.client.is_file(self._strip_protocol(path))

    def sizes(self, paths: Iterable[Any]) -> list[int]:
        """Return the size in bytes of each path, with a round trip for all of them."""
        wanted = [directory_path(self._strip_protocol(path)) for path in paths]
        sizes = []
        for found in ask_status(self._pool, wanted):
            if isinstance(found, FileError):
                raise found
            sizes.append(found.size)
        return sizes

    def modified(self, path: Any) -> dt.datetime:
        """Return the time of the last modification, in UTC."""
        return self.client.stat(self._strip_protocol(path)).modified

    def created(self, path: Any) -> dt.datetime:  # noqa: ARG002 - fsspec's
        """Raise `Unsupported`."""
        refuse("A secftp server does not say when a file was created.", hint="Use modified.")

    def checksum(self, path: Any) -> int:
        """Return the checksum (XXH3-128) of the contents of a file as a number; the server reads the file for it."""
        return int(self.client.checksum(self._strip_protocol(path)), 16)

    def ukey(self, path: Any) -> str:
        """Return what changes when a file changes, by its size and the time of its last modification."""
        found = self.client.stat(self._strip_protocol(path))
        return hashlib.sha256(f"{found.kind} {found.size} {found.mtime_ns}".encode()).hexdigest()

    def sign(self, path: Any, expiration: int = 100, **_options: Any) -> str:  # noqa: ARG002 - fsspec's
        """Raise `Unsupported`."""
        refuse("There are no signed URLs of secftp: a file can be read only with a key.")

    # --- directories --------------------------------------------------------------------------------------------------

    def ls(self, path: Any, detail: bool = True, **_options: Any) -> list[Any]:
        """Return the entries of a directory, or that of a file; with `detail=False` the sorted paths.

        An entry that the server could not examine has the type `other`, and None for everything else.
        """
        name = self._strip_protocol(path)
        try:
            found = [described(entry) for entry in entries_of(self.client, name, result_budget())]
        except NotADirectory:
            found = [self.info(name)]
        return found if detail else names_in(found)

    def find(
        self, path: Any, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_options: Any
    ) -> Any:
        """Return the sorted paths of the files below a directory; nothing if it is missing, the path of a file itself.

        With `maxdepth` down to this level, with `withdirs` also directories, the first one included, with `detail` a
        dictionary of paths and what `info` returns. Raises `TooLarge` for more than two million.
        """
        name = self._strip_protocol(path)
        found: dict[str, dict[str, Any]] = {}
        try:
            if withdirs:
                top = self.client.stat(name)
                found[name] = description(name, top)
            if not withdirs or top.is_dir():
                found.update(self._below(name, maxdepth, withdirs=withdirs))
        except NotADirectory:
            found = self._file_itself(name)
        except NotFound:
            found = {}
        return dict(sorted(found.items())) if detail else sorted(found)

    def _file_itself(self, name: str) -> dict[str, dict[str, Any]]:
        try:
            return {name: self.info(name)}
        except _MISSING:
            return {}

    def _below(self, name: str, maxdepth: int | None, *, withdirs: bool) -> dict[str, dict[str, Any]]:
        """Return what is below a directory. Raises the first that can't be listed, `NotFound` for the top."""
        budget = result_budget()
        tree = ListedTree(self.client, name, maxdepth, budget)
        found: dict[str, dict[str, Any]] = {}
        for entry in tree.entries():
            if not entry.is_dir() or withdirs:
                found[entry.path] = described(entry)
        return found

    def walk(
        self,
        path: Any,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], object] | None = None,
        detail: bool = False,
        **_options: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield for each directory its path, its subdirectories and its other entries, as fsspec does.

        A tree is one request. What can't be listed is raised, or left out with `on_error="omit"`, or told to
        `on_error`, which may be called with it; a missing directory is empty unless `on_error="raise"`.
        """
        name, budget = self._strip_protocol(path), result_budget()
        try:
            tree = ListedTree(self.client, name, maxdepth, budget)
            tree.read()
        except _MISSING as problem:
            if isinstance(problem, NotADirectory) and (itself := self._file_itself(name)):
                yield name, {} if detail else [], {"": itself[name]} if detail else [""]
            elif on_error is not None:
                teller(on_error)(problem)
            return
        except FileError as problem:
            if budget.exceeded:
                raise
            teller(on_error)(problem)
            return
        yield from tree.walk(teller(on_error), topdown=topdown, detail=detail)

    def du(
        self, path: Any, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **options: Any
    ) -> Any:
        """Return the sum of the sizes of the files below a path, or with `total=False` the size of each."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **options)
        sizes = {
            name: self.info(name)["size"] if entry["size"] is None else entry["size"] for name, entry in found.items()
        }
        return sum(sizes.values()) if total else sizes

    # --- patterns -----------------------------------------------------------------------------------------------------

    def glob(self, path: Any, maxdepth: int | None = None, **options: Any) -> Any:
        """Return the paths that match a pattern, sorted; with `detail` a dictionary of what `info` returns.

        `*`, `?` and `[...]` match within a name, `**` any number of directories; `[*]` is a star itself. With a
        trailing slash only directories match.
        """
        text = encode_path(path).decode("utf-8", "surrogateescape")
        pattern = self._strip_protocol(text)
        if "**" in pattern or (maxdepth is not None and maxdepth < 1):
            return super().glob(pattern + "/" if text.endswith("/") else pattern, maxdepth=maxdepth, **options)
        only_directories, withdirs = text.endswith("/"), options.get("withdirs", True)
        found = {
            entry.path: described(entry)
            for entry in match_levels(self.client, pattern, result_budget())
            if (withdirs or not entry.is_dir()) and (entry.is_dir() or not only_directories)
        }
        return dict(sorted(found.items())) if options.get("detail") else sorted(found)

    def expand_path(
        self,
        path: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        assume_literal: bool = False,
        **_options: Any,
    ) -> list[str]:
        """Return the sorted paths that patterns match; with `recursive` those below them, too.

        A path that has the signs of a pattern and matches nothing stands for itself if it exists. Raises `NotFound` if
        there is nothing at all.
        """
        return sorted(self._expand(path, recursive=recursive, maxdepth=maxdepth, assume_literal=assume_literal))

    def _expand(
        self, path: Any, *, recursive: bool, maxdepth: int | None, assume_literal: bool = False
    ) -> dict[str, dict[str, Any] | None]:
        """Return what `expand_path` does, with what `info` returns if that is known by then."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        given = [path] if isinstance(path, str | bytes | os.PathLike) else list(path)
        found: dict[str, dict[str, Any] | None] = {}
        for each in given:
            name = self._strip_protocol(each)
            if has_magic(name) and not assume_literal:
                found.update(self._expand_pattern(each, recursive=recursive, maxdepth=maxdepth))
            elif recursive:
                found.update(self.find(name, maxdepth=maxdepth, withdirs=True, detail=True))
            else:
                found.setdefault(name, None)
        if not found:
            shown = self._strip_protocol(given[0]) if len(given) == 1 else None
            raise NotFound("Nothing matches the path.", filename=shown, side=Side.REMOTE)
        return found

    def _expand_pattern(
        self, pattern: Any, *, recursive: bool, maxdepth: int | None
    ) -> dict[str, dict[str, Any] | None]:
        matching: dict[str, Any] = self.glob(pattern, maxdepth=maxdepth, detail=True)
        if not matching:
            name = self._strip_protocol(pattern)
            if not self.exists(name):
                return {}
            return self._expand(name, recursive=recursive, maxdepth=maxdepth, assume_literal=True)
        found = dict(matching)
        if recursive and (maxdepth is None or maxdepth > 1):
            left = None if maxdepth is None else maxdepth - 1
            for name, entry in matching.items():
                if entry["type"] == "directory":
                    found.update(self._below(name, left, withdirs=True))
        return found
