"""Hellos that wait for their answer: after wrong keys from their address, or while wrong keys come from everywhere.

Each waits first for its own delay, side by side with all others, and then, if the budget for challenges is used up, for
its turn: those whose source has proved a key lately go first, and among the others each network has its turn. Whoever
waits is neither watched nor read from. What must never happen: that a client with the right key waits without a bound,
that a newcomer is turned away because an attacker has filled the queue, or that work grows with the number that waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from secftp.server.crowd import Crowd, HasAge
from secftp.server.fair_queue import FairQueue
from secftp.server.guesses import Charge, Guesses
from secftp.server.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.server.limits import Limits
    from secftp.server.sources import Source


class Candidate(HasAge, Protocol):
    """Who waits. `charge` is what its challenge has cost, once it has one."""

    charge: Charge | None

    @property
    def source(self) -> Source:
        """Where it comes from."""
        ...


_T = TypeVar("_T", bound=Candidate)


class Admission(Generic[_T]):
    """When each hello is answered. One thread uses it; times are seconds of one monotonic clock.

    `choose(n)` is a random number below n.
    """

    def __init__(self, limits: Limits, now: float, choose: Callable[[int], int] | None = None) -> None:
        self._limits = limits
        self._guesses = Guesses(limits, now)
        self._waiting: Crowd[_T] = Crowd(oldest_first=False, choose=choose)
        self._timers: Timers[_T] = Timers()  # the end of its delay; once that is over, the end of its patience
        self._due: dict[bool, FairQueue[_T]] = {True: FairQueue(), False: FairQueue()}  # by `trusted`
        self._is_due: set[_T] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._waiting)

    def __contains__(self, candidate: _T) -> bool:
        return candidate in self._waiting

    def is_trusted(self, source: Source, now: float) -> bool:
        """Whether a key was proved from there lately."""
        return self._guesses.is_trusted(source, now)

    def crowded(self, candidate: _T) -> _T | None:
        """Who has to go before this one can be added; None if there is room."""
        if self._waiting.count(candidate.source) >= self._limits.max_waiting_per_source:
            return self._waiting.pick_of(candidate.source)
        if len(self._waiting) >= self._limits.max_waiting:
            return self._waiting.pick()
        return None

    def add(self, candidate: _T, now: float) -> float:
        """Let it wait; until when its own delay lasts, `now` if it has none."""
        candidate.trusted = self._guesses.is_trusted(candidate.source, now)
        due = self._guesses.schedule(candidate.source, self._waiting.count(candidate.source), now)
        self._waiting.add(candidate)
        if due <= now:
            self._become_due(candidate, now)
        else:
            self._timers.set(candidate, due)
        return due

    def remove(self, candidate: _T) -> None:
        """It waits no longer; one that does not wait changes nothing."""
        self._waiting.discard(candidate)
        self._timers.clear(candidate)
        if candidate in self._is_due:
            self._is_due.remove(candidate)
            self._due[candidate.trusted].remove(candidate)

    def expire(self, now: float) -> list[_T]:
        """Let delays end that are over; those who have waited for their turn for too long, and wait no more."""
        expired = []
        while (candidate := self._timers.take(now)) is not None:
            if candidate in self._is_due:
                self.remove(candidate)
                expired.append(candidate)
            else:
                self._become_due(candidate, now)
        return expired

    def take(self, now: float) -> _T | None:
        """The next to be answered now, if there is one; it waits no more."""
        for trusted in (True, False):
            queue = self._due[trusted]
            if len(queue) and self._guesses.due(now, trusted=trusted) <= now:
                candidate = queue.take()
                self._is_due.remove(candidate)
                self._waiting.discard(candidate)
                self._timers.clear(candidate)
                return candidate
        return None

    def next_time(self, now: float) -> float | None:
        """When something is to be done; None if nothing waits."""
        times = [self._guesses.due(now, trusted=trusted) for trusted, queue in self._due.items() if len(queue)]
        if (timer := self._timers.next()) is not None:
            times.append(timer)
        return min(times, default=None)

    def charge(self, candidate: _T, now: float) -> None:
        """It was sent a challenge that tells whether its key is right."""
        candidate.charge = self._guesses.charge(candidate.source, now, trusted=candidate.trusted)

    def proved(self, candidate: _T, now: float) -> None:
        """It has proved a key. Others of its source that wait for their turn go first from now on, too."""
        self._guesses.trust(candidate.source, now)
        if candidate.charge is not None:
            self._guesses.refund(candidate.source, candidate.charge, now)
        for waiting in self._waiting.of(candidate.source):
            if waiting in self._is_due:
                self._due[waiting.trusted].remove(waiting)
                self._due[True].add(waiting)
            waiting.trusted = True

    def _become_due(self, candidate: _T, now: float) -> None:
        self._is_due.add(candidate)
        self._due[candidate.trusted].add(candidate)
        self._timers.set(candidate, now + self._limits.waiting_seconds)
