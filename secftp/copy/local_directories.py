"""The local directories of a download.

They are created when they are found, and get their permissions and time when everything in them is complete. One that
existed and that its owner may not write to is made writable for that time: it gets its permissions back when it is
complete, when the copy fails and when it is interrupted.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import AlreadyExists, FileError, NotFound, Reason
from secftp.messages import Kind
from secftp.storage.errors import failure

if TYPE_CHECKING:
    from secftp.copy.options import CopyOptions
    from secftp.copy.progress import Counters
    from secftp.copy.remote_tree import RemoteDirectory
    from secftp.storage import LocalStore

OWNER: Final = 0o700  # permissions of a directory that is being filled


class LocalDirectories:
    """The directories below the target; `store` is None while there is none, as in a dry run without a target."""

    def __init__(self, options: CopyOptions, counters: Counters) -> None:
        self.store: LocalStore | None = None
        self._options = options
        self._counters = counters
        self._modes: dict[RemoteDirectory, int] = {}  # permissions before they were made writable; the innermost last

    def use(self, store: LocalStore) -> None:
        """Create directories in this store from now on; takes it over."""
        self.store = store
        for directory in self._modes:
            with contextlib.suppress(FileError):  # a failure shows in the files
                store.make_writable(directory.local)

    def close(self) -> None:
        """Restore the permissions of those that are not complete, and close the store."""
        store, self.store = self.store, None
        if store is None:
            return
        for directory, mode in reversed(self._modes.items()):
            with contextlib.suppress(FileError):
                store.restore_mode(directory.local, mode)
        store.close()

    def opened(self, directory: RemoteDirectory) -> bool:
        """Create a directory; returns whether files can be created in it, a failure is counted."""
        store = self.store
        if store is None or not directory.local:
            return True
        try:
            if self._options.dry_run:
                _require_possible(store, directory)
            else:
                self._create(store, directory)
        except FileError as problem:
            self._counters.problem(directory.name, problem)
            return False
        return True

    def _create(self, store: LocalStore, directory: RemoteDirectory) -> None:
        mode = directory.mode | OWNER if self._options.preserve else None
        try:
            store.make_directory(directory.local, mode=mode)
        except AlreadyExists as taken:
            if taken.reason is not Reason.DIRECTORY:
                raise
            directory.sets_attributes = directory.sets_attributes and self._options.overwrite
            before = store.make_writable(directory.local)
            if before is not None:
                self._modes[directory] = before
            store.sweep_leftovers(directory.local)

    def closed(self, directory: RemoteDirectory) -> None:
        """Set the permissions and time of a directory that is complete."""
        store = self.store
        if store is None or self._options.dry_run:
            return
        before = self._modes.pop(directory, None)
        try:
            if directory.sets_attributes and self._options.preserve:
                kept = store.set_attributes(directory.local, mode=directory.mode, mtime_ns=directory.mtime_ns)
                self._counters.copied(directory.mode, directory.mtime_ns, kept)
            elif before is not None:
                store.restore_mode(directory.local, before)
        except FileError as problem:
            note = f"its permissions and time could not be set: {problem}"
            self._counters.listener.note(directory.name, note)


def _require_possible(store: LocalStore, directory: RemoteDirectory) -> None:
    """Raise what would keep a directory from being created, as far as can be seen."""
    try:
        if store.stat(directory.local).kind is not Kind.DIRECTORY:
            raise failure(AlreadyExists, "It already exists", directory.local, reason=Reason.FILE)
    except NotFound as missing:
        if missing.reason is Reason.SYMLINK:
            raise
