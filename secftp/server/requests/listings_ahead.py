"""Listings of a store in a network that are begun while an earlier one is sent.

A directory takes such a store two rounds of requests of 50 ms and more, and a client that copies a tree requests
dozens of listings before it waits for one. Those that have come already are begun, each with as many entries as
`_ENTRIES`; the rest of a longer one is read when it is sent.

Invariants: a listing is answered by its own handler, in its turn; any other message ends the run, and is served after
it; what is read ahead is bounded, and closed when the session ends.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.protocol import Cancel, ErrorCode, List
from secftp.server.requests.listing import answer_list, scan
from secftp.server.requests.refusals import RequestInterrupted
from secftp.server.requests.serve import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from secftp.server.requests.context import Outcome, RequestContext
    from secftp.storage.objects.concurrency import Call
    from secftp.storage.store import ScanEntry
    from secftp.transport import Received

_AHEAD: Final = 16
_ENTRIES: Final = 256


def is_listing(context: RequestContext, message: Received) -> bool:
    """Whether a request is a listing that may be begun ahead."""
    return context.store.at_once > 1 and isinstance(message, List) and context.rights.list


def serve_listings(context: RequestContext, first: Received, stopping: Callable[[], bool]) -> Received | None:
    """Serve a listing and those that come behind it meanwhile; return the message that ended the run, if any."""
    assert isinstance(first, List)
    with contextlib.closing(_Run(context, stopping)) as run:
        run.begin(first)
        while run.waiting:
            run.take_more()
            run.serve_next()
    return run.other


class _Begun:
    """A listing whose first entries are read ahead."""

    def __init__(self, context: RequestContext, request: List) -> None:
        self.request = request
        self.reading: Call[None]
        self._context = context
        self._scanned: Generator[ScanEntry, None, None] | None = None
        self._entries: list[ScanEntry] = []
        self._problem: FileError | None = None

    def read(self) -> None:
        """Read the first entries."""
        try:
            self._scanned = scan(self._context, self.request)
            self._entries.extend(itertools.islice(self._scanned, _ENTRIES))
        except FileError as problem:
            self._problem = problem

    def entries(self) -> Generator[ScanEntry, None, None]:
        """Yield all of them, or raise what the store has raised."""
        self.reading.result()
        yield from self._entries
        if self._problem is not None:
            raise self._problem
        if self._scanned is not None:
            yield from self._scanned

    def answer(self, context: RequestContext, request: List) -> Outcome:
        """Answer it as its handler does."""
        return answer_list(context, request, self.entries)

    def close(self) -> None:
        """End the listing, once nothing of it is read any more."""
        if self._scanned is not None:
            self._scanned.close()


class _Run:
    """The listings of one run. `waiting`: those without an answer. `other`: the message behind them that is none."""

    def __init__(self, context: RequestContext, stopping: Callable[[], bool]) -> None:
        from secftp.storage.objects.concurrency import Threads  # only where a store is remote

        self._context = context
        self._stopping = stopping
        self._threads = Threads(_AHEAD, "secftp-listings")
        self.waiting: deque[_Begun] = deque()
        self.other: Received | None = None

    def begin(self, request: List) -> None:
        """Begin to read a listing."""
        begun = _Begun(self._context, request)
        begun.reading = self._threads.submit(_Begun.read, begun)
        self.waiting.append(begun)

    def take_more(self) -> None:
        """Take the listings that have come, up to the first message that is none."""
        while self.other is None and len(self.waiting) < _AHEAD and not self._stopping():
            message = self._context.channel.receive_at_once()
            if message is None:
                return
            if isinstance(message, List):
                self.begin(message)
            else:
                self.other = message

    def serve_next(self) -> None:
        """Answer the oldest listing."""
        begun, other = self.waiting[0], self.other
        is_cancelled = isinstance(other, Cancel) and other.id == begun.request.id
        serve(self._context, begun.request, _refuse_cancelled if is_cancelled else begun.answer)
        self.waiting.popleft()
        begun.reading.give_up()  # it may run still, if it was refused or cancelled
        begun.close()

    def close(self) -> None:
        """Close what is left."""
        self._threads.close()
        for begun in self.waiting:
            begun.close()


def _refuse_cancelled(context: RequestContext, request: List) -> Outcome:  # noqa: ARG001
    raise RequestInterrupted(ErrorCode.CANCELLED)
