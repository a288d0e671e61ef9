"""Patterns of fsspec, matched level by level: only directories that can hold a match are listed.

Patterns with `**` are not matched here, since they need the whole tree.
"""

from __future__ import annotations

import re
from glob import has_magic
from typing import TYPE_CHECKING

from fsspec.utils import glob_translate

from secftp.api import fsspec_paths as paths
from secftp.api.arguments import directory_path
from secftp.api.entries import RemoteEntry
from secftp.api.fsspec_listings import ask_status, list_directories
from secftp.errors import FileError, NotADirectory, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.api.client import Client
    from secftp.session.listings import MemoryBudget

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
