"""A file's data on its way out, compressed where that pays.

A part of the file is tried first; what does not shrink by an eighth is sent as it is, and then more and more of the
file before the next try. So data that can't be compressed costs little, wherever it is in a file. Each message is
compressed by itself, and nothing is kept from one file to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.crypto import BATCH_BYTES, PAYLOAD_MAX
from secftp.protocol import CompressedData, Data
from secftp.protocol.limits import MAX_CLEAR, MAX_DATA, MAX_RATIO
from secftp.transport.compression import Compressor

if TYPE_CHECKING:
    from secftp.transport.channel import Channel, Fill

_TRIED_BYTES: Final = PAYLOAD_MAX
_LEAST_BYTES: Final = 512  # fewer, from a slow pipe, tell nothing about what follows
_SKIPPED_BYTES: Final = BATCH_BYTES  # after the first try that failed
_SKIPPED_MAX: Final = 16 * BATCH_BYTES
_FRAME_MAX: Final = MAX_DATA - 4  # of a ZDATA, behind the size
# What a message is to hold. The rest is for parts of a file that shrink less than those before them.
_FRAME_AIM: Final = _FRAME_MAX * 4 // 5


class CompressedSender:
    """Sends the data of one file through a channel whose peer takes ZDATA, compressed at `level`."""

    def __init__(self, channel: Channel, level: int) -> None:
        self._channel = channel
        self._compressor = Compressor(level)
        self._buffer = memoryview(bytearray(BATCH_BYTES))
        self._piece = 0  # bytes to be compressed together; 0: to be found out by a try
        self._skipped = 0  # bytes that were sent as they are since the last try
        self._to_skip = 0  # bytes to send as they are before the next try

    def send(self, fill: Fill, limit: int) -> int:
        """Send up to `limit` bytes as `Channel.send_data` does. Returns how many, 0 at the end of the file."""
        if self._to_skip:
            count = self._channel.send_data(fill, min(limit, self._to_skip))
            self._to_skip -= count
            return count
        view = self._buffer[: min(limit, BATCH_BYTES if self._piece else _TRIED_BYTES)]
        count = fill([view])
        rest = view[:count]
        while rest:
            size = self._next_piece(len(rest))
            self._send_piece(rest[:size])
            rest = rest[size:]
        return count

    def _next_piece(self, available: int) -> int:
        """Return how many of these bytes to compress together: equal pieces, none longer than wanted."""
        if not self._piece:
            return available
        pieces = -(-available // self._piece)
        return -(-available // pieces)

    def _send_piece(self, clear: memoryview) -> None:
        """Send bytes as one message or, if they turn out to be too many for it, in halves."""
        if self._to_skip or len(clear) < _LEAST_BYTES:
            self._send_plain(clear)
            return
        frame = self._compressor.compress(clear)
        if len(frame) > len(clear) - len(clear) // 8:
            self._skipped = self._to_skip = min(max(2 * self._skipped, _SKIPPED_BYTES), _SKIPPED_MAX)
            self._piece = 0
            self._send_plain(clear)
        elif len(frame) > _FRAME_MAX or len(clear) > MAX_RATIO * len(frame):
            half = (len(clear) + 1) // 2
            self._send_piece(clear[:half])
            self._send_piece(clear[half:])
        else:
            self._channel.send(CompressedData(len(clear), frame))
            self._channel.count_saved(len(clear) - len(frame))
            self._skipped = 0
            self._piece = min(_FRAME_AIM * len(clear) // len(frame), MAX_RATIO * len(frame), MAX_CLEAR)

    def _send_plain(self, clear: memoryview) -> None:
        for start in range(0, len(clear), MAX_DATA):
            self._channel.send(Data(clear[start : start + MAX_DATA]))
