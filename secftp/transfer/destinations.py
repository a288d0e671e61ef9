"""Destinations of a download: its files and directories on this machine.

A file goes either to a path in a directory that is held open, or to a name that the user gave. Invariant: a path from
the server is never used as a name of the user's.

Directories are created when they are found, and get their permissions and time when everything in them is complete. One
that existed and that its owner may not write to is made writable for that time: it gets its permissions back when it is
complete, when the copy fails and when it is interrupted.
"""

# ruff: noqa: D102 - methods without a docstring are those of `Destination`

from __future__ import annotations

import abc
import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import AlreadyExists, FileError, NotADirectory, NotFound, Reason
from secftp.protocol import Kind
from secftp.storage import create_local_sink, resume_local_sink, set_local_mode, stat_local
from secftp.storage.errors import failure
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from secftp.storage import FileInfo, LocalStore, Path, ResumedSink, Sink, Store, WriteOptions
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import Counters
    from secftp.transfer.remote_tree import RemoteDirectory
    from secftp.waits import Waits

OWNER: Final = 0o700  # permissions of a directory that is being filled


class Destination(abc.ABC):
    """Where one file is created."""

    __slots__ = ()

    @abc.abstractmethod
    def stat(self, *, partial: bool = False) -> FileInfo | None:
        """Return what is there, or the partial file that is kept for it; None for nothing. Raises `FileError`."""

    @abc.abstractmethod
    def create(self, options: WriteOptions) -> Sink:
        """Begin the file; raises `FileError`."""

    @abc.abstractmethod
    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        """Continue its partial file behind `offset` bytes; raises `FileError`."""

    @abc.abstractmethod
    def set_mode(self, mode: int) -> None:
        """Set the permissions of the file that is there; raises `FileError`."""


class StoreDestination(Destination):
    """A path below the target directory. It comes from the server; the store refuses bad ones."""

    __slots__ = ("_path", "_store")

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    def stat(self, *, partial: bool = False) -> FileInfo | None:
        """Raises `NotFound` for a symlink."""
        try:
            return self._store.stat(self._path, partial=partial)
        except (NotFound, NotADirectory) as problem:
            if problem.reason is Reason.SYMLINK:
                raise
            return None

    def create(self, options: WriteOptions) -> Sink:
        return self._store.create_sink(self._path, options)

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        return self._store.resume_sink(self._path, offset, options)

    def set_mode(self, mode: int) -> None:
        self._store.set_attributes(self._path, mode=mode)


class PathDestination(Destination):
    """A name that the user gave: symlinks in it are followed, and it may be a device."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def stat(self, *, partial: bool = False) -> FileInfo | None:
        try:
            return stat_local(self._name, partial=partial)
        except (NotFound, NotADirectory):
            return None
        except FileError:
            if partial:
                return None  # of a device nothing is kept
            raise

    def create(self, options: WriteOptions) -> Sink:
        return create_local_sink(self._name, options)

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        return resume_local_sink(self._name, offset, options)

    def set_mode(self, mode: int) -> None:
        set_local_mode(self._name, mode)


class LocalDirectories:
    """The directories below the target; `store` is None while there is none, as in a dry run without a target."""

    def __init__(self, options: CopyOptions, counters: Counters) -> None:
        self.store: LocalStore | None = None
        self._waits = DIRECT
        self._options = options
        self._counters = counters
        self._modes: dict[RemoteDirectory, int] = {}  # permissions before they were made writable; the innermost last

    def use(self, store: LocalStore, waits: Waits) -> None:
        """Create directories in this store from now on; takes it over."""
        self.store = store
        self._waits = waits
        for directory in self._modes:
            with contextlib.suppress(FileError):  # a failure shows in the files
                waits.call(store.make_writable, directory.local)

    def close(self) -> None:
        """Restore the permissions of those that are not complete, and close the store."""
        store, self.store = self.store, None
        if store is None:
            return
        for directory, mode in reversed(self._modes.items()):
            with contextlib.suppress(FileError):
                self._waits.call(store.restore_mode, directory.local, mode)
        store.close()

    def opened(self, directory: RemoteDirectory) -> bool:
        """Create a directory; returns whether files can be created in it, a failure is counted."""
        store = self.store
        if store is None or not directory.local:
            return True
        try:
            if self._options.dry_run:
                self._waits.call(_require_possible, store, directory)
            else:
                self._waits.call(self._create, store, directory)
        except FileError as problem:
            self._counters.problem(directory.name, problem, directory.places, directory.below or (b".",))
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
                kept = self._waits.call(
                    store.set_attributes, directory.local, mode=directory.mode, mtime_ns=directory.mtime_ns
                )
                self._counters.copied(directory.mode, directory.mtime_ns, kept)
            elif before is not None:
                self._waits.call(store.restore_mode, directory.local, before)
        except FileError as problem:
            note = f"its permissions and time could not be set: {problem}"
            self._counters.listener.note(directory.name, note)


def _require_possible(store: LocalStore, directory: RemoteDirectory) -> None:
    """Raise what would keep a directory from being created, as far as can be seen."""
    try:
        if store.stat(directory.local).kind is not Kind.DIRECTORY:
            raise failure(AlreadyExists, "Already exists", directory.local, reason=Reason.FILE)
    except NotFound as missing:
        if missing.reason is Reason.SYMLINK:
            raise
