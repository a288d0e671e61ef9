"""Files that the user of this process named: links in such names are the user's own business, and are followed.

What must never happen: that a link is replaced by a file, that a link which the kernel itself would not follow is
followed here (one that another user put into a folder like /tmp), or that a device or a FIFO is renamed over.
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
from secftp.storage.partial import look_at_partial
from secftp.storage.pipe import PipeSink
from secftp.storage.sink import FileSink, ResumedFileSink
from secftp.storage.source import OPEN_FLAGS, FileSource
from secftp.storage.sweep import sweep_leftovers

if TYPE_CHECKING:
    from secftp.storage.attributes import FileInfo
    from secftp.storage.store import Sink


def open_local_source(path: str) -> FileSource:
    """Open a regular file.

    Raises `NotFound`, `NotADirectory`, `IsADirectory`, `Forbidden` (also for what is no regular file), `NameRefused`.
    """
    _check(path)
    with translated(path):
        fd = os.open(path, OPEN_FLAGS)
    return FileSource(fd, path)


def stat_local(path: str, *, partial: bool = False) -> FileInfo:
    """What the name leads to, a regular file or a folder; with `partial`, what is kept of the file it would make.

    Raises as `open_local_source` does, but a folder is an answer.
    """
    _check(path)
    with translated(path):
        if partial:
            place = _find(path, overwrite=True)
            if not isinstance(place, _Target):
                raise not_regular(path)
            folder = place.open_parent()
            try:
                return file_info(look_at_partial(folder, path, place.name))
            finally:
                close_quietly(folder)
        status = os.stat(path)
        if not stat.S_ISDIR(status.st_mode):
            require_regular(status, path)
        return file_info(status)


def make_local_directory(path: str, *, mode: int | None = None) -> None:
    """Make a folder in one that exists; options and errors as `Store.make_directory`'s."""
    _check(path)
    with translated(path):
        if mode is None:
            os.mkdir(path)
        else:
            mkdir_with_mode(path, mode & PERMISSIONS)


def set_local_mode(path: str, mode: int) -> None:
    """Set the permissions of a regular file, exactly, of which 0o777 alone counts; errors as `open_local_source`'s."""
    _check(path)
    with translated(path):
        try:
            fd, target = os.open(path, OPEN_FLAGS), None
        except PermissionError:  # what denies its content to its owner
            fd, target = open_unreadable(os.path.realpath(path), None)
        try:
            require_regular(os.fstat(fd), path)
            os.chmod(fd if target is None else target, mode & PERMISSIONS)
        finally:
            close_quietly(fd)


def create_local_sink(path: str, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
    """Begin a file that replaces whatever regular file has the name, in one step.

    If the name is a link, the file it leads to is replaced and the link stays; one that leads nowhere is refused, as cp
    does. A FIFO or a character device (`/dev/null`) is written straight to, as a `PipeSink`, and opening a FIFO waits
    for its reader. Unless it may overwrite, anything of that name, even a link, is `AlreadyExists`.

    Raises also `NotFound` (the folder, too), `NotADirectory`, `IsADirectory`, `Forbidden`, `NoSpace`, `NameRefused`.
    """
    _check(path)
    with translated(path):
        place = _find(path, overwrite=options.overwrite)
        if not isinstance(place, _Target):
            return _open_special(place, path)
        folder = place.open_parent()
        sweep_leftovers(folder)
    return FileSink(folder, place.name, path, options)


def resume_local_sink(path: str, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedFileSink:
    """Go on with the partial of a file; errors as `Store.resume_sink`'s and `create_local_sink`'s."""
    _check(path)
    with translated(path):
        place = _find(path, overwrite=options.overwrite)
        if not isinstance(place, _Target):
            raise not_regular(path)
        folder = place.open_parent()
        sweep_leftovers(folder)
    return ResumedFileSink(folder, place.name, path, offset, options)


class _Target(NamedTuple):
    """Where a regular file stands, or is to stand: links are behind us."""

    above: str
    name: bytes

    def open_parent(self) -> int:
        try:
            return os.open(self.above or ".", DIRECTORY_FLAGS)
        except FileNotFoundError as error:
            raise failure(NotFound, "No such folder", self.above, reason=Reason.NO_PARENT) from error


def _find(path: str, *, overwrite: bool) -> _Target | str:
    """The place of the regular file `path`; or a path where a FIFO or a character device is."""
    place, status = path, _look(path)
    if status is not None:
        if not overwrite:
            raise failure(AlreadyExists, "It already exists", path)
        if stat.S_ISLNK(status.st_mode):
            place, status = _follow(path)
        if stat.S_ISDIR(status.st_mode):
            raise failure(IsADirectory, "It is a folder", path)
        if _is_stream(status):
            return place
    above, name = os.path.split(place)
    return _Target(above, os.fsencode(name))


def _check(path: str) -> None:
    if not path or "\0" in path:
        raise NameRefused("A name is not empty and contains no NUL byte.")


def _look(path: str) -> os.stat_result | None:
    """What stands at `path`, None for nothing."""
    try:
        return os.lstat(path)
    except FileNotFoundError as error:
        if path.endswith("/"):
            raise failure(NotFound, "No such folder", path) from error
        return None


def _follow(path: str) -> tuple[str, os.stat_result]:
    """Where the link `path` leads in the end, and what is there."""
    try:
        # The kernel first: it refuses (EACCES) a link that another user set in a sticky folder, readlink does not.
        status = os.stat(path)
        return os.path.realpath(path, strict=True), status
    except FileNotFoundError as error:
        raise failure(NotFound, "A symlink that leads to nothing", path, reason=Reason.DANGLING) from error


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
    # It was one a moment ago; what it is now must not be written in place.
    if not _is_stream(status):
        raise not_regular(path)
