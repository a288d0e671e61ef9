"""One file that is being sent in parts, for the thread of the copy: it sends parts like the streams, and reports.

Additional streams begin once the server has answered what was requested before the file: until then the file's
directory may be missing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp.intervals import Intervals
from secftp.protocol import Error, ErrorCode, Info, Stat
from secftp.session.replies import SingleReply
from secftp.transfer.upload_requests import NOT_RESUMED, compares_again, why_not_resumed
from secftp.transfer.upload_sender import PartSender, send_parts_of

if TYPE_CHECKING:
    from secftp.session import Session
    from secftp.transfer.engine import Transfer
    from secftp.transfer.local_tree import LocalEntry
    from secftp.transfer.streams import StreamTuner
    from secftp.transfer.upload_parts import PartedUpload

_HUNG_SECONDS: Final = 5.0
REPORT_SECONDS: Final = 0.25  # between reports while only other streams send
_MOST_MISSES: Final = 3  # how often a server may lack parts that it has confirmed
# Error replies to a part that are about parts and not about the file: it is sent whole.
_NOT_IN_PARTS: Final = frozenset({ErrorCode.LIMIT, ErrorCode.UNSUPPORTED})


class SentFile:
    """A file that is being sent in parts, for the thread of the copy. `tuner`: adds streams, None for no more."""

    def __init__(
        self,
        transfer: Transfer[LocalEntry],
        entry: LocalEntry,
        upload: PartedUpload,
        streams: int,
        tuner: StreamTuner | None,
    ) -> None:
        self.entry = entry
        self.upload = upload
        self._transfer = transfer
        self._streams = streams
        self.tuner = tuner
        self._misses = 0
        self._moved = -1, 0.0  # bytes that were transferred, and since when no more
        self._has_started = streams <= 1
        self._takes_over = upload.prefix is not None
        # Whether an empty part goes ahead: streams wait until the server has compared the digest of what it has kept,
        # and until it is known that the file is not there where it would not be replaced.
        self._asks_first = self._takes_over or not upload.file.overwrite
        self._sender = PartSender(upload, transfer.pipeline, upload.source, on_progress=self.report)

    def send(self) -> None:
        """Send parts over the session of the copy until none is left; does not wait for the last replies."""
        if self._asks_first and not self.upload.queue.is_taken:
            self._sender.send_empty()
        self._start_streams()
        self._sender.send_parts()

    def finish(self) -> None:
        """Wait until the file is complete or has failed; send what other streams have given back."""
        upload, sender = self.upload, self._sender
        while not upload.over:
            self.report()
            self._transfer.check_streams()
            if not upload.queue.is_taken:
                sender.send_parts()
            elif sender.unconfirmed:
                sender.settle(sender.unconfirmed - 1)
            elif upload.queue.complete:
                sender.complete()
                if upload.is_incomplete and not self._ask_what_is_missing():
                    return
            else:
                upload.wait(REPORT_SECONDS)
                self._look_for_hung_streams()
        sender.settle()

    def _look_for_hung_streams(self) -> None:
        """Send what other streams have taken, if nothing has moved for a while: a part may be sent twice."""
        now, transferred = time.monotonic(), self.upload.queue.transferred
        if transferred != self._moved[0]:
            self._moved = transferred, now
        elif now - self._moved[1] > _HUNG_SECONDS:
            self._moved = transferred, now
            self.upload.queue.give_back_held()

    def _ask_what_is_missing(self) -> bool:
        """Have the parts sent again that the server lacks although it confirmed them; False if that is in vain.

        None should be lacking. But a server that was restarted, or a bug of one, should not cost the whole file.
        """
        transfer, upload, answer = self._transfer, self.upload, SingleReply()
        self._misses += 1
        if self._misses > _MOST_MISSES:
            return False
        stat = Stat(id=transfer.pipeline.next_id(), path=self.entry.remote, partial=True, parts=True)
        transfer.pipeline.submit(stat, answer)
        kept = transfer.await_reply(answer)
        if not isinstance(kept, Info) or kept.total != upload.file.total:
            return False
        upload.miss(ranges_of(kept))
        return True

    @property
    def is_under_way(self) -> bool:
        """Whether other streams may still complete it."""
        return not (self.upload.over or self.upload.is_incomplete)

    def leave(self) -> None:
        """Leave the file to the additional streams: the session of the copy is lost."""
        self._sender.give_up()
        self._has_started = self.upload.is_left = True

    def close(self) -> None:
        """Send nothing more; the source is closed when the last stream has left."""
        self._sender.give_up()
        self.upload.close()

    def count(self) -> None:
        """Count the file as complete, as failed, or have it sent once more."""
        entry, upload, transfer = self.entry, self.upload, self._transfer
        counters, answer, problem = transfer.counters, upload.answer, upload.problem
        if answer is not None:
            counters.reached(entry, upload.file.total)
            counters.changed(times=answer.time_changed, modes=answer.mode_changed)
            transfer.complete(entry, upload.whole.result)
        elif problem is not None:
            counters.reached(entry, 0)
            counters.failed(entry, problem)
        elif upload.refusal is not None:
            self._count_refusal(upload.refusal)
        else:
            entry.is_whole = True
            transfer.start_again(entry, "the server has not kept all parts of it, so it starts again")

    def _count_refusal(self, refusal: Error) -> None:
        entry, transfer, code = self.entry, self._transfer, refusal.code
        if transfer.ends_transfer(code, refusal.reason, (entry,)):
            entry.upload = self.upload
        elif self._takes_over and self.upload.prefix is not None and code in NOT_RESUMED:
            transfer.start_again(entry, why_not_resumed(refusal.reason))
        elif code in _NOT_IN_PARTS:
            entry.is_whole = True
            transfer.counters.reached(entry, 0)
            transfer.requeue(entry)
        else:
            transfer.counters.reached(entry, 0)
            if not compares_again(transfer, entry, code):
                transfer.refused(entry, code, refusal.reason)

    def report(self) -> None:
        """Report progress; let other streams begin as soon as the server is ready for them."""
        transferred = self.upload.queue.transferred
        self._transfer.counters.reached(self.entry, transferred)
        self._start_streams()
        if self.tuner is not None and self._has_started and not self.upload.is_left:
            for _ in range(self.tuner.more(transferred, self.upload.file.total)):
                self._transfer.streams.add()

    def _work(self, session: Session) -> None:
        send_parts_of(self.upload, session)

    def _start_streams(self) -> None:
        is_ready = self._transfer.pipeline.unanswered <= self._sender.unconfirmed
        if self._asks_first:
            is_ready = is_ready and self.upload.was_answered
        if not self._has_started and is_ready:
            self._has_started = True
            self._transfer.streams.run(self._work, self._streams)


def ranges_of(kept: Info) -> Intervals:
    """Return what the server has kept of a file; without a list of parts, it is the beginning."""
    return Intervals([(part.at, part.at + part.size) for part in kept.parts] or [(0, kept.size)])
