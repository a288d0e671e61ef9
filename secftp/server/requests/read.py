"""READ and SUM: the bytes of a file, or only their digest."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import ChecksumMismatch, FileChanged, FileError
from secftp.protocol import Abort, Capability, ErrorCode, File, Ok, Read, Right, Sum, text_for
from secftp.server.log import FileLine
from secftp.server.requests.context import Outcome, ProgressLog, begin_digest, has_prefix, name_of
from secftp.server.requests.refusals import code_of
from secftp.server.requests.serve import handles
from secftp.server.requests.versions import require_version, version_of
from secftp.storage.digest import hash_part
from secftp.storage.source import with_size
from secftp.text import format_size
from secftp.transport.compression import SERVER_LEVEL
from secftp.transport.file_data import SendInterrupted, send_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.requests.context import RequestContext
    from secftp.storage import Digest, Source


@handles(Read)
def read(context: RequestContext, request: Read) -> Outcome:
    """Answer READ with FILE, DATA and END; a failure after FILE is an ABORT."""
    context.log.line(f"Client requesting filename: {name_of(request.path)}")
    context.require(Right.READ)
    context.check(request.id)
    digest = begin_digest(request.algorithm)
    with with_size(context.store.open_source(request.path), request.path) as source:
        version = require_version(source, request.version)
        if request.prefix is not None:
            _check_prefix(context, request, source, digest, request.prefix)
        size = _part(source, request)
        source.expect(request.offset, size)
        context.log.line(f"Processing... {format_size(size)}")
        context.channel.send(_opening(request, source, size, version))
        reporter = ProgressLog(context.log)
        done = 0
        holes = request.holes and Capability.HOLES not in context.lacks

        def progress(moved: int, total: int | None, /) -> None:
            nonlocal done
            done = moved
            reporter(moved, total)

        try:
            end = send_file(
                context.channel,
                source,
                digest,
                offset=request.offset,
                length=size,
                interrupted=lambda: context.aborting() or context.channel.cancelled(request.id),
                progress=progress,
                compress=None if request.compress is None else min(request.compress, SERVER_LEVEL),
                holes=holes,
            )
        except SendInterrupted:
            code = context.abort_code if context.aborting() else ErrorCode.CANCELLED
            return _located(_abort(context, code, done), request, source)
        except FileError as problem:
            return _abort(context, code_of(problem), done)
    moved = _is_whole(source, request, size)
    sent = f"File sent, checksum: {end.digest.hex()}"
    context.log.line(FileLine(sent, name_of(request.path)) if moved else sent)
    context.log.line("Finished sending file.")
    outcome = Outcome(end.size, end.digest, moved=moved)
    return outcome if moved else _located(outcome, request, source)


def _located(outcome: Outcome, request: Read, source: Source) -> Outcome:
    """Add which part of which version of the file was sent; `source` may be closed."""
    held = request.offset if request.prefix is not None else 0
    return outcome._replace(at=request.offset, version=version_of(source), held=held)


def _opening(request: Read, source: Source, size: int, version: bytes | None) -> File:
    """Return FILE, with the version and the size of the whole file if a version was asked for and there is one."""
    info = source.info
    total = None if version is None else info.size
    return File(
        id=request.id,
        size=size,
        mtime_ns=info.mtime_ns,
        mode=info.mode,
        version=version,
        total=total,
        holes=source.hole_bytes if request.holes else 0,
    )


class Summed(NamedTuple):
    """A file that was opened for SUM. `stored`: its digest, if the store has one and the whole file is asked about."""

    source: Source
    size: int
    stored: bytes | None


@handles(Sum)
def checksum(context: RequestContext, request: Sum) -> Outcome:
    """Answer SUM with OK and the digest; meanwhile the keepalive thread keeps the connection open.

    A client that may not read gets the digest of a file that it has sent itself, as long as the file is unchanged.
    """
    return answer_sum(context, request, lambda: open_summed(context, request))


def open_summed(context: RequestContext, request: Sum) -> Summed:
    """Open the file; the caller, who closes it, has to know that the client may read it."""
    source = with_size(context.store.open_source(request.path), request.path)
    try:
        require_version(source, request.version)
        size = _part(source, request)
        stored = source.stored_digest(request.algorithm) if size == source.info.size else None
    except BaseException:
        source.close()
        raise
    return Summed(source, size, stored)


def answer_sum(context: RequestContext, request: Sum, find: Callable[[], Summed]) -> Outcome:
    """Answer SUM about the file that `find` returns, and close that."""
    context.log.line(f"Client requesting checksum: {name_of(request.path)}")
    confirmed = _confirmed(context, request)
    if confirmed is None:
        context.require(Right.READ)
    context.check(request.id)
    begin_digest(request.algorithm)  # an algorithm that is not installed is refused in any case
    source, size, stored = find()
    with source:
        result = _computed(context, request, source, size) if stored is None else stored
    own = _is_own(context, request, confirmed, result)
    if not own:
        context.require(Right.READ)
    context.channel.send(Ok(id=request.id, size=size, digest=result, own=own))
    context.log.line(f"Checksum{'' if stored is None else ', stored with the file'}: {result.hex()}")
    return Outcome(size if stored is None else 0, result)


def _computed(context: RequestContext, request: Sum, source: Source, size: int) -> bytes:
    """Return the digest of what the request is about, which is read for it."""
    digest = begin_digest(request.algorithm)
    reporter = ProgressLog(context.log)

    def check(done: int) -> None:
        context.check(request.id)
        reporter(done, size)

    source.expect(request.offset, size)
    if hash_part(source.readv, digest, request.offset, size, check=check) < size:
        raise FileChanged("It became shorter while it was being read.")
    source.check_unchanged()
    return digest.digest()


def _confirmed(context: RequestContext, request: Sum) -> bytes | None:
    """Return the digest that was confirmed to this client for the whole file; None if it has not sent it."""
    if request.offset or request.length is not None:
        return None
    return context.confirmed.find(request.token, request.path, request.algorithm)


def _is_own(context: RequestContext, request: Sum, confirmed: bytes | None, found: bytes) -> bool:
    """Return whether the file still is the confirmed one, now that its digest was computed."""
    if confirmed is None or not hmac.compare_digest(confirmed, found):
        return False
    return _confirmed(context, request) == confirmed


def _part(source: Source, request: Read | Sum) -> int:
    """Return the number of bytes of the file that the requested range contains."""
    assert source.info.size is not None  # ensured by `with_size`
    size = max(0, source.info.size - request.offset)
    return size if request.length is None else min(size, request.length)


def _is_whole(source: Source, request: Read, size: int) -> bool:
    """Return whether this completes a file at the client; other ranges can be requested without end."""
    return request.offset + size == (source.info.size or 0) and (not request.offset or request.prefix is not None)


def _check_prefix(context: RequestContext, request: Read, source: Source, digest: Digest, prefix: bytes) -> None:
    """Hash the bytes that the client has already, and raise if its digest differs."""
    source.expect(0, request.offset)
    if not has_prefix(source.readv, digest, request.offset, prefix, check=lambda _: context.check(request.id)):
        raise ChecksumMismatch("The client has other bytes at the beginning of the file.")


def _abort(context: RequestContext, code: ErrorCode, done: int) -> Outcome:
    context.channel.send(Abort(code=code, text=text_for(code)))
    context.log.line(f"Aborted: {text_for(code)}")
    return Outcome(done, code=code)
