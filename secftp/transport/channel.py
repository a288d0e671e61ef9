"""A verified session over one connection: messages in and out, a file's data without a copy.

Both directions run through the state machine of the protocol, so neither side sends what the other must refuse. While a
send waits for the peer, what the peer sends is taken in, up to a bound, so that two full buffers never block both.

One thread uses a channel; only `ping` and `interrupt` may be called by another. A forked process can only close its
copy: everything else raises `UsageError` there, before a byte is sent, received or sealed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.crypto import PAYLOAD_MAX, Outbox
from secftp.protocol import Data, Direction, Ping, Receiver, RequestQueue, State, encode
from secftp.transport.incoming import DataCount, IncomingMessages

if TYPE_CHECKING:
    from secftp.protocol import Bye, Message
    from secftp.protocol.handshake import Established
    from secftp.transport.incoming import Received
    from secftp.transport.keepalive import Keepalive
    from secftp.transport.stream import Stream, WaitingSource
    from secftp.transport.tcp_info import TcpInfo

IDLE_SECONDS: Final = 60.0
KEEPALIVE_SECONDS: Final = 15.0
_DATA: Final = Data.TYPE.number
_OPPOSITE: Final = {Direction.TO_SERVER: Direction.TO_CLIENT, Direction.TO_CLIENT: Direction.TO_SERVER}

# Fills buffers with a file's data, in order and without a gap; returns how many bytes, 0 at the end of the file.
Fill: TypeAlias = Callable[[list[memoryview]], int]


class Channel:
    """One session. `outgoing` is the direction in which this side sends: TO_SERVER for a client.

    `timeout` is for how many seconds the peer may be silent, without keepalives, while this side waits for it.
    `pending` are the requests that are not answered yet.
    """

    def __init__(
        self, stream: Stream, established: Established, outgoing: Direction, *, timeout: float = IDLE_SECONDS
    ) -> None:
        self.timeout = timeout
        self.waits = stream.waits
        self.last_sent = time.monotonic()
        self.pending = RequestQueue()
        self.on_close: Callable[[Channel], None] | None = None  # called once, while the kernel still knows of it
        self._stream = stream
        self._outbox, inbox = established.boxes()
        self._unsent = established.reply  # sealed already; CLIENT_FINISH travels with the first request
        self._sending = Receiver(outgoing, self.pending, self.last_sent)
        self._receiving = Receiver(_OPPOSITE[outgoing], self.pending, self.last_sent)
        self._incoming = IncomingMessages(inbox, self._receiving, _OPPOSITE[outgoing])
        self._is_client = outgoing is Direction.TO_SERVER
        self._lock = threading.Lock()
        self._sealer = established.sealer
        self._filling = False  # whether a file's data is being put into the outbox
        self._has_sent = False  # whether anything was sent that was queued
        self._blocked = False  # whether the peer does not take what is being sent
        self._data = DataCount()  # of files, sent
        self._data_before = DataCount()  # in both directions, when they were asked for last

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> int:
        """Queue a message; it leaves with `flush`, or when the batch is full. Returns the bytes of its payload."""
        self._stream.require_here()  # before the lock, which a thread that is not here may have held at the fork
        number, flags, payload = encode(message)
        with self._lock:
            self._sending.accept(message, time.monotonic())
            if not self._outbox.add(number, flags, payload):
                self._flush()
                self._outbox.add(number, flags, payload)
        return len(payload)

    def send_data(self, fill: Fill, limit: int) -> int:
        """Let `fill` put up to `limit` bytes of a file into the next frames. Returns how many, 0 at its end.

        The batch leaves when it is full. The disk may take its time meanwhile: keepalives go on.
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
                self._data.nbytes += count
                if whole == len(slots):
                    self._flush()
        return count

    def flush(self) -> None:
        """Send all that is queued. Returns when the system has taken it."""
        self._stream.require_here()
        with self._lock:
            self._flush()

    def ping(self) -> None:
        """Send a PING if nothing was sent for a while and no other thread is sending. For any thread.

        Never waits, since the thread serves other channels, too: what does not fit leaves with the next flush.
        """
        self._stream.require_here()
        now = time.monotonic()
        if now - self.last_sent < KEEPALIVE_SECONDS or not self._lock.acquire(blocking=False):
            return
        try:
            if not self._unsent:  # else the peer does not even take what there is
                if self._filling and not self._has_sent:
                    return  # WELCOME waits before the file, and nothing goes before that
                # What is being filled can't be sealed; a PING may go before all that is queued there.
                outbox = Outbox(self._sealer, batch_frames=1) if self._filling else self._outbox
                number, flags, payload = encode(Ping())
                self._sending.accept(Ping(), now)
                outbox.add(number, flags, payload)  # if there is no room, what is there will do
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
        self._has_sent = True
        self.last_sent = time.monotonic()

    def _send(self, wire: memoryview) -> None:
        """Send all of it. What an interruption (Ctrl-C, a timeout) leaves is sent before anything else is.

        A client does not wait for a server that has closed its side: that takes nothing more, even if it, or a proxy
        before it, leaves the connection half open. A client may close its side first, and still wants its answers.
        """
        incoming = self._incoming
        try:
            while True:
                sent = self._stream.try_send(wire)
                wire = wire[sent:]
                if not wire:
                    return
                if incoming.ended and self._is_client:
                    incoming.end()
                spare = incoming.spare()
                self._blocked = True
                if self._stream.wait_to_send(self.timeout, or_receive=bool(spare)) and spare:
                    incoming.take(self._stream.try_receive(spare))
        except BaseException:
            self._unsent = bytes(wire)
            raise
        finally:
            self._blocked = False

    # --- receiving --------------------------------------------------------------------------------------------------

    def receive(self) -> Received:
        """Return the next message, or the next run of a file's data. PINGs are left out.

        Raises `TransferTimeout` after `timeout` seconds of silence, `ConnectionLost` when the connection ends without
        an authenticated close, and `ProtocolError` for what the peer must not send.
        """
        self._stream.require_here()
        incoming = self._incoming
        while (received := incoming.next()) is None:
            if not incoming.open():
                if incoming.ended:
                    return incoming.end()
                self._wait()
        return received

    def receive_at_once(self) -> Received | None:
        """Return what `receive` does if it can be had without waiting, otherwise None. What is queued is not sent."""
        self._stream.require_here()
        incoming = self._incoming
        while (received := incoming.next()) is None:
            if not incoming.open():
                if incoming.ended:
                    return incoming.end()
                count = self._stream.try_receive(incoming.room())
                if count is None:
                    return None
                incoming.take(count)
        return received

    def _wait(self) -> None:
        """Wait until something comes. Sends what is queued first, since the peer may be waiting for that."""
        incoming = self._incoming
        count = self._stream.try_receive(incoming.room()) if len(self._outbox) else None
        if count is None:
            self.flush()
            if incoming.open():
                return  # it came while the flush waited; nothing more need come
            count = self._stream.receive_into(incoming.room(), self.timeout)
        incoming.take(count)

    def waiting(self) -> bool:
        """Whether a message can be received without waiting. Costs one system call when there is none."""
        if not self._incoming:
            self._look()
        return self._incoming.drop_pings() or self._incoming.ended

    def cancelled(self, request: int) -> bool:
        """Whether a CANCEL for this request waits among what was received, which all stays where it is.

        Raises `ConnectionLost` when the peer has gone without a BYE: then the request is not worth going on with.
        """
        self._look()
        return self._incoming.is_cancelled(request)

    def _look(self) -> None:
        """Take in what has come, without waiting, while what was handed out is still in use."""
        incoming = self._incoming
        if not incoming.is_full and (spare := incoming.spare()):
            incoming.take(self._stream.try_receive(spare))
        incoming.open_all()

    # --- compression --------------------------------------------------------------------------------------------------

    @property
    def may_compress(self) -> bool:
        """Whether the server has named the capability in WELCOME."""
        return self.pending.compression

    @property
    def may_send_holes(self) -> bool:
        """Likewise, for HOLE."""
        return self.pending.holes

    @property
    def data(self) -> DataCount:
        """The files' data so far, in both directions."""
        sent, received = self._data, self._incoming.data
        return DataCount(sent.nbytes + received.nbytes, sent.saved + received.saved, sent.holes + received.holes)

    def count_data(self, nbytes: int, saved: int, holes: int = 0) -> None:
        """Count files' data that do not pass as DATA or ZDATA, or were compressed or left out."""
        self._data.add(nbytes, saved, holes)

    def take_saved(self) -> int:
        """Return the bytes that compression has saved since the last call of this or of `sent_of`."""
        return self._take_data().saved

    def sent_of(self, nbytes: int) -> int:
        """Return how many bytes were sent for so many of the files' data since the last call."""
        data = self._take_data()
        return nbytes - data.share_of(nbytes, data.saved + data.holes)

    def _take_data(self) -> DataCount:
        before, self._data_before = self._data_before, self.data
        return self._data_before.since(before)

    # --- state and end ----------------------------------------------------------------------------------------------

    @property
    def receiving_file(self) -> bool:
        """Whether a file of the peer's is under way: its END or ABORT has not come yet."""
        return self._receiving.state in (State.READING, State.WRITING)

    @property
    def moving(self) -> bool:
        """Whether a file is under way, or messages that the peer does not take at once. For any thread."""
        is_file = self.receiving_file or self._sending.state in (State.READING, State.WRITING)
        return is_file or self._blocked

    @property
    def has_part(self) -> bool:
        """Whether only a part of a message has come. For another thread, while this one waits."""
        return self._incoming.unopened > 0

    @property
    def belongs_here(self) -> bool:
        """Whether this process made the connection; false in one that was forked from it."""
        return self._stream.belongs_here()

    def tcp_info(self) -> TcpInfo:
        """Return what the kernel knows of the connection, see `TcpInfo`; nothing once it is closed. For any thread."""
        return self._stream.tcp_info()

    @property
    def round_trip(self) -> float | None:
        """The shortest round trip that the kernel has measured, in seconds; None if it does not tell.

        It is known as soon as the connection is: from TCP's own handshake, without the time that the server takes.
        """
        return self.tcp_info().round_trip

    def peer_has_left(self) -> bool:
        """Whether the peer has closed its side or is gone, even if not all that it has sent is received yet."""
        return self._stream.peer_has_left()

    def fileno(self) -> int:
        """The connection's descriptor, to be polled together with others."""
        return self._stream.fileno()

    def wait_beside(self, source: WaitingSource, *, at_once: bool = False) -> bool:
        """Wait until a source has data or the peer has sent something; return whether the source has."""
        return self._stream.wait_beside(source, at_once=at_once)

    def new_keepalive(self) -> Keepalive:
        """Return what sends keepalives on this channel while its thread is busy elsewhere."""
        return self._stream.new_keepalive()

    def close(self, goodbye: Bye | None = None) -> None:
        """Send `goodbye`, without waiting for a reply, and close. A forked process only closes."""
        try:
            if goodbye is not None and self.belongs_here:
                self.send(goodbye)
                self.flush()
        finally:
            if self.on_close is not None:
                on_close, self.on_close = self.on_close, None
                on_close(self)
            self._stream.close()

    def linger(self, seconds: float) -> None:
        """After the last send, receive and throw away what comes, until the peer closes or the time is up.

        A close with unread bytes would reset the connection, and the reset could overtake our last message.
        """
        self._stream.finish_sending()
        deadline = time.monotonic() + seconds
        scratch = memoryview(bytearray(PAYLOAD_MAX))
        try:
            while (left := deadline - time.monotonic()) > 0 and self._stream.receive_into(scratch, left):
                pass
        except OSError:
            pass  # lost or silent: there is nothing to wait for

    def interrupt(self) -> None:
        """End the connection, from another thread."""
        self._stream.interrupt()


def _bounded(slots: list[memoryview], limit: int) -> list[memoryview]:
    """The first `limit` bytes of the slots."""
    whole, rest = divmod(limit, PAYLOAD_MAX)
    if whole >= len(slots):
        return slots
    return slots[:whole] + [slots[whole][:rest]] * bool(rest)
