"""Questions about files that are put to a store several at once, where each takes the time of a network.

A client that compares a tree asks about hundreds of files before it waits for an answer, and a store in a network
answers each after 50 ms and more. So those that have come already are put to it together, as many as `Store.at_once`
says, and answered in the order of the requests. Only what changes nothing: STAT, and of SUM the opening of the file and
the digest that the store has.

Invariants: a request is served by its own handler, with what was found for it; any other message ends the run, and is
served after it. What was opened is closed when the session ends.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from secftp.errors import FileError
from secftp.protocol import Stat, Sum
from secftp.server.requests.listing import Looked, answer_stat, look
from secftp.server.requests.read import Summed, answer_sum, open_summed
from secftp.server.requests.serve import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.requests.context import Outcome, RequestContext
    from secftp.storage.objects.concurrency import Call
    from secftp.transport import Received

_Question: TypeAlias = Stat | Sum
_FLUSH_SECONDS: Final = 0.01  # as of all answers: a client that waits for one goes on


def is_question(context: RequestContext, message: Received) -> bool:
    """Whether a request can be served together with those behind it."""
    return context.store.at_once > 1 and isinstance(message, Stat | Sum)


def serve_questions(context: RequestContext, first: Received, stopping: Callable[[], bool]) -> Received | None:
    """Serve a question and those that come behind it meanwhile; return the message that ended the run, if any."""
    assert isinstance(first, Stat | Sum)
    with contextlib.closing(_Run(context, stopping)) as run:
        run.ask(first)
        while run.waiting:
            run.take_more()
            run.serve_next()
            if time.monotonic() - context.channel.last_sent > _FLUSH_SECONDS:
                context.channel.flush()
    return run.other


class _Prepared(NamedTuple):
    """A question with what was found, or went wrong; None if the store was not asked."""

    question: _Question
    found: Looked | Summed | FileError | None = None

    def answer(self, context: RequestContext, request: Any) -> Outcome:
        """Answer it, as a handler does."""
        if isinstance(request, Stat):
            return answer_stat(context, request, self._looked)
        return answer_sum(context, request, self._summed)

    def _looked(self) -> Looked:
        assert not isinstance(self.found, Summed | None)
        if isinstance(self.found, FileError):
            raise self.found
        return self.found

    def _summed(self) -> Summed:
        assert not isinstance(self.found, Looked | None)
        if isinstance(self.found, FileError):
            raise self.found
        return self.found


class _Run:
    """The questions of one run. `waiting`: those without an answer. `other`: the message behind them that is none."""

    def __init__(self, context: RequestContext, stopping: Callable[[], bool]) -> None:
        from secftp.storage.objects.concurrency import Threads  # only where a store is remote

        self._context = context
        self._stopping = stopping
        self._threads = Threads(context.store.at_once, "secftp-questions")
        self._opened: list[Summed] = []
        self.waiting: deque[Call[_Prepared]] = deque()
        self.other: Received | None = None

    def ask(self, question: _Question) -> None:
        """Begin to find out what is to be answered."""
        self.waiting.append(self._threads.submit(self.prepare, question))

    def take_more(self) -> None:
        """Take the questions that have come, up to the first message that is none."""
        while self.other is None and len(self.waiting) < self._context.store.at_once and not self._stopping():
            message = self._context.channel.receive_at_once()
            if message is None:
                return
            if isinstance(message, Stat | Sum):
                self.ask(message)
            else:
                self.other = message

    def prepare(self, question: _Question) -> _Prepared:
        """Ask the store about one file; in a thread of its own."""
        context = self._context
        try:
            if isinstance(question, Stat):
                return _Prepared(question, look(context, question))
            if not context.rights.read:
                return _Prepared(question)  # whether the file may be read is found out in its turn
            found = open_summed(context, question)
        except FileError as problem:
            return _Prepared(question, problem)
        self._opened.append(found)
        return _Prepared(question, found)

    def serve_next(self) -> None:
        """Answer the oldest question with what was found."""
        prepared = self.waiting.popleft().result()
        found = prepared.found
        try:
            if found is None:
                serve(self._context, prepared.question)
            else:
                serve(self._context, prepared.question, prepared.answer)
        finally:
            if isinstance(found, Summed):
                self._opened.remove(found)
                found.source.close()

    def close(self) -> None:
        """Close what no answer has closed, once nothing is being opened any more."""
        self._threads.close()
        for found in self._opened:
            found.source.close()
