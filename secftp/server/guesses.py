"""How often a key may be guessed. Clock and sources come from outside; nothing here waits.

The server proves itself first, so that a client knows whether its guess was right as soon as it has the challenge. So a
guess is charged when a challenge is sent, and refunded when the client proves the key: however many connections run
side by side, none outruns the count. A source pays with growing delays, all together with a budget for new handshakes.
What must never happen: that somebody is locked out for good, or that a session under way is touched.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from secftp.server.limits import Limits

SOURCES_MAX: Final = 65_536
FIRST_DELAY_SECONDS: Final = 0.25
_IPV6_PREFIX: Final = 64


def source_of(host: str) -> str:
    """Whom a connection is laid to: its IPv4 address, or the /64 of its IPv6 address, which one household has whole."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.version == 4:  # noqa: PLR2004 - IPv4
        return host
    return str(ipaddress.ip_network((int(address) >> _IPV6_PREFIX << _IPV6_PREFIX, _IPV6_PREFIX)).network_address)


class _Debt:
    """What one source has guessed: how often, up to which time that was forgiven, and when it may guess again."""

    __slots__ = ("count", "due", "since")

    def __init__(self, now: float) -> None:
        self.count = 0
        self.since = now
        self.due = now


class Guesses:
    """Charges and refunds of all sources. One thread uses it; times are those of one monotonic clock, in seconds."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._debts: OrderedDict[str, _Debt] = OrderedDict()
        self._budget = float(limits.guess_burst)
        self._budget_at = now

    def count(self, source: str, now: float) -> int:
        """How many guesses of this source are neither refunded nor forgiven."""
        debt = self._debts.get(source)
        return 0 if debt is None else self._forgive(debt, now).count

    def due(self, source: str, now: float) -> float:
        """When the next challenge may be sent to this source; not later than `now` if at once."""
        return max(self.source_due(source, now), self._budget_due(now))

    def source_due(self, source: str, now: float) -> float:
        """The same, without the budget of all sources together."""
        debt = self._debts.get(source)
        return now if debt is None or self._forgive(debt, now).count <= self._limits.free_guesses else debt.due

    def charge(self, source: str, now: float) -> None:
        """A challenge was sent to this source."""
        self._refill(now)
        self._budget -= 1
        debt = self._debts.get(source)
        if debt is None:
            if len(self._debts) >= SOURCES_MAX:
                self._debts.popitem(last=False)  # the one that has been quiet for the longest time
            debt = self._debts[source] = _Debt(now)
        self._debts.move_to_end(source)
        debt = self._forgive(debt, now)
        debt.count += 1
        beyond = debt.count - self._limits.free_guesses
        # 2 ** 60 is long beyond any delay, and no float that overflows.
        delay = FIRST_DELAY_SECONDS * 2 ** min(beyond - 1, 60) if beyond > 0 else 0.0
        debt.due = now + min(delay, self._limits.guess_delay)

    def refund(self, source: str, now: float) -> None:
        """The client that this challenge was for has proved the key."""
        self._refill(now)
        self._budget = min(self._budget + 1, self._limits.guess_burst)
        debt = self._debts.get(source)
        if debt is None:
            return
        self._forgive(debt, now)
        debt.count = max(0, debt.count - 1)
        if debt.count == 0:
            del self._debts[source]

    def _forgive(self, debt: _Debt, now: float) -> _Debt:
        periods = int((now - debt.since) / self._limits.forgiven_seconds)
        if periods > 0:
            debt.count = max(0, debt.count - periods)
            debt.since += periods * self._limits.forgiven_seconds
        return debt

    def _refill(self, now: float) -> None:
        earned = (now - self._budget_at) * self._limits.guess_rate
        self._budget = min(self._budget + earned, self._limits.guess_burst)
        self._budget_at = now

    def _budget_due(self, now: float) -> float:
        self._refill(now)
        return now if self._budget >= 1 else now + (1 - self._budget) / self._limits.guess_rate
