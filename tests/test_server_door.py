"""The door over real sockets: each of its limits bites, says so in one line, and keeps out nobody with the key.

Loopback has many addresses, so one machine is many sources.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import socket
import sys
import threading
import time

import pytest

from secftp.errors import AuthenticationError, ConnectionLost, CoreError, HandshakeRefused, SecftpError
from secftp.handshake import ClientHandshake
from secftp.messages import Bye, ErrorCode, List, Read, ReadMany, Stat, Sum, Write, encode
from secftp.messages.bounds import MAX_SMALL
from secftp.record import Suite
from secftp.server.limits import Limits
from tests.serving import DEADLINE, HOST, KEY, WRONG_KEY, credentials, get, put, serving, session, until

MIB = 1 << 20
elsewhere = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 as its own")


def connection(port, source=HOST):
    """A connection from any of loopback's addresses."""
    return socket.create_connection((HOST, port), timeout=DEADLINE, source_address=(source, 0))


@contextlib.contextmanager
def stalled(port, count, source="127.0.0.2"):
    """Clients that say nothing: so many of one address, or of as many as `source` makes of their numbers."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(connection(port, source if isinstance(source, str) else source(number)))
            for number in range(count)
        ]


def many(number):
    return f"127.1.{number // 250}.{1 + number % 250}"


def hello(key=KEY, name=""):
    asked = credentials(key, Suite.AES128, name)
    return ClientHandshake(asked.password, asked.suite, asked.mode, asked.name).hello


def guess(port, source=HOST, key=WRONG_KEY):
    """Read the challenge and hang up. How many seconds it took to come."""
    with connection(port, source) as sock:
        began = time.monotonic()
        sock.sendall(hello(key))
        assert len(sock.recv(141, socket.MSG_WAITALL)) == 141
        return time.monotonic() - began


def over(sock):
    """Whether the server has closed it."""
    if not select.select([sock], [], [], 0)[0]:
        return False
    try:
        return sock.recv(200) == b""
    except ConnectionResetError:
        return True


def gone(socks):
    return [sock for sock in socks if over(sock)]


def lines(server, text):
    """The lines of the log that have this."""
    return [line for line in server.log.text.splitlines() if text in line]


def works(server):
    with server.session() as client:
        put(client, b"name", b"contents")
        assert get(client, b"name") == b"contents"


# --- pending and waiting ----------------------------------------------------------------------------------------------


@elsewhere
def test_beyond_the_pending_ones_the_oldest_goes(tmp_path):
    with serving(tmp_path, limits=Limits(max_pending=8)) as server:
        with stalled(server.port, 8, many) as socks:
            server.log.wait_for("Client connected", 8)
            with connection(server.port):
                until(lambda: over(socks[0]), "the oldest is gone")
                server.log.wait_for("Client connected", 9)
                assert gone(socks[1:]) == []
            works(server)
        assert len(lines(server, "Too many handshakes are under way: the oldest one goes.")) == 1


@elsewhere
def test_who_has_said_hello_stays_longer_than_who_says_nothing(tmp_path):
    """So a flood of silent connections pushes out none that is about to prove itself, however far away it is."""
    with serving(tmp_path, limits=Limits(max_pending=4)) as server, server.hostile() as wire:
        with stalled(server.port, 40, many) as socks:
            until(lambda: len(gone(socks)) == 37, "all but three are pushed out")
        wire.welcome()


@elsewhere
def test_a_source_s_further_connections_wait_without_a_thread_and_get_their_turn(tmp_path):
    before = threading.active_count()
    with serving(tmp_path, limits=Limits(free_guesses=100)) as server:
        with stalled(server.port, 20) as socks:
            server.log.wait_for("Client connected", 20)
            assert threading.active_count() - before <= 1, "the server's own"
            asked = hello()
            for sock in socks:
                sock.sendall(asked)
            until(lambda: len(select.select(socks, [], [], 0)[0]) >= 16, "sixteen have their turn")
            assert not select.select(socks[16:], [], [], 0)[0]
            works(server)  # from another address
            for sock in socks[:16]:
                sock.close()
            assert len(socks[16].recv(141, socket.MSG_WAITALL)) == 141
        assert len(lines(server, "Its address has too many handshakes under way; this one waits for its turn.")) == 1


@elsewhere
@pytest.mark.parametrize("bound", ["max_waiting", "max_waiting_per_source"])
def test_waiting_is_bounded_and_whoever_is_beyond_is_told_so(tmp_path, bound):
    with serving(tmp_path, limits=Limits(**{"max_pending_per_source": 2, bound: 3})) as server:
        with stalled(server.port, 5):
            server.log.wait_for("Client connected", 5)
            with connection(server.port, "127.0.0.2") as sock:
                answer = sock.recv(200)
                assert (len(answer), answer[:8]) == (12, b"SECFTP\x01\x04")
            works(server)
        assert len(lines(server, "Too many clients wait for their handshake: this one is sent away.")) == 1


@elsewhere
def test_nobody_waits_for_longer_than_a_client_has_patience(tmp_path):
    limits = Limits(max_pending_per_source=1, waiting_seconds=0.2)
    with serving(tmp_path, limits=limits) as server, stalled(server.port, 2) as socks:
        until(lambda: over(socks[1]), "the one that waits is sent away")
        assert not over(socks[0]), "the time of waiting is not that of the handshake"
        server.log.wait_for("It waited for too long")


def test_a_handshake_s_time_is_told_when_it_is_over(tmp_path):
    with serving(tmp_path, limits=Limits(handshake_seconds=0.2)) as server:
        with connection(server.port) as first, connection(server.port) as second:
            second.sendall(hello())
            until(lambda: over(first), "it is cut")
            until(lambda: over(second), "the one with a challenge, too")
        server.done(2)
        assert len(lines(server, "A client did not finish its handshake in time.")) == 1, "one line for both"
        assert len(lines(server, "Refused: The client did not finish the handshake in time.")) == 2
        works(server)


# --- guesses ----------------------------------------------------------------------------------------------------------


def test_a_thousand_challenges_that_nobody_answers_are_a_thousand_guesses(tmp_path, monkeypatch):
    charged = []
    charge = sys.modules["secftp.server.guesses"].Guesses.charge

    def counted(self, source, now):
        charged.append(source)
        charge(self, source, now)

    monkeypatch.setattr("secftp.server.guesses.Guesses.charge", counted)
    limits = Limits(free_guesses=1000, guess_burst=1000)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(1000):
            guess(server.port)
        server.done(1000)
        assert charged == [HOST] * 1000
        assert len(lines(server, "a wrong key?")) == 1000


@elsewhere
def test_guesses_delay_further_ones_of_their_source_alone(tmp_path):
    with serving(tmp_path, limits=Limits(free_guesses=3, guess_delay=0.5)) as server:
        for _ in range(4):
            guess(server.port, "127.0.0.2")
        assert guess(server.port, "127.0.0.2") > 0.2
        assert guess(server.port, "127.0.0.2") > 0.4
        works(server)
        assert len(lines(server, "Too many wrong keys came from its address: the answer is delayed.")) == 1


@elsewhere
def test_connections_side_by_side_do_not_outrun_the_count(tmp_path):
    limits = Limits(free_guesses=3, guess_delay=60.0)
    with serving(tmp_path, limits=limits) as server, stalled(server.port, 12) as socks:
        asked = hello(WRONG_KEY)
        for sock in socks:
            sock.sendall(asked)
        server.log.wait_for("Cipher", 12)
        until(lambda: len(select.select(socks, [], [], 0)[0]) >= 4, "those that are free are answered")
        works(server)
        # Three are free; after the fourth the delays are 0.25 s, 0.5 s, 1 s, ...
        assert len(select.select(socks, [], [], 0)[0]) <= 8


def test_the_right_key_still_gets_in_after_any_number_of_wrong_ones(tmp_path):
    """Never a lock-out: it takes the delay, and that is all."""
    with serving(tmp_path, limits=Limits(free_guesses=2, guess_delay=0.3)) as server:
        for _ in range(6):
            with pytest.raises(AuthenticationError):
                session(server.port, WRONG_KEY)
        works(server)


def test_right_keys_are_refunded(tmp_path):
    with serving(tmp_path, limits=Limits(free_guesses=0, guess_delay=60.0, guess_burst=2, guess_rate=0.001)) as server:
        began = time.monotonic()
        for _ in range(10):
            works(server)
        assert time.monotonic() - began < 10
        assert lines(server, "delayed") == []


def test_the_delay_does_not_count_as_time_for_the_handshake(tmp_path):
    limits = Limits(free_guesses=0, guess_delay=1.0, handshake_seconds=0.6)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(3):
            guess(server.port)
        assert guess(server.port) > 0.7
        assert lines(server, "in time") == []


@elsewhere
def test_the_budget_of_all_delays_new_handshakes_and_no_session(tmp_path):
    limits = Limits(guess_burst=5, guess_rate=4.0)
    with serving(tmp_path, limits=limits) as server, server.session() as client:
        put(client, b"name", b"contents")
        for number in range(5):
            guess(server.port, many(number))
        assert guess(server.port, many(5)) > 0.1
        began = time.monotonic()
        assert get(client, b"name") == b"contents"
        assert time.monotonic() - began < 5
        assert len(lines(server, "Too many wrong keys come from everywhere: new handshakes are delayed.")) == 1


@elsewhere
def test_who_has_guessed_least_is_answered_first(tmp_path):
    """A source that guesses and guesses does not keep the budget from others."""
    limits = Limits(guess_burst=8, guess_rate=2.0, free_guesses=100)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(8):
            guess(server.port, "127.0.0.2")
        with stalled(server.port, 10) as socks:
            for sock in socks:
                sock.sendall(hello(WRONG_KEY))
            server.log.wait_for("Cipher", 18)
            works(server)
            assert len(select.select(socks, [], [], 0)[0]) < 10


def test_anonymous_clients_are_exempt(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path, limits=Limits(free_guesses=0, guess_burst=1, guess_rate=0.001), anonymous=True) as server:
        guess(server.port)
        for _ in range(5):
            with server.session(key=None) as client:
                assert get(client, b"file") == b"contents"


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_the_last_place_can_be_lost_between_the_challenge_and_the_proof(tmp_path):
    """Both were challenged while there was a place. The second is told under its key, and keeps out nobody."""
    with serving(tmp_path, max_clients=1) as server:
        first, second = server.hostile(), server.hostile()
        with first, second:
            first.welcome()
            second.welcome()
            assert second.receive() == Bye(code=ErrorCode.LIMIT, text="a limit of the server was reached")
            assert second.receive() is None
            server.log.wait_for("Refused: busy")
            first.send(Stat(id=1, path=(b"none",)))
            assert first.receive().id == 1
        server.done(2)
        works(server)
        assert len(lines(server, "There are as many sessions as may be; a client is sent away.")) == 1


def test_a_client_beyond_the_sessions_is_refused_before_it_is_challenged(tmp_path):
    with serving(tmp_path, max_clients=1) as server:
        with server.hostile() as first:
            first.welcome()
            with pytest.raises(HandshakeRefused, match="too many clients"):
                server.session()
        server.done(2)
        assert len(lines(server, "There are as many sessions as may be; a client is sent away.")) == 1
        assert len(lines(server, "Sending challenge")) == 1


def test_silence_ends_a_session(tmp_path):
    with serving(tmp_path, limits=Limits(idle=1.0)) as server, server.hostile() as wire:
        wire.welcome()
        assert wire.receive() is None
        server.done(1)
        assert len(lines(server, "A client gave no sign of life for 1 seconds.")) == 1


def test_a_client_is_told_how_long_it_may_be_silent(tmp_path):
    with serving(tmp_path, limits=Limits(idle=123.0)) as server, server.hostile() as wire:
        assert wire.welcome().limits.idle == 123


def test_a_transfer_slower_than_the_least_rate_is_cut(tmp_path):
    with serving(tmp_path, limits=Limits(min_rate=100_000, min_rate_seconds=0.6)) as server:
        with server.hostile() as idle, server.hostile() as slow:
            idle.welcome()
            slow.welcome()
            slow.frame(*encode(Write(id=1, path=(b"name",))))
            slow.queue_data(b"a byte")
            slow.flush()
            assert slow.receive() is None
            server.done(1)
            idle.send(Stat(id=1, path=(b"none",)))
            assert idle.receive().id == 1, "only a transfer has a rate"
        (line,) = lines(server, "A transfer was cut: ")
        assert re.search(r"cut: \S+ B/s, and 100\.0 kB/s is the least\.", line)


def test_a_reader_that_takes_nothing_is_cut(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    limits = Limits(min_rate=1 << 30, min_rate_seconds=0.6)
    with serving(tmp_path, limits=limits) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Read(id=1, path=(b"huge",)))
        server.log.wait_for("A transfer was cut: ")
        server.done(1)


@pytest.mark.parametrize("what", ["small files", "listing"])
def test_a_reader_that_takes_no_message_is_cut(tmp_path, what):
    """Answers of many megabytes that are no file of their own: READMANY's and LIST's."""
    for number in range(2000 if what == "listing" else 1):
        (tmp_path / f"{number:0200}").write_bytes(bytes(MAX_SMALL))
    limits = Limits(min_rate=1 << 30, min_rate_seconds=0.6)
    with serving(tmp_path, limits=limits) as server, server.hostile() as wire:
        wire.welcome()
        for number in range(1, 65):
            path = (b"%0200d" % 0,)
            wire.send(ReadMany(id=number, paths=(path,) * 64) if what == "small files" else List(id=number, path=()))
        server.log.wait_for("A transfer was cut: ")
        server.done(1)


def test_a_long_sum_with_requests_behind_it_is_not_cut(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(8 << 30)
    limits = Limits(min_rate=1 << 30, min_rate_seconds=0.3)
    with serving(tmp_path, limits=limits) as server, server.hostile() as wire:
        wire.welcome()
        wire.frame(*encode(Sum(id=1, path=(b"huge",), length=1 << 30)))
        wire.frame(*encode(Stat(id=2, path=(b"huge",))))
        wire.sock.sendall(wire.sealed()[:-1])
        assert wire.receive().id == 1
    assert "was cut" not in server.log.text


def test_a_message_that_comes_a_byte_at_a_time_is_cut(tmp_path):
    with (
        serving(tmp_path, limits=Limits(min_rate=1 << 30, min_rate_seconds=0.6)) as server,
        server.hostile() as wire,
    ):
        wire.welcome()
        wire.frame(*encode(Stat(id=1, path=(b"none",))))
        wire.sock.sendall(wire.sealed()[:-1])
        server.log.wait_for("A transfer was cut: ")
        server.done(1)


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_bandwidth_is_kept_in_each_direction(tmp_path, verb):
    data = os.urandom(2 * MIB)
    (tmp_path / "name").write_bytes(data)
    with serving(tmp_path, limits=Limits(bandwidth=2 * MIB)) as server, server.session() as client:
        began = time.monotonic()
        if verb == "read":
            assert get(client, b"name") == data
        else:
            put(client, b"name", data)
        took = time.monotonic() - began
        assert 0.8 < took < 10
        assert len(lines(server, "The bandwidth is used up: transfers are slowed down.")) == 1


def test_several_sessions_share_the_bandwidth(tmp_path):
    data = os.urandom(MIB)
    (tmp_path / "name").write_bytes(data)

    def read(server):
        with server.session() as client:
            assert get(client, b"name") == data

    with serving(tmp_path, limits=Limits(bandwidth=4 * MIB)) as server:
        began = time.monotonic()
        threads = [threading.Thread(target=read, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert 0.8 < time.monotonic() - began < 10


# --- when the machine has no more -------------------------------------------------------------------------------------


def test_out_of_descriptors_new_clients_wait_or_are_refused_and_sessions_go_on(tmp_path, monkeypatch):
    accept = socket.socket.accept
    failing = threading.Event()

    def exhausted(sock):
        if failing.is_set():
            raise OSError(errno.EMFILE, "")
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with serving(tmp_path) as server, server.session() as client:
        put(client, b"name", b"contents")
        failing.set()
        with connection(server.port) as waiting:
            server.log.wait_for("Out of descriptors or memory")
            put(client, b"other", b"contents")
            assert get(client, b"name") == b"contents"
            failing.clear()
            waiting.sendall(hello())
            assert len(waiting.recv(141, socket.MSG_WAITALL)) == 141, "it was left where it was"
        assert len(lines(server, "Out of descriptors or memory: a client was sent away, others wait.")) == 1
        works(server)


def test_without_a_thread_a_client_is_sent_away_and_the_others_go_on(tmp_path, monkeypatch):
    with serving(tmp_path) as server, server.session() as client:
        put(client, b"name", b"contents")
        start = threading.Thread.start

        def fail(thread):
            if thread.name == "secftp-client":
                raise RuntimeError("can't start new thread")
            start(thread)

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            with pytest.raises(ConnectionLost), server.session() as other:
                other.stat((b"name",))
            assert get(client, b"name") == b"contents"
        works(server)
        assert len(lines(server, "No thread could be started for a client; it was sent away.")) == 1


@pytest.mark.parametrize("place", ["Incoming.advance", "Incoming.challenge", "Listener.watch"])
@pytest.mark.parametrize("failure", [MemoryError, OSError, CoreError("Failed.")], ids=["memory", "system", "core"])
def test_what_fails_for_one_client_ends_that_one_alone(tmp_path, monkeypatch, place, failure):
    kind, _, name = place.partition(".")
    owner = getattr(sys.modules["secftp.channel"], kind)
    real, failing = getattr(owner, name), [True]

    def fail_once(*arguments):
        if failing:
            failing.clear()
            raise failure
        return real(*arguments)

    monkeypatch.setattr(owner, name, fail_once)
    with serving(tmp_path) as server:
        with pytest.raises(SecftpError):
            session(server.port)
        server.log.wait_for("Internal error: ")
        server.done(1)
        works(server)


# --- a crowd ----------------------------------------------------------------------------------------------------------


@elsewhere
def test_hundreds_that_stall_keep_nobody_out(tmp_path):
    with serving(tmp_path) as server, stalled(server.port, 400, many) as socks:
        began = time.monotonic()
        works(server)
        assert time.monotonic() - began < 2
        until(lambda: len(gone(socks)) >= 400 - 128, "only so many are pending")
        works(server)
