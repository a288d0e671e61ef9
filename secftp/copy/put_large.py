"""Files that are too large to be packed with others: each a request of its own, its bytes straight behind it.

A file that the server has kept a part of goes on behind that, if the part is what is here; the server compares it by
the digest of it, which is then carried on over the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.copy.limit import Metered
from secftp.copy.options import KEEP_BYTES
from secftp.copy.prefix import hash_prefix
from secftp.copy.put_again import has_arrived
from secftp.copy.put_flights import FileFlight
from secftp.errors import FileError, Side
from secftp.messages import Info, Write
from secftp.storage import new_digest

if TYPE_CHECKING:
    from secftp.copy.sending import Sending
    from secftp.copy.steps import Step
    from secftp.storage import Digest, Source


def send_large(base: Sending, step: Step, source: Source) -> None:
    """Send a file; its answer is not waited for. What is wrong with the file itself is told to the tally.

    One whose size the system does not tell is sent up to its end, and can't be gone on with.
    """
    step.info = source.info
    if has_arrived(base, step, source):
        return
    size, is_known = source.info.size or 0, source.info.size is not None
    digest = new_digest(base.algorithm)
    try:
        offset = _kept(base, step, size) if is_known else 0
        if offset:
            hash_prefix(source, digest, offset)
        request = _request(base, step, size if is_known else None, offset, digest)
    except FileError as problem:
        base.tally.failed(step.name, problem.locate(Side.REMOTE), planned=size)
        return
    base.note(step, source.info.mode, source.info.mtime_ns)
    flight = FileFlight(base, step, size if is_known else None, digest, offset)
    if step.kept is None:
        step.kept = step.told = offset
        base.tally.listener.started(step.name, size)
        if offset:
            base.tally.listener.resumed(step.name, offset)
    else:
        flight.tell(offset)
    _stream(base, request, source, flight)


def _kept(base: Sending, step: Step, size: int) -> int:
    """How many bytes of a file the server has kept."""
    answer, step.partial = step.partial, None
    if answer is None:
        return 0
    while not answer.complete:
        base.pipeline.step()
    kept = answer.message
    if not isinstance(kept, Info):
        return 0
    if kept.size > size:
        base.tally.listener.note(step.name, "it has changed since it was broken off, so it starts again")
        return 0
    return kept.size


def _request(base: Sending, step: Step, size: int | None, offset: int, digest: Digest) -> Write:
    info, preserve = step.info, base.options.preserve
    return Write(
        id=base.pipeline.next_id(),
        path=step.remote,
        size=None if size is None else size - offset,
        algorithm=base.algorithm,
        overwrite=base.options.overwrite,
        mode=info.mode if info is not None and preserve else None,
        mtime_ns=info.mtime_ns if info is not None and preserve else None,
        offset=offset,
        prefix=digest.digest() if offset else None,
        keep=base.can_keep and size is not None and size >= KEEP_BYTES,
        token=base.token,
    )


def _stream(base: Sending, request: Write, source: Source, flight: FileFlight) -> None:
    pipeline, limit = base.pipeline, base.limit
    portion, before = limit.portion, 0

    def paced(done: int, total: int | None, /) -> None:
        nonlocal before
        flight.progress(done, total)
        pipeline.flush()
        limit.spend(done - before)
        before = done

    base.depart(flight)
    try:
        pipeline.send_file(
            request,
            source if portion is None else Metered(source, portion),
            flight.digest,
            flight,
            offset=flight.offset,
            progress=flight.progress if portion is None else paced,
        )
    except FileError as problem:
        flight.problem = problem  # the server's answer to the file that was broken off is still to come
