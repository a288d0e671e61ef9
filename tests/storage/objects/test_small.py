"""Small files of a bucket: many requests at once, with the results in order."""

from __future__ import annotations

import threading

import pytest

from secftp.errors import AlreadyExists, InputOutputError, IsADirectory, NameRefused, NotADirectory, NotFound, TooLarge
from secftp.protocol import Algorithm
from secftp.storage.attributes import ALL_KEPT, Kept, WriteOptions
from secftp.storage.objects.files import ObjectSmallFiles
from secftp.storage.objects.info import Times
from tests.storage.objects.faults import FaultyBucket, files_of, lost
from tests.support.serving import digest_of

MANY = 200
OPTIONS = WriteOptions(mode=0o640, mtime_ns=10**18)


@pytest.fixture
def bucket():
    return FaultyBucket()


@pytest.fixture
def small(bucket):
    with ObjectSmallFiles(files_of(bucket)) as found:
        yield found


def batch(count=MANY, options=OPTIONS, directory=b"d"):
    return [((directory, b"%d" % number), memoryview(b"%d" % number), options) for number in range(count)]


def test_many_are_written_at_once_and_the_results_are_in_order(bucket, small):
    together = threading.Barrier(32)
    begun = []

    def wait(key, act):
        if len(begun) < 32:
            begun.append(key)
            together.wait(30)
        return act()

    bucket.faults["put"] = wait
    assert list(small.write_each(batch())) == [ALL_KEPT] * MANY
    assert 32 <= bucket.most <= 64
    for number in range(MANY):
        assert bucket.content(f"d/{number}") == b"%d" % number


def test_many_are_read_at_once_and_the_results_are_in_order(bucket, small):
    list(small.write_each(batch()))
    bucket.requests.clear()
    paths = [path for path, _, _ in batch()]
    together = threading.Barrier(32)
    begun = []

    def wait(key, act):
        if len(begun) < 32:
            begun.append(key)
            together.wait(30)
        return act()

    bucket.faults["get_whole"] = wait
    found = list(small.read_each(paths, 100))
    assert [data for _, data in found] == [b"%d" % number for number in range(MANY)]
    assert {(info.mode, info.mtime_ns) for info, _ in found} == {(0o640, 10**18)}
    assert {method for method, _ in bucket.requests} == {"get_whole"}
    assert len(bucket.requests) == MANY, "one request for each"


def test_a_batch_asks_once_about_its_directories(bucket, small):
    list(small.write_each(batch()))
    assert bucket.count("put") == MANY
    assert bucket.count("list") == 1
    assert bucket.count("info") == 1


def test_a_crowded_directory_is_asked_about_each_name(bucket, small):
    for number in range(1000):
        bucket.write(f"d/old{number}", b"")
    bucket.write("d/7/x", b"")
    results = list(small.write_each(batch(10)))
    assert [type(one) for one in results] == [Kept] * 7 + [IsADirectory] + [Kept] * 2


def test_what_fails_fails_alone(bucket, small):
    bucket.write("d/3/x", b"a directory")
    bucket.write("file", b"")
    bucket.faults["put"] = lambda key, act: fail(key, act, "d/5")
    files = batch(8)
    files.insert(4, ((b"file", b"x"), memoryview(b""), OPTIONS))
    files.insert(4, ((b"d", b"\xff"), memoryview(b""), OPTIONS))
    results = list(small.write_each(files))
    kinds = [Kept] * 3 + [IsADirectory, NameRefused, NotADirectory, Kept, InputOutputError, Kept, Kept]
    assert [type(one) for one in results] == kinds
    assert sorted(bucket.listing()) == sorted(["d/3/x", "file", *(f"d/{number}" for number in (0, 1, 2, 4, 6, 7))])


def fail(key, act, name):
    if key.text == name:
        raise lost(key)
    return act()


def test_what_can_not_be_read(bucket, small):
    bucket.write("d/f", b"12345")
    found = list(small.read_each([(b"d", b"f"), (b"d",), (b"none",), (b"d", b"f"), (b"\xff",)], 4))
    assert [type(one) for one in found] == [TooLarge, IsADirectory, NotFound, TooLarge, NameRefused]
    assert small.read((b"d", b"f"), 5)[1] == b"12345"


@pytest.mark.parametrize("overwrite", [True, False])
def test_files_of_one_path_are_written_in_their_order(bucket, small, overwrite):
    options = OPTIONS._replace(overwrite=overwrite)
    files = [((b"d", b"f"), memoryview(b"%d" % number), options) for number in range(MANY)]
    results = list(small.write_each(files))
    if overwrite:
        assert results == [ALL_KEPT] * MANY
        assert bucket.content("d/f") == b"%d" % (MANY - 1)
    else:
        assert results[0] == ALL_KEPT
        assert {type(one) for one in results[1:]} == {AlreadyExists}
        assert bucket.content("d/f") == b"0"


def test_a_file_waits_for_the_one_of_its_path_before_it(bucket, small):
    """Also if that one takes longer than all others."""
    others, second = threading.Event(), threading.Event()
    inner = bucket.put

    def put(key, data, metadata, *, create=False):
        if bytes(data) == b"0":
            assert others.wait(30)
            second.wait(0.5)  # where it does not wait for this one, it is over by then
        inner(key, data, metadata, create=create)
        {b"0": threading.Event(), b"1": second, b"2": others}[bytes(data)].set()

    bucket.put = put
    names = [b"f", b"f", b"g"]
    files = [((name,), memoryview(b"%d" % number), OPTIONS) for number, name in enumerate(names)]
    assert list(small.write_each(files)) == [ALL_KEPT] * 3
    assert bucket.content("f") == b"1"


def test_a_lost_answer_is_asked_for(bucket, small):
    def lose(key, act):
        act()
        raise lost(key)

    bucket.faults["put"] = lose
    assert list(small.write_each(batch(5, OPTIONS._replace(overwrite=False)))) == [ALL_KEPT] * 5


def test_nothing_is_under_way_when_it_is_closed(bucket, small):
    taken = []

    def files():
        for one in batch():
            taken.append(one[0])
            yield one

    results = small.write_each(files())
    next(results)
    results.close()
    assert len(taken) <= 64
    assert bucket.running == 0
    assert bucket.count("put") == len(bucket.listing()) <= len(taken)


def test_an_error_of_the_batch_itself_comes_behind_the_results_before_it(small):
    def files():
        yield from batch(3)
        raise ValueError("x")

    results = small.write_each(files())
    assert [next(results) for _ in range(3)] == [ALL_KEPT] * 3
    with pytest.raises(ValueError, match="x"):
        next(results)


def test_digest_and_attributes_are_those_of_the_request(bucket, small):
    digest = Algorithm.XXH128, digest_of(b"1")
    assert small.write((b"f",), memoryview(b"1"), OPTIONS._replace(digest=digest)) == ALL_KEPT
    assert bucket.metadata("f")["secftpdigest"] == f"xxh128:{digest[1].hex()}"
    with files_of(bucket).open_source((b"f",)) as source:
        assert source.stored_digest(Algorithm.XXH128) == digest[1]


def test_a_store_with_its_own_times_says_so(bucket):
    with ObjectSmallFiles(files_of(bucket, times=Times.STORED)) as small:
        assert small.write((b"f",), memoryview(b"1"), OPTIONS) == Kept(time=False, mode=True)
        assert small.write((b"g",), memoryview(b"1"), OPTIONS._replace(mtime_ns=None)) == ALL_KEPT
        assert small.read((b"f",), 1)[0].mtime_ns > 10**18
