"""Batches of small files of a store in a network, where each file takes 50 ms and more.

A message has few files if they are not tiny, and a client sends many messages before it waits for a result. So the
files of those that have come already are given to the store together, as many as it takes at once. Each message is
answered when its last file is done, in the order of the requests.

Invariants: a batch is refused, and its files are examined, as if it were served alone; any other message ends the run,
and is served after it; what a run remembers of directories is as old as `_SECONDS` at most; the messages that wait for
their results are bounded.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from secftp.errors import FileError
from secftp.protocol import ReadMany, WriteMany
from secftp.protocol.limits import MAX_SMALL
from secftp.server.requests.batch import WrittenBatch, send_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.server.requests.context import RequestContext
    from secftp.storage import Path, WriteOptions
    from secftp.storage.attributes import Kept
    from secftp.transport import Received

_Batch = TypeVar("_Batch", ReadMany, WriteMany)

_FLUSH_SECONDS: Final = 0.01  # as of all answers
_SECONDS: Final = 5.0


def is_batch(context: RequestContext, message: Received) -> bool:
    """Whether a request can be served together with those behind it."""
    if context.store.at_once == 1:
        return False
    return isinstance(message, WriteMany) or (isinstance(message, ReadMany) and context.rights.read)


def serve_batches(context: RequestContext, first: Received, stopping: Callable[[], bool]) -> Received | None:
    """Serve a batch and those that come behind it meanwhile; return the message that ended the run, if any."""
    if isinstance(first, WriteMany):
        return _write(context, first, stopping)
    assert isinstance(first, ReadMany)
    return _read(context, first, stopping)


def _write(context: RequestContext, first: WriteMany, stopping: Callable[[], bool]) -> Received | None:
    run = _Writes(context, first, stopping)
    try:
        with context.store.small_files() as small, contextlib.closing(small.write_each(run.files())) as outcomes:
            for outcome in outcomes:
                run.note(outcome)
        run.finish()
    finally:
        run.write_log()
    return run.other


def _read(context: RequestContext, first: ReadMany, stopping: Callable[[], bool]) -> Received | None:
    run = _Reads(context, first, stopping)
    with context.store.small_files() as small, contextlib.closing(small.read_each(run.paths(), MAX_SMALL)) as found:
        while run.waiting:
            request = run.waiting.popleft()
            each = itertools.islice(found, len(request.paths))
            send_many(context, request, each)
            deque(each, 0)  # of a request that was cancelled
            run.flush()
    return run.other


class _Run:
    """The batches of one run. `other`: the message behind them that is none of these."""

    def __init__(self, context: RequestContext, stopping: Callable[[], bool]) -> None:
        self._context = context
        self._stopping = stopping
        self._until = time.monotonic() + _SECONDS
        self.other: Received | None = None

    def _take_more(self, kind: type[_Batch], waiting: int) -> _Batch | None:
        """Return the next batch if it has come; None at any other message, or at a bound."""
        if waiting >= self._context.store.at_once or self._stopping() or time.monotonic() > self._until:
            return None
        message = self._context.channel.receive_at_once()
        if isinstance(message, kind):
            return message
        self.other = message
        return None

    def flush(self) -> None:
        """Have answers leave that have waited."""
        if time.monotonic() - self._context.channel.last_sent > _FLUSH_SECONDS:
            self._context.channel.flush()


class _Reads(_Run):
    """Batches that are read. `waiting`: those that are not answered yet."""

    def __init__(self, context: RequestContext, first: ReadMany, stopping: Callable[[], bool]) -> None:
        super().__init__(context, stopping)
        self._first = first
        self.waiting = deque([first])

    def paths(self) -> Iterator[Path]:
        """Yield the paths of the batches, as these come."""
        message: ReadMany | None = self._first
        while message is not None:
            yield from message.paths
            message = self._take_more(ReadMany, len(self.waiting))
            if message is not None:
                self.waiting.append(message)


class _Writes(_Run):
    """Batches that are written."""

    def __init__(self, context: RequestContext, first: WriteMany, stopping: Callable[[], bool]) -> None:
        super().__init__(context, stopping)
        self._first = first
        self._given: deque[WrittenBatch] = deque()  # that of each file which the store has been given
        self._waiting: deque[WrittenBatch] = deque()  # those without their answer

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
            message = self._take_more(WriteMany, len(self._waiting))

    def note(self, outcome: Kept | FileError) -> None:
        """Note what has become of the oldest file, and answer the batches that are done."""
        self._given.popleft().note(outcome)
        self.finish()
        self.flush()

    def finish(self) -> None:
        """Answer the oldest batches as far as they are done."""
        while self._waiting and self._waiting[0].finish():
            self._waiting.popleft().write_log()

    def write_log(self) -> None:
        """Log what was done of batches that were not answered."""
        for batch in self._waiting:
            batch.write_log()
