"""Small files, read and written whole: the fast path for thousands of files a second.

The guarantees of sources and sinks hold here too: a file appears whole or not at all, no symlink is followed, reserved
names are refused. It is faster because the bytes are known before the file is created: one write, no time in which the
writer could be killed halfway, and so no lock. If a sweep takes such a file for a leftover in the microseconds before
it has its name, the file is written again through a sink. The last directory stays open between two files of it; the
caller closes this after a batch, so that a directory which is renamed meanwhile gets no more than the rest of the
batch. Errors are translated without a context manager: each microsecond counts ten thousand times.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from secftp.errors import AlreadyExists, FileError, TooLarge
from secftp.protocol.limits import MAX_PATH
from secftp.storage.attributes import (
    DEFAULT_OPTIONS,
    PERMISSIONS,
    FileInfo,
    Kept,
    WriteOptions,
    file_info,
    file_mode,
    keeps_time,
    kept_attributes,
    set_mode,
)
from secftp.storage.directories import free_space_at, open_parent, open_parent_of_new
from secftp.storage.errors import close_quietly, failure, require_regular, translate, translated
from secftp.storage.names import check, check_last, partial_name, temporary_names
from secftp.storage.partial import CREATE_FLAGS, PRIVATE, discard_partial, partials_in, remove_quietly
from secftp.storage.sink import FULL, hard_link
from secftp.storage.source import OPEN_FLAGS, read_small
from secftp.storage.store import SmallFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.directories import FreeSpace
    from secftp.storage.names import Path
    from secftp.storage.store import Store

_READ_FLAGS = OPEN_FLAGS | os.O_NOFOLLOW
_USUAL = 2**31 * 10**9  # nanoseconds: every file system can store times from 1970 to 2038
_NAMES = 32  # temporary names that are made at a time


class CrowdedDirectory:
    """The last directory that had too many entries to be looked through before a batch; shared by those of a store."""

    path: Path | None = None


_CAN_ASK = os.access in os.supports_follow_symlinks and os.access in os.supports_dir_fd


class LocalSmallFiles(SmallFiles):
    """Small files of the local directory that is open as `root`, which `store` serves, too.

    `mask`: the permissions that a request may set.
    """

    def __init__(
        self, store: Store, root: int, mask: int = PERMISSIONS, crowded: CrowdedDirectory | None = None
    ) -> None:
        self._store = store
        self._root = root
        self._mask = mask
        self._crowded = crowded or CrowdedDirectory()
        self._at: Path | None = None
        self._room = 0  # bytes of a name in it, as far as the length of the path goes
        self._directory = -1
        self._names: list[bytes] = []
        self._writes = False  # whether `_partials` is about the open directory
        self._partials: frozenset[bytes] | None = None  # those that it had when it was opened; None: not known

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        directory = self._enter(path, open_parent)
        try:
            fd = os.open(path[-1], _READ_FLAGS, dir_fd=directory)
            try:
                found = read_small(fd, path, limit)
            finally:
                close_quietly(fd)
        except FileError:
            raise
        except OSError as error:
            raise translate(error, path) from error
        if found is None:
            raise failure(TooLarge, "Too large to be read at once", path)
        return file_info(found[0]), found[1]

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        directory = self._enter(path, open_parent_of_new)
        if not self._writes:
            self._look_for_partials(path[:-1])
        try:
            replaced = _status_of_replaced(path, directory)
            if replaced is not None and not options.overwrite:
                raise failure(AlreadyExists, "Already exists", path)
            if replaced is not None and options.backup is not None:
                return self._write_through_sink(path, data, options)
            granted = file_mode(options.mode, replaced, self._mask)
            if (is_kept := self._write_or_make_room(path[-1], directory, data, options, granted)) is not None:
                if self._partials is None or self._partials:
                    self._discard_older(path[-1], directory)
                return is_kept
        except FileError:
            raise
        except OSError as error:
            raise translate(error, path) from error
        return self._write_through_sink(path, data, options)

    def _write_through_sink(self, path: Path, data: memoryview, options: WriteOptions) -> Kept:
        with self._store.create_sink(path, options._replace(size=len(data), keep=False)) as sink:
            if data:
                sink.writev([data])
            return kept_attributes(options, sink.commit())

    def free_space(self, path: Path) -> FreeSpace:
        """Return the free space where `path` is, or would be made; raises as `write` for the directory."""
        directory = self._enter(path, open_parent_of_new)
        with translated(path):
            return free_space_at(directory)

    def _write_or_make_room(
        self, name: bytes, directory: int, data: memoryview, options: WriteOptions, mode: int
    ) -> Kept | None:
        """Write the file; repeat it where the disk was full and an older partial was discarded."""
        try:
            return self._write(name, directory, data, options, mode)
        except OSError as error:
            if error.errno not in FULL or not discard_partial(directory, name):
                raise
        return self._write(name, directory, data, options, mode)

    def _discard_older(self, name: bytes, directory: int) -> None:
        """Discard an older partial of the name, which has its file now."""
        # access(2) costs less than an exception where there is none, as nearly always.
        try:
            if _CAN_ASK and not os.access(partial_name(name), os.F_OK, dir_fd=directory, follow_symlinks=False):
                return
        except OSError:
            return
        discard_partial(directory, name)

    def _write(self, name: bytes, directory: int, data: memoryview, options: WriteOptions, mode: int) -> Kept | None:
        """Write the file with exactly the permissions `mode`; return None if a sink has to do it."""
        temporary = self._names.pop() if self._names else self._new_name()
        fd = os.open(temporary, CREATE_FLAGS, PRIVATE, dir_fd=directory)
        try:
            is_kept = _fill(fd, data, options, mode)
            if options.overwrite:
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                return is_kept
            is_named = hard_link(temporary, name, directory)
        except FileNotFoundError:
            return None  # a sweep, or another process, has removed it
        except BaseException:
            remove_quietly(temporary, directory)
            raise
        remove_quietly(temporary, directory)
        return is_kept if is_named else None

    def _new_name(self) -> bytes:
        self._names = temporary_names(_NAMES)
        return self._names.pop()

    def _look_for_partials(self, at: Path) -> None:
        """Look at the directory once, since nearly none has a partial: then nothing is asked about each name."""
        self._writes, self._partials = True, None
        if self._crowded.path != at:
            self._partials = partials_in(self._directory)
            if self._partials is None:
                self._crowded.path = at

    def _enter(self, path: Path, enter: Callable[[int, Path], int]) -> int:
        """Check a path, and return its directory, which is opened if the path before was in another one."""
        if path and path[:-1] == self._at and len(path[-1]) <= self._room:
            check_last(path[-1])
            return self._directory
        check(path)
        self.close()
        self._directory = enter(self._root, path)
        self._at = path[:-1]
        self._room = MAX_PATH - sum(map(len, self._at)) - len(path)
        return self._directory

    def close(self) -> None:
        directory, self._directory, self._at = self._directory, -1, None
        self._writes = False
        if directory >= 0:
            close_quietly(directory)


def _status_of_replaced(path: Path, directory: int) -> os.stat_result | None:
    """Return the status of what would be replaced, None for nothing; raises if it is anything but a regular file."""
    # access(2) costs a sixth of the exception for a name that does not exist.
    if _CAN_ASK and not os.access(path[-1], os.F_OK, dir_fd=directory, follow_symlinks=False):
        return None
    try:
        status = os.stat(path[-1], dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    require_regular(status, path)
    return status


def _fill(fd: int, data: memoryview, options: WriteOptions, mode: int) -> Kept:
    """Write all of the data and close the file; return which of the requested attributes it has.

    close(2) is where a network file system reports a write that failed.
    """
    try:
        while data:
            count = os.write(fd, data)
            if not count:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            data = data[count:]
        # Accessible to other users only now, when it is whole.
        asked, mtime_ns = options.mode, options.mtime_ns
        is_mode = set_mode(fd, mode) and (asked is None or mode == asked & PERMISSIONS)
        if mtime_ns is not None:
            os.utime(fd, ns=(time.time_ns(), mtime_ns))
            if not 0 <= mtime_ns < _USUAL:
                return Kept(keeps_time(mtime_ns, os.fstat(fd).st_mtime_ns), is_mode)
        return Kept(mode=is_mode)
    finally:
        os.close(fd)
