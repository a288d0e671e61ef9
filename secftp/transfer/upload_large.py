"""Upload of files that are too large to be packed with others: each a request of its own, followed by its data.

A file of which the server has kept a part continues behind that, if the part is the same here: the server compares the
digest of it, which is then updated with the rest. A file that was sent over a lost connection, without a reply, may
have arrived: it is compared before it is sent again, which would be refused where the server replaces nothing or the
file's directory is read-only by now. With the token of the copy, the server also tells a client that may not read
the digest of what it has received.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from secftp.errors import FileError, Side
from secftp.protocol import Error, ErrorCode, Info, Kind, Ok, Stat, Sum, Write
from secftp.session.replies import SingleReply
from secftp.storage import new_digest
from secftp.storage.attributes import same_time
from secftp.transfer.engine import CHANGED, hash_prefix
from secftp.transfer.options import KEEP_BYTES
from secftp.transfer.rate_limit import RateLimitedSource
from secftp.transfer.upload_requests import SumRequest, WriteRequest

if TYPE_CHECKING:
    from secftp.protocol import Message
    from secftp.storage import Digest, FileInfo, Source
    from secftp.transfer.engine import Transfer
    from secftp.transfer.local_tree import LocalEntry
    from secftp.transfer.upload_requests import Refusals
    from secftp.transport.file_data import Progress


def send_large(
    transfer: Transfer[LocalEntry], entry: LocalEntry, source: Source, *, token: bytes, can_resume: bool
) -> None:
    """Send a file, or the rest of it, without waiting for the reply; a failure of the file itself is counted.

    A file of unknown size is sent up to its end, and can't be resumed.
    """
    info = entry.info = source.info
    offset, digest = _resume_offset(transfer, entry, info.size), new_digest(transfer.algorithm)
    try:
        if offset:
            hash_prefix(source, digest, offset, transfer.waits)
        request = _write_request(
            transfer, entry, info, digest, offset, token=token, can_resume=can_resume, holes=source.hole_bytes
        )
    except FileError as problem:
        transfer.counters.failed(entry, problem.locate(Side.REMOTE))
        return
    if transfer.options.preserve:
        entry.count_unpreserved(transfer.counters, info.mode, info.mtime_ns)
    pending = WriteRequest(transfer, entry, digest, offset, is_size_known=info.size is not None)
    transfer.counters.begun(entry, offset)
    progress, chunk_size = pending.progress, transfer.limit.chunk_size
    if chunk_size is not None:
        source, progress = RateLimitedSource(source, chunk_size), _paced(transfer, progress)
    transfer.track(pending, entry)
    try:
        transfer.pipeline.send_file(
            request, source, digest, pending, offset=offset, progress=progress, waits=transfer.waits
        )
    except FileError as problem:
        pending.problem = problem  # the server's reply to the aborted file is still to come


def _resume_offset(transfer: Transfer[LocalEntry], entry: LocalEntry, size: int | None) -> int:
    """Return how many bytes of a file the server has kept from an earlier transfer, 0 if that can't be resumed."""
    answer, entry.partial = entry.partial, None
    kept = None if answer is None else transfer.await_reply(answer)
    if not isinstance(kept, Info) or size is None:
        return 0
    if kept.size > size:
        transfer.counters.listener.note(entry.name, CHANGED)
        return 0
    return kept.size


def _write_request(
    transfer: Transfer[LocalEntry],
    entry: LocalEntry,
    info: FileInfo,
    digest: Digest,
    offset: int,
    *,
    token: bytes,
    can_resume: bool,
    holes: int,
) -> Write:
    size, preserve = info.size, transfer.options.preserve
    return Write(
        id=transfer.pipeline.next_id(),
        path=entry.remote,
        size=None if size is None else size - offset,
        algorithm=transfer.algorithm,
        overwrite=transfer.options.overwrite,
        mode=info.mode if preserve else None,
        mtime_ns=info.mtime_ns if preserve else None,
        offset=offset,
        prefix=digest.digest() if offset else None,
        keep=can_resume and size is not None and size >= KEEP_BYTES,
        token=token,
        holes=holes,
        backup=transfer.options.backup_suffix,
    )


def _paced(transfer: Transfer[LocalEntry], progress: Progress) -> Progress:
    """Return a callback that also waits until the bytes are within the rate limit."""
    before = 0

    def paced(done: int, total: int | None, /) -> None:
        nonlocal before
        progress(done, total)
        transfer.pipeline.flush()
        transfer.limit.spend(transfer.pipeline.channel.sent_of(done - before))
        before = done

    return paced


# --- files that may have arrived --------------------------------------------------------------------------------------


def has_arrived(transfer: Transfer[LocalEntry], entry: LocalEntry, source: Source, token: bytes) -> bool:
    """Whether a file that was sent before is at the server as it is here; then it counts as complete.

    Where it is not to be replaced, its bytes alone decide: there are stores that can't keep the time of a new file.
    """
    size = source.info.size
    if size is None:
        return False
    needs_time = transfer.options.preserve and transfer.options.overwrite and not entry.is_refused
    answer = SingleReply()
    transfer.pipeline.submit(Stat(id=transfer.pipeline.next_id(), path=entry.remote), answer)
    there = transfer.await_reply(answer)
    may_look = not (isinstance(there, Error) and there.code is ErrorCode.FORBIDDEN)
    if may_look and not _looks_like(there, source, needs_time=needs_time):
        return False
    answer, digest = SingleReply(), new_digest(transfer.algorithm)
    transfer.pipeline.submit(_sum_of(transfer, entry, token), answer)
    transfer.pipeline.flush()
    if not may_look and not isinstance(transfer.await_reply(answer), Ok):
        return False  # before all of it is read here in vain
    try:
        hash_prefix(source, digest, size, transfer.waits)
        transfer.waits.call(source.check_unchanged)
    except FileError:
        return False  # sending it will report what is wrong
    finally:
        found = transfer.await_reply(answer)
    if not isinstance(found, Ok) or not hmac.compare_digest(found.digest or b"", digest.digest()):
        return False
    transfer.counters.reached(entry, size)
    if transfer.options.preserve and isinstance(there, Info):
        transfer.counters.changed(times=not same_time(there.mtime_ns, source.info.mtime_ns), modes=False)
    transfer.complete(entry, digest.digest())
    return True


def compare_refused(transfer: Transfer[LocalEntry], refused: Refusals, token: bytes) -> None:
    """Let refusals of small files count unless the files are there; empties the list."""
    while refused:
        entry, code, reason = refused[-1]
        request, pending = _sum_of(transfer, entry, token), SumRequest(transfer, entry, code, reason)
        transfer.track(pending)
        refused.pop()
        transfer.pipeline.submit(request, pending)
    transfer.pipeline.settle()


def _sum_of(transfer: Transfer[LocalEntry], entry: LocalEntry, token: bytes) -> Sum:
    return Sum(id=transfer.pipeline.next_id(), path=entry.remote, algorithm=transfer.algorithm, token=token)


def _looks_like(there: Message | None, source: Source, *, needs_time: bool) -> bool:
    """Whether a file at the server has the size of one here and, if that is needed, the time."""
    if not isinstance(there, Info) or there.kind is not Kind.FILE or there.size != source.info.size:
        return False
    return not needs_time or same_time(there.mtime_ns, source.info.mtime_ns)
