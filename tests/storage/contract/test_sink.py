"""Sinks of every store: a file appears whole under its name, or nothing is left of it."""

from __future__ import annotations

import os
import threading

import pytest

from secftp.errors import AlreadyExists, FileError, NotFound, UsageError
from secftp.protocol import Kind
from secftp.storage import WriteOptions

NAME = (b"f",)
PART = 8 << 20  # bytes of a part of an object
# Within one part, exactly one, and several of which the last is short.
SIZES = [0, 1, 200_000, PART, 2 * PART + 12_345]
T = 1_234_567_891_123_456_789


def views(*chunks):
    return [memoryview(chunk) for chunk in chunks]


def content(size, seed=0):
    """Bytes that differ from part to part, and from seed to seed."""
    block = bytes((number * 7 + seed) % 251 for number in range(4093))
    return (block * (size // len(block) + 1))[:size]


def put(store, data, path=NAME, **options):
    with store.create_sink(path, WriteOptions(**options)) as sink:
        for at in range(0, len(data), 1 << 20):
            sink.writev(views(data[at : at + (1 << 20)]))
        return sink.commit()


# --- the finished file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_file_appears_whole_and_only_at_the_commit(backing, store, size, overwrite, announced):
    data = content(size)
    options = WriteOptions(overwrite=overwrite, size=size if announced else None, mode=0o640, mtime_ns=T)
    with store.create_sink(NAME, options) as sink:
        sink.writev(views(data[:10]))
        sink.writev(views())
        sink.writev(views(data[10:20], b"", data[20:]))
        assert backing.files() == {}
        with pytest.raises(NotFound):
            store.stat(NAME)
        info = sink.commit()
    assert backing.files() == {NAME: data}
    assert backing.leftovers() == []
    if backing.traits.copies_metadata or overwrite or size <= PART:
        assert info == store.stat(NAME)
        assert (info.mode, info.mtime_ns) == (0o640, T)
    assert (info.kind, info.size) == (Kind.FILE, size)


@pytest.mark.parametrize("size", [11, PART + 1])
def test_buffers_are_the_callers_again_after_a_write(backing, store, size):
    data = content(size)
    buffer = bytearray(data)
    with store.create_sink(NAME) as sink:
        sink.writev([memoryview(buffer)])
        buffer[:] = bytes(size)
        sink.commit()
    assert backing.read(NAME) == data


def test_many_small_buffers_of_any_sizes(backing, store):
    data = content(50_000)
    with store.create_sink(NAME) as sink:
        sink.writev([memoryview(data)[at : at + 1] for at in range(3000)])
        at = 3000
        for size in (1, 7, 1000, 0, 4096, 10_000, 30_000):
            sink.writev([memoryview(data)[at : at + size]])
            at += size
        sink.writev([memoryview(data)[at:]])
        sink.commit()
    assert backing.read(NAME) == data


@pytest.mark.parametrize("size", [3, 2 * PART])
def test_a_sink_outlives_its_store(backing, size):
    backing.make_directory((b"a", b"b"))
    with backing.open() as store:
        sinks = [store.create_sink(path) for path in (NAME, (b"a", b"b", b"c"))]
    for sink in sinks:
        with sink:
            sink.writev(views(content(size)))
            sink.commit()
    assert backing.files() == {NAME: content(size), (b"a", b"b", b"c"): content(size)}


@pytest.mark.parametrize("name", [b"plain", b"a" * 255, b" ", b"%2e%2E", b"a+b&c?d#e=f", "\u00fc\u4e2d".encode()])
def test_names_that_every_store_takes_are_kept_byte_for_byte(backing, store, name):
    for path in ((name,), (b"sub", name)):
        store.make_directory((b"sub",), parents=True)
        put(store, name, path)
    assert backing.files() == {(name,): name, (b"sub", name): name}
    assert {entry.path for entry in store.scan((), recursive=True)} == {(name,), (b"sub",), (b"sub", name)}


def test_names_differ_by_case_and_normalisation(backing, store):
    names = [b"f", b"F", "\u00e9".encode(), "e\u0301".encode()]
    for name in names:
        put(store, name, (name,))
    assert backing.files() == {(name,): name for name in names}


def test_a_directory_above_that_is_missing(backing, store):
    path = (b"a", b"b", b"c")
    if backing.traits.parents:
        with pytest.raises(NotFound, match=r"^No such directory: a/b$"):
            store.create_sink(path)
        assert backing.files() == {}
    else:
        put(store, b"x", path)
        assert backing.files() == {path: b"x"}
        assert store.stat((b"a", b"b")).kind is Kind.DIRECTORY


# --- attributes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, PART + 1])
@pytest.mark.parametrize(
    ("mode", "granted"), [(0o666, 0o666), (0o7777, 0o777), (0o6755, 0o755), (0, 0), (0o444, 0o444)]
)
def test_permissions_are_those_requested(backing, store, size, mode, granted):
    assert put(store, content(size), mode=mode).mode == granted
    assert store.stat(NAME).mode == granted


def test_permissions_of_a_new_file_and_of_one_that_is_replaced(backing, store):
    before = os.umask(0o022)
    try:
        assert put(store, b"old").mode == backing.traits.new_mode
        put(store, b"old", mode=0o600)
        assert put(store, b"new").mode == (0o600 if backing.traits.keeps_mode else backing.traits.new_mode)
        assert put(store, b"new", mode=0o640).mode == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("size", [1, PART + 1])
@pytest.mark.parametrize("mtime_ns", [0, 1, T, -1_000_000_000])
def test_the_time_is_set(backing, store, mtime_ns, size):
    assert put(store, content(size), mtime_ns=mtime_ns).mtime_ns == mtime_ns
    assert store.stat(NAME).mtime_ns == mtime_ns


# --- overwriting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, PART, PART + 1])
def test_a_file_is_replaced_only_if_that_is_wished_for(backing, store, size):
    backing.write(NAME, b"old")
    with pytest.raises(AlreadyExists, match=r"^Already exists: f"):
        put(store, content(size), overwrite=False)
    assert backing.files() == {NAME: b"old"}
    assert backing.leftovers() == []
    put(store, content(size))
    assert backing.files() == {NAME: content(size)}
    assert backing.leftovers() == []


@pytest.mark.parametrize("size", [3, PART, PART + 1])
def test_a_name_taken_meanwhile_is_not_overwritten(backing, store, size):
    with store.create_sink(NAME, WriteOptions(overwrite=False)) as sink:
        sink.writev(views(content(size)))
        backing.write(NAME, b"old")
        with pytest.raises(AlreadyExists, match=r"^Already exists: f"):
            sink.commit()
    assert backing.files() == {NAME: b"old"}
    assert backing.leftovers() == []


@pytest.mark.parametrize(("size", "rounds"), [(1000, 20), (PART + 1000, 3)])
def test_of_many_that_must_not_overwrite_exactly_one_wins(backing, size, rounds):
    def race(number):
        try:
            with stores[number].create_sink(NAME, WriteOptions(overwrite=False)) as sink:
                sink.writev(views(content(size, number)))
                start.wait()
                sink.commit()
            winners.append(number)
        except AlreadyExists:
            losers.append(number)

    stores = [backing.open() for _ in range(4)]
    for _ in range(rounds):
        winners, losers = [], []
        start = threading.Barrier(4)
        threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(losers)) == (1, 3)
        assert backing.files() == {NAME: content(size, winners[0])}
        assert backing.leftovers() == []
        backing.remove(NAME)
    for store in stores:
        store.close()


@pytest.mark.parametrize("size", [10, PART])
def test_two_writers_never_mix_and_the_last_wins(backing, store, size):
    with store.create_sink(NAME) as one, store.create_sink(NAME) as two:
        for _ in range(3):
            one.writev(views(content(size, 1)))
            two.writev(views(content(2 * size, 2)))
        two.commit()
        assert backing.files() == {NAME: content(2 * size, 2) * 3}
        one.commit()
    assert backing.files() == {NAME: content(size, 1) * 3}
    assert backing.leftovers() == []


@pytest.mark.parametrize("kind", ["empty", "full"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_directory_is_not_replaced(backing, store, kind, overwrite):
    backing.make_directory(NAME) if kind == "empty" else backing.write((*NAME, b"in"), b"x")
    before = backing.files()
    if backing.traits.one_name:
        with pytest.raises(FileError, match=": f"):
            put(store, b"new", overwrite=overwrite)
        assert backing.files() == before
    assert store.stat(NAME).kind is Kind.DIRECTORY
    assert backing.leftovers() == []


# --- aborting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, PART, 2 * PART + 1])
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("way_out", ["abort", "close", "with", "keep"])
def test_an_aborted_file_leaves_nothing(backing, store, way_out, size, overwrite):
    old = {(b"g",): b"old"} | ({NAME: b"old"} if overwrite else {})
    for path, data in old.items():
        backing.write(path, data)
    sink = store.create_sink(NAME, WriteOptions(overwrite=overwrite))
    sink.writev(views(content(size)))
    if way_out == "with":
        with sink:
            pass
    else:
        getattr(sink, way_out)()
    sink.abort()
    sink.close()
    assert backing.files() == old
    assert backing.leftovers() == []
    for call in (sink.commit, lambda: sink.writev(views(b"x"))):
        with pytest.raises(UsageError):
            call()
    assert backing.files() == old


def _give_up(store, size):
    with store.create_sink(NAME) as sink:
        sink.writev(views(content(size)))
        raise KeyboardInterrupt


def test_an_exception_in_its_block_leaves_nothing(backing, store):
    for size in (3, PART + 1):
        with pytest.raises(KeyboardInterrupt):
            _give_up(store, size)
        assert backing.files() == {}
        assert backing.leftovers() == []


@pytest.mark.parametrize("size", [0, PART + 1])
def test_a_commit_happens_once_and_is_not_undone(backing, store, size):
    with store.create_sink(NAME) as sink:
        sink.writev(views(content(size)))
        sink.commit()
        sink.abort()
        with pytest.raises(UsageError):
            sink.commit()
    assert backing.files() == {NAME: content(size)}


def test_two_stores_of_the_same_files_see_the_same(backing, store):
    with backing.open() as other:
        put(store, b"one", (b"one",), mode=0o640, mtime_ns=T)
        put(other, b"two", (b"two",), mode=0o640, mtime_ns=T)
        assert other.stat((b"one",)) == store.stat((b"one",))
        assert other.stat((b"two",)) == store.stat((b"two",))
        assert other.identity_of_root() == store.identity_of_root()
