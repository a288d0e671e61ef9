"""A stream that counts what it moves, and takes its time where a bandwidth is set for all of a server's sessions.

One bucket for each direction, which all sessions share: a session that has moved more than there was waits until its
share has come in again. TCP tells the peer to slow down. What must never happen: that a wait is so long that the peer
takes the connection for dead, so no more than a slice is moved at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.channel.stream import Stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# A session's wait is as many slices as there are sessions; never longer than this, so that a peer hears of it again.
WAIT_SECONDS: Final = 10.0
SLICES_PER_SECOND: Final = 64
SLICE_MIN: Final = 1024
SLICE_MAX: Final = 256 * 1024
# What is said between files (a request, a sign of life) never waits.
FREE_BYTES: Final = 256


class Bucket:
    """So many bytes a second for everybody who takes from it."""

    def __init__(self, rate: int) -> None:
        self.slice = min(SLICE_MAX, max(SLICE_MIN, rate // SLICES_PER_SECOND))
        self._rate = rate
        self._free_at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, count: int) -> float:
        """Take so many; how many seconds to wait before more is taken."""
        now = time.monotonic()
        with self._lock:
            self._free_at = max(self._free_at, now) + count / self._rate
            return self._free_at - now - 1 / SLICES_PER_SECOND


class Pace:
    """A server's bandwidth: `rate` bytes a second in each direction, None for as fast as it goes.

    `tell` is called whenever somebody has to wait for it.
    """

    def __init__(self, rate: int | None = None, tell: Callable[[], None] = lambda: None) -> None:
        self.receiving = None if rate is None else Bucket(rate)
        self.sending = None if rate is None else Bucket(rate)
        self.tell = tell


class PacedStream(Stream):
    """A stream of a server's; `moved` is how many bytes have gone through it, in both directions."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        super().__init__(sock)
        self.moved = 0
        self._pace = pace

    def try_receive(self, view: memoryview) -> int | None:
        """As `Stream.try_receive`, at the pace."""
        bucket = self._pace.receiving
        count = super().try_receive(view if bucket is None else view[: bucket.slice])
        if count:
            self._account(count, bucket)
        return count

    def try_send(self, view: memoryview) -> int:
        """As `Stream.try_send`, at the pace."""
        bucket = self._pace.sending
        count = super().try_send(view if bucket is None else view[: bucket.slice])
        self._account(count, bucket)
        return count

    def send_at_once(self, view: memoryview) -> int:
        """As `Stream.send_at_once`: a thread that looks after everybody's streams can't pause for one."""
        count = super().try_send(view)
        self.moved += count
        return count

    def _account(self, count: int, bucket: Bucket | None) -> None:
        self.moved += count
        if bucket is None or count <= FREE_BYTES:
            return
        wait = bucket.take(count)
        if wait > 0:
            self._pace.tell()
            time.sleep(min(wait, WAIT_SECONDS))
