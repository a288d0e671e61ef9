"""State machine of a session, and the requests that wait for their replies.

One table of states serves both directions and both roles. A `Receiver` follows one direction; the two of a session
share one `RequestQueue`. An endpoint holds both: it asks one about each message that it receives, and the other about
each message before it sends it, so that its own mistakes surface as the error that they would be at the peer.

    pending = RequestQueue()
    to_server = Receiver(Direction.TO_SERVER, pending, now)
    to_client = Receiver(Direction.TO_CLIENT, pending, now)

Invariant: what is in no cell of the table is refused, and a receiver that has refused anything refuses everything from
then on. A reply is accepted only for the oldest unanswered request, and only if it is of a kind that answers it.

Source: docs/PROTOCOL.md, section 10.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import ConnectionLost, ProtocolError
from secftp.protocol.limits import HOLE_DRAIN, MAX_DATA, MAX_DRAIN, MAX_SIZE, MIN_REQUESTS, PING_BURST, PING_RATE
from secftp.protocol.message import (
    MESSAGE_TYPES,
    Abort,
    Bye,
    Capability,
    CompressedData,
    Data,
    Direction,
    End,
    Hole,
    Ping,
)
from secftp.protocol.replies import Entries, Error, File, Files, Ok, Response, Results, Welcome
from secftp.protocol.requests import Cancel, Copy, Read, Request, Sum, Write
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.protocol.message import Message, MessageType


class State(enum.Enum):
    """The state of one direction. FAILED is final after a refusal: unlike CLOSED, it is no orderly end."""

    START = "start"
    IDLE = "idle"
    WRITING = "writing"
    READING = "reading"
    CLOSED = "closed"
    FAILED = "failed"


def _types(base: type[Message]) -> Iterator[MessageType]:
    """Yield the types of all messages that are requests, or replies."""
    return (form for form in MESSAGE_TYPES.values() if issubclass(form.struct, base))


TRANSITIONS: Final[dict[Direction, dict[State, dict[type[Message], State]]]] = {
    Direction.TO_SERVER: {
        State.IDLE: {
            Ping: State.IDLE,
            Cancel: State.IDLE,
            **{form.struct: State.WRITING if form.opens_file else State.IDLE for form in _types(Request)},
            Bye: State.CLOSED,
        },
        State.WRITING: {
            Ping: State.WRITING,
            Cancel: State.WRITING,
            Data: State.WRITING,
            CompressedData: State.WRITING,
            Hole: State.WRITING,
            End: State.IDLE,
            Abort: State.IDLE,
        },
        State.CLOSED: {},
        State.FAILED: {},
    },
    Direction.TO_CLIENT: {
        State.START: {Welcome: State.IDLE},
        State.IDLE: {
            Ping: State.IDLE,
            **{form.struct: State.READING if form.opens_file else State.IDLE for form in _types(Response)},
            Bye: State.CLOSED,
        },
        State.READING: {
            Ping: State.READING,
            Data: State.READING,
            CompressedData: State.READING,
            Hole: State.READING,
            End: State.IDLE,
            Abort: State.IDLE,
        },
        State.CLOSED: {},
        State.FAILED: {},
    },
}

INITIAL: Final = {Direction.TO_SERVER: State.IDLE, Direction.TO_CLIENT: State.START}


class FileProgress:
    """A file in transfer: `total` bytes so far, at most `limit`, exactly `announced` unless that is None.

    `is_part`: it is a part of an upload. `may_be_compressed`, `may_have_holes`: its receiver wants ZDATA, or HOLE, if
    the server supports that.
    """

    __slots__ = (
        "announced", "is_part", "is_refused", "limit", "may_be_compressed", "may_have_holes", "total", "whole",
    )  # fmt: skip

    def __init__(
        self,
        announced: int | None,
        *,
        is_part: bool = False,
        may_be_compressed: bool = True,
        may_have_holes: bool = True,
    ) -> None:
        self.announced = announced
        self.is_part = is_part
        self.is_refused = False
        self.may_be_compressed = may_be_compressed
        self.may_have_holes = may_have_holes
        self.limit = MAX_SIZE if announced is None else announced
        self.total = 0
        self.whole = False  # its END has been seen

    def refuse(self) -> None:
        """Bound what may still arrive: the sender learns of the refusal only after the bytes that are in transit."""
        self.is_refused = True
        self.limit = min(self.limit, self.total + MAX_DRAIN)

    def skip(self, size: int) -> None:
        """Count a hole of so many bytes, which are not in transit: in a refused file it counts as a few."""
        self.total += size
        if self.is_refused:
            most = MAX_SIZE if self.announced is None else self.announced
            self.limit = min(most, self.limit + max(0, size - HOLE_DRAIN))


class Unanswered:
    """A request without its complete answer: its id, its type, the file that follows a WRITE, the small files left.

    `compress`, `holes`: whether the answer to a READ may be compressed, or have holes.
    """

    __slots__ = ("compress", "file", "files", "holes", "id", "kind")

    def __init__(self, request: Request) -> None:
        self.id = request.id
        self.kind = request.TYPE
        self.file = None
        if isinstance(request, Write):
            self.file = FileProgress(request.size, is_part=request.upload is not None)
        self.compress = isinstance(request, Read) and request.compress is not None
        self.holes = isinstance(request, Read) and request.holes
        self.files = request.small_files()

    def take(self, reply: Response) -> bool:
        """Take a reply to this request, and return whether it completes the answer (that of a FILE ends with END).

        Raises `ProtocolError` for a reply about another number of files than requested.
        """
        match reply:
            case File():
                return False
            case Entries():
                return reply.last
            case Files():
                self.files -= len(reply.files)
            case Results():
                self.files -= len(reply.codes)
            case Error():
                if self.file is not None:
                    self.file.refuse()  # what is left of it will be discarded
                return True
            case _:
                return True
        if self.files < 0 or (self.files and isinstance(reply, Results)):
            raise ProtocolError("A reply is not about as many files as its request.")
        return not self.files


class RequestQueue:
    """Queue of the unanswered requests, which the two `Receiver`s of a session share.

    `limit` is how many there may be: what every server grants, until WELCOME sets it. `compression`: whether WELCOME
    named that capability, `holes` that for holes. One thread may follow each direction: requests enter on one side and
    leave on the other.
    """

    __slots__ = ("_queue", "compression", "holes", "limit")

    def __init__(self) -> None:
        self.limit = MIN_REQUESTS
        self.compression = False
        self.holes = False
        self._queue: deque[Unanswered] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether one more request would exceed the limit."""
        return len(self._queue) >= self.limit

    def add(self, request: Request) -> Unanswered:
        """Append a request. Raises `ProtocolError` if too many are unanswered."""
        if self.full:
            raise ProtocolError("More requests are unanswered than the server grants.")
        entry = Unanswered(request)
        self._queue.append(entry)
        return entry

    def match(self, reply: Response) -> Unanswered:
        """Return the request that `reply` answers, which stays queued. Raises `ProtocolError` if it answers none."""
        if not self._queue or self._queue[0].id != reply.id:
            raise ProtocolError("A reply does not belong to the oldest unanswered request.")
        entry = self._queue[0]
        if type(reply) not in entry.kind.answers:
            raise ProtocolError("A reply is not of a kind that answers its request.")
        if isinstance(reply, Ok) and entry.file is not None and not entry.file.whole:
            raise ProtocolError("A file was confirmed before its end was sent.")
        if isinstance(reply, Ok) and entry.kind.struct is Sum and (reply.size is None or reply.digest is None):
            raise ProtocolError("OK for a SUM lacks what was asked for.")
        if isinstance(reply, Ok) and entry.kind.struct is Copy and reply.size is None:
            raise ProtocolError("OK for a COPY lacks the size.")
        return entry

    def pop(self) -> None:
        """Remove the oldest request: its answer is complete."""
        self._queue.popleft()


class Receiver:
    """Follows one direction. `began` is the time when the handshake ended, in seconds of any clock.

    Every refusal is a `ProtocolError` and final.
    """

    __slots__ = ("_cancels", "_file", "_last_id", "_pending", "_pings", "_requests", "_table", "direction", "state")

    def __init__(self, direction: Direction, pending: RequestQueue, began: float) -> None:
        self.direction = direction
        self.state = INITIAL[direction]
        self._table = TRANSITIONS[direction]
        self._pending = pending
        self._file: FileProgress | None = None  # the file in transfer: set in WRITING and READING only
        # Without a capacity: a receiver that is busy for an hour finds an hour's PINGs in its buffers.
        self._pings = TokenBucket(PING_RATE, math.inf, began, tokens=PING_BURST)
        self._last_id = 0
        self._requests = 0
        self._cancels = 0

    def accept(self, message: Message, now: float) -> None:
        """Take the next message of this direction; `now` is the time on the clock of `began`.

        Raises `ProtocolError` if the message is not allowed in this state, or breaks a rule about ids, sizes or rates.
        """
        following = self._table[self.state].get(type(message))
        if following is None:
            self._fail()
            raise ProtocolError(f"{message.TYPE.name} is not allowed at this point.")
        try:
            self._check(message, now)
        except ProtocolError:
            self._fail()
            raise
        self.state = following

    def accept_data(self, nbytes: int) -> None:
        """Take a DATA frame of `nbytes` without flags: a fast path of `accept` for the most frequent message.

        Raises `ProtocolError` if no file is in transfer, for a length not in 1..65536, and beyond the announced size.
        """
        file = self._file
        if file is not None and 0 < nbytes <= MAX_DATA:
            total = file.total + nbytes
            if total <= file.limit:
                file.total = total
                return
        self._fail()
        if file is None:
            raise ProtocolError("DATA is not allowed at this point.")
        raise ProtocolError("DATA is empty, too long, or more than was announced.")

    def end_of_stream(self) -> None:
        """Take the end of the connection. Raises `ConnectionLost` (truncation) unless BYE came before."""
        if self.state is not State.CLOSED:
            self._fail()
            raise ConnectionLost("The connection ended without a proper close.")

    def refuse(self) -> None:
        """Take what could not be decoded: this direction accepts nothing from now on."""
        self._fail()

    def _fail(self) -> None:
        self.state = State.FAILED
        self._file = None

    def _check(self, message: Message, now: float) -> None:
        """Apply the rules that a table of states can't express, and note what later rules need."""
        match message:
            case Ping():
                if not self._pings.take(1, now):
                    raise ProtocolError("PING came too often.")
            case Data(payload):
                self.accept_data(len(payload))
            case CompressedData() | Hole():
                self._check_sparse_data(message)
            case Request():
                self._check_request(message)
            case Cancel():
                self._check_cancel(message)
            case Response():
                self._check_reply(message)
            case End() | Abort():
                self._check_end(message)
            case Welcome():
                self._pending.limit = message.limits.requests
                self._pending.compression = Capability.ZSTD in message.capabilities
                self._pending.holes = Capability.HOLES in message.capabilities

    def _check_sparse_data(self, message: CompressedData | Hole) -> None:
        """Count bytes of a file that are not sent as they are, before they are decompressed, written or hashed."""
        file, pending = self._file, self._pending
        assert file is not None  # the table lets them pass only during a file
        if isinstance(message, CompressedData):
            is_allowed = file.may_be_compressed and pending.compression
            file.total += message.clear_size
        else:
            is_allowed = file.may_have_holes and pending.holes
            file.skip(message.size)
        if not is_allowed:
            raise ProtocolError(f"{message.TYPE.name} is not allowed for this file.")
        if file.total > file.limit:
            raise ProtocolError(f"{message.TYPE.name} is more than was announced.")

    def _check_request(self, request: Request) -> None:
        if request.id <= self._last_id:
            raise ProtocolError("The ids of requests must rise.")
        self._last_id = request.id
        self._requests += 1
        self._file = self._pending.add(request).file

    def _check_cancel(self, cancel: Cancel) -> None:
        """Allow one CANCEL for each request, and none for a request that was never made; a late one is no fault."""
        self._cancels += 1
        if cancel.id > self._last_id or self._cancels > self._requests:
            raise ProtocolError("CANCEL belongs to no request.")

    def _check_reply(self, reply: Response) -> None:
        request = self._pending.match(reply)
        complete = request.take(reply)
        if isinstance(reply, File):
            self._file = FileProgress(
                reply.size, may_be_compressed=request.compress, may_have_holes=request.holes
            )  # END or ABORT of this file completes the answer
        elif complete:
            self._pending.pop()

    def _check_end(self, message: End | Abort) -> None:
        file = self._file
        assert file is not None  # the table lets END and ABORT pass only during a file
        if isinstance(message, End):
            if message.size != file.total or file.announced not in (None, file.total):
                raise ProtocolError("END does not agree with the bytes that were sent or announced.")
            if message.whole is not None and not file.is_part:
                raise ProtocolError("END has the digest of a whole file, but the file is no part.")
            file.whole = True
        self._file = None
        if self.direction is Direction.TO_CLIENT:
            self._pending.pop()
