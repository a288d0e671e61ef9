"""Parts of a file that several streams transfer at once: a thread-safe queue of byte ranges.

A stream takes a part, transfers it and finishes it, or gives it back when its connection is lost. Parts are taken from
the beginning of the file on. They get smaller at the end, and a stream that finds nothing left takes half of the
largest rest of another stream's, so no stream idles while another has much to do. Invariant: a byte that is not done is
either to be taken or in exactly one part that is held.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Callable

# A multiple of what a message of file data holds, so that parts end where messages do.
_UNIT: Final = 2**16
MIN_PART: Final = 2**20
MAX_PART: Final = 16 * 2**20
# The smallest part at the end of a file. Less is faster to wait for than to ask for.
LEAST_REST: Final = 4 * _UNIT
_PARTS_PER_STREAM: Final = 4
# Without progress for this time, any stream may take the rest of a part: its connection hangs. In seconds.
STALLED_SECONDS: Final = 3.0


def part_size(total: int, streams: int) -> int:
    """Return the size of the parts of a file of `total` bytes: four for each stream, each of 1 to 16 MiB."""
    wanted = _round_up(total // (_PARTS_PER_STREAM * max(1, streams)))
    return min(max(wanted, MIN_PART), MAX_PART)


def _round_up(size: int) -> int:
    return -(-size // _UNIT) * _UNIT


class Part:
    """The bytes from `at` up to `end`, held by one stream, which has transferred those before `position`.

    Another stream may take the rest, behind `position`: then `end` shrinks. Written by the queue only.
    """

    __slots__ = ("at", "can_shrink", "end", "moved", "position")

    def __init__(self, at: int, end: int, *, can_shrink: bool) -> None:
        self.at = at
        self.end = end
        self.position = at
        self.moved = time.monotonic()  # when the position changed last
        self.can_shrink = can_shrink

    @property
    def size(self) -> int:
        """The number of bytes; read it once, since it can shrink."""
        return self.end - self.at

    @property
    def rest(self) -> int:
        """The number of bytes that are not transferred yet."""
        return self.end - self.position

    def __repr__(self) -> str:
        return f"<Part {self.at}..{self.end} at {self.position}>"


class PartQueue:
    """The parts of a file of `total` bytes, for `streams` streams; `done` are the bytes that need not be transferred.

    For any number of threads. `on_change` is called after each change that may matter to a thread that waits for the
    file, without the lock held, on the thread that made the change.
    """

    def __init__(
        self,
        total: int,
        streams: int = 1,
        *,
        part_bytes: int | None = None,
        done: Intervals | None = None,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.streams = max(1, streams)
        self.part_bytes = part_bytes or part_size(total, streams)
        self._changed = threading.Condition()
        self._done = Intervals(done or ())
        self._todo = self._done.gaps(total)
        self._held: list[Part] = []
        self._is_stopped = False
        self._on_change = on_change
        self._clock = clock
        self.least_split = 2 * LEAST_REST  # the smallest rest of a part that is split

    # --- for streams --------------------------------------------------------------------------------------------------

    def take(self, *, split: bool = True, may_shrink: bool = True) -> Part | None:
        """Return the next part, None if there is nothing to take now.

        `split`: if all else is taken, take half of the largest rest of a part that may shrink. `may_shrink`: whether
        others may do so to the part that is returned.
        """
        with self._changed:
            if self._is_stopped:
                return None
            part = self._next(can_shrink=may_shrink) or (self._half(can_shrink=may_shrink) if split else None)
            if part is not None:
                self._held.append(part)
            return part

    def take_at(self, at: int, size: int) -> Part | None:
        """Return a part of at most `size` bytes that begins at `at`, None unless that byte is to be taken."""
        with self._changed:
            for gap in self._todo:
                if gap.at <= at < gap.end and not self._is_stopped:
                    part = Part(at, min(gap.end, at + size), can_shrink=True)
                    self._todo.remove(part.at, part.end)
                    self._held.append(part)
                    return part
            return None

    def reach(self, part: Part, position: int) -> int:
        """Note how far a part is transferred; return its end, which may have shrunk since."""
        with self._changed:
            part.position = min(max(position, part.position), part.end)
            part.moved = self._clock()
            end = part.end
        self._on_change()
        return end

    def finish(self, part: Part) -> None:
        """Note that all of a part is done."""
        self.give_back(part, kept=part.end - part.at)

    def give_back(self, part: Part, *, kept: int = 0) -> None:
        """Give a part up, of which the first `kept` bytes are done; others take the rest. Idempotent."""
        with self._changed:
            if part not in self._held:
                return
            self._held.remove(part)
            middle = min(part.at + kept, part.end)
            self._done.add(part.at, middle)
            self._todo.add(middle, part.end)
            self._changed.notify_all()
        self._on_change()

    def give_back_held(self) -> None:
        """Give back all parts that are held, because the streams that hold them seem to hang; they may still finish."""
        for part in self._held.copy():
            self.give_back(part)

    def wait_for_work(self, timeout: float | None = None, *, split: bool = True) -> bool:
        """Wait until there is something to take; return False if there never will be, or after `timeout` seconds."""

        def is_decided() -> bool:
            return self._is_over or self._has_work(split=split)

        with self._changed:
            return self._changed.wait_for(is_decided, timeout) and not self._is_over

    def has_work(self) -> bool:
        """Whether there is something to take now, also by splitting a part."""
        with self._changed:
            return not self._is_over and self._has_work(split=True)

    # --- for all ------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let nothing be taken any more, and wake those who wait. Parts can still be given back."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._on_change()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopped

    @property
    def complete(self) -> bool:
        """Whether all bytes of the file are done."""
        with self._changed:
            return self._done.covers(0, self.total)

    @property
    def is_taken(self) -> bool:
        """Whether nothing is left to take, except by splitting the parts that are held."""
        with self._changed:
            return not self._todo

    @property
    def held(self) -> int:
        """The number of parts that are held."""
        with self._changed:
            return len(self._held)

    @property
    def prefix(self) -> int:
        """The number of bytes from the beginning that are done without a gap."""
        with self._changed:
            return self._done.prefix

    @property
    def done(self) -> Intervals:
        """The bytes that are done, as a copy."""
        with self._changed:
            return Intervals(self._done)

    @property
    def transferred(self) -> int:
        """The number of bytes that are done, or transferred in parts that are held."""
        with self._changed:
            return self._done.total + sum(part.position - part.at for part in self._held)

    # --- implementation, under the lock -------------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._is_stopped or self._done.covers(0, self.total)

    def _next(self, *, can_shrink: bool) -> Part | None:
        first = next(iter(self._todo), None)
        if first is None:
            return None
        # A share of what is left, so that parts get smaller at the end.
        share = _round_up(self._todo.total // (2 * self.streams))
        size = min(self.part_bytes, max(share, LEAST_REST))
        # What would be left of the range is not worth a part of its own.
        end = first.end if first.size - size < LEAST_REST else first.at + size
        self._todo.remove(first.at, end)
        return Part(first.at, end, can_shrink=can_shrink)

    def _has_work(self, *, split: bool) -> bool:
        return bool(self._todo) or (split and self._largest() is not None)

    def _largest(self) -> Part | None:
        """Return the part with the largest rest that is worth being split, or does not get on at all."""
        late = self._clock() - STALLED_SECONDS
        for part in tuple(self._held):
            if part.can_shrink and not part.rest and part.moved < late:
                self._release(part)  # all of it has come, but for the end of the reply
        parts = [
            part
            for part in self._held
            if part.can_shrink and (part.rest >= self.least_split or (part.rest and part.moved < late))
        ]
        return max(parts, key=lambda part: part.rest, default=None)

    def _half(self, *, can_shrink: bool) -> Part | None:
        part = self._largest()
        if part is None:
            return None
        is_stalled = part.moved < self._clock() - STALLED_SECONDS
        middle = part.position if is_stalled else part.position + _round_up(part.rest // 2)
        taken = Part(middle, part.end, can_shrink=can_shrink)
        part.end = middle
        if is_stalled:
            self._release(part)
        return taken

    def _release(self, part: Part) -> None:
        """Take a part that is transferred from a stream that may never come back to it."""
        self._held.remove(part)
        self._done.add(part.at, part.end)
