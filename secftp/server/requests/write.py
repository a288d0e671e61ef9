"""WRITE: a file from the client, confirmed once it stands under its final name.

What must never happen: that a file appears before its digest has agreed, or that bytes which did not agree are kept for
a later try.
"""

from __future__ import annotations

import contextlib
import hmac
from typing import TYPE_CHECKING

from secftp.errors import AlreadyExists, ChecksumMismatch, ConnectionLost, FileError, TransferTimeout
from secftp.messages import ErrorCode, Ok, Write
from secftp.server.log import FileLine
from secftp.server.requests.context import (
    Outcome,
    ProgressLog,
    RequestInterrupted,
    RequestRefused,
    begin_digest,
    hash_part,
    name_of,
)
from secftp.server.requests.serve import handles
from secftp.storage.attributes import WriteOptions, kept_attributes
from secftp.transfer import Aborted, receive_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.messages import End
    from secftp.server.requests.context import RequestContext
    from secftp.storage import Digest, Path, ResumedSink, Sink
    from secftp.storage.attributes import Kept

# What a client may give a file up for although the bytes that came are good.
_NOT_KEPT = frozenset({ErrorCode.CHANGED, ErrorCode.CHECKSUM})


@handles(Write)
def write(context: RequestContext, request: Write) -> Outcome:
    """OK. After a failure the rest of the file is still on its way, and thrown away by whoever answers for it."""
    context.log.line(f"Client requested to write filename: {name_of(request.path)}")
    try:
        with context.replacing(wanted=request.overwrite):
            end, kept = _receive(context, request)
    except Aborted:
        raise RequestRefused(ErrorCode.CANCELLED) from None
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
    """How the file ended, and what it has of what was asked for."""
    context.require("write")
    if request.overwrite and not context.rights.overwrite and _exists(context, request.path):
        raise AlreadyExists(f"{name_of(request.path)} exists already.")
    digest = begin_digest(request.algorithm)
    overwrite = request.overwrite and context.rights.overwrite
    options = WriteOptions(overwrite, request.mode, request.mtime_ns, request.size, request.keep)
    with _sink(context, request, options, digest) as sink:
        context.log.line("Processing...")
        report = ProgressLog(context.log)

        def progress(done: int, total: int | None, /) -> None:
            context.check()
            report(done, total)

        with _kept(request, sink):
            end = receive_file(
                context.channel, sink, digest, total=request.size, subject=request.path, progress=progress
            )
        info = sink.commit()
    context.note_created(request.path)
    context.confirmed.note(request.token, request.path, request.algorithm, end.digest)
    return end, kept_attributes(options, info)


@contextlib.contextmanager
def _sink(context: RequestContext, request: Write, options: WriteOptions, digest: Digest) -> Iterator[Sink]:
    """Where the bytes that come belong, and `digest` with what is there already."""
    if request.prefix is None:
        with context.store.create_sink(request.path, options) as sink:
            yield sink
        return
    with context.store.resume_sink(request.path, request.offset, options) as resumed:
        with _kept(request, resumed):
            _compare(context, request, resumed, digest, request.prefix)
        yield resumed


def _compare(context: RequestContext, request: Write, sink: ResumedSink, digest: Digest, prefix: bytes) -> None:
    """Take in the bytes that are there; the client must mean the same."""
    count = hash_part(sink.readv, digest, 0, request.offset, check=lambda _: context.check())
    if count < request.offset or not hmac.compare_digest(digest.digest(), prefix):
        if not context.rights.read:
            # Each try tells whether a guess is right, and somebody else may have begun the file: whoever may not read
            # would find it out byte by byte. So there is one wrong guess, and the partial is gone.
            sink.writev([])
        raise ChecksumMismatch("What was kept of the file has other bytes.")


@contextlib.contextmanager
def _kept(request: Write, sink: Sink) -> Iterator[None]:
    """In its block: what breaks a file off leaves what has come, if the client wants to go on with it some day."""
    try:
        yield
    except (ConnectionLost, TransferTimeout, RequestInterrupted):
        if request.keep:
            sink.keep()
        raise
    except Aborted as given_up:
        if request.keep and given_up.code not in _NOT_KEPT:
            sink.keep()
        raise


def _exists(context: RequestContext, path: Path) -> bool:
    """Early word for a client that would send a whole file in vain; the commit decides."""
    try:
        context.store.stat(path)
    except FileError:
        return False
    return True
