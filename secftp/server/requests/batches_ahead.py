"""Batches of small files that are read of a store in a network, where each file takes 50 ms and more.

A message has few files if they are not tiny, and a client sends many messages before it waits for a result. So the
files of those that have come already are asked of the store together, as many as it takes at once. Each message is
answered in the order of the requests. `writes_ahead` has those that are written.

Invariants: a batch is refused, and its files are examined, as if it were served alone; any other message ends the run,
and is served after it; the messages that wait for their results are bounded.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.protocol import ReadMany
from secftp.protocol.limits import MAX_SMALL
from secftp.server.requests.batch import send_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.server.requests.context import RequestContext
    from secftp.storage import Path
    from secftp.transport import Received

_FLUSH_SECONDS: Final = 0.01  # as of all answers
_SECONDS: Final = 5.0


def is_batch(context: RequestContext, message: Received) -> bool:
    """Whether a request can be served together with those behind it."""
    return context.store.at_once > 1 and isinstance(message, ReadMany) and context.rights.read


def serve_batches(context: RequestContext, first: Received, stopping: Callable[[], bool]) -> Received | None:
    """Serve a batch and those that come behind it meanwhile; return the message that ended the run, if any."""
    assert isinstance(first, ReadMany)
    run = _Reads(context, first, stopping)
    with context.store.small_files() as small, contextlib.closing(small.read_each(run.paths(), MAX_SMALL)) as found:
        while run.waiting:
            request = run.waiting.popleft()
            each = itertools.islice(found, len(request.paths))
            send_many(context, request, each)
            deque(each, 0)  # of a request that was cancelled
            run.flush()
    return run.other


class _Reads:
    """The batches of one run. `waiting`: those that are not answered yet. `other`: the message behind them."""

    def __init__(self, context: RequestContext, first: ReadMany, stopping: Callable[[], bool]) -> None:
        self._context = context
        self._stopping = stopping
        self._until = time.monotonic() + _SECONDS
        self._first = first
        self.waiting = deque([first])
        self.other: Received | None = None

    def paths(self) -> Iterator[Path]:
        """Yield the paths of the batches, as these come."""
        message: ReadMany | None = self._first
        while message is not None:
            yield from message.paths
            message = self._take_more()
            if message is not None:
                self.waiting.append(message)

    def _take_more(self) -> ReadMany | None:
        """Return the next batch if it has come; None at any other message, or at a bound."""
        if len(self.waiting) >= self._context.store.at_once or self._stopping() or time.monotonic() > self._until:
            return None
        message = self._context.channel.receive_at_once()
        if isinstance(message, ReadMany):
            return message
        self.other = message
        return None

    def flush(self) -> None:
        """Have answers leave that have waited."""
        if time.monotonic() - self._context.channel.last_sent > _FLUSH_SECONDS:
            self._context.channel.flush()
