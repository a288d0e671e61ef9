"""Small files of every store: the guarantees of sources and sinks, one by one and many at a time."""

from __future__ import annotations

import threading

import pytest

from secftp.errors import AlreadyExists, FileError, NameRefused, NotFound, TooLarge
from secftp.protocol import Kind
from secftp.storage import WriteOptions
from tests.storage.contract.test_sink import T, content

NAME = (b"f",)
LIMIT = 32768
PRIVATE = WriteOptions(mode=0o640, mtime_ns=T)


@pytest.fixture
def small(store):
    with store.small_files() as files:
        yield files


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_what_was_written_is_read(backing, store, small, overwrite, size):
    backing.make_directory((b"folder",))
    data = content(size)
    for path in (NAME, (b"folder", b"f")):
        kept = small.write(path, memoryview(data), PRIVATE._replace(overwrite=overwrite))
        assert all(kept)
        info, found = small.read(path, LIMIT)
        assert found == data
        assert info == store.stat(path)
        assert (info.kind, info.size, info.mode, info.mtime_ns) == (Kind.FILE, size, 0o640, T)
    assert backing.files() == {NAME: data, (b"folder", b"f"): data}
    assert backing.leftovers() == []


def test_the_data_is_the_callers_again_after_a_write(backing, small):
    buffer = bytearray(b"content")
    small.write(NAME, memoryview(buffer))
    buffer[:] = bytes(7)
    assert backing.files() == {NAME: b"content"}


def test_a_taken_name_is_replaced_only_if_that_is_wished_for(backing, small):
    backing.write(NAME, b"old")
    with pytest.raises(AlreadyExists, match=r"^Already exists: f"):
        small.write(NAME, memoryview(b"new"), WriteOptions(overwrite=False))
    assert backing.files() == {NAME: b"old"}
    small.write(NAME, memoryview(b"new"))
    assert backing.files() == {NAME: b"new"}


def test_a_file_beyond_the_limit_is_too_large(backing, small):
    backing.write(NAME, bytes(101))
    with pytest.raises(TooLarge, match=r": f$"):
        small.read(NAME, 100)
    assert small.read(NAME, 101)[1] == bytes(101)


def test_after_a_failure_and_after_a_close_it_goes_on(backing, small):
    backing.make_directory((b"a",))
    with pytest.raises(NotFound):
        small.read((b"a", b"f"), LIMIT)
    small.write((b"a", b"f"), memoryview(b"x"))
    small.close()
    assert small.read((b"a", b"f"), LIMIT)[1] == b"x"
    small.close()
    small.close()


def test_of_many_writers_that_must_not_overwrite_exactly_one_wins(backing):
    def race(number):
        with stores[number].small_files() as files:
            start.wait()
            try:
                files.write(NAME, memoryview(b"%d" % number), WriteOptions(overwrite=False))
                winners.append(number)
            except AlreadyExists:
                pass

    stores = [backing.open() for _ in range(4)]
    for _ in range(20):
        winners, start = [], threading.Barrier(4)
        threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 1
        assert backing.files() == {NAME: b"%d" % winners[0]}
        backing.remove(NAME)
    for store in stores:
        store.close()


# --- many at a time -------------------------------------------------------------------------------------------------


def test_results_of_a_batch_are_in_order_each_file_with_its_own(backing, small):
    backing.write((b"taken",), b"old")
    backing.write((b"1",), b"old")
    wanted = [
        ((b"0",), b"zero", PRIVATE),
        ((b"taken",), b"new", WriteOptions(overwrite=False)),
        ((b"1",), b"one", PRIVATE),
        ((b".secftp-own",), b"x", WriteOptions()),
        ((b"2",), b"", PRIVATE),
    ]
    results = list(small.write_each((path, memoryview(data), options) for path, data, options in wanted))
    assert [type(result) if isinstance(result, FileError) else None for result in results] == [
        *(None, AlreadyExists, None, NameRefused, None)
    ]
    assert backing.files() == {(b"0",): b"zero", (b"taken",): b"old", (b"1",): b"one", (b"2",): b""}
    found = list(small.read_each([(b"2",), (b"missing",), (b"0",), (b".secftp-own",), (b"1",)], LIMIT))
    assert [type(entry) if isinstance(entry, FileError) else entry[1] for entry in found] == [
        *(b"", NotFound, b"zero", NameRefused, b"one")
    ]


@pytest.mark.parametrize("count", [0, 1, 33, 300])
def test_batches_of_any_length(backing, small, count):
    files = {(b"%d" % number,): content(number) for number in range(count)}
    results = list(small.write_each((path, memoryview(data), PRIVATE) for path, data in files.items()))
    assert len(results) == count
    assert all(all(kept) for kept in results)
    assert backing.files() == files
    assert [data for _, data in small.read_each(list(files), LIMIT)] == list(files.values())


def test_a_batch_that_has_a_name_twice_ends_with_the_last(backing, small):
    """As one that is written file by file: what is confirmed last is there."""
    for _ in range(5):
        wanted = [(NAME, memoryview(b"%d" % number), WriteOptions()) for number in range(20)]
        results = list(small.write_each(wanted))
        assert not any(isinstance(result, FileError) for result in results)
        assert backing.files() == {NAME: b"19"}
        backing.remove(NAME)
        results = list(
            small.write_each((NAME, memoryview(b"%d" % number), WriteOptions(overwrite=False)) for number in range(20))
        )
        assert [isinstance(result, AlreadyExists) for result in results] == [False] + [True] * 19
        assert backing.files() == {NAME: b"0"}
        backing.remove(NAME)


def test_a_file_that_is_too_large_does_not_end_a_batch(backing, small):
    backing.write((b"large",), bytes(LIMIT + 1))
    backing.write((b"small",), b"x")
    large, after = small.read_each([(b"large",), (b"small",)], LIMIT)
    assert isinstance(large, TooLarge)
    assert after[1] == b"x"


@pytest.mark.parametrize("taken", [0, 1, 40])
def test_a_batch_may_be_given_up_anywhere(backing, small, taken):
    paths = [(b"%d" % number,) for number in range(100)]
    for path in paths:
        backing.write(path, b"x")
    reading = iter(small.read_each(paths, LIMIT))
    writing = iter(small.write_each((path, memoryview(b"new"), WriteOptions()) for path in paths))
    for _ in range(taken):
        next(reading)
        next(writing)
    reading.close()
    writing.close()
    found = backing.files()
    assert set(found.values()) <= {b"x", b"new"}
    assert [found[path] for path in paths[:taken]] == [b"new"] * taken


def test_what_the_caller_raises_ends_the_batch(backing, small):
    def files():
        yield NAME, memoryview(b"x"), WriteOptions()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(small.write_each(files()))
    assert set(backing.files()) <= {NAME}
