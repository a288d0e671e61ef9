"""Rules of fsspec for `put` and `get`: which file gets which name.

A directory or a file that is named is copied by the engine as a tree, which walks it on one side and creates it on the
other. Lists, patterns and a limited depth are expanded to pairs of names, as fsspec does.
"""

from __future__ import annotations

import os
from glob import has_magic
from typing import TYPE_CHECKING, Any, NamedTuple

from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.utils import other_paths

from secftp.api.arguments import directory_path, file_path
from secftp.errors import NotFound, Side, UsageError
from secftp.fsspec import paths
from secftp.storage.tree import LocalFile
from secftp.transfer.upload_pairs import UploadPair

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from secftp.storage import Path


def is_one(path: Any) -> bool:
    """Whether a path is one, and not a list of paths."""
    return isinstance(path, str | bytes | os.PathLike)


def is_pattern(name: str, found: Collection[str]) -> bool:
    """Whether a stripped name is a pattern, of which `found` are the matches, and not the name of one file with `*`."""
    return has_magic(name) and not (len(found) == 1 and name in found)


def local_name(path: Any) -> str:
    """Return the absolute path of a name on this machine; a trailing slash is kept, `file://` and `~` are resolved."""
    name = os.fsdecode(path)
    if name.startswith(("file:", "local:")):
        slash = "/" if name.endswith("/") else ""
        name = LocalFileSystem._strip_protocol(name) + slash  # noqa: SLF001 - fsspec's method for this
    return str(make_path_posix(name))


class Sources(NamedTuple):
    """Sources as they were given, and what they stand for. `names`: sorted, of patterns and with `recursive` expanded.

    `is_one`: they were given as one path; `slash`: which ends in a slash; `magic`: which is a pattern. `top`: this path
    without its last slash.
    """

    names: list[str]
    is_one: bool
    slash: bool
    magic: bool
    top: str


def targets_of(sources: Sources, target: str, *, is_directory: Callable[[], bool]) -> list[str]:
    """Return the target of each source by fsspec's rules. `target` ends in a slash if it was given so.

    `is_directory`: whether the target is an existing directory; asked only if that matters.
    """
    if not sources.names:
        return []
    into = False
    if sources.is_one and sources.magic:
        into = len(sources.names) == 1
    elif sources.is_one and not sources.slash:
        into = target.endswith("/") or is_directory()
    if sources.is_one and not sources.magic:
        base = paths.join(target, sources.top.rpartition("/")[2]) if into else target
        rest = [name[len(sources.top.rstrip("/")) :].strip("/") for name in sources.names]
        return [paths.join(base.rstrip("/"), each) if each else base.rstrip("/") or "/" for each in rest]
    return list(other_paths(sources.names, target, exists=into, flatten=not sources.is_one))


def pairs_of(sources: Sequence[str], targets: Iterable[str]) -> list[tuple[str, str]]:
    """Return each source with its target; raises `UsageError` if their numbers differ."""
    found = list(targets)
    if len(found) != len(sources):
        raise UsageError("There must be as many targets as sources.")
    return list(zip(sources, found, strict=True))


def expand_local(path: Any, *, recursive: bool, maxdepth: int | None) -> Sources:
    """Return the local files and directories that one path or several stand for; raises `NotFound`."""
    one = is_one(path)
    given = [local_name(path)] if one else [local_name(each) for each in path]
    try:
        names = LocalFileSystem().expand_path(given, recursive=recursive, maxdepth=maxdepth)
    except FileNotFoundError:
        names = [name for name in given if os.path.lexists(name)]  # which have the signs of a pattern
        if not names:
            shown = given[0] if one else None
            raise NotFound("Nothing matches the local path.", filename=shown, side=Side.LOCAL) from None
    if one and (not recursive or maxdepth is not None):
        names = [name for name in names if not os.path.isdir(name)]
    top = given[0].rstrip("/") if one else ""
    return Sources(names, one, one and given[0].endswith("/"), one and has_magic(top) and names != [top], top)


def upload_pair(source: str, target: str) -> UploadPair:
    """Return a local file or directory with its path at the server; raises `NameRefused`, `IsADirectory` for `/`."""
    if os.path.isdir(source):
        return UploadPair(directory_path(target), None, source)
    return UploadPair(file_path(target), LocalFile(source), source)


def below(directory: str, name: str) -> Path | str:
    """Return the components of a local name below a directory; the directory itself as it is."""
    top = directory.rstrip("/") or "/"
    if name.rstrip("/") == top:
        return top
    if not paths.is_in(name, top) or ".." in name[len(top) :].split("/"):
        raise UsageError("A source would be copied to a name outside of the target directory.")
    return tuple(part for part in os.fsencode(name[len(top) :]).split(b"/") if part)
