"""`Client.walk`: one listing for each directory, and a bound on the names that are kept in memory."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, AnyStr, Final, Generic

from secftp.api.arguments import decode_name, directory_path, encode_path, join_names
from secftp.api.entries import Listing
from secftp.api.naming import name_error, place
from secftp.errors import FileError
from secftp.session.listings import BLOCK, NameSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.api.pool import Pool
    from secftp.session.listings import MemoryBudget
    from secftp.storage import Path

LISTED: Final = 20_000  # files of a directory that are returned as a list
_POINTER_BYTES: Final = 8


class DirectoryNames(Generic[AnyStr]):
    """The names in one directory, counted in the budget that all of a walk share."""

    def __init__(self, budget: MemoryBudget, decode: Callable[[bytes], AnyStr]) -> None:
        self.directories: list[AnyStr] = []
        self._files: list[AnyStr] = []
        self._packed: NameSequence[AnyStr] = NameSequence(decode)
        self._decode: Callable[[bytes], AnyStr] = decode
        self._budget = budget
        self._nbytes = 0
        self._directory_nbytes = 0  # of these

    @property
    def files(self) -> Sequence[AnyStr]:
        """A list unless there are many."""
        if len(self._packed):
            self._pack()
            return self._packed
        return self._files

    def add(self, name: AnyStr, *, is_directory: bool) -> None:
        """Keep one more name; raises `TooLarge`."""
        nbytes = sys.getsizeof(name) + _POINTER_BYTES
        self._take(nbytes)
        if is_directory:
            self._directory_nbytes += nbytes
            self.directories.append(name)
            return
        self._files.append(name)
        if len(self._files) >= (BLOCK if len(self._packed) else LISTED):
            self._pack()

    def drop_files(self) -> None:
        """Drop the names of files."""
        self._files, self._packed = [], NameSequence(self._decode)
        self._budget.give(self._nbytes - self._directory_nbytes)
        self._nbytes = self._directory_nbytes

    def close(self) -> None:
        """Give back all that was counted in the budget."""
        self._budget.give(self._nbytes)
        self._nbytes = self._directory_nbytes = 0

    def _pack(self) -> None:
        for start in range(0, len(self._files), BLOCK):
            names = self._files[start : start + BLOCK]
            nbytes = sum(map(sys.getsizeof, names)) + _POINTER_BYTES * len(names)
            self._budget.give(nbytes)
            self._nbytes -= nbytes
            self._take(self._packed.pack([encode_path(name) for name in names]))
        self._files = []

    def _take(self, nbytes: int) -> None:
        self._budget.take(nbytes)
        self._nbytes += nbytes


def walk(
    pool: Pool,
    base: Path,
    top: AnyStr,
    budget: MemoryBudget,
    *,
    topdown: bool,
    onerror: Callable[[FileError], object] | None,
) -> Iterator[tuple[AnyStr, list[AnyStr], Sequence[AnyStr]]]:
    """Yield what `Client.walk` does; raises `TooLarge` for more names than the budget holds."""
    found: DirectoryNames[AnyStr] = DirectoryNames(budget, partial(decode_name, like=top))
    try:
        _list(pool, base, top, found, onerror)
        files = found.files
    except FileError as problem:
        name_error(problem, [place(top, base)])
        found.close()
        if budget.exceeded:
            raise  # the directory itself can be listed
        if onerror is not None:
            onerror(problem)
        return
    directories = found.directories
    if topdown:
        yield top, directories, files
        del files
        found.drop_files()
    for name in directories:
        yield from walk(pool, base, join_names(top, name), budget, topdown=topdown, onerror=onerror)
    if not topdown:
        yield top, directories, files
    found.close()


def _list(
    pool: Pool,
    base: Path,
    top: AnyStr,
    found: DirectoryNames[AnyStr],
    onerror: Callable[[FileError], object] | None,
) -> None:
    with Listing(pool, directory_path(top, base), top, recursive=False) as listing:
        for entry in pool.waits.paced(listing):
            if entry.info is None and entry.problem is not None and onerror is not None:
                onerror(entry.problem)
            found.add(entry.name, is_directory=entry.is_dir())
