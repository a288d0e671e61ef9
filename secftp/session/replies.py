"""Replies to requests: a single message, a listing, a file; and what became of a request that got none, or another.

A reply is a callback of the pipeline, and keeps what came, or what went wrong, for the caller that made the request.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from secftp.errors import ConnectionLost, FileError, ProtocolError
from secftp.protocol import Abort, Capability, End, Entries, Error, File, Message, exception_for, remote_failure
from secftp.text import escape
from secftp.transport import DataRun
from secftp.transport.file_data import Aborted, IncomingFile
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import Algorithm, Listed
    from secftp.storage import Digest, Path, Sink
    from secftp.transport import Received
    from secftp.transport.file_data import Progress
    from secftp.waits import Waits


_Kind = TypeVar("_Kind", bound=Message)

# Parts of a listing that may come after it was cancelled: what both sides and the network between them can hold, since
# a part that is not the last has up to 64 KiB.
UNWANTED_PARTS: Final = 2048

_MISSING: Final[dict[str, str]] = {
    Capability.RANGES: "send parts of files",
    Capability.STAT: "show the status of files",
    Capability.LIST: "list directories",
    Capability.CHANGE: "make, rename, remove or change files and directories",
    Capability.SUM: "compute checksums",
    Capability.RESUME: "resume interrupted transfers",
    Capability.MANY: "transfer several files in one message",
    Capability.VERSIONS: "tell versions of files",
    Capability.COPY: "copy files",
    Capability.SPACE: "tell how much space it has",
    Capability.HOLES: "take files without their holes",
    Capability.BACKUP: "keep backups of what is replaced",
}

_INSTEAD: Final[dict[str, str]] = {
    Capability.COPY: "Get the file and put it back, or use a newer version of the server.",
    **dict.fromkeys(
        (Capability.RESUME, Capability.UPLOADS, Capability.HOLES, Capability.BACKUP, Capability.SPACE),
        "Use a newer version of the server. One whose files are in an object store can't do this.",
    ),
}


class Reply(Protocol):
    """A callback for a reply (`OnReply`) that tells whether it is complete."""

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""
        ...

    def __call__(self, received: Received, /) -> bool:
        """Take the next part. Returns whether it was the last."""
        ...


class SingleReply:
    """A reply that is one message: OK, INFO or ERROR."""

    __slots__ = ("message",)

    def __init__(self) -> None:
        self.message: Message | None = None

    @property
    def complete(self) -> bool:
        """Whether it has come."""
        return self.message is not None

    def __call__(self, received: Received) -> bool:
        """Take the reply."""
        assert not isinstance(received, DataRun)  # the state machine lets none through here
        self.message = received
        return True

    def unwrap(self, kind: type[_Kind], path: Path, to: Path | None = None) -> _Kind:
        """Return the message, which has to be of that kind. Raises the `FileError` in an ERROR.

        That is about `path`, or about `to` where the server says so.
        """
        message = self.message
        if isinstance(message, Error):
            raise _refusal(message, path, to)
        if not isinstance(message, kind):
            raise unexpected_reply()
        return message


def _refusal(message: Error, path: Path, to: Path | None) -> FileError:
    """Return what the server refused. Made here, since a frame that raises what it holds is kept alive by that."""
    is_target = message.target and to is not None
    problem = exception_for(message.code, to if is_target else path, message.reason)
    problem.of_target = is_target
    return problem


class ListingReply:
    """The reply to LIST: entries, in parts. `entries` is a queue that the caller empties."""

    __slots__ = ("_is_dropped", "_unwanted", "complete", "entries", "error")

    def __init__(self) -> None:
        self.entries: deque[Listed] = deque()
        self.complete = False
        self.error: Error | None = None
        self._is_dropped = False
        self._unwanted = 0  # parts that came after that

    def drop(self) -> None:
        """Throw away what comes from now on."""
        self._is_dropped = True
        self.entries.clear()

    def _count_unwanted(self) -> None:
        self._unwanted += 1
        if self._unwanted > UNWANTED_PARTS:
            raise ProtocolError("The server continued a cancelled listing.")

    def __call__(self, received: Received) -> bool:
        """Take a part of the listing. Raises `ProtocolError` if it does not end after `drop`."""
        if isinstance(received, Entries):
            if self._is_dropped:
                self._count_unwanted()
            else:
                self.entries.extend(received.entries)
            self.complete = received.last
        elif isinstance(received, Error):
            self.error = received
            self.complete = True
        else:
            raise unexpected_reply()
        return self.complete


class FileReply:
    """The reply to READ: a file's bytes into a sink, verified; `end` or `problem` once it is complete. Commits nothing.

    `is_refused`: whether the problem is this side's, which did not want the rest.

    `opened` is called with FILE and returns the sink, or raises the `FileError` for which the file is not wanted.
    `stop` is called once if this side does not want the rest, which is then thrown away as it comes. `waits`: for the
    sink.
    """

    __slots__ = (
        "_digest",
        "_file",
        "_opened",
        "_progress",
        "_stop",
        "_subject",
        "_total",
        "_waits",
        "complete",
        "end",
        "is_refused",
        "problem",
    )

    def __init__(
        self,
        opened: Callable[[File], Sink],
        digest: Digest,
        *,
        subject: Path | bytes,
        stop: Callable[[], None],
        progress: Progress,
        waits: Waits = DIRECT,
    ) -> None:
        self.complete = False
        self.end: End | None = None
        self.problem: FileError | None = None
        self.is_refused = False
        self._opened = opened
        self._digest = digest
        self._subject = subject
        self._stop = stop
        self._progress = progress
        self._waits = waits
        self._file: IncomingFile | None = None  # from FILE on, as long as it is wanted
        self._total = 0

    def __call__(self, received: Received) -> bool:
        """Take the next part."""
        if self._file is not None:
            self._take(self._file, received)
        else:
            match received:
                case File():
                    self._begin(received)
                case Error(code=code, reason=reason):
                    self.problem = exception_for(code, self._subject, reason)
                    self.complete = True
                case DataRun() | End() | Abort() if self.problem is not None:
                    self.complete = not isinstance(received, DataRun)
                case _:
                    raise unexpected_reply()
        return self.complete

    def _begin(self, file: File) -> None:
        try:
            sink = self._opened(file)
        except FileError as problem:
            self.problem = problem
            self._refuse()
            return
        self._file = IncomingFile(sink, self._digest, subject=self._subject, waits=self._waits)
        self._total = file.size
        self._progress(0, file.size)

    def _take(self, file: IncomingFile, received: Received) -> None:
        is_data = isinstance(received, DataRun)
        try:
            file.take(received)
        except Aborted as abort:
            self.problem = exception_for(abort.code, self._subject)
        except FileError as problem:
            self.problem = problem
        else:
            if is_data:
                self._progress(file.size, self._total)
            self.end = file.end
        self.complete = not is_data
        if self.problem is not None:
            self._file = None  # what is left of it is thrown away
            if is_data:
                self._refuse()

    def drop(self, problem: FileError) -> None:
        """Throw away what is still to come: neither the sink nor the digest is used any more. Cancels nothing."""
        if not self.complete:
            self.problem = problem
            self.is_refused = True
            self._file = None

    def _refuse(self) -> None:
        self.is_refused = True
        self._stop()


# --- results and failures ---------------------------------------------------------------------------------------------


def lacks(capability: str, subject: Path) -> FileError:
    """Return the failure of a request that needs a capability which the server did not name in WELCOME."""
    what = _MISSING.get(capability, f"do this ({escape(capability)})")
    hint = _INSTEAD.get(capability, "Use a newer version of the server.")
    return remote_failure(FileError, subject, f"the server can't {what}.", hint=hint)


def unexpected_reply() -> ProtocolError:
    """Return the exception for a reply that is none to this request."""
    return ProtocolError("The server's reply does not fit the request.")


class Transferred(NamedTuple):
    """What was transferred, verified by both sides: `size` in bytes, and the digest of the whole file."""

    size: int
    digest: bytes


class Unconfirmed(ConnectionLost):
    """The connection was lost after a file had been sent to its end: whether the server has stored it is not known.

    `sent`: its size and digest, which is of the kind `algorithm`. `token`: that of the request, if it had one.
    """

    def __init__(
        self, lost: ConnectionLost, sent: Transferred, algorithm: Algorithm, token: bytes | None = None
    ) -> None:
        super().__init__(lost.message, hint=lost.hint)
        self.args = (lost, sent, algorithm, token)  # for pickle, which makes the exception anew from these
        self.sent = sent
        self.algorithm = algorithm
        self.token = token
