"""A stream that counts what it moves, and takes its time where a bandwidth is set for all of a server's sessions.

One bucket for each direction, which all sessions share: a session that has moved more than there was waits until its
share has come in again. TCP tells the peer to slow down. Every byte counts, handshakes, requests, keepalives and the
heads of frames included; only a thread that serves others as well (the accept loop, the keepalive) does not wait, and
the sessions wait for what it moved. What must never happen: that a byte is not counted, or that a wait is so long that
the peer takes the connection for dead, so no more than a slice is moved at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.channel.stream import Stream
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# A session's wait is as many slices as there are sessions; never longer than this, so that a peer hears of it again.
WAIT_SECONDS: Final = 10.0
SLICES_PER_SECOND: Final = 64
SLICE_MIN: Final = 256
SLICE_MAX: Final = 256 * 1024
# How far ahead of the rate those may get who don't wait, so that a flood of handshakes holds up no session for longer.
AHEAD_SECONDS: Final = 5.0


class Bucket:
    """The token bucket of one direction, `rate` bytes a second for all threads together."""

    def __init__(self, rate: int) -> None:
        self.slice = min(SLICE_MAX, max(SLICE_MIN, rate // SLICES_PER_SECOND))
        self._debt_max = rate * AHEAD_SECONDS
        self._tokens = TokenBucket(rate, rate / SLICES_PER_SECOND, time.monotonic())
        self._lock = threading.Lock()

    def take(self, count: int) -> float:
        """Account for `count` bytes; return how many seconds to wait before more are moved."""
        with self._lock:
            return self._tokens.spend(count, time.monotonic())

    def note(self, count: int) -> None:
        """Account for `count` bytes without a wait: others wait for them, no longer than `AHEAD_SECONDS`."""
        with self._lock:
            self._tokens.spend(count, time.monotonic(), max_debt=self._debt_max)


class Bandwidth:
    """A server's bandwidth: `rate` bytes a second in each direction, None for as fast as it goes.

    `tell` is called whenever somebody has to wait for it.
    """

    def __init__(self, rate: int | None = None, tell: Callable[[], None] = lambda: None) -> None:
        self.receiving = None if rate is None else Bucket(rate)
        self.sending = None if rate is None else Bucket(rate)
        self.tell = tell


class MeteredStream(Stream):
    """A stream of a server's; `moved` is how many bytes have gone through it, in both directions.

    `may_wait` says that it has a thread of its own, which pauses for the pace; until then it only counts.
    """

    def __init__(self, sock: socket.socket, bandwidth: Bandwidth) -> None:
        super().__init__(sock)
        self.moved = 0
        self.may_wait = False
        self._bandwidth = bandwidth

    def try_receive(self, view: memoryview) -> int | None:
        """As `Stream.try_receive`, at the pace."""
        bucket = self._bandwidth.receiving
        count = super().try_receive(view if bucket is None else view[: bucket.slice])
        if count:
            self._account(count, bucket)
        return count

    def try_send(self, view: memoryview) -> int:
        """As `Stream.try_send`, at the pace."""
        bucket = self._bandwidth.sending
        count = super().try_send(view if bucket is None else view[: bucket.slice])
        self._account(count, bucket)
        return count

    def send_at_once(self, view: memoryview) -> int:
        """As `Stream.send_at_once`: a thread that looks after everybody's streams can't pause for one."""
        count = super().try_send(view)
        self.moved += count
        if count and self._bandwidth.sending is not None:
            self._bandwidth.sending.note(count)
        return count

    def _account(self, count: int, bucket: Bucket | None) -> None:
        self.moved += count
        if bucket is None or not count:
            return
        if not self.may_wait:
            bucket.note(count)
            return
        wait = bucket.take(count)
        if wait > 0:
            self._bandwidth.tell()
            time.sleep(min(wait, WAIT_SECONDS))
