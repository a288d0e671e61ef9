"""Faults and concurrency over real sockets: peers that vanish, disks that fill, many clients at once."""

from __future__ import annotations

import itertools
import os
import random
import socket
import threading
import time

import pytest

from secftp.crypto import Suite
from secftp.errors import (
    Cancelled,
    ChecksumMismatch,
    ConnectionLost,
    FileError,
    HandshakeRefused,
    InputOutputError,
    NoSpace,
    ProtocolError,
    SecftpError,
    TransferTimeout,
)
from secftp.protocol import (
    Abort,
    Bye,
    End,
    Error,
    ErrorCode,
    File,
    Ok,
    Read,
    SessionLimits,
    Stat,
    Welcome,
    Write,
    encode,
)
from secftp.storage import PipeSource, create_local_sink, open_local_source
from secftp.transport import Channel
from tests.support.serving import (
    SUITES,
    FullStore,
    MemorySink,
    MemorySource,
    digest_of,
    fake_server,
    get,
    listing,
    put,
    server_process,
    serving,
    session,
    until,
)

MIB = 1 << 20
PATTERN = random.Random(2).randbytes(4 * MIB)
WELCOME = Welcome(
    version=1, software="fake", capabilities=("stat",), limits=SessionLimits(requests=16, keepalive=15, idle=60)
)


# --- collisions -------------------------------------------------------------------------------------------------------


def test_of_two_writers_the_last_that_completes_wins(tmp_path):
    with serving(tmp_path) as server, server.hostile() as first, server.session() as second:
        first.frame(*encode(Write(id=1, path=(b"name",))))
        first.queue_data(b"first, " * 1000)
        first.flush()
        server.log.wait_for("requested to write filename: name")
        put(second, b"name", b"second")
        assert (tmp_path / "name").read_bytes() == b"second"
        first.queue_data(b"and last")
        data = b"first, " * 1000 + b"and last"
        first.send(End(size=len(data), digest=digest_of(data)))
        assert isinstance(first.receive(), Welcome)
        assert isinstance(first.receive(), Ok)
        assert get(second, b"name") == data
    assert listing(tmp_path) == ["name"]


def test_many_writers_and_readers_of_one_name_never_see_a_mixture(tmp_path):
    versions = [bytes([number]) * (MIB + number) for number in range(6)]
    (tmp_path / "name").write_bytes(versions[0])
    failures = []

    def work(number, server):
        try:
            with server.session(suite=SUITES[number % 3]) as client:
                for _ in range(6):
                    if number % 2:
                        put(client, b"name", versions[number])
                    else:
                        assert get(client, b"name") in versions
        except BaseException as failure:  # noqa: BLE001 - told below
            failures.append(failure)

    with serving(tmp_path) as server:
        _together([lambda number=number: work(number, server) for number in range(6)])
    assert failures == []
    assert (tmp_path / "name").read_bytes() in versions
    assert listing(tmp_path) == ["name"]


def _together(jobs):
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("change", ["replaced", "removed", "appended to"])
def test_a_reader_keeps_the_version_it_began_with(tmp_path, change):
    data = PATTERN * 8  # more than the buffers between the two
    (tmp_path / "name").write_bytes(data)
    with serving(tmp_path) as server, server.hostile(suite=Suite.NONE) as reader:
        reader.welcome()
        reader.send(Read(id=1, path=(b"name",)))
        assert isinstance(reader.receive(), File)
        if change == "replaced":
            with server.session() as writer:
                put(writer, b"name", b"new")
        elif change == "removed":
            os.unlink(tmp_path / "name")
        else:
            with open(tmp_path / "name", "ab") as file:
                file.write(b"more")
        assert reader.receive_file() == (data, End(size=len(data), digest=digest_of(data)))


@pytest.mark.parametrize("change", ["cut short", "written to"])
def test_a_source_that_changes_is_aborted_and_the_session_goes_on(tmp_path, change):
    (tmp_path / "name").write_bytes(PATTERN * 8)
    with serving(tmp_path) as server, server.hostile(suite=Suite.NONE) as reader:
        reader.welcome()
        reader.send(Read(id=1, path=(b"name",)))
        assert isinstance(reader.receive(), File)
        if change == "cut short":
            os.truncate(tmp_path / "name", 5)
        else:
            with open(tmp_path / "name", "r+b") as file:
                file.write(b"X")
            os.utime(tmp_path / "name", ns=(1, 1))
        data, last = reader.receive_file()
        assert (last.code, len(data) <= len(PATTERN) * 8) == (ErrorCode.CHANGED, True)
        reader.send(Stat(id=2, path=(b"name",)))
        assert reader.receive().id == 2


# --- peers that vanish ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset", "half-close"])
@pytest.mark.parametrize("place", ["before any byte", "in the middle", "before the end"])
def test_a_client_that_vanishes_while_writing_leaves_nothing(tmp_path, place, end):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"name",), size=MIB))
        if place != "before any byte":
            wire.send_data(PATTERN[: MIB if place == "before the end" else MIB // 2])
        server.log.wait_for("requested to write filename: name")
        if end == "half-close":
            wire.sock.shutdown(socket.SHUT_WR)
            assert wire.receive() is None
        elif end == "reset":
            wire.reset()
        else:
            wire.close()
        server.done(1)
        assert listing(tmp_path) == []
        assert "confirmed" not in server.log.text


def test_a_client_that_vanishes_while_reading_is_forgotten(tmp_path):
    (tmp_path / "name").write_bytes(PATTERN * 8)
    with serving(tmp_path, max_clients=1) as server:
        with server.hostile() as wire:
            wire.welcome()
            wire.send(Read(id=1, path=(b"name",)))
            assert isinstance(wire.receive(), File)
            wire.reset()
        server.done(1)
        with server.session() as client:
            put(client, b"other", b"contents")


def _read_request(wire):
    wire.send(WELCOME)
    assert isinstance(wire.receive(), Read)


ENDS_OF_A_READ = {
    "at once": [],
    "after FILE": [File(id=1, size=MIB, mtime_ns=0, mode=0o644)],
    "after some": [File(id=1, size=MIB, mtime_ns=0, mode=0o644), PATTERN[: MIB // 2]],
    "before END": [File(id=1, size=MIB, mtime_ns=0, mode=0o644), PATTERN[:MIB]],
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("place", ENDS_OF_A_READ)
def test_a_server_that_vanishes_while_it_is_read_from_leaves_no_file(tmp_path, place, how):
    def play(wire):
        _read_request(wire)
        for what in ENDS_OF_A_READ[place]:
            wire.send_data(what) if isinstance(what, bytes) else wire.send(what)
        if how == "reset":
            wire.reset()

    target = tmp_path / "target"
    target.write_bytes(b"old")
    with fake_server(play) as port, session(port) as client, create_local_sink(str(target)) as sink:
        with pytest.raises(ConnectionLost):
            client.read((b"name",), sink)
        sink.close()
    assert target.read_bytes() == b"old"
    assert listing(tmp_path) == ["target"]


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("place", ["at once", "after some", "after END"])
def test_a_server_that_vanishes_while_it_is_written_to_is_a_lost_connection(place, how):
    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Write)
        if place == "after some":
            for _ in range(20):
                assert wire.receive_frame()[0] == 3
        if place == "after END":
            wire.receive_file()
        if how == "reset":
            wire.reset()

    with fake_server(play) as port, session(port) as client, pytest.raises(ConnectionLost):
        put(client, b"name", PATTERN * 8, announced=False)


@pytest.mark.exhaustive
def test_a_server_that_is_killed_in_the_middle_of_both(tmp_path):
    """A real process, a real SIGKILL; what it left behind is swept by the next one."""
    root, home = tmp_path / "root", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    (root / "name").write_bytes(b"old")
    with open(root / "huge", "wb") as file:
        file.truncate(1 << 40)
    arguments = ["0", "--host", "127.0.0.1", "--root", root, "--anonymous-write"]
    with server_process(home, *arguments) as server:
        target = tmp_path / "target"
        taken = threading.Event()
        outcomes = {}

        class Endless(MemorySource):
            def readv(self, buffers, offset):
                if offset > 8 * MIB:
                    taken.set()
                return super().readv(buffers, offset % len(PATTERN))

        def write():
            with session(server.port, None) as client:
                client.write((b"name",), Endless(PATTERN, announced=False))

        def read():
            with session(server.port, None) as client, create_local_sink(str(target)) as sink:
                client.read((b"huge",), sink, progress=lambda done, _: done > MIB and reading.set())

        def run(job):
            try:
                job()
            except SecftpError as problem:
                outcomes[job.__name__] = type(problem)

        reading = threading.Event()
        threads = [threading.Thread(target=run, args=(job,)) for job in (read, write)]
        for thread in threads:
            thread.start()
        assert taken.wait(20)
        assert reading.wait(20)
        server.process.kill()
        for thread in threads:
            thread.join(20)
        assert outcomes == {"read": ConnectionLost, "write": ConnectionLost}
        assert not target.exists()
        assert not [name for name in listing(tmp_path) if "/" not in name and name not in ("root", "home")]
        assert (root / "name").read_bytes() == b"old"
        assert len(listing(root)) == 3, "the unfinished file of a killed server stays until the next start"
    with server_process(home, *arguments) as server, session(server.port, None) as client:
        until(lambda: len(listing(root)) == 2, "the leftover is swept")
        put(client, b"name", b"new")
    assert listing(root) == ["huge", "name"]


# --- malicious servers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest", [bytes(16), bytes(32), digest_of(b"some")[:-1] + b"\0"], ids=["zero", "long", "close"]
)
def test_a_digest_that_does_not_match_keeps_the_file_from_appearing(tmp_path, digest):
    def play(wire):
        _read_request(wire)
        wire.send(File(id=1, size=4, mtime_ns=0, mode=0o644))
        wire.queue_data(b"some")
        wire.send(End(size=4, digest=digest))
        assert wire.receive() in (Bye(), None)

    with (
        fake_server(play) as port,
        session(port) as client,
        create_local_sink(str(tmp_path / "target")) as sink,
        pytest.raises(ChecksumMismatch),
    ):
        client.read((b"name",), sink)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("digest", [digest_of(b"other"), bytes(32)], ids=["another", "longer"])
def test_a_confirmation_of_something_else_is_none(digest):
    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Write)
        wire.receive_file()
        wire.send(Ok(id=1, size=4, digest=digest))
        assert wire.receive() in (Bye(), None)

    with fake_server(play) as port, session(port) as client, pytest.raises(ChecksumMismatch):
        put(client, b"name", b"some")


def test_a_confirmation_before_the_end_is_a_broken_protocol():
    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Write)
        wire.send(Ok(id=1))
        while wire.receive_frame() is not None:
            pass

    with fake_server(play) as port, session(port) as client, pytest.raises(ProtocolError):
        put(client, b"name", PATTERN * 8)


@pytest.mark.parametrize("looks", ["all", "every second"])
def test_welcome_in_the_middle_of_a_file_changes_nothing(monkeypatch, looks):
    """It may come at any time, between two looks of the client too; and it says nothing about the file."""
    received = bytearray()
    seen = itertools.cycle([True] if looks == "all" else [False, True])
    waiting = Channel.waiting
    monkeypatch.setattr(Channel, "waiting", lambda channel: next(seen) and waiting(channel))

    def play(wire):
        assert isinstance(wire.receive(), Write)
        received.extend(wire.receive_frame()[2])
        wire.send(WELCOME)
        data, last = wire.receive_file()
        received.extend(data)
        assert isinstance(last, End), last
        wire.send(Ok(id=1))
        assert wire.receive() in (Bye(), None)

    data = PATTERN * 8
    with fake_server(play) as port, session(port) as client:
        assert put(client, b"name", data).size == len(data)
        assert client.welcome == WELCOME
    assert received == data


def test_a_server_need_not_wait_for_a_file_to_say_welcome(tmp_path):
    """A client may begin a file and wait for WELCOME before it goes on."""
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.send(Write(id=1, path=(b"name",), size=4))
        assert isinstance(wire.receive(), Welcome)
        wire.queue_data(b"some")
        wire.send(End(size=4, digest=digest_of(b"some")), Write(id=2, path=(b"other",), size=4))
        assert wire.receive().id == 1, "an answer waits for no further request"
        wire.send(Abort(code=ErrorCode.CANCELLED))
        assert wire.receive().id == 2


# --- slow and silent peers --------------------------------------------------------------------------------------------


def test_the_servers_word_reaches_a_client_that_waits_for_a_pipe(tmp_path):
    """An early ERROR ends the wait for input that may never come."""
    (tmp_path / "folder").mkdir()
    reader, writer = os.pipe()
    try:
        with serving(tmp_path) as server, server.session(timeout=20) as client:
            os.write(writer, b"a first byte")
            with pytest.raises(FileError, match="folder"):
                client.write((b"folder",), PipeSource(reader))
            put(client, b"name", b"contents")
    finally:
        os.close(reader)
        os.close(writer)


def test_a_pipe_is_sent_as_it_comes(tmp_path):
    """What is there goes out before the wait for more: the server has it, while the pipe is open still."""
    reader, writer = os.pipe()
    sent = []

    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Write)
        for part in (b"one", b"two", b"three"):
            os.write(writer, part)
            assert wire.receive_frame() == (3, 0, part)
        os.close(writer)
        sent.append(wire.receive())
        wire.send(Ok(id=1))
        assert wire.receive() in (Bye(), None)

    try:
        with fake_server(play) as port, session(port) as client:
            assert client.write((b"name",), PipeSource(reader)).size == 11
    finally:
        os.close(reader)
    assert sent == [End(size=11, digest=digest_of(b"onetwothree"))]


@pytest.mark.exhaustive
@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_server_that_falls_silent_is_a_timeout_and_not_two(verb):
    gone = threading.Event()

    def play(wire):
        wire.receive()
        assert gone.wait(20)

    with fake_server(play) as port:
        began = time.monotonic()
        with pytest.raises(TransferTimeout), session(port, timeout=2) as client:
            get(client, b"name") if verb == "read" else put(client, b"name", PATTERN * 16)
        took = time.monotonic() - began
        gone.set()
    assert 1.9 < took < 3.9


def test_a_slow_reader_blocks_no_other_client(tmp_path):
    (tmp_path / "large").write_bytes(PATTERN * 16)
    with serving(tmp_path) as server, server.hostile(suite=Suite.NONE) as slow:
        slow.welcome()
        slow.send(Read(id=1, path=(b"large",)))
        assert isinstance(slow.receive(), File)
        with server.session() as client:
            for number in range(10):
                put(client, b"name", PATTERN[number:])
                assert get(client, b"name") == PATTERN[number:]
        assert slow.receive_file()[0] == PATTERN * 16


def test_two_full_buffers_block_no_other_client(tmp_path):
    """A client that sends requests without end and reads nothing, until it reads all."""
    (tmp_path / "name").write_bytes(PATTERN[: MIB // 4])
    with serving(tmp_path) as server, server.hostile(suite=Suite.NONE) as wire:
        wire.welcome()
        for number in range(1, 401):
            wire.send(Read(id=number, path=(b"name",)))
        for number in range(1, 401):
            assert wire.receive().id == number
            assert len(wire.receive_file()[0]) == MIB // 4


# --- full disks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 1, 65536, MIB, 3 * MIB])
@pytest.mark.parametrize("announced", [True, False], ids=["size known", "size unknown"])
def test_a_full_disk_at_the_server_is_told_and_the_session_goes_on(tmp_path, room, announced):
    with serving(tmp_path, store=FullStore(tmp_path, room)) as server, server.session() as client:
        with pytest.raises(NoSpace):
            put(client, b"name", PATTERN, announced=announced)
        assert listing(tmp_path) == []
        put(client, b"other", PATTERN[: min(room, 100)])
        assert get(client, b"other") == PATTERN[: min(room, 100)]
    assert listing(tmp_path) == ["other"]


class _Broken(MemorySink):
    def writev(self, buffers):
        raise NoSpace("no space left for: here")


def test_a_full_disk_here_ends_the_read_with_what_happened_here(tmp_path):
    (tmp_path / "name").write_bytes(PATTERN * 8)
    with serving(tmp_path) as server:
        with pytest.raises(NoSpace, match="here"), server.session() as client:
            client.read((b"name",), _Broken())
        server.done(1)
        assert "Internal" not in server.log.text


@pytest.mark.parametrize("failure", [InputOutputError("Gone."), Cancelled("Enough.")], ids=str)
def test_a_source_that_fails_here_is_what_is_raised(tmp_path, failure):
    with serving(tmp_path) as server, server.session() as client:
        source = MemorySource(PATTERN, failure=failure, fails_at=MIB, chunk=MIB // 4)
        with pytest.raises(type(failure), match=str(failure)):
            client.write((b"name",), source)
    assert listing(tmp_path) == []


# --- many clients -----------------------------------------------------------------------------------------------------


@pytest.mark.exhaustive
def test_thirty_two_clients_at_once(tmp_path):
    """Each writes and reads its own file and reads one that all read; every suite, every direction at the same time."""
    (tmp_path / "shared").write_bytes(PATTERN)
    inside = threading.Barrier(32)
    failures = []

    def work(number, server):
        data = PATTERN[number * 1000 : number * 1000 + 2 * MIB]
        name = b"%d" % number
        try:
            with server.session(suite=SUITES[number % 3]) as client:
                client.stat((b"shared",))  # the last flight of the handshake leaves with the first request
                inside.wait(20)
                for step in range(3):
                    if (number + step) % 3 == 0:
                        assert get(client, b"shared") == PATTERN
                    else:
                        put(client, name, data)
                assert get(client, name) == data
        except BaseException as failure:  # noqa: BLE001 - told below
            failures.append((number, failure))

    with serving(tmp_path, max_clients=32) as server:
        _together([lambda number=number: work(number, server) for number in range(32)])
        server.done(32)
        lines = server.log.text.splitlines()
    assert failures == []
    for number in range(1, 33):
        mine = [line for line in lines if f"  [{number} 127.0.0.1:" in line]
        assert mine[0].split(": ", 1)[1].startswith("Client connected: 127.0.0.1")
        assert mine[-1].split(": ", 1)[1].startswith("Done.")
        assert len([line for line in mine if "checksum" in line]) == 4


def test_beyond_max_clients_the_next_is_told_and_gets_in_when_there_is_room(tmp_path):
    with serving(tmp_path, max_clients=2) as server:
        first, second = server.hostile(), server.hostile()
        with first, second:
            first.welcome()
            second.welcome()
            for _ in range(3):
                with pytest.raises(HandshakeRefused, match="too many clients"):
                    server.session()
            second.send(Bye())
            assert second.receive() == Bye()
            server.done(4)
            with server.session() as client:
                put(client, b"name", b"contents")
        server.done(6)
    assert (tmp_path / "name").read_bytes() == b"contents"


def test_a_local_file_goes_there_and_back_with_an_odd_size(tmp_path):
    source, target, root = tmp_path / "source", tmp_path / "target", tmp_path / "root"
    root.mkdir()
    source.write_bytes(PATTERN[:1234567])
    with serving(root) as server, server.session() as client:
        with open_local_source(str(source)) as file:
            client.write((b"name",), file)
        with create_local_sink(str(target)) as sink:
            client.read((b"name",), sink)
    assert target.read_bytes() == PATTERN[:1234567]


def test_an_error_of_the_server_reads_as_ours_and_never_as_its_text():
    def play(wire):
        _read_request(wire)
        wire.send(Error(id=1, code=ErrorCode.IO_ERROR, text="\x1b[31m/secret/place\u202e"))
        assert wire.receive() in (Bye(), None)

    with fake_server(play) as port, session(port) as client, pytest.raises(InputOutputError) as failure:
        get(client, b"name\n")
    assert "secret" not in str(failure.value) + failure.value.hint
    assert str(failure.value).isprintable()
