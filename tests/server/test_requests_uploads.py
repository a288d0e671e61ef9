"""Uploads in parts: who may join, what arrives, how they end, and what is left when they do not."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from types import SimpleNamespace

import pytest

from secftp.intervals import Intervals
from secftp.keys import Key
from secftp.protocol import (
    Abort,
    Bye,
    End,
    Error,
    ErrorCode,
    Info,
    Ok,
    Part,
    Remove,
    Rename,
    SetAttributes,
    Sum,
    Write,
)
from secftp.server.access import NamedKey, Rights
from secftp.server.options import ServerLimits
from secftp.server.requests import parts as parts_module
from secftp.server.requests import prefix_digest as prefix_digest_module
from secftp.server.requests import upload as upload_module
from secftp.server.requests import uploads as uploads_module
from secftp.storage import LocalStore, WriteOptions
from secftp.storage.names import map_of, partial_name
from tests.support.serving import DEADLINE, KEY, MemorySource, digest_of, get, listing, put, serving, until
from tests.support.uploading import ID, NAME, OTHER_ID, WHOLE, Uploader

pytestmark = pytest.mark.exhaustive

PARTIAL = partial_name(b"f").decode()
MAP = map_of(partial_name(b"f")).decode()
DATA = random.Random(3).randbytes(3 * 2**20 + 4321)
SECOND_KEY = Key.from_secret(bytes(31) + b"\x09")
ONLY_NEW = Rights(read=False, write=True, overwrite=False, list=False, delete=False)
ONLY_READ = Rights(read=True, write=False, overwrite=False, list=False, delete=False)


@contextlib.contextmanager
def uploaders(server, count, *args, key=KEY, name="", **fields):
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            wire = stack.enter_context(server.hostile(key=key, name=name))
            wire.welcome()
            found.append(Uploader(wire, *args, **fields))
        yield found


def refused(answer, code):
    assert isinstance(answer, Error), answer
    assert answer.code is code


def arrived(answer, size, *, complete=False):
    assert isinstance(answer, Ok), answer
    assert (answer.size, answer.complete) == (size, complete)


def settled(server, uploader):
    """Wait until the server has begun the part that was announced last: it is then under way in its upload."""
    uploads = server.server._shared.uploads

    def begun():
        at, end = uploader.announced
        return any(
            (part.at, part.end) == (at, end)
            for entry in list(uploads._entries.values())
            for part in list(entry.upload._parts)
        )

    until(begun, "a part is under way")


def left_behind(server, uploader, count):
    """End a session, and wait until the server is done with it."""
    uploader.wire.send(Bye())
    uploader.wire.close()
    server.done(count)


# --- the straight way -------------------------------------------------------------------------------------------------


def test_two_sessions_make_one_file(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2, mode=0o640, mtime_ns=10**18) as (one, two):
        (tmp_path / "f").write_bytes(b"old")
        arrived(two.send(5, 12), 7)
        assert (tmp_path / "f").read_bytes() == b"old"
        answer = one.send(0, 5, whole=True)
        arrived(answer, 5, complete=True)
        assert answer.digest == digest_of(b"hello")
        assert (answer.mode_changed, answer.time_changed) == (False, False)
        assert listing(tmp_path) == ["f"]
        assert (tmp_path / "f").read_bytes() == WHOLE
        status = (tmp_path / "f").stat()
        assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o640, 10**18)


@pytest.mark.parametrize("algorithm", ["xxh128", "sha256", "md5"])
@pytest.mark.parametrize("size", [1 << 16, 1 << 20, 999_983])
def test_a_large_file_in_any_order(tmp_path, algorithm, size):
    ranges = [(at, min(at + size, len(DATA))) for at in range(0, len(DATA), size)]
    random.Random(size).shuffle(ranges)
    whole = digest_of(DATA, algorithm)
    with serving(tmp_path) as server, uploaders(server, 3, DATA, algorithm=algorithm) as found:
        for number, (at, end) in enumerate(ranges):
            answer = found[number % 3].send(at, end, whole=whole, digest=digest_of(DATA[at:end], algorithm))
            arrived(answer, end - at, complete=number == len(ranges) - 1)
        assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize("whole", [b"", b"x"])
def test_one_part_is_enough(tmp_path, whole):
    with serving(tmp_path) as server, uploaders(server, 1, whole) as (one,):
        arrived(one.send(0, len(whole), whole=True), len(whole), complete=True)
        assert (tmp_path / "f").read_bytes() == whole


def test_the_digest_of_the_whole_may_come_last_with_an_empty_part(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(0, 12), 12)
        assert listing(tmp_path) == [MAP, PARTIAL]
        arrived(one.ask(), 0, complete=True)
        assert listing(tmp_path) == ["f"]


def test_the_digest_of_the_whole_may_come_first(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(3, 12, whole=True), 9)
        arrived(one.send(0, 3), 3, complete=True)


def test_the_file_is_found_with_its_token(tmp_path):
    rights = Rights(read=False, write=True, overwrite=True, list=False, delete=False)
    named = {"w": NamedKey(SECOND_KEY.password(), rights)}
    with (
        serving(tmp_path, named=named) as server,
        uploaders(server, 1, key=SECOND_KEY, name="w", token=OTHER_ID) as (one,),
    ):
        arrived(one.send(0, 12, whole=True), 12, complete=True)
        one.wire.send(Sum(id=one.next_id(), path=NAME, token=OTHER_ID))
        answer = one.wire.receive()
        assert (answer.own, answer.digest) == (True, digest_of(WHOLE))


def test_who_completes_a_new_file_may_set_its_attributes(tmp_path):
    """As after any WRITE: a client that may not overwrite has created it."""
    named = {"w": NamedKey(SECOND_KEY.password(), ONLY_NEW)}
    with serving(tmp_path, named=named) as server, uploaders(server, 2, key=SECOND_KEY, name="w") as (one, two):
        two.send(5, 12)
        arrived(one.send(0, 5, whole=True), 5, complete=True)
        for uploader, result in ((one, Ok), (two, Error)):
            uploader.wire.send(SetAttributes(id=uploader.next_id(), path=NAME, mode=0o600))
            assert isinstance(uploader.wire.receive(), result)


def test_one_session_sends_many_files_one_after_the_other(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        for number in range(5):
            one.fields |= {"path": (b"%d" % number,), "upload": bytes([number]) * 16}
            arrived(one.send(5, 12), 7)
            arrived(one.send(0, 5, whole=True), 5, complete=True)
        assert listing(tmp_path) == ["0", "1", "2", "3", "4"]


# --- joining ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"path": (b"g",)},
        {"total": 13},
        {"algorithm": "md5"},
        {"overwrite": False},
        {"mode": 0o600},
        {"mtime_ns": 1},
        {"keep": False},
    ],
    ids=str,
)
def test_every_part_has_the_same_fields(tmp_path, changed):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(0, 5), 5)
        refused(two.send(5, 12, **changed), ErrorCode.CHANGED)
        arrived(two.send(5, 12, whole=True), 7, complete=True)
        refused(one.ask(**changed), ErrorCode.CHANGED)
        assert listing(tmp_path) == ["f"]


def test_under_another_key_it_is_another_upload(tmp_path):
    """The id tells no other client that there is an upload, and lets no other client write into it."""
    named = {"other": NamedKey(SECOND_KEY.password(), Rights(read=True, write=True, overwrite=True))}
    with (
        serving(tmp_path, named=named, anonymous=True, anonymous_write=True) as server,
        uploaders(server, 1) as (one,),
        uploaders(server, 1, b"HELLO, WORLD", key=SECOND_KEY, name="other") as (two,),
        uploaders(server, 1, b"hello, anybo", key=None) as (three,),
    ):
        arrived(one.send(0, 5), 5)
        arrived(two.send(5, 12, whole=True), 7)
        arrived(three.send(7, 12), 5)
        arrived(two.send(0, 5), 5, complete=True)
        assert (tmp_path / "f").read_bytes() == b"HELLO, WORLD"
        arrived(one.send(5, 12, whole=True), 7, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE
        arrived(three.send(0, 7, whole=True), 7, complete=True)
        arrived(two.ask(), 0, complete=True)
        assert (tmp_path / "f").read_bytes() == b"hello, anybo"
        assert listing(tmp_path) == ["f"]


def test_in_another_directory_of_the_same_key_it_is_another_upload(tmp_path):
    """A reload may give a key another directory."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    from secftp.server.requests.uploads import SessionUploads, Uploads

    uploads = Uploads()
    request = Write(id=1, path=NAME, size=0, upload=ID, at=0, total=0)
    started = []
    with LocalStore(tmp_path / "a") as first, LocalStore(tmp_path / "a") as same, LocalStore(tmp_path / "b") as other:
        for store in (first, same, other):
            session = SessionUploads(uploads, store, "key")
            session.join(request, session.tag_of(request), started.append, lambda: None)
    assert len(started) == 2


def test_a_client_without_the_right_to_write_sends_no_part(tmp_path):
    named = {"r": NamedKey(SECOND_KEY.password(), ONLY_READ)}
    with serving(tmp_path, named=named) as server, uploaders(server, 1, key=SECOND_KEY, name="r") as (one,):
        refused(one.send(0, 5), ErrorCode.READ_ONLY)
        assert listing(tmp_path) == []


def test_what_may_not_be_replaced_is_not(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    named = {"w": NamedKey(SECOND_KEY.password(), Rights(read=True, write=True, overwrite=False))}
    with serving(tmp_path, named=named) as server:
        with uploaders(server, 1, key=SECOND_KEY, name="w") as (one,):
            refused(one.send(0, 5), ErrorCode.EXISTS)
        with uploaders(server, 1, overwrite=False) as (one,):
            refused(one.send(0, 5), ErrorCode.EXISTS)
        (tmp_path / "f").unlink()
        with uploaders(server, 2, overwrite=False, upload=OTHER_ID) as (one, two):
            arrived(one.send(0, 5), 5)
            (tmp_path / "f").write_bytes(b"new")
            refused(one.send(5, 12, whole=True), ErrorCode.EXISTS)
            refused(two.ask(), ErrorCode.EXISTS)
            refused(two.send(0, 5), ErrorCode.EXISTS)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert listing(tmp_path) == ["f"]


def test_what_comes_into_being_meanwhile_is_not_replaced_without_the_right(tmp_path):
    named = {"w": NamedKey(SECOND_KEY.password(), ONLY_NEW)}
    with serving(tmp_path, named=named) as server, uploaders(server, 1, key=SECOND_KEY, name="w") as (one,):
        arrived(one.send(0, 5), 5)
        (tmp_path / "f").write_bytes(b"new")
        refused(one.send(5, 12, whole=True), ErrorCode.EXISTS)
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_kept_upload_of_another_key_is_not_continued(tmp_path):
    """Its id says nothing to other clients, after a restart of the server, too."""
    named = {"other": NamedKey(SECOND_KEY.password(), Rights(read=True, write=True, overwrite=True))}
    with serving(tmp_path, named=named) as server:
        interrupted(server, ((0, 5),), upload=ID)
        with uploaders(server, 1, key=SECOND_KEY, name="other") as (two,):
            arrived(two.ask(), 0)
            arrived(two.send(5, 12, whole=True), 7)
            assert two.kept().parts == (Part(5, 7),)


def test_an_upload_of_another_file_leaves_the_former(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(0, 5), 5)
        arrived(two.send(5, 7), 2)
        arrived(one.send(0, 5, path=(b"g",), upload=OTHER_ID), 5)
        assert sorted(listing(tmp_path))[:2] != [], "the other session is still there"
        arrived(two.send(7, 12), 5)
        arrived(two.send(0, 5, path=(b"h",), upload=bytes(16)), 5)
        answer = two.kept()
        assert answer.parts == (Part(0, 12),)


# --- parts that do not arrive -----------------------------------------------------------------------------------------


def test_a_part_with_another_digest_has_not_arrived(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(5, 12, whole=True), 7)
        refused(one.send(0, 5, digest=bytes(16)), ErrorCode.CHECKSUM)
        assert one.kept().parts == (Part(5, 7),)
        arrived(one.ask(), 0)
        arrived(one.send(0, 5), 5, complete=True)


@pytest.mark.parametrize("how", ["abort", "close", "reset"])
def test_a_part_that_is_broken_off_has_not_arrived_and_what_had_arrived_stays(tmp_path, how):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(3, 7), 4)
        two.begin(0, 12)
        two.wire.send_data(b"XXXXX")
        if how == "abort":
            two.wire.send(Abort(code=ErrorCode.CANCELLED))
            refused(two.wire.receive(), ErrorCode.CANCELLED)
        else:
            getattr(two.wire, how)()
            server.done(1)
        assert one.kept().parts == (Part(3, 4),)
        arrived(one.ask(), 0)
        arrived(one.send(0, 4), 4)
        arrived(one.send(5, 12, whole=True), 7, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE


@pytest.mark.parametrize("code", [ErrorCode.CHANGED, ErrorCode.CHECKSUM])
def test_a_source_that_changed_ends_the_upload(tmp_path, code):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(0, 5), 5)
        two.begin(5, 12)
        two.wire.send(Abort(code=code))
        refused(two.wire.receive(), ErrorCode.CANCELLED)
        assert listing(tmp_path) == []
        refused(one.send(5, 12, whole=True), ErrorCode.CHANGED)
        refused(one.ask(), ErrorCode.CHANGED)
        arrived(one.send(0, 12, whole=True, upload=OTHER_ID), 12, complete=True)


def test_the_digest_of_the_whole_is_compared(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        (tmp_path / "f").write_bytes(b"old")
        two.begin(0, 12)
        arrived(one.send(0, 12), 12)  # takes the place of the other
        refused(one.send(12, 12, whole=bytes(16)), ErrorCode.CHECKSUM)
        assert listing(tmp_path) == ["f"]
        two.end(0, 12)
        assert isinstance(two.wire.receive(), Error)
        for again in (one, two):
            refused(again.ask(), ErrorCode.CHECKSUM)
        assert (tmp_path / "f").read_bytes() == b"old"


def test_two_digests_of_the_whole_are_two_files(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(0, 5, whole=True), 5)
        refused(two.send(12, 12, whole=bytes(16)), ErrorCode.CHANGED)
        refused(one.send(5, 12, whole=True), ErrorCode.CHANGED)
        assert listing(tmp_path) == []


def test_bytes_that_have_arrived_are_not_written_again(tmp_path):
    """A part that was delayed must not undo what was confirmed, nor change what was hashed."""
    with serving(tmp_path) as server, uploaders(server, 2, DATA) as (one, two):
        size = len(DATA)
        arrived(one.send(2**20, 2**21), 2**20)
        arrived(one.send(5, 100), 95)
        other = bytes(size)
        arrived(two.send(2**20, 2**21, data=other[: 2**20]), 2**20)
        spoiled = DATA[:5] + other[5:100] + DATA[100 : 2**20] + other[: 2**20] + DATA[2**21 :]
        arrived(two.send(0, size, data=spoiled, whole=digest_of(DATA)), size, complete=True)
        assert (tmp_path / "f").read_bytes() == DATA


def test_a_part_of_another_version_of_the_file_is_noticed_in_the_end(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1, DATA) as (one,):
        arrived(one.send(0, 2**20, data=bytes(2**20)), 2**20)
        arrived(one.send(0, 2**20), 2**20)
        refused(one.send(2**20, len(DATA), whole=True), ErrorCode.CHECKSUM)
        assert listing(tmp_path) == []


# --- parts that come twice --------------------------------------------------------------------------------------------


def test_every_part_may_come_again_at_any_time(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        for uploader in (one, two, one):
            arrived(uploader.send(3, 9), 6)
        arrived(one.send(0, 6), 6)
        arrived(two.send(6, 12, whole=True), 6, complete=True)
        for uploader in (one, two):
            arrived(uploader.send(0, 6, whole=True), 6, complete=True)
            arrived(uploader.send(3, 9), 6, complete=True)
            arrived(uploader.ask(), 0, complete=True)
            refused(uploader.send(12, 12, whole=bytes(16)), ErrorCode.CHECKSUM)
            refused(uploader.send(0, 6, digest=bytes(16)), ErrorCode.CHECKSUM)
        assert (tmp_path / "f").read_bytes() == WHOLE
        assert listing(tmp_path) == ["f"]


def test_two_parts_in_the_same_place_at_once(tmp_path):
    """One of them may belong to a session that is lost, which the server does not know yet."""
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        one.begin(0, 8)
        one.wire.send_data(WHOLE[:3])
        settled(server, one)
        arrived(two.send(6, 12, whole=True), 6)
        late = WHOLE[:6] + b"XX"
        one.end(3, 8, data=late[3:], size=8, digest=digest_of(late))
        arrived(one.wire.receive(), 8, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE


def test_the_same_parts_at_once_from_many_sessions(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 4, DATA) as found:
        answers = []

        def send(one):
            for at in range(0, len(DATA), 2**20):
                answer = one.send(at, min(at + 2**20, len(DATA)), whole=True)
                answers.append(answer)

        threads = [threading.Thread(target=send, args=(one,)) for one in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [type(answer) for answer in answers] == [Ok] * len(answers)
        assert any(answer.complete for answer in answers)
        arrived(found[0].ask(), 0, complete=True)
        assert (tmp_path / "f").read_bytes() == DATA
        assert listing(tmp_path) == ["f"]


def test_two_sessions_complete_it_at_once_and_one_of_them_commits(tmp_path, monkeypatch):
    commits = []
    both = threading.Barrier(2, timeout=20)
    real = prefix_digest_module.PrefixDigest.finish

    def finish(self, check):
        commits.append(1)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)  # broken: no other thread may be here
        return real(self, check)

    monkeypatch.setattr(prefix_digest_module.PrefixDigest, "finish", finish)
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(0, 12), 12)
        for uploader in (one, two):
            uploader.begin(12, 12)
            uploader.end(12, 12, whole=True)
        for uploader in (one, two):
            arrived(uploader.wire.receive(), 0, complete=True)
        assert commits == [1]
        assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_part_that_comes_while_the_file_is_completed_waits_for_that(tmp_path, monkeypatch):
    hashing, go = threading.Event(), threading.Event()
    real = prefix_digest_module.PrefixDigest.finish

    def finish(self, check):
        hashing.set()
        assert go.wait(20)
        return real(self, check)

    monkeypatch.setattr(prefix_digest_module.PrefixDigest, "finish", finish)
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        one.begin(0, 12)
        one.end(0, 12, whole=True)
        assert hashing.wait(20)
        two.begin(0, 5)
        two.end(0, 5, data=b"XXXXX")
        go.set()
        arrived(one.wire.receive(), 12, complete=True)
        arrived(two.wire.receive(), 5, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_last_session_leaves_the_parts_and_a_new_one_continues(tmp_path):
    with serving(tmp_path) as server:
        with uploaders(server, 2) as (one, two):
            arrived(one.send(0, 3), 3)
            arrived(two.send(7, 12), 5)
            left_behind(server, one, 1)
            arrived(two.send(5, 7), 2)
            left_behind(server, two, 2)
        assert listing(tmp_path) == [MAP, PARTIAL]
        with uploaders(server, 1) as (one,):
            found = one.kept()
            assert isinstance(found, Info)
            assert (found.size, found.total, found.parts) == (3, 12, (Part(0, 3), Part(5, 7)))
            arrived(one.send(3, 5, whole=True), 2, complete=True)
            assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_part_under_way_goes_on_when_another_session_leaves(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2) as (one, two):
        arrived(one.send(0, 5), 5)
        two.begin(5, 12)
        settled(server, two)
        left_behind(server, one, 1)
        two.end(5, 12, whole=True)
        arrived(two.wire.receive(), 7, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_new_server_continues_it(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(0, 3), 3)
        arrived(one.send(7, 12), 5)
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.ask(), 0)
        arrived(one.send(3, 7, whole=True), 4, complete=True)
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.ask(), 0)  # it knows nothing, and says so
        assert listing(tmp_path) == ["f"]


def test_a_new_server_completes_what_had_arrived(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(0, 12), 12)
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.ask(), 0, complete=True)
    assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_question_about_nothing_leaves_nothing(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        with uploaders(server, 1, upload=OTHER_ID) as (other,):
            other.send(3, 7)
        server.done(1)
        arrived(one.ask(), 0)
        assert one.kept().parts == (Part(3, 4),), "another upload's, untouched"
        arrived(one.ask(path=(b"g",)), 0)
    assert listing(tmp_path) == [MAP, PARTIAL]


def test_without_the_wish_nothing_is_kept(tmp_path):
    with serving(tmp_path) as server:
        with uploaders(server, 2, keep=False) as (one, two):
            arrived(one.send(0, 3), 3)
            arrived(two.send(7, 12), 5)
            assert len(listing(tmp_path)) == 1
        server.done(2)
        assert listing(tmp_path) == []


def test_the_parts_of_a_plain_partial(tmp_path):
    with LocalStore(tmp_path) as store, store.create_sink(NAME, WriteOptions(keep=True)) as sink:
        sink.writev([memoryview(b"hello")])
        sink.keep()
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        found = one.kept()
        assert (found.size, found.total, found.parts) == (5, None, (Part(0, 5),))
        arrived(one.send(5, 12, whole=True, prefix=digest_of(b"hello")), 7, complete=True)
    assert (tmp_path / "f").read_bytes() == WHOLE


# --- adoption ---------------------------------------------------------------------------------------------------------


def interrupted(server, ranges=((0, 3), (7, 12)), count=1, upload=OTHER_ID):
    with uploaders(server, 1, upload=upload) as (one,):
        for at, end in ranges:
            arrived(one.send(at, end), end - at)
    server.done(count)


def test_another_upload_takes_over_what_is_kept(tmp_path):
    with serving(tmp_path) as server:
        interrupted(server)
        with uploaders(server, 2) as (one, two):
            arrived(one.send(3, 5, prefix=digest_of(WHOLE[:3] + WHOLE[7:])), 2)
            arrived(two.send(5, 7, whole=True, prefix=bytes(16)), 2, complete=True)  # ignored: it joins
            assert (tmp_path / "f").read_bytes() == WHOLE


@pytest.mark.parametrize("may_read", [True, False])
def test_other_bytes_are_not_taken_over(tmp_path, may_read):
    named = {"k": NamedKey(SECOND_KEY.password(), Rights(read=may_read, write=True, overwrite=True))}
    with serving(tmp_path, named=named) as server:
        interrupted(server)
        with uploaders(server, 1, key=SECOND_KEY, name="k") as (one,):
            refused(one.send(3, 5, prefix=bytes(16)), ErrorCode.CHECKSUM)
            assert listing(tmp_path) == ([MAP, PARTIAL] if may_read else []), "no second guess without the right"
            arrived(one.send(0, 12, whole=True), 12, complete=True)


def test_what_can_not_be_taken_over(tmp_path):
    with serving(tmp_path) as server:
        with uploaders(server, 1) as (one,):
            refused(one.send(3, 5, prefix=bytes(16)), ErrorCode.NOT_FOUND)
            arrived(one.send(0, 3, upload=OTHER_ID), 3)
            with uploaders(server, 1) as (two,):
                answer = two.send(3, 5, prefix=digest_of(WHOLE[:3]))
                refused(answer, ErrorCode.FORBIDDEN)
                assert answer.reason == "being_written"
            arrived(one.send(7, 12, upload=OTHER_ID), 5)
        server.done(2)
        with uploaders(server, 1, WHOLE[:11]) as (one,):
            refused(one.send(3, 5, prefix=digest_of(WHOLE[:3] + WHOLE[7:])), ErrorCode.CHECKSUM)
        assert listing(tmp_path) == [MAP, PARTIAL]


def test_many_sessions_take_it_over_at_once(tmp_path):
    with serving(tmp_path) as server:
        interrupted(server)
        with uploaders(server, 4) as found:
            prefix = digest_of(WHOLE[:3] + WHOLE[7:])
            for number, one in enumerate(found):
                one.begin(3 + number, 4 + number, prefix=prefix)
            for number, one in enumerate(found):
                one.end(3 + number, 4 + number, whole=True)
            answers = [one.wire.receive() for one in found]
            assert any(answer.complete for answer in answers)
        assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_client_that_knows_no_parts_resumes_the_first(tmp_path):
    with serving(tmp_path) as server:
        interrupted(server)
        with server.session() as client:
            assert client.stat(NAME, partial=True).size == 3
            digest = prefix_digest_of(WHOLE[:3])
            assert client.write(NAME, MemorySource(WHOLE), WriteOptions(keep=True), offset=3, prefix=digest).size == 9
            assert get(client, b"f") == WHOLE
    assert listing(tmp_path) == ["f"]


def prefix_digest_of(data):
    from secftp.storage import new_digest

    digest = new_digest("xxh128")
    digest.update(data)
    return digest


# --- the name meanwhile -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["remove", "rename", "write", "write-keep", "mkdir"])
def test_changes_of_the_name_meanwhile(tmp_path, change):
    """An upload that has a writer is not disturbed; what is not allowed to be there in the end is not replaced."""
    with serving(tmp_path) as server, uploaders(server, 1) as (one,), server.session() as client:
        (tmp_path / "f").write_bytes(b"old")
        arrived(one.send(0, 5), 5)
        if change == "remove":
            client.remove(NAME)
        elif change == "rename":
            client.rename(NAME, (b"g",))
        elif change == "mkdir":
            client.remove(NAME)
            client.make_directory(NAME)
        else:
            put(client, NAME, b"new", keep=change == "write-keep")
            assert get(client, b"f") == b"new"
        answer = one.send(5, 12, whole=True)
        if change == "mkdir":
            refused(answer, ErrorCode.IS_DIRECTORY)
            assert listing(tmp_path) == ["f"]
        else:
            arrived(answer, 7, complete=True)
            assert get(client, b"f") == WHOLE
            assert listing(tmp_path) == (["f", "g"] if change == "rename" else ["f"])


@pytest.mark.parametrize("change", ["remove", "rename", "write", "small"])
def test_changes_of_the_name_of_a_kept_upload_remove_it(tmp_path, change):
    with serving(tmp_path) as server:
        (tmp_path / "f").write_bytes(b"old")
        interrupted(server)
        with uploaders(server, 1) as (one,):
            if change == "remove":
                one.wire.send(Remove(id=one.next_id(), path=NAME))
            elif change == "rename":
                one.wire.send(Rename(id=one.next_id(), path=NAME, to=(b"g",)))
            else:
                one.wire.send(Write(id=one.next_id(), path=NAME, size=0))
                one.wire.send(End(size=0, digest=digest_of(b"")))
            assert isinstance(one.wire.receive(), Ok)
        assert not {MAP, PARTIAL} & set(listing(tmp_path))


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_the_number_of_separate_ranges_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(upload_module, "MAX_PARTS", 8)
    whole = bytes(4096)
    with serving(tmp_path) as server, uploaders(server, 1, whole) as (one,):
        for number in range(8):
            arrived(one.send(2 * number, 2 * number + 1), 1)
        refused(one.send(3000, 3001), ErrorCode.LIMIT)
        refused(one.send(4095, 4096), ErrorCode.LIMIT)
        assert len(one.kept().parts) == 8
        arrived(one.send(1, 2), 1)
        arrived(one.send(3000, 3001), 1)
        arrived(one.send(0, 4096, whole=True), 4096, complete=True)


def test_too_many_ranges_are_refused_before_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(upload_module, "MAX_PARTS", 2)
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(0, 1), 1)
        arrived(one.send(3, 4), 1)
        one.begin(6, 12)
        refused(one.wire.receive(), ErrorCode.LIMIT)
        one.wire.send(Abort(code=ErrorCode.CANCELLED))
        arrived(one.send(1, 12, whole=True), 11, complete=True)


def test_a_range_that_has_arrived_is_none_more(tmp_path, monkeypatch):
    monkeypatch.setattr(upload_module, "MAX_PARTS", 8)
    whole = bytes(8192)
    with serving(tmp_path) as server, uploaders(server, 2, whole) as (one, two):
        arrived(one.send(0, 100), 100)
        for number in range(7):
            arrived(one.send(200 + 2 * number, 201 + 2 * number), 1)
        arrived(two.send(50, 51), 1)
        arrived(two.send(90, 120), 30)
        refused(two.send(150, 151), ErrorCode.LIMIT)
        arrived(two.send(213, 214), 1)
        assert len(one.kept().parts) == 8


def test_ranges_that_become_too_many_while_they_are_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(upload_module, "MAX_PARTS", 2)
    with serving(tmp_path) as server, uploaders(server, 3) as (one, two, three):
        arrived(one.send(0, 1), 1)
        two.begin(3, 4)
        three.begin(6, 7)
        settled(server, two)
        settled(server, three)
        two.end(3, 4)
        arrived(two.wire.receive(), 1)
        three.end(6, 7)
        refused(three.wire.receive(), ErrorCode.LIMIT)
        assert one.kept().parts == (Part(0, 1), Part(3, 1))


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, 9, [b"abc", b"def", b"gh"]), (1, 4, [b"bc", b"d"]), (3, 6, [b"def"]), (7, 8, [b"h"]), (4, 4, []), (8, 9, [])],
)
def test_the_bytes_of_a_batch_that_are_missing(start, end, found):
    buffers = [memoryview(b"abc"), memoryview(b"def"), memoryview(b"gh")]
    assert upload_module.cut(buffers, start, end) == found


def test_a_file_that_is_too_large_for_the_server_is_refused_with_its_first_part(tmp_path):
    with LocalStore(tmp_path) as inner:
        from secftp.server.quota import BoundedStore, Quota

        limits = ServerLimits(max_file_size=11)
        store = BoundedStore(inner, Quota(limits, lambda *_: None))
        with serving(tmp_path, store=store) as server, uploaders(server, 1) as (one,):
            refused(one.send(0, 5), ErrorCode.TOO_LARGE)
            one.whole = WHOLE[:11]
            arrived(one.send(0, 11, whole=True, total=11, upload=OTHER_ID), 11, complete=True)
    assert listing(tmp_path) == ["f"]


def test_the_number_of_remembered_endings_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads_module, "MOST_ENDED", 2)
    with serving(tmp_path) as server, uploaders(server, 1, b"") as (one,):
        for number in range(4):
            arrived(one.send(0, 0, whole=True, upload=bytes([number]) * 16), 0, complete=True)
        uploads = server.server._shared.uploads
        assert len(uploads._ended) == 2
        assert uploads._entries == {}


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_ends_the_upload_and_frees_its_bytes(tmp_path, monkeypatch):
    real, room = os.pwritev, [2**20]

    def pwritev(fd, buffers, at):
        room[0] -= sum(map(len, buffers))
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return real(fd, buffers, at)

    monkeypatch.setattr(os, "pwritev", pwritev)
    with serving(tmp_path) as server, uploaders(server, 2, DATA) as (one, two):
        (tmp_path / "f").write_bytes(b"old")
        arrived(one.send(0, 2**19), 2**19)
        two.begin(2**21, 2**21 + 10)
        refused(one.send(2**19, 2**20 + 2**19), ErrorCode.NO_SPACE)
        two.end(2**21, 2**21 + 10)
        refused(two.wire.receive(), ErrorCode.NO_SPACE)
        refused(two.send(5, 10), ErrorCode.NO_SPACE)
        assert listing(tmp_path) == ["f"]
        room[0] = 1 << 40
        arrived(two.send(0, len(DATA), whole=True, upload=OTHER_ID), len(DATA), complete=True)
        assert (tmp_path / "f").read_bytes() == DATA


def test_an_unfinished_file_that_another_program_truncates(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 1) as (one,):
        arrived(one.send(5, 12, whole=True), 7)
        os.truncate(tmp_path / PARTIAL, 0)
        assert isinstance(one.send(0, 5), Error)
        assert listing(tmp_path) == []


def test_a_directory_that_is_not_there(tmp_path):
    with serving(tmp_path) as server, uploaders(server, 2, path=(b"d", b"f")) as (one, two):
        for uploader in (one, two, one):
            refused(uploader.send(0, 5), ErrorCode.NOT_FOUND)
        (tmp_path / "d").mkdir()
        arrived(one.send(0, 5), 5)
        arrived(two.send(5, 12, whole=True), 7, complete=True)


def test_the_log_tells_parts_and_files_apart(tmp_path):
    from tests.support.requests_at import served

    with served(tmp_path) as server:
        one = Uploader(server.wire())
        one.send(0, 5)
        one.send(5, 12, whole=True)
        one.ask()
        first, second, again = server.log.done
        assert (first.at, first.whole, first.moved, first.nbytes) == (0, None, False, 5)
        assert (second.at, second.whole, second.moved, second.nbytes) == (5, digest_of(WHOLE), True, 7)
        assert (again.at, again.whole, again.moved) == (12, None, False), "the file is counted once"
        assert any("part at" in line for line in server.log.told)
        assert sum("File confirmed" in str(line) for line in server.log.told) == 1


# --- anything in any order --------------------------------------------------------------------------------------------


class Expected:
    """What a client knows that has read the protocol: which bytes have arrived, and which parts are under way."""

    def __init__(self):
        self.there = set()
        self.running = {}

    def end(self, who, *, good):
        at, end = self.running.pop(who)
        if good:
            self.there |= set(range(at, end))


def parts_of(places):
    ranges = Intervals([(place, place + 1) for place in places])
    return tuple(Part(at, end - at) for at, end in ranges)


@pytest.mark.parametrize("seed", range(25))
def test_any_order_of_parts_against_a_model(tmp_path, seed):
    """Three sessions, parts that overlap, break off or have wrong digests; in the end the file is whole."""
    chance = random.Random(seed)
    whole = chance.randbytes(40)
    with serving(tmp_path) as server, uploaders(server, 3, whole) as found:
        expected = Expected()
        first = found[0].send(0, 0)
        arrived(first, 0)
        for _ in range(60):
            who = chance.randrange(3)
            one = found[who]
            if who not in expected.running:
                at = chance.randrange(40)
                end = chance.randrange(at, 41)
                one.begin(at, end)
                if end > at:
                    settled(server, one)
                    expected.running[who] = at, end
                else:
                    one.end(at, end)
                    arrived(one.wire.receive(), 0)
                continue
            at, end = expected.running[who]
            how = chance.choice(["good", "good", "good", "digest", "abort"])
            if how == "abort":
                one.wire.send(Abort(code=ErrorCode.CANCELLED))
                expected.end(who, good=False)
                assert isinstance(one.wire.receive(), Error)
            else:
                one.end(at, end, digest=bytes(16) if how == "digest" else None)
                expected.end(who, good=how == "good")
                assert isinstance(one.wire.receive(), Ok if how == "good" else Error), (seed, how)
            told = one.kept()
            assert (told.parts if isinstance(told, Info) else ()) == parts_of(expected.there), seed
        for who in list(expected.running):
            found[who].wire.send(Abort(code=ErrorCode.CANCELLED))
            assert isinstance(found[who].wire.receive(), Error)
        assert found[1].send(0, 40, whole=True).complete
        assert (tmp_path / "f").read_bytes() == whole
        assert listing(tmp_path) == ["f"]


# --- two servers of one directory -------------------------------------------------------------------------------------


@contextlib.contextmanager
def two_servers(root):
    """An uploader at each of two servers, and the first server."""
    with serving(root) as one, serving(root) as other, uploaders(one, 1) as (here,), uploaders(other, 1) as (there,):
        yield here, there, one


def test_an_additional_stream_at_another_server_leaves(tmp_path):
    with two_servers(tmp_path) as (here, there, _):
        arrived(here.send(0, 5), 5)
        refused(there.send(5, 12, whole=True, additional=True), ErrorCode.LIMIT)
        assert there.wire.receive().code is ErrorCode.LIMIT  # of BYE
        assert listing(tmp_path) == [MAP, PARTIAL]
        arrived(here.send(5, 12, whole=True), 7, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE


def test_an_additional_stream_at_another_server_leaves_an_upload_that_was_taken_over(tmp_path):
    with serving(tmp_path) as first, uploaders(first, 1) as (one,):
        arrived(one.send(0, 5), 5)
        left_behind(first, one, 1)
    prefix = digest_of(WHOLE[:5])
    with two_servers(tmp_path) as (here, there, _):
        arrived(here.send(12, 12, upload=OTHER_ID, prefix=prefix), 0)
        answer = there.send(5, 12, whole=True, upload=OTHER_ID, prefix=prefix, additional=True)
        refused(answer, ErrorCode.LIMIT)
        arrived(here.send(5, 12, whole=True, upload=OTHER_ID, prefix=prefix), 7, complete=True)


def test_a_copy_that_goes_on_at_another_server_waits_until_the_first_has_noticed(tmp_path, monkeypatch):
    waits = threading.Event()
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: waits.set())
    monkeypatch.setattr(parts_module, "time", clock)
    with two_servers(tmp_path) as (here, there, one):
        arrived(here.send(0, 5), 5)
        there.begin(5, 12)
        assert waits.wait(DEADLINE)
        left_behind(one, here, 1)
        there.end(5, 12, whole=True)
        arrived(there.wire.receive(), 7, complete=True)
        assert listing(tmp_path) == ["f"]


def test_a_copy_at_another_server_is_sent_whole_if_the_first_does_not_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(parts_module, "_RELEASE_SECONDS", 0.1)
    with two_servers(tmp_path) as (here, there, _):
        arrived(here.send(0, 5), 5)
        refused(there.send(5, 12, whole=True), ErrorCode.LIMIT)
        arrived(there.send(0, 12, whole=True, upload=OTHER_ID), 12, complete=True)
        assert (tmp_path / "f").read_bytes() == WHOLE


def test_what_an_additional_stream_may_not_read_is_no_matter_of_servers(tmp_path):
    """Only a file that is being written makes a stream leave."""
    with serving(tmp_path) as server, uploaders(server, 2) as (one, other):
        (tmp_path / "f").mkdir()
        assert one.send(0, 5, additional=True).code is not ErrorCode.LIMIT
        (tmp_path / "f").rmdir()
        arrived(one.send(0, 12, whole=True, upload=OTHER_ID, additional=True), 12, complete=True)
        assert other.ask().complete is False
