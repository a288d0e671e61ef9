"""A folder of this machine as a store: every name in it comes from a peer.

The root is held by a descriptor since the start. A name is reached from there folder by folder, each opened relative to
the one before and none through a link; then one call acts on the last name, relative to the last folder. What must
never happen: that a path is checked and then used, that `..` or a link is resolved, that anything outside the root is
opened, made, replaced, or told apart from what does not exist.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TypeAlias

from secftp import system
from secftp.errors import NotAFolder, NotFound
from secftp.storage.base import FileInfo, Path, Store, file_info
from secftp.storage.failures import not_regular, translate, translated
from secftp.storage.names import check, shown
from secftp.storage.sink import FileSink
from secftp.storage.source import FileSource, open_beneath
from secftp.storage.sweep import Sweeper

StrOrBytesPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

# O_PATH, where there is one, needs no permission to list the folder and starts nothing in it (an automounter).
FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW_FLAGS = FOLDER_FLAGS | os.O_NOFOLLOW
# What O_DIRECTORY | O_NOFOLLOW says of a link: the first on Linux, the others on macOS and FreeBSD.
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})


class LocalStore(Store):
    """The folder `root`, which may be named through links; with `sweep`, leftovers in it are removed in the background.

    Raises `NotFound`, `NotAFolder`, `Forbidden` with a hint when the folder can't be used.
    """

    def __init__(self, root: StrOrBytesPath, *, sweep: bool = False) -> None:
        system.process_umask()  # read before there are threads
        self._sweeper: Sweeper | None = None
        self._root = _open_root(root)
        try:
            if sweep:
                self._sweeper = Sweeper(self._root)
        except BaseException:
            self.close()
            raise

    def open_source(self, path: Path) -> FileSource:
        """As `Store.open_source`; `Forbidden` also for devices, FIFOs and sockets, `NotFound` for links."""
        check(path)
        folder = self._open_folder(path)
        try:
            return open_beneath(folder, path[-1], path)
        finally:
            self._leave(folder)

    def create_sink(
        self,
        path: Path,
        *,
        overwrite: bool = True,
        mode: int | None = None,
        mtime_ns: int | None = None,
        size: int | None = None,
    ) -> FileSink:
        """As `Store.create_sink`; `Forbidden` if a link, or anything else that is no regular file, has the name."""
        check(path)
        try:
            folder = self._open_folder(path)
        except NotFound as error:
            raise NotFound(f"No such folder: {shown(path[:-1])}") from error
        if folder == self._root:
            # The sink may outlive the store.
            with translated(path):
                folder = os.dup(folder)
        return FileSink(folder, path[-1], path, overwrite=overwrite, mode=mode, mtime_ns=mtime_ns, size=size)

    def stat(self, path: Path) -> FileInfo:
        """As `Store.stat`; `Forbidden` for devices, FIFOs and sockets, `NotFound` for links."""
        check(path)
        folder = self._open_folder(path)
        try:
            with translated(path):
                status = os.stat(path[-1], dir_fd=folder, follow_symlinks=False)
        finally:
            self._leave(folder)
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return file_info(status)
        raise _missing(path) if stat.S_ISLNK(status.st_mode) else not_regular(path)

    def close(self) -> None:
        """As `Store.close`; a sweep under way is stopped and waited for."""
        if self._sweeper is not None:
            self._sweeper.close()
        root, self._root = self._root, -1
        if root >= 0:
            os.close(root)

    def _open_folder(self, path: Path) -> int:
        """A descriptor of the folder that holds the last name of `path`; the root's own if there is but one name."""
        folder = self._root
        for depth in range(1, len(path)):
            above = folder
            try:
                folder = os.open(path[depth - 1], _BELOW_FLAGS, dir_fd=above)
            except OSError as error:
                if error.errno in _NO_FOLDER:
                    raise _obstacle(path, depth, above) from error
                raise translate(error, path) from error
            finally:
                self._leave(above)
        return folder

    def _leave(self, folder: int) -> None:
        if folder != self._root:
            os.close(folder)


def _open_root(root: StrOrBytesPath) -> int:
    name = os.fsdecode(root)
    try:
        fd = os.open(root, FOLDER_FLAGS)
    except FileNotFoundError as error:
        raise NotFound(f"No such folder: {name}", hint="Make it first, or name another.") from error
    except NotADirectoryError as error:
        raise NotAFolder(f"It is not a folder: {name}", hint="Name the folder that holds the file.") from error
    except OSError as error:
        raise _unusable(error, name) from error
    try:
        # To be allowed to open a folder by O_PATH is not to be allowed to use what is in it.
        os.close(os.open(".", _BELOW_FLAGS, dir_fd=fd))
    except OSError as error:
        os.close(fd)
        raise _unusable(error, name) from error
    return fd


def _unusable(error: OSError, name: str) -> OSError:
    failure = translate(error, name)
    failure.hint = "The user this runs as needs to read and enter the folder, and to enter all above it."
    return failure


def _missing(path: Path) -> NotFound:
    return NotFound(f"No such file: {shown(path)}")


def _obstacle(path: Path, depth: int, above: int) -> NotFound | NotAFolder:
    """The exception for a name that is no folder, `depth` names down: a link, which nobody is told of, or a file."""
    try:
        status = os.stat(path[depth - 1], dir_fd=above, follow_symlinks=False)
    except OSError:
        return _missing(path)  # it was there a moment ago
    if stat.S_ISREG(status.st_mode):
        return NotAFolder(f"It is not a folder: {shown(path[:depth])}")
    return _missing(path)
