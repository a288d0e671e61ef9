"""Upload of one file in parts, over several sessions at once.

Each stream takes a part from the queue, sends it with its digest, and takes the next one while the answer is on its
way. A part whose answer did not come goes back to the queue. Invariants: all parts are read from one open file, and are
confirmed one by one; the file is complete when the server says so, once, and never because all parts are confirmed.
"""

from __future__ import annotations

import hmac
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import ChecksumMismatch, FileError
from secftp.protocol import Capability, Error, ErrorCode, Ok, remote_failure
from secftp.session.replies import unexpected_reply
from secftp.storage import new_digest
from secftp.transfer.parts import PartQueue
from secftp.transfer.rate_limit import RateLimitedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.intervals import Intervals
    from secftp.session import Session
    from secftp.session.pipeline import Pipeline
    from secftp.session.uploads import PartedFile
    from secftp.storage import Digest, Source
    from secftp.transfer.ordered_digest import OrderedDigest
    from secftp.transfer.parts import Part
    from secftp.transfer.rate_limit import RateLimit
    from secftp.transport import Received

# How much of one stream may be sent and not confirmed when it takes the next part: one part, or so many bytes in small
# ones. A stream that is slow takes no more, so that the last parts of a file are left to those that are fast.
_UNCONFIRMED_BYTES: Final = 2**19
# Error replies that say nothing about the file: this side has aborted the part, or it was sent again meanwhile; or the
# server ends an additional session.
_SENT_AGAIN: Final = frozenset({ErrorCode.CANCELLED})
_GIVEN_WAY: Final = _SENT_AGAIN | {ErrorCode.LIMIT, ErrorCode.STOPPING}


class PartedUpload:
    """A file that is sent in parts: what its streams share. For any number of threads.

    `source` is closed when the last stream has left it. `whole`: the digest of the whole file. `done`: what the server
    has already. `prefix`: the digest of that, until the server has taken it over.
    """

    def __init__(
        self,
        file: PartedFile,
        source: Source,
        whole: OrderedDigest,
        limit: RateLimit,
        *,
        streams: int,
        done: Intervals | None = None,
        prefix: bytes | None = None,
    ) -> None:
        self.file = file
        self.prefix = prefix
        self.stamp = source.stamp
        self.whole = whole
        self.limit = limit
        self.changed = threading.Condition()
        self.queue = PartQueue(file.total, streams, done=done, on_change=self._notify)
        self.answer: Ok | None = None  # the one that completed the file
        self.refusal: Error | None = None
        self.problem: FileError | None = None  # of this side; it says more than a refusal
        self.was_sent = False  # all of it, with the digest of the whole: it may be complete
        self.was_answered = False  # some part of it has arrived
        self.is_incomplete = False  # although all its parts were confirmed
        self.is_left = False  # to the additional streams: the session of the copy is lost
        self._source = source
        self._users = 1  # the thread of the copy
        whole.start(source)
        self._allow(0)

    # --- state --------------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether it is complete, has failed or was given up: nothing is to be sent any more."""
        return self.queue.stopped

    @property
    def failed(self) -> bool:
        """Whether something is wrong with the file."""
        return self.problem is not None or self.refusal is not None

    def fail(self, problem: FileError) -> None:
        """Give the file up for a reason of this side."""
        with self.changed:
            if self.answer is None and not self.failed:
                self.problem = problem
        self.stop()

    def refuse(self, refusal: Error) -> None:
        """Give the file up because the server refuses it; what follows from an earlier failure does not count."""
        with self.changed:
            if not self.over:
                self.refusal = refusal
        self.stop()

    def confirm(self, part: Part | None, answer: Ok) -> None:
        """Note that a part has arrived, None for the empty one at the end; and the file, if the answer says so."""
        self.prefix = None
        self.was_answered = True
        if answer.complete:
            with self.changed:
                if not self.failed:
                    self.answer = answer
            self.stop()
        if part is not None:
            self.queue.finish(part)

    def miss(self, done: Intervals) -> None:
        """Send again what is not in `done`, which the server has; nothing is being sent."""
        self.is_incomplete = False
        self.queue = PartQueue(self.file.total, self.queue.streams, done=done, on_change=self._notify)

    def stop(self) -> None:
        """Let nothing more be sent, and wake those who wait."""
        self.queue.stop()
        self.whole.wake()

    def wait(self, seconds: float) -> None:
        """Wait for a change, at most for so many seconds; return at once if there is something to do."""
        with self.changed:
            if not (self.over or self.queue.complete or not self.queue.is_taken):
                self.changed.wait(seconds)

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until it is over."""
        with self.changed:
            self.changed.wait_for(lambda: self.over, seconds)

    def close(self) -> None:
        """Leave it, as a stream does; the digest is not computed any further."""
        self.stop()
        self.whole.stop()
        self.leave()

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    # --- for streams --------------------------------------------------------------------------------------------------

    def join(self) -> Source | None:
        """Return the source for another stream, which has to call `leave`; None if it is not needed any more."""
        with self.changed:
            if self.over:
                return None
            self._users += 1
            return self._source

    @property
    def source(self) -> Source:
        """The source, for the thread of the copy."""
        return self._source

    def leave(self) -> None:
        """Close the source if no other stream uses it."""
        with self.changed:
            self._users -= 1
            is_last = self._users == 0
        if is_last:
            self._source.close()

    def take(self) -> Part | None:
        """Return the next part; None if there is none to take."""
        part = self.queue.take(split=False, may_shrink=False)
        if part is not None:
            self._allow(part.end)
        return part

    def _allow(self, end: int) -> None:
        self.whole.allow(self.file.total if self.queue.is_taken else end)

    def digest_before_end(self, flush: Callable[[], None]) -> bytes | None:
        """Return the digest of the whole file for the end of a part, None if it is not known and parts follow.

        What is sent last waits for it; `flush` is called before that.
        """
        digest = self.whole.result
        if self.queue.is_taken:
            if digest is None:
                flush()
                digest = self.whole.wait(lambda: self.over)
            self.was_sent = self.was_sent or digest is not None
        return digest

    def work(self, session: Session) -> None:
        """Send parts over an additional stream until none is left. Raises what ends the session."""
        if not session.can(Capability.UPLOADS):
            return
        source = self.join()
        if source is None:
            return
        try:
            PartSender(self, session.pipeline, source, is_additional=True).run()
        finally:
            self.leave()

    def wait_for_work(self) -> bool:
        """Wait until a part is given back; return False if all has arrived, or the file is given up."""
        return self.queue.wait_for_work(split=False)


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
            if received.code not in self.not_counted:
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
        reply = PartReply(upload, part, digest, _GIVEN_WAY if self._is_additional else _SENT_AGAIN)
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
                limit.spend(done - before - self._pipeline.channel.take_saved())
                before = done

        return progress
