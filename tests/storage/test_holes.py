"""Holes of files: where they are, what is left of them in copies, and zeros that become holes.

The oracle is a plain byte string: whatever is a hole, the file reads the same.
"""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import NoSpace
from secftp.protocol import are_zeros, zeros
from secftp.storage import LocalStore, WriteOptions
from secftp.storage.attributes import KEPT_OPTIONS, LEAST_HOLE, Extent
from secftp.storage.copy import copy_bytes
from secftp.storage.holes import BLOCK, data_in, extent_at, is_zero, split_zeros
from secftp.storage.part_writer import PartWriter
from secftp.storage.partial import partial_name
from secftp.storage.source import FileSource
from secftp.storage.user import create_local_sink, open_local_source
from secftp.storage.zeros import ZerosAsHoles

NAME = (b"name",)
# Lengths around the block of a file system, the least hole, and the block that is looked at for zeros.
LENGTHS = st.sampled_from([1, 4095, 4096, LEAST_HOLE - 1, LEAST_HOLE, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
KINDS = st.sampled_from(["hole", "zeros", "data"])
LAYOUTS = st.lists(st.tuples(KINDS, LENGTHS), max_size=8)


def content(kind, size):
    return bytes(size) if kind != "data" else (b"data" * (size // 4 + 1))[:size]


def laid_out(path, layout):
    """Make a file of holes, written zeros and data; return its bytes."""
    with path.open("wb") as file:
        for kind, size in layout:
            if kind == "hole":
                file.seek(size, os.SEEK_CUR)
            else:
                file.write(content(kind, size))
        file.truncate()
        file.truncate(sum(size for _, size in layout))
    return b"".join(content(kind, size) for kind, size in layout)


def blocks(path):
    return path.stat().st_blocks * 512


def extents(source, end):
    """All extents of a file, from its beginning on."""
    found, position = [], 0
    while position < end:
        extent = source.extent_at(position, end)
        assert position < extent.end <= end
        found.append((extent.is_hole, position, extent.end))
        position = extent.end
    return found


@given(LAYOUTS)
@settings(max_examples=60, deadline=None)
def test_what_is_called_a_hole_is_zero(tmp_path_factory, layout):
    """Whatever the layout, extents follow one another, and holes have nothing but zeros; so do those that are found."""
    path = tmp_path_factory.mktemp("holes") / "file"
    data = laid_out(path, layout)
    with open_local_source(str(path)) as source:
        for each in (source, ZerosAsHoles(source)):
            for is_hole, start, end in extents(each, len(data)):
                assert not is_hole or not any(data[start:end])
                assert not is_hole or end - start >= min(LEAST_HOLE, len(data) - start)


@given(LAYOUTS, st.integers(0, 3 * BLOCK))
@settings(max_examples=60, deadline=None)
def test_split_zeros_yields_the_same_bytes(layout, offset):
    data = b"".join(content(*each) for each in layout)
    buffers = [memoryview(data)[start : start + 50_000] for start in range(0, len(data), 50_000)]
    runs = list(split_zeros(buffers, offset))
    assert b"".join(bytes(buffer) for run in runs for buffer in run) == data
    assert all(runs)
    assert all(sum(map(len, run)) % BLOCK == 0 for run in runs if are_zeros(run))


@given(LAYOUTS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_sink_reads_as_what_was_written(tmp_path_factory, layout, sparse):
    """Holes at the beginning, in the middle and at the end, one after another, with and without a look for zeros."""
    path = tmp_path_factory.mktemp("holes") / "file"
    with create_local_sink(str(path), WriteOptions(sparse=sparse)) as sink:
        for kind, size in layout:
            sink.writev(zeros(size) if kind == "hole" else [memoryview(content(kind, size))])
        assert sink.commit().size == sum(size for _, size in layout)
    assert path.read_bytes() == b"".join(content(*each) for each in layout)


@given(LAYOUTS)
@settings(max_examples=40, deadline=None)
def test_a_copy_has_the_holes_of_its_source(tmp_path_factory, layout):
    directory = tmp_path_factory.mktemp("holes")
    data = laid_out(directory / "source", layout)
    with (
        LocalStore(directory) as store,
        store.open_source((b"source",)) as source,
        store.create_sink((b"target",)) as sink,
    ):
        assert copy_bytes(source, sink, NAME, check=lambda _: None) == len(data)
        sink.commit()
    assert (directory / "target").read_bytes() == data
    long_holes = sum(size for kind, size in layout if kind == "hole" and size >= 2 * LEAST_HOLE)
    assert blocks(directory / "target") <= max(0, len(data) - long_holes) + 2 * 4096 * (len(layout) + 1)


def test_a_sparse_file_is_known_by_its_blocks(tmp_path):
    laid_out(tmp_path / "full", [("data", 1 << 20)])
    laid_out(tmp_path / "sparse", [("hole", 1 << 20), ("data", 4096)])
    with open_local_source(str(tmp_path / "full")) as source:
        assert (source.is_sparse, source.hole_bytes) == (False, 0)
    with open_local_source(str(tmp_path / "sparse")) as source:
        assert (source.is_sparse, source.hole_bytes) == (True, 1 << 20)
        assert source.extent_at(0, source.info.size) == Extent(True, 1 << 20)
        assert source.extent_at(5, source.info.size) == Extent(True, 1 << 20)
        assert source.extent_at(5, 6000) == Extent(False, 6000), "too short to be told"
        assert source.extent_at(1 << 20, source.info.size) == Extent(False, source.info.size)


def test_many_short_holes_are_no_long_search(tmp_path):
    laid_out(tmp_path / "file", [("data", 4096), ("hole", 4096)] * 500)
    with open_local_source(str(tmp_path / "file")) as source:
        assert source.extent_at(0, source.info.size).end < source.info.size // 2
        assert not any(is_hole for is_hole, _, _ in extents(source, source.info.size))


def test_what_is_not_known_counts_as_data(tmp_path, monkeypatch):
    laid_out(tmp_path / "file", [("hole", 1 << 20)])
    with open_local_source(str(tmp_path / "file")) as source:
        fd = source.descriptor
        assert extent_at(fd, 0, 1 << 20) == Extent(True, 1 << 20)
        assert not [*data_in(fd, 0, 1 << 20)]
        monkeypatch.delattr(os, "SEEK_HOLE")
        monkeypatch.delattr(os, "SEEK_DATA")
        assert extent_at(fd, 0, 1 << 20) == Extent(False, 1 << 20)
        assert [*data_in(fd, 0, 1 << 20)] == [(0, 1 << 20)]


def test_a_file_that_shrank_is_no_hole(tmp_path):
    laid_out(tmp_path / "file", [("hole", 1 << 20)])
    with open_local_source(str(tmp_path / "file")) as source:
        os.truncate(tmp_path / "file", 0)
        assert not source.extent_at(1 << 19, 1 << 20).is_hole


def test_a_partial_that_ends_in_a_hole_is_kept_whole_and_continued(tmp_path):
    part = tmp_path / os.fsdecode(partial_name(NAME[0]))
    with LocalStore(tmp_path) as store:
        with store.create_sink(NAME, KEPT_OPTIONS) as sink:
            sink.writev([memoryview(b"begin")])
            sink.writev(zeros(1 << 20))
            sink.keep()
        assert part.read_bytes() == b"begin" + bytes(1 << 20)
        with store.resume_sink(NAME, 3) as sink:
            sink.writev(zeros(1 << 19))
            sink.writev([memoryview(b"end")])
            sink.commit()
    assert (tmp_path / "name").read_bytes() == b"beg" + bytes(1 << 19) + b"end"


def test_parts_leave_holes_and_cover_what_was_there(tmp_path):
    """A hole is where nothing was written, and zeros where an earlier attempt has left other bytes."""
    total = 8 << 20
    with LocalStore(tmp_path) as store:
        upload = store.open_upload(NAME, bytes(16), WriteOptions(size=total, keep=True))
        with upload:
            upload.writev_at([memoryview(b"y" * 4096)], 5 << 20)
            upload.writev_at([memoryview(b"garbage" * 20_000)], 1 << 20)
            upload.writev_at(zeros(4 << 20), 0)
            upload.writev_at([memoryview(b"x" * 4096)], 4 << 20)
            upload.writev_at(zeros((1 << 20) - 4096), (4 << 20) + 4096)
            upload.writev_at(zeros((3 << 20) - 4096), (5 << 20) + 4096)
            buffer = memoryview(bytearray(b"?" * 9000))
            assert upload.readv([buffer], total - 9000) == 9000, "the last hole is there before the end"
            assert not any(buffer)
            upload.add(0, total)
            upload.commit()
    data = (tmp_path / "name").read_bytes()
    rest = bytes((1 << 20) - 4096) + b"y" * 4096 + bytes((3 << 20) - 4096)
    assert data == bytes(4 << 20) + b"x" * 4096 + rest
    assert blocks(tmp_path / "name") < 6 << 20


def test_a_hole_over_a_few_bytes_takes_no_more_than_they_do(tmp_path):
    total = 64 << 20
    with LocalStore(tmp_path) as store, store.open_upload(NAME, bytes(16), WriteOptions(size=total)) as upload:
        for at in (1, 9 << 20):
            upload.writev_at([memoryview(b"x" * 10)], at)
        upload.writev_at(zeros(total - 5), 5)
        upload.add(0, total)
        upload.commit()
    assert (tmp_path / "name").read_bytes().rstrip(b"\0") == b"\0xxxx"
    assert blocks(tmp_path / "name") <= 1 << 17


def test_threads_that_extend_a_file_cut_nothing_off(tmp_path):
    total, pieces = 64 * BLOCK, 64
    sink = create_local_sink(str(tmp_path / "file"), WriteOptions(size=total))
    writer = PartWriter(sink, total)
    start = threading.Barrier(4)

    def write(first):
        start.wait()
        for number in range(first, pieces, 4):
            writer.write(zeros(BLOCK) if number % 2 else [memoryview(b"d" * BLOCK)], number * BLOCK)

    threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.end()
    sink.commit()
    assert (tmp_path / "file").read_bytes() == (b"d" * BLOCK + bytes(BLOCK)) * (pieces // 2)


def test_a_file_that_is_larger_than_the_disk_fits_without_its_holes(tmp_path):
    room = os.statvfs(tmp_path)
    size = 2 * room.f_blocks * room.f_frsize
    with LocalStore(tmp_path) as store:
        with pytest.raises(NoSpace):
            store.create_sink(NAME, WriteOptions(size=size))
        with pytest.raises(NoSpace):
            store.open_upload(NAME, bytes(16), WriteOptions(size=size))
        store.create_sink(NAME, WriteOptions(size=size, holes=size - 4096)).close()
        store.open_upload(NAME, bytes(16), WriteOptions(size=size, holes=size - 4096)).close()


def test_a_source_of_unknown_size_is_not_looked_at():
    with FileSource(os.open("/proc/version", os.O_RDONLY), "version") as source:
        assert not source.is_sparse
        assert not ZerosAsHoles(source).is_sparse


@pytest.mark.parametrize("at", [0, 1, BLOCK // 2, BLOCK // 2 + 1, BLOCK - 2, BLOCK - 1])
def test_one_byte_makes_a_block_data(at):
    block = bytearray(BLOCK)
    assert is_zero(memoryview(block))
    block[at] = 1
    assert not is_zero(memoryview(block))
    assert not is_zero(memoryview(block)[: at + 1])
