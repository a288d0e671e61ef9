"""The trash of a sync: a directory for each sync that deletes, named by its time in UTC, at the top of the target.

Files are moved there by rename, under their paths. Invariants: nothing in it is replaced; it is emptied of nothing but
directories whose names are such times, and only if these and their modification times are long past.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from secftp.errors import AlreadyExists, FileError
from secftp.session import new_token
from secftp.sync.tree import TRASH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.storage import Path
    from secftp.sync.targets import Outcome, Target

DEFAULT_DAYS: Final = 30
_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(rb"(\d{8}T\d{6}Z)(-[1-9]\d{0,5})?")
_PRIVATE: Final = 0o700  # permissions of the trash: what was readable by few stays so
_TRIES: Final = 1000  # syncs of one target that delete within one second


class Trash:
    """The trash of one sync. Its directory is made when it is first needed.

    `mode_of` returns the permissions of a directory of the target, which its copy in the trash gets. `now`: the time,
    in UTC.
    """

    def __init__(self, now: datetime, mode_of: Callable[[Path], int]) -> None:
        self._now = now
        self._mode_of = mode_of
        self._top: Path = ()
        self._number = 0
        self._token = new_token()
        self._made: set[Path] = {()}

    @property
    def name(self) -> bytes:
        """The path of its directory, relative to the target; empty if nothing was moved."""
        return b"/".join(self._top)

    def place_of(self, path: Path) -> Path:
        """Return where a path is moved to."""
        return (*self._top, *path)

    def open(self, target: Target) -> None:
        """Make its directory. Idempotent; it may be called again with another target if the connection was lost."""
        if self._top:
            return
        target.make_directory((TRASH,), _PRIVATE, new_token()).result()
        while True:
            stamp = self._now.strftime(_FORMAT) + (f"-{self._number}" if self._number else "")
            top = (TRASH, stamp.encode())
            try:
                target.make_directory(top, _PRIVATE, self._token, may_exist=False).result()
            except AlreadyExists:
                self._number += 1
                if self._number > _TRIES:
                    raise
                self._token = new_token()
                continue
            self._top = top
            return

    def request_directory(self, target: Target, directory: Path) -> list[tuple[Path, Outcome[object]]]:
        """Request a directory in it, and those above that are missing, with the permissions of the originals.

        Returns what was requested, for `made`.
        """
        requested = []
        for depth in range(1, len(directory) + 1):
            path = directory[:depth]
            if path not in self._made:
                mode = self._mode_of(path) | _PRIVATE
                requested.append((path, target.make_directory(self.place_of(path), mode, new_token())))
                self._made.add(path)
        return requested

    def settle(self, requested: list[tuple[Path, Outcome[object]]]) -> None:
        """Wait for directories. What is wrong with one shows in what is moved into it."""
        for path, outcome in requested:
            self._made.discard(path)
            with contextlib.suppress(FileError):
                outcome.result()
                self._made.add(path)

    def forget(self, requested: list[tuple[Path, Outcome[object]]]) -> None:
        """Take note that it is not known whether directories were made, because the connection was lost."""
        self._made.difference_update(path for path, _ in requested)


def expired(there: list[tuple[bytes, int]], now: datetime, days: int) -> Iterator[bytes]:
    """Yield the names of what is in the trash, with its modification time, since more than so many days.

    Both have to be so old: the name is of the clock of that sync, which may have been years slow.
    """
    age = timedelta(days=days)
    oldest = now.timestamp() - age.total_seconds()
    for name, mtime_ns in there:
        match = _NAME.fullmatch(name)
        if match is None or mtime_ns / 1e9 >= oldest:
            continue
        try:
            then = datetime.strptime(match[1].decode(), _FORMAT).replace(tzinfo=UTC)
        except ValueError:
            continue  # the 99th of a month
        if now - then > age:
            yield name
