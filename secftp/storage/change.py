"""Changes to what stands in folders, apart from bytes: removing, renaming, making, attributes.

Each acts on the last name of a path, relative to the descriptor of the folder that holds it. A look before tells what
to refuse and with which words; that nothing is followed and nothing replaced that must not be is up to the one call
that acts, so whoever swaps the name in between gains nothing but that his own link or device is moved or removed. What
must never happen: that a link is followed, that a folder replaces anything, or that a peer's mode brings setuid.
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
from secftp.messages import Kind
from secftp.storage.attributes import (
    PERMISSIONS,
    Kept,
    directory_mode,
    granted_mode,
    keeps_time,
    mkdir_with_mode,
    open_unreadable,
)
from secftp.storage.directories import LIST_FLAGS, look, make_writable, missing, open_below, restore_mode
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
from secftp.storage.partial import drop_partial, is_unfinished, remove_if_abandoned

if TYPE_CHECKING:
    from secftp.storage.attributes import Identity
    from secftp.storage.names import Path

_LOOKED_AT = 4096  # entries of a directory that is to be removed
_ANY_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
# What a rename says of the new name; all else is about the old one, or about both.
_OF_TARGET = frozenset(
    {
        errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOSPC,
        errno.EDQUOT,
    }
)  # fmt: skip
# What renaming without replacing says where system or file system can't.
_NO_NOREPLACE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def remove(folder: int, path: Path, kind: Kind | None) -> None:
    """As `Store.remove`."""
    try:
        is_folder = stat.S_ISDIR(look(folder, path).st_mode)
    except NotFound:
        if kind is not Kind.DIRECTORY and drop_partial(folder, path[-1]):
            return
        raise
    if kind is Kind.FILE and is_folder:
        raise failure(IsADirectory, "It is a folder", path)
    if kind is Kind.DIRECTORY and not is_folder:
        raise failure(NotADirectory, "It is not a folder", path)
    with translated(path):
        if not is_folder:
            os.unlink(path[-1], dir_fd=folder)
            drop_partial(folder, path[-1])
            return
        try:
            os.rmdir(path[-1], dir_fd=folder)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            _remove_unfinished(folder, path)
            os.rmdir(path[-1], dir_fd=folder)
        drop_partial(folder, path[-1])


def _remove_unfinished(folder: int, path: Path) -> None:
    """Empty a folder that holds nothing but unfinished files without writers; raises `NotEmpty` for any other."""
    fd = open_below(folder, path, len(path), LIST_FLAGS)
    try:
        _require_unfinished(fd, path)
        found = make_writable(folder, path)
        try:
            _remove_each(fd, path)
        except BaseException:
            if found is not None:
                restore_mode(folder, path, found)
            raise
    finally:
        close_quietly(fd)


def _require_unfinished(fd: int, path: Path) -> None:
    """Raise `NotEmpty` for anything else, as far as that shows soon.

    Beyond the bound unfinished files are removed without having looked at all the others first: a request may cost as
    much as it removes, but not the reading of a directory of any size for nothing.
    """
    with os.scandir(fd) as entries:
        first = itertools.islice(entries, _LOOKED_AT)
        if not all(is_unfinished(os.fsencode(entry.name)) for entry in first):
            raise failure(NotEmpty, "The folder is not empty", path)


def _remove_each(fd: int, path: Path) -> None:
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            try:
                removed = is_unfinished(name) and remove_if_abandoned(name, fd)
            except FileNotFoundError:
                continue
            except OSError:
                removed = False
            if not removed:
                raise failure(
                    NotEmpty,
                    "Something is being written into the folder",
                    path,
                    hint="Try again.",
                    reason=Reason.BEING_WRITTEN,
                )


def rename(folder: int, path: Path, to_folder: int, to: Path, *, overwrite: bool) -> None:
    """As `Store.rename`; `Forbidden` also for a folder into itself, and where a link or the like has the new name."""
    is_folder = stat.S_ISDIR(look(folder, path).st_mode)
    if is_folder and to[: len(path)] == path != to:
        raise failure(Forbidden, "A folder can't be moved into itself", path, reason=Reason.INTO_ITSELF)
    with of_target(), translated(to):
        taken = _look_at_target(to_folder, to)
        if taken is not None and (is_folder or not overwrite):
            raise already_there(taken, to, replaceable=not is_folder)
        if taken is not None:
            require_regular(taken, to)
    try:
        if overwrite and not is_folder:
            os.rename(path[-1], to[-1], src_dir_fd=folder, dst_dir_fd=to_folder)
        else:
            _rename_to_free(folder, path[-1], to_folder, to[-1], is_folder=is_folder)
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        problem = translate(error, to)
        problem.of_target = error.errno in _OF_TARGET
        raise problem from error
    drop_partial(folder, path[-1])
    drop_partial(to_folder, to[-1])


def _look_at_target(folder: int, to: Path) -> os.stat_result | None:
    """What has the new name, None for nothing; raises `Forbidden` for links, devices, FIFOs and sockets."""
    try:
        status = os.stat(to[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        require_regular(status, to)
    return status


def _rename_to_free(folder: int, old: bytes, to_folder: int, new: bytes, *, is_folder: bool) -> None:
    try:
        system.rename_noreplace(old, new, folder=folder, to=to_folder)
    except OSError as error:
        if error.errno not in _NO_NOREPLACE:
            raise
    else:
        return
    if not is_folder:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=to_folder, follow_symlinks=False)
        os.unlink(old, dir_fd=folder)
        return
    os.mkdir(new, dir_fd=to_folder)  # taken, if at all, by us: all that a folder can replace is this empty one
    try:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=to_folder)
    except BaseException:
        os.rmdir(new, dir_fd=to_folder)
        raise


def make_directory(folder: int, path: Path, mode: int | None, mask: int) -> None:
    """Make the last name of `path` in `folder`; raises `AlreadyExists` for whatever has it."""
    with translated(path):
        granted = directory_mode(mode, mask)
        try:
            if mode is None:
                os.mkdir(path[-1], granted, dir_fd=folder)
            else:
                mkdir_with_mode(path[-1], granted, folder=folder)
        except FileExistsError as error:
            with contextlib.suppress(FileNotFoundError):
                raise already_there(os.stat(path[-1], dir_fd=folder, follow_symlinks=False), path) from error
            raise
    drop_partial(folder, path[-1])


def make_directories(root: int, path: Path, mode: int | None, mask: int) -> bool:
    """Make each directory of `path` that is missing; whether the last was. `AlreadyExists` if that is no directory."""
    above = root
    try:
        for depth in range(1, len(path)):
            below = _enter_or_make(above, path, depth, mask)
            if above != root:
                close_quietly(above)
            above = below
        # Not entered: it may be made without the permission for that.
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
                raise  # a link, or what is neither file nor directory
        with contextlib.suppress(AlreadyExists):
            make_directory(above, path[:depth], None, mask)


def set_attributes(
    folder: int, path: Path, mode: int | None, mtime_ns: int | None, *, mask: int, only: Identity | None = None
) -> Kept:
    """As `Store.set_attributes`, of the last name of `path` in `folder`, or of that itself if `path` is `()`."""
    name = path[-1] if path else b"."
    with translated(path or "."):
        if path:
            look(folder, path)
        try:
            fd, place = os.open(name, _ANY_FLAGS, dir_fd=folder), None
        except PermissionError:
            fd, place = open_unreadable(name, folder)
        try:
            if only is not None and only != _identity(fd):
                raise failure(Forbidden, "It is not the one that was meant", path)
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
    # What its owner set up stays at a directory: setgid, sticky.
    kept = stat.S_IMODE(status.st_mode) & ~PERMISSIONS if is_directory else 0
    os.chmod(target, kept | granted)
    return Kept(is_time, granted == mode & PERMISSIONS)
