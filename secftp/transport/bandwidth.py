"""Bandwidth limit of a server: a token bucket for each direction, which all sessions share.

A session that has overdrawn a bucket waits until the tokens are there again; TCP's backpressure slows its peer down.
Only a thread that serves several connections (the accept loop, the keepalive) does not wait; the sessions wait for what
it has sent and received.

Invariants: every byte counts, those of handshakes, keepalives and frame headers included. No wait is so long that the
peer takes the connection for dead: no more than a slice is sent or received at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.token_bucket import TokenBucket
from secftp.transport.stream import Stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# A session waits for as many slices as there are sessions, but no longer than this, so that its peer hears of it again.
WAIT_SECONDS: Final = 10.0
SLICES_PER_SECOND: Final = 64
SLICE_MIN: Final = 256
SLICE_MAX: Final = 256 * 1024
# How far ahead of the rate a thread that does not wait may get: no flood of handshakes delays a session for longer.
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
    """A limit of `rate` bytes a second in each direction; None for no limit. `on_wait` is called before each wait."""

    def __init__(self, rate: int | None = None, on_wait: Callable[[], None] = lambda: None) -> None:
        self.receiving = None if rate is None else Bucket(rate)
        self.sending = None if rate is None else Bucket(rate)
        self.on_wait = on_wait


class MeteredStream(Stream):
    """A stream under a bandwidth limit. `moved` counts its bytes in both directions.

    `may_wait` is set once it has a thread of its own, which waits for the limit; until then bytes are only counted.
    """

    def __init__(self, sock: socket.socket, bandwidth: Bandwidth) -> None:
        super().__init__(sock)
        self.moved = 0
        self.may_wait = False
        self._bandwidth = bandwidth

    def try_receive(self, view: memoryview) -> int | None:
        """Receive what is there, up to a slice; wait after that if the limit says so."""
        bucket = self._bandwidth.receiving
        count = super().try_receive(view if bucket is None else view[: bucket.slice])
        if count:
            self._account(count, bucket)
        return count

    def try_send(self, view: memoryview) -> int:
        """Send what fits, up to a slice; wait after that if the limit says so."""
        bucket = self._bandwidth.sending
        count = super().try_send(view if bucket is None else view[: bucket.slice])
        self._account(count, bucket)
        return count

    def send_at_once(self, view: memoryview) -> int:
        """Send what fits, without a wait: for a thread that serves several streams."""
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
            self._bandwidth.on_wait()
            time.sleep(min(wait, WAIT_SECONDS))
