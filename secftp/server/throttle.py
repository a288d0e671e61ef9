"""Limit on how often a key may be guessed.

The server proves itself first, so a client knows whether its guess was right as soon as it has the challenge. A guess
is therefore charged when a challenge is sent, and refunded when the client proves the key: parallel connections do not
outrun the count. A source pays with growing delays, all sources together with a budget for challenges; sources that
proved a key recently have a second budget of their own.

Delays of one source, `guess_delay` seconds at most, run in parallel, but grow with the number of its waiting hellos:
`guess_delay * (1 + waiting / 16)`. So a source has at most `16 / guess_delay` guesses a second in the long run, however
many connections it uses: 3.2 a second with 5 s.

Invariants: no source is locked out; a proof of one key does not pay for guesses at another; sessions are not affected.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.token_bucket import TokenBucket

if TYPE_CHECKING:
    from secftp.server.fairness import Network, SourceAddress
    from secftp.server.options import ServerLimits

SOURCES_MAX: Final = 65_536
FIRST_DELAY_SECONDS: Final = 0.25
SIDE_BY_SIDE: Final = 16
# How long a source that proved a key is answered before others.
TRUSTED_SECONDS: Final = 12 * 3600.0


class Charge(NamedTuple):
    """What a challenge has cost: the budget it was taken from, and whether it raised the count of its source."""

    budget: TokenBucket
    counted: bool


def count_max(limits: ServerLimits) -> int:
    """Return the highest count of a source: a higher one would change no delay, and take longer to be forgiven."""
    doublings = math.ceil(math.log2(max(limits.guess_delay / FIRST_DELAY_SECONDS, 1.0)))
    return limits.free_guesses + 1 + doublings


class _Debt:
    """The guesses of one source: their number, the time up to which they were forgiven, and its last hello."""

    __slots__ = ("count", "last", "since")

    def __init__(self, now: float) -> None:
        self.count = 0
        self.since = now
        self.last = now


class GuessLimiter:
    """Charges and refunds of all sources. Not thread-safe; times are seconds of one monotonic clock."""

    def __init__(self, limits: ServerLimits, now: float) -> None:
        self._limits = limits
        self._debts: OrderedDict[Network, _Debt] = OrderedDict()
        self._trusted: OrderedDict[Network, float] = OrderedDict()  # when each source last proved a key
        self._budget = TokenBucket(limits.guess_rate, limits.guess_burst, now)
        self._trusted_budget = TokenBucket(limits.guess_rate, limits.guess_burst, now)
        self._count_max = count_max(limits)

    def count(self, source: SourceAddress, now: float) -> int:
        """Return the guesses of a source that are neither refunded nor forgiven, up to those that change the delay."""
        debt = self._debts.get(source.address)
        return 0 if debt is None else self._forgive(debt, now).count

    def schedule(self, source: SourceAddress, waiting: int, now: float) -> float:
        """Return when a hello that came now is to be answered, while `waiting` others of its source wait already."""
        beyond = self.count(source, now) + waiting - self._limits.free_guesses
        if beyond <= 0:
            return now
        # 2 ** 60 is far beyond any delay, and does not overflow.
        delay = min(FIRST_DELAY_SECONDS * 2.0 ** min(beyond - 1, 60), self._limits.guess_delay)
        debt = self._debt(source, now)
        last, debt.last = debt.last, now
        return max(now, last + delay * (1 + waiting / SIDE_BY_SIDE))

    def due(self, now: float, *, trusted: bool) -> float:
        """Return when the budgets allow the next challenge; `now` if at once."""
        delay = self._budget.delay(1, now)
        return now + (min(delay, self._trusted_budget.delay(1, now)) if trusted else delay)

    def charge(self, source: SourceAddress, now: float, *, trusted: bool) -> Charge:
        """Charge a source for a challenge that was sent to it."""
        own = trusted and self._trusted_budget.available(now) >= 1
        budget = self._trusted_budget if own else self._budget
        budget.spend(1, now)
        debt = self._debt(source, now)
        debt.last = now
        counted = self._forgive(debt, now).count < self._count_max
        debt.count += counted
        return Charge(budget, counted)

    def refund(self, source: SourceAddress, charge: Charge, now: float) -> None:
        """Take back the charge for a challenge, as the client has proved the key."""
        charge.budget.put_back(1, now)
        debt = self._debts.get(source.address)
        if debt is None or not charge.counted:
            return
        self._forgive(debt, now)
        debt.count = max(0, debt.count - 1)
        if debt.count == 0:
            del self._debts[source.address]

    def trust(self, source: SourceAddress, now: float) -> None:
        """Note that a key was proved from this source."""
        if source.address not in self._trusted and len(self._trusted) >= SOURCES_MAX:
            self._trusted.popitem(last=False)
        self._trusted[source.address] = now
        self._trusted.move_to_end(source.address)

    def is_trusted(self, source: SourceAddress, now: float) -> bool:
        """Return whether a key was proved from this source recently."""
        proved = self._trusted.get(source.address)
        return proved is not None and now - proved <= TRUSTED_SECONDS

    def _debt(self, source: SourceAddress, now: float) -> _Debt:
        debt = self._debts.get(source.address)
        if debt is None:
            if len(self._debts) >= SOURCES_MAX:
                self._debts.popitem(last=False)  # the one whose last hello is the oldest
            debt = self._debts[source.address] = _Debt(now)
        self._debts.move_to_end(source.address)
        return debt

    def _forgive(self, debt: _Debt, now: float) -> _Debt:
        periods = int((now - debt.since) / self._limits.forgiven_seconds)
        if periods > 0:
            debt.count = max(0, debt.count - periods)
            debt.since += periods * self._limits.forgiven_seconds
        return debt
