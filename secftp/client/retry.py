"""Connecting again: as often as was asked for, with pauses that grow, are never the same, and have an end.

That they are never the same keeps many clients from coming back at one moment to the server that all of them lost.
What must never happen: that a wrong key or a refusal is tried again, which would only annoy or alarm the server.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from secftp.errors import ConnectionLost, SecftpError, ServerBusy, ServerUnreachable, TransferTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.connect import Connector
    from secftp.session import Session

FIRST_PAUSE: Final = 1.0  # seconds
LONGEST_PAUSE: Final = 60.0
_T = TypeVar("_T")


# Gets why a connection failed, the pause in seconds, and which new one of how many is going to be made.
Told: TypeAlias = "Callable[[SecftpError, float, int, int], None]"


class Retries:
    """At most `attempts` new connections, as long as that is `possible`.

    `moved` tells how much has been done; whenever that grew, pauses begin anew.
    """

    def __init__(
        self,
        attempts: int,
        told: Told,
        moved: Callable[[], int],
        *,
        possible: Callable[[], bool] = lambda: True,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._attempts = attempts
        self._told = told
        self._moved = moved
        self._possible = possible
        self._sleep = sleep
        self._chance = chance

    def run(self, connector: Connector, work: Callable[[Session], _T]) -> _T:
        """What `work` returns, called with session after session until it does; raises the last failure."""
        attempt = fruitless = 0
        while True:
            before = self._moved()
            try:
                with connector.open() as session:
                    return work(session)
            except (ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout) as problem:
                attempt += 1
                if attempt > self._attempts or not self._possible():
                    raise
                fruitless = 1 if self._moved() > before else fruitless + 1
                pause = self._pause(fruitless)
                self._told(problem, pause, attempt, self._attempts)
                self._sleep(pause)

    def _pause(self, fruitless: int) -> float:
        """Twice as long for each connection that brought nothing, and of that somewhere between half and all."""
        if self._chance is None:
            from random import random  # a few milliseconds that are only spent once something failed

            self._chance = random
        longest = min(FIRST_PAUSE * 2.0 ** min(fruitless - 1, 10), LONGEST_PAUSE)
        return longest * (0.5 + 0.5 * self._chance())
