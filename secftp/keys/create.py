"""Creation of key files: whole, private, and never over another file.

A new file is written under a reserved name with a lock on it, and gets its own name by a hard link. A process that is
killed meanwhile leaves the reserved name; without a lock it has no creator any more, and the next process that creates
a file in the directory removes it, with the secret in it.

Invariant: nothing is replaced, a file appears with all of its contents or not at all, and no file is removed that is
not ours, has a creator, or was reached through a symlink. A remembered key is never beneath the served directory.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import AlreadyExists, KeyFormatError
from secftp.keys.files import read_key_file, reason_of, refuse_beneath
from secftp.keys.key import generate_secret
from secftp.keys.text import SECRET_PREFIX, generate_key
from secftp.text import show_local

if TYPE_CHECKING:
    from secftp.keys.files import StrPath
    from secftp.keys.key import Key

_PREFIX: Final = ".secftp-key-"
_is_ours = re.compile(re.escape(_PREFIX) + "[0-9a-f]{32}").fullmatch
_CREATE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_REMEMBERED_NAME: Final = "server.key"


def write_key_file(path: StrPath) -> None:
    """Create a key file of mode 0600 with a new random key, which needs no stretching.

    Raises `AlreadyExists` if anything has that name, and `KeyFormatError` if the file can't be created.
    """
    create_private(path, SECRET_PREFIX.encode() + base64.b64encode(generate_secret()) + b"\n")


def create_private(path: StrPath, data: bytes) -> None:
    """Create a file of mode 0600 with `data`; raises what `write_key_file` does."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        sweep(directory)
        descriptor, temporary = create_unfinished(directory)
        try:
            # Closes a duplicate: the lock lasts as long as a descriptor is open.
            _fill(os.dup(descriptor), data)
            # A hard link, because a rename would replace what is there.
            os.link(temporary, path)
        finally:
            os.unlink(temporary)
            os.close(descriptor)
        _sync_directory(directory)
    except FileExistsError:
        raise AlreadyExists(
            f"{show_local(path)} already exists and is not replaced.", hint="Choose another name, or remove it first."
        ) from None
    except OSError as error:
        raise KeyFormatError(f"The key file {show_local(path)} can't be created: {reason_of(error)}.") from error


def replace_private(path: StrPath, data: bytes) -> None:
    """Create a file of mode 0600 with `data` in place of the one that has its name, if any. Raises `OSError`.

    It appears as a whole. A symlink stays one: the file that it leads to is replaced.
    """
    path = os.path.realpath(path)
    directory = os.path.dirname(path)
    sweep(directory)
    descriptor, temporary = create_unfinished(directory)
    try:
        _fill(os.dup(descriptor), data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    _sync_directory(directory)


def _fill(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as file:
        # An unusual umask can clear bits of the owner.
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- files that killed processes left ---------------------------------------------------------------------------------


def create_unfinished(directory: str) -> tuple[int, str]:
    """Create a locked file of mode 0600 under a reserved name; return its descriptor and path. Raises `OSError`."""
    while True:
        path = os.path.join(directory, f"{_PREFIX}{secrets.token_hex(16)}")
        descriptor = os.open(path, _CREATE_FLAGS, 0o600)
        if _is_kept(descriptor):
            return descriptor, path
        os.close(descriptor)  # a sweep came between its creation and its locking, and removes it


def _is_kept(descriptor: int) -> bool:
    """Lock a new file; False if a sweep has its lock, or has removed it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nothing is swept there either
        pass
    return os.fstat(descriptor).st_nlink > 0


def sweep(directory: str) -> None:
    """Remove the files of dead creators from a directory; what can't be examined or removed is left."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if _is_ours(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    descriptor = os.open(path, _LOCK_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(descriptor)


# --- the key that a server remembers ----------------------------------------------------------------------------------


class RememberedKey(NamedTuple):
    """The key that a server without a terminal generates for itself and uses again at its next start.

    Its file is in the user's state directory, as a text, so that the operator can pass the key on. `created`: just now.
    """

    key: Key
    path: str
    created: bool


def state_directory() -> str:
    """Return `$XDG_STATE_HOME/secftp`, or `~/.local/state/secftp` if that is not set to an absolute path.

    Source: XDG Base Directory Specification.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(base):
        raise KeyFormatError(
            "This user has no home directory in which a key could be stored.",
            hint="Set XDG_STATE_HOME to a directory, or give a key with --key-file or SECFTP_KEY.",
        )
    return os.path.join(base, "secftp")


def load_or_create(root: StrPath | None) -> RememberedKey:
    """Return the remembered key, which the first call creates; `root` is the served directory, if it is one.

    Many servers may start at once: the first file that is complete wins, and all use that one. Raises `KeyFormatError`
    if the file would be beneath `root`, can't be created, or is unsafe (see `read_key_file`).
    """
    directory = state_directory()
    path = os.path.join(directory, _REMEMBERED_NAME)
    if root is not None:
        refuse_beneath(path, root)
    if os.path.lexists(path):
        return RememberedKey(read_key_file(path), path, created=False)
    try:
        # A directory that exists keeps its mode: the file has its own.
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise KeyFormatError(
            f"The directory {show_local(directory)} can't be created: {reason_of(error)}.",
            hint="Set XDG_STATE_HOME to a directory of yours, or give a key with --key-file or SECFTP_KEY.",
        ) from error
    try:
        create_private(path, generate_key().encode() + b"\n")
    except AlreadyExists:
        return RememberedKey(read_key_file(path), path, created=False)
    # Read back, so that this start uses what the next one will find.
    return RememberedKey(read_key_file(path), path, created=True)
