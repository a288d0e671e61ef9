"""A Redis that is lost and comes back: who waits for it, and what the log says."""

from __future__ import annotations

import pytest

from secftp.errors import UsageError
from secftp.server.shared.scripts import GET, NOTHING
from tests.server.shared.fakes import FakeRedis, Unstarted

LOST = "is not used: it can't be reached. This server counts for itself"
BACK = "is back: limits are shared with other servers again"


@pytest.fixture
def redis():
    return FakeRedis()


@pytest.fixture
def link(redis):
    made = Unstarted(redis)
    made.start()
    yield made
    made.close()


def test_a_lost_redis_is_asked_once(redis, link):
    assert link.call(GET, (), ()) == 0
    redis.away = True
    asked, connections = len(redis.calls), redis.connections
    for accepting in (True, False) * 10:
        assert link.call(GET, (), (), accepting=accepting) is None
    assert not link.is_up
    assert (len(redis.calls), redis.connections) == (asked, connections), "only the thread connects"
    assert link.lines.text.count(LOST) == 1


def test_it_is_told_everything_before_it_counts_as_there(redis, link):
    redis.away = True
    link.call(GET, (), ())
    told = []
    link.on_beat = [lambda run: told.append((link.is_up, run(NOTHING, (), ())))]
    for _ in range(3):
        link.step()
    assert told == []
    redis.away = False
    link.step()
    assert told == [(False, 0)]
    assert link.is_up
    assert link.lines.text.count(LOST) == link.lines.text.count(BACK) == 1
    redis.away = True
    link.call(GET, (), ())
    assert link.lines.text.count(LOST) == 2


def test_one_that_takes_no_signs_of_life_does_not_count_as_there(redis, link):
    """One without memory, for example: it answers, but can't be told anything."""
    from secftp.server.shared.line import LineError

    def fails(_run):
        raise LineError("it has no memory left")

    link.on_beat = [fails]
    link.step()
    for _ in range(3):
        link.step()
        assert not link.is_up
    assert link.lines.text.count("is not used: it has no memory left") == 1
    assert BACK not in link.lines.text


def test_both_connections_give_signs_of_life(redis, link):
    """The one of the accept loop, too: Redis may close what is idle."""
    redis.calls.clear()
    link.step()
    assert redis.scripts() == [NOTHING]


def test_it_is_not_connected_to_again_and_again(redis, link):
    redis.away = True
    link.call(GET, (), ())
    before = redis.connections
    for _ in range(10):
        link.hurry()
        link.step(due=False)
    assert redis.connections == before


def test_without_a_redis_at_the_start_the_server_begins_alone(redis):
    redis.away = True
    link = Unstarted(redis)
    link.start()
    assert not link.is_up
    assert link.lines.text.count(LOST) == 1
    redis.away = False
    link.step()
    assert link.is_up
    assert link.lines.text.count(BACK) == 1


def test_one_that_refuses_the_password_at_the_start_is_refused(redis):
    redis.refuses = True
    with pytest.raises(UsageError, match="can't be used: it refuses the user, the password, or a command") as caught:
        Unstarted(redis).start()
    assert "--shared-password-file" in caught.value.hint


def test_one_that_refuses_it_later_is_lost(redis, link):
    redis.away = redis.refuses = True
    link.call(GET, (), ())
    link.step()
    assert not link.is_up
    redis.away = redis.refuses = False
    link.step()
    assert link.is_up


def test_a_closed_line_is_not_opened_by_the_accept_loop(redis, link):
    line = link._lines[0]
    redis.away = True
    link.call(GET, (), (), accepting=True)
    assert line.closed
    redis.away = False
    link.step()
    assert link._lines[0] is not line
    assert link.call(GET, (), (), accepting=True) == 0
