"""Messages on their way in: received bytes to verified frames, frames to messages, in order.

Invariant: nothing that does not verify, or that the peer must not send now, is handed out; nothing after it, either.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.crypto import Frame
from secftp.errors import AuthenticationError, ProtocolError
from secftp.protocol import Bye, Cancel, CompressedData, Data, Direction, Hole, Message, Ping, decode, zeros

if TYPE_CHECKING:
    from secftp.crypto import Inbox
    from secftp.protocol import Receiver

# Frames that wait opened while something else is going on: more than a peer may have requests under way, with a CANCEL
# for each and some PINGs. What lies beyond stays as bytes, which take a tenth of the memory.
_WAITING_MAX: Final = 4096
_PING: Final = Ping.TYPE.number
_DATA: Final = Data.TYPE.number
_COMPRESSED: Final = CompressedData.TYPE.number
_HOLE: Final = Hole.TYPE.number
_BYE: Final = Bye.TYPE.number
_CANCEL: Final = Cancel.TYPE.number


class DataRun(NamedTuple):
    """Consecutive DATA frames, one ZDATA decompressed, or the zeros of one HOLE.

    The buffers are valid until the channel is asked for more.
    """

    buffers: list[memoryview]
    size: int


Received: TypeAlias = Message | DataRun


class DataCount:
    """Bytes of files that were transferred, how many fewer were sent because of compression, and those in holes."""

    __slots__ = ("holes", "nbytes", "saved")

    def __init__(self, nbytes: int = 0, saved: int = 0, holes: int = 0) -> None:
        self.nbytes = nbytes
        self.saved = saved
        self.holes = holes

    def add(self, nbytes: int, saved: int, holes: int = 0) -> None:
        """Add so many bytes, for which `saved` fewer were sent; `holes` of them were not sent at all."""
        self.nbytes += nbytes
        self.saved += saved
        self.holes += holes

    def since(self, before: DataCount) -> DataCount:
        """Return what was added since an earlier count."""
        return DataCount(self.nbytes - before.nbytes, self.saved - before.saved, self.holes - before.holes)

    def saved_of(self, nbytes: int) -> int:
        """Return how many of these bytes were saved, if they are as all others: some are transferred twice."""
        return self.share_of(nbytes, self.saved)

    def share_of(self, nbytes: int, part: int) -> int:
        """Return how many of these bytes belong to a part of all, if they are as all others."""
        return round(nbytes * part / self.nbytes) if self.nbytes else 0


class IncomingMessages:
    """What has been received of one session and not been handed out. It never waits, and knows no socket."""

    def __init__(self, inbox: Inbox, state: Receiver, direction: Direction) -> None:
        self.ended = False  # whether the peer has closed its side
        self.data = DataCount()  # of files, handed out
        self._inbox = inbox
        self._state = state
        self._direction = direction
        self._frames: deque[Frame] = deque()
        self._cancels: deque[Frame] = deque()  # copies of those among the frames that `is_cancelled` has not read yet
        self._cancelled: Counter[int] = Counter()  # the ids in those that it has read, and that wait still
        self._has_bye = False  # whether the last message is there, handed out or not

    def __len__(self) -> int:
        """Frames that wait opened."""
        return len(self._frames)

    @property
    def unopened(self) -> int:
        """Bytes that were received and belong to no whole frame yet."""
        return self._inbox.unopened

    def room(self) -> memoryview:
        """Where to receive. Ends the life of all that was handed out before."""
        return self._inbox.room()

    def spare(self) -> memoryview | None:
        """Where to receive while what was handed out is still in use; empty or None if nothing more is taken in."""
        return None if self.ended else self._inbox.spare()

    def take(self, count: int | None) -> None:
        """Take note of the bytes received: 0 is the end, None is nothing."""
        if count == 0:
            self.ended = True
        elif count is not None:
            self._inbox.received(count)

    def open(self) -> bool:
        """Verify what was received. Returns whether frames wait. After a frame that fails, nothing more is sent."""
        try:
            opened = self._inbox.frames()
        except AuthenticationError:
            raise ProtocolError(
                "Received data are not authentic: they were modified in transit, or do not belong to this session.",
                hint="Try again; none of these data were kept.",
            ) from None
        self._frames.extend(opened)
        for frame in opened:
            if frame.type == _CANCEL:
                self._cancels.append(Frame(frame.type, frame.flags, memoryview(bytes(frame.payload))))
            elif frame.type == _BYE:
                self._has_bye = True
        return bool(self._frames)

    @property
    def is_full(self) -> bool:
        """Whether so many frames wait that no more are opened."""
        return len(self._frames) >= _WAITING_MAX

    def open_all(self) -> None:
        """Verify what was received, in as many batches as it takes, until enough frames wait."""
        count = -1
        while count < len(self._frames) < _WAITING_MAX:
            count = len(self._frames)
            self.open()

    def next(self) -> Received | None:
        """Hand out the next message or run of DATA frames; None if no frame waits. PINGs are left out."""
        frames = self._frames
        while frames:
            kind = frames[0].type
            if kind == _DATA:
                return self._data_run()
            message = self._accept(frames.popleft())
            if kind == _COMPRESSED:
                assert isinstance(message, CompressedData)
                return self._decompressed(message)
            if kind == _HOLE:
                assert isinstance(message, Hole)
                return self._hole(message.size)
            if kind != _PING:
                return message
        return None

    def drop_pings(self) -> bool:
        """Throw away PINGs before the next message. Returns whether a frame waits then."""
        while self._frames and self._frames[0].type == _PING:
            self._accept(self._frames.popleft())
        return bool(self._frames)

    def end(self) -> Bye:
        """Return the BYE of a session that has ended in order. Raises `ConnectionLost` for any other end."""
        self._state.end_of_stream()
        return Bye()

    def is_cancelled(self, request: int) -> bool:
        """Whether a CANCEL for this request waits. Raises `ConnectionLost` if the peer has gone without a BYE."""
        while self._cancels:  # each is read once, however many wait and however often this is asked
            message = decode(*self._cancels.popleft(), self._direction)
            assert isinstance(message, Cancel)
            self._cancelled[message.id] += 1
        if request in self._cancelled:
            return True
        if self.ended and not self._has_bye and not self.is_full:
            self._state.end_of_stream()
        return False

    def _accept(self, frame: Frame) -> Message:
        try:
            message = decode(*frame, self._direction)
        except ProtocolError:
            self._state.refuse()  # no later frame may pass as if this one had not been there
            raise
        self._state.accept(message, time.monotonic())
        if isinstance(message, Cancel):
            self._forget_cancel(message.id)
        return message

    def _forget_cancel(self, request: int) -> None:
        """The oldest CANCEL that waited is handed out; those that were read are older than the others."""
        if not self._cancelled:
            self._cancels.popleft()
            return
        self._cancelled[request] -= 1
        if not self._cancelled[request]:
            del self._cancelled[request]

    def _decompressed(self, message: CompressedData) -> DataRun:
        """Decompress what the state machine has accepted. What is malformed ends the session, as all that is."""
        from secftp.transport.compression import decompress

        frame = memoryview(message.frame)
        try:
            clear = decompress(frame, message.clear_size)
        except ProtocolError:
            self._state.refuse()
            raise
        self.data.add(len(clear), len(clear) - len(frame))
        return DataRun([memoryview(clear)], len(clear))

    def _hole(self, size: int) -> DataRun:
        self.data.add(size, 0, size)
        return DataRun(zeros(size), size)

    def _data_run(self) -> DataRun:
        frames, buffers, size = self._frames, [], 0
        while frames and frames[0].type == _DATA:
            frame = frames.popleft()
            if frame.flags:
                self._accept(frame)  # which refuses it
            length = len(frame.payload)
            self._state.accept_data(length)
            buffers.append(frame.payload)
            size += length
        self.data.nbytes += size
        return DataRun(buffers, size)
