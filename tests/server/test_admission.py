"""Admission over real sockets: each limit applies, logs one line, and keeps out no client with the key.

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

from secftp.crypto import Suite
from secftp.errors import AuthenticationError, ConnectionLost, CoreError, HandshakeRefused, SecftpError, ServerBusy
from secftp.keys import Key
from secftp.keys.key import generate_secret
from secftp.protocol import Bye, ErrorCode, List, Read, ReadMany, Stat, Sum, Write, encode
from secftp.protocol.handshake import ClientHandshake
from secftp.protocol.limits import MAX_SMALL
from secftp.server.access import NamedKey, Rights
from secftp.server.admission import Admission
from secftp.server.fairness import source_address
from secftp.server.options import ServerLimits
from tests.support.serving import DEADLINE, HOST, KEY, WRONG_KEY, credentials, get, put, serving, session, until

pytestmark = pytest.mark.exhaustive

MIB = 1 << 20
GENERATED = Key.from_secret(generate_secret())
OTHER_KEY = Key.from_secret(bytes(31) + b"\x09")
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
def test_beyond_the_pending_ones_the_oldest_of_the_most_crowded_network_goes(tmp_path):
    with serving(tmp_path, limits=ServerLimits(max_pending=4)) as server:
        with stalled(server.port, 1, "127.9.0.1") as alone, stalled(server.port, 3, many) as socks:
            server.log.wait_for("Client connected", 4)
            with connection(server.port, many(3)) as newcomer:
                until(lambda: over(socks[0]), "the oldest of the crowd is gone")
                server.log.wait_for("Client connected", 5)
                assert gone([*socks[1:], *alone, newcomer]) == []
            works(server)
        assert len(lines(server, "Too many handshakes are in progress: one of them is closed.")) == 1


@elsewhere
def test_who_has_said_hello_stays_longer_than_who_says_nothing(tmp_path):
    """So a flood of silent connections pushes out none that is about to prove itself, however far away it is."""
    with serving(tmp_path, limits=ServerLimits(max_pending=4)) as server, server.hostile() as wire:
        with stalled(server.port, 40, many) as socks:
            until(lambda: len(gone(socks)) == 37, "all but three are pushed out")
        wire.welcome()


@elsewhere
def test_a_flood_of_challenged_ones_pushes_out_none_of_another_network(tmp_path):
    """Those that ask for a challenge and never answer it; the key is not one to be guessed, so nothing delays them."""
    limits = ServerLimits(max_pending=8)
    with (
        serving(tmp_path, key=GENERATED, limits=limits) as server,
        server.hostile(key=GENERATED) as wire,
        contextlib.ExitStack() as stack,
    ):
        for number in range(60):
            sock = stack.enter_context(connection(server.port, many(number)))
            sock.sendall(hello(GENERATED))
            assert len(sock.recv(141, socket.MSG_WAITALL)) == 141
        wire.welcome()


@elsewhere
def test_a_flood_of_challenged_ones_pushes_out_none_that_is_about_to_say_hello(tmp_path):
    """Between the connection and the hello of a client there is a moment, and more on a busy machine."""
    limits = ServerLimits(max_pending=8)
    with (
        serving(tmp_path, key=GENERATED, limits=limits) as server,
        connection(server.port) as late,
        contextlib.ExitStack() as stack,
    ):
        server.log.wait_for("Client connected", 1)
        for number in range(60):
            sock = stack.enter_context(connection(server.port, many(number)))
            sock.sendall(hello(GENERATED))
            assert len(sock.recv(141, socket.MSG_WAITALL)) == 141
        late.sendall(hello(GENERATED))
        assert len(late.recv(141, socket.MSG_WAITALL)) == 141


@elsewhere
def test_silent_connections_of_one_address_are_bounded_without_a_thread(tmp_path):
    before = threading.active_count()
    limits = ServerLimits(max_pending_per_source=16)
    with serving(tmp_path, limits=limits) as server, stalled(server.port, 80) as socks:
        server.log.wait_for("Client connected", 80)
        assert threading.active_count() - before <= 1, "the server's own"
        until(lambda: len(gone(socks)) == 64, "sixteen stay")
        with stalled(server.port, 1) as (newcomer,):
            server.log.wait_for("Client connected", 81)
            assert not over(newcomer)
        text = "Too many silent connections from its address: one of them is closed."
        assert len(lines(server, text)) == 1


@elsewhere
def test_silent_connections_do_not_keep_out_others_of_their_own_address(tmp_path):
    """A client says hello at once: it is never one of the silent ones."""
    with serving(tmp_path) as server, stalled(server.port, 80, HOST), stalled(server.port, 400, many):
        began = time.monotonic()
        for _ in range(5):
            works(server)
        assert time.monotonic() - began < 5


def test_a_silent_connection_that_goes_is_told_that_the_server_is_busy(tmp_path):
    """It may be a client whose first packet was lost: then it may come again."""
    limits = ServerLimits(max_pending_per_source=1)
    with serving(tmp_path, limits=limits) as server, connection(server.port) as first, connection(server.port):
        answer = first.recv(200)
        assert (len(answer), answer[:8]) == (12, b"SECFTP\x01\x04")


@elsewhere
@pytest.mark.parametrize("bound", ["max_waiting", "max_waiting_per_source"])
def test_waiting_is_bounded_and_one_of_those_that_wait_goes(tmp_path, bound):
    with serving(tmp_path, limits=ServerLimits(free_guesses=0, guess_delay=60.0, **{bound: 3})) as server:
        for _ in range(5):
            guess(server.port, "127.0.0.2")  # the next answer takes 4 s
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connection(server.port, "127.0.0.2")) for _ in range(4)]
            for number, sock in enumerate(socks, 6):
                sock.sendall(hello(WRONG_KEY))
                server.log.wait_for("Cipher: ", number)
            until(lambda: gone(socks), "one of them is sent away")
            server.log.wait_for("Refused: busy")
            assert not over(socks[3]), "and not the newcomer"
            works(server)  # from another address
        assert len(lines(server, "Too many clients wait for their handshake: one of them is rejected.")) == 1


@elsewhere
def test_who_waits_for_the_budget_for_too_long_is_sent_away(tmp_path):
    limits = ServerLimits(guess_burst=1, guess_rate=0.001, waiting_seconds=0.2)
    with serving(tmp_path, limits=limits) as server:
        guess(server.port)
        with connection(server.port, "127.0.0.2") as sock:
            sock.sendall(hello())
            until(lambda: over(sock), "the one that waits is sent away")
        server.log.wait_for("has waited too long")


@elsewhere
def test_who_waits_when_the_server_stops_is_told_to_come_again(tmp_path):
    with serving(tmp_path, limits=ServerLimits(guess_burst=1, guess_rate=0.001)) as server:
        guess(server.port)
        with connection(server.port, "127.0.0.2") as sock:
            sock.sendall(hello())
            server.log.wait_for("Cipher: ", 2)
            server.server.stop()
            assert sock.recv(200)[:8] == b"SECFTP\x01\x04"


@elsewhere
def test_who_left_while_waiting_costs_no_guess(tmp_path):
    """Else an attacker could spend the budget of all without waiting for one answer."""
    limits = ServerLimits(guess_burst=2, guess_rate=4.0)
    with serving(tmp_path, limits=limits) as server:
        for number in range(2):
            guess(server.port, many(number))
        for number in range(2, 22):
            with connection(server.port, many(number)) as sock:
                sock.sendall(hello(WRONG_KEY))
                server.log.wait_for("Cipher: ", number + 1)
        began = time.monotonic()
        works(server)  # from another network; and then from theirs, behind twenty that have left
        assert guess(server.port, many(22)) < 4
        assert time.monotonic() - began < 6
        assert len(lines(server, "Sending challenge")) < 14, "a few may have been answered before they left"


def test_a_handshake_s_time_is_told_when_it_is_over(tmp_path):
    with serving(tmp_path, limits=ServerLimits(handshake_seconds=0.2)) as server:
        with connection(server.port) as first, connection(server.port) as second:
            second.sendall(hello())
            until(lambda: over(first), "it is cut")
            until(lambda: over(second), "the one with a challenge, too")
        server.done(2)
        assert len(lines(server, "A client did not finish its handshake in time.")) == 1, "one line for both"
        assert len(lines(server, "Refused: the client did not finish the handshake in time.")) == 2
        works(server)


# --- guesses ----------------------------------------------------------------------------------------------------------


def test_a_thousand_unanswered_challenges_are_a_thousand_guesses(tmp_path, monkeypatch):
    charged = []
    charge = sys.modules["secftp.server.throttle"].GuessLimiter.charge

    def counted(self, source, now, **more):
        charged.append(source)
        return charge(self, source, now, **more)

    monkeypatch.setattr("secftp.server.throttle.GuessLimiter.charge", counted)
    limits = ServerLimits(free_guesses=1000, guess_burst=1000)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(1000):
            guess(server.port)
        server.done(1000)
        assert charged == [source_address(HOST)] * 1000
        assert len(lines(server, "a wrong key?")) == 1000


@elsewhere
def test_guesses_delay_further_ones_of_their_source_alone(tmp_path):
    with serving(tmp_path, limits=ServerLimits(free_guesses=3, guess_delay=0.5)) as server:
        for _ in range(4):
            guess(server.port, "127.0.0.2")
        assert guess(server.port, "127.0.0.2") > 0.2
        assert guess(server.port, "127.0.0.2") > 0.4
        works(server)
        assert len(lines(server, "Too many wrong keys from its address: the answer is delayed.")) == 1


@elsewhere
def test_connections_side_by_side_do_not_outrun_the_count(tmp_path):
    limits = ServerLimits(free_guesses=3, guess_delay=60.0)
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
    with serving(tmp_path, limits=ServerLimits(free_guesses=2, guess_delay=0.3)) as server:
        for _ in range(6):
            with pytest.raises(AuthenticationError):
                session(server.port, WRONG_KEY)
        works(server)


def test_right_keys_are_refunded(tmp_path):
    with serving(
        tmp_path, limits=ServerLimits(free_guesses=0, guess_delay=60.0, guess_burst=2, guess_rate=0.001)
    ) as server:
        began = time.monotonic()
        for _ in range(10):
            works(server)
        assert time.monotonic() - began < 10
        assert lines(server, "delayed") == []


def test_the_delay_does_not_count_as_time_for_the_handshake(tmp_path):
    limits = ServerLimits(free_guesses=0, guess_delay=1.0, handshake_seconds=0.6)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(3):
            guess(server.port)
        assert guess(server.port) > 0.7
        assert lines(server, "in time") == []


@elsewhere
def test_the_budget_of_all_delays_new_handshakes_and_no_session(tmp_path):
    limits = ServerLimits(guess_burst=5, guess_rate=4.0)
    with serving(tmp_path, limits=limits) as server, server.session() as client:
        put(client, b"name", b"contents")
        for number in range(5):
            guess(server.port, many(number))
        assert guess(server.port, many(5)) > 0.1
        began = time.monotonic()
        assert get(client, b"name") == b"contents"
        assert time.monotonic() - began < 5
        assert len(lines(server, "Too many wrong keys from all addresses: new handshakes are delayed.")) == 1


@elsewhere
def test_who_has_guessed_least_is_answered_first(tmp_path):
    """A source that guesses and guesses does not keep the budget from others."""
    limits = ServerLimits(guess_burst=8, guess_rate=2.0, free_guesses=100)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(8):
            guess(server.port, "127.0.0.2")
        with stalled(server.port, 10) as socks:
            for sock in socks:
                sock.sendall(hello(WRONG_KEY))
            server.log.wait_for("Cipher", 18)
            works(server)
            assert len(select.select(socks, [], [], 0)[0]) < 10


@elsewhere
def test_a_client_that_tries_an_old_key_again_and_again_delays_its_address_for_seconds_only(tmp_path):
    """Delays run side by side: each of five with the right key gets in after one delay, and not one after the other."""
    with serving(tmp_path, limits=ServerLimits(free_guesses=0, guess_delay=1.0)) as server:
        for _ in range(4):
            guess(server.port)
        began = time.monotonic()
        threads = [threading.Thread(target=works, args=(server,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert time.monotonic() - began < 4
        assert len(lines(server, "Initializing communication")) == 5


def test_a_key_that_can_t_be_guessed_needs_no_delay(tmp_path):
    limits = ServerLimits(free_guesses=0, guess_delay=60.0, guess_burst=1, guess_rate=0.001)
    with serving(tmp_path, key=GENERATED, limits=limits) as server:
        began = time.monotonic()
        for _ in range(20):
            guess(server.port)
        assert time.monotonic() - began < 10
        assert lines(server, "delayed") == []


def test_one_key_that_can_be_guessed_is_enough_for_delays(tmp_path):
    limits = ServerLimits(free_guesses=0, guess_delay=0.5)
    named = {"me": NamedKey(KEY.password(), Rights(read=True, write=True, overwrite=True))}
    with serving(tmp_path, key=GENERATED, named=named, limits=limits) as server:
        guess(server.port)
        assert guess(server.port) > 0.2


def test_a_challenge_that_left_is_charged_whatever_fails_behind_it(tmp_path, monkeypatch):
    watch = Admission._watch

    def fail(admission, pending, state):
        if pending.grant is not None:
            raise MemoryError
        watch(admission, pending, state)

    with serving(tmp_path, limits=ServerLimits(free_guesses=0, guess_delay=0.5)) as server:
        with monkeypatch.context() as patched:
            patched.setattr(Admission, "_watch", fail)
            guess(server.port)
            server.log.wait_for("Internal error: MemoryError")
        assert guess(server.port) > 0.2


def test_anonymous_clients_are_exempt(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(
        tmp_path, limits=ServerLimits(free_guesses=0, guess_burst=1, guess_rate=0.001), anonymous=True
    ) as server:
        guess(server.port)
        for _ in range(5):
            with server.session(key=None) as client:
                assert get(client, b"file") == b"contents"


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_the_last_place_can_be_lost_between_the_challenge_and_the_proof(tmp_path):
    """Both were challenged while there was a place. The second is told under its key, and keeps no client out."""
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
        assert len(lines(server, "The maximum number of sessions is reached: a client is rejected.")) == 1


def test_a_client_beyond_the_sessions_is_refused_before_it_is_challenged(tmp_path):
    with serving(tmp_path, max_clients=1) as server:
        with server.hostile() as first:
            first.welcome()
            with pytest.raises(HandshakeRefused, match="too many clients"):
                server.session()
        server.done(2)
        assert len(lines(server, "The maximum number of sessions is reached: a client is rejected.")) == 1
        assert len(lines(server, "Sending challenge")) == 1


def fill(server, count, **who):
    """So many sessions that stay, and those that were sent away, as exceptions."""
    there, refused = [], []
    for _ in range(count):
        try:
            with contextlib.ExitStack() as undo:
                client = undo.enter_context(server.session(**who))
                client.stat(())
                undo.pop_all()
                there.append(client)
        except SecftpError as problem:
            refused.append(problem)
    return there, refused


def end(sessions):
    for client in sessions:
        client.__exit__(None, None, None)


@pytest.mark.parametrize("who", ["anonymous", "one key", "one address"])
def test_no_client_takes_all_places(tmp_path, who):
    """Who wants 30 of 40 places gets 20; the others are for those who have none yet."""
    named = {"me": NamedKey(OTHER_KEY.password(), Rights(read=True, write=True, overwrite=True))}
    limits = ServerLimits(max_clients=40)
    rules = {"anonymous": {"anonymous": True}, "one key": {"named": named}, "one address": {}}[who]
    flood = {"anonymous": {"key": None}, "one key": {"key": OTHER_KEY, "name": "me"}, "one address": {}}[who]
    with serving(tmp_path, limits=limits, **rules) as server:
        there, refused = fill(server, 30, **flood)
        try:
            assert (len(there), len(refused)) == (20, 10)
            assert all(isinstance(problem, (HandshakeRefused, ServerBusy)) for problem in refused)
            with connection(server.port, "127.0.0.2") as sock:
                sock.sendall(hello())
                assert len(sock.recv(141, socket.MSG_WAITALL)) == 141
            if who != "one address":
                works(server)
        finally:
            end(there)
        server.done(31)
        works(server)


def test_a_key_that_has_its_places_is_told_so_under_the_key_alone(tmp_path):
    """A client that does not hold it can't tell by that which names have keys."""
    named = {"me": NamedKey(OTHER_KEY.password(), Rights(read=True, write=True, overwrite=True))}
    with serving(tmp_path, limits=ServerLimits(max_clients_per_key=1), named=named) as server:
        with server.session(key=OTHER_KEY, name="me") as client:
            client.can("stat")
            for name in ("me", "nobody"):
                with pytest.raises(AuthenticationError):
                    server.session(key=WRONG_KEY, name=name)
            with server.hostile(key=OTHER_KEY, name="me") as wire:
                wire.welcome()
                assert wire.receive() == Bye(code=ErrorCode.LIMIT, text="a limit of the server was reached")
            works(server)
        assert len(lines(server, "The maximum number of sessions for its key is reached: a client is rejected.")) == 1


def test_silence_ends_a_session(tmp_path):
    with serving(tmp_path, limits=ServerLimits(idle=1.0)) as server, server.hostile() as wire:
        wire.welcome()
        assert wire.receive() is None
        server.done(1)
        assert len(lines(server, "Idle timeout: nothing came from a client for 1 second.")) == 1


def test_a_client_is_told_how_long_it_may_be_silent(tmp_path):
    with serving(tmp_path, limits=ServerLimits(idle=123.0)) as server, server.hostile() as wire:
        assert wire.welcome().limits.idle == 123


def test_a_transfer_slower_than_the_least_rate_is_cut(tmp_path):
    with serving(tmp_path, limits=ServerLimits(min_rate=100_000, min_rate_seconds=0.6)) as server:
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
        (line,) = lines(server, "A transfer is cut: ")
        assert re.search(r"cut: \S+ B/s is below the minimum of 100\.0 kB/s\.", line)


def test_a_reader_that_takes_nothing_is_cut(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    limits = ServerLimits(min_rate=1 << 30, min_rate_seconds=0.6)
    with serving(tmp_path, limits=limits) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Read(id=1, path=(b"huge",)))
        server.log.wait_for("A transfer is cut: ")
        server.done(1)


@pytest.mark.parametrize("what", ["small files", "listing"])
def test_a_reader_that_takes_no_message_is_cut(tmp_path, what):
    """Answers of many megabytes that are no file of their own: READMANY's and LIST's."""
    for number in range(2000 if what == "listing" else 1):
        (tmp_path / f"{number:0200}").write_bytes(bytes(MAX_SMALL))
    limits = ServerLimits(min_rate=1 << 30, min_rate_seconds=0.6)
    with serving(tmp_path, limits=limits) as server, server.hostile() as wire:
        wire.welcome()
        for number in range(1, 65):
            path = (b"%0200d" % 0,)
            wire.send(ReadMany(id=number, paths=(path,) * 64) if what == "small files" else List(id=number, path=()))
        server.log.wait_for("A transfer is cut: ")
        server.done(1)


def test_a_long_sum_with_requests_behind_it_is_not_cut(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(8 << 30)
    limits = ServerLimits(min_rate=1 << 30, min_rate_seconds=0.3)
    with serving(tmp_path, limits=limits) as server, server.hostile() as wire:
        wire.welcome()
        wire.frame(*encode(Sum(id=1, path=(b"huge",), length=1 << 30)))
        wire.frame(*encode(Stat(id=2, path=(b"huge",))))
        wire.sock.sendall(wire.sealed()[:-1])
        assert wire.receive().id == 1
    assert "was cut" not in server.log.text


def test_a_message_that_comes_a_byte_at_a_time_is_cut(tmp_path):
    with (
        serving(tmp_path, limits=ServerLimits(min_rate=1 << 30, min_rate_seconds=0.6)) as server,
        server.hostile() as wire,
    ):
        wire.welcome()
        wire.frame(*encode(Stat(id=1, path=(b"none",))))
        wire.sock.sendall(wire.sealed()[:-1])
        server.log.wait_for("A transfer is cut: ")
        server.done(1)


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_bandwidth_is_kept_in_each_direction(tmp_path, verb):
    data = os.urandom(2 * MIB)
    (tmp_path / "name").write_bytes(data)
    with serving(tmp_path, limits=ServerLimits(limit_rate=2 * MIB)) as server, server.session() as client:
        began = time.monotonic()
        if verb == "read":
            assert get(client, b"name") == data
        else:
            put(client, b"name", data)
        took = time.monotonic() - began
        assert 0.8 < took < 10
        assert len(lines(server, "The rate limit is reached: transfers are slowed down.")) == 1


def test_several_sessions_share_the_bandwidth(tmp_path):
    data = os.urandom(MIB)
    (tmp_path / "name").write_bytes(data)

    def read(server):
        with server.session() as client:
            assert get(client, b"name") == data

    with serving(tmp_path, limits=ServerLimits(limit_rate=4 * MIB)) as server:
        began = time.monotonic()
        threads = [threading.Thread(target=read, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert 0.8 < time.monotonic() - began < 10


# --- exhausted resources ----------------------------------------------------------------------------------------------


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
            server.log.wait_for("Out of file descriptors or memory")
            put(client, b"other", b"contents")
            assert get(client, b"name") == b"contents"
            failing.clear()
            waiting.sendall(hello())
            assert len(waiting.recv(141, socket.MSG_WAITALL)) == 141, "it was left where it was"
        assert len(lines(server, "Out of file descriptors or memory: a client was rejected, others wait.")) == 1
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
        assert len(lines(server, "No thread could be started for a client: it was rejected.")) == 1


def test_without_a_thread_for_keepalives_a_client_is_sent_away_and_the_next_gets_one(tmp_path, monkeypatch):
    start = threading.Thread.start

    def fail(thread):
        if thread.name == "secftp-keepalive":
            raise RuntimeError("can't start new thread")
        start(thread)

    with serving(tmp_path) as server:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            with pytest.raises(ServerBusy), server.session() as other:
                other.stat((b"name",))
        works(server)
        assert len(lines(server, "No thread could be started for a client: it was rejected.")) == 1
        assert not lines(server, "Internal error: RuntimeError")


@pytest.mark.parametrize("place", ["IncomingHandshake.advance", "IncomingHandshake.challenge", "Listener.watch"])
@pytest.mark.parametrize("failure", [MemoryError, OSError, CoreError("Failed.")], ids=["memory", "system", "core"])
def test_what_fails_for_one_client_ends_that_one_alone(tmp_path, monkeypatch, place, failure):
    kind, _, name = place.partition(".")
    owner = getattr(sys.modules["secftp.transport"], kind)
    real, failing = getattr(owner, name), [True]

    def fail_once(*arguments):
        if failing:
            failing.clear()
            raise failure
        return real(*arguments)

    monkeypatch.setattr(owner, name, fail_once)
    with serving(tmp_path) as server:
        with pytest.raises(SecftpError), session(server.port) as client:
            client.can("stat")
        server.log.wait_for("Internal error: ")
        server.done(1)
        works(server)


# --- many clients -----------------------------------------------------------------------------------------------------


@elsewhere
def test_hundreds_that_stall_keep_no_client_out(tmp_path):
    with serving(tmp_path) as server, stalled(server.port, 400, many) as socks:
        began = time.monotonic()
        works(server)
        assert time.monotonic() - began < 2
        until(lambda: len(gone(socks)) >= 400 - 128, "only so many are pending")
        works(server)
