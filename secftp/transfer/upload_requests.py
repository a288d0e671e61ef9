"""Requests of an upload that are under way, and what their replies mean.

Replies are handled while something else is being sent, so the handlers only take note; an entry that has to be
processed once more is queued again. Invariant: no file counts as complete unless the server confirmed it with the
digest of what was read here.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.errors import ChecksumMismatch, Reason
from secftp.protocol import (
    Error,
    ErrorCode,
    Ok,
    Results,
    SetAttributes,
    clause_for,
    exception_for,
    no_directory,
    no_parent,
    remote_failure,
)
from secftp.protocol.limits import MAX_BULK
from secftp.session import unexpected_reply
from secftp.storage.tree import EntryKind
from secftp.transfer.engine import MODE_SET, SAME, Batch, PendingRequest, Transfer
from secftp.transfer.local_tree import LocalEntry

if TYPE_CHECKING:
    from secftp.errors import FileError
    from secftp.protocol import NewFile
    from secftp.storage import Digest, Path
    from secftp.transport import Received

    Refusals: TypeAlias = list[tuple[LocalEntry, ErrorCode, str | None]]

# Of a WRITEMANY: its own map, and for each file its array, digest, mode, time and the heads of all that.
_MESSAGE_BYTES: Final = 96
_FILE_BYTES: Final = 80
_BATCH_BYTES: Final = MAX_BULK - _MESSAGE_BYTES
_BATCH_FILES: Final = 256
# Error replies to a partial file that can't be continued: the file starts again.
NOT_RESUMED = frozenset({ErrorCode.CHECKSUM, ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.UNSUPPORTED})
# Error replies to a file that the server has already, and may not write once more.
_REFUSALS = frozenset({ErrorCode.EXISTS, ErrorCode.FORBIDDEN})


class UploadBatch(Batch[LocalEntry]):
    """Small files for one WRITEMANY."""

    __slots__ = ("_sizes", "new_files")

    def __init__(self) -> None:
        super().__init__()
        self.new_files: list[NewFile] = []
        self._sizes: list[int | None] = []  # before compression

    @property
    def clear_sizes(self) -> tuple[int | None, ...]:
        """The sizes before compression, None for what is not compressed; empty if nothing is."""
        return tuple(self._sizes) if any(self._sizes) else ()

    def has_room(self, nbytes: int) -> bool:
        """Whether so many bytes more fit into the message."""
        return self.nbytes + nbytes <= _BATCH_BYTES and len(self.items) < _BATCH_FILES

    def add(self, entry: LocalEntry, new_file: NewFile, nbytes: int, clear_size: int | None) -> None:
        """Add a file that takes so many bytes, and has `clear_size` bytes if it is compressed."""
        self.items.append(entry)
        self.new_files.append(new_file)
        self._sizes.append(clear_size)
        self.nbytes += nbytes


def why_not_resumed(reason: str | None) -> str:
    """Return the clause that says why a file starts again although the server has kept a partial file."""
    if reason == Reason.BEING_WRITTEN:
        return "the server's partial file is still being written, so it starts again"
    return "the server's partial file can't be resumed, so it starts again"


def message_bytes(path: Path, size: int) -> int:
    """Return how many bytes a file of this path and size takes of a WRITEMANY."""
    return _FILE_BYTES + size + sum(map(len, path)) + 3 * len(path)


def failure_of(entry: LocalEntry, code: ErrorCode, reason: str | None) -> FileError:
    """Return the failure of an entry that the server refused; what it can't find is the directory around it."""
    if code is not ErrorCode.NOT_FOUND:
        return exception_for(code, entry.name, reason)
    return no_parent(entry.remote, entry.name) if entry.kind is EntryKind.FILE else no_directory(entry.remote)


def wrong_confirmation(entry: LocalEntry) -> FileError:
    """Return the failure of a file that the server confirmed with another digest."""
    return remote_failure(
        ChecksumMismatch,
        entry.name,
        "the server confirmed a checksum that is not that of what was sent.",
        hint="Try again.",
    )


class UploadRequest(PendingRequest[LocalEntry]):
    """A request whose reply is one message; this class is that of MKDIR."""

    __slots__ = ("complete",)

    def __init__(self, transfer: Transfer[LocalEntry], *entries: LocalEntry) -> None:
        super().__init__(transfer, entries)
        self.complete = False

    def on_reply(self, received: Received) -> bool:
        """Handle the reply."""
        if not isinstance(received, Error):
            self.on_done(received)
        elif not self.transfer.ends_transfer(received.code, received.reason, self.items):
            self.on_refused(received.code, received.reason)
        self.complete = True
        return True

    def on_done(self, reply: Received) -> None:
        """Handle the reply to a request that was carried out."""

    def on_refused(self, code: ErrorCode, reason: str | None) -> None:
        """Handle an error reply."""
        for entry in self.items:
            self.transfer.refused(entry, code, reason)


class AttributesRequest(UploadRequest):
    """SETATTR of a directory whose contents are complete."""

    __slots__ = ()

    def on_done(self, reply: Received) -> None:
        """Count what could not be preserved."""
        if isinstance(reply, Ok):
            self.transfer.counters.changed(times=reply.time_changed, modes=reply.mode_changed)


class ModeRequest(AttributesRequest):
    """SETATTR of a file that is the same at the server but for its permissions."""

    __slots__ = ()

    def on_done(self, reply: Received) -> None:
        """Count the file as skipped."""
        super().on_done(reply)
        self.transfer.skip(self.items[0], MODE_SET)

    def on_refused(self, code: ErrorCode, reason: str | None) -> None:
        """Count the file as skipped; its contents are right."""
        (entry,) = self.items
        note = f"its permissions could not be set: {clause_for(code, reason)}"
        self.transfer.counters.listener.note(entry.name, note)
        self.transfer.skip(entry, SAME)


def set_mode(transfer: Transfer[LocalEntry], entry: LocalEntry) -> None:
    """Request the permissions of a file whose contents are the same at the server."""
    assert entry.info is not None  # it was compared
    mode = entry.info.mode & 0o777
    request = SetAttributes(id=transfer.pipeline.next_id(), path=entry.remote, mode=mode)
    pending = ModeRequest(transfer, entry)
    transfer.track(pending, entry)
    transfer.pipeline.submit(request, pending)


class WriteManyRequest(UploadRequest):
    """WRITEMANY. Refusals of files that may have arrived earlier are appended to `to_compare`; None: they count."""

    __slots__ = ("_to_compare",)

    def __init__(self, transfer: Transfer[LocalEntry], entries: list[LocalEntry], to_compare: Refusals | None) -> None:
        super().__init__(transfer, *entries)
        self._to_compare = to_compare

    def on_done(self, reply: Received) -> None:
        """Count each file as the server says."""
        if not isinstance(reply, Results):
            raise unexpected_reply()
        transfer = self.transfer
        counters = transfer.counters
        counters.changed(times=reply.times_changed, modes=reply.modes_changed)
        reasons = reply.reasons + (None,) * (len(self.items) - len(reply.reasons))
        for entry, code, reason in zip(self.items, reply.codes, reasons, strict=False):
            if code is None:
                counters.reached(entry, entry.size or 0)
                counters.finished(entry, entry.digest)
            elif transfer.ends_transfer(code, reason, (entry,)):
                continue
            elif self._to_compare is not None and entry.may_have_arrived and code in _REFUSALS:
                self._to_compare.append((entry, code, reason))
            else:
                transfer.refused(entry, code, reason)


class SumRequest(UploadRequest):
    """SUM of a small file that was refused when it was sent again: the refusal counts unless it is there."""

    __slots__ = ("_code", "_reason")

    def __init__(self, transfer: Transfer[LocalEntry], entry: LocalEntry, code: ErrorCode, reason: str | None) -> None:
        super().__init__(transfer, entry)
        self._code = code
        self._reason = reason

    def on_done(self, reply: Received) -> None:
        """Compare what is there with what was sent."""
        (entry,) = self.items
        if isinstance(reply, Ok) and hmac.compare_digest(reply.digest or b"", entry.digest):
            self.transfer.counters.reached(entry, entry.size or 0)
            self.transfer.complete(entry, entry.digest)
        else:
            self.transfer.refused(entry, self._code, self._reason)

    def on_refused(self, code: ErrorCode, reason: str | None) -> None:  # noqa: ARG002 - the first refusal says more
        """Let the refusal count: it can't be compared."""
        self.transfer.refused(self.items[0], self._code, self._reason)


class WriteRequest(UploadRequest):
    """WRITE. `problem`: what went wrong here while the file was being sent; it says more than the server's reply."""

    __slots__ = ("digest", "is_size_known", "offset", "problem")

    def __init__(
        self, transfer: Transfer[LocalEntry], entry: LocalEntry, digest: Digest, offset: int, *, is_size_known: bool
    ) -> None:
        super().__init__(transfer, entry)
        self.digest = digest
        self.offset = offset
        self.is_size_known = is_size_known
        self.problem: FileError | None = None

    def progress(self, done: int, _total: int | None, /) -> None:
        """Report that so many bytes were sent."""
        (entry,), counters = self.items, self.transfer.counters
        if not self.is_size_known:
            counters.resize(entry, done)
        counters.reached(entry, self.offset + done)

    def on_done(self, reply: Received) -> None:
        """Compare the digest that the server confirms."""
        if not isinstance(reply, Ok):
            raise unexpected_reply()
        (entry,), counters = self.items, self.transfer.counters
        digest = self.digest.digest()
        if reply.digest is not None and not hmac.compare_digest(reply.digest, digest):
            self.problem = wrong_confirmation(entry)
        if self.problem is not None:
            counters.reached(entry, 0)
            counters.failed(entry, self.problem)
            return
        counters.reached(entry, entry.size or 0)
        counters.changed(times=reply.time_changed, modes=reply.mode_changed)
        self.transfer.complete(entry, digest)

    def on_refused(self, code: ErrorCode, reason: str | None) -> None:
        """Start again if the partial file is the reason; else the file has failed."""
        (entry,), transfer = self.items, self.transfer
        if self.problem is None and self.offset and code in NOT_RESUMED:
            transfer.start_again(entry, why_not_resumed(reason))
            return
        transfer.counters.reached(entry, 0)
        if self.problem is not None:
            transfer.counters.failed(entry, self.problem)
        elif not compares_again(transfer, entry, code):
            transfer.refused(entry, code, reason)


def compares_again(transfer: Transfer[LocalEntry], entry: LocalEntry, code: ErrorCode) -> bool:
    """Have a large file whose name was taken compared with what is there, once, if it may have arrived before.

    A server may store a file when its client has lost the connection already, and is sending the file to another one.
    """
    if code is not ErrorCode.EXISTS or not entry.may_have_arrived or entry.is_refused:
        return False
    entry.is_refused = True
    transfer.requeue(entry)
    return True
