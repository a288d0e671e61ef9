"""Uploads in parts against real servers: several streams, bad weather, restarts, and what is left behind: nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import secftp as api
from secftp.errors import ConnectionLost, ExitCode
from secftp.server.access import NamedKey, Rights
from secftp.transfer import CopyOptions, RemoteLocation, Upload
from tests.support.command_line import SECRET, SECRET_KEY, place, run
from tests.support.copying import Recorder, contents, look, make
from tests.support.losing import losing
from tests.support.proxy import PLAIN, Way, relaying
from tests.support.serving import (
    DEADLINE,
    HOST,
    client_command,
    digest_of,
    environment,
    listing,
    server_process,
    serving,
    session,
    until,
)
from tests.support.uploading import Uploader

pytestmark = pytest.mark.exhaustive

MIB = 2**20
SIZE = 4 * MIB + 4321
DATA = random.Random(4).randbytes(SIZE)
ROOT = RemoteLocation(())
FRAME = 65_572  # bytes of one DATA on the wire
WRITE_ONLY = Rights(read=False, write=True, overwrite=False, list=False, delete=False)


@pytest.fixture
def source(tmp_path):
    make(tmp_path / "here", {b"f": DATA})
    return tmp_path / "here" / "f"


def streaming(copy, port, **options):
    copy.open_stream = lambda _wanted: session(port, **options)
    return copy


def put(port, source, told=None, **options):
    """Copy a file over one session and its additional streams."""
    copy = streaming(Upload([os.fspath(source)], ROOT, CopyOptions(**options), told), port)
    with session(port) as client:
        return copy.run(client)


def parts_of(server, name="f"):
    """How many parts of a file the server was asked to write."""
    return server.log.text.count(f"requested to write filename: {name}, part")


# --- as a user does it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", ["1", "2", "4", "8", "16", "auto"])
def test_the_command_line_over_several_streams(secftp, tmp_path, source, streams):
    result = secftp("put", "--streams", streams, source, "//").succeed()
    assert look(tmp_path / "root")[b"f"] == look(tmp_path / "here")[b"f"]
    assert listing(tmp_path / "root") == ["f"]
    assert "Sent 1 file, 4.2 MB" in result.errors
    assert digest_of(DATA).hex() in result.errors
    assert (parts_of(secftp.server) > 1) == (streams not in ("1", "auto"))


def test_no_overwrite_skips_what_is_there_and_replaces_nothing(secftp, tmp_path, source):
    (tmp_path / "root" / "f").write_bytes(b"old")
    secftp("put", "--streams", "4", "--no-overwrite", source, "//").succeed()
    assert contents(tmp_path / "root") == {b"f": b"old"}
    secftp("put", "--streams", "4", source, "//").succeed()
    assert contents(tmp_path / "root") == {b"f": DATA}


def test_a_tree_of_large_files_keeps_its_streams(tmp_path, root):
    names = [b"a", b"b", b"c", b"d/a", b"d/b"]
    top = make(tmp_path / "src", {name: DATA[at:] for at, name in enumerate(names)} | {b"d/small": b"1", b"e": b""})
    with serving(root) as server:
        summary = put(server.port, top, streams=4)
        assert (summary.files, summary.failed) == (7, 0)
        assert server.log.text.count("Client connected") <= 4
    assert look(root / "src") == look(top)


def test_the_python_interface(tmp_path, root, source):
    told = []
    with (
        serving(root, key=SECRET_KEY) as server,
        api.connect(f"secftp://{place(server)}/", SECRET) as client,
    ):
        summary = client.put(source, streams=4, on_progress=told.append)
        assert parts_of(server) > 1
        client.put(source, "g", streams=1)
        assert client.stat("f").size == SIZE
    assert (summary.files, summary.bytes, summary.digest) == (1, SIZE, digest_of(DATA))
    assert (told[-1].bytes, told[-1].files) == (SIZE, 1)
    assert contents(root) == {b"f": DATA, b"g": DATA}


@pytest.mark.parametrize("rights", [WRITE_ONLY, WRITE_ONLY._replace(overwrite=True)])
def test_a_key_that_may_only_write(root, source, rights):
    with serving(root, named={"": NamedKey(SECRET_KEY.password(), rights)}) as server:
        pass
    with serving(root, key=SECRET_KEY, named={"drop": NamedKey(SECRET_KEY.password(), rights)}) as server:
        options = {"key": SECRET_KEY, "name": "drop"}
        copy = streaming(Upload([os.fspath(source)], ROOT, CopyOptions(streams=4)), server.port, **options)
        with session(server.port, **options) as client:
            assert copy.run(client).files == 1
    assert contents(root) == {b"f": DATA}


def test_a_key_that_may_not_write_is_refused_once(root, source):
    with serving(root, read_only=True) as server:
        copy = streaming(Upload([os.fspath(source)], ROOT, CopyOptions(streams=4)), server.port)
        with session(server.port) as client, pytest.raises(api.Forbidden):
            copy.run(client)
    assert listing(root) == []


# --- bad weather ------------------------------------------------------------------------------------------------------


def put_through(relay, source, told=None, *, attempts=3, **options):
    """A copy that is continued as often as the session of the copy is lost; returns how often that was."""
    copy = streaming(Upload([os.fspath(source)], ROOT, CopyOptions(**options), told), relay.port)
    for attempt in range(attempts):
        try:
            with session(relay.port) as client:
                return copy.run(client), attempt
        except ConnectionLost:
            pass
    raise AssertionError("lost again and again")


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("then", ["close", "reset"])
def test_every_message_of_a_client_is_cut_off(root, source, number, then):
    """One of the connections ends within or between the frames that the client sends on it."""
    with serving(root) as server:
        for cut in range(300, 30 * FRAME, 3 * FRAME + 1111):
            told = Recorder()
            ways = lambda each, cut=cut: Way(cut=cut, then=then) if each == number else PLAIN  # noqa: E731
            with relaying(server.port, up=ways) as relay:
                summary, losses = put_through(relay, source, told, streams=3)
            assert losses <= (number == 0)
            assert (summary.files, summary.failed, told.bytes, told.of("note")) == (1, 0, SIZE, [])
            assert contents(root) == {b"f": DATA}
            os.unlink(root / "f")
        server.done(server.log.text.count("Client connected"))
        assert listing(root) == []


@pytest.mark.parametrize("number", [0, 1])
def test_every_answer_of_a_server_is_cut_off(root, source, number):
    with serving(root) as server:
        for cut in range(200, 1200, 53):
            told = Recorder()
            ways = lambda each, cut=cut: Way(cut=cut) if each == number else PLAIN  # noqa: E731
            with relaying(server.port, down=ways) as relay:
                summary, losses = put_through(relay, source, told, streams=2, overwrite=False)
            assert losses <= (number == 0)
            assert (summary.files, summary.skipped, summary.failed, told.bytes) == (1, 0, 0, SIZE)
            assert contents(root) == {b"f": DATA}
            os.unlink(root / "f")


@pytest.mark.parametrize("rights", [None, WRITE_ONLY])
def test_a_lost_last_answer_is_asked_for_again(root, source, rights):
    """All sessions lose their answers from the moment on at which the file is complete."""
    key = {"key": SECRET_KEY, "name": "drop"} if rights else {}
    named = {"drop": NamedKey(SECRET_KEY.password(), rights)} if rights else {}
    with serving(root, **({"key": SECRET_KEY} if rights else {}), named=named) as server, losing(server.port) as way:
        copy = Upload([os.fspath(source)], ROOT, CopyOptions(streams=4, overwrite=False))
        copy.open_stream = _none
        with session(way.port, **key) as client:
            is_complete = lambda: "File confirmed" in server.log.text  # noqa: E731
            way.cut_when(is_complete, after=is_complete)
            with pytest.raises(ConnectionLost):
                copy.run(client)
        with session(way.port, **key) as client:
            summary = copy.run(client)
        assert (summary.files, summary.failed, summary.skipped) == (1, 0, 0)
        assert server.log.text.count("File confirmed") in (1, 2)
    assert contents(root) == {b"f": DATA}


def _none(_wanted):
    raise api.ServerBusy("no place")


def test_a_server_that_is_killed_and_started_again(tmp_path, source):
    """What it had confirmed is not sent again."""
    home = tmp_path / "home"
    root = home / "root"
    root.mkdir(parents=True)
    arguments = ["--host", HOST, "--root", root]
    told = Recorder()
    copy = Upload([os.fspath(source)], ROOT, CopyOptions(streams=4), told)
    slow = Way(pieces=20_000, pause=0.002)
    with (
        server_process(home, "0", *arguments, SECFTP_KEY=SECRET) as server,
        relaying(server.port, up=slow) as relay,
    ):
        copy.open_stream = lambda _wanted: session(relay.port, SECRET_KEY)

        def kill(nbytes):
            Recorder.moved(told, nbytes)
            if server.process.poll() is None and any(name.startswith(".secftp-map-") for name in listing(root)):
                os.kill(server.pid, signal.SIGKILL)

        told.moved = kill
        with session(relay.port, SECRET_KEY) as client, pytest.raises(ConnectionLost):
            copy.run(client)
        server.process.wait(DEADLINE)
    del told.moved
    kept = [name for name in listing(root) if name.startswith(".secftp-part-")]
    with server_process(home, "0", *arguments, SECFTP_KEY=SECRET) as server:
        copy.open_stream = lambda _wanted: session(server.port, SECRET_KEY)
        with session(server.port, SECRET_KEY) as client:
            summary = copy.run(client)
    assert kept
    assert (summary.files, summary.failed, told.bytes, told.of("note")) == (1, 0, SIZE, [])
    assert contents(root) == {b"f": DATA}


def test_a_client_that_is_interrupted_says_how_to_go_on(tmp_path, root, source):
    with serving(root, key=SECRET_KEY) as server, relaying(server.port, up=Way(pieces=20_000, pause=0.002)) as relay:
        url = f"secftp://{HOST}:{relay.port}/"
        command = client_command("put", "--streams", "3", os.fspath(source), url)
        process = subprocess.Popen(
            command, env=environment(tmp_path, SECFTP_KEY=SECRET), stderr=subprocess.PIPE, cwd=tmp_path, text=True
        )
        until(lambda: any(name.startswith(".secftp-map-") for name in listing(root)), "a part has arrived")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == ExitCode.INTERRUPTED
        assert "--resume" in errors
        assert "Traceback" not in errors
        server.done(server.log.text.count("Client connected"))
        before = parts_of(server)
        result = run(tmp_path, "put", "--resume", "--streams", "3", os.fspath(source), f"secftp://{place(server)}/")
        result.succeed()
        assert before
    assert contents(root) == {b"f": DATA}


@pytest.mark.parametrize("change", ["truncated", "written to"])
def test_a_source_that_changes_is_one_clear_failure(tmp_path, root, source, change):
    with serving(root, key=SECRET_KEY) as server, relaying(server.port, up=Way(pieces=20_000, pause=0.002)) as relay:
        command = client_command("put", "--streams", "3", os.fspath(source), f"secftp://{HOST}:{relay.port}/")
        process = subprocess.Popen(
            command, env=environment(tmp_path, SECFTP_KEY=SECRET), stderr=subprocess.PIPE, cwd=tmp_path, text=True
        )
        until(lambda: any(name.startswith(".secftp-map-") for name in listing(root)), "a part has arrived")
        if change == "truncated":
            os.truncate(source, MIB)
        else:
            with source.open("r+b") as file:
                file.write(b"other")
        _, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == ExitCode.FAILED
        assert errors.count("secftp: ") == 1
        assert "Traceback" not in errors
        server.done(server.log.text.count("Client connected"))
    assert listing(root) == [], "data that is known to be wrong is not kept"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cuts=st.lists(st.tuples(st.integers(200, SIZE), st.integers(150, 4000), st.booleans()), max_size=6),
    streams=st.integers(2, 6),
)
def test_any_connections_are_cut_off_anywhere(source_and_root, cuts, streams):
    """Whatever is lost, the file is there in the end, once, with all its bytes."""
    source, root = source_and_root
    ups = [Way(cut=up, then="reset" if hard else "close") for up, _, hard in cuts]
    downs = [Way(cut=down) for _, down, _ in cuts]
    told = Recorder()
    with (
        serving(root) as server,
        relaying(
            server.port,
            up=lambda each: ups[each] if each < len(ups) else PLAIN,
            down=lambda each: downs[each] if each < len(downs) else PLAIN,
        ) as relay,
    ):
        summary, _ = put_through(relay, source, told, attempts=len(cuts) + 1, streams=streams, overwrite=False)
        assert (summary.files, summary.skipped, summary.failed, told.bytes, told.of("note")) == (1, 0, 0, SIZE, [])
        assert told.names("finished") == [b"f"]
    assert contents(root) == {b"f": DATA}
    os.unlink(root / "f")
    assert listing(root) == []


@pytest.fixture
def source_and_root(source, root):
    return source, root


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_server_with_few_places_gets_fewer_streams(root, source):
    with serving(root, max_clients=4) as server, session(server.port) as one, session(server.port) as two:
        assert one.stat(()) == two.stat(())
        told = Recorder()
        summary = put(server.port, source, told, streams=8)
        assert (summary.files, summary.failed, told.of("note")) == (1, 0, [])
    assert contents(root) == {b"f": DATA}


def test_a_stream_gives_way_to_another_client(root, source):
    """The copy goes on with fewer streams, and says nothing of it."""
    slow = Way(pieces=10_000, pause=0.005)
    with (
        serving(root, max_clients=6) as server,
        relaying(server.port, up=slow) as relay,
        session(server.port) as one,
        session(server.port) as two,
        session(server.port) as three,
    ):
        found = [other.stat(()) for other in (one, two, three)]

        def visit():
            until(lambda: server.log.text.count("part at") >= 3, "all streams send")
            with session(server.port) as other:
                found.append(other.stat(()))

        visitor, told = threading.Thread(target=visit), Recorder()
        visitor.start()
        summary = put(relay.port, source, told, streams=3)
        visitor.join(DEADLINE)
        assert len(found) == 4
        assert (summary.files, summary.failed, told.of("note"), told.bytes) == (1, 0, [], SIZE)
    assert contents(root) == {b"f": DATA}


def test_a_python_client_that_is_closed_by_another_thread(root, source):
    slow = Way(pieces=10_000, pause=0.005)
    with serving(root, key=SECRET_KEY) as server, relaying(server.port, up=slow) as relay:
        client = api.connect(f"secftp://{HOST}:{relay.port}/", SECRET)

        def close():
            until(lambda: server.log.text.count("part at") >= 4, "all streams send")
            client.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(api.SecftpError):
            client.put(source, streams=4)
        closer.join(DEADLINE)
    assert "f" not in listing(root)


def test_a_callback_that_raises_ends_the_copy(root, source):
    class Stop(Exception):
        pass

    def stop(_progress):
        raise Stop

    with serving(root, key=SECRET_KEY) as server, api.connect(f"secftp://{place(server)}/", SECRET) as client:
        with pytest.raises(Stop):
            client.put(source, streams=4, on_progress=stop)
        assert client.put(source, streams=4).files == 1
    assert contents(root) == {b"f": DATA}


# --- resuming ---------------------------------------------------------------------------------------------------------


def leave_parts(server, ranges, data=DATA):
    """Have the server keep these ranges of `f`, as (at, size), of an upload whose client is gone."""
    with server.hostile() as wire:
        wire.welcome()
        uploader = Uploader(wire, data, path=(b"f",), mode=0o644)
        for at, size in ranges:
            assert uploader.send(at, at + size) is not None
    server.done(server.log.text.count("Client connected"))


@pytest.mark.parametrize("streams", [1, 4])
def test_another_copy_sends_what_is_missing(root, source, streams):
    ranges = [(MIB, 500_000), (3 * MIB, 70_000)]
    with serving(root) as server:
        leave_parts(server, ranges)
        told = Recorder()
        summary = put(server.port, source, told, streams=streams, resume=True)
    assert told.of("resumed") == [(b"f", 570_000)]
    assert (summary.bytes, told.bytes, told.of("note")) == (SIZE - 570_000, SIZE, [])
    assert contents(root) == {b"f": DATA}


def test_other_bytes_are_not_taken_over(root, source):
    with serving(root) as server:
        leave_parts(server, [(MIB, 500_000)], bytes(SIZE))
        told = Recorder()
        put(server.port, source, told, streams=4, resume=True)
    assert told.names("note") == [b"f"]
    assert contents(root) == {b"f": DATA}


def test_what_another_session_writes_is_not_resumed(root, source):
    with serving(root) as server, server.hostile() as wire:
        wire.welcome()
        Uploader(wire, DATA, path=(b"f",)).send(0, MIB)
        told = Recorder()
        assert put(server.port, source, told, streams=4, resume=True).files == 1
        assert [text for _, text in told.of("note")] == [
            "the server's partial file is still being written, so it starts again"
        ]
        assert contents(root)[b"f"] == DATA


def test_random_parts_are_kept(root, source):
    rng = random.Random(9)
    with serving(root) as server:
        for _ in range(15):
            cuts = sorted(rng.sample(range(SIZE + 1), 2 * rng.randint(1, 8)))
            ranges = [(at, end - at) for at, end in zip(cuts[::2], cuts[1::2], strict=True)]
            leave_parts(server, ranges)
            told = Recorder()
            summary = put(server.port, source, told, streams=rng.choice([1, 2, 4, 8]), resume=True)
            assert (summary.bytes, told.bytes) == (SIZE - sum(size for _, size in ranges), SIZE)
            assert told.of("note") == []
            assert contents(root) == {b"f": DATA}
            os.unlink(root / "f")


def test_two_clients_write_the_same_name(root, source):
    """One of them has the partial of the name; both succeed."""
    with serving(root) as server, contextlib.ExitStack() as stack:
        wire = stack.enter_context(server.hostile())
        wire.welcome()
        other = Uploader(wire, DATA, path=(b"f",))
        other.send(0, MIB)
        assert put(server.port, source, streams=4).files == 1
        assert contents(root)[b"f"] == DATA
        other.send(MIB, SIZE, whole=True)
