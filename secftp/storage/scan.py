"""Listings of directories, as a peer may see them: files and directories, read as they are asked for.

A directory is listed before the directories in it are entered. A name that turns into a link between the listing and
the entering is not entered. What must never happen: that a link or an unfinished file is told of, or that a tree of
whatever form takes more memory and descriptors than `descent` has for it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileError, NameRefused, Reason
from secftp.messages.limits import MAX_COMPONENTS, MAX_PATH
from secftp.storage.base import FileInfo, Path, Scanned, file_info
from secftp.storage.descent import WAITING_NAMES, Descent, Level
from secftp.storage.failures import failure, translate
from secftp.storage.names import RESERVED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_REMEMBERED = WAITING_NAMES
_RESERVED = os.fsdecode(RESERVED_PREFIX)


def scan(root: int, path: Path, *, recursive: bool) -> Generator[Scanned, None, None]:
    """As `Store.scan`, below the directory held open as `root`; `path` has been checked."""
    top = len(path)
    with Descent(root, path, most=_REMEMBERED) as descent:
        while (level := descent.current) is not None:
            yield from _entries(level, top, set_aside=recursive)
            name = level.next_name()
            if name is not None:
                yield _enter(descent, level, name, top)
                continue
            descent.leave()
            if level.problem is not None:
                if not descent.depth:
                    raise level.problem
                yield Scanned(level.path[top:], file_info(level.status), level.problem)


def _entries(level: Level, top: int, *, set_aside: bool) -> Iterator[Scanned]:
    """What is in a directory, or the next part of it; with `set_aside` the directories in it wait instead."""
    path = level.path
    below = path[top:]
    room = MAX_PATH - sum(map(len, path)) - len(path) - 1  # for a name
    with contextlib.closing(level.entries()) as entries:
        for entry in entries:
            seen = _look_at(entry, path)
            if seen is None:
                continue
            if len(seen.name) > room:
                level.problem = failure(NameRefused, "Some names in it are too long", path, reason=Reason.NAME_TOO_LONG)
            elif seen.is_folder and set_aside:
                level.set_aside(seen.name)
            else:
                yield Scanned((*below, seen.name), seen.info, seen.problem)


def _enter(descent: Descent, level: Level, name: bytes, top: int) -> Scanned:
    """Enter a directory that waited; its own entry, with a problem where it could not be entered."""
    path = (*level.path, name)
    try:
        if len(path) >= MAX_COMPONENTS:
            raise failure(NameRefused, "What is in it lies too deep", path, reason=Reason.TOO_DEEP)
        entered = descent.go_into(name)
    except FileError as problem:
        return Scanned(path[top:], _info_of(level, name), problem)
    return Scanned(path[top:], file_info(entered.status))


def _info_of(level: Level, name: bytes) -> FileInfo | None:
    """What is known of a directory that can't be entered."""
    try:
        status = level.look_at(name)
    except OSError:
        return None
    return file_info(status) if stat.S_ISDIR(status.st_mode) else None


class _Seen(NamedTuple):
    """What is told of one name in a folder; a `problem` if it could not be looked at."""

    name: bytes
    info: FileInfo | None
    is_folder: bool
    problem: FileError | None = None


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
