"""Rate limits on what clients add to the log, in bytes and lines.

An authenticated client may add a number of bytes at once, and as many a minute. Each session has a limit of its own,
and each key on each network another, so that new sessions gain nothing. An exhausted limit lets nothing pass until an
eighth of it is available again: a few long gaps are easier to read than single missing lines everywhere.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE: Final = 60.0
# In any minute a session makes no more than what it has at first and what is added in that minute: 960 KiB. The rest of
# a MiB is for lines that always pass: those that count what was left out, and those of its end.
SESSION_BYTES: Final = 480 << 10
SOURCE_BYTES: Final = 4 << 20
# SourceBudgets whose share is remembered; more that are active at once have the shares of their sessions alone.
SOURCES_MAX: Final = 1024
_IPV6_PREFIX: Final = 64


class ByteBudget:
    """So many bytes at once, and as many a minute."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._bucket = TokenBucket(most / MINUTE, most, clock())
        self._used_up = False
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> bool:
        """Take so many if they are there."""
        with self._lock:
            if self._is_used_up():
                return False
            self._used_up = not self._bucket.take(nbytes, self._clock())
            return not self._used_up

    @property
    def is_used_up(self) -> bool:
        """Whether nothing passes now, so that a line need not even be made."""
        with self._lock:
            return self._is_used_up()

    @property
    def is_full(self) -> bool:
        """Whether nothing is missing: then it need not be remembered."""
        with self._lock:
            return self._bucket.available(self._clock()) >= self._most

    def _is_used_up(self) -> bool:
        return self._used_up and self._bucket.available(self._clock()) < self._most / 8


class EventLimiter:
    """Lets something of one name through once in so many seconds, and counts what it did not let through."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buckets: dict[str, TokenBucket] = {}
        self._left_out: Counter[str] = Counter()
        self._lock = threading.Lock()

    def ask(self, name: str) -> int | None:
        """How many were left out since the last one, if this one may pass; else None. Names come from a short list."""
        now = time.monotonic()
        with self._lock:
            if name not in self._buckets:
                self._buckets[name] = TokenBucket(1 / self._seconds, 1, now)
            if not self._buckets[name].take(1, now):
                self._left_out[name] += 1
                return None
            return self._left_out.pop(name, 0)


class SourceBudgets:
    """The shares of those who have made some log lately, by network and key."""

    def __init__(self) -> None:
        self._shares: dict[tuple[str, str], ByteBudget] = {}
        self._lock = threading.Lock()

    def share(self, host: str, key: str) -> ByteBudget:
        """That of a network and the name of a key."""
        place = network_of(host), key
        with self._lock:
            found = self._shares.get(place)
            if found is None:
                if len(self._shares) >= SOURCES_MAX:
                    self._shares = {one: share for one, share in self._shares.items() if not share.is_full}
                found = ByteBudget(SOURCE_BYTES)
                if len(self._shares) < SOURCES_MAX:
                    self._shares[place] = found
            return found


def network_of(host: str) -> str:
    """The network that one client is taken to have: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
