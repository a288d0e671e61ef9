"""A file's data on its way out, compressed where that pays.

A piece that does not shrink by an eighth is sent as it is. Where nothing has shrunk, only samples are looked at before
the data are read straight into messages; of a pipe, which can't be sampled, more and more is sent before the next try.
So data that can't be compressed costs little, wherever it is in a file. Each message is compressed by itself, and
nothing is kept from one file to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.crypto import BATCH_BYTES, PAYLOAD_MAX
from secftp.protocol import CompressedData, Data
from secftp.protocol.limits import MAX_CLEAR, MAX_DATA, MAX_RATIO
from secftp.transport.compression import Compressor, shrinks

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.transport.channel import Channel, Fill

    Sample = Callable[[memoryview, int], int]

_TRIED_BYTES: Final = PAYLOAD_MAX  # at once, as long as it is not known how much fits into a message
_LEAST_BYTES: Final = 512  # fewer, from a slow pipe, tell nothing about what follows
_SAMPLE_BYTES: Final = 4096
_SAMPLE_LEVEL: Final = 1
_SAMPLE_STRIDE: Final = 0x9E3779B1  # that of samples, which are nowhere in step with what is in a file
_SKIPPED_BYTES: Final = BATCH_BYTES  # after what did not shrink, up to the next sample, or the first try of a pipe
_SKIPPED_MAX: Final = 16 * BATCH_BYTES  # of a pipe
_FRAME_MAX: Final = MAX_DATA - 4  # of a ZDATA, behind the size
# What a message is to hold. The rest is for parts of a file that shrink less than those before them.
_FRAME_AIM: Final = _FRAME_MAX * 4 // 5


class CompressedSender:
    """Sends the data of one file through a channel whose peer takes ZDATA, compressed at `level`.

    `sample` reads some bytes that are still to be sent, so far ahead, into a buffer, and returns how many; None if the
    file can be read only once.
    """

    def __init__(self, channel: Channel, level: int, sample: Sample | None = None) -> None:
        self._channel = channel
        self._compressor = Compressor(level)
        self._sample = sample
        self._sampler = None if sample is None else Compressor(_SAMPLE_LEVEL)
        self._samples = 0
        self._buffer = memoryview(bytearray(BATCH_BYTES))
        self._piece = 0  # bytes to be compressed together; 0: nothing is known yet
        self._shrunk = False  # whether any piece of what is being sent did
        self._is_plain = False  # whether data are sent as they are, until there is something to try
        self._to_skip = 0  # bytes to send before that is looked at
        self._skipped = 0  # of a pipe: how many these were the last time

    def send(self, fill: Fill, limit: int) -> int:
        """Send up to `limit` bytes as `Channel.send_data` does. Returns how many, 0 at the end of the file."""
        if self._is_plain and not self._tries_again(limit):
            count = self._channel.send_data(fill, limit if self._sampler else min(limit, self._to_skip))
            self._to_skip -= count
            return count
        view = self._buffer[: min(limit, BATCH_BYTES if self._piece else _TRIED_BYTES)]
        count = fill([view])
        self._shrunk = False
        rest = view[:count]
        while rest:
            size = self._next_piece(len(rest))
            self._send_piece(rest[:size])
            rest = rest[size:]
        if count >= _LEAST_BYTES and not self._shrunk:
            self._skip()
        return count

    def _skip(self) -> None:
        """Send what comes next as it is."""
        self._is_plain = True
        self._piece = 0
        if self._sampler is None:
            self._skipped = self._to_skip = min(max(2 * self._skipped, _SKIPPED_BYTES), _SKIPPED_MAX)

    def _tries_again(self, limit: int) -> bool:
        """Whether to compress what comes next: because a sample of it shrinks, or a pipe has to be tried."""
        if self._to_skip > 0:
            return False
        if self._sampler is not None and not self._sample_shrinks(min(limit, _SKIPPED_BYTES)):
            self._to_skip = _SKIPPED_BYTES
            return False
        self._is_plain = False
        self._piece = 0 if self._sampler is None else _TRIED_BYTES
        return True

    def _sample_shrinks(self, available: int) -> bool:
        """Look at a sample of so many bytes to come."""
        if self._sample is None or self._sampler is None:
            return False
        view = self._buffer[: min(_SAMPLE_BYTES, available)]
        self._samples += 1
        count = self._sample(view, self._samples * _SAMPLE_STRIDE % (available - len(view) + 1))
        return count >= _LEAST_BYTES and shrinks(count, len(self._sampler.compress(view[:count])))

    def _next_piece(self, available: int) -> int:
        """Return how many of these bytes to compress together: equal pieces, none longer than wanted."""
        if not self._piece:
            return available
        pieces = -(-available // self._piece)
        return -(-available // pieces)

    def _send_piece(self, clear: memoryview) -> None:
        """Send bytes as one message or, if they turn out to be too many for it, in halves."""
        frame = self._channel.waits.call(self._compressor.compress, clear) if len(clear) >= _LEAST_BYTES else b""
        if not frame or not shrinks(len(clear), len(frame)):
            self._piece = min(self._piece, _TRIED_BYTES)
            self._send_plain(clear)
        elif len(frame) > _FRAME_MAX or len(clear) > MAX_RATIO * len(frame):
            half = (len(clear) + 1) // 2
            self._send_piece(clear[:half])
            self._send_piece(clear[half:])
        else:
            self._channel.send(CompressedData(len(clear), frame))
            self._channel.count_data(len(clear), len(clear) - len(frame))
            self._shrunk = True
            self._skipped = 0
            self._piece = min(_FRAME_AIM * len(clear) // len(frame), MAX_RATIO * len(frame), MAX_CLEAR)

    def _send_plain(self, clear: memoryview) -> None:
        self._channel.count_data(len(clear), 0)
        for start in range(0, len(clear), MAX_DATA):
            self._channel.send(Data(clear[start : start + MAX_DATA]))
