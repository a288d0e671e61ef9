"""What code waits for beside its connection: by default in the calling thread, at once, and at no cost."""

from __future__ import annotations

import threading

import pytest

from secftp.transport import stream
from secftp.waits import DIRECT, Waits


def test_a_call_is_made_in_the_calling_thread_and_returns_what_the_function_returns():
    assert DIRECT.call(lambda *args, **kwargs: (threading.get_ident(), args, kwargs), 1, b=2) == (
        threading.get_ident(),
        (1,),
        {"b": 2},
    )


def test_an_exception_of_the_function_is_that_of_the_call():
    with pytest.raises(ZeroDivisionError):
        DIRECT.call(lambda: 1 // 0)


def test_what_is_mapped_is_done_one_after_the_other_as_it_is_asked_for():
    done = []
    outcomes = DIRECT.map(done.append, range(3))
    assert done == []
    next(outcomes)
    assert done == [0]


def test_what_is_iterated_is_taken_when_it_is_asked_for():
    items = iter(range(3))
    assert DIRECT.iterate(items) is items


def test_a_pause_takes_its_time_and_nothing_else_waits(monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    DIRECT.sleep(1.5)
    DIRECT.pace()
    assert slept == [1.5]


def test_a_connection_waits_directly_unless_it_says_otherwise():
    assert stream.Stream.waits is DIRECT
    assert type(DIRECT) is Waits
