"""COPY: a file of the server, copied there.

The source is opened as READ opens it, and the copy is written as WRITE writes it: under the same rights, limits and
rules for names, and under its name only once it is whole. Invariant: a copy that is cancelled, that fails or whose
client has gone leaves nothing, and the file that it was to replace is as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import FileError, Forbidden, Reason
from secftp.protocol import Copy, Ok, Right
from secftp.server.requests.context import Outcome, ProgressLog, name_of
from secftp.server.requests.serve import handles
from secftp.storage.attributes import ALL_KEPT, WriteOptions, kept_attributes
from secftp.storage.copy import STEP_BYTES, copy_bytes
from secftp.storage.errors import of_target
from secftp.storage.source import with_size
from secftp.text import format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.requests.context import RequestContext
    from secftp.storage import Source
    from secftp.storage.attributes import FileInfo, Kept


@handles(Copy)
def copy(context: RequestContext, request: Copy) -> Outcome:
    """Answer COPY with OK; meanwhile the keepalive thread keeps the connection open."""
    context.log.line(f"Client requested to copy: {name_of(request.path)} to: {name_of(request.to)}")
    context.require(Right.WRITE, Right.READ)
    context.check(request.id)
    with context.copies.only_one(request.token, lambda: context.check(request.id)):
        size, kept = context.copies.find(request.token), ALL_KEPT
        if size is None:
            line = "Copied"
            with context.replacing(wanted=request.overwrite) as overwrite:
                size, kept = _copy(context, request, overwrite=overwrite)
            context.note_created(request.to)
            context.copies.note(request.token, size)
        else:
            line = "Already copied"
    context.channel.send(Ok(id=request.id, size=size, time_changed=not kept.time, mode_changed=not kept.mode))
    context.log.line(f"{line}: {format_size(size)}.")
    return Outcome(size)


def _copy(context: RequestContext, request: Copy, *, overwrite: bool) -> tuple[int, Kept]:
    """Make the copy; return its size in bytes, and which of the attributes it has."""
    with with_size(context.store.open_source(request.path), request.path) as source:
        options = _options(request, source, overwrite=overwrite)
        with of_target():
            _refuse_same(context, request)
        size = options.size or 0
        report = ProgressLog(context.log)
        if size > STEP_BYTES:
            context.channel.flush()  # the answers to earlier requests need not wait for a long copy

        def check(done: int) -> None:
            context.check(request.id)
            report(done, size)

        info = context.store.copy(request.path, request.to, options, check)
        if info is not None:
            return info.size or 0, kept_attributes(options, info)
        info = _copy_bytes(context, request, source, options, check)
    return size, kept_attributes(options, info)


def _copy_bytes(
    context: RequestContext, request: Copy, source: Source, options: WriteOptions, check: Callable[[int], None]
) -> FileInfo:
    """Copy what the store can't copy by itself; return what the copy has."""
    with of_target():
        sink = context.store.create_sink(request.to, options)
    source.expect(0, options.size or 0)
    with sink:
        copy_bytes(source, sink, request.path, check=check)
        with of_target():
            return sink.commit()


def _options(request: Copy, source: Source, *, overwrite: bool) -> WriteOptions:
    """Return how the copy is written; what the request does not say is as at the source."""
    info = source.info
    mode = info.mode if request.mode is None else request.mode
    mtime_ns = info.mtime_ns if request.mtime_ns is None else request.mtime_ns
    return WriteOptions(overwrite, mode, mtime_ns, info.size, holes=source.hole_bytes)


def _refuse_same(context: RequestContext, request: Copy) -> None:
    """Raise `Forbidden` if both names are of one file. Nothing would be lost by the copy, but it can't be meant."""
    try:
        is_same = context.store.identity(request.to) == context.store.identity(request.path)
    except FileError:
        return  # there is no target, or the sink says what is wrong with it
    if is_same:
        raise Forbidden(f"{name_of(request.to)} is the same file.", reason=Reason.SAME_FILE)
