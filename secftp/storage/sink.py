"""Regular files as sinks: written under a temporary name in the target's folder, renamed when whole.

The temporary file is made exclusively, private (0600), and locked for as long as it is written, so that a sweep can
tell it from one whose writer died. Permissions and time are set by descriptor before the rename, so the file is never
seen with others. What must never happen: that the final name shows a part of a file, that a link is followed or
replaced knowingly, that anything stays behind a failure, or that a peer's number makes us reserve disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING

from secftp import system
from secftp.errors import AlreadyExists, InputOutputError, NoSpace, UsageError
from secftp.storage.base import FileInfo, Sink, file_info
from secftp.storage.failures import require_regular, translated
from secftp.storage.names import shown, temporary_name
from secftp.storage.vectors import transfer_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage.base import Path

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o600
_PERMISSIONS = 0o777  # of what a peer asks for: no setuid, setgid, sticky
_DEFAULT_MODE = 0o666
_SIZE_WORTH_ASKING = 2**20  # smaller files learn from writing that there is no space; asking costs as much
_ATTEMPTS = 16
# What link(2) says where a file system (FAT, some network ones) or a policy has no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FileSink(Sink):
    """A regular file that takes its place with `commit`.

    Takes over `folder`, the descriptor of the folder that holds `name`, and closes it in the end. Options as
    `Store.create_sink`'s.
    """

    __slots__ = (
        "_fd", "_folder", "_mode", "_mtime_ns", "_name", "_overwrite", "_size", "_subject", "_temporary",
    )  # fmt: skip

    def __init__(
        self,
        folder: int,
        name: bytes,
        subject: Path | str,
        *,
        overwrite: bool = True,
        mode: int | None = None,
        mtime_ns: int | None = None,
        size: int | None = None,
    ) -> None:
        self._folder = folder
        self._name = name
        self._subject = subject
        self._overwrite = overwrite
        self._mode = mode
        self._mtime_ns = mtime_ns
        self._size = 0
        self._fd = -1
        self._temporary: bytes | None = None
        try:
            with translated(subject):
                self._refuse_early(size)
                self._fd, self._temporary = _create_temporary(folder)
        except BaseException:
            self.close()
            raise

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """As `Sink.writev`: one pwritev for a batch, repeated if that was short."""
        self._require_open()
        try:
            with translated(self._subject):
                self._size += transfer_all(self._write, buffers)
        except BaseException:
            self.abort()  # a part of the batch may stand in the file: it can't be completed any more
            raise

    def _write(self, buffers: Sequence[memoryview], done: int) -> int:
        count = os.pwritev(self._fd, buffers, self._size + done)
        if not count:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return count

    def commit(self) -> FileInfo:
        """As `Sink.commit`. Nothing is forced to the disk: durability is its caller's choice, not made here.

        Raises `IsAFolder` or `Forbidden` if meanwhile a folder, or anything else that is no regular file, has the name.
        """
        self._require_open()
        fd = self._fd
        try:
            with translated(self._subject):
                replaced = self._look_at_target() if self._overwrite else None
                os.fchmod(fd, self._final_mode(replaced))
                if self._mtime_ns is not None:
                    os.utime(fd, ns=(time.time_ns(), self._mtime_ns))
                # close(2) is where a network file system reports a write that failed. A copy is closed, because
                # closing the last one would give up the lock while the file still has its temporary name.
                os.close(os.dup(fd))
                info = file_info(os.fstat(fd))
                self._publish()
        finally:
            self.close()
        return info

    def abort(self) -> None:
        """Remove the temporary file; idempotent."""
        self.close()

    def close(self) -> None:
        """As `Sink.close`. A temporary file that can't be removed is left for a sweep."""
        temporary, self._temporary = self._temporary, None
        fd, self._fd = self._fd, -1
        folder, self._folder = self._folder, -1
        if temporary is not None:
            # Before the descriptor goes, and the lock with it.
            _remove(temporary, folder)
        for descriptor in (fd, folder):
            if descriptor >= 0:
                _close_quietly(descriptor)

    def _require_open(self) -> None:
        if self._fd < 0:
            raise UsageError(f"The sink is closed: {shown(self._subject)}")

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

    def _refuse_early(self, size: int | None) -> None:
        """Raise what can be known before any byte is sent; `commit` decides."""
        if self._look_at_target() and not self._overwrite:
            raise AlreadyExists(f"It already exists: {shown(self._subject)}")
        if size is None or size < _SIZE_WORTH_ASKING:
            return
        # Free for anybody, root's reserve included: refused is only what can't fit whoever writes it. 0 blocks in all
        # is a file system that does not say.
        room = os.statvfs(self._folder)
        if room.f_blocks and size > room.f_bfree * room.f_frsize:
            raise NoSpace(f"No space left for: {shown(self._subject)}")

    def _final_mode(self, replaced: os.stat_result | None) -> int:
        if self._mode is None and replaced is not None:
            return replaced.st_mode & _PERMISSIONS
        wished = _DEFAULT_MODE if self._mode is None else self._mode
        return wished & _PERMISSIONS & ~system.process_umask()

    def _publish(self) -> None:
        """Give the file its name; it keeps its temporary one only as a second link, which `close` removes."""
        folder, temporary = self._folder, self._temporary
        assert temporary is not None
        try:
            if self._overwrite:
                os.rename(temporary, self._name, src_dir_fd=folder, dst_dir_fd=folder)
                self._temporary = None
            elif not _link(temporary, self._name, folder):
                system.rename_noreplace(temporary, self._name, folder=folder)
                self._temporary = None
        except FileNotFoundError as error:
            raise InputOutputError(f"The unfinished file was removed by somebody: {shown(self._subject)}") from error


def _link(old: bytes, new: bytes, folder: int) -> bool:
    """Make `new` a second name of `old`, never replacing; False where there are no hard links."""
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def _create_temporary(folder: int) -> tuple[int, bytes]:
    """A new, locked, private file in `folder`: its descriptor and name."""
    for _ in range(_ATTEMPTS):
        name = temporary_name()
        fd = os.open(name, _CREATE_FLAGS, _PRIVATE, dir_fd=folder)
        held = False
        try:
            held = _hold(fd)
        finally:
            if not held:
                _remove(name, folder)
                _close_quietly(fd)
        if held:
            return fd, name
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _hold(fd: int) -> bool:
    """Lock a new temporary file; False if a sweep came between its making and its locking, and removes it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: a sweep can't lock there either, and so removes nothing.
        return True
    return os.fstat(fd).st_nlink > 0


def _remove(name: bytes, folder: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _close_quietly(fd: int) -> None:
    """Close what holds no data of worth any more: aborted, or asked for its errors before."""
    with contextlib.suppress(OSError):
        os.close(fd)
