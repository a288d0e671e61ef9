"""Regular files as sinks: written under a temporary name in the target's folder, renamed when whole.

How the unfinished file is made and locked, `unfinished` tells. Permissions and time are set by descriptor before the
rename, so the file is never seen with others. One that may be kept is written as the partial of its name from the
start, so that even a writer who is killed leaves what he has. What must never happen: that the final name shows a part
of a file, that a link is followed or replaced knowingly, that anything stays behind a failure, or that a peer's number
makes us reserve disk.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, TypeVar

from secftp import system
from secftp.errors import AlreadyExists, ChecksumMismatch, InputOutputError, NoSpace, UsageError
from secftp.storage.attributes import (
    DEFAULT_OPTIONS,
    KEPT_OPTIONS,
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
    drop_partial,
    is_at,
    make_partial,
    open_partial,
    partial_blocks,
    remove_quietly,
)
from secftp.storage.source import transfer_all
from secftp.storage.store import ResumedSink, Sink
from secftp.storage.sweep import RateLimitedSweep
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.storage.directories import FreeSpace
    from secftp.storage.names import Path

_T = TypeVar("_T")

_sweep_directory = RateLimitedSweep()  # one for all writers of this process
_SIZE_WORTH_ASKING = 2**20  # smaller files learn from writing that there is no space; asking costs as much
# What is said where a disk, a quota or the inodes are used up.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What link(2) says where a file system (FAT, some network ones) or a policy has no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FileSink(Sink):
    """A regular file that takes its place with `commit`.

    Takes over `folder`, the descriptor of the folder that holds `name`, and closes it in the end.
    `mask`: the permissions that may be asked for.
    """

    __slots__ = (
        "_fd", "_folder", "_mask", "_name", "_options", "_size", "_subject", "_temporary", "_whole",
    )  # fmt: skip

    def __init__(
        self,
        folder: int,
        name: bytes,
        subject: Path | str,
        options: WriteOptions = DEFAULT_OPTIONS,
        *,
        mask: int = PERMISSIONS,
    ) -> None:
        self._folder = folder
        self._mask = mask
        self._name = name
        self._subject = subject
        self._options = options
        self._size = 0  # of whole batches; a part of one may stand behind it
        self._whole = True
        self._fd = -1
        self._temporary: bytes | None = None  # what is to be removed or renamed
        try:
            with translated(subject):
                self._refuse_early()
                self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Make the unfinished file."""
        partial = create_partial(self._folder, self._name) if self._options.keep else None
        self._fd, self._temporary = partial or self._with_room(lambda: create_temporary(self._folder))

    def _with_room(self, step: Callable[[], _T]) -> _T:
        """What `step` returns; done once more where the disk was full, and an older try for the name filled it."""
        try:
            return step()
        except OSError as error:
            if error.errno not in FULL or not self._drop_older():
                raise
        return step()

    def _drop_older(self) -> bool:
        """Give up what an older try for the name left, unless it is what is written here; whether that made room."""
        is_own = self._temporary is not None and is_partial(self._temporary)
        return not is_own and drop_partial(self._folder, self._name)

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """As `Sink.writev`: one pwritev for a batch, repeated if that was short."""
        self._require_open()
        self._whole = False  # a part of the batch may stand in the file: it can't be completed any more
        try:
            with translated(self._subject):
                self._size += transfer_all(self._write, buffers)
        except BaseException as error:
            # Whoever interrupts a program (Ctrl-C) wants to keep what he has; what fails must leave nothing.
            if isinstance(error, Exception) or not self._options.keep:
                self.abort()
            raise
        self._whole = True

    def _write(self, buffers: Sequence[memoryview], done: int) -> int:
        count = self._with_room(lambda: os.pwritev(self._fd, buffers, self._size + done))
        if not count:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return count

    def free_space(self) -> FreeSpace:
        """What the file system has left that this is written to."""
        with translated(self._subject):
            return free_space_at(self._fd)

    def commit(self) -> FileInfo:
        """As `Sink.commit`. Nothing is forced to the disk: durability is its caller's choice, not made here.

        Raises `IsADirectory` or `Forbidden` if meanwhile a folder, or anything else that is no regular file, has the
        name.
        """
        self._require_open()
        fd = self._fd
        try:
            with translated(self._subject):
                replaced = self._look_at_target() if self._options.overwrite else None
                set_mode(fd, file_mode(self._options.mode, replaced, self._mask))
                if self._options.mtime_ns is not None:
                    os.utime(fd, ns=(time.time_ns(), self._options.mtime_ns))
                # close(2) is where a network file system reports a write that failed. A copy is closed, because
                # closing the last one would give up the lock while the file still has its temporary name.
                os.close(os.dup(fd))
                info = file_info(os.fstat(fd))
                is_own = is_partial(self._temporary or b"")
                self._publish()
                if not is_own:
                    drop_partial(self._folder, self._name)  # of an older try: the name has its file now
        finally:
            self.close()
        return info

    def abort(self) -> None:
        """Remove the temporary file; idempotent."""
        self.close()

    def keep(self) -> None:
        """As `Sink.keep`: only whole batches are kept."""
        temporary = self._temporary
        try:
            if self._options.keep and temporary is not None and self._size:
                if not self._whole:
                    os.ftruncate(self._fd, self._size)
                if is_partial(temporary) or make_partial(self._fd, self._folder, temporary, self._name):
                    self._temporary = None
                    # Where a client works, no server ever sweeps: so whoever leaves one takes the old ones away.
                    _sweep_directory(self._folder)
        except OSError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """As `Sink.close`. An unfinished file that can't be removed is left for a sweep."""
        temporary, self._temporary = self._temporary, None
        fd, self._fd = self._fd, -1
        folder, self._folder = self._folder, -1
        if temporary is not None:
            # Before the descriptor goes, and the lock with it.
            remove_quietly(temporary, folder)
        for descriptor in (fd, folder):
            if descriptor >= 0:
                close_quietly(descriptor)

    def _require_open(self) -> None:
        if self._fd < 0 or not self._whole:
            raise UsageError(f"The sink is closed: {show_path(self._subject)}")

    def _look_at_target(self) -> os.stat_result | None:
        """What would be replaced, None if there is nothing; raises if it is anything but a regular file.

        A link that comes after this look is replaced by the rename; nothing ever follows it.
        """
        try:
            status = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        require_regular(status, self._subject)
        return status

    def _refuse_early(self) -> None:
        """Raise what can be known before any byte is sent; `commit` decides."""
        if self._look_at_target() and not self._options.overwrite:
            raise failure(AlreadyExists, "It already exists", self._subject)
        size = self._options.size
        if size is None or size < _SIZE_WORTH_ASKING:
            return
        # Free for anybody, root's reserve included: refused is only what can't fit whoever writes it. 0 blocks in all
        # is a file system that does not say.
        room = os.statvfs(self._folder)
        lacking = size - room.f_bfree * room.f_frsize
        if room.f_blocks and lacking > 0 and not self._replaces_older(lacking):
            raise failure(NoSpace, "No space left for", self._subject)

    def _replaces_older(self, lacking: int) -> bool:
        """Whether the bytes that are lacking are held by what an older try for the name left, which goes then."""
        return lacking <= partial_blocks(self._folder, self._name) and drop_partial(self._folder, self._name)

    def _publish(self) -> None:
        """Give the file its name; it keeps its temporary one only as a second link, which `close` removes."""
        folder, temporary = self._folder, self._temporary
        assert temporary is not None
        try:
            self._require_own(temporary)
            if self._options.overwrite:
                os.rename(temporary, self._name, src_dir_fd=folder, dst_dir_fd=folder)
                self._temporary = None
            elif not link(temporary, self._name, folder):
                system.rename_noreplace(temporary, self._name, folder=folder)
                self._temporary = None
        except FileNotFoundError as error:
            raise failure(InputOutputError, "The unfinished file was removed by somebody", self._subject) from error

    def _require_own(self, temporary: bytes) -> None:
        """Make sure of the file's own name, where it is no secret: somebody may have removed it and put another."""
        if is_partial(temporary) and not is_at(self._fd, temporary, self._folder):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


class ResumedFileSink(FileSink, ResumedSink):
    """The partial of a name, to be gone on with behind its first `offset` bytes."""

    __slots__ = ("_offset", "_partial")

    def __init__(
        self,
        folder: int,
        name: bytes,
        subject: Path | str,
        offset: int,
        options: WriteOptions = KEPT_OPTIONS,
        *,
        mask: int = PERMISSIONS,
    ) -> None:
        self._offset = offset
        self._partial: bytes | None = None  # until something is changed
        super().__init__(folder, name, subject, options, mask=mask)

    def _begin(self) -> None:
        self._fd, self._partial, size = open_partial(self._folder, self._subject, self._name)
        if size < self._offset:
            raise failure(ChecksumMismatch, "Less is kept than was said", self._subject)
        self._size = self._offset

    def _drop_older(self) -> bool:
        """False: the older try is what this goes on with."""
        return False

    def _replaces_older(self, lacking: int) -> bool:  # noqa: ARG002 - as the other sink's
        """Likewise."""
        return False

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `ResumedSink.readv`."""
        self._require_open()
        wanted = self._offset - offset
        if wanted <= 0:
            return 0
        fd = self._fd
        with translated(self._subject):
            count = transfer_all(lambda rest, done: os.preadv(fd, rest, offset + done), buffers, wanted)
        return min(count, wanted)

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """As `Sink.writev`; before the first bytes, what was behind the offset goes."""
        self._cut()
        super().writev(buffers)

    def commit(self) -> FileInfo:
        """As `Sink.commit`."""
        self._cut()
        return super().commit()

    def _cut(self) -> None:
        """Make the partial our own: from now on it is removed with the sink, unless it is kept."""
        self._require_open()
        if self._partial is not None:
            self._temporary, self._partial = self._partial, None
            try:
                with translated(self._subject):
                    os.ftruncate(self._fd, self._offset)
            except BaseException:
                self.abort()
                raise


def link(old: bytes, new: bytes, folder: int) -> bool:
    """Make `new` a second name of `old`, never replacing; False where there are no hard links."""
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True
