"""Uploads in parts against the model's server: over several streams, with losses, refusals and sources that change."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from secftp.crypto import Suite
from secftp.errors import (
    ChecksumMismatch,
    ConnectionLost,
    FileChanged,
    Forbidden,
    NoSpace,
    ServerBusy,
    ServerUnreachable,
)
from secftp.transfer import CopyOptions, RemoteLocation, Upload, upload
from tests.model.server import ALL, Directory, File, Server
from tests.model.uploads import Kept
from tests.model.wire import Ended
from tests.support.copying import OLD, Recorder, make
from tests.support.serving import DEADLINE, digest_of
from tests.support.serving import session as session_at

pytestmark = pytest.mark.exhaustive

W = 7  # the scalar of tests.support.serving.KEY
MIB = 2**20
SIZE = 3 * MIB + 12_345
DATA = random.Random(3).randbytes(SIZE)
ROOT = RemoteLocation(())


@pytest.fixture
def model():
    with Server(W) as server:
        yield server


@pytest.fixture
def source(tmp_path):
    make(tmp_path / "here", {b"f": DATA})
    return tmp_path / "here" / "f"


def session(port):
    """A session without encryption, which the model computes slowly."""
    return session_at(port, suite=Suite.NONE)


def upload_of(server, sources, told=None, *, open_stream=None, **options):
    """A copy of one or more sources whose additional streams lead to the server."""
    names = [sources] if isinstance(sources, os.PathLike) else sources
    copy = Upload(list(map(os.fspath, names)), ROOT, CopyOptions(**options), told)
    copy.open_stream = open_stream or (lambda _wanted: session(server.port))
    return copy


def run(server, copy):
    with session(server.port) as client:
        return copy.run(client)


def put(server, sources, told=None, **options):
    return run(server, upload_of(server, sources, told, **options))


def arrived(server, *names):
    found = server.tree.nodes[names or (b"f",)]
    assert isinstance(found, File)
    return found.data


def sent(server):
    """How many bytes of parts have arrived."""
    return sum(size for _, size in server.parts)


class Together:
    """Lets no part of the copy's session be taken in before `additional` streams have sent one."""

    def __init__(self, server, additional=1):
        self._wanted = additional
        self._streams = set()
        self._here = threading.Event()
        server.on_part = self

    def __call__(self, asked):
        if asked.additional:
            self._streams.add(threading.get_ident())
            if len(self._streams) >= self._wanted:
                self._here.set()
        else:
            assert self._here.wait(DEADLINE), "no additional stream has come"

    @property
    def has_come(self):
        return self._here.is_set()


# --- whole files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [1, 2, 4, 8])
def test_a_file_is_sent_in_parts_over_several_streams(model, source, streams):
    told = Recorder()
    summary = put(model, source, told, streams=streams)
    assert arrived(model) == DATA
    assert (summary.files, summary.bytes, summary.failed) == (1, SIZE, 0)
    assert summary.digest == digest_of(DATA)
    assert told.of("finished") == [(b"f", SIZE, digest_of(DATA))]
    assert told.bytes == SIZE
    assert told.plans == [(1, SIZE)]
    assert model.uploads.completed == (streams > 1)
    assert sent(model) == (SIZE if streams > 1 else 0)


def test_all_streams_send_parts_of_the_file(model, source):
    Together(model, additional=2)
    put(model, source, streams=3)
    assert arrived(model) == DATA
    assert model.additional == 2
    assert model.uploads.completed == 1


def test_streams_are_added_to_a_file_while_that_pays(model, source, monkeypatch):
    class Tuner:
        def __init__(self):
            self.asked = []

        def more(self, done, total):
            self.asked.append((done, total))
            return 2 if len(self.asked) == 1 else 0

    tuner = Tuner()
    monkeypatch.setattr("secftp.transfer.streams.StreamPool.tuner_for", lambda _pool, _session, _number: tuner)
    Together(model, additional=2)
    put(model, source, streams=2)
    assert arrived(model) == DATA
    assert model.additional >= 2, "one that was begun with, and those that were added"
    assert {total for _, total in tuner.asked} == {SIZE}


def test_mode_and_time_are_those_of_the_source(model, source):
    source.chmod(0o640)
    put(model, source, streams=2)
    there = model.tree.nodes[b"f",]
    assert (there.mode, there.mtime_ns) == (0o640, OLD)
    model.tree.nodes.clear()
    model.tree.nodes[()] = Directory()
    put(model, source, streams=2, preserve=False)
    there = model.tree.nodes[b"f",]
    assert (there.mode, there.mtime_ns) == (0o644, 10**18)


@pytest.mark.parametrize("checksum", ["sha256", "blake3", "md5"])
def test_every_checksum(model, source, checksum):
    summary = put(model, source, streams=4, checksum=checksum)
    assert arrived(model) == DATA
    assert summary.digest == digest_of(DATA, checksum)
    assert model.uploads.completed == 1


def test_progress_is_reported_by_the_thread_of_the_copy_only(model, source):
    threads = set()

    class Told(Recorder):
        def moved(self, nbytes):
            super().moved(nbytes)
            threads.add(threading.get_ident())

    Together(model)
    told = Told()
    put(model, source, told, streams=4)
    assert threads == {threading.get_ident()}
    assert told.bytes == SIZE


def test_one_rate_limit_applies_to_all_streams(model, source, monkeypatch):
    spent = []
    monkeypatch.setattr(
        "secftp.transfer.rate_limit.RateLimit.spend", lambda limit, nbytes: spent.append((limit, nbytes))
    )
    Together(model)
    put(model, source, streams=4, limit_rate=10**9)
    assert len({limit for limit, _ in spent}) == 1
    assert sum(nbytes for _, nbytes in spent) == SIZE


def test_a_tree_with_large_and_small_files(model, tmp_path):
    files = {
        b"large": DATA, b"small": b"1", b"d/large": DATA[: 2 * MIB], b"d/other": DATA[5:], b"d/e/large": DATA[1:],
        b"d/e/small": b"2", b"z": b"",
    }  # fmt: skip
    told = Recorder()
    summary = put(model, [make(tmp_path / "src", files)], told, streams=4)
    assert {name: arrived(model, b"src", *name.split(b"/")) for name in files} == files
    assert (summary.files, summary.failed, summary.bytes) == (len(files), 0, sum(map(len, files.values())))
    assert told.bytes == summary.bytes
    assert model.uploads.completed == 4
    # The time of a directory is set after its last file has its name.
    assert {model.tree.nodes[b"src", *path].mtime_ns for path in [(), (b"d",), (b"d", b"e")]} == {
        os.stat(tmp_path / "src" / name).st_mtime_ns for name in ("", "d", "d/e")
    } or len({os.stat(tmp_path / "src" / name).st_mtime_ns for name in ("", "d", "d/e")}) != 1


def test_streams_wait_until_the_directory_of_the_file_is_there(model, tmp_path):
    """MKDIR is answered late: parts of other streams would find no directory."""
    early = threading.Event()

    def on_request(message):
        if message.name == "MKDIR":
            assert not early.wait(0.5), "a stream has sent a part before"
        elif message.name == "WRITE" and message.additional:
            early.set()

    model.on_request = on_request
    together = Together(model)
    make(tmp_path / "new", {b"d/f": DATA})
    assert put(model, tmp_path / "new", streams=8).failed == 0
    assert arrived(model, b"new", b"d", b"f") == DATA
    assert together.has_come


def test_a_directory_is_closed_after_its_files_are_complete(model, tmp_path):
    """Its time is set last, although another stream still sends a part when the copy's session has nothing to do."""
    closed, completed = threading.Event(), []
    together = Together(model)

    def on_part(asked):
        together(asked)
        if asked.additional:
            closed.wait(0.5)

    def on_request(message):
        if message.name == "SETATTR":
            completed.append(model.uploads.completed)
            closed.set()

    model.on_part, model.on_request = on_part, on_request
    make(tmp_path / "new", {b"f": DATA})
    assert put(model, tmp_path / "new", streams=2).failed == 0
    assert completed == [1]


# --- fewer streams ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem",
    [ServerBusy("no place"), ConnectionLost("lost"), ServerUnreachable("gone"), OSError("no socket"), Forbidden("no")],
)
def test_streams_that_can_not_be_had_are_no_failure(model, source, problem):
    def refuse(_wanted):
        raise problem

    told = Recorder()
    summary = put(model, source, told, open_stream=refuse, streams=4)
    assert arrived(model) == DATA
    assert (summary.failed, told.of("note"), told.of("failed")) == (0, [], [])
    assert model.uploads.completed == 1


def test_a_defect_of_a_stream_ends_the_copy(model, source):
    tried = threading.Event()

    def broken(_wanted):
        tried.set()
        raise ZeroDivisionError

    model.on_part = lambda _asked: tried.wait(DEADLINE)
    copy = upload_of(model, source, open_stream=broken, streams=4)
    with pytest.raises(ZeroDivisionError):
        run(model, copy)


@pytest.mark.parametrize("times", [1, 2, 9])
def test_a_lost_stream_gives_its_part_back(model, source, times, monkeypatch):
    """Additional streams are cut when they send a part; again and again, or for good."""

    def never(_queue):
        raise AssertionError("the part was not given back")

    monkeypatch.setattr("secftp.transfer.parts.PartQueue.give_back_held", never)
    lost = []

    def cut(asked):
        together(asked)
        if asked.additional and len(lost) < times:
            lost.append(asked.at)
            raise Ended(orderly=False)

    together = Together(model)
    model.on_part = cut
    told = Recorder()
    summary = put(model, source, told, streams=3)
    assert lost
    assert arrived(model) == DATA
    assert (summary.failed, told.of("note"), told.bytes) == (0, [], SIZE)
    assert model.uploads.completed == 1


@pytest.mark.parametrize("streams", [2, 4])
def test_the_additional_streams_complete_a_file_whose_session_is_lost(model, source, streams):
    """Nothing else is left to do then, so that the loss does not matter."""
    seen = []

    def cut(asked):
        together(asked)
        if not asked.additional:
            seen.append(asked.at)
            raise Ended(orderly=False)

    together = Together(model)
    model.on_part = cut
    told = Recorder()
    summary = put(model, source, told, streams=streams)
    assert seen == [0]
    assert arrived(model) == DATA
    assert (summary.files, summary.failed, told.bytes, told.of("note")) == (1, 0, SIZE, [])
    assert told.plans == [(1, SIZE)]
    assert model.uploads.completed == 1


def test_a_stream_that_has_to_give_way_gives_its_part_back(model, source):
    """Its part is answered with `limit`; the file is sent by the others, in parts as before."""
    limited = []

    def limit(asked):
        together(asked)
        if asked.additional and len(limited) < 2:
            limited.append(asked)
            return "limit"
        return None

    together = Together(model)
    model.on_part = limit
    told = Recorder()
    summary = put(model, source, told, streams=3)
    assert limited
    assert (summary.files, summary.failed, told.bytes, told.of("note")) == (1, 0, SIZE, [])
    assert sent(model) == SIZE
    assert arrived(model) == DATA


def test_a_stream_that_hangs_is_not_waited_for(model, source, monkeypatch):
    """Its connection is silent; what it has taken is sent once more by the session of the copy."""
    monkeypatch.setattr("secftp.transfer.upload_in_parts._HUNG_SECONDS", 0.3)
    over, hung = threading.Event(), []

    def hang(asked):
        together(asked)
        if asked.additional:
            hung.append(asked)
            assert over.wait(DEADLINE), "the copy waited for it"

    together = Together(model)
    model.on_part = hang
    told = Recorder()
    try:
        summary = put(model, source, told, streams=3)
    finally:
        over.set()
    assert hung
    assert arrived(model) == DATA
    assert (summary.files, summary.failed, told.bytes, told.of("note")) == (1, 0, SIZE, [])
    assert model.uploads.completed == 1


def test_what_is_left_after_a_loss_is_done_over_the_next_session(model, tmp_path):
    """The file that the additional streams complete is not sent again."""

    def cut(asked):
        together(asked)
        if not asked.additional:
            model.on_part = lambda _asked: None
            raise Ended(orderly=False)

    together = Together(model)
    model.on_part = cut
    make(tmp_path, {b"a": DATA, b"b": b"small"})
    told = Recorder()
    copy = upload_of(model, [tmp_path / "a", tmp_path / "b"], told, streams=3)
    with pytest.raises(ConnectionLost):
        run(model, copy)
    assert told.names("finished") == [b"a"]
    assert run(model, copy).files == 2
    assert (arrived(model, b"a"), arrived(model, b"b")) == (DATA, b"small")
    assert (model.uploads.completed, told.bytes) == (1, SIZE + 5)


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({}, 2),
        ({"update": True}, 0),
        ({"resume": True}, 0),
        ({"dry_run": True}, 0),
        ({"overwrite": False}, 0),
        ({"exclude": (b"x",)}, 0),
        ({"include": (b"f",)}, 0),
    ],
)
def test_streams_are_opened_while_the_server_looks_at_the_target(model, source, monkeypatch, options, number):
    """Unless the file may turn out to be there, or not to be wanted."""
    copy, opened = upload_of(model, source, streams=3, **options), []
    real = upload.upload_roots

    def upload_roots(*arguments, **options):
        opened.append(copy.streams.alive)
        return real(*arguments, **options)

    monkeypatch.setattr(upload, "upload_roots", upload_roots)
    run(model, copy)
    assert opened == [number]


def test_no_stream_is_opened_for_a_file_that_is_not_replaced(model, source):
    model.tree.nodes[b"f",] = File(b"old")
    opened = []

    def open_stream(_wanted):
        opened.append(1)
        return session(model.port)

    model.refuse_part = "exists"
    put(model, source, open_stream=open_stream, streams=8, overwrite=False)
    assert opened == []


def test_a_server_without_uploads_gets_one_stream(tmp_path, source):
    with Server(W, capabilities=tuple(each for each in ALL if each != "uploads")) as old:
        put(old, source, streams=8)
        assert arrived(old) == DATA
        assert (old.parts, old.additional, old.served.count("WRITE")) == ([], 0, 1)


def test_a_server_that_grants_one_stream_gets_one(model, source):
    model.streams = 1
    put(model, source, streams=8)
    assert arrived(model) == DATA
    assert (model.parts, model.additional, model.served.count("WRITE")) == ([], 0, 1)


def test_a_stream_of_a_server_without_uploads_is_not_used(model, source):
    """A server that was replaced by an older one in between would take a part for the whole file."""
    with Server(W, capabilities=("ranges", "stat")) as old:
        put(model, source, open_stream=lambda _wanted: session(old.port), streams=4)
        assert "WRITE" not in old.served
    assert arrived(model) == DATA


@pytest.mark.parametrize("size", [0, 1, 32769, MIB, 2 * MIB - 1])
def test_a_file_that_is_not_large_goes_in_one_stream(model, tmp_path, size):
    make(tmp_path / "here", {b"f": DATA[:size]})
    put(model, tmp_path / "here" / "f", streams=8)
    assert arrived(model) == DATA[:size]
    assert model.parts == []


@pytest.mark.parametrize("code", ["limit", "unsupported"])
def test_a_server_that_takes_no_upload_now_gets_the_file_whole(model, source, code):
    model.refuse_part = code
    told = Recorder()
    summary = put(model, source, told, streams=4)
    assert arrived(model) == DATA
    assert (summary.files, summary.failed, summary.bytes, told.bytes) == (1, 0, SIZE, SIZE)
    assert told.names("started") == [b"f"]
    assert model.served.count("WRITE") < 20


def test_a_server_that_sends_every_part_back_ends_the_file(model, source):
    model.refuse_part = "cancelled"
    told = Recorder()
    summary = put(model, source, told, open_stream=_none, streams=4)
    assert (summary.files, summary.failed, told.bytes) == (0, 1, 0)
    assert model.served.count("WRITE") < 100


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"), [("no_space", NoSpace), ("checksum", ChecksumMismatch), ("forbidden", Forbidden)]
)
def test_a_refusal_fails_the_file_once_and_the_copy_continues(model, tmp_path, code, kind):
    make(tmp_path, {b"a": DATA, b"b": b"small"})
    model.refuse_part = code
    told = Recorder()
    summary = put(model, [tmp_path / "a", tmp_path / "b"], told, streams=4)
    assert (summary.files, summary.failed) == (1, 1)
    ((name, problem),) = told.of("failed")
    assert (name, type(problem)) == (b"a", kind)
    assert told.bytes == 5
    assert (b"a",) not in model.tree.nodes
    assert arrived(model, b"b") == b"small"


def test_no_overwrite_skips_a_file_that_exists(model, source):
    model.tree.nodes[b"f",] = File(b"old")
    told = Recorder()
    summary = put(model, source, told, streams=4, overwrite=False)
    assert (summary.files, summary.skipped, summary.failed) == (0, 1, 0)
    assert arrived(model) == b"old"


def test_a_file_that_appears_meanwhile_is_not_replaced(model, source):
    def appear(_asked):
        model.tree.nodes.setdefault((b"f",), File(b"other"))

    model.on_part = appear
    summary = put(model, source, streams=4, overwrite=False)
    assert (summary.files, summary.skipped, summary.failed) == (0, 1, 0)
    assert arrived(model) == b"other"


@pytest.mark.parametrize("data", [DATA, DATA[::-1]], ids=["ours", "another's"])
def test_a_file_that_is_stored_late_by_the_server_before(model, source, data):
    """The client is sending it once more by then. If it is another's file, it is compared no second time."""

    def lose(name, fields):
        if name == "OK" and fields.get("complete"):
            model.uploads.restart()
            model.lose = lambda _name, _fields: False
            del model.tree.nodes[b"f",]  # the next server does not see it yet
            return True
        return False

    def appear(_asked):
        model.tree.nodes.setdefault((b"f",), File(data, mtime_ns=source.stat().st_mtime_ns))

    model.lose = lose
    told = Recorder()
    copy = upload_of(model, source, told, open_stream=_none, streams=2, overwrite=False)
    with pytest.raises(ConnectionLost):
        run(model, copy)
    model.on_part = appear
    summary = run(model, copy)
    is_ours = data == DATA
    assert (summary.files, summary.skipped, summary.failed) == (is_ours, not is_ours, 0)
    assert arrived(model) == data
    assert len(told.of("finished")) == is_ours


def test_read_only_keys_end_the_copy(model, source):
    model.refuse_part = "read_only"
    with pytest.raises(Forbidden):
        put(model, source, streams=4)


def test_a_server_that_stops_is_continued(model, source):
    copy = upload_of(model, source, streams=4)
    model.refuse_part = "stopping"
    with pytest.raises(ConnectionLost):
        run(model, copy)
    model.refuse_part = None
    assert run(model, copy).files == 1
    assert arrived(model) == DATA


def test_a_false_confirmation_is_a_failure(model, source):
    model.lies = {"OK"}
    told = Recorder()
    summary = put(model, source, told, streams=4)
    assert (summary.files, summary.failed) == (0, 1)
    assert isinstance(told.of("failed")[0][1], ChecksumMismatch)


# --- sources that change ----------------------------------------------------------------------------------------------


def change_at(model, number, change):
    """Call `change` before the server takes in the part of that number."""
    lock, count = threading.Lock(), [0]

    def on_part(_asked):
        with lock:
            count[0] += 1
            if count[0] == number:
                change()

    model.on_part = on_part


@pytest.mark.parametrize("streams", [2, 4, 8])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_source_that_is_truncated_or_written_to_fails(model, source, streams, number):
    def write():
        with source.open("r+b") as file:
            file.write(b"!")
        os.utime(source, ns=(1, 1))

    made = []
    for change in (lambda: os.truncate(source, SIZE // 2), lambda: os.truncate(source, 0), write):
        source.write_bytes(DATA)
        change_at(model, number, change)
        told = Recorder()
        summary = put(model, source, told, streams=streams)
        made.append(summary.files)
        if summary.files:  # all of it had been read by then
            assert arrived(model) == DATA
        else:
            assert (summary.failed, told.bytes) == (1, 0)
            assert isinstance(told.of("failed")[0][1], FileChanged)
            assert (b"f",) not in model.tree.nodes
        model.settle()  # parts of this upload that are still on their way must not count as those of the next
        model.tree.nodes.pop((b"f",), None)


@pytest.mark.parametrize("streams", [2, 8])
def test_a_source_that_grows_is_sent_as_it_was(model, source, streams):
    def grow():
        with source.open("ab") as file:
            file.write(b"more")

    change_at(model, 1, grow)
    summary = put(model, source, streams=streams)
    assert (summary.files, summary.failed) == (1, 0)
    assert arrived(model) == DATA


@pytest.mark.parametrize("streams", [2, 8])
def test_a_source_that_is_replaced_is_sent_as_it_was_opened(model, source, streams):
    def replace():
        other = source.with_name("other")
        other.write_bytes(b"x" * SIZE)
        other.replace(source)

    change_at(model, 1, replace)
    summary = put(model, source, streams=streams)
    assert (summary.files, summary.failed) == (1, 0)
    assert arrived(model) == DATA


# --- lost sessions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [2, 4])
@pytest.mark.parametrize("after", [1, 2, 9, 20, 40])
def test_a_copy_continues_the_same_upload_over_the_next_session(model, source, streams, after):
    told = Recorder()
    copy = upload_of(model, source, told, streams=streams)
    model.cut_after = after
    runs, summary = 0, None  # additional streams may complete the file: then it is one
    while summary is None:
        runs += 1
        try:
            summary = run(model, copy)
        except ConnectionLost:
            assert runs < 3
    assert arrived(model) == DATA
    assert model.uploads.completed == 1
    assert sent(model) <= SIZE + 2 * streams * MIB // 2, "what had been confirmed is not sent again"
    assert (summary.files, told.bytes, told.of("note")) == (1, SIZE, [])


@pytest.mark.parametrize("options", [{}, {"overwrite": False}])
@pytest.mark.parametrize("streams", [1, 2, 4])
def test_a_lost_last_answer_is_asked_for_again(model, source, options, streams):
    """By the same session, if it was another stream's, or by the next one. The file is complete once."""
    lost = []

    def lose(name, fields):
        if name == "OK" and fields.get("complete") and not lost:
            lost.append(name)
            return True
        return False

    model.lose = lose
    told = Recorder()
    copy = upload_of(model, source, told, streams=max(2, streams), **options)
    if streams == 1:
        copy.open_stream = _none
    try:
        summary = run(model, copy)
    except ConnectionLost:
        summary = run(model, copy)
    else:
        assert streams > 1
    assert lost
    assert (summary.files, summary.failed, summary.skipped) == (1, 0, 0)
    assert model.uploads.completed == 1
    assert sent(model) == SIZE
    assert arrived(model) == DATA
    assert told.names("finished") == [b"f"]
    assert "SUM" not in model.served, "the answer itself is asked for"


def test_a_lost_last_answer_of_a_server_that_was_restarted_is_found_out_by_the_digest(model, source):
    def lose(name, fields):
        if name == "OK" and fields.get("complete"):
            model.uploads.restart()
            model.lose = lambda _name, _fields: False
            return True
        return False

    model.lose = lose
    told = Recorder()
    copy = upload_of(model, source, told, open_stream=_none, streams=4, overwrite=False)
    with pytest.raises(ConnectionLost):
        run(model, copy)
    summary = run(model, copy)
    assert (summary.files, summary.failed, summary.skipped) == (1, 0, 0)
    assert model.uploads.completed == 1
    assert sent(model) == SIZE


def _none(_wanted):
    raise ServerBusy("no")


@pytest.mark.parametrize("keeps", [True, False])
def test_a_server_that_was_restarted_in_the_middle(model, source, keeps):
    """It has the parts that it kept, or nothing at all."""
    told = Recorder()
    copy = upload_of(model, source, told, open_stream=_none, streams=4)
    model.cut_after = 40
    with pytest.raises(ConnectionLost):
        run(model, copy)
    model.uploads.leave(0, model.tree.partials)
    model.uploads.restart()
    before = sent(model)
    assert before
    if not keeps:
        model.tree.partials.clear()
    summary = run(model, copy)
    assert arrived(model) == DATA
    assert (summary.files, summary.failed, told.bytes) == (1, 0, SIZE)
    assert sent(model) == SIZE + (0 if keeps else before)


def test_a_source_that_changed_between_two_sessions_is_a_new_upload(model, source):
    copy = upload_of(model, source, open_stream=_none, streams=4)
    model.cut_after = 40
    with pytest.raises(ConnectionLost):
        run(model, copy)
    other = bytes(reversed(DATA))
    source.write_bytes(other)
    assert run(model, copy).files == 1
    assert arrived(model) == other


def test_a_copy_that_continues_over_an_older_server(model, source, monkeypatch):
    copy = upload_of(model, source, open_stream=_none, streams=4)
    model.cut_after = 40
    with pytest.raises(ConnectionLost):
        run(model, copy)
    model.capabilities = tuple(each for each in ALL if each != "uploads")
    assert run(model, copy).files == 1
    assert arrived(model) == DATA


def test_a_server_that_never_completes_gets_the_file_whole(model, source, monkeypatch):
    monkeypatch.setattr("tests.model.uploads.Upload.is_full", property(lambda _upload: False))
    told = Recorder()
    summary = put(model, source, told, streams=4)
    assert (summary.files, summary.failed, told.bytes) == (1, 0, SIZE)
    assert len(told.of("note")) == 1
    assert arrived(model) == DATA


def test_an_exception_of_the_listener_ends_the_copy(model, source):
    class Stop(Exception):
        pass

    class Told(Recorder):
        def moved(self, nbytes):
            raise Stop

    with pytest.raises(Stop):
        put(model, source, Told(), streams=4)
    assert (b"f",) not in model.tree.nodes


def test_parts_that_a_server_lost_again_are_sent_again(model, source):
    """None should be, but it does not cost the whole file."""
    lost = []

    def forget():
        (upload,) = model.uploads.known.values()
        ((at, size), *_) = upload.kept.ranges()
        upload.kept.arrived[at : at + size] = bytes(size)
        lost.append(size)

    change_at(model, 4, forget)
    told = Recorder()
    summary = put(model, source, told, open_stream=_none, streams=4)
    assert (summary.files, summary.failed, told.bytes, told.of("note")) == (1, 0, SIZE, [])
    assert arrived(model) == DATA
    assert sent(model) == SIZE + sum(lost)


# --- resuming ---------------------------------------------------------------------------------------------------------


def keep(model, ranges, data=DATA, total=None, name=b"f"):
    """Let the server have these ranges of the file."""
    total = len(data) if total is None else total
    kept = Kept(bytearray(total), bytearray(total), total, upload=b"?" * 16)
    for at, size in ranges:
        kept.data[at : at + size] = data[at : at + size]
        kept.arrived[at : at + size] = b"\1" * size
    model.tree.partials[name,] = kept


def test_a_file_starts_again_if_only_the_first_part_was_refused(model, source):
    """The writer of before may have ended in between, so that the next part finds the partial free."""
    keep(model, [(0, MIB)])
    parts = []

    def on_part(asked):
        parts.append(asked)
        if len(parts) == 1:
            time.sleep(0.2)  # the next part is on its way by then
            return "forbidden"
        return None

    model.on_part = on_part
    told = Recorder()
    summary = put(model, source, told, streams=4, resume=True)
    assert (summary.files, summary.failed) == (1, 0)
    assert arrived(model) == DATA
    assert len(told.of("note")) == 1
    assert parts[0].prefix == parts[1].prefix is not None
    assert parts[-1].prefix is None


def test_another_copy_sends_what_is_missing(model, source):
    keep(model, [(MIB, 5000), (2 * MIB, 7)])
    told = Recorder()
    summary = put(model, source, told, streams=4, resume=True)
    assert arrived(model) == DATA
    assert told.of("resumed") == [(b"f", 5007)]
    assert (summary.files, summary.bytes, told.bytes, told.of("note")) == (1, SIZE - 5007, SIZE, [])
    assert sent(model) == SIZE - 5007


def test_one_stream_sends_what_is_missing_between_parts(model, source):
    keep(model, [(0, MIB), (2 * MIB, 5000)])
    put(model, source, streams=1, resume=True)
    assert arrived(model) == DATA
    assert sent(model) == SIZE - MIB - 5000


def test_all_of_it_is_there_but_its_name(model, source):
    keep(model, [(0, SIZE)])
    told = Recorder()
    summary = put(model, source, told, streams=4, resume=True)
    assert arrived(model) == DATA
    assert (summary.files, summary.bytes, sent(model)) == (1, 0, 0)


def test_a_partial_that_was_not_sent_in_parts_is_continued_in_parts(model, source):
    model.tree.partials[b"f",] = DATA[:MIB]
    told = Recorder()
    put(model, source, told, streams=4, resume=True)
    assert arrived(model) == DATA
    assert told.of("resumed") == [(b"f", MIB)]
    assert sent(model) == SIZE - MIB


@pytest.mark.parametrize("ranges", [[(0, MIB)], [(5, MIB), (2 * MIB, 10)]])
def test_a_partial_with_other_bytes_starts_again_with_a_note(model, source, ranges):
    keep(model, ranges, bytes(SIZE))
    told = Recorder()
    summary = put(model, source, told, streams=4, resume=True)
    assert arrived(model) == DATA
    assert (summary.files, summary.failed, summary.bytes, told.bytes) == (1, 0, SIZE, SIZE)
    assert told.names("note") == [b"f"]
    assert told.names("started") == [b"f"]


def test_a_source_that_is_shorter_than_what_is_kept_starts_again_with_a_note(model, source):
    keep(model, [(SIZE, 10)], DATA * 2)
    told = Recorder()
    put(model, source, told, streams=4, resume=True)
    assert arrived(model) == DATA
    assert told.names("note") == [b"f"]


def test_a_source_that_has_grown_goes_on(model, source):
    keep(model, [(MIB, MIB)], DATA[: 2 * MIB])
    put(model, source, streams=4, resume=True)
    assert arrived(model) == DATA
    assert sent(model) == SIZE - MIB


def test_without_resume_nothing_of_a_partial_is_used(model, source):
    keep(model, [(0, SIZE - 1)], bytes(SIZE))
    put(model, source, streams=4)
    assert arrived(model) == DATA
    assert sent(model) == SIZE
    assert model.tree.partials == {}


def test_random_parts_are_kept(model, source):
    """Whatever ranges the server has, the rest is sent and nothing else."""
    rng = random.Random(8)
    for _ in range(12):
        cuts = sorted(rng.sample(range(SIZE + 1), 2 * rng.randint(1, 6)))
        ranges = [(at, end - at) for at, end in zip(cuts[::2], cuts[1::2], strict=True)]
        model.settle()
        model.tree.nodes.pop((b"f",), None)
        model.parts = []
        keep(model, ranges)
        told = Recorder()
        put(model, source, told, streams=rng.choice([1, 2, 4, 8]), resume=True)
        assert arrived(model) == DATA
        if ranges[0][0] or len(ranges) > 1:
            assert sent(model) == SIZE - sum(size for _, size in ranges)
        assert (told.bytes, told.of("note")) == (SIZE, [])
