"""Keys that change during handshakes: a proof is checked against the keys in effect at that moment."""

from __future__ import annotations

import contextlib
import threading
import types

import pytest

from secftp.crypto import Mode, Password, Suite
from secftp.errors import AuthenticationError
from secftp.keys import Key
from secftp.protocol import Error, ErrorCode, File, Read, Welcome, Write
from secftp.server.access import Access, NamedKey, Rights
from secftp.server.config import parse
from secftp.server.log import Log
from secftp.server.options import ServerLimits
from secftp.server.reload import Reloader
from secftp.storage import LocalStore
from tests.support.serving import DEADLINE, KEY, WRONG_KEY, Hostile, Lines, get, serving, session, until

ALL = Rights(read=True, write=True, overwrite=True)
READ_ONLY = Rights(read=True, write=False, overwrite=False, delete=False)
SAME_KEY = Key.from_secret(bytes(31) + b"\x07")  # read again: another object
OTHER_KEY = Key.from_secret(bytes(31) + b"\x09")
REVOKED = "Refused: the key was revoked during the handshake."


def named(name="me", key=KEY, rights=ALL, store=None):
    return {name: NamedKey(key.password(), rights, store)}


def refused(server, wire):
    """The client has proved what it was challenged for, and is closed without a word."""
    wire.flush()
    assert wire.receive() is None
    server.log.wait_for(REVOKED)
    server.done(1)
    assert "Initializing communication" not in server.log.text


@pytest.mark.parametrize("name", ["", "me"], ids=["default key", "named key"])
def test_a_key_that_was_taken_away_opens_nothing(tmp_path, name):
    before = {"key": None, "named": named()} if name else {"key": KEY}
    with serving(tmp_path, **before) as server, server.hostile(name=name) as wire:
        server.server.set_access(Access(OTHER_KEY))
        refused(server, wire)


@pytest.mark.parametrize("name", ["", "me"], ids=["default key", "named key"])
def test_another_key_under_the_same_name_refuses_the_one_before(tmp_path, name):
    before = {"key": None, "named": named()} if name else {"key": KEY}
    now = Access(None, named=named(key=OTHER_KEY)) if name else Access(OTHER_KEY)
    with serving(tmp_path, **before) as server, server.hostile(name=name) as wire:
        server.server.set_access(now)
        refused(server, wire)
        with session(server.port, OTHER_KEY, name=name) as client:
            client.can("stat")


def test_the_same_key_under_another_name_opens_nothing(tmp_path):
    with serving(tmp_path, key=None, named=named()) as server, server.hostile(name="me") as wire:
        server.server.set_access(Access(None, named=named("you")))
        refused(server, wire)


def test_anonymous_clients_end_with_the_anonymous_mode(tmp_path):
    with serving(tmp_path, anonymous=True) as server, server.hostile(key=None) as wire:
        server.server.set_access(Access(KEY))
        refused(server, wire)


def test_a_cipher_that_is_no_longer_allowed_opens_nothing(tmp_path):
    with serving(tmp_path) as server, server.hostile(suite=Suite.NONE) as wire:
        server.server.set_access(Access(KEY, suites=frozenset({Suite.AES256})))
        refused(server, wire)


def test_keys_that_were_read_again_and_are_the_same_let_in(tmp_path):
    with serving(tmp_path, key=None, named=named()) as server, server.hostile(name="me") as wire:
        server.server.set_access(Access(None, named=named(key=SAME_KEY)))
        wire.welcome()
        assert REVOKED not in server.log.text


def test_rights_are_those_of_the_moment_of_the_proof(tmp_path):
    with serving(tmp_path, key=None, named=named()) as server, server.hostile(name="me") as wire:
        server.server.set_access(Access(None, named=named(key=SAME_KEY, rights=READ_ONLY)))
        wire.welcome()
        wire.send(Write(id=1, path=(b"name",)))
        answer = wire.receive()
        assert isinstance(answer, Error)
        assert answer.code == ErrorCode.READ_ONLY
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_that_of_the_moment_of_the_proof(tmp_path):
    (tmp_path / "before").mkdir()
    (tmp_path / "now").mkdir()
    (tmp_path / "now" / "name").write_bytes(b"contents")
    with contextlib.closing(LocalStore(tmp_path / "now")) as now:
        before = LocalStore(tmp_path / "before")
        with (
            serving(tmp_path, key=None, named=named(store=before)) as server,
            server.hostile(name="me") as wire,
        ):
            server.server.set_access(Access(None, named=named(key=SAME_KEY, store=now)))
            assert server.server.stores_in_use() == set()
            before.close()  # as a reload does with what is not in use
            wire.welcome()
            wire.send(Read(id=1, path=(b"name",)))
            assert isinstance(wire.receive(), File)
            assert server.server.stores_in_use() == {now}


def test_a_delayed_hello_is_answered_by_the_keys_of_now(tmp_path):
    """Removed keys open nothing, new ones let in, although both hellos came before the reload."""
    limits = ServerLimits(free_guesses=0, guess_delay=0.5)
    outcomes = {}

    def attempt(name, port):
        try:
            with session(port, KEY, name=name) as client:
                outcomes[name] = client.can("stat")
        except AuthenticationError:
            outcomes[name] = False

    with serving(tmp_path, key=None, named=named("old"), limits=limits) as server:
        for _ in range(4):
            with pytest.raises(AuthenticationError):
                session(server.port, WRONG_KEY, name="old")
        threads = [threading.Thread(target=attempt, args=(name, server.port)) for name in ("old", "new")]
        for thread in threads:
            thread.start()
        server.log.wait_for("Cipher: ", 6)
        server.server.set_access(Access(None, named=named("new")))
        for thread in threads:
            thread.join(DEADLINE)
    assert outcomes == {"old": False, "new": True}


def test_a_delayed_hello_whose_cipher_is_no_longer_allowed_is_refused(tmp_path):
    limits = ServerLimits(free_guesses=0, guess_delay=0.5)
    with serving(tmp_path, limits=limits) as server:
        for _ in range(4):
            with pytest.raises(AuthenticationError):
                session(server.port, WRONG_KEY)
        with Hostile(server.port, shake=False) as wire:
            wire.sock.sendall(wire.handshake.hello)
            server.log.wait_for("Cipher: ", 5)
            server.server.set_access(Access(KEY, suites=frozenset({Suite.AES256})))
            assert wire.sock.recv(200)[:8] == b"SECFTP\1\2"


def test_a_proof_of_a_key_that_was_taken_away_counts_as_a_guess(tmp_path, monkeypatch):
    refunds = []
    monkeypatch.setattr("secftp.server.throttle.GuessLimiter.refund", lambda *_: refunds.append(1))
    with serving(tmp_path) as server:
        with server.hostile() as wire:
            server.server.set_access(Access(OTHER_KEY))
            refused(server, wire)
        assert refunds == []
        with session(server.port, OTHER_KEY) as client:
            client.can("stat")
        until(lambda: refunds == [1], "a good key is refunded")


def test_sessions_under_way_keep_what_they_were_granted(tmp_path):
    (tmp_path / "name").write_bytes(b"contents")
    with serving(tmp_path) as server, server.session() as client:
        assert client.can("stat")
        server.server.set_access(Access(OTHER_KEY))
        assert get(client, b"name") == b"contents"


def test_no_session_gets_the_store_of_keys_that_are_being_replaced(tmp_path, monkeypatch):
    """Between the choice of a store and its place in the registry no reload may look for stores that are not in use."""
    deciding, go_on = threading.Event(), threading.Event()
    confirm = Access.confirm

    def slow(access, *arguments):
        grant = confirm(access, *arguments)
        deciding.set()
        assert go_on.wait(DEADLINE)
        return grant

    monkeypatch.setattr(Access, "confirm", slow)
    (tmp_path / "sub").mkdir()
    with (
        contextlib.closing(LocalStore(tmp_path / "sub")) as store,
        serving(tmp_path, key=None, named=named(store=store)) as server,
        server.hostile(name="me") as wire,
    ):
        found = []

        def reload():
            server.server.set_access(Access(OTHER_KEY))
            found.append(server.server.stores_in_use())

        wire.flush()
        assert deciding.wait(DEADLINE)
        thread = threading.Thread(target=reload)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive(), "it waits for the session to be entered"
        go_on.set()
        thread.join(DEADLINE)
        assert found == [{store}]
        assert isinstance(wire.receive(), Welcome), "it was in time"


def test_a_reload_closes_stores_only_after_the_server_has_the_new_keys():
    calls = []
    keyring = types.SimpleNamespace(
        load=lambda _options: calls.append("load") or "keys",
        retire=lambda in_use: calls.append(("retire", in_use)),
        sources=list,
    )
    options = parse(["0"])
    reloader = Reloader(options, Log(Lines()), keyring, lambda: options)
    reloader.server = types.SimpleNamespace(
        set_access=lambda access: calls.append(("admit", access)), stores_in_use=lambda: "stores"
    )
    reloader()
    reloader.wait()
    assert calls == ["load", ("admit", "keys"), ("retire", "stores")]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_two_passwords_are_the_same_if_their_keys_are(mode):
    if mode is Mode.ANONYMOUS:
        assert Password.anonymous().is_same(Password.anonymous())
        assert not Password.anonymous().is_same(KEY.password())
    else:
        assert KEY.password().is_same(SAME_KEY.password())
        for place in range(32):
            other = bytearray(bytes(31) + b"\x07")
            other[place] ^= 0x40
            assert not KEY.password().is_same(Key.from_secret(bytes(other)).password())
        assert not Password.random().is_same(Password.random())
