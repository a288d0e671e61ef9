"""Rate limit of a copy, over all of its files.

A token bucket with a capacity of one second's bytes: a pause of the peer is not made up for by a burst. The thread that
transferred bytes sleeps until they are paid for; since nothing is sent meanwhile, the peer's buffers don't fill up. All
streams of a copy share the bucket.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.storage.wrappers import SourceWrapper
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.storage import Source

_BURST_SECONDS: Final = 1.0
_CHUNK_SECONDS: Final = 0.25
_SLEEP_SECONDS: Final = 0.1  # at once, so that Ctrl-C is heeded soon


class RateLimit:
    """A limit of `rate` bytes a second, None for no limit. Thread-safe. `sleep` may be replaced."""

    def __init__(
        self,
        rate: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self._clock = clock
        self.sleep = sleep
        self._lock = threading.Lock()
        self._bucket = None if rate is None else TokenBucket(rate, rate * _BURST_SECONDS, clock(), tokens=0)

    @property
    def chunk_size(self) -> int | None:
        """The most bytes to transfer at once for an even rate; None for any number."""
        return None if self.rate is None else max(1, int(self.rate * _CHUNK_SECONDS))

    def spend(self, nbytes: int) -> None:
        """Account for bytes that were transferred, and sleep until they are within the limit."""
        if self._bucket is None or nbytes <= 0:
            return
        with self._lock:
            now = self._clock()
            paid_at = now + self._bucket.spend(nbytes, now)
        while (left := paid_at - now) > 0:
            self.sleep(min(left, _SLEEP_SECONDS))
            now = self._clock()


class RateLimitedSource(SourceWrapper):
    """A source that returns at most `chunk_size` bytes at once. Closing it leaves the wrapped source open."""

    def __init__(self, source: Source, chunk_size: int) -> None:
        super().__init__(source)
        self._chunk_size = chunk_size

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Read up to `chunk_size` bytes; fewer bytes than asked for do not mean the end."""
        left, some = self._chunk_size, []
        for buffer in buffers:
            some.append(buffer[:left])
            left -= len(some[-1])
            if not left:
                break
        return self._inner.readv(some, offset)

    def close(self) -> None:
        """Do nothing."""
