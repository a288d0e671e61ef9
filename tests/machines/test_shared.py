"""Servers that count in one Redis: as one server would, and each for itself without it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from itertools import cycle

import pytest

from secftp.errors import Forbidden, SecftpError, UsageError
from secftp.keys import Key, read_key_file
from secftp.protocol import Algorithm, End, Ok, Read, Write
from secftp.server.access import NamedKey, Rights
from secftp.server.fairness import source_address
from secftp.server.log import Log
from secftp.server.options import ServerLimits
from secftp.server.session_limits import SlotCounter, SlotLimit
from secftp.server.shared import Sharing, parse_shared_url
from tests.server.shared.test_sessions import claim
from tests.support.serving import HOST, KEY, WRONG_KEY, Hostile, Lines, digest_of, serving, session, until

FAST = 0.5  # seconds between two heartbeats
HERE = source_address("192.0.2.1")
BACK = "is back: limits are shared"
LOST = "This server counts for itself until it is back"


@pytest.fixture
def share(redis):
    """What a server has in common with others: `share(**limits)`, entered until the end of the test."""
    with contextlib.ExitStack() as stack:

        def enter(*, password=None, heartbeat=FAST, **limits):
            lines = Lines()
            sharing = Sharing(
                parse_shared_url(redis.url),
                password or redis.password,
                ServerLimits(**limits),
                Log(lines),
                heartbeat=heartbeat,
            )
            sharing.lines = lines
            return stack.enter_context(sharing)

        yield enter


def charges(*servers, number, source=HERE, trusted=False):
    """Ask so often for a challenge, at one server after the other; the receipts of those that were allowed."""
    found = []
    for _, server in zip(range(number), cycle(servers), strict=False):
        answer = server.guesses.charge(source, 0.0, time.monotonic(), trusted=trusted)
        assert (answer.receipt is None) == bool(answer.seconds)
        if answer.receipt is not None:
            found.append((server, answer.receipt))
    return found


# --- guesses ----------------------------------------------------------------------------------------------------------

SLOW = {"guess_delay": 3600.0, "free_guesses": 10}


def test_a_hundred_guesses_at_two_servers_are_limited_like_those_at_one(share, monkeypatch):
    monkeypatch.setattr("secftp.server.shared.guesses.FIRST_DELAY_SECONDS", 3600.0)  # on a slow machine, too
    alone, one, other = share(**SLOW), share(**SLOW), share(**SLOW)
    few = len(charges(alone, number=100, source=source_address("192.0.2.7")))
    assert len(charges(one, other, number=100)) == few == SLOW["free_guesses"] + 1
    assert charges(share(**SLOW), number=1) == [], "at a server that has just begun, too"
    assert len(charges(one, other, number=2, source=source_address("192.0.2.2"))) == 2, "others are not delayed"


def test_wrong_keys_over_the_network_are_limited_like_those_at_one_server(share, tmp_path):
    limits = {"guess_delay": 3600.0, "free_guesses": 5}

    def challenged(*running):
        for _, server in zip(range(100), cycle(running), strict=False):
            _guess(server.port)
        until(lambda: sum(server.log.text.count("Client connected") for server in running) == 100, "all have come")
        return sum(server.log.text.count("Sending challenge") for server in running)

    def server():
        return serving(tmp_path, sharing=share(**limits), limits=ServerLimits(**limits))

    with server() as one, server() as other:
        assert 6 <= challenged(one, other) < 12
        text = one.log.text + other.log.text
        assert "Too many wrong keys" in text


def _guess(port):
    """Try a wrong key, and leave when the answer takes too long."""
    with Hostile(port, WRONG_KEY, shake=False) as hostile, contextlib.suppress(SecftpError, TimeoutError):
        hostile.sock.settimeout(0.02)
        hostile.shake()


def test_the_budget_is_one_for_all_servers(share):
    limits = {"guess_rate": 0.001, "guess_burst": 20}
    one, other = share(**limits), share(**limits)
    sources = [source_address(f"10.0.{number}.1") for number in range(100)]

    def allowed(*, trusted):
        pairs = zip(cycle([one, other]), sources, strict=False)
        return sum(len(charges(server, number=1, source=source, trusted=trusted)) for server, source in pairs)

    assert allowed(trusted=False) == 20
    assert allowed(trusted=True) == 20, "those that have proved a key have one of their own"


def test_a_proof_at_one_server_is_taken_back_for_all(share, redis):
    one, other = share(**SLOW), share(**SLOW)
    for server, receipt in charges(one, other, number=11):
        server.guesses.refund(receipt)
    with redis.client() as client:
        until(lambda: not client.keys("secftp:debt:*"), "all is taken back")
        until(lambda: not one.guesses._refunds and not other.guesses._refunds, "by both")
        (budget,) = client.keys("secftp:budget:*")
        assert float(client.hget(budget, "tokens")) == ServerLimits().guess_burst
    assert len(charges(one, other, number=100)) >= 11


def test_nothing_is_taken_back_from_data_that_came_later(share, redis):
    """After a loss of its data, a refund would be of another guess."""
    one = share(guess_rate=0.001, guess_burst=20)
    ((_, receipt),) = charges(one, number=1)
    with redis.client() as client:
        client.flushall()
        assert len(charges(one, number=3)) == 3
        one.guesses.refund(receipt)
        until(lambda: not one.guesses._refunds, "it is settled")
        (debt,) = client.keys("secftp:debt:*")
        assert client.hget(debt, "count") == b"3"
        budgets = [float(client.hget(key, "tokens")) for key in client.keys("secftp:budget:*")]
        assert budgets == [pytest.approx(17, abs=0.1)]


def test_delays_go_by_the_clock_of_redis_and_end(share, redis):
    """A guess is forgiven, and a hello that has waited for its delay is answered."""
    one = share(guess_delay=0.5, free_guesses=1, forgiven_seconds=3600.0)
    assert len(charges(one, number=6)) <= 3
    answer = one.guesses.charge(HERE, 0.0, time.monotonic(), trusted=False)
    assert 0 < answer.seconds <= 0.5
    until(lambda: one.guesses.charge(HERE, 10.0, time.monotonic(), trusted=False).receipt, "it has waited long enough")
    with redis.client() as client:
        (debt,) = client.keys("secftp:debt:*")
        client.hincrbyfloat(debt, "since", -3 * 3600)
        before = int(client.hget(debt, "count"))
        one.guesses.charge(HERE, 10.0, time.monotonic(), trusted=False)
        assert int(client.hget(debt, "count")) <= max(1, before - 2)


def test_everything_expires_or_is_bounded(share, redis):
    one = share()
    charges(one, number=3)
    one.slots.take(claim().counted, SlotCounter(ServerLimits(), 9).conditions_for(claim()))
    one.changes._most = 5
    for number in range(20):
        one.changes.put([(bytes([number]), b"1")])
    one.copies.claim(b"x")
    with redis.client() as client:
        assert [key for key in client.keys("*") if client.ttl(key) == -1] == []
        sizes = {client.zcard(key) for key in client.keys("secftp:changes:*") if client.type(key) == b"zset"}
        assert sizes == {5}
        assert all(key.startswith(b"secftp:") for key in client.keys("*"))
    assert [one.changes.get(bytes([number])) for number in range(14, 17)] == [None, b"1", b"1"]


@contextlib.contextmanager
def opened(server, *, key=KEY, name=""):
    """A session that has begun at the server, too: the client's proof leaves with its first request."""
    with server.session(key, name=name) as client:
        client.stat(())
        yield client


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_of_many_that_come_at_once_as_many_get_a_slot_as_there_are(share):
    servers = [share() for _ in range(3)]
    conditions = SlotCounter(ServerLimits(), 8)
    results, start = [], threading.Barrier(12)

    def come(number):
        start.wait()
        for turn in range(4):
            one = claim(f"10.{number}.{turn}.1", contested=False)
            results.append(servers[number % 3].slots.take(one.counted, conditions.conditions_for(one)))

    threads = [threading.Thread(target=come, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 48
    assert results.count(None) == 8
    assert {refused.limit for refused in results if refused is not None} == {SlotLimit.ALL}


@pytest.mark.parametrize(
    ("limits", "most", "same", "limit"),
    [
        ({"max_clients_per_source": 3}, 40, {"host": "192.0.2.1"}, SlotLimit.SOURCE),
        ({"max_clients_per_key": 3}, 40, {"name": "one"}, SlotLimit.KEY),
        ({"max_anonymous": 3}, 40, {"name": None}, SlotLimit.ANONYMOUS),
    ],
)
def test_each_limit_is_of_all_servers(share, limits, most, same, limit):
    servers, slots = [share(), share()], SlotCounter(ServerLimits(**limits), most)
    refused = []
    for number, server in zip(range(6), cycle(servers), strict=False):
        one = claim(**{"host": f"{number + 10}.0.0.1", "name": f"key {number}"} | same)
        refused.append(server.slots.take(one.counted, slots.conditions_for(one)))
    assert refused[:3] == [None] * 3
    assert {found.limit for found in refused[3:]} == {limit}
    first = claim(**{"host": "10.0.0.1", "name": "key 0"} | same)
    servers[0].slots.release(first.counted)
    assert servers[1].slots.take(first.counted, slots.conditions_for(first)) is None


def test_sessions_of_two_servers_have_one_limit(share, tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    with (
        serving(tmp_path, sharing=share(), max_clients=3) as one,
        serving(tmp_path, sharing=share(), max_clients=3) as other,
    ):
        with opened(one), opened(one), opened(other) as last:
            with pytest.raises(SecftpError), opened(other):
                pytest.fail("a session too many")
            last.stat((b"f",))
            other.log.wait_for("The maximum number of sessions is reached: a client is rejected")
        one.done(2)
        until(lambda: _gets_in(other), "their slots are free")


def _gets_in(server):
    with contextlib.suppress(SecftpError), opened(server):
        return True
    return False


def test_an_additional_stream_makes_room_for_one_that_others_leave_none(share, tmp_path):
    with (
        serving(tmp_path, sharing=share(), max_clients=3) as one,
        serving(tmp_path, sharing=share(), max_clients=3) as other,
        opened(other),
        opened(one),
        Hostile(one.port) as stream,
    ):
        stream.send(Read(id=1, path=(b"nothing",), additional=True))
        stream.receive()
        stream.receive()
        with one.session() as session:
            session.stat(())
            one.log.wait_for("No session is free for an additional stream: it is ended")


def test_a_server_that_is_killed_frees_its_slots(redis, serve, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    options = ["--shared", redis.url, "--shared-password-file", redis.password_file, "--max-clients", "2"]
    one, other = serve(root, *options), serve(root, *options)
    key = read_key_file(one.key_file)
    with session(one.port, key) as first, session(one.port, key) as second:
        first.stat(())
        second.stat(())
        until(lambda: _refused(other.port, key), "the other server refuses one")
        one.kill()
        until(lambda: not _refused(other.port, key), "the slots are free")
    for server in (one, other):
        assert redis.password not in server.log
    assert other.end() == 0
    with redis.client() as client:
        assert client.zcard("secftp:servers") == 0, "one that is stopped takes its sessions along"


def test_a_server_that_gives_no_sign_of_life_is_forgotten_and_one_that_ends_at_once(share, redis):
    one, conditions, first = share(), SlotCounter(ServerLimits(), 1), claim()
    with contextlib.ExitStack() as ending, redis.client() as client:
        other = ending.enter_context(Sharing(parse_shared_url(redis.url), redis.password, ServerLimits(), Log(Lines())))
        assert other.slots.take(first.counted, conditions.conditions_for(first)) is None
        assert one.slots.take(first.counted, conditions.conditions_for(first)) is not None
        assert client.zcard("secftp:servers") == 2
        ending.close()
        assert one.slots.take(first.counted, conditions.conditions_for(first)) is None
        assert client.zcard("secftp:servers") == 1
        client.hset("secftp:sessions:gone", one.slots._names.of("slot", "all"), 7)
        client.zadd("secftp:servers", {"gone": time.time() - 60})
        until(lambda: client.zcard("secftp:servers") == 1, "the one that is gone is forgotten")
        assert not client.exists("secftp:sessions:gone")


def test_what_one_server_does_is_waited_for_until_it_ends_or_dies(share, redis):
    one, other = share(), share()
    assert one.copies.claim(b"a")
    assert one.copies.claim(b"a")
    assert not other.copies.claim(b"a")
    assert other.copies.claim(b"b")
    one.copies.give_up(b"a")
    assert other.copies.claim(b"a")
    one.copies.give_up(b"a")
    assert not one.copies.claim(b"a"), "only its holder gives it up"
    with redis.client() as client:
        lives = [client.pttl(key) for key in client.keys("secftp:copies-claim:*")]
        assert all(0 < life <= 1000 * one.link.life for life in lives)
        assert len(lives) == 2
    beats = []
    other.link.on_beat.append(lambda _run: beats.append(1))
    until(lambda: len(beats) > 5, "it has sent heartbeats for longer than that")
    assert not one.copies.claim(b"a")


def _refused(port, key):
    try:
        with session(port, key) as made:
            made.stat(())
    except SecftpError:
        return True
    return False


# --- a Redis that is away ---------------------------------------------------------------------------------------------


def works(server):
    with server.session() as session:
        session.stat(())


def test_a_redis_that_is_killed_in_the_middle(share, redis, tmp_path):
    sharing = share(free_guesses=3, guess_delay=3600.0)
    limits = ServerLimits(free_guesses=3, guess_delay=3600.0)
    with serving(tmp_path, sharing=sharing, max_clients=3, limits=limits) as server, opened(server) as before:
        redis.kill()
        works(server)
        before.stat(())
        sharing.lines.wait_for(LOST)
        until(lambda: len(server.server._shared.registry.all()) == 1, "the slot of the session that has ended is free")
        with opened(server), opened(server), pytest.raises(SecftpError), opened(server):
            pytest.fail("a session beyond the server's own limit")
        server.done(4)
        redis.start()
        sharing.lines.wait_for(BACK)
        with redis.client() as client:
            (name,) = client.keys("secftp:sessions:*")
            until(lambda: client.hget(name, sharing.slots._names.of("slot", "all")) == b"1", "its session is counted")
        works(server)
        assert sharing.lines.text.count(LOST) == sharing.lines.text.count(BACK) == 1


TROUBLES = ["hangs", "no memory", "read-only", "another password", "no right"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_redis_in_trouble_holds_up_no_client_and_comes_back(share, redis, tmp_path, trouble):
    sharing = share()
    with redis.client() as client, serving(tmp_path, sharing=sharing) as server:
        if trouble == "hangs":
            redis.process.signal(signal.SIGSTOP)
        elif trouble == "no memory":
            client.config_set("maxmemory", 1)
        elif trouble == "read-only":
            client.replicaof(HOST, 1)
        elif trouble == "another password":
            client.config_set("requirepass", "another")
            client.client_kill_filter(skipme=True, _type="normal")
        else:
            client.execute_command("ACL", "SETUSER", "default", "-eval", "-evalsha")
        works(server)
        sharing.lines.wait_for(LOST)
        attempts, connect = [], sharing.link._open
        sharing.link._open = lambda: attempts.append(1) or connect()
        until(lambda: len(attempts) > 1, "it has tried again")
        began = time.thread_time()
        for _ in range(5):
            works(server)
        assert time.thread_time() - began < 5, "the client only"
        if trouble == "hangs":
            redis.process.signal(signal.SIGCONT)
        elif trouble == "no memory":
            client.config_set("maxmemory", 0)
        elif trouble == "read-only":
            client.replicaof("NO", "ONE")
        elif trouble == "another password":
            client.config_set("requirepass", redis.password)
        else:
            client.execute_command("ACL", "SETUSER", "default", "+eval", "+evalsha")
        sharing.lines.wait_for(BACK)
        works(server)
        assert sharing.lines.text.count(LOST) == sharing.lines.text.count(BACK) == 1
        assert redis.password not in sharing.lines.text + server.log.text


def test_a_redis_that_forgets_its_scripts_gets_them_again(share, redis):
    one = share()
    with redis.client() as client:
        client.script_flush()
        assert len(charges(one, number=1)) == 1
    assert LOST not in one.lines.text


def test_a_redis_that_loses_its_data_is_told_again(share, redis):
    one = share(heartbeat=3600.0)
    conditions = SlotCounter(ServerLimits(), 8)
    first = claim()
    assert one.slots.take(first.counted, conditions.conditions_for(first)) is None
    with redis.client() as client:
        client.flushall()
        assert one.slots.take(first.counted, conditions.conditions_for(first)) is None
        field = one.slots._names.of("slot", "all")
        until(lambda: [client.hget(key, field) for key in client.keys("secftp:sessions:*")] == [b"2"], "both are told")


def test_a_wrong_password_at_the_start_is_refused(share, redis):
    with pytest.raises(UsageError, match="refuses the user, the password") as caught:
        share(password="wrong")
    assert "wrong" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_it_begins_without_redis_and_finds_it_later(share, redis):
    redis.kill()
    one = share()
    one.lines.wait_for(LOST)
    assert len(charges(one, number=0)) == 0
    redis.start()
    one.lines.wait_for(BACK)
    assert len(charges(one, number=1)) == 1


# --- requests that are repeated at another server ---------------------------------------------------------------------

TOKEN = bytes(range(16))
WRITER = Key.from_text("correct horse write")


@pytest.fixture
def pair(share, tmp_path):
    """Two servers on one directory, with a key for everything and one that may only write new files."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "f").write_bytes(b"abc")
    named = {
        "writer": NamedKey(WRITER.password(), Rights(read=False, write=True, overwrite=False, list=False, delete=False))
    }
    with (
        serving(root, sharing=share(), named=named) as one,
        serving(root, sharing=share(), named=named) as other,
    ):
        yield one, other, root


CHANGES = {
    "remove": lambda client, token: client.remove((b"f",), token=token),
    "rename": lambda client, token: client.rename((b"f",), (b"g",), token=token),
    "mkdir": lambda client, token: client.make_directory((b"d",), token=token),
    "copy": lambda client, token: client.copy((b"f",), (b"c",), overwrite=False, token=token),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_whose_answer_was_lost_is_answered_by_the_other_server(pair, change):
    one, other, root = pair
    with one.session() as client:
        change(client, TOKEN)
    (root / "f").write_bytes(b"of another client")
    with other.session() as client:
        change(client, TOKEN)
        assert (root / "f").read_bytes() == b"of another client"
        if change is not CHANGES["remove"] and change is not CHANGES["rename"]:
            with pytest.raises(SecftpError):
                change(client, bytes(16))  # which is another one


def test_a_file_whose_confirmation_was_lost_is_confirmed_by_the_other_server(pair):
    """For a key that may neither read nor replace: the answer to SUM is all that it has."""
    one, other, _ = pair
    with one.hostile(WRITER, name="writer") as wire:
        wire.send(Write(id=1, path=(b"new",), overwrite=False, token=TOKEN))
        wire.send_data(b"contents")
        wire.send(End(size=8, digest=digest_of(b"contents")))
        assert type(wire.receive()).__name__ == "Welcome"
        assert isinstance(wire.receive(), Ok)
    with other.session(WRITER, name="writer") as client:
        found, is_own = client.own_checksum((b"new",), Algorithm.XXH128, TOKEN)
        assert (found.size, is_own) == (8, True)
        for wrong in (bytes(16), None):
            with pytest.raises(Forbidden):
                client.own_checksum((b"new",), Algorithm.XXH128, wrong)
