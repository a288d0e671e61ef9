"""Real clients and servers over networks that split, join, slow, stall, reset and cut: see tests/support/proxy.py.

What must hold whatever the network does: a file is the old one or the new one, whole; a client that reports success is
right; no unfinished file stays behind; and no side waits forever.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time

import pytest

from secftp.crypto import Suite
from secftp.errors import ConnectionLost, SecftpError, TransferTimeout
from secftp.protocol import NewFile, WriteMany
from secftp.server.options import ServerLimits
from secftp.session import SingleReply
from tests.support.counts import COUNTS
from tests.support.proxy import Way, relaying
from tests.support.serving import (
    DEADLINE,
    HOST,
    SUITES,
    digest_of,
    get,
    listing,
    put,
    serving,
    session,
)

pytestmark = pytest.mark.exhaustive

OLD, NEW = b"the old file", b"the new file, a longer one"
BIG = random.Random(8).randbytes(300_000)
# Connections that are cut before they have proved the key count as guesses: here they are none.
UNCOUNTED = ServerLimits(free_guesses=10**6, guess_burst=10**6)

suites = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name.lower())


def several_things(port, suite, data, timeout=DEADLINE):
    """Write, list, look, read, sum: what came back."""
    with session(port, suite=suite, timeout=timeout) as client:
        put(client, b"name", data)
        assert [entry.path for entry in client.list(())] == [(b"name",)]
        assert client.stat((b"name",)).size == len(data)
        assert client.checksum((b"name",)).digest == digest_of(data)
        return get(client, b"name")


@suites
def test_split_at_every_byte(tmp_path, suite):
    """Each byte in a packet of its own, both ways: wherever a flight or a frame may be split, it was."""
    with (
        serving(tmp_path) as server,
        relaying(server.port, up=Way(pieces=1), down=Way(pieces=1)) as relay,
    ):
        assert several_things(relay.port, suite, NEW * 10) == NEW * 10
        assert len(relay.links[0].up) > 500


@pytest.mark.parametrize("seed", range(4))
def test_split_and_joined_at_random(tmp_path, seed):
    up, down = Way(pieces=(1, 5000), seed=seed), Way(pieces=(1, 20_000), join=100_000, seed=seed + 100)
    with serving(tmp_path) as server, relaying(server.port, up=up, down=down) as relay:
        assert several_things(relay.port, SUITES[seed % 3], BIG) == BIG


@suites
def test_joined(tmp_path, suite):
    """As much as there is in one packet: the handshake's last flight with requests behind it, answers with answers."""
    way = Way(join=1 << 20)
    with serving(tmp_path) as server, relaying(server.port, up=way, down=way) as relay:
        assert several_things(relay.port, suite, BIG) == BIG


def test_a_byte_at_a_time_and_slowly(tmp_path):
    """Slower than anything in use, but never silent: it takes its time and is right."""
    way = Way(pieces=1, pause=0.0005)
    with serving(tmp_path) as server, relaying(server.port, up=way, down=way) as relay:
        assert several_things(relay.port, Suite.AES128, NEW) == NEW


def test_too_slow_a_handshake_is_cut(tmp_path):
    """A byte now and then does not prolong the handshake: its time is limited as a whole."""
    limits = ServerLimits(handshake_seconds=0.5)
    with (
        serving(tmp_path, limits=limits) as server,
        relaying(server.port, up=Way(pieces=1, pause=0.1)) as relay,
    ):
        began = time.monotonic()
        with pytest.raises(SecftpError):
            session(relay.port)
        assert time.monotonic() - began < DEADLINE
        server.log.wait_for("did not finish the handshake in time")
        with session(server.port) as client:
            put(client, b"name", NEW)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 100, 250, 400, 100_000])
def test_a_stalled_network_is_given_up(tmp_path, direction, after):
    """Nothing arrives any more, and no end of stream or reset says so."""
    (tmp_path / "name").write_bytes(OLD)
    way = {direction: Way(cut=after, then="stall")}
    with serving(tmp_path, limits=UNCOUNTED) as server:
        with relaying(server.port, **way) as relay:
            began = time.monotonic()
            with pytest.raises((TransferTimeout, ConnectionLost)):
                several_things(relay.port, Suite.AES128, BIG, timeout=0.4)
            assert time.monotonic() - began < DEADLINE / 2
        server.done(1)
    assert listing(tmp_path) == ["name"]
    assert (tmp_path / "name").read_bytes() in (OLD, BIG)


def recorded(tmp_path, suite, use):
    """How many bytes a whole session takes each way, and where its requests are complete at the server."""
    with serving(tmp_path) as server, relaying(server.port) as relay:
        with session(relay.port, suite=suite) as client:
            use(client)
        server.done(1)
        return len(relay.links[0].up), len(relay.links[0].down)


def write_new(client):
    put(client, b"name", NEW)


def read_old(client):
    assert get(client, b"name") == OLD


@pytest.fixture
def tell(record_property):
    """Keep a count for the end of the run, where it is printed."""
    return lambda what, count: record_property(COUNTS, f"[network] {count} {what}: every file whole, old or new")


CUTS = ("close", "reset", "half")


def cut_everywhere(tmp_path, tell, suite, use, direction, *, after_each):
    """One session for each byte of it: cut there, in the way whose turn it is."""
    (tmp_path / "name").write_bytes(OLD)
    size = recorded(tmp_path, suite, use)[direction == "down"]
    ways = {direction: lambda number: Way(cut=number, then=CUTS[number % 3])}
    failed = 0
    with serving(tmp_path, limits=UNCOUNTED) as server, relaying(server.port, **ways) as relay:
        for number in range(size + 1):
            (tmp_path / "name").write_bytes(OLD)
            try:
                with session(relay.port, suite=suite, timeout=5) as client:
                    use(client)
            except SecftpError:
                failed += 1
                good = False
            else:
                good = True
            server.done(number + 1)
            after_each(number, size, good)
            assert listing(tmp_path) == ["name"], f"cut at byte {number}"
    tell(f"cuts of a session, {direction}", size + 1)
    return failed


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_write_cut_at_every_byte(tmp_path, tell, direction):
    """The name has the old file or the new one; the new one for sure if the client says so."""

    def look(number, size, good):
        there = (tmp_path / "name").read_bytes()
        assert there == NEW if good else there in (OLD, NEW), f"cut at byte {number}"
        if direction == "up" and number < size - 29:  # END, before a BYE of 29 bytes, is not there yet: nothing can be
            assert there == OLD
            assert not good

    assert cut_everywhere(tmp_path, tell, Suite.NONE, write_new, direction, after_each=look) > 300


def test_a_read_cut_at_every_byte(tmp_path, tell):
    """`use` has looked at what came: a client that reports success has the file."""

    def look(number, size, good):
        assert not good or number > size - 60, f"success, but cut at byte {number} of {size}"

    assert cut_everywhere(tmp_path, tell, Suite.AES128, read_old, "down", after_each=look) > 300


def test_many_small_files_cut_at_every_fifth_byte(tmp_path, tell):
    """Each of them is there whole or not at all."""
    files = {b"%d" % number: NEW * number for number in range(5)}

    def use(client):
        told = tuple(NewFile((name,), data, digest_of(data)) for name, data in files.items())
        answer = SingleReply()
        client.can("many")
        client.pipeline.submit(WriteMany(id=client.pipeline.next_id(), files=told), answer)
        client.pipeline.settle()

    root = tmp_path / "root"
    root.mkdir()
    size = recorded(root, Suite.NONE, use)[0]
    numbers = range(0, size + 5, 5)
    with (
        serving(root, limits=UNCOUNTED) as server,
        relaying(server.port, up=lambda number: Way(cut=numbers[number], then=CUTS[number % 3])) as relay,
    ):
        for count in range(len(numbers)):
            for name in listing(root):
                (root / name).unlink()
            try:
                with session(relay.port, suite=Suite.NONE, timeout=5) as client:
                    use(client)
            except SecftpError:
                pass
            server.done(count + 1)
            for name in listing(root):
                assert (root / name).read_bytes() == files[name.encode()]
    tell("cuts of a session with small files", len(numbers))


# --- recorded, and played again ---------------------------------------------------------------------------------------


def play(port, recording):
    """Send a recorded client's bytes once more; what the server says to that."""
    said = b""
    with socket.create_connection((HOST, port), timeout=DEADLINE) as sock, contextlib.suppress(OSError):
        sock.sendall(recording)
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            said += data
    return said


@suites
@pytest.mark.parametrize("key", ["keyed", "anonymous"])
def test_a_whole_session_is_no_good_again(tmp_path, suite, key):
    rules = {} if key == "keyed" else {"key": None, "anonymous_write": True}
    mine = {} if key == "keyed" else {"key": None}
    with serving(tmp_path, **rules) as server, relaying(server.port) as relay:
        with session(relay.port, suite=suite, **mine) as client:
            put(client, b"name", NEW)
            client.rename((b"name",), (b"other",))
        server.done(1)
        (recording,) = relay.links
        (tmp_path / "other").unlink()
        for count in range(2):
            said = play(server.port, bytes(recording.up))
            assert len(said) <= 141, "a challenge at most, and nothing of a session"
            server.done(2 + count)
        assert listing(tmp_path) == []
        assert server.log.text.count("filename") == 1
        with session(server.port, suite=suite, **mine) as client:
            put(client, b"name", NEW)


@suites
def test_a_recorded_server_is_no_good_again(tmp_path, suite):
    """To a new client, whose draws are its own."""
    (tmp_path / "name").write_bytes(OLD)
    with serving(tmp_path) as server, relaying(server.port) as relay:
        with session(relay.port, suite=suite) as client:
            read_old(client)
        server.done(1)
        (recording,) = relay.links
    with socket.create_server((HOST, 0)) as listener:

        def replay():
            sock, _ = listener.accept()
            with sock:
                sock.recv(125)
                sock.sendall(bytes(recording.down))
                with contextlib.suppress(ConnectionError):
                    while sock.recv(4096):
                        pass

        thread = threading.Thread(target=replay)
        thread.start()
        with pytest.raises(SecftpError, match="did not prove this key"):
            session(listener.getsockname()[1], suite=suite)
        thread.join(DEADLINE)
