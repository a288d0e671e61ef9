"""Pipelined requests: many under way at once, answered in the order in which they were made.

Each request brings a callback for its reply: one message, or FILE and what follows it. To wait for one reply takes in
all those before it, so a callback may run while something else is being done: it never waits, and keeps what is wrong
with its one file for the caller that made the request. What a callback raises ends the session.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.errors import ConnectionLost, FileError, ProtocolError, ServerBusy
from secftp.protocol import (
    Abort,
    Bye,
    Cancel,
    Capability,
    Error,
    ErrorCode,
    List,
    Read,
    ReadMany,
    Request,
    Welcome,
    code_for,
    text_for,
)
from secftp.protocol.limits import MAX_BULK, TOKEN_BYTES
from secftp.transport.file_data import Progress, SendInterrupted, send_file
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.protocol import End, Message, Write
    from secftp.session.replies import Reply
    from secftp.storage import Digest, Source
    from secftp.transport import Channel, Received
    from secftp.waits import Waits

# Gets each part of a reply, and returns whether it was the last; an ERROR always is.
OnReply: TypeAlias = "Callable[[Received], bool]"

# While a server sends such a reply it takes in no more than its buffers hold, and so does this side while it sends. So
# many bytes of requests, which those buffers surely hold, may be sent meanwhile.
_BULKY: Final = (Read, ReadMany, List)
_BEHIND_BULKY_BYTES: Final = 4 * MAX_BULK
# A file of no more bytes does not wait for WELCOME to be compressed, or sent without its holes: that would take longer
# than to send it.
_UNCOMPRESSED_BYTES: Final = 2**18


class _SentRequest(NamedTuple):
    """A request without its complete reply; `is_bulky`: the reply can be large.

    `refused`: what is handed to the callback when it is its turn, of a request that was not sent.
    """

    on_reply: OnReply
    nbytes: int
    is_bulky: bool
    refused: Error | None = None


class Pipeline:
    """The requests of one session. Not for two threads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.waits = channel.waits
        self.welcome: Welcome | None = None
        self.compress: int | None = None  # level at which files may be compressed; None: they are not
        self._lacking: frozenset[Capability] = frozenset()  # that WELCOME does not name
        self._pending: deque[_SentRequest] = deque()
        self._nbytes = 0  # of these requests
        self._bulky = 0  # of them
        self._to_cancel: list[int] = []
        self._over = False
        self._last_id = 0
        self._keepalive = channel.new_keepalive()
        self._keepalive_users = 0

    @property
    def unanswered(self) -> int:
        """How many requests have no complete reply yet."""
        return len(self._pending)

    @property
    def most_unanswered(self) -> int:
        """How many requests may be unanswered at once: what every server grants, until WELCOME says it."""
        return self.channel.pending.limit

    def next_id(self) -> int:
        """Return the id of a new request, which must be submitted next."""
        self._last_id += 1
        return self._last_id

    def submit(self, request: Message, on_reply: OnReply) -> None:
        """Make a request. It leaves with the next flush. Waits for replies while too many are to come.

        One of a type that the server lacks, by its WELCOME, is not sent: its reply is ERROR `unsupported`.
        """
        if self._lacking and request.TYPE.capability in self._lacking:
            self._refuse(request, on_reply)
            return
        while self.channel.pending.full or (self._bulky and self._nbytes > _BEHIND_BULKY_BYTES):
            self.step()
        self.waits.pace()  # many may be submitted before anything is received
        with _LastWords(self):
            self._send_cancels()
            nbytes = self.channel.send(request)
        is_bulky = isinstance(request, _BULKY)
        self._pending.append(_SentRequest(on_reply, nbytes, is_bulky))
        self._nbytes += nbytes
        self._bulky += is_bulky

    def _refuse(self, request: Message, on_reply: OnReply) -> None:
        assert isinstance(request, Request)
        refused = Error(id=request.id, code=ErrorCode.UNSUPPORTED)
        self._pending.append(_SentRequest(on_reply, 0, is_bulky=False, refused=refused))
        self._answer_refused()

    def _answer_refused(self) -> None:
        """Hand out the replies to requests that were not sent, up to one that was."""
        while self._pending and (refused := self._pending[0].refused) is not None:
            self._pending.popleft().on_reply(refused)

    def step(self) -> None:
        """Wait for the next part of a reply and hand it to its callback. Sends first what is queued, if it waits.

        Raises what `Channel.receive` does, and `ConnectionLost` when the server says BYE.
        """
        with _LastWords(self):
            self._send_cancels()
            received = self.channel.receive()
        self._dispatch(received)

    def step_at_once(self) -> bool:
        """Do as `step` if that needs no waiting; return whether there was something. Sends nothing."""
        received = self.channel.receive_at_once()
        if received is not None:
            self._dispatch(received)
        return received is not None

    def wait_for(self, reply: Reply) -> None:
        """Wait until a reply is complete."""
        while not reply.complete:
            self.step()

    def exchange(self, request: Message, reply: Reply) -> None:
        """Make a request and wait for its reply. A loss of the connection does not matter once that is complete."""
        try:
            self.submit(request, reply)
            self.wait_for(reply)
        except ConnectionLost:
            if not reply.complete:
                raise

    def await_welcome(self) -> Welcome:
        """Return the server's first message, once it has come."""
        while self.welcome is None:
            self.step()
        return self.welcome

    def settle(self) -> None:
        """Wait until every request is answered."""
        while self._pending:
            self.step()

    def poll(self) -> None:
        """Take in what has come, without waiting."""
        while not self._over and self.channel.waiting():
            self._dispatch(self.channel.receive())

    def flush(self) -> None:
        """Send what is queued."""
        with _LastWords(self):
            self.channel.flush()

    def cancel(self, request: int) -> None:
        """Ask the server to end the reply to this request early; at most once for each.

        It is heeded for READ, LIST, SUM and READMANY, unless the reply is complete by then.
        """
        self.channel.send(Cancel(id=request))
        self.channel.flush()

    def cancel_later(self, request: int) -> None:
        """Cancel it with the next request. Sends nothing now, so a generator may call it wherever it is closed."""
        self._to_cancel.append(request)

    def _send_cancels(self) -> None:
        while self._to_cancel:
            self.channel.send(Cancel(id=self._to_cancel.pop()))

    @contextlib.contextmanager
    def keepalive(self) -> Iterator[None]:
        """Send keepalives in this block, where the thread may be busy elsewhere for long: a pipe, a pager, a disk."""
        self._keepalive_users += 1
        if self._keepalive_users == 1:
            self._keepalive.add(self.channel)
        try:
            yield
        finally:
            self._keepalive_users -= 1
            if not self._keepalive_users:
                self._keepalive.remove(self.channel)

    def send_file(
        self,
        request: Write,
        source: Source,
        digest: Digest,
        reply: Reply,
        *,
        offset: int = 0,
        progress: Progress,
        whole: Callable[[], bytes | None] = lambda: None,
        stopped: Callable[[], bool] = lambda: False,
        waits: Waits = DIRECT,
    ) -> End | None:
        """Submit a WRITE and its file, `request.size` bytes from `offset` on. Does not wait for the reply.

        `whole` is called before the end of a part, for the digest of the whole file. Returns None if the server replied
        before all was sent, or `stopped()` returned true: the file was aborted then. If the source fails, the file
        is aborted, too, and the `FileError` raised; the reply still comes. `waits`: for the source.

        Waits first for replies that can be large: with those in one direction and a file in the other, each side would
        wait for the other to read.
        """
        while self._bulky:
            self.step()
        may_wait = request.size is None or request.size > _UNCOMPRESSED_BYTES
        if may_wait and (self.compress is not None or source.is_sparse):
            self.await_welcome()  # which tells whether the server supports it
        self.submit(request, reply)

        def answered() -> bool:
            while not reply.complete and self.channel.waiting():
                self._dispatch(self.channel.receive())
            return reply.complete or stopped()

        with _LastWords(self):
            try:
                return send_file(
                    self.channel,
                    source,
                    digest,
                    offset=offset,
                    length=request.size,
                    interrupted=answered,
                    progress=progress,
                    whole=whole,
                    compress=self.compress,
                    waits=waits,
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

    def _dispatch(self, received: Received) -> None:
        self.waits.pace()  # many may have come at once
        if isinstance(received, Welcome):
            self.welcome = received
            self._lacking = frozenset(Capability).difference(received.capabilities)
        elif isinstance(received, Bye):
            self._over = True
            raise _farewell(received)
        elif not self._pending:
            raise ProtocolError("An unexpected message was received.")
        elif self._pending[0].on_reply(received):
            _, nbytes, is_bulky, _ = self._pending.popleft()
            self._nbytes -= nbytes
            self._bulky -= is_bulky
            if self._lacking:
                self._answer_refused()


class _LastWords:
    """Context manager that takes in what the server had sent before a lost connection is reported.

    Replies that were on their way tell what is complete, and the reason in a BYE is worth more than the loss.
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


def new_token() -> bytes:
    """Return a random token for a request: a server makes the change once, however often it is asked for with that."""
    return os.urandom(TOKEN_BYTES)
