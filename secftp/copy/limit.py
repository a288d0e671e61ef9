"""No more than so many bytes a second, over all files of a copy.

A token bucket: what was not used may be used later, but no more of it than a quarter of a second's worth, so that the
rate holds over any second. Whoever moved bytes waits here until they are paid for; that nothing is sent meanwhile is
what keeps the other side's buffers from running ahead.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BURST_SECONDS = 0.25
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
        self._paid_until = clock()

    @property
    def portion(self) -> int | None:
        """How many bytes should be moved at once at the most, for an even flow; None for any number."""
        return None if self.rate is None else max(1, int(self.rate * _BURST_SECONDS))

    def spend(self, nbytes: int) -> None:
        """Account for bytes that were moved; returns when they are paid for."""
        if self.rate is None or nbytes <= 0:
            return
        now = self._clock()
        self._paid_until = max(self._paid_until, now - _BURST_SECONDS) + nbytes / self.rate
        while (left := self._paid_until - now) > 0:
            self._sleep(min(left, _NAP_SECONDS))
            now = self._clock()
