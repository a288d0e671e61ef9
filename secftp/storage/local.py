"""The local store: a directory of this machine in which every name comes from a peer.

The root is held by a descriptor from the start. A name is resolved from it directory by directory, each opened relative
to the one before and none through a symlink; then one call acts on the last name, relative to its parent. Invariants:
no path is checked and then used (TOCTOU), `..` and symlinks are not resolved, and nothing outside of the root is
opened, made, replaced, removed, or told from what does not exist.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from secftp import system
from secftp.errors import FileError, TooLarge
from secftp.protocol import Capability, Kind
from secftp.storage import change, directories
from secftp.storage.attributes import (
    DEFAULT_OPTIONS,
    KEPT_OPTIONS,
    PERMISSIONS,
    FileInfo,
    WriteOptions,
    directory_mode,
    file_info,
    granted_mode,
)
from secftp.storage.directories import (
    FreeSpace,
    Space,
    entry_status,
    free_space_for,
    open_directory,
    open_parent,
    open_parent_of_new,
    open_root,
    space_for,
)
from secftp.storage.errors import close_quietly, of_target, translated
from secftp.storage.names import check, check_directory
from secftp.storage.partial import discard_partial
from secftp.storage.resumed_sink import ResumedFileSink
from secftp.storage.scan import scan
from secftp.storage.sink import FileSink
from secftp.storage.small import CrowdedDirectory, LocalSmallFiles
from secftp.storage.source import FileSource, open_beneath, with_size
from secftp.storage.store import Store
from secftp.storage.sweep import Sweeper, sweep_leftovers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from secftp.storage.attributes import Identity, Kept
    from secftp.storage.directories import StrOrBytesPath
    from secftp.storage.names import Path
    from secftp.storage.store import ScanEntry
    from secftp.storage.upload import FileUpload
    from secftp.storage.upload_map import KeptParts


# What is done with unfinished files that may have another writer.
_LOCKED: Final = frozenset({Capability.RESUME, Capability.UPLOADS})


class _OpenRoot:
    """An open directory, to be taken over by a store."""

    def __init__(self, directory: int) -> None:
        self._directory = directory

    def take(self) -> int:
        """Return the descriptor, which the caller owns from now on."""
        return self._directory


class LocalStore(Store):
    """The directory `root`, whose own path may lead through symlinks.

    `sweep`: remove leftovers of killed writers in it, in the background. `try_locks`: call the method of that name
    first, and don't sweep where locks don't work. `mode_mask`: the permissions that requests may set, see `attributes`.
    A symlink in it counts as missing where a file is looked for, and as no regular file (`Forbidden`) where it would be
    replaced. Raises `NotFound`, `NotADirectory`, `Forbidden`, with a hint, if the directory can't be used.
    """

    def __init__(
        self,
        root: StrOrBytesPath | _OpenRoot,
        *,
        sweep: bool = False,
        mode_mask: int = PERMISSIONS,
        try_locks: bool = False,
    ) -> None:
        system.process_umask()  # read before there are threads
        self._mode_mask = mode_mask
        self._has_locks: bool | None = None  # None: not tried
        self._crowded = CrowdedDirectory()
        self._sweeper: Sweeper | None = None
        self._root = root.take() if isinstance(root, _OpenRoot) else open_root(root)
        try:
            if (not try_locks or self.try_locks()) and sweep:
                self._sweeper = Sweeper(self._root)
        except BaseException:
            self.close()
            raise

    @property
    def lacks(self) -> frozenset[Capability]:
        """What rests on locks, if these don't work."""
        return _LOCKED if self._has_locks is False else frozenset()

    def try_locks(self) -> bool:
        """Return whether locks of files work here; if not, nothing is to be resumed from now on, see `lacks`.

        Only the first call tries it, by a file that it makes and removes.
        """
        if self._has_locks is None:
            from secftp.storage.locks import has_locks  # for servers alone

            self._has_locks = has_locks(self._root)
        return self._has_locks

    def open_source(self, path: Path) -> FileSource:
        """Raises `Forbidden` also for special files, `NotFound` for symlinks."""
        with self._parent_of(path) as directory:
            return open_beneath(directory, path[-1], path)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> FileSink:
        """Raises `Forbidden` also if anything but a regular file has the name."""
        check(path)
        directory = open_parent_of_new(self._root, path)  # the sink's, which may outlive the store
        return FileSink(directory, path[-1], path, options, mask=self._mode_mask)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedFileSink:
        check(path)
        directory = open_parent_of_new(self._root, path)
        return ResumedFileSink(directory, path[-1], path, offset, options, mask=self._mode_mask)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> FileUpload:
        from secftp.storage.upload import FileUpload  # for servers alone

        check(path)
        directory = open_parent_of_new(self._root, path)
        return FileUpload(directory, path[-1], path, tag, options, adopt=adopt, mask=self._mode_mask)

    def kept_parts(self, path: Path) -> KeptParts:
        from secftp.storage.upload_map import kept_parts  # only where something is resumed

        with self._parent_of(path) as directory:
            return kept_parts(directory, path, path[-1])

    def identity_of_root(self) -> Identity:
        with translated("."):
            status = os.fstat(self._root)
        return status.st_dev, status.st_ino

    def stat(self, path: Path, *, partial: bool = False) -> FileInfo:
        """Raises `Forbidden` for special files, `NotFound` for symlinks.

        A file of unknown size is read to find it out; it is None if the file is too large for that.
        """
        if not path and not partial:
            with translated("."):
                return file_info(os.fstat(self._root))
        with self._parent_of(path) as directory:
            if partial:
                from secftp.storage.upload_map import kept_parts  # only where something is resumed

                return kept_parts(directory, path, path[-1]).info
            status = entry_status(directory, path)
            info = file_info(status)
            return (
                info
                if info.kind is Kind.DIRECTORY or status.st_blocks
                else info._replace(size=_measure(directory, path))
            )

    def space(self, path: Path) -> Space:
        check_directory(path)
        return space_for(self._root, path)

    def scan(self, path: Path, *, recursive: bool = False, others: bool = False) -> Iterator[ScanEntry]:
        check_directory(path)
        return scan(self._root, path, recursive=recursive, others=others)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        with self._parent_of(path) as directory:
            change.remove(directory, path, kind)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        """Raises `Forbidden` also for a directory into itself, and for a new name that a symlink has."""
        with of_target():
            check(to)
        with self._parent_of(path) as directory:
            with of_target():
                to_directory = open_parent_of_new(self._root, to)
            try:
                change.rename(directory, path, to_directory, to, overwrite=overwrite)
            finally:
                close_quietly(to_directory)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        check(path)
        if parents:
            return change.make_directories(self._root, path, mode, self._mode_mask)
        directory = open_parent_of_new(self._root, path)
        try:
            change.make_directory(directory, path, mode, self._mode_mask)
        finally:
            close_quietly(directory)
        return True

    def identity(self, path: Path) -> Identity:
        with self._parent_of(path) as directory:
            status = entry_status(directory, path)
            return status.st_dev, status.st_ino

    def set_attributes(
        self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None, only: Identity | None = None
    ) -> Kept:
        """A directory keeps its setgid and sticky bits."""
        if not path:
            return change.set_attributes(self._root, path, mode, mtime_ns, mask=self._mode_mask, only=only)
        with self._parent_of(path) as directory:
            return change.set_attributes(directory, path, mode, mtime_ns, mask=self._mode_mask, only=only)

    def has_attributes(self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:
        info = self.stat(path)
        grant = directory_mode if info.kind is Kind.DIRECTORY else granted_mode
        is_mode = mode is None or info.mode & PERMISSIONS == grant(mode, self._mode_mask)
        return is_mode and (mtime_ns is None or mtime_ns == info.mtime_ns)

    def discard_partial(self, path: Path) -> bool:
        """Discard the partial of a name; return False if there is none, it has a writer, or it is not this user's."""
        with self._parent_of(path) as directory:
            return discard_partial(directory, path[-1])

    def sweep_leftovers(self, path: Path = ()) -> None:
        """Remove leftovers of killed writers in a directory that is copied into, see `sweep.sweep_leftovers`."""
        check_directory(path)
        with contextlib.suppress(FileError):
            directory = open_directory(self._root, path)
            try:
                sweep_leftovers(directory)
            finally:
                close_quietly(directory)

    def make_writable(self, path: Path) -> int | None:
        with self._parent_of(path) as directory:
            return directories.make_writable(directory, path)

    def restore_mode(self, path: Path, mode: int) -> None:
        with self._parent_of(path) as directory:
            directories.restore_mode(directory, path, mode)

    def small_files(self) -> LocalSmallFiles:
        return LocalSmallFiles(self, self._root, self._mode_mask, self._crowded)

    def beneath(self, path: Path) -> LocalStore:
        """Return a directory of this store as a store of its own, with a root of its own; `()` is the root of this one.

        Raises `NotFound`, `NotADirectory`, `Forbidden`, `NameRefused`. Each of the two is closed on its own.
        """
        check_directory(path)
        return LocalStore(_OpenRoot(open_parent(self._root, (*path, b"."))), mode_mask=self._mode_mask)

    def is_same_directory(self, path: str) -> bool:
        """Return whether `path` leads to the root of this store."""
        try:
            return os.path.samestat(os.fstat(self._root), os.stat(path))
        except OSError:
            return False

    def free_space(self, path: Path = ()) -> FreeSpace:
        """Return the free space of the file system where `path` is, or would be made, for this user."""
        return free_space_for(self._root, path)

    def close(self) -> None:
        """Stop a running sweep and close the root."""
        if self._sweeper is not None:
            self._sweeper.close()
        root, self._root = self._root, -1
        if root >= 0:
            close_quietly(root)

    @contextlib.contextmanager
    def _parent_of(self, path: Path) -> Generator[int, None, None]:
        """A block in which the parent directory of `path` is open."""
        check(path)
        directory = open_parent(self._root, path)
        try:
            yield directory
        finally:
            close_quietly(directory)


def _measure(directory: int, path: Path) -> int | None:
    """Return the size of a file without blocks; of one that can't be read, the size that the system reports."""
    try:
        with with_size(open_beneath(directory, path[-1], path), path) as source:
            return source.info.size
    except TooLarge:
        return None
    except FileError:
        return entry_status(directory, path).st_size
