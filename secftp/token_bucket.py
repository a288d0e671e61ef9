"""Token-bucket rate limit, without a clock of its own.

A bucket holds up to `capacity` tokens and gains `rate` of them a second. The caller passes the time, in seconds of one
monotonic clock, and decides what a token is: an event, a byte, a line. It either asks before it acts (`take`), or
accounts for what it has done already and waits until that is paid for (`spend`).

Not thread-safe: threads that share a bucket share a lock. Invariant: a clock that steps back adds no tokens.
"""

from __future__ import annotations

import math


class TokenBucket:
    """`rate` tokens a second, up to `capacity` (infinite if unused tokens never expire).

    `now` is the time of creation, `tokens` how many there are then (default: `capacity`).
    """

    __slots__ = ("_capacity", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, capacity: float, now: float, *, tokens: float | None = None) -> None:
        self._rate = rate
        self._capacity = capacity
        self._tokens = capacity if tokens is None else tokens
        self._updated = now

    def available(self, now: float) -> float:
        """Return the number of tokens; negative after `spend` took more than there were."""
        if now > self._updated:
            self._tokens = min(self._tokens + (now - self._updated) * self._rate, self._capacity)
            self._updated = now
        return self._tokens

    def take(self, count: float, now: float) -> bool:
        """Remove `count` tokens and return True, or return False if there are fewer."""
        if self.available(now) < count:
            return False
        self._tokens -= count
        return True

    def spend(self, count: float, now: float, *, max_debt: float = math.inf) -> float:
        """Remove `count` tokens, also those that are not there, and return the seconds until the debt is paid.

        `max_debt` bounds the debt that this call may leave; a larger one that exists stays as it is.
        """
        before = self.available(now)
        self._tokens = max(before - count, min(before, -max_debt))
        return max(0.0, -self._tokens / self._rate)

    def put_back(self, count: float, now: float) -> None:
        """Return tokens that were taken; never beyond the capacity."""
        self._tokens = min(self.available(now) + count, self._capacity)

    def delay(self, count: float, now: float) -> float:
        """Return the seconds until `count` tokens are available; 0.0 if they are now."""
        return max(0.0, (count - self.available(now)) / self._rate)
