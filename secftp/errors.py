"""The exceptions of secftp, and their exit codes.

Every module may import this one; it imports none. Each class is also the `OSError` (or `ValueError`) that a Python
program expects for that failure, so `except FileNotFoundError` works over the network. A message is one sentence;
`hint` suggests what to do. Invariant: neither contains a key.
"""

from __future__ import annotations

import enum
import errno
import os


class ExitCode(enum.IntEnum):
    """The exit codes of `secftp` and `secftpd`. They are documented and never renumbered."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    KEY = 4
    TIMEOUT = 5
    NOT_FOUND = 6
    REFUSED = 7
    EXISTS = 8
    NO_SPACE = 9
    CHECKSUM = 10
    CONNECTION_LOST = 11
    PROTOCOL = 12
    LOCAL_FILE = 13
    BROKEN_PIPE = 14
    SERVER_FAILED = 15
    INSTALLATION = 16
    TOO_MANY_DELETIONS = 17
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class SecftpError(Exception):
    """The base class: `str(error)` is one sentence, `hint` suggests what to do about it, or is empty.

    A traceback shows the hint below the message, since it is also a note (PEP 678).

    Attributes:
        message (str): The sentence.
        exit_code (ExitCode): With what the command line ends because of it.

    Example:
        >>> try:
        ...     secftp.connect("secftp://example.org")
        ... except secftp.SecftpError as error:
        ...     print(error)
        ...     print(error.hint)
        No key was given.
        Give key=... or key_file=...; anonymous=True is for servers that accept clients without a key.
    """

    exit_code = ExitCode.FAILED
    _hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        if hint:
            self.hint = hint

    @property
    def hint(self) -> str:
        """What to do about it, in one or two sentences; empty if there is nothing to suggest."""
        return self._hint

    @hint.setter
    def hint(self, hint: str) -> None:
        notes = getattr(self, "__notes__", [])
        if _note(self._hint) in notes:
            notes.remove(_note(self._hint))
        self._hint = hint
        if hint:
            self.add_note(_note(hint))

    def __str__(self) -> str:
        return self.message


def _note(hint: str) -> str:
    return f"Hint: {hint}"


class UsageError(SecftpError, ValueError):
    """The caller asked for something invalid (a port out of range, an unknown cipher)."""

    exit_code = ExitCode.USAGE


class InstallationError(SecftpError, ImportError):
    """The compiled core is missing, libcrypto is too old or lacks an algorithm, or the self-test failed."""

    exit_code = ExitCode.INSTALLATION


class CoreError(SecftpError, RuntimeError):
    """libcrypto or an allocation failed inside the core, or a failed object was used again."""

    exit_code = ExitCode.FAILED


# --- the key and the peer -------------------------------------------------------------------------------------------


class KeyFormatError(SecftpError, ValueError):
    """An invalid key: empty, a wrong check character, an unreadable or unsafe key file."""

    exit_code = ExitCode.KEY


class AuthenticationError(SecftpError, PermissionError):
    """The peer did not prove knowledge of the key: the key is wrong, or an attacker changed what was sent."""

    exit_code = ExitCode.KEY


class HandshakeRefused(SecftpError, ConnectionError):
    """The server refused the handshake (version, cipher, mode, busy). This answer is not authenticated.

    Attributes:
        status (int or None): The reason, as docs/PROTOCOL.md numbers it in 5.1.
    """

    exit_code = ExitCode.REFUSED
    status: int | None = None


class ServerBusy(HandshakeRefused):
    """The server has as many clients as it accepts; a retry may succeed."""


class ServerUnreachable(SecftpError, ConnectionError):
    """No TCP connection could be established: unknown host, refused, no route."""

    exit_code = ExitCode.UNREACHABLE


class ConnectionLost(SecftpError, ConnectionError):
    """The connection ended without an authenticated close; transfers under way are incomplete."""

    exit_code = ExitCode.CONNECTION_LOST


class TransferTimeout(SecftpError, TimeoutError):
    """The peer was silent, or could not be reached, for longer than the timeout."""

    exit_code = ExitCode.TIMEOUT


class ProtocolError(SecftpError, ConnectionError):
    """The peer violated the protocol: a forged frame, an unknown type, a message in the wrong state."""

    exit_code = ExitCode.PROTOCOL


# --- files ----------------------------------------------------------------------------------------------------------


class Side(enum.StrEnum):
    """Where a file is, seen from this process: on this machine, or at the peer."""

    LOCAL = "local"
    REMOTE = "remote"


class Reason(enum.StrEnum):
    """Why an operation on a file failed, more precisely than the exception's class. The words are those of the wire.

    Messages, hints and errno follow from class, side and reason, never from the text of a message.
    """

    NO_PARENT = "no_parent"  # the parent is missing, or is not a directory
    SYMLINK = "symlink"
    SYMLINK_LOOP = "symlink_loop"
    DANGLING = "dangling_symlink"
    SPECIAL = "special"  # a device, a FIFO or a socket
    DIRECTORY = "directory"
    FILE = "file"
    PERMISSION = "permission"  # of the file system, for the user of the process
    READ_ONLY_FILE_SYSTEM = "read_only_file_system"
    OTHER_FILE_SYSTEM = "other_file_system"
    INTO_ITSELF = "into_itself"
    SAME_FILE = "same_file"  # source and target of a copy
    BUSY = "busy"
    EXECUTED = "executed"
    BEING_WRITTEN = "being_written"
    BACKUP = "backup"  # something that is no file has the name of the backup
    NAME_TOO_LONG = "name_too_long"
    NAME_ENCODING = "name_encoding"
    RESERVED_NAME = "reserved_name"
    TOO_DEEP = "too_deep"  # more levels than a path of the protocol may have
    DISK_QUOTA = "disk_quota"
    KEPT_FREE = "kept_free"  # the server keeps the rest of its disk free
    FILE_SYSTEM_LIMIT = "file_system_limit"
    COPY_LIMIT = "copy_limit"  # the store copies, or writes without replacing, only smaller files
    NO_CONDITION = "no_condition"  # the store can't write only if there is no such file
    UNCONFIRMED = "unconfirmed"  # the store has not answered, and may have stored it
    MAY_NOT_READ = "may_not_read"  # these five: rights of the key, or of anonymous clients
    MAY_NOT_LIST = "may_not_list"
    MAY_NOT_WRITE = "may_not_write"
    MAY_NOT_OVERWRITE = "may_not_overwrite"
    MAY_NOT_DELETE = "may_not_delete"


_REASON_ERRNO: dict[Reason, int] = {
    Reason.SYMLINK_LOOP: errno.ELOOP,
    Reason.READ_ONLY_FILE_SYSTEM: errno.EROFS,
    Reason.OTHER_FILE_SYSTEM: errno.EXDEV,
    Reason.INTO_ITSELF: errno.EINVAL,
    Reason.SAME_FILE: errno.EINVAL,
    Reason.BUSY: errno.EBUSY,
    Reason.EXECUTED: errno.ETXTBSY,
    Reason.NAME_TOO_LONG: errno.ENAMETOOLONG,
    Reason.NAME_ENCODING: errno.EILSEQ,
    Reason.DISK_QUOTA: errno.EDQUOT,
}


class FileError(SecftpError, OSError):
    """A failure of one file, on this machine or at the peer; the session continues.

    Attributes:
        filename (str, bytes or None): The path as it was given to the method of the Python interface, joined with what
            is below it; of any other file at the server a path that begins with a slash. None if no single file is
            concerned. On the command line it is the name as the user wrote it, without the location of a served root.
        filename2 (str, bytes or None): The second path of a method that has two, as for `os.rename`.
        errno (int or None): The number of the corresponding system error, as for every OSError.
        strerror (str or None): The system's text for that; `str(error)` is the message all the same.
        side (Side or None): Where the file is; None if it is not known yet.
        reason (Reason or None): Why the operation failed, where the class is not specific enough.

    Example:
        >>> try:
        ...     client.rename("backup/x", "backup/y")
        ... except FileNotFoundError as error:
        ...     error.filename, error.filename2, str(error.side)
        ('backup/x', 'backup/y', 'remote')
    """

    exit_code = ExitCode.SERVER_FAILED
    _local_exit_code = ExitCode.LOCAL_FILE  # if `side` is LOCAL
    _errno: int | None = None  # of the corresponding system error
    side: Side | None = None

    of_target = False  # whether it concerns the new name of a rename or copy
    told = ""  # what only the log of this machine says: escaped, and it may tell where a store is
    is_named = False  # whether `filename` is the name that a program gave to the Python interface

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        filename: str | None = None,
        side: Side | None = None,
        reason: Reason | None = None,
    ) -> None:
        SecftpError.__init__(self, message, hint=hint)
        self.reason = reason
        self.errno = self._errno if reason is None else _REASON_ERRNO.get(reason, self._errno)
        if self.errno is not None:
            self.strerror = os.strerror(self.errno)
        self.locate(side, filename)

    def locate(self, side: Side | None, filename: str | None = None) -> FileError:
        """Set the side and the file name unless they are known already.

        Args:
            side (Side or None): Where the file is.
            filename (str or None, default None): Its name.

        Returns:
            FileError: The error itself.
        """
        if self.filename is None:
            self.filename = filename
        if self.side is None and side is not None:
            self.side = side
            if side is Side.LOCAL:
                self.exit_code = self._local_exit_code
        return self

    def __reduce__(self) -> tuple[object, ...]:
        names = ("filename", "filename2", "errno", "strerror")  # which OSError stores elsewhere
        return type(self), self.args, self.__dict__ | {name: getattr(self, name) for name in names}


class NotFound(FileError, FileNotFoundError):
    """The file does not exist, or this peer may not see it."""

    exit_code = ExitCode.NOT_FOUND
    _errno = errno.ENOENT


class Forbidden(FileError, PermissionError):
    """The file exists and may not be accessed in this way."""

    exit_code = ExitCode.REFUSED
    _errno = errno.EACCES


class NameRefused(FileError, ValueError):
    """A name that secftp does not accept: empty, `.`, `..`, with a slash or NUL inside, too long, or reserved."""

    exit_code = ExitCode.REFUSED
    _errno = errno.EINVAL


class AlreadyExists(FileError, FileExistsError):
    """The target exists and must not be overwritten."""

    exit_code = ExitCode.EXISTS
    _local_exit_code = ExitCode.EXISTS
    _errno = errno.EEXIST


class IsADirectory(FileError, IsADirectoryError):
    """A directory where a file was expected."""

    exit_code = ExitCode.REFUSED
    _errno = errno.EISDIR


class NotADirectory(FileError, NotADirectoryError):
    """A file where a directory was expected."""

    exit_code = ExitCode.NOT_FOUND
    _errno = errno.ENOTDIR


class NotEmpty(FileError):
    """A directory that was to be removed is not empty."""

    exit_code = ExitCode.REFUSED
    _errno = errno.ENOTEMPTY


class NoSpace(FileError):
    """The disk, the quota, the inodes or a limit of the server is exhausted."""

    exit_code = ExitCode.NO_SPACE
    _local_exit_code = ExitCode.NO_SPACE
    _errno = errno.ENOSPC


class TooLarge(FileError):
    """The file is larger than the file system or the server accepts."""

    exit_code = ExitCode.NO_SPACE
    _local_exit_code = ExitCode.NO_SPACE
    _errno = errno.EFBIG


class FileChanged(FileError):
    """The source changed while it was being sent, so what arrived is no version of it."""

    exit_code = ExitCode.FAILED
    _local_exit_code = ExitCode.FAILED
    _errno = errno.ESTALE


class ChecksumMismatch(FileError):
    """The digest of what arrived is not that of what was sent; nothing was kept."""

    exit_code = ExitCode.CHECKSUM
    _local_exit_code = ExitCode.CHECKSUM
    _errno = errno.EBADMSG


class Unsupported(FileError):
    """The server does not support this: it lacks a capability or an algorithm, or its storage can't do it."""

    _errno = errno.ENOTSUP


class InputOutputError(FileError):
    """The file system failed while reading or writing."""

    exit_code = ExitCode.SERVER_FAILED
    _errno = errno.EIO


class Cancelled(FileError):
    """The transfer was cancelled by the side that requested it, or by a server that stops.

    Not an `InterruptedError`: files of `io` take that for a signal, and repeat the call for ever.
    """

    exit_code = ExitCode.SERVER_FAILED
    _errno = errno.ECANCELED


class ServerStopping(Cancelled, ConnectionAbortedError):
    """The server cancelled the transfer since it is stopping."""

    _errno = errno.ECONNABORTED
