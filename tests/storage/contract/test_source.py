"""Sources of every store: what is read is one version of a file, or a failure."""

from __future__ import annotations

import contextlib

import pytest

from secftp.errors import FileChanged, FileError, InputOutputError, IsADirectory, NotADirectory, NotFound
from secftp.protocol import Kind
from tests.storage.contract.test_sink import PART, T, content, put

NAME = (b"f",)


def read(source, sizes, offset=0):
    """What one readv gives, with buffers of these sizes."""
    buffers = [bytearray(size) for size in sizes]
    count = source.readv([memoryview(buffer) for buffer in buffers], offset)
    return b"".join(buffers)[:count]


def read_all(source, step, offset=0):
    """Everything from an offset, read in order as a transfer does."""
    found = []
    while data := read(source, [step], offset):
        found.append(data)
        offset += len(data)
    return b"".join(found)


@pytest.mark.parametrize("size", [0, 1, 11, 76_800])
@pytest.mark.parametrize("own", [True, False])
def test_a_file_is_read_whole(backing, store, size, own):
    data = content(size)
    if own:
        put(store, data, mtime_ns=T, mode=0o640)
    else:
        backing.write(NAME, data)
    with store.open_source(NAME) as source:
        assert source.info == store.stat(NAME)
        assert (source.info.kind, source.info.size) == (Kind.FILE, size)
        if own:
            assert (source.info.mtime_ns, source.info.mode) == (T, 0o640)
        assert read(source, [1000, 1, 0, 100_000]) == data
        assert read(source, [10], size) == b""
        assert read(source, [10], size + 5) == b""
        source.check_unchanged()


@pytest.mark.parametrize("step", [65_536, 1_000_003, 3 * PART])
def test_a_large_file_is_read_in_order_from_anywhere(backing, store, step):
    data = content(2 * PART + 12_345)
    put(store, data)
    with store.open_source(NAME) as source:
        assert read_all(source, step) == data
        source.check_unchanged()
    for offset in (1, PART - 1, PART, 2 * PART, len(data) - 1):
        with store.open_source(NAME) as source:
            assert read_all(source, step, offset) == data[offset:]
            source.check_unchanged()


def test_offsets_may_jump(backing, store):
    data = content(PART + 100_000)
    put(store, data)
    with store.open_source(NAME) as source:
        for offset in (PART, 0, 5, 5, PART - 10, 3, len(data) - 7, 70_000):
            assert read(source, [2, 40], offset) == data[offset : offset + 42]
        source.check_unchanged()


def test_more_buffers_than_one_call_takes(backing, store):
    data = content(5000)
    backing.write(NAME, data)
    with store.open_source(NAME) as source:
        assert read(source, [1] * 1500) == data[:1500]
        assert read(source, [0] * 2000 + [len(data)]) == data


def test_a_deep_path_is_walked(backing, store):
    backing.write((b"a", b"b", b"c"), b"0123456789")
    with store.open_source((b"a", b"b", b"c")) as source:
        assert read(source, [2, 2], 3) == b"3456"
        assert read(source, [2, 20], 7) == b"789"
    assert (store.stat((b"a", b"b")).kind, store.stat((b"a", b"b")).size) == (Kind.DIRECTORY, 0)
    assert store.stat((b"a",)).kind is Kind.DIRECTORY


@pytest.mark.parametrize("size", [10, PART + 12_345])
@pytest.mark.parametrize("change", ["replaced", "replaced by one of its size", "removed"])
def test_what_is_replaced_while_it_is_read_is_never_mixed(backing, store, change, size):
    old = content(size)
    put(store, old)
    with store.open_source(NAME) as source:
        assert read(source, [5]) == old[:5]
        if change == "removed":
            backing.remove(NAME)
        else:
            backing.write(NAME, content(size if "size" in change else 3, seed=1))
        # What is not read any more may have been read ahead.
        with contextlib.suppress(*() if backing.traits.stays_open else (FileChanged, NotFound)):
            found = old[:5] + read_all(source, 65_536, 5)
            source.check_unchanged()
            assert found == old


def test_a_source_outlives_its_store(backing):
    backing.write(NAME, b"content")
    with backing.open() as store:
        source = store.open_source(NAME)
    with source:
        assert read(source, [10]) == b"content"
        source.check_unchanged()


def test_closing_twice_is_harmless_and_so_is_closing_in_the_middle(backing, store):
    put(store, content(2 * PART))
    source = store.open_source(NAME)
    read(source, [10])
    source.close()
    source.close()
    store.open_source(NAME).close()


def test_what_is_no_file_is_not_read(backing, store):
    backing.make_directory((b"empty",))
    backing.write((b"full", b"in"))
    with store.small_files() as files:
        for call in (store.open_source, lambda path: files.read(path, 100)):
            _refuses_what_is_no_file(call)


def _refuses_what_is_no_file(call):
    with pytest.raises(NotFound, match=r"^No such file: missing$"):
        call((b"missing",))
    with pytest.raises(NotFound, match=r"^No such (file|directory): missing"):
        call((b"missing", b"x"))
    for name in (b"empty", b"full"):
        with pytest.raises(IsADirectory, match=f"^Is a directory: {name.decode()}$"):
            call((name,))


def test_a_file_in_the_way_of_a_path(backing, store):
    backing.write(NAME)
    for call in (store.open_source, store.stat):
        with pytest.raises((NotADirectory, NotFound) if not backing.traits.one_name else NotADirectory):
            call((*NAME, b"x"))


def test_nothing_is_read_of_what_is_stored_beside_files(backing, store):
    """A partial, a marker and the like are files for no caller."""
    from secftp.errors import NameRefused

    put(store, content(PART + 1))
    store.make_directory((b"d",))
    for path in ((b".secftp-directory",), (b"d", b".secftp-directory"), (b".secftp-digest", b"x")):
        for call in (store.open_source, store.stat, store.remove, store.create_sink):
            with pytest.raises(NameRefused):
                call(path)


def test_a_partial_that_is_not_there(backing, store):
    backing.write(NAME)
    if not backing.traits.resumes:
        with pytest.raises(FileError) as caught:
            store.stat(NAME, partial=True)
        assert not isinstance(caught.value, InputOutputError)
    else:
        with pytest.raises(NotFound):
            store.stat(NAME, partial=True)
