"""Listings that were completed from, kept for some seconds, since a user presses Tab more than once for a name.

They are files in a directory of the user's own, below XDG_RUNTIME_DIR or else the cache directory of the XDG Base
Directory Specification. Invariants: a directory or a file that another user may have written is not used; names of
files there say nothing about a key; whatever fails, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT_SECONDS: Final = 10.0
MAX_BYTES: Final = 1 << 20
_PREFIX: Final = "names-"
_DIRECTORY_MODE: Final = 0o700
_OF_OTHERS: Final = 0o077


def directory(environment: Mapping[str, str]) -> str | None:
    """Return the directory, which is created if necessary; None if there is none that is private."""
    base = environment.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(base) or not os.path.isdir(base):
        base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.join(base, "secftp")
    try:
        os.makedirs(path, _DIRECTORY_MODE, exist_ok=True)
        status = os.lstat(path)
    except OSError:
        return None
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & _OF_OTHERS
    return path if is_private and status.st_uid == os.geteuid() else None


class Kept:
    """The listing of one directory at a server; `subject`: what makes it different from others, without a key."""

    def __init__(self, place: str | None, subject: Sequence[str]) -> None:
        name = hashlib.sha256("\0".join(subject).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._place = place
        self._path = None if place is None else os.path.join(place, _PREFIX + name)

    def read(self) -> list[bytes] | None:
        """Return the names, directories with a slash; None if none were kept, or too long ago."""
        if self._path is None:
            return None
        try:
            with open(self._path, "rb", opener=_open_own) as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                data = file.read(MAX_BYTES) if 0 <= age < KEPT_SECONDS else None
        except OSError:
            return None
        return None if data is None else data.split(b"\0")[:-1]

    def write(self, names: Sequence[bytes]) -> None:
        """Keep the names; what is too old is removed."""
        data = b"".join(name + b"\0" for name in names)
        if self._path is None or self._place is None or len(data) > MAX_BYTES:
            return
        temporary = os.path.join(self._place, f"{_PREFIX}{secrets.token_hex(8)}")
        with contextlib.suppress(OSError):
            _remove_old(self._place)
            with open(temporary, "xb", opener=_open_own) as file:
                file.write(data)
            os.replace(temporary, self._path)


def _open_own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _remove_old(place: str) -> None:
    with os.scandir(place) as entries:
        for entry in entries:
            if (
                entry.name.startswith(_PREFIX)
                and time.time() - entry.stat(follow_symlinks=False).st_mtime > KEPT_SECONDS
            ):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
