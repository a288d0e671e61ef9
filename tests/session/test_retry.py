"""Retries after a lost connection, as the command line and the Python interface use them: without a server."""

from __future__ import annotations

import contextlib

import pytest

from secftp.api import copying, pool
from secftp.errors import (
    AuthenticationError,
    ConnectionLost,
    HandshakeRefused,
    NotFound,
    ProtocolError,
    SecftpError,
    ServerBusy,
    ServerUnreachable,
    TransferTimeout,
    UsageError,
)
from secftp.session.retry import FIRST_PAUSE, LONGEST_PAUSE, Retries, change_once
from secftp.transfer import Summary


class Attempts:
    """Attempts that end as they are told to: an exception, or None for success."""

    def __init__(self, *ends):
        self._ends = list(ends)
        self.made = 0

    def make(self):
        self.made += 1
        end = self._ends.pop(0)
        if end is not None:
            raise end
        return "done"


class Trial:
    """A `Retries` with what it told and how long it paused."""

    def __init__(self, attempts, *, moved=lambda: 0, chance=lambda: 1.0, **options):
        self.told, self.pauses = [], []
        self.retries = Retries(
            attempts,
            progress=moved,
            on_retry=lambda problem, pause, number, attempts: self.told.append((str(problem), pause, number, attempts)),
            sleep=self.pauses.append,
            chance=chance,
            **options,
        )

    def run(self, *ends):
        self.attempts = Attempts(*ends)
        return self.retries.run(self.attempts.make)


@pytest.mark.parametrize("kind", [ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout])
def test_a_lost_connection_is_made_again(kind):
    trial = Trial(3)
    assert trial.run(kind("Lost."), kind("Lost."), None) == "done"
    assert trial.attempts.made == 3
    assert trial.told == [("Lost.", FIRST_PAUSE, 1, 3), ("Lost.", 2 * FIRST_PAUSE, 2, 3)]


@pytest.mark.parametrize("attempts", [0, 2])
def test_as_often_as_was_asked_for(attempts):
    trial = Trial(attempts)
    with pytest.raises(ConnectionLost, match="The last"):
        trial.run(*[ConnectionLost("Lost.")] * attempts, ConnectionLost("The last."))
    assert trial.attempts.made == attempts + 1


@pytest.mark.parametrize("kind", [AuthenticationError, HandshakeRefused, ProtocolError, NotFound, KeyboardInterrupt])
def test_what_would_fail_again_is_not_tried_again(kind):
    trial = Trial(9)
    with pytest.raises(kind):
        trial.run(kind("No."))
    assert (trial.attempts.made, trial.pauses) == (1, [])


def test_pauses_grow_to_a_bound_and_begin_anew_after_progress():
    moved = iter([*[0] * 21, 5, *[5] * 9])  # asked before each connection, and once it is lost
    trial = Trial(100, moved=lambda: next(moved))
    trial.run(*[ConnectionLost("Lost.")] * 12, None)
    assert trial.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 1, 2]
    assert max(trial.pauses) == LONGEST_PAUSE


def test_pauses_differ():
    pauses = set()
    for _ in range(10):
        trial = Trial(1, chance=None)
        trial.run(ConnectionLost("Lost."), None)
        pauses |= set(trial.pauses)
    assert len(pauses) > 5
    assert all(FIRST_PAUSE / 2 <= pause <= FIRST_PAUSE for pause in pauses)


def test_not_when_it_is_not_possible_any_more():
    trial = Trial(5, possible=lambda: False)
    with pytest.raises(ConnectionLost):
        trial.run(ConnectionLost("Lost."))


# --- a copy of the Python interface -----------------------------------------------------------------------------------


class Pool:
    """Connections that are new each time, and pauses that are noted."""

    closed = False
    stream = None  # there are no additional ones
    has_streams = False
    ask = pool.Pool.ask  # the repeat after an idle connection is the product's own

    def __init__(self):
        self.pauses = []

    @contextlib.contextmanager
    def connection(self, *, long, accepted=True):
        assert long
        self.session, self.reused = object(), False
        yield self

    def pause(self, seconds):
        self.pauses.append(seconds)


class Copy:
    """Each run moves so many bytes and ends as it is told to."""

    def __init__(self, report, *runs):
        self._report, self._runs = report, list(runs)

    def run(self, _session):
        nbytes, end = self._runs.pop(0)
        self._report.moved(nbytes)
        if end is not None:
            raise end
        return Summary()


def run_copy(pool, retries, *runs):
    report = copying.CallbackListener(None, None, None)
    return copying.run(pool, Copy(report, *runs), report, retries)


@pytest.mark.parametrize("kind", [ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout])
def test_a_copy_is_continued_by_programs_as_by_the_command_line(kind):
    pool = Pool()
    run_copy(pool, 1, (0, kind("Lost.")), (0, None))
    assert FIRST_PAUSE / 2 <= pool.pauses[0] <= FIRST_PAUSE


def test_pauses_of_a_copy_begin_anew_after_progress():
    pool, lost = Pool(), ConnectionLost("Lost.")
    run_copy(pool, 9, *[(0, lost)] * 3, (5, lost), (-5, lost), (0, None))
    for pause, longest in zip(pool.pauses, [1, 2, 4, 1, 2], strict=True):
        assert longest / 2 <= pause <= longest


def test_a_copy_whose_client_is_closed_is_not_continued():
    pool = Pool()
    pool.closed = True
    with pytest.raises(ConnectionLost):
        run_copy(pool, 9, (0, ConnectionLost("Lost.")))
    assert pool.pauses == []


# --- changes ----------------------------------------------------------------------------------------------------------


class Sessions:
    """Sessions that can be had, or not: None, or the exception of connecting."""

    def __init__(self, *ends):
        self._ends = list(ends)

    @contextlib.contextmanager
    def open(self):
        end = self._ends.pop(0)
        if end is not None:
            raise end
        yield self


def change(sessions, *ends, **options):
    """What a change comes to whose steps end like that, and whether each step knew that it was repeated."""
    ends, repeated = list(ends), []

    def step(session, again):
        assert session is sessions
        repeated.append(again)
        end = ends.pop(0)
        if end is not None:
            raise end
        return "done"

    try:
        return change_once(sessions.open, step, **options), repeated
    except SecftpError as problem:
        return problem, repeated


LOST, LOST_AGAIN = ConnectionLost("Lost."), ConnectionLost("Lost again.")
MISSING = NotFound("Missing.")


@pytest.mark.parametrize(
    ("opened", "ends", "outcome", "repeated"),
    [
        ([None], [None], "done", [False]),
        ([None, None], [LOST, None], "done", [False, True]),
        ([None, None], [LOST, LOST_AGAIN], LOST, [False, True]),
        ([None, None], [LOST, TransferTimeout("Silent.")], LOST, [False, True]),
        ([None, None], [LOST, MISSING], MISSING, [False, True]),
        ([None, ServerUnreachable("Gone.")], [LOST], LOST, [False]),
        ([None], [MISSING], MISSING, [False]),
    ],
)
def test_a_change_whose_answer_is_lost_is_repeated_once(opened, ends, outcome, repeated):
    assert change(Sessions(*opened), *ends) == (outcome, repeated)


@pytest.mark.parametrize("kind", [TransferTimeout, ServerBusy, UsageError, ProtocolError])
def test_nothing_but_a_loss_has_a_change_repeated(kind):
    problem = kind("No.")
    assert change(Sessions(None), problem) == (problem, [False])


def test_a_change_that_was_not_asked_for_is_not_taken_for_a_repeated_one():
    """The step would take what is missing for what it has removed itself."""
    assert change(Sessions(LOST)) == (LOST, [])


def test_a_change_is_not_repeated_when_that_is_not_possible_any_more():
    assert change(Sessions(None), LOST, possible=lambda: False) == (LOST, [False])
