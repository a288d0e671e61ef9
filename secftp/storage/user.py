"""Files that the user of this process named: symlinks in such names are followed.

Invariants: a symlink is never replaced by a file, a symlink that the kernel refuses to follow (one that another user
made in a directory like /tmp) is not followed here either, and no device or FIFO is replaced by a rename.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import AlreadyExists, IsADirectory, NameRefused, NotFound, Reason
from secftp.storage.attributes import (
    DEFAULT_OPTIONS,
    KEPT_OPTIONS,
    PERMISSIONS,
    WriteOptions,
    file_info,
    mkdir_with_mode,
    open_unreadable,
)
from secftp.storage.directories import DIRECTORY_FLAGS
from secftp.storage.errors import close_quietly, failure, not_regular, require_regular, translated
from secftp.storage.pipe import PipeSink
from secftp.storage.resumed_sink import ResumedFileSink
from secftp.storage.sink import FileSink
from secftp.storage.source import OPEN_FLAGS, FileSource
from secftp.storage.sweep import sweep_leftovers

if TYPE_CHECKING:
    from secftp.storage.attributes import FileInfo
    from secftp.storage.store import Sink


def open_local_source(path: str) -> FileSource:
    """Open a regular file.

    Raises `NotFound`, `NotADirectory`, `IsADirectory`, `Forbidden` (also for special files), `NameRefused`.
    """
    _check(path)
    with translated(path):
        fd = os.open(path, OPEN_FLAGS)
    return FileSource(fd, path)


def stat_local(path: str, *, partial: bool = False) -> FileInfo:
    """Return what is known of a regular file or a directory; with `partial`, of the partial of the file.

    Raises as `open_local_source` does, but not for a directory.
    """
    _check(path)
    with translated(path):
        if partial:
            place = _find_target(path, overwrite=True)
            if not isinstance(place, _Target):
                raise not_regular(path)
            directory = place.open_parent()
            try:
                from secftp.storage.upload_map import kept_parts  # only where something is resumed

                return kept_parts(directory, path, place.name).info
            finally:
                close_quietly(directory)
        status = os.stat(path)
        if not stat.S_ISDIR(status.st_mode):
            require_regular(status, path)
        return file_info(status)


def make_local_directory(path: str, *, mode: int | None = None) -> None:
    """Make a directory in an existing one; options and errors as `Store.make_directory`'s."""
    _check(path)
    with translated(path):
        if mode is None:
            os.mkdir(path)
        else:
            mkdir_with_mode(path, mode & PERMISSIONS)


def set_local_mode(path: str, mode: int) -> None:
    """Set the permissions (0o777) of a regular file exactly; errors as `open_local_source`'s."""
    _check(path)
    with translated(path):
        try:
            fd, target = os.open(path, OPEN_FLAGS), None
        except PermissionError:  # its owner has no permission to read it
            fd, target = open_unreadable(os.path.realpath(path), None)
        try:
            require_regular(os.fstat(fd), path)
            os.chmod(fd if target is None else target, mode & PERMISSIONS)
        finally:
            close_quietly(fd)


def create_local_sink(path: str, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
    """Begin a file that replaces the regular file of that name atomically.

    If the name is a symlink, the file it leads to is replaced and the symlink stays; a dangling one is refused, as cp
    does. A FIFO or a character device (`/dev/null`) is written to directly, as a `PipeSink`; opening a FIFO waits for a
    reader. Unless it may overwrite, any existing entry of that name, also a symlink, is an `AlreadyExists`.

    Raises also `NotFound` (for the directory, too), `NotADirectory`, `IsADirectory`, `Forbidden`, `NoSpace`,
    `NameRefused`.
    """
    _check(path)
    with translated(path):
        place = _find_target(path, overwrite=options.overwrite)
        if not isinstance(place, _Target):
            return _open_special(place, path)
        directory = place.open_parent()
        sweep_leftovers(directory)
    return FileSink(directory, place.name, path, options)


def resume_local_sink(path: str, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedFileSink:
    """Continue the partial of a file; errors as `Store.resume_sink`'s and `create_local_sink`'s."""
    _check(path)
    with translated(path):
        place = _find_target(path, overwrite=options.overwrite)
        if not isinstance(place, _Target):
            raise not_regular(path)
        directory = place.open_parent()
        sweep_leftovers(directory)
    return ResumedFileSink(directory, place.name, path, offset, options)


class _Target(NamedTuple):
    """Where a regular file is, or will be; symlinks have been resolved."""

    above: str
    name: bytes

    def open_parent(self) -> int:
        try:
            return os.open(self.above or ".", DIRECTORY_FLAGS)
        except FileNotFoundError as error:
            raise failure(NotFound, "No such directory", self.above, reason=Reason.NO_PARENT) from error


def _find_target(path: str, *, overwrite: bool) -> _Target | str:
    """Return the target for the regular file `path`, or the path of a FIFO or a character device."""
    place, status = path, _lstat(path)
    if status is not None:
        if not overwrite:
            raise failure(AlreadyExists, "Already exists", path)
        if stat.S_ISLNK(status.st_mode):
            place, status = _resolve(path)
        if stat.S_ISDIR(status.st_mode):
            raise failure(IsADirectory, "Is a directory", path)
        if _is_stream(status):
            return place
    above, name = os.path.split(place)
    return _Target(above, os.fsencode(name))


def _check(path: str) -> None:
    if not path or "\0" in path:
        raise NameRefused("A name is not empty and contains no NUL byte.")


def _lstat(path: str) -> os.stat_result | None:
    """Return the status of `path` itself, None if it does not exist."""
    try:
        return os.lstat(path)
    except FileNotFoundError as error:
        if path.endswith("/"):
            raise failure(NotFound, "No such directory", path) from error
        return None


def _resolve(path: str) -> tuple[str, os.stat_result]:
    """Return the path that the symlink `path` leads to in the end, and its status."""
    try:
        # stat first: unlike readlink, it refuses (EACCES) a symlink that another user made in a sticky directory.
        status = os.stat(path)
        return os.path.realpath(path, strict=True), status
    except FileNotFoundError as error:
        raise failure(NotFound, "Dangling symlink", path, reason=Reason.DANGLING) from error


def _open_special(place: str, path: str) -> PipeSink:
    fd = os.open(place, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _require_stream(os.fstat(fd), path)
    except BaseException:
        close_quietly(fd)
        raise
    return PipeSink(fd, path, owned=True)


def _is_stream(status: os.stat_result) -> bool:
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode)


def _require_stream(status: os.stat_result, path: str) -> None:
    # It was one a moment ago; a regular file must not be written in place.
    if not _is_stream(status):
        raise not_regular(path)
