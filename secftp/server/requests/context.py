"""Context that the handlers of requests share: rights, limits, log lines and error answers.

A request is answered once. A handler that fails raises a `FileError`, and the answer is ERROR; the message of the
exception stays here, as it may name what the client must not know.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import AlreadyExists, FileError, InstallationError, Reason
from secftp.protocol import Capability, ErrorCode, Right
from secftp.protocol.errors import MISSING_RIGHT
from secftp.server.log_format import shortened
from secftp.server.requests.idempotency import CompletedChanges, CompletedCopies, ConfirmedFiles, OwnConfirmedFiles
from secftp.server.requests.refusals import RequestInterrupted, RequestRefused
from secftp.server.requests.session_files import CreatedPaths, WritableDirectories
from secftp.server.requests.uploads import SessionUploads, Uploads
from secftp.storage import digester, new_digest
from secftp.storage.digest import hash_part
from secftp.text import format_rate, format_size, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.protocol import Algorithm, Write
    from secftp.server.access import Rights
    from secftp.server.log import SessionLog
    from secftp.storage import Digest, Path, Store
    from secftp.transport import Channel

# After these codes of an ABORT the received bytes are not worth keeping.
NOT_KEPT: Final = frozenset({ErrorCode.CHANGED, ErrorCode.CHECKSUM})
PROGRESS_SECONDS: Final = 5.0
_CHANGING: Final = frozenset({Right.WRITE, Right.OVERWRITE, Right.DELETE})


class Outcome(NamedTuple):
    """Result of a request: `code` is None on success, `nbytes` the bytes of files that were transferred or hashed.

    `moved`: the transfer has completed a file. `at`: the place of a part of a file; `whole`: the digest of the whole
    file that a part of an upload has completed. `version`: that of the file that a part of was read, see `versions`;
    `held`: how many bytes before that part the client has, verified.
    """

    nbytes: int = 0
    digest: bytes | None = None
    code: ErrorCode | None = None
    moved: bool = False
    at: int | None = None
    whole: bytes | None = None
    version: bytes | None = None
    held: int = 0


class RequestContext:
    """State of one session that its handlers share.

    `aborting()` returns whether running requests are to be aborted, with `abort_code`. `completed` are the changes that
    all sessions of the server have carried out, `copies` the copies that they have made, `confirmed` the files that
    sessions of the same key have written, `uploads` the upload in parts that this session belongs to. `end_stream` ends
    the session, which is an additional stream, after its current request. `lacks` are the capabilities that the store
    does not have.
    """

    __slots__ = (
        "abort_code", "aborting", "channel", "completed", "confirmed", "copies", "created", "end_stream", "lacks",
        "log", "rights", "store", "uploads", "writable",
    )  # fmt: skip

    def __init__(
        self,
        channel: Channel,
        store: Store,
        rights: Rights,
        log: SessionLog,
        aborting: Callable[[], bool],
        completed: CompletedChanges | None = None,
        confirmed: OwnConfirmedFiles | None = None,
        uploads: SessionUploads | None = None,
        copies: CompletedCopies | None = None,
        end_stream: Callable[[], None] = lambda: None,
    ) -> None:
        self.channel = channel
        self.store = store
        self.lacks = store.lacks
        self.rights = rights
        self.log = log
        self.aborting = aborting
        self.abort_code = ErrorCode.STOPPING
        self.completed = completed or CompletedChanges()
        self.confirmed = confirmed or OwnConfirmedFiles(ConfirmedFiles(), store, "")
        self.uploads = uploads or SessionUploads(Uploads(), store, "")
        self.copies = copies or CompletedCopies()
        self.end_stream = end_stream
        self.writable = WritableDirectories(store)
        self.created = CreatedPaths(store)

    def keeps(self, request: Write) -> bool:
        """Return whether what has arrived of an interrupted file is kept: the client wants that, and the store can."""
        return request.keep and Capability.RESUME not in self.lacks

    def require(self, *rights: Right) -> None:
        """Raise `RequestRefused` if this client lacks one of these rights."""
        for right in rights:
            if not getattr(self.rights, right):
                reading = right not in _CHANGING or self.rights.write or self.rights.delete
                code = ErrorCode.FORBIDDEN if reading else ErrorCode.READ_ONLY
                told = "" if self.rights.keyed else f"anonymous clients may not {right}"
                raise RequestRefused(code, self._missing(right), told=told)

    def _missing(self, right: Right) -> Reason | None:
        """Return the reason for a right that the key lacks; None for a client without a key."""
        return MISSING_RIGHT[right] if self.rights.keyed else None

    @contextlib.contextmanager
    def replacing(self, *, wanted: bool) -> Iterator[bool]:
        """Yield whether a file may be replaced: the client wants it, and may do so.

        An `AlreadyExists` from the block gets the missing right as its reason.
        """
        try:
            yield wanted and self.rights.overwrite
        except FileError as problem:
            self.explain_existing(problem, wanted=wanted)
            raise

    def explain_existing(self, problem: FileError, *, wanted: bool) -> None:
        """Set the missing right as the reason of an `AlreadyExists`."""
        if isinstance(problem, AlreadyExists) and problem.reason is None and wanted and not self.rights.overwrite:
            problem.reason = self._missing(Right.OVERWRITE)

    def note_created(self, path: Path, *, is_directory: bool = False) -> None:
        """Remember what a client without the right to overwrite has created."""
        if not self.rights.overwrite:
            self.created.add(path, is_directory=is_directory)

    def check(self, request: int | None = None) -> None:
        """Raise `RequestInterrupted` if the server aborts requests, or the client has cancelled this one.

        With a request id, it raises what `Channel.cancelled` raises, too.
        """
        if self.aborting():
            raise RequestInterrupted(self.abort_code)
        if request is not None and self.channel.cancelled(request):
            raise RequestInterrupted(ErrorCode.CANCELLED)


def refuse_existing(context: RequestContext, request: Write) -> None:
    """Raise early if the file may not be replaced, before a client sends all of it in vain; the commit decides."""
    if not request.overwrite or context.rights.overwrite:
        return
    try:
        context.store.stat(request.path)
    except FileError:
        return
    raise AlreadyExists(f"{name_of(request.path)} exists already.")


def name_of(path: Path) -> str:
    """Return a path for a log line, escaped and cut."""
    return show_path(shortened(b"/".join(path)))


def begin_digest(algorithm: Algorithm) -> Digest:
    """Return a new digest; raise `RequestRefused` for an algorithm that is not installed."""
    try:
        return new_digest(algorithm)
    except InstallationError:
        raise RequestRefused(ErrorCode.UNSUPPORTED) from None


def begin_digester(algorithm: Algorithm) -> Callable[[bytes], bytes]:
    """Return a one-shot digest function; raise `RequestRefused` for an algorithm that is not installed."""
    try:
        return digester(algorithm)
    except InstallationError:
        raise RequestRefused(ErrorCode.UNSUPPORTED) from None


def has_prefix(
    readv: Callable[[Sequence[memoryview], int], int],
    digest: Digest,
    length: int,
    prefix: bytes,
    *,
    check: Callable[[int], None],
) -> bool:
    """Hash the first `length` bytes into `digest`; return whether they exist and have the digest `prefix`."""
    count = hash_part(readv, digest, 0, length, check=check)
    return count == length and hmac.compare_digest(digest.digest(), prefix)


class ProgressLog:
    """Writes progress lines of transfers that take longer than a few seconds."""

    def __init__(self, log: SessionLog) -> None:
        self._log = log
        self._started = self._written = time.monotonic()

    def __call__(self, done: int, total: int | None, /) -> None:
        """Write a line if the last one is a few seconds old."""
        now = time.monotonic()
        if now - self._written < PROGRESS_SECONDS:
            return
        self._written = now
        part = f" of {format_size(total)} ({100 * done // total} %)" if total else ""
        self._log.line(f"Processing... {format_size(done)}{part}, {format_rate(done / (now - self._started))}")
