"""State of a file that is sent in parts over several sessions at once, which its streams share.

Invariants: all parts are read from one open file, and are confirmed one by one; the file is complete when the server
says so, once, and never because all parts are confirmed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from secftp.transfer.parts import PartQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.errors import FileError
    from secftp.intervals import Intervals
    from secftp.protocol import Error, Ok
    from secftp.session.uploads import PartedFile
    from secftp.storage import Source
    from secftp.transfer.ordered_digest import OrderedDigest
    from secftp.transfer.parts import Part
    from secftp.transfer.rate_limit import RateLimit

_MOST_REPEATED: Final = 64  # parts that a server answers with an error which is not about the file


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
        self._repeated = 0
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
        if not self.failed:  # a part behind one that was refused may be taken all the same
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

    def may_repeat(self) -> bool:
        """Count a part that the server has sent back; return False if there were so many that it must mean the file."""
        with self.changed:
            self._repeated += 1
            return self._repeated <= _MOST_REPEATED

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

    def wait_for_work(self) -> bool:
        """Wait until a part is given back; return False if all has arrived, or the file is given up."""
        return self.queue.wait_for_work(split=False)
