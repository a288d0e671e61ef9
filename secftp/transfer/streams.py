"""Streams of a parallel transfer: sessions beside that of the copy, each with a thread, and how many are worthwhile.

A stream stays open for the next file. A server that refuses one, or ends it, has no place for it: then there are fewer,
which is never a failure. One whose connection is lost is opened again a few times. Invariant: all threads have ended
when `close` returns, and none of them calls a program's callback.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.errors import ConnectionLost, SecftpError, ServerUnreachable, TransferTimeout
from secftp.transfer.options import MAX_STREAMS
from secftp.transport import DataCount, Keepalive

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from secftp.session import Session

    # Opens a session, as a context manager that closes it. Gets a function that says whether it is still wanted.
    OpenStream: TypeAlias = Callable[[Callable[[], bool]], AbstractContextManager[Session]]
    # What a stream does for one file: returns when there is nothing left to do, raises what ends the session.
    Work: TypeAlias = Callable[[Session], None]

# Of the automatic choice: one stream below the first round trip, in seconds, from the second one `_FEW`, and from the
# third one `MOST_BY_ITSELF`, since the time in which a connection gets up to speed grows with the round trip. On a
# shorter way more are added while that pays: at once, they would overrun the queue of a line that a few of them fill.
_NEAR, _FAR, _VERY_FAR = 0.005, 0.020, 0.080
_FEW: Final = 4
MOST_BY_ITSELF: Final = 8
# Of what is added: so many at once, after measurements of so many seconds and round trips, if the rest takes longer.
_TUNE_STEP: Final = 2
_TUNE_SECONDS: Final = 1.0
_TUNE_ROUND_TRIPS: Final = 10
_TUNE_LEFT_SECONDS: Final = 2.0
_TUNE_GAIN: Final = 0.25
_AUTO_BYTES: Final = 2 * 2**20  # for each stream; less is over before its connection is fast
_MANY_BYTES: Final = 8 * 2**20  # for each one of more than a few
_ASKED_BYTES: Final = 2**20
_ATTEMPTS: Final = 3  # to open a stream again whose connection was lost
_PAUSE_SECONDS: Final = 0.5
_GOODBYE_SECONDS: Final = 0.2  # for streams to end in order
_LOSSES: Final = (ConnectionLost, TransferTimeout, ServerUnreachable)


def choose_streams(asked: int | None, round_trip: float | None, size: int, allowed: int) -> int:
    """Return how many streams to use for a file of `size` bytes, that of the copy included.

    `asked`: what the user wants, None for a choice by the round trip (in seconds, None: unknown) and the size. No more
    than the server has `allowed`.
    """
    if asked is not None:
        wanted = min(asked, size // _ASKED_BYTES)
    elif round_trip is None or round_trip < _NEAR:
        wanted = 1
    else:
        few = min(1 + (_FEW - 1) * _share(round_trip, _NEAR, _FAR), size // _AUTO_BYTES)
        many = min(_FEW + (MOST_BY_ITSELF - _FEW) * _share(round_trip, _FAR, _VERY_FAR), size // _MANY_BYTES)
        wanted = round(max(few, many) if round_trip > _FAR else few)
    return max(1, min(wanted, allowed, MAX_STREAMS))


def _share(value: float, first: float, last: float) -> float:
    """Return where a value is between two others: 0 at the first and before it, 1 at the last and behind it."""
    return min(max((value - first) / (last - first), 0.0), 1.0)


class StreamTuner:
    """Adds streams to a file while that pays: while the rate grows by a quarter of what the number of streams does.

    `number`: streams to begin with, at most `most`. `round_trip` in seconds.
    """

    def __init__(
        self, number: int, most: int, round_trip: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.number = number
        self._most = most
        self._seconds = max(_TUNE_SECONDS, _TUNE_ROUND_TRIPS * round_trip)
        self._clock = clock
        self._due = clock() + self._seconds  # until then, the streams are getting up to speed
        self._mark: tuple[float, int] | None = None  # when a measurement began, and the bytes done by then
        self._before: tuple[float, int] | None = None  # the rate with fewer streams, and how many those were

    def more(self, done: int, total: int) -> int:
        """Return how many streams to add, now that so many bytes of the file are done."""
        now = self._clock()
        if self.number >= self._most or now < self._due:
            return 0
        if self._mark is None or done < self._mark[1]:
            self._mark = now, done
        since, before = self._mark
        if now - since < self._seconds:
            return 0
        rate = (done - before) / (now - since)
        self._mark = None
        if total - done < rate * _TUNE_LEFT_SECONDS:
            return 0
        if self._before is not None and rate < self._before[0] * (1 + _TUNE_GAIN * (self.number / self._before[1] - 1)):
            self._most = self.number
            return 0
        self._before = rate, self.number
        added = min(_TUNE_STEP, self._most - self.number)
        self.number += added
        self._due = now + self._seconds
        return added


class StreamPool:
    """The additional streams of one copy.

    `open_stream`: None if there are none. `asked`: the number of streams, that of the copy included; None for automatic
    choice.
    """

    def __init__(self, open_stream: OpenStream | None, asked: int | None = None) -> None:
        self._open_stream = open_stream
        self._asked = asked
        self._changed = threading.Condition()
        self._streams: list[_Stream] = []
        self._work: Work | None = None
        self._turn = 0  # counts the work
        self._is_closed = False
        self._problem: BaseException | None = None
        self.keepalive = Keepalive()
        self.most = 1  # streams that were in use at one time, that of the copy included
        self.compress: int | None = None  # level at which they compress files; None: they do not
        self.data = DataCount()  # over the streams that have ended

    @property
    def possible(self) -> bool:
        """Whether there can be more than one stream."""
        return self._open_stream is not None and self._asked != 1

    def number_for(self, session: Session, size: int) -> int:
        """Return how many streams to use for a file of `size` bytes; `session` is that of the copy."""
        welcome = session.welcome
        if not self.possible or welcome is None:
            return 1
        return choose_streams(self._asked, session.round_trip, size, welcome.limits.streams)

    def tuner_for(self, session: Session, number: int) -> StreamTuner:
        """Return what adds streams to a file that has `number` of them; none, if a number was asked for."""
        welcome, most = session.welcome, number
        if self._asked is None and welcome is not None:
            most = min(MOST_BY_ITSELF, welcome.limits.streams)
        return StreamTuner(number, most, session.round_trip or 0.0)

    def run(self, work: Work, number: int) -> None:
        """Start `work` on additional streams, so that there are `number` in all with that of the copy.

        It runs in the thread of each stream, with its session, as soon as that is open. Does not wait.
        """
        with self._changed:
            self._work = work
            self._turn += 1
            self._fill_up(number)
            self._changed.notify_all()

    def open(self, number: int) -> None:
        """Open additional streams, so that there are `number` in all, for work that is to come soon. Does not wait."""
        with self._changed:
            self._fill_up(number)

    def _fill_up(self, number: int) -> None:
        self._streams = [stream for stream in self._streams if stream.is_alive()]
        if not self._is_closed and self._open_stream is not None:
            for _ in range(number - 1 - len(self._streams)):
                self._add()

    def add(self) -> bool:
        """Add a stream for the current work; return False if the pool is closed."""
        with self._changed:
            if self._is_closed or self._open_stream is None or self._work is None:
                return False
            self._streams = [stream for stream in self._streams if stream.is_alive()]
            self._add()
            return True

    def _add(self) -> None:
        assert self._open_stream is not None
        stream = _Stream(self, self._open_stream, self._turn)
        self._streams.append(stream)
        stream.start()

    @property
    def alive(self) -> int:
        """The number of additional streams that are open or being opened."""
        with self._changed:
            return sum(stream.is_alive() for stream in self._streams)

    @property
    def promising(self) -> int:
        """The number of additional streams that are open, or being opened and have not failed yet."""
        with self._changed:
            return sum(stream.is_promising for stream in self._streams)

    def sessions(self) -> list[Session]:
        """Return the open sessions of additional streams."""
        with self._changed:
            return [stream.session for stream in self._streams if stream.session is not None]

    def check(self) -> None:
        """Raise what has ended a stream and is no failure of its session: a defect, or no memory."""
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """End all streams at once, and wait for their threads. Idempotent."""
        with self._changed:
            self._is_closed = True
            self._work = None
            streams, self._streams = self._streams, []
            for stream in streams:
                stream.interrupt()
            self._changed.notify_all()
        for stream in streams:
            stream.join()

    def finish(self) -> None:
        """End all streams in order, with BYE; at once those that still wait for what is not needed any more."""
        with self._changed:
            self._is_closed = True
            self._work = None
            self._changed.notify_all()
            streams = tuple(self._streams)
        deadline = time.monotonic() + _GOODBYE_SECONDS
        for stream in streams:
            stream.join(max(0.0, deadline - time.monotonic()))
        self.close()

    # --- for the threads ----------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the streams have to end."""
        return self._is_closed

    def next_work(self, turn: int) -> tuple[Work, int] | None:
        """Wait for work newer than `turn`; None when the pool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or (self._work is not None and self._turn > turn))
            return None if self._is_closed or self._work is None else (self._work, self._turn)

    def pause(self, seconds: float) -> bool:
        """Wait before a stream is opened again; return False as soon as the pool is closed."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._is_closed, seconds)

    def opened(self, stream: _Stream, session: Session | None) -> bool:
        """Note the session of a stream, None if it has none now; return False if it is not wanted any more."""
        with self._changed:
            if session is None and stream.session is not None:
                data = stream.session.pipeline.channel.data
                self.data.add(data.nbytes, data.saved)
            stream.session = session
            self.most = max(self.most, 1 + sum(each.session is not None for each in self._streams))
            return not self._is_closed

    def failed(self, problem: BaseException) -> None:
        """Keep what `check` raises."""
        with self._changed:
            self._problem = self._problem or problem


class _Stream(threading.Thread):
    """One additional stream: opens its session, and works until the pool is closed or the session can't be had."""

    def __init__(self, pool: StreamPool, open_stream: OpenStream, turn: int) -> None:
        super().__init__(name="secftp-stream", daemon=True)
        self.session: Session | None = None
        self._pool = pool
        self._open = open_stream
        self._turn = turn - 1  # of the work that is done
        self._failures = 0

    def run(self) -> None:
        try:
            while not self._pool.closed and self._failures < _ATTEMPTS:
                try:
                    self._run_session()
                except _LOSSES:
                    self._failures += 1
                    if not self._pool.pause(_PAUSE_SECONDS * self._failures):
                        return
        except (SecftpError, OSError):
            pass  # refused or ended by the server: there are fewer streams
        except BaseException as problem:  # noqa: BLE001 - the thread of the copy raises it
            self._pool.failed(problem)

    def _run_session(self) -> None:
        pool = self._pool
        with contextlib.ExitStack() as stack:
            session = stack.enter_context(self._open(lambda: not pool.closed))
            session.pipeline.compress = pool.compress
            stack.callback(pool.opened, self, None)
            if not pool.opened(self, session):
                return
            channel = session.pipeline.channel
            pool.keepalive.add(channel)
            stack.callback(pool.keepalive.remove, channel)
            while (found := pool.next_work(self._turn)) is not None:
                work, turn = found
                work(session)
                self._turn = turn
                self._failures = 0

    @property
    def is_promising(self) -> bool:
        """Whether its session is open, or may be opened at the first attempt."""
        return self.is_alive() and (self.session is not None or not self._failures)

    def interrupt(self) -> None:
        """End its connection; under the lock of the pool, so that it is not closed meanwhile."""
        if self.session is not None:
            self.session.interrupt()
