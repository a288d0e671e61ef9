"""A verified session over one connection: messages in and out, a file's bytes without a copy.

Both directions run through the state machine of `messages`, so neither side says what the other must refuse. While a
send waits for the peer, what the peer says is taken in (up to a bound), so that two full buffers never block both.

One thread uses a channel. `ping` alone may be called by another, and `interrupt`. A forked process can do nothing with
it but close its copy: everything else raises `UsageError` there, before a byte is sent, received or sealed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.errors import AuthenticationError, ProtocolError
from secftp.messages import (
    Bye,
    Cancel,
    Data,
    Direction,
    Message,
    Pending,
    Ping,
    Receiver,
    State,
    decode,
    encode,
)
from secftp.record import PAYLOAD_MAX, Frame, Outbox

if TYPE_CHECKING:
    from secftp.channel.stream import Stream
    from secftp.handshake import Established

IDLE_SECONDS: Final = 60.0
KEEPALIVE_SECONDS: Final = 15.0
# Frames that wait opened while something else is going on: more than a peer may have requests under way, with a CANCEL
# for each and some signs of life. What lies beyond stays as bytes, which take a tenth of the memory.
_WAITING_MAX: Final = 4096
_PING: Final = Ping.TYPE.number
_DATA: Final = Data.TYPE.number
_BYE: Final = Bye.TYPE.number
_CANCEL: Final = Cancel.TYPE.number
_OPPOSITE: Final = {Direction.TO_SERVER: Direction.TO_CLIENT, Direction.TO_CLIENT: Direction.TO_SERVER}


class DataRun(NamedTuple):
    """Consecutive DATA frames. The buffers are valid until the channel is asked for more."""

    buffers: list[memoryview]
    size: int


Received: TypeAlias = Message | DataRun
Fill: TypeAlias = Callable[[list[memoryview]], int]


class Channel:
    """One session. `outgoing` says which side this is: TO_SERVER for a client, TO_CLIENT for a server.

    `timeout` is how many seconds the peer may give no sign of life while this side waits for it.
    """

    def __init__(
        self, stream: Stream, established: Established, outgoing: Direction, *, timeout: float = IDLE_SECONDS
    ) -> None:
        self.timeout = timeout
        self.last_sent = time.monotonic()
        self._stream = stream
        self._outbox, self._inbox = established.boxes()
        self._unsent = established.reply  # sealed already; CLIENT_FINISH travels with the first request
        self._pending = Pending()
        self._sending = Receiver(outgoing, self._pending, self.last_sent)
        self._receiving = Receiver(_OPPOSITE[outgoing], self._pending, self.last_sent)
        self._incoming = _OPPOSITE[outgoing]
        self._frames: deque[Frame] = deque()
        self._cancels: deque[Frame] = deque()  # copies of those among the frames that `cancelled` has not read yet
        self._cancelled: Counter[int] = Counter()  # what those say that it has read, and that wait still
        self._has_bye = False  # whether the last message is there, read or not
        self._ended = False
        self._lock = threading.Lock()
        self._sealer = established.sealer
        self._filling = False  # whether a file's bytes are being put into the outbox
        self._has_spoken = False  # whether anything was sent that was queued
        self._blocked = False  # whether the peer does not take what is being sent

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> int:
        """Queue a message; it leaves with `flush`, or when the batch is full. Its size: bytes of the payload."""
        self._stream.require_here()  # before the lock, which a thread that is not here may have held at the fork
        number, flags, payload = encode(message)
        with self._lock:
            self._sending.accept(message, time.monotonic())
            if not self._outbox.add(number, flags, payload):
                self._flush()
                self._outbox.add(number, flags, payload)
        return len(payload)

    def send_data(self, fill: Fill, limit: int) -> int:
        """Let `fill` put up to `limit` bytes of a file into the next frames; how many it put there, 0 for its end.

        `fill` gets the buffers in order and fills them without a gap. The batch leaves when it is full. A disk may take
        its time meanwhile: signs of life go on.
        """
        self._stream.require_here()
        with self._lock:
            slots = self._outbox.slots()
            if not slots:
                self._flush()
                slots = self._outbox.slots()
            self._filling = True
        count = 0
        try:
            count = fill(_bounded(slots, limit))
        finally:
            with self._lock:
                self._filling = False
                whole, rest = divmod(count, PAYLOAD_MAX)
                for size in [PAYLOAD_MAX] * whole + [rest] * bool(rest):
                    self._sending.accept_data(size)
                self._outbox.fill(_DATA, count)
                if whole == len(slots):
                    self._flush()
        return count

    def flush(self) -> None:
        """Send everything that is queued; returns when the system has taken it."""
        self._stream.require_here()
        with self._lock:
            self._flush()

    def ping(self) -> None:
        """Give a sign of life if nothing was sent lately and nobody is sending; callable from another thread.

        Never waits, since that thread has other channels to care for: what does not fit leaves with the next flush.
        """
        self._stream.require_here()
        now = time.monotonic()
        if now - self.last_sent < KEEPALIVE_SECONDS or not self._lock.acquire(blocking=False):
            return
        try:
            if not self._unsent:  # else the peer takes nothing, and there is enough for it
                if self._filling and not self._has_spoken:
                    return  # WELCOME waits before the file, and nothing goes before that
                # What is being filled can't be sealed; a PING may go before all that is queued there.
                outbox = Outbox(self._sealer, batch_frames=1) if self._filling else self._outbox
                number, flags, payload = encode(Ping())
                self._sending.accept(Ping(), now)
                outbox.add(number, flags, payload)  # if there is no room, what is there is a sign of life
                self._unsent = bytes(outbox.seal())
            sent = self._stream.send_at_once(memoryview(self._unsent))
            self._unsent = self._unsent[sent:]
            if sent:
                self.last_sent = now
        finally:
            self._lock.release()

    def _flush(self) -> None:
        if not len(self._outbox) and not self._unsent:
            return
        wire = self._outbox.seal()
        if self._unsent:
            wire, self._unsent = memoryview(self._unsent + wire), b""
        self._send(wire)
        self._has_spoken = True
        self.last_sent = time.monotonic()

    def _send(self, wire: memoryview) -> None:
        """Send all of it. What an interruption (Ctrl-C, a timeout) leaves stays before what is sent next, if any is."""
        try:
            while True:
                sent = self._stream.try_send(wire)
                wire = wire[sent:]
                if not wire:
                    return
                spare = None if self._ended else self._inbox.spare()
                self._blocked = True
                if self._stream.wait_to_send(self.timeout, or_receive=bool(spare)) and spare:
                    self._take(self._stream.try_receive(spare))
        except BaseException:
            self._unsent = bytes(wire)
            raise
        finally:
            self._blocked = False

    # --- receiving --------------------------------------------------------------------------------------------------

    def receive(self) -> Received:
        """The next message, or the next run of a file's bytes. PINGs are taken in silence.

        Raises `TransferTimeout` after `timeout` seconds without a sign of life, `ConnectionLost` when the connection
        ends without an authenticated close, and `ProtocolError` or `AuthenticationError` for what must not be.
        """
        self._stream.require_here()
        while True:
            self._drop_pings()
            if self._frames:
                return self._next()
            self._open()
            while not self._frames:
                if self._ended:
                    self._receiving.end_of_stream()
                    return Bye()
                room = self._inbox.room()
                count = self._stream.try_receive(room) if len(self._outbox) else None
                if count is None:
                    # The peer may be waiting for what is queued.
                    self.flush()
                    self._open()
                    if self._frames:
                        break  # came while the flush waited; nothing more need come
                    count = self._stream.receive_into(self._inbox.room(), self.timeout)
                self._take(count)
                self._open()

    def waiting(self) -> bool:
        """Whether a message can be received without waiting. Costs one system call when there is none."""
        if not self._frames:
            self._look()
        self._drop_pings()
        return bool(self._frames) or self._ended

    def cancelled(self, request: int) -> bool:
        """Whether a CANCEL for this request waits among what was received; leaves everything where it is.

        Raises `ConnectionLost` when the peer has gone without a word: nobody waits for what takes long.
        """
        self._look()
        while self._cancels:  # each is read once, however many wait and however often this is asked
            message = decode(*self._cancels.popleft(), self._incoming)
            assert isinstance(message, Cancel)
            self._cancelled[message.id] += 1
        if request in self._cancelled:
            return True
        if self._ended and not self._has_bye and len(self._frames) < _WAITING_MAX:
            self._receiving.end_of_stream()
        return False

    def _look(self) -> None:
        spare = self._inbox.spare()
        if spare and not self._ended and len(self._frames) < _WAITING_MAX:
            self._take(self._stream.try_receive(spare))
        count = -1
        while count < len(self._frames) < _WAITING_MAX:
            count = len(self._frames)
            self._open()

    def _take(self, count: int | None) -> None:
        if count == 0:
            self._ended = True
        elif count is not None:
            self._inbox.received(count)

    def _open(self) -> None:
        """Verify what stands in the inbox. A frame that fails ends the session without a word."""
        try:
            opened = self._inbox.frames()
        except AuthenticationError:
            raise ProtocolError(
                "What came does not verify: it was changed on the way, or does not belong to this session.",
                hint="Try again; nothing of it was kept.",
            ) from None
        self._frames.extend(opened)
        for frame in opened:
            if frame.type == _CANCEL:
                self._cancels.append(Frame(frame.type, frame.flags, memoryview(bytes(frame.payload))))
            elif frame.type == _BYE:
                self._has_bye = True

    def _drop_pings(self) -> None:
        while self._frames and self._frames[0].type == _PING:
            self._accept(self._frames.popleft())

    def _next(self) -> Received:
        frame = self._frames[0]
        if frame.type == _DATA:
            return self._data_run()
        return self._accept(self._frames.popleft())

    def _accept(self, frame: Frame) -> Message:
        try:
            message = decode(*frame, self._incoming)
        except ProtocolError:
            self._receiving.refuse()  # no later frame may pass as if this one had not been there
            raise
        self._receiving.accept(message, time.monotonic())
        if isinstance(message, Cancel):
            self._forget_cancel(message.id)
        return message

    def _forget_cancel(self, request: int) -> None:
        """The oldest CANCEL that waited has been accepted; those that were read are older than the others."""
        if not self._cancelled:
            self._cancels.popleft()
            return
        self._cancelled[request] -= 1
        if not self._cancelled[request]:
            del self._cancelled[request]

    def _data_run(self) -> DataRun:
        frames, buffers, size = self._frames, [], 0
        while frames and frames[0].type == _DATA:
            frame = frames.popleft()
            if frame.flags:
                self._accept(frame)  # which refuses it
            length = len(frame.payload)
            self._receiving.accept_data(length)
            buffers.append(frame.payload)
            size += length
        return DataRun(buffers, size)

    # --- the end ----------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> Pending:
        """The requests that are not answered yet."""
        return self._pending

    @property
    def receiving_file(self) -> bool:
        """Whether a file of the peer's is under way whose END or ABORT has not come yet."""
        return self._receiving.state in (State.READING, State.WRITING)

    @property
    def moving(self) -> bool:
        """Whether a file is under way, or messages that the peer does not take at once; for another thread."""
        is_file = self.receiving_file or self._sending.state in (State.READING, State.WRITING)
        return is_file or self._blocked

    @property
    def has_part(self) -> bool:
        """Whether a part of a message has come whose rest has not; for another thread, and while this one waits."""
        return self._inbox.unopened > 0

    @property
    def belongs_here(self) -> bool:
        """Whether this process made the connection; false in one that was forked from it."""
        return self._stream.belongs_here()

    def fileno(self) -> int:
        """The connection's descriptor, to be polled together with others."""
        return self._stream.fileno()

    def close(self, goodbye: Bye | None = None) -> None:
        """Say BYE if that is possible, without waiting for an answer, and close. A forked process only closes."""
        try:
            if goodbye is not None and self.belongs_here:
                self.send(goodbye)
                self.flush()
        finally:
            self._stream.close()

    def linger(self, seconds: float) -> None:
        """After the last send: take in and throw away what is under way, until the peer closes or time is up.

        A close with unread bytes would reset the connection, and the reset could overtake our last message.
        """
        self._stream.finish_sending()
        deadline = time.monotonic() + seconds
        scratch = memoryview(bytearray(PAYLOAD_MAX))
        try:
            while (left := deadline - time.monotonic()) > 0 and self._stream.receive_into(scratch, left):
                pass
        except OSError:
            pass  # lost or silent: there is nobody to wait for

    def interrupt(self) -> None:
        """End the connection from another thread."""
        self._stream.interrupt()


def _bounded(slots: list[memoryview], limit: int) -> list[memoryview]:
    """The first `limit` bytes of the slots."""
    whole, rest = divmod(limit, PAYLOAD_MAX)
    if whole >= len(slots):
        return slots
    return slots[:whole] + [slots[whole][:rest]] * bool(rest)
