"""WRITE: a file from the client, confirmed once it has its final name.

Invariants: no file appears before its digest was verified; bytes that failed verification are not kept for resuming.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp.errors import ChecksumMismatch, ConnectionLost, TransferTimeout
from secftp.protocol import ErrorCode, Ok, Right, Write
from secftp.server.log import FileLine
from secftp.server.requests.context import (
    NOT_KEPT,
    Outcome,
    ProgressLog,
    begin_digest,
    has_prefix,
    name_of,
    refuse_existing,
)
from secftp.server.requests.parts import write_part
from secftp.server.requests.refusals import RequestInterrupted, RequestRefused
from secftp.server.requests.serve import handles
from secftp.storage.attributes import WriteOptions, kept_attributes
from secftp.text import format_size
from secftp.transport.file_data import Aborted, receive_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.protocol import End
    from secftp.server.requests.context import RequestContext
    from secftp.storage import Digest, ResumedSink, Sink
    from secftp.storage.attributes import Kept


@handles(Write)
def write(context: RequestContext, request: Write) -> Outcome:
    """Answer WRITE with OK. After a failure the caller discards the rest of the file, which is still arriving."""
    part = "" if request.at is None else f", part at {format_size(request.at)} of {format_size(request.total or 0)}"
    context.log.line(f"Client requested to write filename: {name_of(request.path)}{part}")
    try:
        if request.upload is not None:
            return write_part(context, request)
        with context.replacing(wanted=request.overwrite):
            end, kept = _receive(context, request)
    except Aborted:
        raise RequestRefused(ErrorCode.CANCELLED) from None
    context.confirmed.flush()
    context.channel.send(
        Ok(
            id=request.id,
            size=end.size,
            digest=end.digest,
            time_changed=not kept.time,
            mode_changed=not kept.mode,
        )
    )
    context.log.line(FileLine(f"File confirmed, checksum: {end.digest.hex()}", name_of(request.path)))
    return Outcome(end.size, end.digest, moved=True)


def _receive(context: RequestContext, request: Write) -> tuple[End, Kept]:
    """Receive the file; return its END, and which of the requested attributes it has."""
    context.require(Right.WRITE)
    refuse_existing(context, request)
    digest = begin_digest(request.algorithm)
    overwrite = request.overwrite and context.rights.overwrite
    keep = context.keeps(request)
    options = WriteOptions(
        overwrite, request.mode, request.mtime_ns, request.size, keep, request.holes, backup=request.backup
    )
    with _sink(context, request, options, digest) as sink:
        context.log.line("Processing...")
        report = ProgressLog(context.log)

        def progress(done: int, total: int | None, /) -> None:
            context.check()
            report(done, total)

        with _kept(sink, wanted=keep):
            end = receive_file(
                context.channel, sink, digest, total=request.size, subject=request.path, progress=progress
            )
        sink.note_digest(request.algorithm, end.digest)
        info = sink.commit()
    context.note_created(request.path)
    context.confirmed.note(request.token, request.path, request.algorithm, end.digest, may_replace=overwrite)
    return end, kept_attributes(options, info)


@contextlib.contextmanager
def _sink(context: RequestContext, request: Write, options: WriteOptions, digest: Digest) -> Iterator[Sink]:
    """Open the sink for the received bytes, and hash the bytes that are there already into `digest`."""
    if request.prefix is None:
        with context.store.create_sink(request.path, options) as sink:
            yield sink
        return
    with context.store.resume_sink(request.path, request.offset, options) as resumed:
        with _kept(resumed, wanted=request.keep):
            _check_prefix(context, request, resumed, digest, request.prefix)
        yield resumed


def _check_prefix(context: RequestContext, request: Write, sink: ResumedSink, digest: Digest, prefix: bytes) -> None:
    """Hash the bytes that are there, and raise if the client's digest of them differs."""
    if not has_prefix(sink.readv, digest, request.offset, prefix, check=lambda _: context.check()):
        if not context.rights.read:
            # The file may be another client's. A client without the right to read could guess its bytes one by one, as
            # each attempt reveals whether a guess is right. So the first wrong guess deletes the partial file.
            sink.writev([])
        raise ChecksumMismatch("The partial file has other bytes.")


@contextlib.contextmanager
def _kept(sink: Sink, *, wanted: bool) -> Iterator[None]:
    """Keep the received bytes of a file that is interrupted in this block, if the client wants to resume it later."""
    try:
        yield
    except (ConnectionLost, TransferTimeout, RequestInterrupted):
        if wanted:
            sink.keep()
        raise
    except Aborted as given_up:
        if wanted and given_up.code not in NOT_KEPT:
            sink.keep()
        raise
