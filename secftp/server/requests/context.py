"""Context that the handlers of requests share: rights, limits, log lines and error answers.

A request is answered once. A handler that fails raises a `FileError`, and the answer is ERROR; the message of the
exception stays here, as it may name what the client must not know.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import AlreadyExists, FileError, InstallationError, Reason
from secftp.messages import Error, ErrorCode, Right, code_for, reason_for, text_for
from secftp.messages.errors import MISSING_RIGHT
from secftp.server.log_format import shortened
from secftp.server.requests.idempotency import CompletedChanges, ConfirmedFiles, OwnConfirmedFiles
from secftp.server.requests.session_files import CreatedPaths, WritableDirectories
from secftp.storage import digester, new_digest
from secftp.text import format_rate, format_size, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.channel import Channel
    from secftp.messages import Algorithm
    from secftp.server.access import Rights
    from secftp.server.log import SessionLog
    from secftp.storage import Digest, Path, Store

PROGRESS_SECONDS: Final = 5.0
CHUNK_BYTES: Final = 2**20
_CHANGING: Final = frozenset({Right.WRITE, Right.OVERWRITE, Right.DELETE})


class RequestRefused(FileError):
    """A request that the server itself refuses or breaks off, for a reason that no file has."""

    def __init__(self, code: ErrorCode, reason: Reason | None = None) -> None:
        super().__init__(text_for(code), reason=reason)
        self.code = code


class RequestInterrupted(RequestRefused):
    """A request that is broken off because the client wants no more of it, or the server stops."""


class Outcome(NamedTuple):
    """How a request ended: `code` None for well, `nbytes` how many bytes of files were moved, or read for a sum.

    `moved`: a whole file, or all that was missing of one, was moved.
    """

    nbytes: int = 0
    digest: bytes | None = None
    code: ErrorCode | None = None
    moved: bool = False


class RequestContext:
    """One session's handlers' common ground. `hurry` says that the request under way is to be broken off."""

    __slots__ = ("aborting", "channel", "completed", "confirmed", "created", "log", "rights", "store", "writable")

    def __init__(
        self,
        channel: Channel,
        store: Store,
        rights: Rights,
        log: SessionLog,
        aborting: Callable[[], bool],
        repeats: CompletedChanges | None = None,
        arrivals: OwnConfirmedFiles | None = None,
    ) -> None:
        self.channel = channel
        self.store = store
        self.rights = rights
        self.log = log
        self.aborting = aborting
        self.completed = repeats or CompletedChanges()
        self.confirmed = arrivals or OwnConfirmedFiles(ConfirmedFiles(), store, "")
        self.writable = WritableDirectories(store)
        self.created = CreatedPaths(store)

    def require(self, *rights: str) -> None:
        """Raise `RequestRefused` if this client lacks one of these rights, by their names in `Rights`."""
        for right in rights:
            if not getattr(self.rights, right):
                reading = right not in _CHANGING or self.rights.write or self.rights.delete
                raise RequestRefused(ErrorCode.FORBIDDEN if reading else ErrorCode.READ_ONLY, self._missing(right))

    def _missing(self, right: str) -> Reason | None:
        """The reason that tells of a right which the key lacks; none for a client without a key."""
        return MISSING_RIGHT[Right(right)] if self.rights.keyed else None

    @contextlib.contextmanager
    def replacing(self, *, wanted: bool) -> Iterator[bool]:
        """In its block a name that is taken says whether that is so because the key may not overwrite.

        Gives whether a file may be replaced: that is `wanted` by the client, and allowed.
        """
        try:
            yield wanted and self.rights.overwrite
        except FileError as problem:
            self.blame_right(problem, wanted=wanted)
            raise

    def blame_right(self, problem: FileError, *, wanted: bool) -> None:
        """As `replacing`, for a failure that is at hand."""
        if isinstance(problem, AlreadyExists) and problem.reason is None and wanted and not self.rights.overwrite:
            problem.reason = self._missing("overwrite")

    def note_created(self, path: Path, *, is_directory: bool = False) -> None:
        """The client has made a file or a directory; if it may not replace things, that is remembered for it."""
        if not self.rights.overwrite:
            self.created.add(path, is_directory=is_directory)

    def check(self, request: int | None = None) -> None:
        """Raise `RequestInterrupted` if the server is in a hurry, or the client has cancelled this request.

        With a request also what `Channel.cancelled` raises.
        """
        if self.aborting():
            raise RequestInterrupted(ErrorCode.STOPPING)
        if request is not None and self.channel.cancelled(request):
            raise RequestInterrupted(ErrorCode.CANCELLED)


def code_of(problem: FileError) -> ErrorCode:
    """What a client is told of a failure."""
    return problem.code if isinstance(problem, RequestRefused) else code_for(problem)


def told(problem: FileError) -> tuple[ErrorCode, Reason | None]:
    """What a client is told of a failure: the code, and the reason if there is one that goes with it."""
    code = code_of(problem)
    return code, reason_for(problem, code)


def error_for(request: int, problem: FileError) -> Error:
    """The answer to a request that failed."""
    code, reason = told(problem)
    return Error(id=request, code=code, text=text_for(code), reason=reason, target=problem.of_target)


def name_of(path: Path) -> str:
    """A path for a line of the log; no more of it than a line shows, since a client may ask for the longest at will."""
    return show_path(shortened(b"/".join(path)))


def begin_digest(algorithm: Algorithm) -> Digest:
    """As `new_digest`; one that this installation lacks is `unsupported`."""
    try:
        return new_digest(algorithm)
    except InstallationError:
        raise RequestRefused(ErrorCode.UNSUPPORTED) from None


def begin_digester(algorithm: Algorithm) -> Callable[[bytes], bytes]:
    """As `digester`, likewise."""
    try:
        return digester(algorithm)
    except InstallationError:
        raise RequestRefused(ErrorCode.UNSUPPORTED) from None


def hash_part(
    readv: Callable[[Sequence[memoryview], int], int],
    digest: Digest,
    offset: int,
    length: int,
    *,
    check: Callable[[int], None],
) -> int:
    """Hash up to `length` bytes from `offset` on; how many there were. `check` is told so before each chunk."""
    done = 0
    buffer = memoryview(bytearray(min(length, CHUNK_BYTES)))
    while done < length:
        check(done)
        count = readv([buffer[: length - done]], offset + done)
        if count == 0:
            break
        digest.update(buffer[:count])
        done += count
    return done


class ProgressLog:
    """Progress lines for files that take long; short ones have none."""

    def __init__(self, log: SessionLog) -> None:
        self._log = log
        self._started = self._told = time.monotonic()

    def __call__(self, done: int, total: int | None, /) -> None:
        """Told after each batch; writes a line every few seconds."""
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        part = f" of {format_size(total)} ({100 * done // total} %)" if total else ""
        self._log.line(f"Processing... {format_size(done)}{part}, {format_rate(done / (now - self._started))}")
