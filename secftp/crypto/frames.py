"""Batches of encrypted frames, sealed and opened in place: no copy and no bytes object per frame.

`Sealer` and `Opener` hold the state of one direction each. `Outbox` collects frames that one call seals; `Inbox` opens
received bytes. Payloads are memoryviews into their buffers, valid until the box is used again.

Invariants: a direction that failed once fails always; its state can't be copied, pickled or used in a forked process.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from secftp.crypto import binding

PAYLOAD_MAX: Final[int] = binding.lib.SECFTP_PAYLOAD_MAX
PAYLOAD_OFFSET: Final[int] = binding.lib.SECFTP_PAYLOAD_OFFSET
WIRE_MAX: Final[int] = binding.lib.SECFTP_WIRE_MAX
# One batch fills the lanes of the core with whole frames: 1 MiB of payload.
BATCH_FRAMES: Final = 16
BATCH_BYTES: Final = BATCH_FRAMES * PAYLOAD_MAX
# Small frames in one batch; for more, the array of their descriptions would have to be larger.
SMALL_FRAMES: Final = 1024

# Received beyond a batch while this side is sending, so that requests of the peer never block both sides.
SPARE_BYTES: Final = 512 * 1024


class Frame(NamedTuple):
    """A verified frame. `payload` is writable memory of the inbox, valid until its next use."""

    type: int
    flags: int
    payload: memoryview


class Sealer:
    """The state of the sending direction: sequence numbers and keys, in the core."""

    __slots__ = ("_pointer", "suite")

    def __init__(self, pointer: Any, suite: int) -> None:
        self._pointer = binding.ffi.gc(pointer, binding.lib.secftp_sealer_free)
        self.suite = suite

    def __reduce__(self) -> str:
        raise TypeError("a sealing state can't be copied or pickled")


class Opener:
    """The state of the receiving direction."""

    __slots__ = ("_pointer",)

    def __init__(self, pointer: Any) -> None:
        self._pointer = binding.ffi.gc(pointer, binding.lib.secftp_opener_free)

    def __reduce__(self) -> str:
        raise TypeError("an opening state can't be copied or pickled")


def _new_buffer(size: int) -> tuple[Any, memoryview]:
    """Return zeroed memory, for the core and for Python.

    The system gives memory only to pages that are used. A bytearray would use all of them, which takes longer than the
    rest of the handshake, and a session with small files needs few.
    """
    memory = binding.ffi.new("uint8_t[]", size)
    return memory, memoryview(binding.ffi.buffer(memory))


class Outbox:
    """Frames on their way out: `add` small ones, or fill `slots` with a file's data; then `seal`."""

    def __init__(self, sealer: Sealer, *, batch_frames: int = BATCH_FRAMES) -> None:
        self._sealer = sealer
        self._capacity = batch_frames * WIRE_MAX
        self._memory, self._view = _new_buffer(self._capacity)
        self._frames = binding.ffi.new("secftp_frame[]", SMALL_FRAMES)
        self._written = binding.ffi.new("size_t *")
        self._full_wire: int = binding.lib.secftp_wire_bytes(sealer.suite, PAYLOAD_MAX)
        self._count = 0
        self._end = 0

    def __len__(self) -> int:
        """Frames that are not sealed yet."""
        return self._count

    def add(self, kind: int, flags: int, payload: bytes | bytearray | memoryview) -> bool:
        """Append a frame with a copy of the payload. Returns False, and does nothing, if there is no room for it."""
        size = len(payload)
        wire = binding.lib.secftp_wire_bytes(self._sealer.suite, size)
        if wire == 0:
            raise ValueError("a payload has 65536 bytes at the most")
        if self._end + wire > self._capacity or self._count == SMALL_FRAMES:
            return False
        start = self._end + PAYLOAD_OFFSET
        self._view[start : start + size] = payload
        self._append(kind, flags, size, wire)
        return True

    def slots(self) -> list[memoryview]:
        """Return the payloads of as many whole frames as there is room for, to be filled in order without a gap."""
        room = min((self._capacity - self._end) // self._full_wire, SMALL_FRAMES - self._count)
        starts = range(self._end + PAYLOAD_OFFSET, self._end + room * self._full_wire, self._full_wire)
        return [self._view[start : start + PAYLOAD_MAX] for start in starts]

    def fill(self, kind: int, size: int) -> None:
        """Append frames for the first `size` bytes in `slots()`, the last as short as needed."""
        whole, rest = divmod(size, PAYLOAD_MAX)
        for _ in range(whole):
            self._append(kind, 0, PAYLOAD_MAX, self._full_wire)
        if rest:
            self._append(kind, 0, rest, binding.lib.secftp_wire_bytes(self._sealer.suite, rest))

    def seal(self) -> memoryview:
        """Seal what was appended. Returns the bytes to send, valid until the next append."""
        binding.check(
            binding.lib.secftp_seal(
                self._sealer._pointer,  # noqa: SLF001
                self._memory,
                self._end,
                self._frames,
                self._count,
                self._written,
            )
        )
        self._count = self._end = 0
        return self._view[: self._written[0]]

    def _append(self, kind: int, flags: int, size: int, wire: int) -> None:
        frame = self._frames[self._count]
        frame.payload_bytes = size
        frame.padding_bytes = 0
        frame.type = kind
        frame.flags = flags
        self._count += 1
        self._end += wire


class Inbox:
    """Frames on their way in: receive into `room()`, call `received(count)`, take the `frames()`."""

    def __init__(self, opener: Opener, *, batch_frames: int = BATCH_FRAMES) -> None:
        self._opener = opener
        self._usual = (batch_frames + 1) * WIRE_MAX
        self._memory, self._view = _new_buffer(self._usual + SPARE_BYTES)
        self._opened = binding.ffi.new("secftp_opened[]", SMALL_FRAMES)
        self._count = binding.ffi.new("size_t *")
        self._consumed = binding.ffi.new("size_t *")
        self._start = 0  # of what is not opened yet
        self._end = 0  # of what was received
        self._is_new = False  # whether frames may be whole that were not when `frames` was called last

    def room(self) -> memoryview:
        """Return where to receive. Invalidates the payloads handed out before: what is unopened moves down."""
        if self._start:
            waiting = self._end - self._start
            self._view[:waiting] = self._view[self._start : self._end]
            self._start, self._end = 0, waiting
        return self._view[self._end : max(self._usual, self._end + WIRE_MAX)]

    def spare(self) -> memoryview:
        """Return where to receive while payloads are still in use; empty if there is no more room."""
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Count the bytes that were received into `room()` or `spare()`."""
        self._end += count
        self._is_new = self._is_new or count > 0

    def frames(self) -> list[Frame]:
        """Return every whole frame received, verified. Raises `AuthenticationError` if one does not verify."""
        if not self._is_new:
            return []
        start = self._start
        binding.check(
            binding.lib.secftp_open(
                self._opener._pointer,  # noqa: SLF001
                self._memory + start,
                self._end - start,
                self._opened,
                SMALL_FRAMES,
                self._count,
                self._consumed,
            )
        )
        self._is_new = self._count[0] == SMALL_FRAMES  # then there may be more
        self._start += self._consumed[0]
        view, opened = self._view, self._opened
        return [
            Frame(frame.type, frame.flags, view[start + frame.offset : start + frame.offset + frame.payload_bytes])
            for frame in opened[0 : self._count[0]]
        ]

    @property
    def unopened(self) -> int:
        """Bytes that were received and belong to no whole frame yet."""
        return self._end - self._start
