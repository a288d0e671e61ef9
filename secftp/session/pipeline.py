"""Requests out and answers in: many of them under way at once, answered in the order in which they were made.

Each request brings a handler, which gets what comes in answer to it: one message, or FILE and what follows it. Whoever
waits for one answer thereby takes in all that come before it, so handlers run while something else is being done: they
never wait, and what is wrong with their one file they keep for whoever made the request. What a handler raises is the
end of the session.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.channel import Keepalive
from secftp.errors import ConnectionLost, FileError, ProtocolError, ServerBusy
from secftp.messages import (
    Abort,
    Bye,
    Cancel,
    ErrorCode,
    List,
    Read,
    ReadMany,
    Welcome,
    code_for,
    text_for,
)
from secftp.messages.limits import MAX_BULK
from secftp.transfer import Progress, SendInterrupted, send_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.channel import Channel, Received
    from secftp.messages import End, Message, Write
    from secftp.session.replies import SingleReply
    from secftp.storage import Digest, Source

Handler: TypeAlias = "Callable[[Received], bool]"

# A server that sends such an answer takes in no more than its buffers hold, and so does this end while it sends: bytes
# of requests that it surely has room for may be sent meanwhile.
_BULKY: Final = (Read, ReadMany, List)
_BEHIND_BULKY_BYTES: Final = 4 * MAX_BULK


class _UnderWay(NamedTuple):
    """A request without its answer; `is_bulky`: that can be large."""

    handler: Handler
    nbytes: int
    is_bulky: bool


class Pipeline:
    """The requests of one session. Not for two threads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.welcome: Welcome | None = None
        self._under_way: deque[_UnderWay] = deque()
        self._nbytes = 0  # of these requests
        self._bulky = 0  # of them
        self._unwanted: list[int] = []
        self._over = False
        self._last_id = 0
        self._keepalive = Keepalive()
        self._keepalive_users = 0

    @property
    def unanswered(self) -> int:
        """How many requests have no complete answer yet."""
        return len(self._under_way)

    def next_id(self) -> int:
        """The id of a new request, which must be submitted next."""
        self._last_id += 1
        return self._last_id

    def submit(self, request: Message, handler: Handler) -> None:
        """Make a request. It leaves with the next flush; waits for answers while too many are to come.

        A handler is called with the answer, and returns whether that is complete; an ERROR is a complete answer.
        """
        while self.channel.pending.full or (self._bulky and self._nbytes > _BEHIND_BULKY_BYTES):
            self.step()
        with self._hearing():
            self._cancel_unwanted()
            nbytes = self.channel.send(request)
        is_bulky = isinstance(request, _BULKY)
        self._under_way.append(_UnderWay(handler, nbytes, is_bulky))
        self._nbytes += nbytes
        self._bulky += is_bulky

    def step(self) -> None:
        """Wait for the next part of an answer and hand it to whom it is for. Sends first what is queued, if it waits.

        Raises what `Channel.receive` does, and `ConnectionLost` when the server says BYE.
        """
        with self._hearing():
            self._cancel_unwanted()
            received = self.channel.receive()
        self._hand_over(received)

    def await_welcome(self) -> Welcome:
        """The server's first message, once it has come."""
        while self.welcome is None:
            self.step()
        return self.welcome

    def settle(self) -> None:
        """Wait until every request is answered."""
        while self._under_way:
            self.step()

    def poll(self) -> None:
        """Take in what has come, without waiting."""
        while not self._over and self.channel.waiting():
            self._hand_over(self.channel.receive())

    def flush(self) -> None:
        """Send what is queued."""
        with self._hearing():
            self.channel.flush()

    def cancel(self, request: int) -> None:
        """Ask the server to end the answer to this request before its end; at most once for each.

        It is heeded for READ, LIST, SUM and READMANY, unless that is over by then.
        """
        self.channel.send(Cancel(id=request))
        self.channel.flush()

    def give_up(self, request: int) -> None:
        """As `cancel`, but it leaves with the next request: callable wherever a generator may happen to be closed."""
        self._unwanted.append(request)

    def _cancel_unwanted(self) -> None:
        while self._unwanted:
            self.channel.send(Cancel(id=self._unwanted.pop()))

    @contextlib.contextmanager
    def keepalive(self) -> Iterator[None]:
        """Give signs of life while this thread may be busy elsewhere for long: a pipe, a pager, a slow disk."""
        self._keepalive_users += 1
        if self._keepalive_users == 1:
            self._keepalive.watch(self.channel)
        try:
            yield
        finally:
            self._keepalive_users -= 1
            if not self._keepalive_users:
                self._keepalive.forget(self.channel)

    def send_file(
        self,
        request: Write,
        source: Source,
        digest: Digest,
        answer: SingleReply,
        *,
        offset: int = 0,
        progress: Progress,
    ) -> End | None:
        """Submit a WRITE with its file, `request.size` bytes from `offset` on; does not wait for the answer.

        None when the server answered before all was sent, with the file broken off. When the source fails, the file is
        broken off too, and the `FileError` raised; the answer still comes. Waits first for answers that can be large:
        with those in one direction and a file in the other, each end would wait for the other to read.
        """
        while self._bulky:
            self.step()
        self.submit(request, answer)

        def answered() -> bool:
            while not answer.complete and self.channel.waiting():
                self._hand_over(self.channel.receive())
            return answer.complete

        with self._hearing():
            try:
                return send_file(
                    self.channel,
                    source,
                    digest,
                    offset=offset,
                    length=request.size,
                    interrupted=answered,
                    progress=progress,
                )
            except SendInterrupted:
                self._abort(ErrorCode.CANCELLED)
                return None
            except FileError as problem:
                self._abort(code_for(problem))
                raise

    def _abort(self, code: ErrorCode) -> None:
        self.channel.send(Abort(code=code, text=text_for(code)))
        self.channel.flush()

    def _hand_over(self, received: Received) -> None:
        if isinstance(received, Welcome):
            self.welcome = received
        elif isinstance(received, Bye):
            self._over = True
            raise _farewell(received)
        elif not self._under_way:
            raise ProtocolError("Something came that nobody asked for.")
        elif self._under_way[0].handler(received):
            _, nbytes, is_bulky = self._under_way.popleft()
            self._nbytes -= nbytes
            self._bulky -= is_bulky

    def _hearing(self) -> _LastWords:
        return _LastWords(self)


class _LastWords:
    """In its block: before a lost connection is reported, what the server had said until then is taken in.

    Answers that were on their way tell what is complete, and a reason is worth more than the loss.
    """

    __slots__ = ("_pipeline",)

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is ConnectionLost:
            self._pipeline.poll()


def _farewell(message: Bye) -> ConnectionLost | ServerBusy:
    if message.code is ErrorCode.STOPPING:
        return ConnectionLost("The server is stopping and ended the session.", hint="Try again later.")
    if message.code is ErrorCode.LIMIT:
        return ServerBusy("The server has too many clients.", hint="Try again later.")
    return ConnectionLost("The server ended the session.", hint="Try again.")
