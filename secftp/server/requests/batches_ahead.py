"""Batches of small files that are written by a store in a network, where each file takes 50 ms and more.

A message has few files if they are not tiny, and a client sends many messages before it waits for a result. So the
files of those that have come already are given to the store together, as many as it takes at once. Each message is
answered when its last file is done, in the order of the requests.

Invariants: a batch is refused, and its files are examined, as if it were served alone; any other message ends the run,
and is served after it; what a run remembers of directories is as old as `_SECONDS` at most; the messages that wait for
their results are bounded.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.protocol import WriteMany
from secftp.server.requests.batch import WrittenBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.server.requests.context import RequestContext
    from secftp.storage import Path, WriteOptions
    from secftp.storage.attributes import Kept
    from secftp.transport import Received

_FLUSH_SECONDS: Final = 0.01  # as of all answers
_SECONDS: Final = 5.0


def is_batch(context: RequestContext, message: Received) -> bool:
    """Whether a request can be served together with those behind it."""
    return context.store.at_once > 1 and isinstance(message, WriteMany)


def serve_batches(context: RequestContext, first: Received, stopping: Callable[[], bool]) -> Received | None:
    """Serve a batch and those that come behind it meanwhile; return the message that ended the run, if any."""
    assert isinstance(first, WriteMany)
    run = _Run(context, first, stopping)
    try:
        with context.store.small_files() as small, contextlib.closing(small.write_each(run.files())) as outcomes:
            for outcome in outcomes:
                run.note(outcome)
        run.finish()
    finally:
        run.write_log()
    return run.other


class _Run:
    """The batches of one run. `other`: the message behind them that is none."""

    def __init__(self, context: RequestContext, first: WriteMany, stopping: Callable[[], bool]) -> None:
        self._context = context
        self._first = first
        self._stopping = stopping
        self._until = time.monotonic() + _SECONDS
        self._given: deque[WrittenBatch] = deque()  # that of each file which the store has been given
        self._waiting: deque[WrittenBatch] = deque()  # those without their answer
        self.other: Received | None = None

    def files(self) -> Iterator[tuple[Path, memoryview, WriteOptions]]:
        """Yield the files of the batches, as these come."""
        message: WriteMany | None = self._first
        while message is not None:
            batch = WrittenBatch(self._context, message)
            try:
                batch.begin()
            except FileError as problem:
                if self._waiting:
                    self.other = message  # refused when those before it are answered
                else:
                    batch.refuse(problem)
                return
            self._waiting.append(batch)
            for file in batch.verified():
                self._given.append(batch)
                yield file
            message = self._take_more()

    def _take_more(self) -> WriteMany | None:
        """Return the next batch if it has come; None at any other message, or at a bound."""
        is_full = len(self._waiting) >= self._context.store.at_once
        if is_full or self._stopping() or time.monotonic() > self._until:
            return None
        message = self._context.channel.receive_at_once()
        if isinstance(message, WriteMany):
            return message
        self.other = message
        return None

    def note(self, outcome: Kept | FileError) -> None:
        """Note what has become of the oldest file, and answer the batches that are done."""
        self._given.popleft().note(outcome)
        self.finish()
        if time.monotonic() - self._context.channel.last_sent > _FLUSH_SECONDS:
            self._context.channel.flush()

    def finish(self) -> None:
        """Answer the oldest batches as far as they are done."""
        while self._waiting and self._waiting[0].finish():
            self._waiting.popleft().write_log()

    def write_log(self) -> None:
        """Log what was done of batches that were not answered."""
        for batch in self._waiting:
            batch.write_log()
