"""Listings of folders, as a peer may see them: files and folders, read as they are asked for.

A folder is listed before the folders in it are entered, so that on the way down each level needs one descriptor; only
where a folder holds more folders than are remembered at once does its listing stay open beside that. A name that turns
into a link between the listing and the entering is not entered. What must never happen: that a link or an unfinished
file is told of, that a name which could not be looked at is left out or taken for an empty file, or that a folder with
a million names in it takes the memory of a million names.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple, Protocol

from secftp.errors import FileError, NameRefused, Reason
from secftp.messages.bounds import MAX_COMPONENTS, MAX_PATH
from secftp.storage.base import FileInfo, Path, Scanned, file_info
from secftp.storage.failures import close_quietly, failure, translate
from secftp.storage.folders import LIST_FLAGS, open_below, open_listed
from secftp.storage.names import RESERVED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_REMEMBERED = 1024  # folders of one level that wait to be entered; with names of 255 bytes some 300 KiB
_RESERVED = os.fsdecode(RESERVED_PREFIX)


def scan(root: int, path: Path, *, recursive: bool) -> Generator[Scanned, None, None]:
    """As `Store.scan`, below the folder held open as `root`; `path` has been checked."""
    levels = [_Level(open_listed(root, path), path, len(path))]
    try:
        while levels:
            level = levels[-1]
            yield from level.entries(set_aside=recursive)
            below = level.next_folder()
            if below is not None:
                entered = level.enter(below)
                if isinstance(entered, Scanned):
                    yield entered
                else:
                    levels.append(entered)
                    yield Scanned(entered.below, below.info, below.problem)
                continue
            levels.pop().close()
            if level.problem is not None:
                if not levels:
                    raise level.problem
                yield Scanned(level.below, level.info, level.problem)
    finally:
        for level in levels:
            level.close()


class _Seen(NamedTuple):
    """What is told of one name in a folder; a `problem` if it could not be looked at."""

    name: bytes
    info: FileInfo | None
    is_folder: bool
    problem: FileError | None = None


class _Listing(Protocol):
    """What os.scandir returns."""

    def __iter__(self) -> Iterator[os.DirEntry[str]]: ...

    def close(self) -> None: ...


class _Level:
    """A folder that is being listed. Takes over its descriptor.

    `path` is how messages call it, and all but the first `top` of its names are below the folder that was asked for.
    """

    def __init__(self, folder: int, path: Path, top: int, info: FileInfo | None = None) -> None:
        self.below = path[top:]
        self.info = info
        self.problem: FileError | None = None
        self._folder = folder
        self._path = path
        self._top = top
        self._folders: list[_Seen] = []
        self._listing: _Listing | None = None
        self._is_listed = False

    def entries(self, *, set_aside: bool) -> Iterator[Scanned]:
        """What is in it; with `set_aside` its folders are remembered instead, and it pauses when those are many."""
        if self._is_listed:
            return
        room = MAX_PATH - sum(map(len, self._path)) - len(self._path) - 1  # for a name
        below = self.below
        try:
            if self._listing is None:
                self._listing = os.scandir(self._folder)
            for entry in self._listing:
                seen = _look_at(entry, self._path)
                if seen is None:
                    continue
                if len(seen.name) > room:
                    self.problem = failure(
                        NameRefused, "Some names in it are too long", self._path, reason=Reason.NAME_TOO_LONG
                    )
                elif seen.is_folder and set_aside:
                    self._folders.append(seen)
                    if len(self._folders) >= _REMEMBERED:
                        return
                else:
                    yield Scanned((*below, seen.name), seen.info, seen.problem)
        except OSError as error:
            self.problem = translate(error, self._path or ".")
        self._is_listed = True
        self._close_listing()

    def next_folder(self) -> _Seen | None:
        """The next folder in it to enter, None if none is remembered; then it is listed to its end."""
        return self._folders.pop() if self._folders else None

    def enter(self, seen: _Seen) -> _Level | Scanned:
        """The folder in it, or an entry that says what keeps it from being listed."""
        path = (*self._path, seen.name)
        try:
            if len(path) >= MAX_COMPONENTS:
                raise failure(NameRefused, "What is in it lies too deep", path, reason=Reason.TOO_DEEP)
            return _Level(open_below(self._folder, path, len(path), LIST_FLAGS), path, self._top, seen.info)
        except FileError as problem:
            return Scanned((*self.below, seen.name), seen.info, problem)

    def close(self) -> None:
        """Let go of it; idempotent."""
        self._close_listing()
        folder, self._folder = self._folder, -1
        if folder >= 0:
            close_quietly(folder)

    def _close_listing(self) -> None:
        listing, self._listing = self._listing, None
        if listing is not None:
            listing.close()


def _look_at(entry: os.DirEntry[str], folder: Path) -> _Seen | None:
    """What is told of an entry of this folder; None for nothing."""
    if entry.name.startswith(_RESERVED):
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _by_listing_alone(entry, translate(error, (*folder, os.fsencode(entry.name))))
    if stat.S_ISREG(status.st_mode):
        return _Seen(os.fsencode(entry.name), file_info(status), is_folder=False)
    if stat.S_ISDIR(status.st_mode):
        return _Seen(os.fsencode(entry.name), file_info(status), is_folder=True)
    return None


def _by_listing_alone(entry: os.DirEntry[str], problem: FileError) -> _Seen | None:
    """In a folder that may be listed but not entered: many file systems say in the listing what an entry is.

    Where they do not, it may be a file, and is told of.
    """
    name = os.fsencode(entry.name)
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
        is_file = entry.is_file(follow_symlinks=False)
    except OSError:
        return _Seen(name, None, is_folder=False, problem=problem)
    return _Seen(name, None, is_folder=is_folder, problem=problem) if is_folder or is_file else None
