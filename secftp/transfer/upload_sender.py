"""Streams that send the parts of an upload: one part after the other, each with its digest.

A stream sends the next part while the answer to the last one is on its way. Invariant: a part whose answer did not come
goes back to the queue.
"""

from __future__ import annotations

import hmac
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import ChecksumMismatch, FileError
from secftp.protocol import Capability, Error, ErrorCode, Ok, remote_failure
from secftp.session.replies import unexpected_reply
from secftp.storage import new_digest
from secftp.transfer.rate_limit import RateLimitedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.session import Session
    from secftp.session.pipeline import Pipeline
    from secftp.storage import Digest, Source
    from secftp.transfer.parts import Part
    from secftp.transfer.upload_parts import PartedUpload
    from secftp.transport import Received

# How much of one stream may be sent and not confirmed when it takes the next part: one part, or so many bytes in small
# ones. A stream that is slow takes no more, so that the last parts of a file are left to those that are fast.
_UNCONFIRMED_BYTES: Final = 2**19
# Error replies that say nothing about the file: this side has aborted the part, or the server ends an additional
# session.
_ABORTED: Final = frozenset({ErrorCode.CANCELLED})
_GIVEN_WAY: Final = _ABORTED | {ErrorCode.LIMIT, ErrorCode.STOPPING}


class PartReply:
    """The reply to one part. Errors in `not_counted` only give the part back: others send it."""

    __slots__ = ("complete", "digest", "not_counted", "part", "upload")

    def __init__(
        self, upload: PartedUpload, part: Part | None, digest: Digest, not_counted: frozenset[ErrorCode]
    ) -> None:
        self.upload = upload
        self.part = part
        self.digest = digest
        self.not_counted = not_counted
        self.complete = False

    def __call__(self, received: Received) -> bool:
        """Take the reply."""
        self.complete = True
        upload = self.upload
        if isinstance(received, Error):
            self.give_back()
            if received.code not in self.not_counted or not upload.may_repeat():
                upload.refuse(received)
        elif not isinstance(received, Ok):
            raise unexpected_reply()
        elif received.digest is not None and not hmac.compare_digest(received.digest, self.digest.digest()):
            self.give_back()
            upload.fail(
                remote_failure(
                    ChecksumMismatch,
                    upload.file.path,
                    "the server confirmed a checksum that is not that of what was sent.",
                    hint="Try again.",
                )
            )
        else:
            upload.confirm(self.part, received)
        return True

    def give_back(self) -> None:
        """Let the part be sent again."""
        if self.part is not None:
            self.upload.queue.give_back(self.part)


class PartSender:
    """Sends parts of an upload over one session. `on_progress` is called while that lasts, in its thread."""

    def __init__(
        self,
        upload: PartedUpload,
        pipeline: Pipeline,
        source: Source,
        *,
        is_additional: bool = False,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._upload = upload
        self._pipeline = pipeline
        self._is_additional = is_additional
        self._on_progress = on_progress
        chunk_size = upload.limit.chunk_size
        self._source = source if chunk_size is None else RateLimitedSource(source, chunk_size)
        self._replies: deque[PartReply] = deque()

    @property
    def unconfirmed(self) -> int:
        """The number of parts without a reply."""
        while self._replies and self._replies[0].complete:
            self._replies.popleft()
        return len(self._replies)

    @property
    def _unconfirmed_bytes(self) -> int:
        return sum(reply.part.size for reply in self._replies if reply.part is not None)

    def run(self) -> None:
        """Send parts until none is left, and wait for their replies. Raises what ends the session.

        Of a file that is left to the additional streams, also those that others give back, and what completes it.
        """
        upload = self._upload
        try:
            self.send_parts()
            self.settle()
            while upload.is_left and upload.wait_for_work():
                self.send_parts()
                self.settle()
            if upload.is_left:
                self.complete()
        finally:
            self.give_up()

    def complete(self) -> None:
        """Complete a file whose parts were confirmed, if no part has done so; `is_incomplete` tells if it can't be."""
        upload = self._upload
        if not upload.over:
            self.send_empty(is_last=True)
            self.settle()
            upload.is_incomplete = not upload.over

    def send_parts(self) -> None:
        """Send parts until none is left to take; replies to the last ones are still to come."""
        while (part := self._upload.take()) is not None:
            self._send(part, part.at, part.size)
            while self.unconfirmed > 1 and self._unconfirmed_bytes > _UNCONFIRMED_BYTES:
                self.settle(self.unconfirmed - 1)

    def send_empty(self, *, is_last: bool = False) -> None:
        """Send an empty part: before all others, or as the last one, with the digest of the whole file."""
        self._send(None, self._upload.file.total, 0, with_whole=is_last)

    def _send(self, part: Part | None, at: int, size: int, *, with_whole: bool = True) -> None:
        """Send a part; its reply is waited for by `settle`. A failure of the source ends the upload."""
        upload, pipeline = self._upload, self._pipeline
        digest = new_digest(upload.file.algorithm)
        reply = PartReply(upload, part, digest, _GIVEN_WAY if self._is_additional else _ABORTED)
        self._replies.append(reply)
        request = upload.file.part(pipeline.next_id(), at, size, prefix=upload.prefix, additional=self._is_additional)
        try:
            pipeline.send_file(
                request,
                self._source,
                digest,
                reply,
                offset=at,
                progress=self._progress_of(part),
                whole=lambda: upload.digest_before_end(pipeline.flush) if with_whole else None,
                stopped=lambda: upload.over,
            )
        except FileError as problem:
            upload.fail(problem)

    def settle(self, unconfirmed: int = 0) -> None:
        """Wait until no more than so many parts have no reply."""
        while self.unconfirmed > unconfirmed:
            self._pipeline.step()  # may be another request's reply, for which streams wait
            self._on_progress()

    def give_up(self) -> None:
        """Give back what no reply has come for."""
        for reply in self._replies:
            if not reply.complete:
                reply.give_back()
        self._replies.clear()

    def _progress_of(self, part: Part | None) -> Callable[[int, int | None], None]:
        upload, limit = self._upload, self._upload.limit
        before = 0

        def progress(done: int, _total: int | None, /) -> None:
            nonlocal before
            if part is not None:
                upload.queue.reach(part, part.at + done)
            self._on_progress()
            if limit.rate:
                self._pipeline.flush()
                limit.spend(self._pipeline.channel.sent_of(done - before))
                before = done

        return progress


def send_parts_of(upload: PartedUpload, session: Session) -> None:
    """Send parts over an additional stream until none is left. Raises what ends the session."""
    if not session.can(Capability.UPLOADS):
        return
    source = upload.join()
    if source is None:
        return
    try:
        PartSender(upload, session.pipeline, source, is_additional=True).run()
    finally:
        upload.leave()
