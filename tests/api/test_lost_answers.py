"""Changes whose replies get lost: repeated, they are neither done twice nor reported as failures."""

from __future__ import annotations

import os

import pytest

import secftp
from secftp.errors import AlreadyExists, ConnectionLost, NotFound
from secftp.protocol import Error, ErrorCode, Kind, Ok, Remove, Welcome
from secftp.server.requests import idempotency
from secftp.server.requests.idempotency import CompletedChanges
from tests.support.copying import make
from tests.support.losing import losing
from tests.support.serving import HOST, KEY, listing, serving


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "root", {b"a": b"1", b"tree/b": b"2", b"tree/ro/c": b"3", b"empty/": b""})


@pytest.fixture(params=["fresh", "used before"])
def way(request, server):
    """A client behind a connection whose answers can get lost."""
    with losing(server.port) as made, secftp.connect(f"secftp://{HOST}:{made.port}", key=KEY) as remote:
        made.remote = remote
        remote.stat()
        if request.param == "used before":
            remote.listdir()
        yield made


LOST = {
    "mkdir": ("mkdir", ("new",), "Directory made", ["a", "empty", "new", "tree", "tree/b", "tree/ro", "tree/ro/c"]),
    "remove": ("remove", ("a",), "Removed", ["empty", "tree", "tree/b", "tree/ro", "tree/ro/c"]),
    "rmdir": ("rmdir", ("empty",), "Removed", ["a", "tree", "tree/b", "tree/ro", "tree/ro/c"]),
    "rename": ("rename", ("a", "z"), "Renamed", ["empty", "tree", "tree/b", "tree/ro", "tree/ro/c", "z"]),
    "replace": ("replace", ("a", "tree/b"), "Renamed", ["empty", "tree", "tree/b", "tree/ro", "tree/ro/c"]),
    "rename a tree": ("rename", ("tree", "t"), "Renamed", ["a", "empty", "t", "t/b", "t/ro", "t/ro/c"]),
    "copy": ("copy", ("a", "z"), "Copied", ["a", "empty", "tree", "tree/b", "tree/ro", "tree/ro/c", "z"]),
    "copytree": (
        "copytree",
        ("tree/ro", "z"),
        "Copied",
        ["a", "empty", "tree", "tree/b", "tree/ro", "tree/ro/c", "z", "z/c"],
    ),
    "chmod": ("chmod", ("a", 0o600), "Attributes set", None),
    "utime": ("utime", ("a",), "Attributes set", None),
    "rmtree": ("rmtree", ("tree",), r"remove: tree ", ["a", "empty"]),
}


@pytest.mark.parametrize(("call", "arguments", "line", "left"), LOST.values(), ids=LOST)
def test_a_change_whose_answer_is_lost_is_done_once(server, root, way, call, arguments, line, left):
    before = listing(root)
    begins = {"rmtree": "to remove", "copytree": "to copy"}.get(call, "")
    way.cut_when(lambda: line in server.log.text, after=lambda: begins in server.log.text)
    options = {"utime": {"ns": 42}, "copy": {"overwrite": False}, "copytree": {"overwrite": False, "retries": 1}}
    getattr(way.remote, call)(*arguments, **options.get(call, {}))
    assert listing(root) == (before if left is None else left)


def test_what_fails_fails_the_second_time_too(server, root, way):
    """The refusal got lost: what is there is not ours, and what is not there was not removed by us."""
    for call, arguments, problem in (
        ("mkdir", ("empty",), AlreadyExists),
        ("rename", ("a", "tree"), AlreadyExists),
        ("rename", ("none", "z"), NotFound),
        ("rmtree", ("none/at/all",), NotFound),
        ("copy", ("none", "z"), NotFound),
    ):
        seen = server.log.text.count("Refused")
        way.cut_when(lambda seen=seen: server.log.text.count("Refused") > seen)
        with pytest.raises(problem):
            getattr(way.remote, call)(*arguments)
        way.join()
    assert listing(root) == ["a", "empty", "tree", "tree/b", "tree/ro", "tree/ro/c"]


def test_a_server_that_does_not_come_back_is_a_lost_connection(server, root, way):
    way.cut_when(lambda: "Removed" in server.log.text, for_good=True)
    with pytest.raises(ConnectionLost):
        way.remote.remove("a")
    assert not os.path.exists(f"{root}/a")


# --- files that were sent whole ---------------------------------------------------------------------------------------

DATA = os.urandom(300_000)


def write_by_file(remote, mode):
    with remote.open("new", mode) as file:
        file.write(DATA[:1000])
        file.write(DATA[1000:])


WRITES = {
    "bytes": lambda remote: remote.write_bytes("new", DATA),
    "bytes, new": lambda remote: remote.write_bytes("new", DATA, overwrite=False),
    "file": lambda remote: write_by_file(remote, "wb"),
    "file, new": lambda remote: write_by_file(remote, "xb"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_file_whose_confirmation_is_lost_is_found(server, root, way, write):
    way.cut_when(
        lambda: "File confirmed" in server.log.text, after=lambda: "requested to write filename: new" in server.log.text
    )
    write(way.remote)
    with open(f"{root}/new", "rb") as file:
        assert file.read() == DATA


@pytest.mark.parametrize("write", [WRITES["bytes, new"], WRITES["file, new"]], ids=["bytes", "file"])
def test_another_file_is_not_taken_for_what_was_sent(server, root, way, write):
    def change():
        if "File confirmed" not in server.log.text:
            return False
        with open(f"{root}/new", "r+b") as file:
            file.write(b"others" if DATA[:6] != b"others" else b"theirs")
        return True

    way.cut_when(change, after=lambda: "requested to write filename: new" in server.log.text)
    with pytest.raises(ConnectionLost):
        write(way.remote)


def test_another_client_s_empty_file_proves_nothing(server, root, way):
    """One that is made as a lock may be another client's by now: only the one that was sent counts."""

    def change():
        if "File confirmed" not in server.log.text:
            return False
        os.rename(f"{root}/new", f"{root}/gone")
        make(root, {b"new": b""})
        return True

    way.cut_when(change, after=lambda: "requested to write filename: new" in server.log.text)
    with pytest.raises(ConnectionLost):
        way.remote.write_bytes("new", b"", overwrite=False)


def test_an_empty_file_of_our_own_is_found(server, root, way):
    way.cut_when(
        lambda: "File confirmed" in server.log.text, after=lambda: "requested to write filename: new" in server.log.text
    )
    assert way.remote.write_bytes("new", b"", overwrite=False) == 0


# --- at the server ----------------------------------------------------------------------------------------------------


def answer_to(server, request):
    with server.hostile() as client:
        client.send(request)
        assert isinstance(client.receive(), Welcome)
        return client.receive()


def test_a_token_is_known_over_all_sessions(server, root):
    token = os.urandom(16)
    assert isinstance(answer_to(server, Remove(id=1, path=(b"a",), kind=Kind.FILE, token=token)), Ok)
    make(root, {b"a": b"another"})
    assert isinstance(answer_to(server, Remove(id=7, path=(b"a",), kind=Kind.FILE, token=token)), Ok)
    assert os.path.exists(f"{root}/a"), "a repeated request removes nothing more"
    assert isinstance(answer_to(server, Remove(id=1, path=(b"a",), kind=Kind.FILE, token=os.urandom(16))), Ok)
    assert not os.path.exists(f"{root}/a")


def test_a_change_that_failed_is_not_remembered(server, root):
    token = os.urandom(16)
    refused = answer_to(server, Remove(id=1, path=(b"none",), token=token))
    assert isinstance(refused, Error)
    assert refused.code is ErrorCode.NOT_FOUND
    assert isinstance(answer_to(server, Remove(id=1, path=(b"a",), token=token)), Ok)
    assert not os.path.exists(f"{root}/a")


def test_a_token_gives_no_right(root):
    token = os.urandom(16)
    with serving(root, read_only=True) as server:
        assert isinstance(answer_to(server, Remove(id=1, path=(b"a",), token=token)), Error)
        assert isinstance(answer_to(server, Remove(id=1, path=(b"a",), token=token)), Error)


def test_how_many_are_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(idempotency, "MOST_TOKENS", 2)
    known = CompletedChanges()
    tokens = [bytes([number]) * 16 for number in range(3)]
    for token in tokens:
        known.note(token)
    known.note(None)
    assert [known.contains(token) for token in (*tokens, None)] == [False, True, True, False]
