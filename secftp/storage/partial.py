"""Unfinished files: how they are made, locked, found again and given up.

Each stands in its target's folder, private (0600), under a reserved name, and is locked by flock for as long as it has
a writer; so whoever gets the lock knows that there is none. Most have random names and are of no use to anybody else. A
partial has the one name that belongs to its target's, so that a later transfer can go on with it; a second writer for
that target takes a random one. What must never happen: that two write to one file, that a file is removed or truncated
which has a writer or has got its final name, or that a file of another user is taken for ours.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from secftp import system
from secftp.errors import Forbidden, NotFound, Reason
from secftp.storage.errors import close_quietly, failure, translated
from secftp.storage.names import is_partial, is_temporary, partial_name, temporary_name

if TYPE_CHECKING:
    from secftp.storage.names import Path

PRIVATE = 0o600
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RESUME_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_LOCK_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_ATTEMPTS = 16


def is_unfinished(name: bytes) -> bool:
    """Whether a file of this name is one of those, and not something else of a reserved name."""
    return is_temporary(name) or is_partial(name)


def create_temporary(folder: int) -> tuple[int, bytes]:
    """A new, locked file of a random name in `folder`: its descriptor and name."""
    for _ in range(_ATTEMPTS):
        name = temporary_name()
        fd = os.open(name, CREATE_FLAGS, PRIVATE, dir_fd=folder)
        held = False
        try:
            held = _hold(fd)
        finally:
            if not held:
                remove_quietly(name, folder)
                close_quietly(fd)
        if held:
            return fd, name
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def create_partial(folder: int, target: bytes) -> tuple[int, bytes] | None:
    """A new, locked partial of the name `target`; what was kept before is given up.

    None if the partial has a writer, or the file system has no locks: without them nobody could resume it safely.
    """
    name = partial_name(target)
    for _ in range(_ATTEMPTS):
        try:
            fd = os.open(name, CREATE_FLAGS, PRIVATE, dir_fd=folder)
        except FileExistsError:
            if not _make_way(name, folder):
                return None
            continue
        held = False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = is_at(fd, name, folder)
        except BlockingIOError:
            pass  # whoever came between, to resume it or to sweep, finds it empty and lets go of it
        except OSError:
            remove_quietly(name, folder)
            return None
        finally:
            if not held:
                close_quietly(fd)
        if held:
            return fd, name
    return None


def open_partial(folder: int, path: Path | str, target: bytes) -> tuple[int, bytes, int]:
    """The partial of the name `target`, locked, for reading and writing: its descriptor, name and size.

    Raises `NotFound` if there is none, `Forbidden` if it has a writer; `path` is how messages call the target.
    """
    name = partial_name(target)
    with translated(path):
        try:
            fd = os.open(name, _RESUME_FLAGS, dir_fd=folder)
        except FileNotFoundError as error:
            raise nothing_kept(path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = _require_partial(os.fstat(fd), path).st_size
            os.set_blocking(fd, True)
            is_still_kept = is_at(fd, name, folder)
        except BlockingIOError as error:
            close_quietly(fd)
            raise failure(
                Forbidden,
                "It is being written",
                path,
                hint="Try again when that is over.",
                reason=Reason.BEING_WRITTEN,
            ) from error
        except BaseException:
            close_quietly(fd)
            raise
        if not is_still_kept:
            close_quietly(fd)  # its writer was just through with it
            raise nothing_kept(path)
    return fd, name, size


def look_at_partial(folder: int, path: Path | str, target: bytes) -> os.stat_result:
    """What is kept for the name `target`, maybe under a writer's hands; raises `NotFound`."""
    with translated(path):
        try:
            status = os.stat(partial_name(target), dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError as error:
            raise nothing_kept(path) from error
    return _require_partial(status, path)


def _require_partial(status: os.stat_result, path: Path | str) -> os.stat_result:
    # A second link means that it has its final name already, and its writer was killed before the first went.
    if not is_ours(status) or status.st_nlink != 1:
        raise nothing_kept(path)
    return status


def make_partial(fd: int, folder: int, temporary: bytes, target: bytes) -> bool:
    """Make a file of a random name, open as `fd`, the partial of `target`; whether that was possible."""
    name = partial_name(target)
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held already, unless there are no locks
        # Never renamed over: a writer could come between, and would then give this file his target's name.
        _make_way(name, folder)
        system.rename_noreplace(temporary, name, folder=folder)
        return True
    return False


def remove_if_abandoned(name: bytes, folder: int) -> bool:
    """Remove an unfinished file unless it has a writer, or is not what it seemed; raises OSError for "can't tell"."""
    fd = os.open(name, _LOCK_FLAGS, dir_fd=folder)
    try:
        # The lock is on the file, whose writer may have renamed it in between: so the name is compared afterwards.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = is_ours(os.fstat(fd)) and is_at(fd, name, folder)
        if ours:
            os.unlink(name, dir_fd=folder)
        return ours
    finally:
        close_quietly(fd)


def drop_partial(folder: int, target: bytes) -> bool:
    """Give up what is kept for the name `target`; False if nothing is, or it has a writer, or it is not ours."""
    try:
        return remove_if_abandoned(partial_name(target), folder)
    except OSError:
        return False


def partial_blocks(folder: int, target: bytes) -> int:
    """How many bytes of the disk would be free without what is kept for the name `target`."""
    try:
        status = os.stat(partial_name(target), dir_fd=folder, follow_symlinks=False)
    except OSError:
        return 0
    return status.st_blocks * 512 if is_ours(status) else 0


def is_ours(status: os.stat_result) -> bool:
    """Whether it is a regular file that belongs to this user."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def is_at(fd: int, name: bytes, folder: int) -> bool:
    """Whether the file `fd` still has this name."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False


def nothing_kept(path: Path | str) -> NotFound:
    """The exception for a name of which no partial is kept."""
    return failure(NotFound, "Nothing is kept of", path)


def remove_quietly(name: bytes, folder: int) -> None:
    """Remove it if that can be done; else it is left for a sweep."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _make_way(name: bytes, folder: int) -> bool:
    """Remove a partial that nobody writes; whether the name is free now, or worth another try."""
    try:
        return remove_if_abandoned(name, folder) or not _stands(name, folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _stands(name: bytes, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _hold(fd: int) -> bool:
    """Lock a new temporary file; False if a sweep came between its making and its locking, and removes it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: a sweep can't lock there either, and so removes nothing.
        return True
    return os.fstat(fd).st_nlink > 0
