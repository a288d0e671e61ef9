"""Authentication and authorization by key: the rules without a network, rights and directories over one."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time

import pytest

from secftp.crypto import Mode, Password, Suite
from secftp.errors import AuthenticationError, FileError, NotFound
from secftp.keys import Key
from secftp.protocol.handshake import ClientHandshake, HelloReceived, ServerHandshake, Status
from secftp.server.access import NO_RIGHTS, Access, NamedKey, Rights
from secftp.storage import LocalStore
from tests.support.serving import KEY, WRONG_KEY, credentials, get, listing, put, serving

OTHER = Key.from_secret(bytes(31) + b"\x09")
ALL = Rights(read=True, write=True, overwrite=True)
DROP_BOX = Rights(read=False, write=True, overwrite=False, list=False, delete=False)


def hello(name="", mode=Mode.KEYED, suite=Suite.AES128):
    return HelloReceived(suite, mode, name, bytes(16))


def test_each_name_has_its_own_key_and_rights():
    access = Access(KEY, named={"scans": NamedKey(OTHER.password(), DROP_BOX)})
    assert access.decide(hello())[:4] == (KEY.password(), Mode.KEYED, ALL, "")
    assert access.decide(hello("scans"))[:4] == (OTHER.password(), Mode.KEYED, DROP_BOX, "scans")


@pytest.mark.parametrize("name", ["", "Scans", "scans ", "nobody", None])
def test_an_unknown_name_meets_a_random_password_and_gets_nothing(name):
    access = Access(None, named={"scans": NamedKey(OTHER.password(), ALL)})
    grant = access.decide(hello(name))
    assert grant.password not in (KEY.password(), OTHER.password())
    assert (grant.rights, grant.name) == (NO_RIGHTS, "")
    assert grant.password is access.decide(hello("another")).password, "made once, at the start"


def test_without_a_key_and_without_anonymous_no_client_gets_in():
    access = Access(None)
    assert access.decide(hello(mode=Mode.ANONYMOUS)) is Status.MODE
    assert access.decide(hello()).rights == NO_RIGHTS


def test_anonymous_clients_read_and_write_only_if_that_is_spelled_out():
    for rules, write in [({"anonymous": True}, False), ({"anonymous_write": True}, True)]:
        rights = Access(None, **rules).decide(hello(mode=Mode.ANONYMOUS)).rights
        assert (rights.read, rights.list) == (True, True)
        assert {rights.write, rights.overwrite, rights.delete} == {write}


def test_rules_for_all_clients_bound_each_key():
    for bits in itertools.product([False, True], repeat=5):
        rights = Rights(*bits)
        named = {"name": NamedKey(KEY.password(), rights)}
        read_only = Access(None, named=named, read_only=True).decide(hello("name")).rights
        assert read_only == Rights(read=rights.read, write=False, overwrite=False, list=rights.list, delete=False)
        kept = Access(None, named=named, overwrite=False).decide(hello("name")).rights
        assert kept == Rights(read=rights.read, write=rights.write, overwrite=False, list=rights.list, delete=False)


def test_a_cipher_that_is_not_allowed_is_refused_for_every_name():
    access = Access(KEY, suites=frozenset({Suite.AES256}), anonymous=True)
    for asked in (hello(), hello("nobody"), hello(mode=Mode.ANONYMOUS)):
        assert access.decide(asked) is Status.SUITE


# --- over a network ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def with_names(root):
    """A server with a default key, a drop box and a reader that has a directory of its own."""
    (root / "in").mkdir()
    (root / "in" / "old").write_bytes(b"old")
    (root / "secret").write_bytes(b"secret")
    with contextlib.closing(LocalStore(root)) as store, contextlib.closing(store.beneath((b"in",))) as below:
        reader = Rights(read=True, write=False, overwrite=False, list=True, delete=False)
        named = {
            "scans": NamedKey(OTHER.password(), DROP_BOX, below),
            "reader": NamedKey(OTHER.password(), reader, below),
        }
        with serving(root, named=named) as server:
            yield server


def test_a_drop_box_takes_files_and_gives_nothing_away(tmp_path):
    with with_names(tmp_path) as server, server.session(OTHER, name="scans") as client:
        put(client, b"new", b"contents")
        for refused in (
            lambda: get(client, b"new"),
            lambda: get(client, b"old"),
            lambda: get(client, b"none"),
            lambda: client.stat((b"old",)),
            lambda: list(client.list(())),
            lambda: client.remove((b"new",)),
            lambda: put(client, b"old", b"replaced"),
        ):
            with pytest.raises(FileError):
                refused()
    assert (tmp_path / "in" / "new").read_bytes() == b"contents"
    assert (tmp_path / "in" / "old").read_bytes() == b"old"
    assert listing(tmp_path) == ["in", "in/new", "in/old", "secret"]


def test_a_directory_of_its_own_is_all_there_is(tmp_path):
    with with_names(tmp_path) as server:
        with server.session(OTHER, name="reader") as client:
            assert get(client, b"old") == b"old"
            for path in ((b"secret",), (b"in", b"old")):
                with pytest.raises(NotFound):
                    client.stat(path)
        with server.session() as client:
            assert get(client, b"secret") == b"secret"
            assert get(client, (b"in", b"old")) == b"old"


@pytest.mark.parametrize(
    ("key", "name"), [(KEY, "scans"), (OTHER, ""), (WRONG_KEY, "scans"), (OTHER, "nobody"), (OTHER, "Scans")]
)
def test_a_key_works_under_its_own_name_alone(tmp_path, key, name):
    with with_names(tmp_path) as server, pytest.raises(AuthenticationError):
        server.session(key, name=name)


def test_new_keys_hold_from_the_next_hello_on_and_sessions_keep_what_they_had(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        put(client, b"name", b"contents")
        server.server.set_access(Access(OTHER))
        assert get(client, b"name") == b"contents"
        with pytest.raises(AuthenticationError):
            server.session()
        with server.session(OTHER) as other:
            assert get(other, b"name") == b"contents"


def _seconds(access, asked):
    """How long the server's part of a handshake takes up to the challenge."""
    hello_bytes = ClientHandshake(asked.password, asked.suite, asked.mode, asked.name).hello
    handshake = ServerHandshake()
    began = time.perf_counter()
    handshake.accept(access.decide(handshake.receive(hello_bytes)).password)
    return time.perf_counter() - began


def test_an_unknown_name_takes_as_long_as_a_wrong_key():
    """Medians of many, taken in turn; a scrypt or a search on one of the ways would be far beyond this."""
    access = Access(KEY, named={f"name {number}": NamedKey(OTHER.password(), ALL) for number in range(1000)})
    wrong = credentials(WRONG_KEY, Suite.AES128, "name 7")
    unknown = credentials(WRONG_KEY, Suite.AES128, "nobody")
    times = {"wrong": [], "unknown": []}
    for _ in range(300):
        times["wrong"].append(_seconds(access, wrong))
        times["unknown"].append(_seconds(access, unknown))
    first, second = (statistics.median(times[case]) for case in times)
    assert abs(first - second) < 0.3 * max(first, second), (first, second)


def test_the_password_for_unknown_names_is_another_in_each_process():
    assert Access(None).decide(hello()).password is not Access(None).decide(hello()).password
    assert isinstance(Access(None).decide(hello()).password, Password)
