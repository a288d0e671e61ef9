"""A file to which lines are appended, each as a whole, by any number of processes.

Invariants: a line is written in one call, so a process that is killed leaves whole lines; what a full disk took of a
line is taken back, and a file whose last line is not whole all the same (the machine crashed) gets a line end first.
After a failure nothing more is written, and each further line raises it again: no line is missing in the middle.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, Side
from secftp.storage.errors import close_quietly, translate
from secftp.storage.store import Closing
from secftp.text import show_local

if TYPE_CHECKING:
    from typing import NoReturn

    from secftp.storage.names import Path

_MODE: Final = 0o600  # names of files are private
# O_NONBLOCK: a pipe without a reader is an error, and nothing that is waited for.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class AppendedLines(Closing):
    """A file of this machine that lines are appended to; created if it is missing. `what`: what messages call it.

    Raises `FileError` if it can't be opened.
    """

    def __init__(self, path: str, what: str) -> None:
        self._path = path
        self._what = what
        self._fd = -1
        self._failure: FileError | None = None
        try:
            self._fd = os.open(path, _FLAGS, _MODE)
            os.set_blocking(self._fd, True)
            self._status = os.fstat(self._fd)
            if stat.S_ISREG(self._status.st_mode) and self._status.st_size and not self._is_whole():
                os.write(self._fd, b"\n")
        except OSError as error:
            self.close()
            self._fail(error)
        self._name = os.path.basename(os.fsencode(path))

    def append(self, line: bytes) -> None:
        """Append a line, which ends with its line end. Raises `FileError` if it could not be written as a whole."""
        if self._failure is not None:
            raise self._failure
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            self._take_back(written)
            self._fail(error)

    def has_name(self, top: str, path: Path) -> bool:
        """Return whether the last name of the path `path` below the local name `top` is that of the file."""
        return (path[-1] if path else os.path.basename(os.fsencode(top))) == self._name

    def is_at(self, top: str, path: Path) -> bool:
        """Return whether this is the file with the path `path` below the local name `top`."""
        if not self.has_name(top, path):
            return False
        try:
            return os.path.samestat(os.stat(os.path.join(os.fsencode(top), *path)), self._status)
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        """Close the file; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close_quietly(fd)

    def _is_whole(self) -> bool:
        """Return whether the last line has its end; what can't be read is taken for whole."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return True
        try:
            return os.pread(fd, 1, self._status.st_size - 1) in (b"\n", b"")
        finally:
            close_quietly(fd)

    def _take_back(self, written: int) -> None:
        """Remove the beginning of a line, unless another process has appended something since."""
        if not written:
            return
        try:
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if os.fstat(self._fd).st_size == end:
                os.ftruncate(self._fd, end - written)
        except OSError:
            pass  # a pipe; or the next one that opens the file adds a line end

    def _fail(self, error: OSError) -> NoReturn:
        reason = (error.strerror or type(error).__name__).lower()
        kind = type(translate(error, self._path))
        self._failure = kind(
            f"{self._what} {show_local(self._path)} can't be written: {reason}.", filename=self._path, side=Side.LOCAL
        )
        raise self._failure from None
