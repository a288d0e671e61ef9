"""Unfinished files: creation, locking, resumption and removal.

Each is in the directory of its target, private (0600), under a reserved name, and locked by flock(2) while it has a
writer, so a process that gets the lock knows that there is none. Most have random names. A partial has the one name
that belongs to its target's, so that a later transfer can resume it; a second writer of that target uses a random name.
A partial that is written in parts has a map beside it (`upload_map`), which is always removed first.
Invariants: no two processes write to one file, no file is removed or truncated which has a writer or its final name,
and no file of another user is taken for ours.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import stat
from typing import TYPE_CHECKING

from secftp import system
from secftp.errors import Forbidden, NotFound, Reason
from secftp.storage.errors import close_quietly, failure, translated
from secftp.storage.names import (
    RESERVED_TEXT,
    is_map,
    is_partial,
    is_temporary,
    map_of,
    partial_name,
    partial_of,
    temporary_name,
)

if TYPE_CHECKING:
    from secftp.storage.names import Path

PRIVATE = 0o600
CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RESUME_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_LOCK_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FEW_ENTRIES = 512  # which are listed faster than it is asked about the partials of a few dozen names
_ATTEMPTS = 16


def is_unfinished(name: bytes) -> bool:
    """Return whether a name is that of an unfinished file or of its map; other reserved names are not."""
    return is_temporary(name) or is_partial(name) or is_map(name)


def create_temporary(directory: int) -> tuple[int, bytes]:
    """Return the descriptor and name of a new, locked file with a random name in `directory`."""
    for _ in range(_ATTEMPTS):
        name = temporary_name()
        fd = os.open(name, CREATE_FLAGS, PRIVATE, dir_fd=directory)
        held = False
        try:
            held = _lock(fd)
        finally:
            if not held:
                remove_quietly(name, directory)
                close_quietly(fd)
        if held:
            return fd, name
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def create_partial(directory: int, target: bytes) -> tuple[int, bytes] | None:
    """Return the descriptor and name of a new, locked partial of `target`; an older one is discarded.

    None if the partial has a writer, or if the file system has no locks, without which no resumption would be safe.
    """
    name = partial_name(target)
    for _ in range(_ATTEMPTS):
        try:
            fd = os.open(name, CREATE_FLAGS, PRIVATE, dir_fd=directory)
        except FileExistsError:
            if not _discard(name, directory):
                return None
            continue
        held = False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = is_at(fd, name, directory)
        except BlockingIOError:
            pass  # another process locked it first, to resume or to sweep; it finds an empty file and releases it
        except OSError:
            remove_quietly(name, directory)
            return None
        finally:
            if not held:
                close_quietly(fd)
        if held:
            return fd, name
    return None


def open_partial(directory: int, path: Path | str, target: bytes) -> tuple[int, bytes, os.stat_result]:
    """Lock the partial of `target` for reading and writing; return its descriptor, name and status.

    `path` is what messages call the target. Raises `NotFound` if there is none, `Forbidden` if it has a writer.
    """
    name = partial_name(target)
    with translated(path):
        try:
            fd = os.open(name, _RESUME_FLAGS, dir_fd=directory)
        except FileNotFoundError as error:
            raise no_partial(path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = _require_partial(os.fstat(fd), path)
            os.set_blocking(fd, True)
            is_still_kept = is_at(fd, name, directory)
        except BlockingIOError as error:
            close_quietly(fd)
            raise failure(
                Forbidden,
                "Being written by another process",
                path,
                hint="Try again when that has ended.",
                reason=Reason.BEING_WRITTEN,
            ) from error
        except BaseException:
            close_quietly(fd)
            raise
        if not is_still_kept:
            close_quietly(fd)  # its writer has just committed it
            raise no_partial(path)
    return fd, name, status


def look_at_partial(directory: int, path: Path | str, target: bytes) -> os.stat_result:
    """Return the status of the partial of `target`, which may have a writer; raises `NotFound`."""
    with translated(path):
        try:
            status = os.stat(partial_name(target), dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError as error:
            raise no_partial(path) from error
    return _require_partial(status, path)


def _require_partial(status: os.stat_result, path: Path | str) -> os.stat_result:
    # A second hard link: it has its final name already, and its writer was killed before it removed this one.
    if not is_ours(status) or status.st_nlink != 1:
        raise no_partial(path)
    return status


def make_partial(fd: int, directory: int, temporary: bytes, target: bytes) -> bool:
    """Make the temporary file that is open as `fd` the partial of `target`; return whether that was possible."""
    name = partial_name(target)
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held already, unless there are no locks
        # Never replaced: a writer could come between, and would then give this file its target's name.
        _discard(name, directory)
        system.rename_noreplace(temporary, name, directory=directory)
        return True
    return False


def remove_if_abandoned(name: bytes, directory: int) -> bool:
    """Remove an unfinished file without a writer, or a map without a partial; return whether it was removed.

    Raises OSError where that can't be known.
    """
    if is_map(name):
        # With a partial it is removed together with that.
        if _exists(partial_of(name), directory) or not is_ours(os.stat(name, dir_fd=directory, follow_symlinks=False)):
            return False
        os.unlink(name, dir_fd=directory)
        return True
    fd = os.open(name, _LOCK_FLAGS, dir_fd=directory)
    try:
        # The lock is on the file, which its writer may have renamed meanwhile: so the name is checked afterwards.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = is_ours(os.fstat(fd)) and is_at(fd, name, directory)
        if ours:
            remove_map(directory, name)
            os.unlink(name, dir_fd=directory)
        return ours
    finally:
        close_quietly(fd)


def discard_partial(directory: int, target: bytes) -> bool:
    """Discard the partial of `target`; return False if there is none, it has a writer, or it is not this user's."""
    try:
        return remove_if_abandoned(partial_name(target), directory)
    except OSError:
        return False


def partials_in(directory: int) -> frozenset[bytes] | None:
    """Return the names of the partials in a directory; None if it can't be listed, or has many entries."""
    try:
        listed = os.open(".", _LIST_FLAGS, dir_fd=directory)
        try:
            with os.scandir(listed) as entries:
                names = [entry.name for entry in itertools.islice(entries, _FEW_ENTRIES + 1)]
        finally:
            os.close(listed)
    except OSError:
        return None
    if len(names) > _FEW_ENTRIES:
        return None
    return frozenset(os.fsencode(name) for name in names if name.startswith(RESERVED_TEXT))


def partial_blocks(directory: int, target: bytes) -> int:
    """Return how many bytes of the disk the partial of `target` occupies."""
    try:
        status = os.stat(partial_name(target), dir_fd=directory, follow_symlinks=False)
    except OSError:
        return 0
    return status.st_blocks * 512 if is_ours(status) else 0


def is_ours(status: os.stat_result) -> bool:
    """Return whether it is a regular file of this user's."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def is_at(fd: int, name: bytes, directory: int) -> bool:
    """Return whether the file `fd` still has this name."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        return False


def no_partial(path: Path | str) -> NotFound:
    """Return the exception for a name without a partial."""
    return failure(NotFound, "No partial file of", path)


def remove_map(directory: int, partial: bytes) -> None:
    """Remove the map of a partial, if there is one; raises OSError if it can't be removed."""
    if is_partial(partial):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(map_of(partial), dir_fd=directory)


def remove_quietly(name: bytes, directory: int) -> None:
    """Remove a file if possible; otherwise a sweep will."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)


def _discard(name: bytes, directory: int) -> bool:
    """Remove a partial without a writer; return whether the name is free now, or another attempt makes sense."""
    try:
        return remove_if_abandoned(name, directory) or not _exists(name, directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _exists(name: bytes, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _lock(fd: int) -> bool:
    """Lock a new temporary file; return False if a sweep came between its creation and the lock, and removes it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: a sweep can't lock either, and so removes nothing.
        return True
    return os.fstat(fd).st_nlink > 0
