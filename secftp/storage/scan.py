"""Listings of folders, as a peer may see them: files and folders, read as they are asked for.

A folder is listed before the folders in it are entered, so that on the way down each level needs one descriptor; only
where a folder holds more folders than are remembered at once does its listing stay open beside that. A name that turns
into a link between the listing and the entering is not entered. What must never happen: that a link or an unfinished
file is told of, or that a folder with a million names in it takes the memory of a million names.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Protocol

from secftp.errors import FileError, NameRefused
from secftp.messages.bounds import MAX_COMPONENTS, MAX_PATH
from secftp.storage.base import FileInfo, Path, Scanned, file_info
from secftp.storage.failures import translate
from secftp.storage.folders import LIST_FLAGS, open_below, open_listed
from secftp.storage.names import RESERVED_PREFIX, shown

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_REMEMBERED = 1024  # folders of one level that wait to be entered; with names of 255 bytes some 300 KiB
_RESERVED = os.fsdecode(RESERVED_PREFIX)


def scan(root: int, path: Path, *, recursive: bool) -> Generator[Scanned, None, None]:
    """As `Store.scan`, below the folder held open as `root`; `path` has been checked."""
    level = _Level(open_listed(root, path), path, len(path))
    if recursive:
        yield from _deep(level)
    else:
        with contextlib.closing(level):
            yield from level.entries(set_aside=False)
            if level.problem is not None:
                raise level.problem


def _deep(top: _Level) -> Iterator[Scanned]:
    levels = [top]
    try:
        while levels:
            level = levels[-1]
            yield from level.entries(set_aside=True)
            below = level.next_folder()
            if below is None:
                levels.pop().close()
                if level.problem is not None:
                    if not levels:
                        raise level.problem
                    yield Scanned(level.below, level.info, level.problem)
                continue
            name, info = below
            try:
                entered = level.enter(name, info)
            except FileError as problem:
                yield Scanned((*level.below, name), info, problem)
            else:
                levels.append(entered)
                yield Scanned(entered.below, info)
    finally:
        for level in levels:
            level.close()


class _Listing(Protocol):
    """What os.scandir returns."""

    def __iter__(self) -> Iterator[os.DirEntry[str]]: ...

    def close(self) -> None: ...


class _Level:
    """A folder that is being listed. Takes over its descriptor. `top`: how many names of `path` are above the scan."""

    def __init__(self, folder: int, path: Path, top: int, info: FileInfo | None = None) -> None:
        self.below = path[top:]
        self.info = info
        self.problem: FileError | None = None
        self._folder = folder
        self._path = path
        self._top = top
        self._room = MAX_PATH - sum(map(len, path)) - len(path)  # for a name and its separator
        self._folders: list[tuple[bytes, FileInfo | None]] = []
        self._listing: _Listing | None = None
        self._is_listed = False

    def entries(self, *, set_aside: bool) -> Iterator[Scanned]:
        """What is in it; with `set_aside` its folders are remembered instead, and it pauses when those are many."""
        if self._is_listed:
            return
        try:
            if self._listing is None:
                self._listing = os.scandir(self._folder)
            for entry in self._listing:
                found = _look_at(entry)
                if found is None:
                    continue
                name, info, is_folder = found
                if len(name) >= self._room:
                    self._cannot_tell()
                elif is_folder and set_aside:
                    self._folders.append((name, info))
                    if len(self._folders) >= _REMEMBERED:
                        return
                else:
                    yield Scanned((*self.below, name), info)
        except OSError as error:
            self.problem = translate(error, self._path or ".")
        self._is_listed = True
        self._close_listing()

    def next_folder(self) -> tuple[bytes, FileInfo | None] | None:
        """The next folder in it to enter, None if none is remembered; then it is listed to its end."""
        return self._folders.pop() if self._folders else None

    def enter(self, name: bytes, info: FileInfo | None) -> _Level:
        """The folder `name` in it; raises what keeps it from being listed."""
        path = (*self._path, name)
        if len(path) >= MAX_COMPONENTS:
            raise NameRefused(f"What is in it lies too deep to be named: {shown(path)}")
        return _Level(open_below(self._folder, path, len(path), LIST_FLAGS), path, self._top, info)

    def close(self) -> None:
        """Let go of it; idempotent."""
        self._close_listing()
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    def _close_listing(self) -> None:
        listing, self._listing = self._listing, None
        if listing is not None:
            listing.close()

    def _cannot_tell(self) -> None:
        self.problem = NameRefused(f"Names in it are too long to be told of: {shown(self._path)}")


def _look_at(entry: os.DirEntry[str]) -> tuple[bytes, FileInfo | None, bool] | None:
    """Name, information, and whether it is a folder; None for what is not told of."""
    if entry.name.startswith(_RESERVED):
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError:
        # In a folder that may be listed but not entered, the listing itself knows what is a folder.
        is_folder = entry.is_dir(follow_symlinks=False)
        return (os.fsencode(entry.name), None, is_folder) if is_folder or entry.is_file(follow_symlinks=False) else None
    is_folder = stat.S_ISDIR(status.st_mode)
    if is_folder or stat.S_ISREG(status.st_mode):
        return os.fsencode(entry.name), file_info(status), is_folder
    return None
