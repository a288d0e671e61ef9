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
from secftp.storage.base import WriteOptions, what_is_kept
from secftp.transfer import Aborted, receive_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.messages import End
    from secftp.server.requests.context import RequestContext
    from secftp.storage import Digest, Path, ResumedSink, Sink
    from secftp.storage.base import Kept

# What a client may give a file up for although the bytes that came are good.
_NOT_KEPT = frozenset({ErrorCode.CHANGED, ErrorCode.CHECKSUM})


@handles(Write)
def write(desk: RequestContext, request: Write) -> Outcome:
    """OK. After a failure the rest of the file is still on its way, and thrown away by whoever answers for it."""
    desk.log.line(f"Client requested to write filename: {name_of(request.path)}")
    try:
        with desk.replacing(wanted=request.overwrite):
            end, kept = _receive(desk, request)
    except Aborted:
        raise RequestRefused(ErrorCode.CANCELLED) from None
    desk.channel.send(
        Ok(
            id=request.id,
            size=end.size,
            digest=end.digest,
            time_changed=not kept.time,
            mode_changed=not kept.mode,
        )
    )
    desk.log.line(FileLine(f"File confirmed, checksum: {end.digest.hex()}", name_of(request.path)))
    return Outcome(end.size, end.digest, moved=True)


def _receive(desk: RequestContext, request: Write) -> tuple[End, Kept]:
    """How the file ended, and what it has of what was asked for."""
    desk.require("write")
    if request.overwrite and not desk.rights.overwrite and _exists(desk, request.path):
        raise AlreadyExists(f"{name_of(request.path)} exists already.")
    digest = begin_digest(request.algorithm)
    overwrite = request.overwrite and desk.rights.overwrite
    options = WriteOptions(overwrite, request.mode, request.mtime_ns, request.size, request.keep)
    with _sink(desk, request, options, digest) as sink:
        desk.log.line("Processing...")
        report = ProgressLog(desk.log)

        def progress(done: int, total: int | None, /) -> None:
            desk.check()
            report(done, total)

        with _kept(request, sink):
            end = receive_file(desk.channel, sink, digest, total=request.size, subject=request.path, progress=progress)
        info = sink.commit()
    desk.made(request.path)
    desk.arrivals.note(request.token, request.path, request.algorithm, end.digest)
    return end, what_is_kept(options, info)


@contextlib.contextmanager
def _sink(desk: RequestContext, request: Write, options: WriteOptions, digest: Digest) -> Iterator[Sink]:
    """Where the bytes that come belong, and `digest` with what is there already."""
    if request.prefix is None:
        with desk.store.create_sink(request.path, options) as sink:
            yield sink
        return
    with desk.store.resume_sink(request.path, request.offset, options) as resumed:
        with _kept(request, resumed):
            _compare(desk, request, resumed, digest, request.prefix)
        yield resumed


def _compare(desk: RequestContext, request: Write, sink: ResumedSink, digest: Digest, prefix: bytes) -> None:
    """Take in the bytes that are there; the client must mean the same."""
    count = hash_part(sink.readv, digest, 0, request.offset, check=lambda _: desk.check())
    if count < request.offset or not hmac.compare_digest(digest.digest(), prefix):
        if not desk.rights.read:
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


def _exists(desk: RequestContext, path: Path) -> bool:
    """Early word for a client that would send a whole file in vain; the commit decides."""
    try:
        desk.store.stat(path)
    except FileError:
        return False
    return True
