"""Malicious clients over real sockets: every type in every state, and nothing before the proof of the key.

The table of what is allowed is written down here once more, from docs/PROTOCOL.md, and not taken from the product.
"""

from __future__ import annotations

import socket

import pytest

from secftp.crypto import Suite
from secftp.errors import AuthenticationError
from secftp.protocol import (
    Abort,
    Bye,
    Cancel,
    Capacity,
    Copy,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Info,
    List,
    Listed,
    MakeDirectory,
    NewFile,
    Ok,
    Ping,
    Read,
    ReadMany,
    Remove,
    Rename,
    Results,
    SessionLimits,
    SetAttributes,
    SmallFile,
    Space,
    Stat,
    Sum,
    Welcome,
    Write,
    WriteMany,
    encode,
)
from secftp.protocol.handshake import ClientHandshake
from secftp.server.options import ServerLimits
from tests.support.serving import (
    DEADLINE,
    HOST,
    KEY,
    SUITES,
    WRONG_KEY,
    Hostile,
    credentials,
    digest_of,
    get,
    listing,
    put,
    serving,
    until,
)

pytestmark = pytest.mark.exhaustive

DATA = 0x03
SOME = b"some"
SAMPLES = {
    kind: (flags, payload)
    for kind, flags, payload in [
        *map(
            encode,
            [
                Welcome(
                    version=1, software="x", capabilities=(), limits=SessionLimits(requests=16, keepalive=1, idle=2)
                ),
                Ping(),
                End(size=4, digest=digest_of(SOME)),
                Abort(code=ErrorCode.CANCELLED),
                Bye(),
                Cancel(id=1),
                Read(id=2, path=(b"file",)),
                Write(id=2, path=(b"name",), size=4),
                Stat(id=2, path=(b"file",)),
                Ok(id=1),
                Error(id=1, code=ErrorCode.LIMIT),
                File(id=1, size=4, mtime_ns=0, mode=0o644),
                Info(id=1, kind="file", size=4, mtime_ns=0, mode=0o644),
                List(id=2, recursive=True),
                Remove(id=2, path=(b"none",)),
                Rename(id=2, path=(b"none",), to=(b"file",)),
                Copy(id=2, path=(b"file",), to=(b"copy",)),
                Space(id=2, path=(b"file",)),
                MakeDirectory(id=2, path=(b"folder",), parents=True),
                Sum(id=2, path=(b"file",)),
                SetAttributes(id=2, path=(b"file",), mode=0o640),
                ReadMany(id=2, paths=((b"file",), (b"none",))),
                WriteMany(id=2, files=(NewFile((b"small",), SOME, digest_of(SOME)),)),
                Entries(id=1, entries=(Listed((b"file",), "file"),), last=True),
                Files(id=1, files=(SmallFile(None, SOME, digest_of(SOME)),)),
                Results(id=1, codes=(None,)),
            ],
        ),
        (DATA, 0, SOME),
    ]
}
# docs/PROTOCOL.md 10.1, client to server; what is not named closes the connection.
ALLOWED = {
    "IDLE": {0x02, 0x06, 0x0F, *range(0x10, 0x1D)},
    "WRITING": {0x02, 0x0F, 0x03, 0x04, 0x05},
    "CLOSED": set(),
}
ANSWERS = {
    0x10: File,
    0x12: Info,
    0x13: Entries,
    0x14: Error,
    0x15: Error,
    0x16: Ok,
    0x17: Ok,
    0x18: Ok,
    0x19: Files,
    0x1A: Results,
    0x1B: Ok,
    0x1C: Capacity,
}


def _enter(wire, state):
    """Bring a session into a state: one request is made and answered before, so that CANCEL has one to be about."""
    wire.welcome()
    wire.send(Stat(id=1, path=(b"file",)))
    assert isinstance(wire.receive(), Info)
    if state == "WRITING":
        wire.frame(*encode(Write(id=2, path=(b"name",), size=4)))
    if state == "CLOSED":
        wire.frame(*encode(Bye()))


def _expect_cut(wire, state, what):
    """No answer, and the end; after BYE the answer to that."""
    message = wire.receive()
    if state == "CLOSED" and message == Bye():
        message = wire.receive()
    assert message is None, what


def _expect_life(wire, state, kind):
    """The session goes on, and what was begun can be brought to its end."""
    if kind == 0x06:
        assert wire.receive() == Bye()
        assert wire.receive() is None
        return
    if kind in ANSWERS:
        answer = wire.receive()
        assert isinstance(answer, ANSWERS[kind])
        assert answer.id == 2
        if kind == 0x10:
            wire.receive_file()
    if kind == 0x11 or (state == "WRITING" and kind not in (0x04, 0x05)):
        if kind != DATA:
            wire.queue_data(SOME)
        wire.send(End(size=4, digest=digest_of(SOME)))
        assert isinstance(wire.receive(), Ok)
    elif state == "WRITING":
        assert wire.receive().id == 2
    wire.send(Stat(id=3, path=(b"file",)))
    assert wire.receive().id == 3


def _cell(server, state, kind, flags, payload):
    with server.hostile() as wire:
        _enter(wire, state)
        if state == "WRITING" and kind == 0x04:
            wire.queue_data(SOME)
        try:
            wire.frame(kind, flags, payload)
            wire.flush()
            legal = kind in ALLOWED[state] and (flags, payload) == SAMPLES.get(kind)
            if legal:
                _expect_life(wire, state, kind)
            else:
                _expect_cut(wire, state, f"type {kind:#04x} in {state}")
        except OSError as problem:
            pytest.fail(f"type {kind:#04x} in {state}: {problem}")
        return legal


@pytest.mark.parametrize("state", ALLOWED)
def test_every_type_in_every_state(tmp_path, state):
    """256 types: those of the table are served, all others close the connection without a word and leave nothing."""
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server:
        legal = 0
        for kind in range(256):
            legal += _cell(server, state, kind, *SAMPLES.get(kind, (0, b"\x80")))
        server.done(256)
    assert legal == len(ALLOWED[state])
    assert set(listing(tmp_path)) <= {"file", "name", "folder", "small", "copy"}
    assert (tmp_path / "file").read_bytes() == b"contents"


@pytest.mark.parametrize("state", ["IDLE", "WRITING"])
def test_every_type_with_the_wrong_flag_closes(tmp_path, state):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server:
        for kind, (flags, payload) in SAMPLES.items():
            assert not _cell(server, state, kind, flags ^ 1, payload)
        server.done(len(SAMPLES))
    assert listing(tmp_path) == ["file"]


MALFORMED = {
    "a control message longer than 16 KiB": (0x10, b"\x81\xa1x\xda\x40\x00" + bytes(16384)),
    "no map": (0x10, b"\x93\x01\x02\x03"),
    "an empty payload": (0x10, b""),
    "bytes after the map": (0x12, SAMPLES[0x12][1] + b"\xc0"),
    "a field twice": (0x12, b"\x83\xa2id\x02\xa4path\x91\xc4\x04file\xa2id\x03"),
    "a field missing": (0x10, b"\x81\xa2id\x02"),
    "an id of 0": (0x12, b"\x82\xa2id\x00\xa4path\x91\xc4\x04file"),
    "an id that was used": (0x12, b"\x82\xa2id\x01\xa4path\x91\xc4\x04file"),
    "an id as float": (0x12, b"\x82\xa2id\xcb\x40\x00\0\0\0\0\0\0\xa4path\x91\xc4\x04file"),
    "a path of text": (0x12, b"\x82\xa2id\x02\xa4path\x91\xa4file"),
    "an empty path": (0x10, b"\x82\xa2id\x02\xa4path\x90"),
    "a directory's path of nil": (0x13, b"\x82\xa2id\x02\xa4path\xc0"),
    "the served directory to be removed": (0x14, b"\x82\xa2id\x02\xa4path\x90"),
    "dot dot as a new name": (0x15, b"\x83\xa2id\x02\xa4path\x91\xc4\x04file\xa2to\x92\xc4\x02..\xc4\x01x"),
    "dot dot among many": (0x19, b"\x82\xa2id\x02\xa5paths\x92\x91\xc4\x04file\x91\xc4\x02.."),
    "dot dot among many files": (0x1A, b"\x82\xa2id\x02\xa5files\x91\x93\x91\xc4\x02..\xc4\x00\xc4\x10" + bytes(16)),
    "no file among many": (0x1A, b"\x82\xa2id\x02\xa5files\x90"),
    "more files than there are": (0x19, b"\x82\xa2id\x02\xa5paths\xdd\xff\xff\xff\xff"),
    "an offset without a prefix": (0x11, b"\x83\xa2id\x02\xa4path\x91\xc4\x04name\xa6offset\x01"),
    "a prefix without an offset": (
        0x10,
        b"\x83\xa2id\x02\xa4path\x91\xc4\x04file\xa6prefix\xc4\x10" + bytes(16),
    ),
    "an empty name": (0x12, b"\x82\xa2id\x02\xa4path\x91\xc4\x00"),
    "dot dot": (0x12, b"\x82\xa2id\x02\xa4path\x92\xc4\x02..\xc4\x04file"),
    "a slash": (0x12, b"\x82\xa2id\x02\xa4path\x91\xc4\x05/file"),
    "a NUL": (0x12, b"\x82\xa2id\x02\xa4path\x91\xc4\x05file\0"),
    "nesting without end": (0x12, b"\x81\xa1x" + b"\x91" * 16000 + b"\xc0"),
    "a PING with a payload": (0x02, b"\x80"),
    "a CANCEL for no request": (0x0F, b"\x81\xa2id\x05"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_message_closes_without_a_word(tmp_path, what):
    (tmp_path / "file").write_bytes(b"contents")
    kind, payload = MALFORMED[what]
    with serving(tmp_path) as server, server.hostile() as wire:
        _enter(wire, "IDLE")
        wire.frame(kind, 0, payload)
        wire.send(Stat(id=9, path=(b"file",)))
        assert wire.receive() is None


@pytest.mark.parametrize(
    ("announced", "sent", "ended"), [(4, 5, 5), (4, 3, 3), (4, 4, 3), (None, 4, 5), (0, 1, 1), (4, 4, 2**63 - 1)]
)
def test_sizes_that_do_not_agree_close_and_leave_nothing(tmp_path, announced, sent, ended):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.frame(*encode(Write(id=1, path=(b"name",), size=announced)))
        wire.queue_data(b"x" * sent)
        wire.send(End(size=ended, digest=digest_of(b"x" * sent)))
        assert wire.receive() is None
        server.done(1)
        assert listing(tmp_path) == []


def test_empty_data_closes(tmp_path):
    with serving(tmp_path) as server, server.hostile() as wire:
        _enter_writing(wire)
        wire.frame(DATA)
        wire.flush()
        assert wire.receive() is None
        server.done(1)
        assert listing(tmp_path) == []


def _enter_writing(wire):
    wire.welcome()
    wire.send(Write(id=1, path=(b"name",)))


@pytest.mark.parametrize(
    "digest",
    [
        bytes(16),
        digest_of(SOME)[:-1] + bytes([digest_of(SOME)[-1] ^ 1]),
        digest_of(SOME) + b"\0",
        digest_of(SOME, "sha256"),
    ],
    ids=["zero", "one bit", "longer", "another algorithm"],
)
def test_a_wrong_digest_is_told_and_nothing_is_stored(tmp_path, digest):
    (tmp_path / "name").write_bytes(b"old")
    with serving(tmp_path) as server, server.hostile() as wire:
        _enter_writing(wire)
        wire.queue_data(SOME)
        wire.send(End(size=4, digest=digest))
        answer = wire.receive()
        assert (answer.id, answer.code) == (1, ErrorCode.CHECKSUM)
        assert listing(tmp_path) == ["name"], "no file, finished or not"
        wire.frame(*encode(Write(id=2, path=(b"name",))))
        wire.queue_data(SOME)
        wire.send(End(size=4, digest=digest_of(SOME)))
        assert wire.receive() == Ok(id=2, size=4, digest=digest_of(SOME))
    assert (tmp_path / "name").read_bytes() == SOME


def test_what_follows_an_early_error_is_bounded(tmp_path):
    """256 MiB from the ERROR on may be thrown away; a client that goes on and on is cut."""
    (tmp_path / "name").mkdir()
    batch = bytes(1 << 19)
    with serving(tmp_path) as server, server.hostile(suite=Suite.NONE) as wire:
        _enter_writing(wire)
        assert wire.receive().code is ErrorCode.IS_DIRECTORY
        sent = 0
        with pytest.raises(OSError):  # noqa: PT012 - which of the sends is cut is up to the buffers
            while sent < 400 << 20:
                wire.queue_data(batch)
                wire.flush()
                sent += len(batch)
        assert sent >= 256 << 20
    server.done(1)


def test_pings_beyond_the_allowance_close(tmp_path):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        for _ in range(30):
            wire.frame(0x02)
        wire.send(Stat(id=1, path=(b"none",)))
        assert wire.receive().id == 1
        for _ in range(60):
            wire.frame(0x02)
        wire.flush()
        assert wire.receive() is None


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name.lower())
@pytest.mark.parametrize("place", ["length", "body", "tag"])
def test_a_changed_frame_ends_the_session_and_nothing_of_it_is_used(tmp_path, suite, place):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server, server.hostile(suite=suite) as wire:
        wire.welcome()
        wire.frame(*encode(Write(id=1, path=(b"name",), size=4)))
        wire.queue_data(SOME)
        wire.frame(*encode(End(size=4, digest=digest_of(SOME))))
        first = wire.sealed()
        wire.frame(*encode(Stat(id=2, path=(b"file",))))
        changed = bytearray(wire.sealed())
        changed[{"length": 3, "body": 9, "tag": -1}[place]] ^= 16
        wire.sock.sendall(first + changed)
        wire.sock.shutdown(socket.SHUT_WR)
        messages = []
        while (message := wire.receive()) is not None:
            messages.append(message)
        # What came before it may have been served or not; the changed frame was not.
        assert messages in ([], [Ok(id=1, size=4, digest=digest_of(SOME))])


def test_a_replayed_frame_ends_the_session(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.frame(*encode(Ping()))
        frame = wire.sealed()
        wire.sock.sendall(frame)
        wire.send(Stat(id=1, path=(b"file",)))
        assert wire.receive().id == 1
        wire.sock.sendall(frame)
        assert wire.receive() is None


# --- before the handshake has verified --------------------------------------------------------------------------------


def _requests(wire):
    """A read, and a whole write, sealed under the keys of the session that is about to be."""
    wire.frame(*encode(Read(id=1, path=(b"file",))))
    wire.frame(*encode(Write(id=2, path=(b"name",), size=4)))
    wire.queue_data(SOME)
    wire.frame(*encode(End(size=4, digest=digest_of(SOME))))
    return wire.sealed()


def _nothing_comes(sock):
    try:
        return sock.recv(4096) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "bit", [0, 127, 128, 8 * 48 - 1], ids=["resp, first", "resp, last", "proof, first", "proof, last"]
)
def test_requests_behind_a_finish_that_does_not_verify_are_not_served(tmp_path, bit):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server, server.hostile() as wire:
        flight = bytearray(_requests(wire))
        flight[bit // 8] ^= 0x80 >> bit % 8
        wire.sock.sendall(flight)
        assert _nothing_comes(wire.sock)
        server.done(1)
        assert "Refused: the client did not prove the key." in server.log.text
        assert "filename" not in server.log.text
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", [*SAMPLES, 0x1B, 0xFF])
def test_no_frame_is_served_in_place_of_the_finish(tmp_path, kind):
    """The client has the keys before it has proved anything: frames that verify are not enough."""
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server, server.hostile() as wire:
        finish = len(wire._prefix)
        wire.frame(kind, *SAMPLES.get(kind, (0, b"\x80")))
        wire.sock.sendall((wire.sealed()[finish:] + _requests(wire)).ljust(48, b"\0"))
        assert _nothing_comes(wire.sock)
        server.done(1)
        assert "filename" not in server.log.text
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", [*SAMPLES, 0x1B, 0xFF])
def test_no_frame_is_served_in_place_of_the_hello(tmp_path, kind):
    flags, payload = SAMPLES.get(kind, (0, b"\x80"))
    frame = len(payload).to_bytes(4) + bytes([kind, flags, 0, 0]) + payload
    with serving(tmp_path) as server, Hostile(server.port, shake=False) as wire:
        wire.sock.sendall(len(frame).to_bytes(4) + frame + bytes(16))
        assert _nothing_comes(wire.sock)
        server.done(1)
        assert "Cipher" not in server.log.text


def _hello(key=KEY, suite=Suite.AES128, name=""):
    return bytearray(ClientHandshake(*_order(credentials(key, suite, name))).hello)


def _order(asked):
    return asked.password, asked.suite, asked.mode, asked.name


def _answer(server, hello):
    """What the server says to a hello, to the end or as much as a SERVER_HELLO has."""
    with socket.create_connection((HOST, server.port), timeout=DEADLINE) as sock:
        sock.sendall(hello)
        answer = b""
        try:
            while len(answer) < 141 and (data := sock.recv(4096)):
                answer += data
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize(
    ("place", "value", "answered"),
    [
        (0, 0x52, None),
        (6, 2, 1),
        (7, 3, 2),
        (7, 255, 2),
        (8, 2, 3),
        (8, 0, 3),
        (9, 1, None),
        (11, 255, None),
        (60, 2, None),
        (124, 0xFF, None),
    ],
)
def test_hellos_that_are_none(tmp_path, place, value, answered):
    """A status where the protocol has one, else not a byte; and the next client finds the server as it was."""
    hello = _hello()
    assert hello[place] != value
    hello[place] = value
    with serving(tmp_path) as server:
        answer = _answer(server, hello)
        if answered is None:
            assert answer == b""
        else:
            assert (len(answer), answer[:8]) == (12, b"SECFTP\x01" + bytes([answered]))
        with server.session() as client:
            put(client, b"file", b"contents")


def test_an_unknown_name_can_not_be_told_from_a_wrong_key(tmp_path):
    """The same bytes up to what is random, the same lines in the log, the same end."""
    malformed = _hello(name="x")
    malformed[28:60] = b"a\0b".ljust(32, b"\0")
    undecodable = _hello(name="x")
    undecodable[28:60] = b"\xff\xfe".ljust(32, b"\0")
    hellos = {
        "wrong key": _hello(WRONG_KEY),
        "unknown name": _hello(KEY, name="nobody"),
        "both": _hello(WRONG_KEY, name="nobody"),
        "malformed name": malformed,
        "undecodable name": undecodable,
    }
    with serving(tmp_path) as server:
        seen = {}
        for number, (case, hello) in enumerate(hellos.items(), 1):
            answer = _answer(server, hello)
            server.done(number)
            lines = [line.split("  [")[0] for line in server.log.text.splitlines() if f"[{number} " in line]
            seen[case] = (
                len(answer),
                answer[:12],
                [line.split(": ", 1)[1].split(" ")[:2] for line in lines if "IV" not in line],
            )
        assert set(map(str, seen.values())) == {str(seen["wrong key"])}, seen
        assert seen["wrong key"][0] == 141
        for name, key in [("", WRONG_KEY), ("nobody", KEY)]:
            with pytest.raises(AuthenticationError) as failure:
                server.session(key=key, name=name)
            assert "did not prove this key" in str(failure.value)


@pytest.mark.parametrize("sent", [0, 1, 124, 125])
def test_a_client_that_hangs_in_the_handshake_delays_no_other(tmp_path, sent):
    hello = _hello()
    with serving(tmp_path, limits=ServerLimits(free_guesses=100)) as server:
        hanging = [socket.create_connection((HOST, server.port), timeout=DEADLINE) for _ in range(15)]
        try:
            for sock in hanging:
                sock.sendall(hello[:sent])
            server.log.wait_for("Client connected", len(hanging))
            with server.session() as client:
                put(client, b"file", b"contents")
                assert get(client, b"file") == b"contents"
        finally:
            for sock in hanging:
                sock.close()
        server.done(len(hanging) + 1)


def test_a_handshake_has_ten_seconds_in_all(tmp_path):
    """Not ten seconds for each byte."""
    hello = _hello()
    with (
        serving(tmp_path, limits=ServerLimits(handshake_seconds=0.3)) as server,
        socket.create_connection((HOST, server.port), timeout=0.05) as sock,
    ):
        sent = 0

        def cut():
            nonlocal sent
            if sent < 100:
                sock.sendall(hello[sent : sent + 1])
                sent += 1
            try:
                return sock.recv(1) == b""
            except TimeoutError:
                return False

        until(cut, "the connection is closed", 5)
        assert 0 < sent < 100
        server.done(1)
        assert "Refused: " in server.log.text


def test_wrong_keys_do_no_harm(tmp_path):
    """Many failed handshakes, and the server serves on with nothing held."""
    with serving(tmp_path, max_clients=2, limits=ServerLimits(free_guesses=60)) as server:
        for suite in SUITES * 20:
            with pytest.raises(AuthenticationError):
                server.session(key=WRONG_KEY, suite=suite)
        server.done(60)
        assert server.log.text.count("a wrong key?") == 60
        with server.session() as client:
            put(client, b"file", b"contents")
