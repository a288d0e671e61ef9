"""Reading of the user's file of hosts, which no other user may have written.

It names commands that are run with the rights of the user. So the file, each directory on the way to it and each
symlink there must belong to the user or to root, and neither the group nor others may write to it. Other users may
write to a directory with the sticky bit, such as /tmp: they can't replace what is not theirs.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from secftp.errors import UsageError
from secftp.keys.files import reason_of
from secftp.text import show_local

MAX_BYTES: Final = 1 << 20
_MAX_LINKS: Final = 40  # as Linux has it
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
# O_NONBLOCK: opening a FIFO must not block before it is known to be one.
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_own(path: str) -> bytes:
    """Return the contents of a file of at most 1 MiB that only its user may write.

    Raises `UsageError` if the file can't be read, is not a regular file, or could have been written or replaced by
    another user.
    """
    try:
        resolved = _resolve(path)
        descriptor = os.open(resolved, _FLAGS)
        try:
            status = os.fstat(descriptor)
            _check_file(path, status)
            if not os.path.samestat(status, os.lstat(resolved)):
                raise UsageError(f"The file {show_local(path)} was replaced while it was read.", hint="Try again.")
            return _read(path, descriptor)
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise unreadable(path, problem) from None
    except ValueError as problem:  # a NUL, or what the locale can't encode
        if isinstance(problem, UsageError):
            raise
        raise UsageError(f"The file {show_local(path)} can't be read: no file has such a name.") from None


def require_own_directory(path: str) -> None:
    """Raise `UsageError` if another user could replace a file in a directory, and OSError if that can't be told."""
    _resolve(path)


def unreadable(path: str, problem: OSError) -> UsageError:
    """Return the error for a file that can't be read."""
    hint = "Is SECFTP_CONFIG right?" if isinstance(problem, FileNotFoundError) else ""
    return UsageError(f"The file {show_local(path)} can't be read: {reason_of(problem)}.", hint=hint)


def _read(path: str, descriptor: int) -> bytes:
    data = b""
    while chunk := os.read(descriptor, MAX_BYTES + 1 - len(data)):
        data += chunk
    if len(data) > MAX_BYTES:
        raise UsageError(f"The file {show_local(path)} is longer than 1 MiB.", hint="Is it the right file?")
    return data


def _check_file(path: str, status: os.stat_result) -> None:
    shown = show_local(path)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{shown} is not a regular file.")
    if not _is_own(status):
        raise UsageError(
            f"The file {shown} belongs to another user.", hint="It can name commands to run, so it must be yours."
        )
    if status.st_mode & _OTHERS:
        raise UsageError(f"The file {shown} can be written by other users of this machine.", hint=f"chmod go-w {shown}")


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (os.geteuid(), 0)


def _resolve(path: str) -> str:
    """Return the path without symlinks, after each directory and each symlink on the way has been checked."""
    waiting = os.path.join(os.getcwd(), path).split(os.sep)[::-1]
    found, links = os.sep, 0
    _check_directory(found)
    while waiting:
        name = waiting.pop()
        if name in ("", os.curdir):
            continue
        if name == os.pardir:
            found = os.path.dirname(found)
            continue
        entry = os.path.join(found, name)
        status = os.lstat(entry)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if not _is_own(status):
                raise UsageError(
                    f"The symlink {show_local(entry)} belongs to another user.",
                    hint="Whose it is, decides which commands are run.",
                )
            target = os.readlink(entry)
            found = os.sep if os.path.isabs(target) else found
            waiting += target.split(os.sep)[::-1]
            continue
        found = entry
        if stat.S_ISDIR(status.st_mode):
            _check_directory(found)
    return found


def _check_directory(path: str) -> None:
    status = os.stat(path)
    shown = show_local(path)
    if not _is_own(status):
        raise UsageError(
            f"The directory {shown} belongs to another user, who could replace the file of hosts in it.",
            hint="Keep the file in a directory of yours, and name it in SECFTP_CONFIG.",
        )
    if status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX:
        raise UsageError(
            f"The directory {shown} can be written by other users, who could replace the file of hosts in it.",
            hint=f"chmod go-w {shown}",
        )
