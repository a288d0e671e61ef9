"""Changes to directory entries: remove, rename, make a directory, set attributes.

Each acts on the last name of a path, relative to the descriptor of its parent directory. A check before determines the
error to raise; that no symlink is followed, and nothing replaced that must not be, is ensured by the one system call
that acts. So a process that swaps the name in between (TOCTOU) achieves no more than that its own symlink or device is
moved or removed. Invariants: no symlink is followed, a directory replaces nothing, and a peer's mode sets no setuid
bit.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from typing import TYPE_CHECKING

from secftp import system
from secftp.errors import AlreadyExists, Forbidden, IsADirectory, NotADirectory, NotEmpty, NotFound, Reason
from secftp.protocol import OTHER_KINDS, Kind
from secftp.storage.attributes import (
    PERMISSIONS,
    Kept,
    directory_mode,
    granted_mode,
    keeps_time,
    mkdir_with_mode,
    open_unreadable,
)
from secftp.storage.directories import LIST_FLAGS, entry_status, make_writable, not_found, open_below, restore_mode
from secftp.storage.errors import (
    already_there,
    close_quietly,
    failure,
    not_followed,
    not_regular,
    of_target,
    require_regular,
    translate,
    translated,
)
from secftp.storage.names import is_map
from secftp.storage.partial import discard_partial, is_unfinished, remove_if_abandoned

if TYPE_CHECKING:
    from secftp.storage.attributes import Identity
    from secftp.storage.names import Path

_LOOKED_AT = 4096  # entries of a directory to be removed
_ANY_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
# Errors of rename(2) that are about the new name; any other is about the old one, or about both.
_OF_TARGET = frozenset(
    {
        errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOSPC,
        errno.EDQUOT,
    }
)  # fmt: skip
# Errors of renameat2(2) where the system or the file system has no RENAME_NOREPLACE.
_NO_NOREPLACE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def remove(directory: int, path: Path, kind: Kind | None) -> None:
    """Remove the last name of `path` in `directory`, see `Store.remove`."""
    if kind in OTHER_KINDS:
        _remove_other(directory, path, kind)
        return
    try:
        is_directory = stat.S_ISDIR(entry_status(directory, path).st_mode)
    except NotFound:
        if kind is not Kind.DIRECTORY and discard_partial(directory, path[-1]):
            return
        raise
    if kind is Kind.FILE and is_directory:
        raise failure(IsADirectory, "Is a directory", path)
    if kind is Kind.DIRECTORY and not is_directory:
        raise failure(NotADirectory, "Not a directory", path)
    with translated(path):
        if not is_directory:
            os.unlink(path[-1], dir_fd=directory)
            discard_partial(directory, path[-1])
            return
        try:
            os.rmdir(path[-1], dir_fd=directory)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            _remove_unfinished(directory, path)
            os.rmdir(path[-1], dir_fd=directory)
        discard_partial(directory, path[-1])


def _remove_other(directory: int, path: Path, kind: Kind | None) -> None:
    """Remove a symlink or a special file itself; raises `NotFound` unless it is one of that kind."""
    with translated(path):
        mode = os.stat(path[-1], dir_fd=directory, follow_symlinks=False).st_mode
        is_link = stat.S_ISLNK(mode)
        is_other = is_link or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
        if not is_other or is_link != (kind is Kind.SYMLINK):
            raise not_found(path)
        os.unlink(path[-1], dir_fd=directory)


def _remove_unfinished(directory: int, path: Path) -> None:
    """Empty a directory that holds only unfinished files without writers; raises `NotEmpty` for any other."""
    fd = open_below(directory, path, len(path), LIST_FLAGS)
    try:
        _require_unfinished(fd, path)
        found = make_writable(directory, path)
        try:
            _remove_each(fd, path)
        except BaseException:
            if found is not None:
                restore_mode(directory, path, found)
            raise
    finally:
        close_quietly(fd)


def _require_unfinished(fd: int, path: Path) -> None:
    """Raise `NotEmpty` if one of the first entries is anything but an unfinished file.

    Beyond these, unfinished files are removed before all the others have been checked: a request may cost as much as it
    removes, but not the reading of a directory of any size for nothing.
    """
    with os.scandir(fd) as entries:
        first = itertools.islice(entries, _LOOKED_AT)
        if not all(is_unfinished(os.fsencode(entry.name)) for entry in first):
            raise failure(NotEmpty, "Directory not empty", path)


def _remove_each(fd: int, path: Path) -> None:
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            try:
                removed = (is_unfinished(name) and remove_if_abandoned(name, fd)) or is_map(name)
            except FileNotFoundError:
                continue
            except OSError:
                removed = False
            if not removed:
                raise failure(
                    NotEmpty,
                    "A file is being written into the directory",
                    path,
                    hint="Try again.",
                    reason=Reason.BEING_WRITTEN,
                )


def rename(directory: int, path: Path, to_directory: int, to: Path, *, overwrite: bool) -> None:
    """Rename the last name of `path` in `directory` to that of `to` in `to_directory`, see `Store.rename`.

    Raises `Forbidden` also for a directory into itself, and where a special file has the new name.
    """
    is_directory = stat.S_ISDIR(entry_status(directory, path).st_mode)
    if is_directory and to[: len(path)] == path != to:
        raise failure(Forbidden, "A directory can't be moved into itself", path, reason=Reason.INTO_ITSELF)
    with of_target(), translated(to):
        taken = _look_at_target(to_directory, to)
        if taken is not None and (is_directory or not overwrite):
            raise already_there(taken, to, replaceable=not is_directory)
        if taken is not None:
            require_regular(taken, to)
    try:
        if overwrite and not is_directory:
            os.rename(path[-1], to[-1], src_dir_fd=directory, dst_dir_fd=to_directory)
        else:
            _rename_to_free(directory, path[-1], to_directory, to[-1], is_directory=is_directory)
    except FileNotFoundError as error:
        raise not_found(path) from error
    except OSError as error:
        problem = translate(error, to)
        problem.of_target = error.errno in _OF_TARGET
        raise problem from error
    discard_partial(directory, path[-1])
    discard_partial(to_directory, to[-1])


def _look_at_target(directory: int, to: Path) -> os.stat_result | None:
    """Return the status of the new name, None for nothing; raises `Forbidden` for symlinks and special files."""
    try:
        status = os.stat(to[-1], dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        require_regular(status, to)
    return status


def _rename_to_free(directory: int, old: bytes, to_directory: int, new: bytes, *, is_directory: bool) -> None:
    try:
        system.rename_noreplace(old, new, directory=directory, to=to_directory)
    except OSError as error:
        if error.errno not in _NO_NOREPLACE:
            raise
    else:
        return
    if not is_directory:
        os.link(old, new, src_dir_fd=directory, dst_dir_fd=to_directory, follow_symlinks=False)
        os.unlink(old, dir_fd=directory)
        return
    os.mkdir(new, dir_fd=to_directory)  # now the rename can replace nothing but this empty directory
    try:
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=to_directory)
    except BaseException:
        os.rmdir(new, dir_fd=to_directory)
        raise


def make_directory(directory: int, path: Path, mode: int | None, mask: int) -> None:
    """Make the last name of `path` in `directory`; raises `AlreadyExists` for whatever has it."""
    with translated(path):
        granted = directory_mode(mode, mask)
        try:
            if mode is None:
                os.mkdir(path[-1], granted, dir_fd=directory)
            else:
                mkdir_with_mode(path[-1], granted, directory=directory)
        except FileExistsError as error:
            with contextlib.suppress(FileNotFoundError):
                raise already_there(os.stat(path[-1], dir_fd=directory, follow_symlinks=False), path) from error
            raise
    discard_partial(directory, path[-1])


def make_directories(root: int, path: Path, mode: int | None, mask: int) -> bool:
    """Make each missing directory of `path`; return whether the last was made.

    Raises `AlreadyExists` if that is no directory.
    """
    above = root
    try:
        for depth in range(1, len(path)):
            below = _enter_or_make(above, path, depth, mask)
            if above != root:
                close_quietly(above)
            above = below
        # Not entered: it may be made without the permission to enter it.
        try:
            make_directory(above, path, mode, mask)
        except AlreadyExists as error:
            if error.reason is not Reason.DIRECTORY:
                raise
            return False
        return True
    finally:
        if above != root:
            close_quietly(above)


def _enter_or_make(above: int, path: Path, depth: int, mask: int) -> int:
    while True:
        try:
            return open_below(above, path, depth)
        except NotFound as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise  # a symlink or a special file
        with contextlib.suppress(AlreadyExists):
            make_directory(above, path[:depth], None, mask)


def set_attributes(
    directory: int, path: Path, mode: int | None, mtime_ns: int | None, *, mask: int, only: Identity | None = None
) -> Kept:
    """Set attributes of the last name of `path` in `directory`, or of that itself for `()`; see the store's method."""
    name = path[-1] if path else b"."
    with translated(path or "."):
        if path:
            entry_status(directory, path)
        try:
            fd, place = os.open(name, _ANY_FLAGS, dir_fd=directory), None
        except PermissionError:
            fd, place = open_unreadable(name, directory)
        try:
            if only is not None and only != _identity(fd):
                raise failure(Forbidden, "Not the expected file", path)
            return _set(fd, place, path, mode, mtime_ns, mask)
        finally:
            close_quietly(fd)


def _identity(fd: int) -> Identity:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _set(fd: int, place: str | None, path: Path, mode: int | None, mtime_ns: int | None, mask: int) -> Kept:
    status = os.fstat(fd)
    target = fd if place is None else place
    is_directory = stat.S_ISDIR(status.st_mode)
    if not is_directory and not stat.S_ISREG(status.st_mode):
        raise not_followed(path) if stat.S_ISLNK(status.st_mode) else not_regular(path)
    if mtime_ns is not None:
        os.utime(target, ns=(status.st_atime_ns, mtime_ns))
    is_time = keeps_time(mtime_ns, os.fstat(fd).st_mtime_ns)
    if mode is None:
        return Kept(is_time)
    granted = directory_mode(mode, mask) if is_directory else granted_mode(mode, mask)
    # A directory keeps setgid and sticky, which its owner has set.
    kept = stat.S_IMODE(status.st_mode) & ~PERMISSIONS if is_directory else 0
    os.chmod(target, kept | granted)
    return Kept(is_time, granted == mode & PERMISSIONS)
