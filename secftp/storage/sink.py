"""Regular files as sinks: written under a temporary name in the target's directory, renamed when whole.

`partial` makes and locks the unfinished file. Permissions and time are set by descriptor before the rename, so the file
is never visible with others. A file that may be kept is written as the partial of its name from the start, so that even
a writer that is killed leaves it. Invariants: the final name never shows a part of a file, no symlink is followed or
knowingly replaced, a failure leaves nothing behind, and a number from a peer never reserves disk space.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, TypeVar

from secftp import system
from secftp.errors import AlreadyExists, InputOutputError, NoSpace, UsageError
from secftp.protocol import are_zeros, zeros
from secftp.storage.attributes import (
    DEFAULT_OPTIONS,
    PERMISSIONS,
    FileInfo,
    WriteOptions,
    file_info,
    file_mode,
    set_mode,
)
from secftp.storage.directories import free_space_at
from secftp.storage.errors import close_quietly, failure, require_regular, translated
from secftp.storage.names import is_partial
from secftp.storage.partial import (
    create_partial,
    create_temporary,
    discard_partial,
    is_at,
    make_partial,
    partial_blocks,
    remove_quietly,
)
from secftp.storage.source import FileSource, transfer_all
from secftp.storage.store import Sink
from secftp.storage.sweep import RateLimitedSweep
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.storage.attributes import Identity
    from secftp.storage.directories import FreeSpace
    from secftp.storage.names import Path
    from secftp.storage.store import Source

_T = TypeVar("_T")

_sweep_directory = RateLimitedSweep()  # one for all writers of this process
_SIZE_WORTH_ASKING = 2**20  # bytes; statvfs costs as much as writing a small file
# The disk, a quota or the inodes are used up.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# link(2) on a file system (FAT, some network ones), or under a policy, without hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FileSink(Sink):
    """A regular file that gets its name with `commit`.

    Takes over `directory`, the descriptor of the directory that holds `name`. `subject` is what messages call the file.
    `mask`: the permissions that may be requested.
    """

    __slots__ = (
        "_before", "_directory", "_ends_in_hole", "_extent", "_fd", "_mask", "_name", "_options", "_size", "_subject",
        "_temporary", "_whole",
    )  # fmt: skip

    def __init__(
        self,
        directory: int,
        name: bytes,
        subject: Path | str,
        options: WriteOptions = DEFAULT_OPTIONS,
        *,
        mask: int = PERMISSIONS,
    ) -> None:
        self._directory = directory
        self._mask = mask
        self._name = name
        self._subject = subject
        self._options = options
        self._size = 0  # of whole batches; a part of one may follow
        self._whole = True
        self._ends_in_hole = False  # the file is shorter than `_size` by that
        self._extent = 0  # of a file that is written in parts, all of them
        self._fd = -1
        self._temporary: bytes | None = None  # the name to remove or rename
        self._before: Identity | None = None  # of the file that had the name at the beginning
        try:
            with translated(subject):
                self._refuse_early()
                self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Create the unfinished file."""
        partial = create_partial(self._directory, self._name) if self._options.keep else None
        self._fd, self._temporary = partial or self._retry_if_full(lambda: create_temporary(self._directory))

    def _retry_if_full(self, step: Callable[[], _T]) -> _T:
        """Return the result of `step`; repeat it where the disk was full and an older partial made room."""
        try:
            return step()
        except OSError as error:
            if error.errno not in FULL or not self._discard_older():
                raise
        return step()

    def _discard_older(self) -> bool:
        """Discard an older partial of the name, unless that is the file written here; return whether that made room."""
        is_own = self._temporary is not None and is_partial(self._temporary)
        return not is_own and discard_partial(self._directory, self._name)

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append with one pwritev for a batch, repeated if that was short."""
        self._require_open()
        self._whole = False  # a part of the batch may be in the file, which can then not be committed
        try:
            with translated(self._subject):
                self._append(buffers)
        except BaseException as error:
            # After an interrupt (Ctrl-C) the file may be kept; a failure must leave nothing.
            if isinstance(error, Exception) or not self._options.keep:
                self.abort()
            raise
        self._whole = True

    def _append(self, buffers: Sequence[memoryview]) -> None:
        """Write the next bytes; zeros that come from a hole, or have to become one, are left out."""
        if are_zeros(buffers):
            self._size += sum(map(len, buffers))
            self._ends_in_hole = True
        elif self._options.sparse:
            from secftp.storage.holes import split_zeros

            for run in split_zeros(buffers, self._size):
                if are_zeros(run):
                    self._append(run)
                else:
                    self._append_data(run)
        else:
            self._append_data(buffers)

    def _append_data(self, buffers: Sequence[memoryview]) -> None:
        self._size += transfer_all(self._write, buffers)
        self._ends_in_hole = False

    def _write(self, buffers: Sequence[memoryview], done: int) -> int:
        return self._write_at(buffers, self._size + done)

    def _write_at(self, buffers: Sequence[memoryview], offset: int) -> int:
        count = self._retry_if_full(lambda: os.pwritev(self._fd, buffers, offset))
        if not count:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return count

    def append_from(self, source: Source, offset: int, count: int) -> int:
        """Append by copy_file_range, from a regular file."""
        from secftp.storage.copy import copy_range  # for servers alone

        self._require_open()
        if not isinstance(source, FileSource):
            return 0
        done = copy_range(source.descriptor, self._fd, offset, self._size, count)
        self._size += done
        if done:
            self._ends_in_hole = False
        return done

    def begin_parts(self, total: int) -> None:
        """Prepare for `writev_at`, which does not go with `writev`: all parts are within `total` bytes."""
        self._require_open()
        self._extent = total

    def writev_at(self, buffers: Sequence[memoryview], at: int) -> None:
        """Write all of `buffers` at an offset. For several threads, which must be done before anything else is called.

        A failure leaves the sink open, since other threads may be writing: the caller has to close it.
        """
        self._require_open()
        with translated(self._subject):
            if are_zeros(buffers):
                self._leave_hole(at, sum(map(len, buffers)))
            elif self._options.sparse:
                self._write_sparse(buffers, at)
            else:
                self._write_data_at(buffers, at)

    def _write_data_at(self, buffers: Sequence[memoryview], at: int) -> None:
        transfer_all(lambda rest, done: self._write_at(rest, at + done), buffers)

    def _write_sparse(self, buffers: Sequence[memoryview], at: int) -> None:
        from secftp.storage.holes import split_zeros

        for run in split_zeros(buffers, at):
            size = sum(map(len, run))
            if are_zeros(run):
                self._leave_hole(at, size)
            else:
                self._write_data_at(run, at)
            at += size

    def _leave_hole(self, at: int, size: int) -> None:
        """Leave a hole in a file that is written in parts, or zeros if an earlier attempt has left other bytes."""
        from secftp.storage.holes import data_in

        if os.fstat(self._fd).st_size < self._extent:
            os.ftruncate(self._fd, self._extent)  # no thread writes beyond that, so nothing is ever cut off
        # No more than that: a hole is cheap to send, and must not cost the disk its size.
        for begin, end in data_in(self._fd, at, at + size):
            self._write_data_at(zeros(end - begin), begin)

    def read_part(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read what was written, as `Source.readv` does; for several threads, likewise."""
        self._require_open()
        fd = self._fd
        with translated(self._subject):
            return transfer_all(lambda rest, done: os.preadv(fd, rest, offset + done), buffers)

    def keep_first(self, size: int) -> None:
        """As `keep`, of a file that was written in parts: keep its first `size` bytes."""
        self._size, self._whole = size, False
        self.keep()

    def free_space(self) -> FreeSpace:
        """Return the free space of the file system that this is written to."""
        with translated(self._subject):
            return free_space_at(self._fd)

    def commit(self) -> FileInfo:
        """Give the file its name. Nothing is forced to the disk (fsync).

        Raises `IsADirectory` or `Forbidden` if by now a directory, or anything else but a regular file, has the name.
        """
        self._require_open()
        fd = self._fd
        try:
            with translated(self._subject):
                self._end_hole()
                replaced = self._look_at_target() if self._options.overwrite else None
                set_mode(fd, file_mode(self._options.mode, replaced, self._mask))
                if self._options.mtime_ns is not None:
                    os.utime(fd, ns=(time.time_ns(), self._options.mtime_ns))
                # close(2) is where a network file system reports a write that failed. A copy is closed, because
                # closing the last one would give up the lock while the file still has its temporary name.
                os.close(os.dup(fd))
                info = file_info(os.fstat(fd))
                is_own = is_partial(self._temporary or b"")
                if replaced is not None and self._options.backup is not None:
                    self._keep_backup(self._options.backup)
                self._publish()
                if not is_own:
                    discard_partial(self._directory, self._name)  # of an earlier transfer
        finally:
            self.close()
        return info

    def _end_hole(self) -> None:
        """Give the file its size if nothing was written behind its last hole; raises OSError."""
        if self._ends_in_hole:
            os.ftruncate(self._fd, self._size)
            self._ends_in_hole = False

    def _keep_backup(self, suffix: bytes) -> None:
        from secftp.storage.backup import keep_backup  # only where it is wanted

        keep_backup(self._directory, self._name, suffix, self._fd, self._subject)

    def abort(self) -> None:
        """Remove the unfinished file; idempotent."""
        self.close()

    def keep(self) -> None:
        """Keep whole batches only."""
        try:
            if self._options.keep and self._temporary is not None and self._size:
                if not self._whole or self._ends_in_hole:
                    os.ftruncate(self._fd, self._size)
                self._leave(self._temporary)
        except OSError:
            pass
        finally:
            self.close()

    def _leave(self, temporary: bytes) -> None:
        """Leave the file as the partial of its name, unless it is outdated. Raises OSError.

        A session that is lost may end long after another one has sent the same file.
        """
        if self._is_outdated():
            return
        if not is_partial(temporary) and not make_partial(self._fd, self._directory, temporary, self._name):
            return
        self._temporary = None
        # Another writer's commit discards the partial, but not while it is locked here: so this looks once more after
        # unlocking it.
        fd, self._fd = self._fd, -1
        close_quietly(fd)
        if self._is_outdated():
            discard_partial(self._directory, self._name)
        else:
            self._sweep()

    def _will_discard(self, partial: bytes) -> bool:
        """Have `close` remove a partial that was opened to be continued, if it is outdated; return whether it will."""
        try:
            is_outdated = self._is_outdated()
        except OSError:
            return False
        if is_outdated:
            self._temporary = partial
        return is_outdated

    def _is_outdated(self) -> bool:
        """Return whether the name is not that of the same file, or of none, as at the beginning. Raises OSError."""
        try:
            status = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return self._before is not None
        # A directory may have the number of a file that was removed.
        return self._before != (status.st_dev, status.st_ino) or not stat.S_ISREG(status.st_mode)

    def _sweep(self) -> None:
        """Remove old partials: no server sweeps the directories of a client, so a writer that leaves one does."""
        _sweep_directory(self._directory)

    def close(self) -> None:
        """Abort it. An unfinished file that can't be removed is left for a sweep."""
        temporary, self._temporary = self._temporary, None
        fd, self._fd = self._fd, -1
        directory, self._directory = self._directory, -1
        if temporary is not None:
            # Before the lock is released with the descriptor.
            remove_quietly(temporary, directory)
        for descriptor in (fd, directory):
            if descriptor >= 0:
                close_quietly(descriptor)

    def _require_open(self) -> None:
        if self._fd < 0 or not self._whole:
            raise UsageError(f"The sink is closed: {show_path(self._subject)}")

    def _look_at_target(self) -> os.stat_result | None:
        """Return the status of what would be replaced, None for nothing; raises if it is anything but a regular file.

        A symlink that is made after this check is replaced by the rename; nothing follows it.
        """
        try:
            status = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        require_regular(status, self._subject)
        return status

    def _refuse_early(self) -> None:
        """Raise what is known before any byte is sent; `commit` decides."""
        if (status := self._look_at_target()) is not None:
            if not self._options.overwrite:
                raise failure(AlreadyExists, "Already exists", self._subject)
            self._before = status.st_dev, status.st_ino
        size = self._missing_bytes()
        if size is None or size < _SIZE_WORTH_ASKING:
            return
        # Free space includes root's reserve: only what fits for no user is refused. A total of 0 blocks means that
        # the file system does not count them.
        room = os.statvfs(self._directory)
        lacking = size - room.f_bfree * room.f_frsize
        if room.f_blocks and lacking > 0 and not self._replaces_older(lacking):
            raise failure(NoSpace, "No space left on device", self._subject)

    def _missing_bytes(self) -> int | None:
        """Return how many bytes are still to be written, None if that is not known."""
        size = self._options.size
        return None if size is None else size - self._options.holes

    def _replaces_older(self, lacking: int) -> bool:
        """Return whether the lacking bytes are those of an older partial of the name, which is then discarded."""
        return lacking <= partial_blocks(self._directory, self._name) and discard_partial(self._directory, self._name)

    def _publish(self) -> None:
        """Give the file its name; it keeps its temporary one only as a second hard link, which `close` removes."""
        directory, temporary = self._directory, self._temporary
        assert temporary is not None
        try:
            self._require_own(temporary)
            if self._options.overwrite:
                os.rename(temporary, self._name, src_dir_fd=directory, dst_dir_fd=directory)
                self._temporary = None
            elif not hard_link(temporary, self._name, directory):
                system.rename_noreplace(temporary, self._name, directory=directory)
                self._temporary = None
        except FileNotFoundError as error:
            raise failure(InputOutputError, "Temporary file removed by another process", self._subject) from error

    def _require_own(self, temporary: bytes) -> None:
        """Raise FileNotFoundError if another process has replaced the partial, whose name is no secret."""
        if is_partial(temporary) and not is_at(self._fd, temporary, self._directory):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def hard_link(old: bytes, new: bytes, directory: int) -> bool:
    """Make `new` a second name of `old`, never replacing; return False where there are no hard links."""
    try:
        os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True
