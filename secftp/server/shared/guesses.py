"""Guesses that count for all servers: asked before each challenge, taken back when the key is proved.

What is taken back goes to where it was charged. A charge that was made while Redis was lost is none there; one that was
made before is taken back when Redis is there again, unless it has lost its data.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.server.shared.link import MISUNDERSTOOD
from secftp.server.shared.scripts import CHARGE, REFUND
from secftp.server.throttle import FIRST_DELAY_SECONDS, SIDE_BY_SIDE, SOURCES_MAX, count_max

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.fairness import SourceAddress
    from secftp.server.options import ServerLimits
    from secftp.server.shared.link import Link
    from secftp.server.shared.names import Names

# Proofs whose charges are still to be taken back, the oldest are dropped: what is not taken back is forgiven in time.
MOST_REFUNDS: Final = 8192
_AT_ONCE: Final = 256
_LEAST_SECONDS: Final = 0.001
_COMMON, _TRUSTED = "budget", "trusted"


class Receipt(NamedTuple):
    """A charge in Redis: since which loss of data, of which source, from which budget, and whether it was counted."""

    epoch: bytes
    debt: str
    budget: str
    counted: bool


class Answer(NamedTuple):
    """What Redis says to a challenge: the seconds to wait, for the source or `for_all`, or a charge."""

    seconds: float = 0.0
    for_all: bool = False
    receipt: Receipt | None = None


class SharedGuesses:
    """Charges and refunds in Redis. `charge` is for the accept loop alone."""

    def __init__(self, link: Link, names: Names, limits: ServerLimits) -> None:
        self._link = link
        self._names = names
        self._limits = limits
        self._refunds: deque[Receipt] = deque(maxlen=MOST_REFUNDS)
        self._gates: OrderedDict[object, float] = OrderedDict()  # when the next hello of a source may ask again
        self._values = (
            limits.free_guesses,
            limits.guess_delay,
            FIRST_DELAY_SECONDS,
            SIDE_BY_SIDE,
            limits.forgiven_seconds,
            limits.guess_rate,
            limits.guess_burst,
            count_max(limits),
        )

    def charge(self, source: SourceAddress, waited: float, now: float, *, trusted: bool) -> Answer:
        """Charge for a challenge, or say how long its hello has to wait; an empty answer if Redis is lost.

        `waited`: seconds since the hello came. `now`: by the monotonic clock.
        """
        keys = (
            self._names.key("epoch"),
            self._names.key("debt", source.address),
            self._names.key("budget", _COMMON),
            self._names.key("budget", _TRUSTED),
        )
        found = self._link.call(
            CHARGE, keys, (secrets.token_hex(8), waited, int(trusted), *self._values), accepting=True
        )
        if found is None:
            return Answer()
        try:
            return self._answer(found, keys, source, now)
        except MISUNDERSTOOD:
            self._link.distrust()
            return Answer()

    def _answer(self, found: list[Any], keys: tuple[str, ...], source: SourceAddress, now: float) -> Answer:
        kind = int(found[0])
        if not kind:
            if not isinstance(found[1], bytes):
                raise TypeError
            return Answer(receipt=Receipt(found[1], keys[1], keys[int(found[2]) - 1], found[3] == 1))
        # Whatever Redis says, no wait is longer than one that this server would impose by itself.
        seconds = max(_LEAST_SECONDS, float(found[1]))
        if kind == 1:
            return Answer(self._in_turn(source, min(seconds, self._limits.guess_delay), now))
        return Answer(min(seconds, 1 / self._limits.guess_rate), for_all=True)

    def _in_turn(self, source: SourceAddress, seconds: float, now: float) -> float:
        """Return when a hello of a source may ask again: one after the other, so that a flood does not flood Redis."""
        due = max(now + seconds, self._gates.pop(source.address, 0.0))
        if len(self._gates) >= SOURCES_MAX:
            self._gates.popitem(last=False)
        self._gates[source.address] = due + self._limits.guess_delay / SIDE_BY_SIDE
        return due - now

    def refund(self, receipt: Receipt) -> None:
        """Have a charge taken back, as the key was proved; a thread does so."""
        self._refunds.append(receipt)
        self._link.hurry()

    def settle(self, run: Callable[..., Any]) -> None:
        """Take back what is due. Raises `LineError`."""
        for _ in range(min(_AT_ONCE, len(self._refunds))):
            receipt = self._refunds[0]
            limits = self._limits
            values = receipt.epoch, int(receipt.counted), limits.forgiven_seconds, limits.guess_rate, limits.guess_burst
            run(REFUND, (self._names.key("epoch"), receipt.debt, receipt.budget), values)
            self._refunds.popleft()
