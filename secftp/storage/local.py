"""A folder of this machine as a store: every name in it comes from a peer.

The root is held by a descriptor since the start. A name is reached from there folder by folder, each opened relative to
the one before and none through a link; then one call acts on the last name, relative to the last folder. What must
never happen: that a path is checked and then used, that `..` or a link is resolved, that anything outside the root is
opened, made, replaced, removed, or told apart from what does not exist.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from secftp import system
from secftp.errors import FileError, TooLarge
from secftp.messages import Kind
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
    free_space_for,
    look,
    open_directory,
    open_parent,
    open_parent_of_new,
    open_root,
)
from secftp.storage.errors import close_quietly, of_target, translated
from secftp.storage.names import check, check_directory
from secftp.storage.partial import drop_partial, look_at_partial
from secftp.storage.scan import scan
from secftp.storage.sink import FileSink, ResumedFileSink
from secftp.storage.small import LocalSmallFiles
from secftp.storage.source import FileSource, open_beneath, with_size
from secftp.storage.store import Store
from secftp.storage.sweep import Sweeper, sweep_leftovers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from secftp.storage.attributes import Identity, Kept
    from secftp.storage.directories import StrOrBytesPath
    from secftp.storage.names import Path
    from secftp.storage.store import ScanEntry


class _OpenRoot:
    """A folder that is open already, on its way to the store that takes it over."""

    def __init__(self, folder: int) -> None:
        self._folder = folder

    def take(self) -> int:
        """The descriptor, which is the taker's from now on."""
        return self._folder


class LocalStore(Store):
    """The folder `root`, which may be named through links; with `sweep`, leftovers in it are removed in the background.

    `mode_mask`: the permissions that requests may set, see `modes`; bits beyond it are never set for them.
    Links in it count as missing where something is looked for, and as no regular file (`Forbidden`) where they would be
    replaced. Raises `NotFound`, `NotADirectory`, `Forbidden` with a hint when the folder can't be used.
    """

    def __init__(self, root: StrOrBytesPath | _OpenRoot, *, sweep: bool = False, mode_mask: int = PERMISSIONS) -> None:
        system.process_umask()  # read before there are threads
        self._mode_mask = mode_mask
        self._sweeper: Sweeper | None = None
        self._root = root.take() if isinstance(root, _OpenRoot) else open_root(root)
        try:
            if sweep:
                self._sweeper = Sweeper(self._root)
        except BaseException:
            self.close()
            raise

    def open_source(self, path: Path) -> FileSource:
        """As `Store.open_source`; `Forbidden` also for devices, FIFOs and sockets, `NotFound` for links."""
        with self._folder_of(path) as folder:
            return open_beneath(folder, path[-1], path)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> FileSink:
        """As `Store.create_sink`; `Forbidden` if a link, or anything else that is no regular file, has the name."""
        check(path)
        folder = open_parent_of_new(self._root, path)  # the sink's, which may outlive the store
        return FileSink(folder, path[-1], path, options, mask=self._mode_mask)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedFileSink:
        """As `Store.resume_sink`, and as `create_sink`."""
        check(path)
        folder = open_parent_of_new(self._root, path)
        return ResumedFileSink(folder, path[-1], path, offset, options, mask=self._mode_mask)

    def stat(self, path: Path, *, partial: bool = False) -> FileInfo:
        """As `Store.stat`; `Forbidden` for devices, FIFOs and sockets, `NotFound` for links.

        A file whose size the system does not tell is read to find out; None if it is too large for that.
        """
        if not path and not partial:
            with translated("."):
                return file_info(os.fstat(self._root))
        with self._folder_of(path) as folder:
            if partial:
                return file_info(look_at_partial(folder, path, path[-1]))
            status = look(folder, path)
            info = file_info(status)
            return (
                info if info.kind is Kind.DIRECTORY or status.st_blocks else info._replace(size=_measure(folder, path))
            )

    def scan(self, path: Path, *, recursive: bool = False) -> Iterator[ScanEntry]:
        """As `Store.scan`."""
        check_directory(path)
        return scan(self._root, path, recursive=recursive)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        """As `Store.remove`."""
        with self._folder_of(path) as folder:
            change.remove(folder, path, kind)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        """As `Store.rename`; `Forbidden` also for a folder into itself, and for a new name that a link has."""
        with of_target():
            check(to)
        with self._folder_of(path) as folder:
            with of_target():
                to_folder = open_parent_of_new(self._root, to)
            try:
                change.rename(folder, path, to_folder, to, overwrite=overwrite)
            finally:
                close_quietly(to_folder)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """As `Store.make_directory`."""
        check(path)
        if parents:
            return change.make_directories(self._root, path, mode, self._mode_mask)
        folder = open_parent_of_new(self._root, path)
        try:
            change.make_directory(folder, path, mode, self._mode_mask)
        finally:
            close_quietly(folder)
        return True

    def identity(self, path: Path) -> Identity:
        """As `Store.identity`."""
        with self._folder_of(path) as folder:
            status = look(folder, path)
            return status.st_dev, status.st_ino

    def set_attributes(
        self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None, only: Identity | None = None
    ) -> Kept:
        """As `Store.set_attributes`; setgid and the like of a folder stay as they are."""
        if not path:
            return change.set_attributes(self._root, path, mode, mtime_ns, mask=self._mode_mask, only=only)
        with self._folder_of(path) as folder:
            return change.set_attributes(folder, path, mode, mtime_ns, mask=self._mode_mask, only=only)

    def has_attributes(self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:
        """As `Store.has_attributes`."""
        info = self.stat(path)
        grant = directory_mode if info.kind is Kind.DIRECTORY else granted_mode
        is_mode = mode is None or info.mode & PERMISSIONS == grant(mode, self._mode_mask)
        return is_mode and (mtime_ns is None or mtime_ns == info.mtime_ns)

    def drop_partial(self, path: Path) -> bool:
        """Give up what is kept of an unfinished file; False if nothing is, or it has a writer, or it is not ours."""
        with self._folder_of(path) as folder:
            return drop_partial(folder, path[-1])

    def sweep_leftovers(self, path: Path = ()) -> None:
        """Remove what killed writers left in a directory that a user's copy goes into; see `sweep.sweep_leftovers`."""
        check_directory(path)
        with contextlib.suppress(FileError):
            folder = open_directory(self._root, path)
            try:
                sweep_leftovers(folder)
            finally:
                close_quietly(folder)

    def make_writable(self, path: Path) -> int | None:
        """As `Store.make_writable`."""
        with self._folder_of(path) as folder:
            return directories.make_writable(folder, path)

    def restore_mode(self, path: Path, mode: int) -> None:
        """As `Store.restore_mode`."""
        with self._folder_of(path) as folder:
            directories.restore_mode(folder, path, mode)

    def small_files(self) -> LocalSmallFiles:
        """As `Store.small_files`."""
        return LocalSmallFiles(self, self._root, self._mode_mask)

    def beneath(self, path: Path) -> LocalStore:
        """A folder of this store as one of its own, which the path leads to through no link; `()` is the same folder.

        Raises `NotFound`, `NotADirectory`, `Forbidden`, `NameRefused`. Each of the two is closed on its own.
        """
        check_directory(path)
        return LocalStore(_OpenRoot(open_parent(self._root, (*path, b"."))), mode_mask=self._mode_mask)

    def is_at(self, path: str) -> bool:
        """Whether `path` leads to the very folder that this store is."""
        try:
            return os.path.samestat(os.fstat(self._root), os.stat(path))
        except OSError:
            return False

    def free_space(self, path: Path = ()) -> FreeSpace:
        """What the file system on which `path` stands, or is to be made, has left for the user that this runs as.

        That need not be the root's: a directory may be a mount point. Of directories that are missing, the nearest
        above counts, which is where they would be made.
        """
        return free_space_for(self._root, path)

    def close(self) -> None:
        """As `Store.close`; a sweep under way is stopped and waited for."""
        if self._sweeper is not None:
            self._sweeper.close()
        root, self._root = self._root, -1
        if root >= 0:
            close_quietly(root)

    @contextlib.contextmanager
    def _folder_of(self, path: Path) -> Generator[int, None, None]:
        """The folder that holds the last name of `path`, for as long as the block lasts."""
        check(path)
        folder = open_parent(self._root, path)
        try:
            yield folder
        finally:
            close_quietly(folder)


def _measure(folder: int, path: Path) -> int | None:
    """The size of a file that has no blocks; of one that can't be read, the one that the system tells."""
    try:
        with with_size(open_beneath(folder, path[-1], path), path) as source:
            return source.info.size
    except TooLarge:
        return None
    except FileError:
        return look(folder, path).st_size
