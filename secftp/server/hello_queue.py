"""Queue of client hellos whose answer is delayed, after wrong keys from their address or from everywhere.

A hello first waits for its own delay, in parallel with all others. If the budget for challenges is then used up, it
waits for its turn: sources that proved a key recently come first, the others take turns by network. Waiting connections
are neither polled nor read.

Invariants: the wait of a client with the right key is bounded; a full queue never rejects a new client in favour of an
attacker; the work does not grow with the number of waiting clients.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from secftp.server.fairness import EvictionPool, FairQueue, Pending
from secftp.server.throttle import Charge, GuessLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from secftp.server.fairness import SourceAddress
    from secftp.server.limits import ServerLimits

_K = TypeVar("_K", bound="Hashable")
# So many entries of times that were cleared may stay behind before they are swept.
_STALE: Final = 64


class Timers(Generic[_K]):
    """Times in seconds of one monotonic clock. Each operation takes a logarithmic number of steps on average."""

    def __init__(self) -> None:
        self._times: dict[_K, int] = {}  # the number of its entry in the heap
        self._heap: list[tuple[float, int, _K]] = []
        self._numbers = itertools.count()

    def set(self, what: _K, when: float) -> None:
        """From now on its time is this one, instead of the one before."""
        number = next(self._numbers)
        self._times[what] = number
        heapq.heappush(self._heap, (when, number, what))
        if len(self._heap) > 2 * len(self._times) + _STALE:
            self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def clear(self, what: _K) -> None:
        """It has no time any more; if it had none, that changes nothing."""
        self._times.pop(what, None)

    def next(self) -> float | None:
        """The earliest time."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> _K | None:
        """Something whose time has come, the earliest first; it has no time any more. None if there is none."""
        when = self.next()
        if when is None or when > now:
            return None
        _, _, what = heapq.heappop(self._heap)
        del self._times[what]
        return what


class WaitingHello(Pending, Protocol):
    """Who waits. `charge` is what its challenge has cost, once it has one."""

    charge: Charge | None


_T = TypeVar("_T", bound=WaitingHello)


class HelloQueue(Generic[_T]):
    """When each hello is answered. One thread uses it; times are seconds of one monotonic clock.

    `choose(n)` is a random number below n.
    """

    def __init__(self, limits: ServerLimits, now: float, choose: Callable[[int], int] | None = None) -> None:
        self._limits = limits
        self._guesses = GuessLimiter(limits, now)
        self._waiting: EvictionPool[_T] = EvictionPool(oldest_first=False, choose=choose)
        self._timers: Timers[_T] = Timers()  # the end of its delay; once that is over, the end of its patience
        self._due: dict[bool, FairQueue[_T]] = {True: FairQueue(), False: FairQueue()}  # by `trusted`
        self._is_due: set[_T] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._waiting)

    def __contains__(self, candidate: _T) -> bool:
        return candidate in self._waiting

    def is_trusted(self, source: SourceAddress, now: float) -> bool:
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
