"""Queue of client hellos whose answer is delayed, after wrong keys from their address or from all addresses.

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
    from secftp.server.options import ServerLimits
    from secftp.server.shared import SharedGuesses
    from secftp.server.shared.guesses import Receipt

_K = TypeVar("_K", bound="Hashable")
# Entries of cleared timers that may stay in the heap before they are removed.
_STALE: Final = 64


class Timers(Generic[_K]):
    """One timer for each of many keys. Times are seconds of one monotonic clock; operations take logarithmic time."""

    def __init__(self) -> None:
        self._entries: dict[_K, int] = {}  # the number of the key's entry in the heap
        self._heap: list[tuple[float, int, _K]] = []
        self._numbers = itertools.count()

    def set(self, key: _K, when: float) -> None:
        """Set the time of a key, in place of an earlier one."""
        number = next(self._numbers)
        self._entries[key] = number
        heapq.heappush(self._heap, (when, number, key))
        if len(self._heap) > 2 * len(self._entries) + _STALE:
            self._heap = [entry for entry in self._heap if self._entries.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def clear(self, key: _K) -> None:
        """Remove the time of a key if it has one."""
        self._entries.pop(key, None)

    def next(self) -> float | None:
        """Return the earliest time; None if there is no timer."""
        while self._heap and self._entries.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> _K | None:
        """Remove and return a key whose time has come, the earliest first; None if there is none."""
        when = self.next()
        if when is None or when > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._entries[key]
        return key


class WaitingHello(Pending, Protocol):
    """A connection with a hello. `charge` is what its challenge has cost, once it has one."""

    charge: Charge | None


_T = TypeVar("_T", bound=WaitingHello)


class HelloQueue(Generic[_T]):
    """Decides when each hello is answered. Not thread-safe; times are seconds of one monotonic clock.

    `choose(n)` returns a random number below n. `others`: the guesses at all servers that count together.
    """

    def __init__(
        self,
        limits: ServerLimits,
        now: float,
        choose: Callable[[int], int] | None = None,
        others: SharedGuesses | None = None,
    ) -> None:
        self._limits = limits
        self._others = others
        self._receipts: dict[_T, Receipt] = {}  # of challenged ones, for all servers
        self._came: dict[_T, float] = {}  # when each waiting hello came, if others are asked
        self._ends: dict[_T, float] = {}  # of their wait for a turn, if others are asked, again and again
        self._held = {True: now, False: now}  # until then no others are asked for a challenge, by `trusted`
        self._limiter = GuessLimiter(limits, now)
        self._waiting: EvictionPool[_T] = EvictionPool(oldest_first=False, choose=choose)
        self._timers: Timers[_T] = Timers()  # the end of a hello's delay; after that, the end of its wait for a turn
        self._due: dict[bool, FairQueue[_T]] = {True: FairQueue(), False: FairQueue()}  # by `trusted`
        self._is_due: set[_T] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._waiting)

    def __contains__(self, hello: _T) -> bool:
        return hello in self._waiting

    def is_trusted(self, source: SourceAddress, now: float) -> bool:
        """Return whether a key was proved from this source recently."""
        return self._limiter.is_trusted(source, now)

    def find_victim(self, hello: _T) -> _T | None:
        """Return the connection to drop before this one is added; None if there is room."""
        if self._waiting.count(hello.source) >= self._limits.max_waiting_per_source:
            return self._waiting.victim_of(hello.source)
        if len(self._waiting) >= self._limits.max_waiting:
            return self._waiting.victim()
        return None

    def add(self, hello: _T, now: float) -> float:
        """Add a hello; return the end of its own delay, `now` if it has none."""
        hello.trusted = self._limiter.is_trusted(hello.source, now)
        due = self._limiter.schedule(hello.source, self._waiting.count(hello.source), now)
        self._waiting.add(hello)
        if self._others is not None:
            self._came[hello] = now
        if due <= now:
            self._become_due(hello, now)
        else:
            self._timers.set(hello, due)
        return due

    def must_wait(self, hello: _T, now: float) -> bool:
        """Charge for a challenge at all servers together; put the hello back if that has to wait, and return True.

        Called for a hello that was taken, before its challenge is sent.
        """
        if self._others is None:
            return False
        came = self._came.get(hello, now)
        answer = self._others.charge(hello.source, now - came, now, trusted=hello.trusted)
        if answer.receipt is not None:
            self._receipts[hello] = answer.receipt
        if not answer.seconds:
            self._came.pop(hello, None)
            self._ends.pop(hello, None)
            return False
        self._waiting.add(hello)
        self._came[hello] = came
        if answer.for_all:
            self._held[hello.trusted] = now + answer.seconds
            self._become_due(hello, now)
        else:
            self._timers.set(hello, now + answer.seconds)
        return True

    def remove(self, hello: _T) -> None:
        """Remove a hello if it is in the queue, and forget what it has cost: its charge stays."""
        self._waiting.discard(hello)
        self._receipts.pop(hello, None)
        self._came.pop(hello, None)
        self._ends.pop(hello, None)
        self._timers.clear(hello)
        if hello in self._is_due:
            self._is_due.remove(hello)
            self._due[hello.trusted].remove(hello)

    def expire(self, now: float) -> list[_T]:
        """End the delays that are over; remove and return the hellos that have waited too long for their turn."""
        expired = []
        while (hello := self._timers.take(now)) is not None:
            if hello in self._is_due:
                self.remove(hello)
                expired.append(hello)
            else:
                self._become_due(hello, now)
        return expired

    def take(self, now: float) -> _T | None:
        """Remove and return the next hello to be answered now; None if there is none."""
        for trusted in (True, False):
            queue = self._due[trusted]
            if len(queue) and self._due_at(now, trusted=trusted) <= now:
                hello = queue.take()
                self._is_due.remove(hello)
                self._waiting.discard(hello)
                self._timers.clear(hello)
                return hello
        return None

    def next_time(self, now: float) -> float | None:
        """Return the time of the next call of `expire` or `take` that does something; None if nothing waits."""
        times = [self._due_at(now, trusted=trusted) for trusted, queue in self._due.items() if len(queue)]
        if (timer := self._timers.next()) is not None:
            times.append(timer)
        return min(times, default=None)

    def _due_at(self, now: float, *, trusted: bool) -> float:
        due = self._limiter.due(now, trusted=trusted)
        return due if self._others is None else max(due, self._held[trusted])

    def charge(self, hello: _T, now: float) -> None:
        """Charge for a challenge, which tells the client whether its key is right."""
        hello.charge = self._limiter.charge(hello.source, now, trusted=hello.trusted)

    def proved(self, hello: _T, now: float) -> None:
        """Refund a client that has proved a key, and trust its source: other due hellos of it come first now, too."""
        self._limiter.trust(hello.source, now)
        if hello.charge is not None:
            self._limiter.refund(hello.source, hello.charge, now)
        if self._others is not None and (receipt := self._receipts.pop(hello, None)) is not None:
            self._others.refund(receipt)
        for waiting in self._waiting.of(hello.source):
            if waiting in self._is_due:
                self._due[waiting.trusted].remove(waiting)
                self._due[True].add(waiting)
            waiting.trusted = True

    def _become_due(self, hello: _T, now: float) -> None:
        self._is_due.add(hello)
        self._due[hello.trusted].add(hello)
        end = now + self._limits.waiting_seconds
        if self._others is not None:
            end = self._ends.setdefault(hello, end)
        self._timers.set(hello, end)
