"""Sessions over real sockets with a server in this process: the guarantees for honest clients."""

from __future__ import annotations

import os
import random

import pytest

from secftp.crypto import Suite
from secftp.errors import (
    AlreadyExists,
    AuthenticationError,
    Cancelled,
    Forbidden,
    HandshakeRefused,
    IsADirectory,
    NameRefused,
    NotADirectory,
    NotFound,
)
from secftp.protocol import (
    MESSAGE_TYPES,
    Abort,
    Algorithm,
    Bye,
    Cancel,
    End,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    Ok,
    Ping,
    Read,
    Request,
    Stat,
    Welcome,
    Write,
)
from secftp.server.requests.serve import _HANDLERS
from tests.support.serving import KEY, SUITES, WRONG_KEY, MemorySource, digest_of, get, listing, put, serving

BATCH = 16 * 65536
SIZES = [0, 1, 15, 16, 65535, 65536, 65537, BATCH - 1, BATCH, BATCH + 1, 17 * 65536, (3 << 20) + 7]
PATTERN = random.Random(1).randbytes(max(SIZES))


# --- round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name.lower())
def test_files_of_every_size_go_there_and_back(tmp_path, suite, announced):
    with serving(tmp_path) as server, server.session(suite=suite) as client:
        for size in SIZES:
            data = PATTERN[:size]
            sent = put(client, b"file", data, announced=announced)
            assert sent == (size, digest_of(data)), size
            assert (tmp_path / "file").read_bytes() == data, size
            assert get(client, b"file") == data, size
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_checksum_is_the_one_that_was_asked_for(tmp_path, algorithm):
    with serving(tmp_path) as server, server.session() as client:
        assert put(client, b"file", PATTERN, algorithm=algorithm).digest == digest_of(PATTERN, algorithm)
        assert get(client, b"file", algorithm=algorithm) == PATTERN
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.send(Read(id=1, path=(b"file",), algorithm=algorithm))
        assert isinstance(wire.receive(), Welcome)
        assert isinstance(wire.receive(), File)
        assert wire.receive_file() == (PATTERN, End(size=len(PATTERN), digest=digest_of(PATTERN, algorithm)))


def test_an_algorithm_that_the_server_lacks_is_unsupported_and_the_session_goes_on(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setitem(__import__("sys").modules, "blake3", None)
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Read(id=1, path=(b"file",), algorithm=Algorithm.BLAKE3))
        assert wire.receive() == Error(id=1, code=ErrorCode.UNSUPPORTED, text="the server does not support this")
        wire.frame(*_encoded(Write(id=2, path=(b"new",), algorithm=Algorithm.BLAKE3)))
        wire.queue_data(b"new")
        wire.send(End(size=3, digest=bytes(32)), Stat(id=3, path=(b"file",)))
        assert wire.receive() == Error(id=2, code=ErrorCode.UNSUPPORTED, text="the server does not support this")
        assert isinstance(wire.receive(), Info)
    assert listing(tmp_path) == ["file"]


def _encoded(message):
    from secftp.protocol import encode

    return encode(message)


def test_a_file_larger_than_all_buffers_is_written_while_the_server_speaks(tmp_path):
    """WELCOME comes in the middle of the first file: that is no reason to give it up."""
    data = PATTERN * 12
    with serving(tmp_path) as server:
        for _ in range(4):
            with server.session(suite=Suite.NONE) as client:
                assert put(client, b"large", data).size == len(data)
                assert client.welcome is not None
    assert (tmp_path / "large").read_bytes() == data


def test_every_request_of_the_protocol_has_a_handler():
    assert set(_HANDLERS) == {entry.struct for entry in MESSAGE_TYPES.values() if issubclass(entry.struct, Request)}


def test_names_are_bytes_and_directories_are_walked(tmp_path):
    odd = [b"\xff\xfe", "ä".encode(), b"a\nb", b" ", b"-x", b"x" * 255, b"...", b".hidden"]
    directory = tmp_path / "one" / "two"
    directory.mkdir(parents=True)
    with serving(tmp_path) as server, server.session() as client:
        for number, name in enumerate(odd):
            data = b"%d" % number
            put(client, (b"one", b"two", name), data)
            assert get(client, (b"one", b"two", name)) == data
    assert sorted(os.listdir(os.fsencode(directory))) == sorted(odd)


# --- authorization ----------------------------------------------------------------------------------------------------

ACCESS = {
    "key": ({}, {"right": "rw"}),
    "key, anonymous": ({"anonymous": True}, {"right": "rw", "anonymous": "r"}),
    "key, anonymous-write": ({"anonymous_write": True}, {"right": "rw", "anonymous": "rw"}),
    "key, read-only": ({"read_only": True}, {"right": "r"}),
    "key, anonymous-write, read-only": (
        {"anonymous_write": True, "read_only": True},
        {"right": "r", "anonymous": "r"},
    ),
    "anonymous": ({"key": None, "anonymous": True}, {"anonymous": "r"}),
    "anonymous-write": ({"key": None, "anonymous_write": True}, {"anonymous": "rw"}),
    "nobody": ({"key": None}, {}),
}
CLIENTS = {
    "right": {"key": KEY},
    "wrong": {"key": WRONG_KEY},
    "unknown name": {"key": KEY, "name": "other"},
    "anonymous": {"key": None},
}


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name.lower())
@pytest.mark.parametrize("case", ACCESS)
def test_who_gets_in_and_what_for(tmp_path, case, suite):
    rules, rights = ACCESS[case]
    (tmp_path / "there").write_bytes(b"contents")
    with serving(tmp_path, **rules) as server:
        for who, options in CLIENTS.items():
            granted = rights.get(who, "")
            if not granted:
                refused = HandshakeRefused if who == "anonymous" else AuthenticationError
                with pytest.raises(refused):
                    server.session(suite=suite, **options)
                continue
            with server.session(suite=suite, **options) as client:
                assert get(client, b"there") == b"contents"
                if "w" in granted:
                    put(client, who.encode(), b"new")
                else:
                    with pytest.raises(Forbidden, match="read-only"):
                        put(client, who.encode(), b"new")
                    assert get(client, b"there") == b"contents", "the session goes on after a refusal"
    assert listing(tmp_path) == sorted(["there", *(who for who in rights if "w" in rights[who])])


@pytest.mark.parametrize("allowed", [{Suite.AES256}, {Suite.NONE, Suite.AES128}], ids=str)
@pytest.mark.parametrize("key", [KEY, None], ids=["keyed", "anonymous"])
def test_only_allowed_ciphers_get_in(tmp_path, allowed, key):
    (tmp_path / "there").write_bytes(b"contents")
    with serving(tmp_path, suites=frozenset(allowed), anonymous=True) as server:
        for suite in SUITES:
            if suite in allowed:
                with server.session(key=key, suite=suite) as client:
                    assert get(client, b"there") == b"contents"
            else:
                with pytest.raises(HandshakeRefused, match="cipher"):
                    server.session(key=key, suite=suite)


@pytest.mark.parametrize("asked", [True, False], ids=["client would overwrite", "client would not"])
def test_no_overwrite_keeps_what_is_there(tmp_path, asked):
    (tmp_path / "there").write_bytes(b"old")
    with serving(tmp_path, overwrite=False) as server, server.session() as client:
        with pytest.raises(AlreadyExists):
            put(client, b"there", b"new", overwrite=asked)
        put(client, b"fresh", b"new", overwrite=asked)
        with pytest.raises(AlreadyExists):
            put(client, b"fresh", b"newer", overwrite=asked)
    assert (tmp_path / "there").read_bytes() == b"old"
    assert (tmp_path / "fresh").read_bytes() == b"new"
    assert listing(tmp_path) == ["fresh", "there"]


def test_without_overwriting_the_first_of_two_writers_wins(tmp_path):
    with serving(tmp_path) as server, server.hostile() as slow, server.session() as quick:
        slow.frame(*_encoded(Write(id=1, path=(b"name",), overwrite=False)))
        slow.queue_data(b"slow")
        slow.flush()
        server.log.wait_for("requested to write filename: name")
        put(quick, b"name", b"quick", overwrite=False)
        slow.send(End(size=4, digest=digest_of(b"slow")))
        assert isinstance(slow.receive(), Welcome)
        assert slow.receive().code is ErrorCode.EXISTS
    assert (tmp_path / "name").read_bytes() == b"quick"
    assert listing(tmp_path) == ["name"]


# --- ranges, stat, several requests -----------------------------------------------------------------------------------

LARGE = PATTERN[: BATCH + 100_001]
RANGES = [
    (0, None),
    (0, 0),
    (0, 1),
    (1, 65536),
    (65535, 65538),
    (BATCH - 1, 2),
    (BATCH, None),
    (len(LARGE) - 1, None),
    (len(LARGE) - 1, 1000),
    (len(LARGE), None),
    (len(LARGE) + 1, 5),
    (2**63 - 1, 2**63 - 1),
    (0, 2**63 - 1),
]


def test_a_range_is_the_part_of_it_that_exists(tmp_path):
    (tmp_path / "file").write_bytes(LARGE)
    with serving(tmp_path) as server, server.hostile() as wire:
        assert {"ranges", "stat"} <= set(wire.welcome().capabilities)
        for number, (offset, length) in enumerate(RANGES, 1):
            expected = LARGE[offset : None if length is None else offset + length]
            wire.send(Read(id=number, path=(b"file",), offset=offset, length=length))
            file = wire.receive()
            assert (file.id, file.size) == (number, len(expected)), (offset, length)
            assert wire.receive_file() == (expected, End(size=len(expected), digest=digest_of(expected)))


def test_stat_tells_files_from_directories_and_nothing_else(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    os.utime(tmp_path / "file", ns=(0, 1_234_567_890_123_456_789))
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    with serving(tmp_path) as server, server.session() as client:
        info = client.stat((b"file",))
        assert (info.kind, info.size, info.mtime_ns, info.mode) == (Kind.FILE, 5, 1_234_567_890_123_456_789, 0o640)
        info = client.stat((b"folder",))
        assert (info.kind, info.size) == (Kind.DIRECTORY, 0)
        for name in (b"link", b"nothing"):
            with pytest.raises(NotFound):
                client.stat((name,))


@pytest.mark.parametrize(
    ("path", "reading", "writing"),
    [
        ((b"nothing",), NotFound, None),
        ((b"nowhere", b"file"), NotFound, NotFound),
        ((b"folder",), IsADirectory, IsADirectory),
        ((b"file", b"below"), NotADirectory, NotADirectory),
        ((b".secftp-tmp-x",), NameRefused, NameRefused),
        ((b"folder", b".secftp-"), NameRefused, NameRefused),
        ((b"link",), NotFound, Forbidden),
        ((b"links", b"file"), NotFound, NotFound),
    ],
)
def test_a_refused_name_is_an_answer_and_the_session_goes_on(tmp_path, path, reading, writing):
    (tmp_path / "file").write_bytes(b"contents")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "links").symlink_to(".")
    before = listing(tmp_path)
    with serving(tmp_path) as server, server.session() as client:
        with pytest.raises(reading):
            get(client, path)
        if writing is not None:
            with pytest.raises(writing):
                put(client, path, b"new")
            with pytest.raises(writing):
                put(client, path, PATTERN * 4)
        assert get(client, b"file") == b"contents"
    assert listing(tmp_path) == before
    assert (tmp_path / "link").is_symlink()


def test_requests_are_answered_in_their_order(tmp_path):
    """Many at once, sent without waiting for any answer, WELCOME included."""
    for number in range(8):
        (tmp_path / f"{number}").write_bytes(b"%d" % number * number)
    with serving(tmp_path) as server, server.hostile() as wire:
        for number in range(1, 8):
            wire.frame(*_encoded(Read(id=number, path=(b"%d" % number,))))
        wire.frame(*_encoded(Write(id=10, path=(b"new",), size=3)))
        wire.queue_data(b"abc")
        wire.frame(*_encoded(End(size=3, digest=digest_of(b"abc"))))
        wire.frame(*_encoded(Read(id=11, path=(b"missing",))))
        wire.send(Stat(id=12, path=(b"7",)), Bye())
        assert isinstance(wire.receive(), Welcome)
        for number in range(1, 8):
            assert wire.receive().id == number
            assert wire.receive_file()[0] == b"%d" % number * number
        assert wire.receive() == Ok(id=10, size=3, digest=digest_of(b"abc"))
        assert wire.receive().code is ErrorCode.NOT_FOUND
        assert wire.receive().id == 12
        assert wire.receive() == Bye()
        assert wire.receive() is None


def test_a_thousand_small_files_in_one_go(tmp_path):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        for number in range(1, 1001):
            data = b"%d" % number
            wire.frame(*_encoded(Write(id=number, path=(data,), size=len(data))))
            wire.queue_data(data)
            wire.send(End(size=len(data), digest=digest_of(data)))
        for number in range(1, 1001):
            assert wire.receive() == Ok(id=number, size=len(b"%d" % number), digest=digest_of(b"%d" % number))
    assert len(listing(tmp_path)) == 1000
    assert (tmp_path / "777").read_bytes() == b"777"


# --- files that are given up ------------------------------------------------------------------------------------------


def test_an_early_error_ends_the_file_and_not_the_session(tmp_path):
    """The server answers before END; the client learns of it while it sends, and does not send the rest."""
    (tmp_path / "folder").mkdir()
    source = MemorySource(PATTERN * 64, announced=False)
    with serving(tmp_path) as server, server.session() as client:
        with pytest.raises(IsADirectory):
            client.write((b"folder",), source)
        assert source.taken < len(PATTERN) * 64
        put(client, b"file", b"contents")
        assert get(client, b"file") == b"contents"
    assert listing(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("ending", ["END", "ABORT"])
def test_after_an_early_error_the_rest_is_thrown_away_without_a_second_answer(tmp_path, ending):
    (tmp_path / "folder").mkdir()
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"folder",)))
        assert wire.receive() == Error(id=1, code=ErrorCode.IS_DIRECTORY, text="it is a directory")
        wire.send_data(PATTERN)
        last = Abort(code=ErrorCode.CANCELLED) if ending == "ABORT" else End(size=len(PATTERN), digest=bytes(16))
        wire.send(last, Stat(id=2, path=(b"folder",)))
        assert wire.receive().id == 2


@pytest.mark.parametrize("code", list(ErrorCode))
def test_a_client_that_gives_up_is_told_cancelled_whatever_its_reason(tmp_path, code):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.frame(*_encoded(Write(id=1, path=(b"file",))))
        wire.queue_data(b"some")
        wire.send(Abort(code=code), Stat(id=2, path=(b"file",)))
        answer = wire.receive()
        assert (answer.id, answer.code) == (1, ErrorCode.CANCELLED)
        assert wire.receive().code is ErrorCode.NOT_FOUND
    assert listing(tmp_path) == []


def test_a_source_that_fails_halfway_leaves_nothing_and_the_session_goes_on(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        failing = MemorySource(PATTERN, failure=Cancelled("enough"), fails_at=2 * 65536, chunk=65536)
        with pytest.raises(Cancelled, match="enough"):
            client.write((b"file",), failing)
        put(client, b"other", b"contents")
    assert listing(tmp_path) == ["other"]


def _sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


def test_cancel_ends_the_read_under_way_and_those_to_come(tmp_path):
    size = 1 << 33  # more than is sent in any time
    _sparse(tmp_path / "huge", size)
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Read(id=1, path=(b"huge",)), Read(id=2, path=(b"huge",)), Read(id=3, path=(b"none",)))
        assert wire.receive() == File(id=1, size=size, mtime_ns=(tmp_path / "huge").stat().st_mtime_ns, mode=0o644)
        wire.send(Cancel(id=2), Cancel(id=1), Stat(id=4, path=(b"huge",)))
        data, last = wire.receive_file()
        assert last.code is ErrorCode.CANCELLED
        assert len(data) < size
        answer = wire.receive()
        assert (answer.id, answer.code) == (2, ErrorCode.CANCELLED)
        answer = wire.receive()
        assert (answer.id, answer.code) == (3, ErrorCode.NOT_FOUND)
        assert wire.receive().id == 4


def test_a_cancel_that_comes_too_late_or_for_another_request_does_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Read(id=5, path=(b"file",)))
        assert isinstance(wire.receive(), File)
        assert wire.receive_file()[0] == b"contents"
        wire.send(Cancel(id=5))
        wire.frame(*_encoded(Write(id=6, path=(b"new",), size=3)))
        wire.send(Cancel(id=6))
        wire.queue_data(b"abc")
        wire.send(End(size=3, digest=digest_of(b"abc")), Ping(), Stat(id=7, path=(b"new",)))
        assert wire.receive().id == 6
        assert wire.receive().id == 7
    assert (tmp_path / "new").read_bytes() == b"abc"
