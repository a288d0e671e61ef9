"""Listings of a bucket that are begun while an earlier one is sent: how many, in which order, and what fails."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from secftp.protocol import Cancel, Entries, Error, ErrorCode, List, Stat
from secftp.server.access import Rights
from secftp.server.requests.listings_ahead import is_listing
from secftp.storage.objects.store import ObjectStore
from tests.storage.objects.faults import FaultyBucket
from tests.support.requests_at import served
from tests.support.serving import DEADLINE

MANY = 12


@pytest.fixture
def bucket():
    found = FaultyBucket()
    for number in range(MANY):
        found.write(f"d{number}/f{number}", b"x")
    return found


@pytest.fixture
def at(bucket, tmp_path):
    with served(tmp_path, store=ObjectStore(bucket)) as found:
        yield found


def listings(*names):
    return [List(id=number, path=(name.encode(),)) for number, name in enumerate(names, 1)]


def all_of():
    return listings(*(f"d{number}" for number in range(MANY)))


def send_together(bucket, wire, requests, then=None):
    """Send requests so that the server finds all of them behind the first listing; `then`: the fault from then on."""
    begun, go = threading.Event(), threading.Event()

    def hold(prefix, act):
        begun.set()
        assert go.wait(DEADLINE)
        return act()

    bucket.faults["list"] = hold
    wire.send(requests[0])
    assert begun.wait(DEADLINE)
    bucket.faults.pop("list")
    if then is not None:
        bucket.faults["list"] = then
    wire.send(*requests[1:])
    go.set()


def test_listings_that_have_come_are_read_at_once_and_answered_in_order(at, bucket):
    together = threading.Barrier(MANY - 1)

    def wait(prefix, act):
        together.wait(DEADLINE)
        return act()

    wire = at.wire()
    send_together(bucket, wire, [*all_of(), Stat(id=MANY + 1, path=(b"d1", b"f1"))], wait)
    for number in range(MANY):
        answer = wire.receive()
        assert isinstance(answer, Entries)
        assert (answer.id, [one.path for one in answer.entries]) == (number + 1, [(b"f%d" % number,)])
    assert wire.receive().id == MANY + 1
    assert at.results == [("list", "ok")] * MANY + [("stat", "ok")]


def test_a_failure_concerns_its_own_listing(at, bucket):
    wire = at.wire()
    send_together(bucket, wire, listings("d1", "none", "d2", "none", "d3"))
    answers = [wire.receive() for _ in range(5)]
    assert [answer.id for answer in answers] == [1, 2, 3, 4, 5]
    assert [getattr(answer, "code", None) for answer in answers] == [
        None, ErrorCode.NOT_FOUND, None, ErrorCode.NOT_FOUND, None
    ]  # fmt: skip


def test_a_long_one_is_not_read_ahead_to_its_end(at, bucket):
    for number in range(1500):
        bucket.write(f"long/{number:04}", b"x")
    wire = at.wire()
    send_together(bucket, wire, listings("d1", "long", "d2"))
    found = []
    for expected in (1, 2, 3):
        answer = None
        while answer is None or not answer.last:
            answer = wire.receive()
            assert answer.id == expected
            found += answer.entries if expected == 2 else ()
    assert [one.path for one in found] == [(b"%04d" % number,) for number in range(1500)]


def test_a_listing_is_cancelled_before_its_turn(at, bucket):
    wire = at.wire()
    send_together(bucket, wire, [*listings("d1", "d2"), Cancel(id=2)])
    answers = [wire.receive() for _ in range(2)]
    assert isinstance(answers[0], Entries)
    assert isinstance(answers[1], Error)
    assert (answers[1].id, answers[1].code) == (2, ErrorCode.CANCELLED)


def test_without_the_right_nothing_is_read(bucket, tmp_path):
    with served(
        tmp_path, store=ObjectStore(bucket), rights=Rights(read=True, write=False, overwrite=False, list=False)
    ) as at:
        wire = at.wire()
        wire.send(*listings("d1", "d2"))
        assert [wire.receive().code for _ in range(2)] == [ErrorCode.FORBIDDEN] * 2
    assert bucket.requests == []
    some = List(id=1, path=(b"d1",))
    for may_list in (True, False):
        context = SimpleNamespace(store=ObjectStore(bucket), rights=SimpleNamespace(list=may_list))
        assert is_listing(context, some) == may_list


def test_a_listing_is_cancelled_while_it_is_read(at, bucket):
    reading, go_on = threading.Event(), threading.Event()

    def wait(prefix, act):
        if prefix == "d3/":
            reading.set()
            go_on.wait(0.5)  # it is never set: the request takes this long
        else:
            assert reading.wait(DEADLINE)
        return act()

    wire = at.wire()
    send_together(bucket, wire, [*listings("d1", "d2", "d3"), Cancel(id=3)], wait)
    assert [type(wire.receive()) for _ in range(3)] == [Entries, Entries, Error]
    wire.send(Stat(id=4, path=(b"d1", b"f1")))
    assert wire.receive().id == 4


def test_a_client_that_goes_leaves_nothing_under_way(at, bucket):
    wire = at.wire()
    send_together(bucket, wire, all_of())
    wire.reset()
    assert at.over.wait(DEADLINE)
    assert bucket.running == 0
    assert not [one for one in threading.enumerate() if one.name.startswith(("secftp-listings", "secftp-objects"))]
