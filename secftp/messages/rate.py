"""A bound on how often something may happen; the time comes from the caller, never from a clock.

The allowance adds up for as long as a session lasts and is never cut back to the burst. A receiver that is busy for an
hour finds an hour's events in its buffers and takes them all at once: a bound that forgets what it has not used would
take an honest peer for a flood. What a peer can save up by being silent is bounded by `rate` all the same.
"""

from __future__ import annotations


class Allowance:
    """`burst` events, and `rate` more for each second since `start`."""

    __slots__ = ("_burst", "_latest", "_rate", "_start", "_taken")

    def __init__(self, burst: int, rate: float, start: float) -> None:
        self._burst = burst
        self._rate = rate
        self._start = self._latest = start
        self._taken = 0

    def take(self, now: float) -> bool:
        """Spend one event at `now` (seconds; a step back counts as no time) and say whether there was one."""
        self._latest = max(self._latest, now)
        if self._taken + 1 > self._burst + self._rate * (self._latest - self._start):
            return False
        self._taken += 1
        return True
