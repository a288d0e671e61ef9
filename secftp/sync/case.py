"""Targets that do not distinguish upper and lower case: found by a question, where it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import FileError
from secftp.sync.plan import folded
from secftp.sync.tree import EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.storage import Path
    from secftp.sync.targets import Target
    from secftp.sync.tree import Tree


def folds(source: Tree, target: Tree, where: Target) -> bool:
    """Return whether the target takes names that differ only by case for the same.

    It is asked only if there are such names: whether it finds an entry under a name of another case. A target without
    any name that has letters is taken for one that distinguishes them.
    """
    if not any(_has_pair(source, target, directory) for directory in _directories(source)):
        return False
    for path, entry in target.items():
        other = (*path[:-1], path[-1].swapcase())
        if entry.kind not in (EntryKind.FILE, EntryKind.DIRECTORY) or other == path or target.get(other) is not None:
            continue
        try:
            where.stat(other).result()
        except FileError:
            return False
        return True
    return False


def _has_pair(source: Tree, target: Tree, directory: Path) -> bool:
    names = {*source.entries(directory), *target.entries(directory)}
    return len({folded(name) for name in names}) < len(names)


def _directories(tree: Tree) -> Iterator[Path]:
    yield ()
    for path, entry in tree.items():
        if entry.kind is EntryKind.DIRECTORY:
            yield path
