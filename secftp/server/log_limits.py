"""Rate limits on what clients add to the log, in bytes and lines.

An authenticated client may add a number of bytes at once, and as many a minute. Each session has a budget of its own,
and each key on each network another, so that new sessions gain nothing. A used-up budget lets nothing pass until an
eighth of it is available again: a few long gaps are easier to read than single missing lines everywhere.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.server.fairness import source_address
from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.fairness import Network

MINUTE: Final = 60.0
# In any minute a session adds at most its burst and what is refilled in that minute: 960 KiB. The rest of a MiB is for
# lines that always pass: those that count omitted lines, and those at its end.
SESSION_BYTES: Final = 480 << 10
SOURCE_BYTES: Final = 4 << 20
# Sources with a budget; if more are active at once, the others have only the budgets of their sessions.
SOURCES_MAX: Final = 1024
_Source: TypeAlias = "tuple[Network | str, str]"  # the network and the name of the key


class ByteBudget:
    """`most` bytes at once, and as many a minute. Thread-safe."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._bucket = TokenBucket(most / MINUTE, most, clock())
        self._used_up = False
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> bool:
        """Take bytes from the budget; False if it lacks them."""
        with self._lock:
            if self._is_used_up():
                return False
            self._used_up = not self._bucket.take(nbytes, self._clock())
            return not self._used_up

    @property
    def is_used_up(self) -> bool:
        """Whether nothing passes now, so that a line need not even be formatted."""
        with self._lock:
            return self._is_used_up()

    @property
    def is_full(self) -> bool:
        """Whether the budget is unused, and need not be remembered."""
        with self._lock:
            return self._bucket.available(self._clock()) >= self._most

    def _is_used_up(self) -> bool:
        return self._used_up and self._bucket.available(self._clock()) < self._most / 8


class SourceBudgets:
    """The budgets of all sources that have added to the log recently, by network and key. Thread-safe."""

    def __init__(self) -> None:
        self._budgets: dict[_Source, ByteBudget] = {}
        self._lock = threading.Lock()

    def share(self, host: str, key: str) -> ByteBudget:
        """Return the budget of an IPv4 address, or the /64 of an IPv6 address, under the name of a key."""
        source = _network(host), key
        with self._lock:
            found = self._budgets.get(source)
            if found is None:
                if len(self._budgets) >= SOURCES_MAX:
                    self._budgets = {one: budget for one, budget in self._budgets.items() if not budget.is_full}
                found = ByteBudget(SOURCE_BYTES)
                if len(self._budgets) < SOURCES_MAX:
                    self._budgets[source] = found
            return found


def _network(host: str) -> Network | str:
    try:
        return source_address(host).address
    except ValueError:
        return host  # of a socket without an IP address


class RepeatLimiter:
    """Admits one event of each name in `seconds`, and counts the others. Thread-safe; the names must be few."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buckets: dict[str, TokenBucket] = {}
        self._omitted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def admit(self, name: str) -> int | None:
        """Return how many events of this name were omitted before this one; None if this one is omitted, too."""
        now = time.monotonic()
        with self._lock:
            if name not in self._buckets:
                self._buckets[name] = TokenBucket(1 / self._seconds, 1, now)
            if not self._buckets[name].take(1, now):
                self._omitted[name] += 1
                return None
            return self._omitted.pop(name, 0)
