"""WRITE of a part of an upload: stored when its digest was verified, confirmed with the file once that is complete.

Invariants: no file appears before the digest of the whole was verified; a part that did not arrive changes nothing but
its range; a request may be repeated whenever its answer was lost.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import ChecksumMismatch, FileError, Forbidden, Reason
from secftp.protocol import ErrorCode, Ok, Right
from secftp.server.log import FileLine
from secftp.server.requests.context import NOT_KEPT, Outcome, ProgressLog, begin_digest, name_of, refuse_existing
from secftp.server.requests.refusals import RequestRefused
from secftp.server.requests.upload import Ending, Upload
from secftp.storage.attributes import WriteOptions, kept_attributes
from secftp.storage.digest import hash_part
from secftp.storage.upload import UploadElsewhere
from secftp.transport.file_data import Aborted, receive_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.protocol import End, Write
    from secftp.server.requests.context import RequestContext
    from secftp.server.requests.upload import Part
    from secftp.storage import Digest
    from secftp.storage.attributes import Kept
    from secftp.storage.store import UploadSink, Writer


# How long the session of a copy waits for another server to let go of an upload: that server may not have noticed yet
# that the client has left.
_RELEASE_SECONDS: Final = 2.0
_RELEASE_PAUSE: Final = 0.05


class _Discarded:
    """A writer for the bytes of a part that is not needed any more."""

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Write nothing."""


class _Received(NamedTuple):
    """A part that has arrived, and the end of its upload if that is over. `is_own`: it was completed by this part."""

    end: End
    ending: Ending | None = None
    is_own: bool = False


def write_part(context: RequestContext, request: Write) -> Outcome:
    """Answer WRITE of a part with OK; after a failure the caller discards the rest of the part."""
    with context.replacing(wanted=request.overwrite):
        context.require(Right.WRITE)
        upload = _join(context, request)
        if isinstance(upload, Upload):
            received = _receive(context, request, upload)
        else:
            received = _receive_again(context, request, upload)
    context.channel.send(_answer(request, received))
    if received.ending is None and isinstance(upload, Upload):
        _hash_ahead(context, upload)
    size, digest = received.end.size, received.end.digest
    if received.ending is None or not received.is_own:
        return Outcome(size, digest, at=request.at)
    whole = received.ending.whole
    context.log.line(FileLine(f"File confirmed, checksum: {whole.hex()}", name_of(request.path)))
    return Outcome(size, digest, moved=True, at=request.at, whole=whole)


def _answer(request: Write, received: _Received) -> Ok:
    end, ending = received.end, received.ending
    if ending is None:
        return Ok(id=request.id, size=end.size, digest=end.digest)
    return Ok(
        id=request.id,
        size=end.size,
        digest=end.digest,
        time_changed=not ending.kept.time,
        mode_changed=not ending.kept.mode,
        complete=True,
    )


# --- joining ----------------------------------------------------------------------------------------------------------


def _join(context: RequestContext, request: Write) -> Upload | Ending | None:
    """Return the upload that a part belongs to, which it begins if necessary; None for an empty part of no upload."""
    begin_digest(request.algorithm)
    tag = context.uploads.tag_of(request)
    is_question = not request.size and request.total and request.prefix is None
    begins = not is_question or _has_kept(context, request, tag)

    def start(upload: Upload) -> None:
        _start(context, request, upload)

    return context.uploads.join(request, tag, start if begins else None, context.check)


def _has_kept(context: RequestContext, request: Write, tag: bytes) -> bool:
    """Return whether there is a partial of this very upload, which was left when a server ended."""
    try:
        kept = context.store.kept_parts(request.path)
    except FileError:
        return False
    return kept.tag == tag


def _start(context: RequestContext, request: Write, upload: Upload) -> None:
    """Open the file of a new upload, or of one that was interrupted."""
    assert request.total is not None
    refuse_existing(context, request)
    overwrite = request.overwrite and context.rights.overwrite
    options = WriteOptions(
        overwrite, request.mode, request.mtime_ns, request.total, request.keep, request.holes, backup=request.backup
    )
    adopt = request.prefix is not None
    with contextlib.ExitStack() as undo:
        sink = undo.enter_context(_open(context, request, upload.tag, options, adopt=adopt))
        if request.prefix is not None:
            _check_prefix(context, request, sink, request.prefix)
            sink.take_over()
        upload.start(sink, request.total, begin_digest(request.algorithm))
        undo.pop_all()


def _open(context: RequestContext, request: Write, tag: bytes, options: WriteOptions, *, adopt: bool) -> UploadSink:
    """Open the file of an upload. Raises `RequestRefused` if another server of this directory is receiving the upload.

    Two servers can't put one file together. So an additional stream that has come to the wrong one leaves, which the
    client is prepared for; the copy itself waits for the other server to let go, and is then sent whole.
    """
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            return context.store.open_upload(request.path, tag, options, adopt=adopt)
        except Forbidden as problem:
            if problem.reason is not Reason.BEING_WRITTEN:
                raise
            if request.additional:
                context.end_stream()
            elif not isinstance(problem, UploadElsewhere):
                raise
            if request.additional or time.monotonic() > deadline:
                raise RequestRefused(ErrorCode.LIMIT, told="another server is receiving this upload") from None
        context.check()
        time.sleep(_RELEASE_PAUSE)


def _check_prefix(context: RequestContext, request: Write, sink: UploadSink, prefix: bytes) -> None:
    """Raise if the client's digest of the parts that were kept differs."""
    digest = begin_digest(request.algorithm)
    for at, end in sink.ranges:
        hash_part(sink.readv, digest, at, end - at, check=lambda _: context.check())
    if not hmac.compare_digest(digest.digest(), prefix):
        if not context.rights.read:
            sink.take_over()  # and discard it: as in `write`, a client may not guess a second time
        raise ChecksumMismatch("The partial file has other bytes.")


# --- receiving --------------------------------------------------------------------------------------------------------


def _receive(context: RequestContext, request: Write, upload: Upload) -> _Received:
    """Receive a part of an upload, and complete the upload if nothing is missing."""
    assert request.at is not None
    assert request.size is not None
    part = upload.begin_part(request.at, request.size, context.check)
    if isinstance(part, Ending):
        return _receive_again(context, request, part)
    with _abandoned(upload, part):
        end = _receive_bytes(context, request, part, begin_digest(request.algorithm))
        upload.arrived(part, end.whole, context.check)
    report = ProgressLog(context.log)

    def progress(done: int) -> None:
        context.check()
        report(done, request.total)

    done = upload.complete(lambda whole: _commit(context, request, upload, whole), context.check, progress)
    return _Received(end) if done is None else _Received(end, *done)


@contextlib.contextmanager
def _abandoned(upload: Upload, part: Part) -> Iterator[None]:
    """End the part if it is interrupted in this block, and the upload if the client's file has changed."""
    try:
        yield
    except Aborted as given_up:
        if given_up.code in NOT_KEPT:
            upload.fail(RequestRefused(ErrorCode.CHANGED))
        raise
    finally:
        upload.abandon(part)


def _receive_again(context: RequestContext, request: Write, ending: Ending | None) -> _Received:
    """Receive a part of an upload that is over, or of none; raise if the upload failed or had another digest."""
    if ending is not None:
        ending.check(None)
    end = _receive_bytes(context, request, _Discarded(), begin_digest(request.algorithm))
    if ending is not None:
        ending.check(end.whole)
    return _Received(end, ending)


def _receive_bytes(context: RequestContext, request: Write, writer: Writer, digest: Digest) -> End:
    report = ProgressLog(context.log)

    def progress(done: int, total: int | None, /) -> None:
        context.check()
        report(done, total)

    return receive_file(context.channel, writer, digest, total=request.size, subject=request.path, progress=progress)


def _commit(context: RequestContext, request: Write, upload: Upload, whole: bytes) -> Kept:
    """Give the file its name; return which of the requested attributes it has."""
    info = upload.sink.commit()
    context.note_created(request.path)
    may_replace = request.overwrite and context.rights.overwrite
    context.confirmed.note(request.token, request.path, request.algorithm, whole, may_replace=may_replace)
    context.confirmed.flush()
    return kept_attributes(WriteOptions(mode=request.mode, mtime_ns=request.mtime_ns), info)


def _hash_ahead(context: RequestContext, upload: Upload) -> None:
    """Hash what has arrived, after the answer has left: the client need not wait for it."""
    context.channel.flush()
    with contextlib.suppress(RequestRefused):  # the server stops
        upload.hash_ahead(lambda _: context.check())
