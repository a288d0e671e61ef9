"""Additional streams: how many, and that they come and go without a trace."""

from __future__ import annotations

import contextlib
import threading

import pytest

from secftp.errors import ConnectionLost, ServerBusy
from secftp.transfer import streams
from secftp.transfer.options import MAX_STREAMS
from secftp.transfer.streams import StreamPool, StreamTuner, choose_streams
from secftp.transport import DataCount
from tests.support.serving import DEADLINE

MIB = 2**20
BIG = 1024 * MIB


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(streams, "_PAUSE_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("asked", "round_trip", "size", "allowed", "number"),
    [
        (None, None, BIG, 8, 1),
        (None, 0.0001, BIG, 8, 1),
        (None, 0.0049, BIG, 8, 1),
        (None, 0.020, BIG, 8, 4),
        (None, 0.020, 16 * MIB, 8, 4),
        (None, 0.050, BIG, 8, 6),
        (None, 0.080, BIG, 8, 8),
        (None, 0.2, BIG, 16, 8),
        (None, 0.2, BIG, 3, 3),
        (None, 0.2, 48 * MIB, 8, 6),
        (None, 0.2, 16 * MIB, 8, 4),
        (None, 0.2, 4 * MIB, 8, 2),
        (None, 0.2, MIB, 8, 1),
        (None, 0.2, 0, 8, 1),
        (1, 0.2, BIG, 8, 1),
        (16, None, BIG, 16, 16),
        (16, None, BIG, 8, 8),
        (16, 0.0001, 5 * MIB, 16, 5),
        (4, 0.2, BIG, 1, 1),
        (99, 0.2, BIG, 99, MAX_STREAMS),
    ],
)
def test_how_many(asked, round_trip, size, allowed, number):
    assert choose_streams(asked, round_trip, size, allowed) == number


def test_more_with_the_distance():
    numbers = [choose_streams(None, milliseconds / 1000, BIG, 16) for milliseconds in range(300)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 9))


class FakeSession:
    """A session that does nothing, until it is interrupted."""

    def __init__(self):
        self.interrupted = threading.Event()
        self.closed = False
        self.pipeline = self
        self.channel = self
        self.compress = None
        self.data = DataCount()

    def ping(self):
        pass

    def interrupt(self):
        self.interrupted.set()


class Opener:
    """Opens sessions; `problems` are raised first, one for each attempt."""

    def __init__(self, *problems):
        self.sessions = []
        self._problems = list(problems)
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def __call__(self, is_wanted):
        assert is_wanted()
        session = FakeSession()
        with self._changed:
            self.sessions.append(session)
            self._changed.notify_all()
            if self._problems:
                raise self._problems.pop(0)
        try:
            yield session
        finally:
            session.closed = True

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.sessions) >= count, DEADLINE)


class Gate:
    """Work that lasts until it is opened, or its session interrupted."""

    def __init__(self):
        self.workers = threading.Semaphore(0)
        self.opened = threading.Event()

    def work(self, session):
        self.workers.release()
        while not self.opened.wait(0.01):
            if session.interrupted.is_set():
                raise ConnectionLost("The connection was lost.")

    def wait_for(self, count):
        for _ in range(count):
            assert self.workers.acquire(timeout=DEADLINE)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_work_runs_on_so_many_streams_and_these_stay(number):
    opener, gate = Opener(), Gate()
    pool = StreamPool(opener)
    pool.run(gate.work, number)
    gate.wait_for(number - 1)
    assert pool.alive == len(pool.sessions()) == number - 1
    assert pool.most == number
    gate.opened.set()
    again = Gate()
    again.opened.set()
    pool.run(again.work, number)
    again.wait_for(number - 1)
    pool.finish()
    assert len(opener.sessions) == number - 1
    assert all(session.closed and not session.interrupted.is_set() for session in opener.sessions)
    assert pool.alive == 0


def test_streams_that_are_opened_ahead_wait_for_work():
    opener, gate = Opener(), Gate()
    pool = StreamPool(opener)
    pool.open(3)
    opener.wait_for(2)
    pool.run(gate.work, 3)
    gate.wait_for(2)
    assert len(opener.sessions) == 2
    pool.close()


def test_closing_ends_work_that_lasts():
    opener, gate = Opener(), Gate()
    pool = StreamPool(opener)
    pool.run(gate.work, 4)
    gate.wait_for(3)
    pool.close()
    pool.close()
    assert all(session.closed for session in opener.sessions)
    pool.run(gate.work, 4)
    assert not pool.add()
    assert len(opener.sessions) == 3
    assert not any(thread.name == "secftp-stream" for thread in threading.enumerate())


def test_the_end_of_a_copy_does_not_wait_for_a_stream_that_hangs():
    opener, gate = Opener(), Gate()
    pool = StreamPool(opener)
    pool.run(gate.work, 2)
    gate.wait_for(1)
    pool.finish()
    assert opener.sessions[0].interrupted.is_set()
    assert opener.sessions[0].closed


def test_a_stream_that_was_lost_is_opened_again():
    opener, gate = Opener(ConnectionLost("no"), ConnectionLost("no")), Gate()
    pool = StreamPool(opener)
    pool.run(gate.work, 2)
    gate.wait_for(1)
    assert len(opener.sessions) == 3
    pool.close()
    pool.check()


@pytest.mark.parametrize(
    ("problems", "attempts"),
    [([ConnectionLost("no")] * 9, 3), ([ServerBusy("no")] * 9, 1), ([OSError("no")] * 9, 1)],
)
def test_a_stream_that_can_not_be_had_is_no_failure(problems, attempts):
    opener = Opener(*problems)
    pool = StreamPool(opener)
    pool.run(lambda _session: None, 2)
    for thread in list(pool._streams):
        thread.join(DEADLINE)
    assert pool.alive == 0
    assert len(opener.sessions) == attempts
    pool.check()
    pool.close()


def test_a_defect_is_raised_in_the_thread_of_the_copy():
    pool = StreamPool(Opener())
    pool.run(lambda _session: 1 / 0, 2)
    for thread in list(pool._streams):
        thread.join(DEADLINE)
    with pytest.raises(ZeroDivisionError):
        pool.check()
    pool.close()


def test_one_more():
    opener, gate = Opener(), Gate()
    pool = StreamPool(opener)
    assert not pool.add(), "there is no work"
    pool.run(gate.work, 2)
    assert pool.add()
    gate.wait_for(2)
    assert pool.alive == 2
    pool.close()


def test_no_streams_without_a_way_to_open_them():
    pool = StreamPool(None)
    assert not pool.possible
    pool.run(lambda _session: None, 8)
    assert pool.alive == 0
    pool.finish()
    assert not StreamPool(Opener(), 1).possible


def tuned(rate_of, *, number=4, most=8, total=BIG, seconds=60):
    """How many streams there are in the end if `rate_of(number)` is the rate, in bytes a second."""
    now = [0.0]
    tuner = StreamTuner(number, most, 0.1, clock=lambda: now[0])
    done, added = 0.0, 0
    while done < total and now[0] < seconds:
        now[0] += 0.1
        done += 0.1 * rate_of(number + added)
        added += tuner.more(int(done), total)
        assert tuner.number == number + added
    return number + added


@pytest.mark.parametrize(
    ("rate_of", "number"),
    [
        (lambda number: number * MIB, 8),  # each stream is held by itself: the more, the better
        (lambda _number: 40 * MIB, 6),  # the line is full: two more were tried
        (lambda number: (40 - number) * MIB, 6),
        (lambda number: min(number, 6) * MIB, 8),
    ],
)
def test_streams_are_added_while_that_pays(rate_of, number):
    assert tuned(rate_of) == number


def test_no_streams_are_added_beyond_the_limits():
    assert tuned(lambda number: number * MIB, most=5) == 5
    assert tuned(lambda number: number * MIB, most=4) == 4
    assert tuned(lambda number: number * 100 * MIB, total=200 * MIB) == 4, "it is over before that pays"


def test_what_was_asked_for_is_not_changed():
    class Session:
        round_trip = 0.1

        class welcome:
            class limits:
                streams = 16

    assert StreamPool(Opener(), 3).tuner_for(Session, 3)._most == 3
    assert StreamPool(Opener()).tuner_for(Session, 4)._most == 8
