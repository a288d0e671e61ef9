"""Files that are written to a bucket: what is there after a commit, and after every failure."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

import pytest

from secftp.errors import (
    AlreadyExists,
    FileError,
    InputOutputError,
    IsADirectory,
    NotADirectory,
    Reason,
    TooLarge,
    Unsupported,
)
from secftp.protocol import Algorithm
from secftp.storage.attributes import WriteOptions
from secftp.storage.errors import failure
from secftp.storage.objects import copies, parts, sink
from secftp.storage.objects.bucket import MULTIPART, ConditionalWrites
from tests.storage.objects.faults import FaultyBucket, files_of, lost
from tests.support.serving import digest_of

PART = 1 << 16
DATA = os.urandom(5 * PART + 100)
REPLACE = WriteOptions()
ONLY_NEW = WriteOptions(overwrite=False)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts that a test can fill."""
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    monkeypatch.setattr(parts, "_UNKNOWN_PART", PART)
    monkeypatch.setattr(parts, "_UNIT", PART)


@pytest.fixture
def bucket():
    return FaultyBucket()


def write(bucket, data, options=REPLACE, *, name=b"f", piece=10_000, digest=True, **more):
    """Write a file as the server does; return what it has."""
    with files_of(bucket, **more).create_sink((name,), options) as sink:
        for at in range(0, len(data), piece):
            sink.writev([memoryview(data)[at : at + piece]])
        if digest:
            sink.note_digest(Algorithm.XXH128, digest_of(data))
        return sink.commit()


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART])
@pytest.mark.parametrize("options", [REPLACE, ONLY_NEW])
def test_a_file_of_up_to_a_part_is_one_put_with_all_that_is_known(bucket, size, options):
    info = write(bucket, DATA[:size], options._replace(mode=0o640, mtime_ns=1234567890123456789))
    assert (info.size, info.mode, info.mtime_ns) == (size, 0o640, 1234567890123456789)
    assert bucket.content("f") == DATA[:size]
    assert bucket.listing() == ["f"]
    metadata = bucket.metadata("f")
    assert len(metadata.pop("secftpupload")) == 32
    assert abs(int(metadata.pop("secftpstored")) - time.time_ns()) < 60 * 10**9
    assert metadata == {
        "secftpmtime": "1234567890123456789",
        "secftpmode": "640",
        "secftpsize": str(size),
        "secftpdigest": f"xxh128:{digest_of(DATA[:size]).hex()}",
    }
    written = [method for method, key in bucket.requests if key == "f" and method.startswith("put")]
    assert written == ["put"]


@pytest.mark.parametrize("size", [PART + 1, 2 * PART, len(DATA)])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("options", [REPLACE, ONLY_NEW])
def test_a_larger_file_is_sent_in_parts(bucket, size, is_known, options):
    write(bucket, DATA[:size], options._replace(size=size if is_known else None, mode=0o600, mtime_ns=5))
    assert bucket.content("f") == DATA[:size]
    upload = bucket.metadata("f")["secftpupload"]
    assert bucket.listing() == [f".secftp-digest/{upload}", "f"], "nothing is left of the reserved name"
    assert bucket.metadata(f".secftp-digest/{upload}")["secftpdigest"] == f"xxh128:{digest_of(DATA[:size]).hex()}"
    assert bucket.metadata("f")["secftpmtime"] == "5"
    assert bucket.count("put_parts") == 1
    assert bucket.count("copy") == (not options.overwrite)


def test_a_file_is_invisible_before_its_commit(bucket):
    bucket.write("f", b"before")
    with files_of(bucket).create_sink((b"f",), REPLACE) as open_sink:
        open_sink.writev([memoryview(DATA)])
        assert bucket.content("f") == b"before"
    assert bucket.content("f") == b"before"
    assert bucket.listing() == ["f"]


@pytest.mark.parametrize("size", [0, 100, len(DATA)])
@pytest.mark.parametrize("end", ["abort", "keep", "close"])
@pytest.mark.parametrize("options", [REPLACE, ONLY_NEW, WriteOptions(keep=True)])
def test_what_is_given_up_leaves_nothing(bucket, size, end, options):
    begun = files_of(bucket).create_sink((b"f",), options)
    begun.writev([memoryview(DATA)[:size]])
    getattr(begun, end)()
    begun.abort()
    begun.close()
    assert bucket.listing() == []
    assert not [thread for thread in threading.enumerate() if thread.name == "secftp-upload"]
    with pytest.raises(ValueError, match="closed"):
        begun.writev([memoryview(b"x")])
    with pytest.raises(ValueError, match="closed"):
        begun.commit()


@pytest.mark.parametrize("size", [100, len(DATA)])
def test_what_exists_is_not_replaced_without_permission(bucket, size):
    begun = files_of(bucket).create_sink((b"f",), ONLY_NEW)
    begun.writev([memoryview(DATA)[:size]])
    bucket.write("f", b"another writer's")
    with pytest.raises(AlreadyExists) as raised:
        begun.commit()
    assert raised.value.filename == "f"
    assert bucket.content("f") == b"another writer's"
    assert bucket.listing() == ["f"]
    with pytest.raises(AlreadyExists):
        files_of(bucket).create_sink((b"f",), ONLY_NEW)


@pytest.mark.parametrize("size", [100, len(DATA)])
def test_of_many_writers_of_one_new_name_one_is_told_that_it_has_it(bucket, size):
    sinks = [files_of(bucket).create_sink((b"f",), ONLY_NEW) for _ in range(8)]
    contents = [bytes([number]) * size for number in range(8)]
    for begun, content in zip(sinks, contents, strict=True):
        begun.writev([memoryview(content)])
    told = {}
    barrier = threading.Barrier(8)

    def commit(number):
        barrier.wait()
        try:
            sinks[number].commit()
            told[number] = True
        except AlreadyExists:
            told[number] = False

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number in told if told[number]]
    assert len(told) == 8
    assert bucket.content("f") == contents[winner]
    assert [key for key in bucket.listing() if not key.startswith(".secftp-digest/")] == ["f"]


# --- requests that fail, or whose answers are lost ---------------------------------------------------------------


def carried_out_but_lost(key, act):
    act()
    raise lost(key)


def not_carried_out(key, act):
    raise lost(key)


def repeated(key, act):
    """As a client library does after a lost answer: what it has made itself is what exists then."""
    act()
    return act()


COMMITS = [("put", 100, REPLACE), ("put", 100, ONLY_NEW), ("put_parts", len(DATA), REPLACE)]
COMMITS += [("put_parts", len(DATA), ONLY_NEW), ("copy", len(DATA), ONLY_NEW)]


@pytest.mark.parametrize(("method", "size", "options"), COMMITS)
def test_what_is_there_although_the_answer_was_lost_is_a_success(bucket, method, size, options):
    bucket.faults[method] = carried_out_but_lost
    assert write(bucket, DATA[:size], options, digest=False).size == size
    assert bucket.content("f") == DATA[:size]


@pytest.mark.parametrize(("method", "size", "options"), [one for one in COMMITS if one[0] != "put_parts"])
def test_a_request_that_was_repeated_finds_its_own_file(bucket, method, size, options):
    bucket.faults[method] = repeated
    assert write(bucket, DATA[:size], options, digest=False).size == size
    assert bucket.content("f") == DATA[:size]


@pytest.mark.parametrize("before", [None, b"x" * 100, DATA])
@pytest.mark.parametrize(("method", "size", "options"), COMMITS)
def test_what_is_not_there_is_a_failure(bucket, method, size, options, before):
    if before is not None and options.overwrite:
        bucket.write("f", before)
    bucket.faults[method] = not_carried_out
    with pytest.raises(InputOutputError) as raised:
        write(bucket, DATA[:size], options, digest=False)
    assert raised.value.reason is None
    assert bucket.listing() == ([] if before is None or not options.overwrite else ["f"])
    if bucket.listing():
        assert bucket.content("f") == before


@pytest.mark.parametrize(("method", "size", "options"), COMMITS)
def test_a_store_that_can_not_be_asked_may_have_stored_it(bucket, method, size, options):
    begun = files_of(bucket).create_sink((b"f",), options._replace(mode=0o600))
    bucket.faults[method] = carried_out_but_lost
    begun.writev([memoryview(DATA)[:size]])
    bucket.faults["info"] = not_carried_out
    with pytest.raises(InputOutputError, match="may have stored it") as raised:
        begun.commit()
    assert raised.value.reason is Reason.UNCONFIRMED


@pytest.mark.parametrize("options", [REPLACE, ONLY_NEW])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_failure_at_each_part_leaves_nothing(bucket, options, number):
    def fail(key, count):
        if count == number:
            raise lost(key)

    bucket.write("g", b"")
    bucket.faults["part"] = fail
    with pytest.raises(InputOutputError):
        write(bucket, DATA, options)
    assert bucket.listing() == ["g"]
    assert not [thread for thread in threading.enumerate() if thread.name == "secftp-upload"]


def test_a_digest_that_can_not_be_stored_is_no_failure(bucket):
    bucket.faults["put"] = not_carried_out
    assert write(bucket, DATA).size == len(DATA)
    assert bucket.listing() == ["f"]


# --- what a store can't do -----------------------------------------------------------------------------------------


class Poor(FaultyBucket):
    """A store without some conditions, or with a limit on copies."""

    def __init__(self, *, put=True, copy="native", max_copy=None):
        super().__init__()
        self.can = ConditionalWrites(put, copy)
        self._max_copy = max_copy

    @property
    def max_copy(self):
        return self._max_copy


def test_without_conditional_writes_nothing_is_written_that_may_not_replace():
    with pytest.raises(Unsupported) as raised:
        files_of(Poor(put=False)).create_sink((b"f",), ONLY_NEW)
    assert raised.value.reason is Reason.NO_CONDITION
    files_of(Poor(put=False)).create_sink((b"f",), REPLACE).close()


def test_without_conditional_copies_that_goes_for_large_files_alone():
    files = files_of(Poor(copy=None))
    with pytest.raises(Unsupported) as raised:
        files.create_sink((b"f",), ONLY_NEW._replace(size=PART + 1))
    assert raised.value.reason is Reason.NO_CONDITION
    files.create_sink((b"f",), ONLY_NEW._replace(size=PART)).close()
    begun = files.create_sink((b"f",), ONLY_NEW)
    begun.writev([memoryview(DATA)[:PART]])
    with pytest.raises(Unsupported):
        begun.writev([memoryview(DATA)[:1]])


def test_what_is_too_large_for_a_copy_is_refused_at_once():
    files = files_of(bucket := Poor(max_copy=3 * PART))
    with pytest.raises(TooLarge) as raised:
        files.create_sink((b"f",), ONLY_NEW._replace(size=3 * PART + 1))
    assert raised.value.reason is Reason.COPY_LIMIT
    files.create_sink((b"f",), REPLACE._replace(size=3 * PART + 1)).close()
    begun = files.create_sink((b"f",), ONLY_NEW)
    with pytest.raises(TooLarge):
        begun.writev([memoryview(DATA)])
    assert bucket.listing() == []


def losing(bucket, *, before=lambda to: None, after=lambda to: None):
    """Copies without the metadata, on condition that there is none of the name."""

    def copy(key, to, *, create=None):
        assert create == MULTIPART
        before(to)
        if to.text in bucket.listing():
            raise failure(AlreadyExists, "Already exists", to.path)
        bucket.write(to.text, bucket.content(key.text))
        after(to)

    bucket.can = ConditionalWrites(True, MULTIPART)
    bucket.copy = copy
    return bucket


def fail(key):
    raise lost(key)


def test_a_copy_that_loses_the_metadata_is_told_so():
    bucket = losing(Poor())
    info = write(bucket, DATA, ONLY_NEW._replace(mode=0o600, mtime_ns=5))
    assert info.mode == 0o644
    assert info.mtime_ns > 10**18
    assert bucket.listing() == ["f"]


def test_such_a_copy_whose_answer_was_lost_is_known_by_its_bytes():
    bucket = losing(Poor(), after=fail)
    assert write(bucket, DATA, ONLY_NEW).size == len(DATA)
    assert bucket.listing() == ["f"]


def test_one_that_was_not_made_is_a_failure():
    bucket = losing(Poor(), before=fail)
    with pytest.raises(InputOutputError) as raised:
        write(bucket, DATA, ONLY_NEW)
    assert raised.value.reason is None
    assert bucket.listing() == []


@pytest.mark.parametrize("data", [bytes(len(DATA)), DATA[:-1]])
def test_another_writers_file_is_not_taken_for_it(data):
    def replace(key):
        bucket.write(key.text, data)
        raise lost(key)

    bucket = losing(Poor(), before=replace)
    with pytest.raises(InputOutputError):
        write(bucket, DATA, ONLY_NEW)
    assert bucket.content("f") == data

    bucket = losing(Poor(), before=lambda key: bucket.write(key.text, data))
    with pytest.raises(AlreadyExists):
        write(bucket, DATA, ONLY_NEW)


def test_a_file_with_the_same_bytes_may_be_it_or_another_writers():
    bucket = losing(Poor(), before=lambda key: bucket.write(key.text, DATA))
    with pytest.raises(InputOutputError, match="may have stored it") as raised:
        write(bucket, DATA, ONLY_NEW)
    assert raised.value.reason is Reason.UNCONFIRMED


def test_such_a_copy_that_can_not_be_asked_for_may_be_there():
    def lose(key):
        bucket.faults["info"] = not_carried_out
        raise lost(key)

    bucket = losing(Poor(), after=lose)
    with pytest.raises(InputOutputError, match="may have stored it"):
        write(bucket, DATA, ONLY_NEW._replace(mode=0o600))


def test_no_backups(bucket):
    with pytest.raises(Unsupported):
        files_of(bucket).create_sink((b"f",), WriteOptions(backup=b"~"))


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [REPLACE, ONLY_NEW])
def test_a_file_takes_no_place_of_a_directory_and_no_directory_that_of_a_file(bucket, options):
    bucket.write("d/.secftp-directory", b"")
    bucket.write("a/b", b"a file")
    for name in [(b"d",), (b"a",)]:
        with pytest.raises(IsADirectory):
            files_of(bucket).create_sink(name, options)
    for name in [(b"a", b"b", b"c"), (b"a", b"b", b"c", b"d")]:
        with pytest.raises(NotADirectory) as raised:
            files_of(bucket).create_sink(name, options)
        assert raised.value.reason is Reason.NO_PARENT
    files_of(bucket).create_sink((b"new", b"directories", b"file"), options).close()


def test_without_a_mode_that_of_the_replaced_file_stays(bucket):
    assert write(bucket, b"1", WriteOptions(mode=0o600)).mode == 0o600
    assert write(bucket, b"2").mode == 0o600
    assert write(bucket, b"2", name=b"new").mode == 0o644
    assert write(bucket, b"2", WriteOptions(mode=0o666), mask=0o700).mode == 0o600


# --- how files are cut ---------------------------------------------------------------------------------------------


def test_parts_are_within_the_bounds(monkeypatch):
    monkeypatch.undo()
    assert parts.parts_for(100, (b"f",)) == (8 << 20, 4)
    assert parts.parts_for(None, (b"f",)) == (16 << 20, 2)
    assert parts.parts_for(80_000 << 20, (b"f",)) == (8 << 20, 4)
    assert parts.parts_for((80_000 << 20) + 1, (b"f",)) == (9 << 20, 3)
    assert parts.parts_for(1_280_000 << 20, (b"f",)) == (128 << 20, 1)
    with pytest.raises(TooLarge):
        parts.parts_for((1_280_000 << 20) + 1, (b"f",))
    for size in (None, 1, 100 << 30, 1 << 40):
        cut = parts.parts_for(size, (b"f",))
        assert cut.size * parts.MAX_PARTS >= (size or 0)
        assert cut.size * (cut.at_once + 2) <= max(64 << 20, 3 * cut.size)


def test_a_file_with_more_parts_than_a_store_takes_is_refused(bucket, monkeypatch):
    monkeypatch.setattr(sink, "MAX_PARTS", 4)
    begun = files_of(bucket).create_sink((b"f",), REPLACE)
    with pytest.raises(TooLarge):
        begun.writev([memoryview(DATA)])
    assert bucket.listing() == []
    assert write(bucket, DATA[: 4 * PART]).size == 4 * PART


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_no_more_parts_are_in_memory_than_is_said(bucket, monkeypatch, at_once):
    """One that is filled, one that waits for its turn, and those in flight."""
    alive = most = 0

    class Counted(bytearray):
        def __init__(self):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    def put_parts(key, each, metadata, **options):
        window = deque()
        for part in each:
            window.append(part)
            del part
            while len(window) > options["at_once"]:
                window.popleft()

    monkeypatch.setattr(sink, "bytearray", Counted, raising=False)
    monkeypatch.setattr(parts, "IN_FLIGHT", at_once * PART)
    bucket.put_parts = put_parts
    begun = files_of(bucket).create_sink((b"f",), REPLACE)
    for _ in range(100):
        begun.writev([memoryview(DATA)[:PART]])
    begun.close()
    assert at_once <= most <= at_once + 2
    del begun
    assert alive == 0


@pytest.mark.parametrize("problem", [failure(TooLarge, "x", (b"f",)), RuntimeError("x")])
def test_what_the_store_raises_is_raised_where_the_part_is_handed_over(bucket, problem):
    def fail(key, number):
        raise problem

    bucket.faults["part"] = fail
    begun = files_of(bucket).create_sink((b"f",), REPLACE)
    with pytest.raises(type(problem)):
        begun.writev([memoryview(DATA)])
    assert isinstance(problem, FileError) or bucket.listing() == []


@pytest.mark.parametrize("is_made", [True, False])
def test_a_copy_that_is_made_later_is_waited_for_and_its_source_stays_until_then(monkeypatch, is_made):
    class Later(FaultyBucket):
        copies_later = True

    def accept(key, act):
        act()
        whole = bucket.content("f"), bucket.metadata("f")
        bucket.write("f", b"", whole[1])
        if is_made:
            bucket.faults["info"] = lambda _key, look: (bucket.write("f", *whole), look())[1]
        del bucket.faults["copy"]

    monkeypatch.setattr(copies, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(copies, "COPY_SECONDS", 0.01)
    bucket = Later()
    bucket.faults["copy"] = accept
    if is_made:
        assert write(bucket, DATA, ONLY_NEW).size == len(DATA)
        assert bucket.content("f") == DATA
        assert not [key for key in bucket.listing() if key.startswith(".secftp-tmp")]
        return
    with pytest.raises(InputOutputError) as raised:
        write(bucket, DATA, ONLY_NEW)
    assert raised.value.reason is Reason.UNCONFIRMED
    (source,) = [key for key in bucket.listing() if key.startswith(".secftp-tmp")]
    assert bucket.content(source) == DATA
