"""`--limit-rate` counts every byte in both directions: small messages, keepalives and handshakes as well as files."""

from __future__ import annotations

import socket
import time

import pytest

from secftp.server.options import ServerLimits
from secftp.transport.bandwidth import AHEAD_SECONDS, SLICES_PER_SECOND, Bandwidth, Bucket, MeteredStream
from tests.support.serving import put, serving, until

pytestmark = pytest.mark.exhaustive

RATE = 40_000


@pytest.fixture
def pair():
    mine, other = socket.socketpair()
    with mine, other:
        yield mine, other


def moved(server):
    """How many bytes the only session has moved, both directions together."""
    (client,) = server.server._shared.registry.all()
    return client.stream.moved


def test_small_requests_and_their_answers_are_paid_for(tmp_path):
    """None of the pieces is longer than 256 bytes."""
    with serving(tmp_path, limits=ServerLimits(limit_rate=RATE)) as server, server.session() as client:
        client.stat(())
        before, began = moved(server), time.monotonic()
        for _ in range(400):
            client.stat(())
        took, nbytes = time.monotonic() - began, moved(server) - before
    assert nbytes > 400 * 100
    assert took >= nbytes / 2 / RATE - 2 / SLICES_PER_SECOND - 0.1


def test_small_files_are_paid_for(tmp_path):
    with serving(tmp_path, limits=ServerLimits(limit_rate=RATE)) as server, server.session() as client:
        client.stat(())
        before, began = moved(server), time.monotonic()
        for number in range(150):
            put(client, b"%d" % number, b"small")
        took, nbytes = time.monotonic() - began, moved(server) - before
    assert took >= nbytes / 2 / RATE - 2 / SLICES_PER_SECOND - 0.1


@pytest.mark.parametrize("direction", ["receiving", "sending"])
@pytest.mark.parametrize("size", [1, 100, 256, 257, 4096])
def test_a_piece_of_any_size_is_taken_from_the_bucket(pair, direction, size, monkeypatch):
    taken, slept = [], []
    monkeypatch.setattr(Bucket, "take", lambda self, count: taken.append(count) or 0.5)
    monkeypatch.setattr(time, "sleep", slept.append)
    mine, other = pair
    stream = MeteredStream(mine, Bandwidth(1 << 30))
    stream.may_wait = True
    if direction == "sending":
        assert stream.try_send(memoryview(bytes(size))) == size
    else:
        other.sendall(bytes(size))
        assert stream.receive_into(memoryview(bytearray(size)), 1) == size
    assert sum(taken) == size
    assert slept


def test_who_serves_others_as_well_counts_and_does_not_wait(pair, monkeypatch):
    noted = []
    monkeypatch.setattr(Bucket, "note", lambda self, count: noted.append(count))
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("the accept loop pauses for one connection"))
    mine, other = pair
    stream = MeteredStream(mine, Bandwidth(1))
    other.sendall(bytes(93))
    assert stream.try_receive(memoryview(bytearray(93))) == 93
    assert stream.try_send(memoryview(bytes(141))) == 141
    assert stream.send_at_once(memoryview(bytes(34))) == 34
    assert noted == [93, 141, 34]


def test_handshakes_are_paid_for_by_the_sessions(tmp_path):
    """They move some hundred bytes each, at a rate of 500 a second: what a session says then has to wait."""
    with serving(tmp_path, limits=ServerLimits(limit_rate=500)) as server, server.session() as client:
        client.stat(())
        for _ in range(8):
            server.hostile().close()
        began = time.monotonic()
        for _ in range(2):  # who has moved something waits behind it
            client.stat(())
        assert time.monotonic() - began > 0.5


def test_what_did_not_wait_delays_others_only_briefly():
    """A flood of handshakes does not pile up a debt that sessions pay for minutes."""
    bucket = Bucket(1000)
    for _ in range(1000):
        bucket.note(1000)
    assert bucket.take(0) <= AHEAD_SECONDS
    for _ in range(10):
        bucket.take(1000)  # those who wait owe all they took
    assert bucket.take(0) > AHEAD_SECONDS + 4


def test_a_ping_counts(tmp_path, monkeypatch):
    noted = []
    note = Bucket.note
    monkeypatch.setattr(Bucket, "note", lambda self, count: noted.append(count) or note(self, count))
    with serving(tmp_path, limits=ServerLimits(limit_rate=1 << 20)) as server, server.session() as client:
        client.stat(())
        (peer,) = server.server._shared.registry.all()
        noted.clear()

        def pinged():
            peer._channel.last_sent = 0.0
            peer._channel.ping()  # sends nothing while the session's own thread is still sending the answer
            return noted

        until(pinged, "a ping has left")
        assert len(noted) == 1
        assert noted[0] > 0
        client.stat(())
