"""Streams that fetch parts: which file's part is next, and the requests that each stream has under way.

Two parts are requested on each stream, so that the server always has the next one. Invariant: what a stream has not
finished when its session ends is given back.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import ServerBusy
from secftp.protocol import Capability, Read, Sum
from secftp.transfer.file_in_parts import FileInParts, PartReply, SumReply

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.session import Session
    from secftp.session.pipeline import Pipeline
    from secftp.transfer.parts import Part

_DEPTH: Final = 2
_CHECK_SECONDS: Final = 0.5  # between looks for a stream that hangs


class PartScheduler:
    """The files that are fetched in parts, in order. For any number of threads.

    `on_change` is called for each change, on the thread that makes it. `spend`: see `PartReply`.
    """

    def __init__(self, on_change: Callable[[], None], spend: Callable[[int], None]) -> None:
        self.spend = spend
        self._files: tuple[FileInParts, ...] = ()
        self._changed = threading.Condition()
        self._on_change = on_change

    def add(self, file: FileInParts) -> None:
        """Let the parts of a file be taken."""
        with self._changed:
            self._files = (*self._files, file)
            self._changed.notify_all()

    def remove(self, file: FileInParts) -> None:
        """Let no more parts of a file be taken: it is over."""
        with self._changed:
            self._files = tuple(each for each in self._files if each is not file)
            self._changed.notify_all()

    @property
    def files(self) -> tuple[FileInParts, ...]:
        """The files that are not over."""
        return self._files

    def take(self, *, split: bool) -> tuple[FileInParts, Part] | None:
        """Return the next part; with `split` a half of another stream's, if there is no other."""
        files = self._files
        for splits in (False, True)[: 1 + split]:
            for file in files:
                if (part := file.queue.take(split=splits)) is not None:
                    return file, part
        return None

    def wait(self) -> bool:
        """Wait until there is something to do; return False when no file is left."""
        with self._changed:
            while self._files:
                if any(file.queue.has_work() or file.needs_sum for file in self._files):
                    return True
                self._changed.wait(_CHECK_SECONDS)
            return False

    def changed(self) -> None:
        """Wake the threads that wait."""
        with self._changed:
            self._changed.notify_all()
        self._on_change()

    def work(self, session: Session) -> None:
        """Fetch parts over an additional session, until no file is left; raises what ends the session."""
        stream = PartStream(session.pipeline, self, additional=True)
        try:
            while True:
                if stream.feed():
                    session.pipeline.step()
                    stream.check()
                elif not self.wait():
                    return
        finally:
            stream.abandon()


class PartStream:
    """The requests of one session."""

    def __init__(self, pipeline: Pipeline, scheduler: PartScheduler, *, additional: bool) -> None:
        self._pipeline = pipeline
        self._scheduler = scheduler
        self._additional = additional
        self._replies: list[PartReply | SumReply] = []

    def feed(self) -> bool:
        """Request parts until enough are under way; return whether any reply is to come."""
        replies = self._replies = [reply for reply in self._replies if not reply.is_over]
        while len(replies) < _DEPTH:
            found = self._scheduler.take(split=not replies)
            if found is None:
                break
            self._request(*found)
        self._ask_sums()
        return bool(self._replies)

    def check(self) -> None:
        """Raise `ServerBusy` if this session is of no use: its server has another version of a file, or is stopping."""
        if any(isinstance(reply, PartReply) and reply.is_useless for reply in self._replies):
            raise ServerBusy("The server has no place for another stream.")

    def abandon(self) -> None:
        """Give back what has not come."""
        for reply in self._replies:
            reply.give_back()
        self._replies.clear()

    def _request(self, file: FileInParts, part: Part) -> None:
        number, length = self._pipeline.next_id(), part.size
        reply = PartReply(
            file,
            part,
            length,
            lambda: self._pipeline.cancel(number),
            self._spend,
            is_known=not self._additional,
        )
        self._replies.append(reply)
        request = Read(
            id=number,
            path=file.path,
            offset=part.at,
            length=length,
            algorithm=file.algorithm,
            version=file.version,
            additional=self._additional,
            compress=self._pipeline.compress,
            holes=True,
        )
        self._pipeline.submit(request, reply)

    def _spend(self, nbytes: int) -> None:
        self._scheduler.spend(self._pipeline.channel.sent_of(nbytes))

    def _ask_sums(self) -> None:
        """Ask for the digests of the files, once their server has said that it can."""
        if not any(file.needs_sum for file in self._scheduler.files):
            return
        if self._replies and self._pipeline.welcome is None:
            return  # it comes with them
        if Capability.VERSIONS not in self._pipeline.await_welcome().capabilities:
            raise ServerBusy("The server has no place for another stream.")
        for file in self._scheduler.files:
            if file.claim_sum():
                reply = SumReply(file)
                self._replies.append(reply)
                request = Sum(
                    id=self._pipeline.next_id(), path=file.path, algorithm=file.algorithm, version=file.version
                )
                self._pipeline.submit(request, reply)
