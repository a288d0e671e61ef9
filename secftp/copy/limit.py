"""No more than so many bytes a second, over all files of a copy.

A token bucket: what was not used may be used later, but no more of it than a second's worth, so that no pause of the
other side is made up for by a burst. Whoever moved bytes waits here until they are paid for; that nothing is sent
meanwhile is what keeps the other side's buffers from running ahead.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from secftp.storage.store import SourceWrapper
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.storage import Source

_BURST_SECONDS = 1.0
_PORTION_SECONDS = 0.25
_NAP_SECONDS = 0.1


class RateLimit:
    """`rate`: bytes a second, None for no limit."""

    def __init__(
        self,
        rate: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._bucket = None if rate is None else TokenBucket(rate, rate * _BURST_SECONDS, clock(), tokens=0)

    @property
    def portion(self) -> int | None:
        """How many bytes should be moved at once at the most, for an even flow; None for any number."""
        return None if self.rate is None else max(1, int(self.rate * _PORTION_SECONDS))

    def spend(self, nbytes: int) -> None:
        """Account for bytes that were moved; returns when they are paid for."""
        if self._bucket is None or nbytes <= 0:
            return
        now = self._clock()
        paid_at = now + self._bucket.spend(nbytes, now)
        while (left := paid_at - now) > 0:
            self._sleep(min(left, _NAP_SECONDS))
            now = self._clock()


class Metered(SourceWrapper):
    """A source that gives so few bytes at once that a rate stays even; what it stands on is not closed with it."""

    def __init__(self, source: Source, portion: int) -> None:
        super().__init__(source)
        self._portion = portion

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        """As `Source.readv`, but fewer bytes mean nothing."""
        left, some = self._portion, []
        for buffer in buffers:
            some.append(buffer[:left])
            left -= len(some[-1])
            if not left:
                break
        return self._inner.readv(some, offset)

    def close(self) -> None:
        """Nothing is its own."""
