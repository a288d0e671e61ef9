"""Objects that are read: what is requested of the store, and that all bytes are of one version."""

from __future__ import annotations

import os
import threading
import time

import pytest

from secftp.errors import FileChanged, InputOutputError, IsADirectory, NotFound
from secftp.protocol import Algorithm, Kind
from secftp.server.requests import versions
from secftp.storage.attributes import FileInfo, WriteOptions
from secftp.storage.objects import digests, source
from secftp.storage.objects.bucket import Bucket
from secftp.storage.objects.keys import Key
from tests.storage.objects.faults import FaultyBucket, files_of, lost
from tests.support.serving import digest_of

KIB = 1 << 10
DATA = os.urandom(1000 * KIB + 7)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(source, "_FIRST_BLOCK", 16 * KIB)
    monkeypatch.setattr(source, "LARGEST_BLOCK", 128 * KIB)
    monkeypatch.setattr(source, "_LARGEST_WINDOW", 512 * KIB)


@pytest.fixture
def bucket():
    found = Ranges()
    found.write("f", DATA)
    return found


class Ranges(FaultyBucket):
    """Notes the requested ranges."""

    def __init__(self):
        super().__init__()
        self.ranges = []

    def get(self, key, start, end, *, etag=None):
        self.ranges.append((start, end))
        return self._request("get", key, lambda: Bucket.get(self, key, start, end, etag=etag))

    @property
    def requested(self):
        return sum(end - start for start, end in self.ranges)


def opened(bucket, name=b"f"):
    return files_of(bucket).open_source((name,))


def read(reader, offset, size, slots=4):
    """Read as the server does: into several buffers; return the bytes."""
    data = bytearray(size)
    step = -(-size // slots) or 1
    count = reader.readv([memoryview(data)[at : at + step] for at in range(0, size, step)], offset)
    return bytes(data[:count])


def read_all(reader, offset=0, piece=16 * KIB, until=None):
    data = b""
    until = len(DATA) if until is None else until
    while offset < until and (part := read(reader, offset, min(piece, until - offset))):
        data += part
        offset += len(part)
    return data


@pytest.mark.parametrize("is_expected", [True, False])
@pytest.mark.parametrize("piece", [999, 16 * KIB, 2000 * KIB])
def test_a_file_is_read_whole_and_each_byte_is_requested_once(bucket, is_expected, piece):
    with opened(bucket) as reader:
        assert (reader.info.kind, reader.info.size) == (Kind.FILE, len(DATA))
        if is_expected:
            reader.expect(0, len(DATA))
        assert read_all(reader, piece=piece) == DATA
        assert read(reader, len(DATA), 10) == b""
        reader.check_unchanged()
    assert bucket.requested == len(DATA)
    assert len(bucket.ranges) < 30
    assert bucket.most <= 4


def test_an_expected_range_is_requested_and_nothing_beyond_it(bucket):
    with opened(bucket) as reader:
        reader.expect(100 * KIB, 300 * KIB)
        assert read_all(reader, 100 * KIB, until=400 * KIB) == DATA[100 * KIB : 400 * KIB]
    assert min(bucket.ranges)[0] == 100 * KIB
    assert max(end for _, end in bucket.ranges) == 400 * KIB
    assert bucket.requested == 300 * KIB


def test_a_reader_that_jumps_gets_what_it_asks_for(bucket):
    places = [500 * KIB, 3, 900 * KIB, 40 * KIB, 500 * KIB]
    with opened(bucket) as reader:
        for at in places:
            assert read(reader, at, 1000) == DATA[at : at + 1000]
    assert bucket.ranges == [(at, at + 1000) for at in places]


def test_a_reader_that_goes_on_gets_more_each_time(bucket):
    with opened(bucket) as reader:
        assert read_all(reader, piece=1000, until=100 * KIB) == DATA[: 100 * KIB]
    assert len(bucket.ranges) <= 16, "not one for each of a hundred pieces"
    assert bucket.requested <= 3 * 100 * KIB
    assert bucket.ranges[0] == (0, 1000)


def test_an_empty_file_has_nothing_to_be_asked_for(bucket):
    bucket.write("empty", b"")
    with opened(bucket, b"empty") as reader:
        reader.expect(0, 0)
        assert read(reader, 0, 100) == b""
    assert bucket.ranges == []


def test_several_blocks_are_requested_at_once(bucket):
    """The store answers none before four have been asked for."""
    barrier = threading.Barrier(4)
    waited = []

    def wait(key, act):
        if len(waited) < 4:
            waited.append(key)
            barrier.wait(30)
        return act()

    bucket.faults["get"] = wait
    with opened(bucket) as reader:
        reader.expect(0, len(DATA))
        assert read_all(reader) == DATA


@pytest.mark.parametrize("change", ["replaced", "same size", "deleted"])
@pytest.mark.parametrize("is_expected", [True, False])
def test_versions_never_mix(bucket, change, is_expected):
    with opened(bucket) as reader:
        begun = read(reader, 0, 100)
        assert begun == DATA[:100]
        if change == "deleted":
            bucket.erase("f")
        else:
            bucket.write("f", os.urandom(len(DATA)) if change == "same size" else b"short")
        if is_expected:
            reader.expect(100, len(DATA))
        with pytest.raises(FileChanged):
            read_all(reader, 100)


def test_without_etags_a_file_that_became_shorter_is_noticed(bucket):
    found = bucket.info(Key("f", (b"f",)))._replace(etag=None)
    info = FileInfo(Kind.FILE, found.size, 0, 0o644)
    with source.ObjectSource(bucket, Key("f", (b"f",)), found, info) as reader:
        assert reader.stamp is None
        bucket.write("f", DATA[: 500 * KIB])
        reader.expect(0, len(DATA))
        with pytest.raises(FileChanged):
            read_all(reader)


def test_a_failing_store_is_an_error_where_it_fails(bucket):
    def fail(key, act):
        if len(bucket.ranges) > 5:
            raise lost(key)
        return act()

    bucket.faults["get"] = fail
    with opened(bucket) as reader:
        reader.expect(0, len(DATA))
        with pytest.raises(InputOutputError):
            read_all(reader)
        with pytest.raises(InputOutputError):
            read(reader, 0, 10)


def test_what_was_read_ahead_is_over_when_it_is_closed(bucket):
    reader = opened(bucket)
    reader.expect(0, len(DATA))
    read(reader, 0, 10)
    reader.close()
    reader.close()
    assert bucket.running == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("secftp-objects")]


def test_versions_have_different_stamps_that_all_servers_agree_on(bucket):
    with opened(bucket) as one, opened(bucket) as other:
        assert one.stamp == other.stamp
        first = versions.version_of(one)
        assert first == versions.version_of(other)
    key, versions._KEY = versions._KEY, b"that of another process"
    try:
        with opened(bucket) as other:
            assert versions.version_of(other) == first
    finally:
        versions._KEY = key
    bucket.write("f", os.urandom(len(DATA)))
    with opened(bucket) as other:
        assert versions.version_of(other) != first


def test_what_can_not_be_opened(bucket):
    bucket.write("d/f", b"")
    with pytest.raises(NotFound):
        opened(bucket, b"none")
    with pytest.raises(IsADirectory):
        opened(bucket, b"d")


# --- digests -------------------------------------------------------------------------------------------------------


def stored(data, size=None, name="xxh128", digest=None):
    return {
        "secftpdigest": f"{name}:{(digest or digest_of(data)).hex()}",
        "secftpsize": str(len(data) if size is None else size),
    }


def now(seconds=0):
    return {"secftpstored": str(time.time_ns() + round(seconds * 1e9))}


def digest_at(bucket, name=b"f", algorithm=Algorithm.XXH128):
    with opened(bucket, name) as reader:
        return reader.stored_digest(algorithm)


def test_the_stored_digest_is_that_of_the_metadata(bucket):
    assert digest_at(bucket) is None
    bucket.write("f", DATA, stored(DATA) | now())
    assert digest_at(bucket) == digest_of(DATA)
    assert digest_at(bucket, algorithm=Algorithm.SHA256) is None
    assert bucket.ranges == []


@pytest.mark.parametrize(
    "metadata",
    [
        stored(DATA, size=len(DATA) + 1),
        {"secftpdigest": stored(DATA)["secftpdigest"]},
        stored(DATA) | {"secftpdigest": "xxh128:zz"},
        stored(DATA) | {"secftpdigest": "xxh128:" + "0" * 31},
        stored(DATA) | {"secftpdigest": "md5:" + "0" * 32},
        {"secftpupload": "../../f", "secftpsize": "7"},
        {"secftpupload": "0" * 32},
    ],
)
def test_a_digest_that_does_not_fit_is_none(bucket, metadata):
    bucket.write("f", DATA, metadata | now())
    assert digest_at(bucket) is None


@pytest.mark.parametrize(("seconds", "counts"), [(-100, True), (100, True), (-140, False), (140, False), (None, False)])
def test_a_digest_is_not_of_what_was_stored_at_another_time(bucket, seconds, counts):
    """Another program has written the object anew, with as many bytes, and has kept its metadata."""
    bucket.write("f", DATA, stored(DATA) | ({} if seconds is None else now(seconds)))
    assert digest_at(bucket) == (digest_of(DATA) if counts else None)


@pytest.mark.parametrize(("began", "ended", "counts"), [(-900, 0, True), (0, 900, True), (-900, -800, False)])
def test_that_of_a_long_upload_counts_if_the_store_has_got_it_meanwhile(bucket, monkeypatch, began, ended, counts):
    upload = "0123456789abcdef" * 2
    bucket.write("f", DATA, {"secftpupload": upload} | now(began))
    with monkeypatch.context() as patch:
        at = time.time_ns() + ended * 10**9
        patch.setattr(digests.time, "time_ns", lambda: at)
        digests.keep_digest(bucket, upload, len(DATA), (Algorithm.XXH128, digest_of(DATA)), (b"f",))
    assert digest_at(bucket) == (digest_of(DATA) if counts else None)


def test_that_of_a_file_in_parts_is_found_by_its_upload(bucket):
    upload = "0123456789abcdef" * 2
    bucket.write("f", DATA, {"secftpupload": upload} | now())
    assert digest_at(bucket) is None
    digests.keep_digest(bucket, upload, len(DATA), (Algorithm.XXH128, digest_of(DATA)), (b"f",))
    assert digest_at(bucket) == digest_of(DATA)
    bucket.write("g", DATA + b"1", {"secftpupload": upload} | now())
    assert digest_at(bucket, b"g") is None, "of another size"
    bucket.faults["info"] = lost_digest
    assert digest_at(bucket) is None


def lost_digest(key, act):
    if key.text.startswith(".secftp-digest/"):
        raise lost(key)
    return act()


def test_a_file_has_the_digest_that_it_was_written_with(bucket):
    with files_of(bucket).create_sink((b"g",), WriteOptions()) as sink:
        sink.writev([memoryview(DATA)])
        sink.note_digest(Algorithm.MD5, digest_of(DATA, "md5"))
        sink.commit()
    assert digest_at(bucket, b"g", Algorithm.MD5) == digest_of(DATA, "md5")
    assert digest_at(bucket, b"g") is None
