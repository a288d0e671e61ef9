"""The state machine: one table for both directions, which does not know whether it stands at a client or a server.

A `Receiver` follows one direction of a session; two of them share one `Pending`. An endpoint holds both: it asks one
about each message it receives, and the other about each message before it sends it, so its own mistakes surface as the
error they would be at the peer. What is in no cell of the table must never pass; a receiver that has refused anything
refuses everything from then on.

    pending = Pending()
    to_server = Receiver(Direction.TO_SERVER, pending, now)
    to_client = Receiver(Direction.TO_CLIENT, pending, now)
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

from secftp.errors import ConnectionLost, ProtocolError
from secftp.messages.bounds import MAX_DATA, PING_BURST, PING_RATE
from secftp.messages.pending import Incoming
from secftp.messages.schema import (
    NAMES,
    Abort,
    Bye,
    Cancel,
    Data,
    Direction,
    End,
    Entries,
    Error,
    File,
    Files,
    Info,
    List,
    MakeDirectory,
    Ok,
    Ping,
    Read,
    ReadMany,
    Remove,
    Rename,
    Request,
    Results,
    SetAttributes,
    Stat,
    Sum,
    Welcome,
    Write,
    WriteMany,
)
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from secftp.messages.pending import Pending
    from secftp.messages.schema import AnyRequest, Message, Reply


class State(enum.Enum):
    """Where one direction stands. FAILED is the sink after a refusal: unlike CLOSED, it is no orderly end."""

    START = "start"
    IDLE = "idle"
    WRITING = "writing"
    READING = "reading"
    CLOSED = "closed"
    FAILED = "failed"


TRANSITIONS: dict[Direction, dict[State, dict[type[Message], State]]] = {
    Direction.TO_SERVER: {
        State.IDLE: {
            Ping: State.IDLE,
            Cancel: State.IDLE,
            Read: State.IDLE,
            Stat: State.IDLE,
            List: State.IDLE,
            Remove: State.IDLE,
            Rename: State.IDLE,
            MakeDirectory: State.IDLE,
            Sum: State.IDLE,
            SetAttributes: State.IDLE,
            ReadMany: State.IDLE,
            WriteMany: State.IDLE,
            Write: State.WRITING,
            Bye: State.CLOSED,
        },
        State.WRITING: {
            Ping: State.WRITING,
            Cancel: State.WRITING,
            Data: State.WRITING,
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
            Ok: State.IDLE,
            Error: State.IDLE,
            Info: State.IDLE,
            Entries: State.IDLE,
            Files: State.IDLE,
            Results: State.IDLE,
            File: State.READING,
            Bye: State.CLOSED,
        },
        State.READING: {
            Ping: State.READING,
            Data: State.READING,
            End: State.IDLE,
            Abort: State.IDLE,
        },
        State.CLOSED: {},
        State.FAILED: {},
    },
}

INITIAL: dict[Direction, State] = {Direction.TO_SERVER: State.IDLE, Direction.TO_CLIENT: State.START}


class Receiver:
    """Follows one direction; `state` is where it stands, `began` when the handshake ended, in seconds of any clock.

    Every refusal is a `ProtocolError` and final.
    """

    __slots__ = ("_cancels", "_file", "_last_id", "_pending", "_pings", "_requests", "_table", "direction", "state")

    def __init__(self, direction: Direction, pending: Pending, began: float) -> None:
        self.direction = direction
        self.state = INITIAL[direction]
        self._table = TRANSITIONS[direction]
        self._pending = pending
        self._file: Incoming | None = None  # the file under way: set in WRITING and READING, and only there
        # Never cut back to the burst: a receiver that is busy for an hour finds an hour's pings in its buffers.
        self._pings = TokenBucket(PING_RATE, math.inf, began, tokens=PING_BURST)
        self._last_id = 0
        self._requests = 0
        self._cancels = 0

    def accept(self, message: Message, now: float) -> None:
        """Take `message` as the next one of this direction; `now` is the time on the clock of `began`.

        Raises `ProtocolError` if the message is not allowed in this state, or breaks a rule about ids, sizes or rates.
        """
        following = self._table[self.state].get(type(message))
        if following is None:
            self._fail()
            raise ProtocolError(f"{NAMES[type(message)]} is not allowed at this point.")
        try:
            self._check(message, now)
        except ProtocolError:
            self._fail()
            raise
        self.state = following

    def accept_data(self, nbytes: int) -> None:
        """Take a DATA frame of `nbytes` and no flags: `accept` for the one message that comes by the million.

        Raises `ProtocolError` if no file is under way, for a length not in 1..65536, and beyond the announced size.
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
        """Take the end of the connection: in order after BYE; anything else raises `ConnectionLost` (truncation)."""
        if self.state is not State.CLOSED:
            self._fail()
            raise ConnectionLost("The connection ended without a proper close.")

    def refuse(self) -> None:
        """Take what could not be decoded into a message: this direction accepts nothing from now on."""
        self._fail()

    def _fail(self) -> None:
        self.state = State.FAILED
        self._file = None

    def _check(self, message: Message, now: float) -> None:
        """Apply the rules that a table of states can't hold, and note what later rules need."""
        match message:
            case Ping():
                if not self._pings.take(1, now):
                    raise ProtocolError("PING came too often.")
            case Data(payload):
                self.accept_data(len(payload))
            case Request():
                self._check_request(message)
            case Cancel():
                self._check_cancel(message)
            case Ok() | Error() | File() | Info() | Entries() | Files() | Results():
                self._check_reply(message)
            case End() | Abort():
                self._check_end(message)
            case Welcome():
                self._pending.limit = message.limits.requests
            case Bye():
                pass

    def _check_request(self, request: AnyRequest) -> None:
        if request.id <= self._last_id:
            raise ProtocolError("The ids of requests must rise.")
        self._last_id = request.id
        self._requests += 1
        self._file = self._pending.add(request).file

    def _check_cancel(self, cancel: Cancel) -> None:
        """One CANCEL a request at most, and none for a request that was never made; a late one is no fault."""
        self._cancels += 1
        if cancel.id > self._last_id or self._cancels > self._requests:
            raise ProtocolError("CANCEL belongs to no request.")

    def _check_reply(self, reply: Reply) -> None:
        complete = self._pending.match(reply).take(reply)
        if isinstance(reply, File):
            self._file = Incoming(reply.size)  # the request is answered by the END or ABORT of this file
        elif complete:
            self._pending.pop()

    def _check_end(self, message: End | Abort) -> None:
        file = self._file
        assert file is not None  # the table lets END and ABORT through only while a file is under way
        if isinstance(message, End):
            if message.size != file.total or file.announced not in (None, file.total):
                raise ProtocolError("END does not agree with the bytes that were sent or announced.")
            file.whole = True
        self._file = None
        if self.direction is Direction.TO_CLIENT:
            self._pending.pop()
