"""A file that several threads write, each at its own offset; its descriptor outlives them."""

from __future__ import annotations

import errno
import os
import random
import threading

import pytest

from secftp.errors import NoSpace, UsageError
from secftp.storage import LocalStore, WriteOptions
from secftp.storage.names import partial_name
from secftp.storage.part_writer import PartWriter, WriterEnded
from secftp.storage.sink import FileSink
from tests.support.serving import DEADLINE, listing

DATA = random.Random(3).randbytes(1_000_000)
NAME = (b"name",)
KEPT = WriteOptions(keep=True)


@pytest.fixture
def store(tmp_path):
    with LocalStore(tmp_path) as store:
        yield store


def test_threads_write_one_file(store, tmp_path):
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)

    def write(at):
        part = writer.part(at)
        for place in range(at, at + 100_000, 7777):
            end = min(place + 7777, at + 100_000)
            part.writev([memoryview(DATA[place : place + 5]), memoryview(DATA[place + 5 : end])])
        assert part.position == at + 100_000

    threads = [threading.Thread(target=write, args=(at,)) for at in range(0, 1_000_000, 100_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    piece = bytearray(1000)
    assert writer.read([memoryview(piece)], 123_456) == 1000
    assert piece == DATA[123_456:124_456]
    writer.end()
    sink.commit()
    assert (tmp_path / "name").read_bytes() == DATA
    assert listing(tmp_path) == ["name"]


@pytest.mark.parametrize("size", [1, 4000, 10_000])
def test_only_the_first_bytes_are_kept(store, tmp_path, size):
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)
    writer.write([memoryview(DATA[:10_000])], 0)
    writer.write([memoryview(DATA[50_000:60_000])], 50_000)
    writer.end()
    sink.keep_first(size)
    (partial,) = listing(tmp_path)
    assert (tmp_path / partial).read_bytes() == DATA[:size]
    resumed = store.resume_sink(NAME, size, KEPT)
    writer = PartWriter(resumed, 1 << 20)
    writer.write([memoryview(DATA[500_000:])], 500_000)
    writer.write([memoryview(DATA[size:500_000])], size)
    writer.end()
    resumed.commit()
    assert (tmp_path / "name").read_bytes() == DATA


def test_nothing_is_kept_of_a_file_that_lacks_its_beginning(store, tmp_path):
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)
    writer.write([memoryview(DATA[:100])], 100)
    writer.end()
    sink.keep_first(0)
    assert listing(tmp_path) == []


def test_the_end_waits_for_threads_that_write(store, monkeypatch):
    """The descriptor that they use is not closed, nor another file's, before they are done."""
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)
    begun, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()
    real = os.pwritev

    def pwritev(*arguments):
        begun.set()
        assert may_go_on.wait(DEADLINE)
        return real(*arguments)

    monkeypatch.setattr(os, "pwritev", pwritev)
    writing = threading.Thread(target=writer.write, args=([memoryview(b"abc")], 0))
    writing.start()
    assert begun.wait(DEADLINE)

    def end():
        writer.end()
        ended.set()

    ending = threading.Thread(target=end)
    ending.start()
    assert not ended.wait(0.1)
    may_go_on.set()
    assert ended.wait(DEADLINE)
    writing.join()
    ending.join()
    sink.close()


def test_after_the_end_nothing_is_written_or_read(store):
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)
    part = writer.part(0)
    writer.end()
    writer.end()
    with pytest.raises(WriterEnded):
        part.writev([memoryview(b"x")])
    with pytest.raises(WriterEnded):
        writer.read([memoryview(bytearray(1))], 0)
    sink.close()


def test_a_failure_leaves_the_sink_to_its_owner(store, tmp_path, monkeypatch):
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(NoSpace):
        writer.write([memoryview(b"x")], 0)
    monkeypatch.undo()
    assert isinstance(sink, FileSink)
    os.fstat(sink._fd)
    writer.end()
    sink.close()
    assert listing(tmp_path) == []


def test_a_part_has_no_name(store):
    sink = store.create_sink(NAME, KEPT)
    part = PartWriter(sink, 1 << 20).part(0)
    with pytest.raises(UsageError):
        part.commit()
    part.abort()
    part.close()
    sink.close()


@pytest.mark.parametrize("parts", [[(0, 300_000), (500_000, 600_000)], [(0, 65_536), (131_072, 1_000_000)]])
def test_a_partial_of_a_killed_writer_is_continued_at_its_first_hole(store, tmp_path, parts):
    sink = store.create_sink(NAME, KEPT)
    writer = PartWriter(sink, 1 << 20)
    for at, end in parts:
        writer.write([memoryview(DATA[at:end])], at)
    os.rename(tmp_path / listing(tmp_path)[0], tmp_path / "kept")
    writer.end()
    sink.close()
    os.rename(tmp_path / "kept", tmp_path / os.fsdecode(partial_name(b"name")))
    size = store.stat(NAME, partial=True).size
    assert size == parts[-1][1]
    with store.resume_sink(NAME, size, KEPT) as resumed:
        offset = resumed.stop_at_hole()
        assert 0 < offset <= parts[0][1]
        assert offset % 4096 == 0
        piece = bytearray(offset)
        assert resumed.readv([memoryview(piece)], 0) == offset
        assert piece == DATA[:offset]
        resumed.writev([memoryview(DATA[offset:])])
        resumed.commit()
    assert (tmp_path / "name").read_bytes() == DATA


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_partial_without_holes_is_continued_at_its_end(store, tmp_path, monkeypatch, code):
    sink = store.create_sink(NAME, KEPT)
    sink.writev([memoryview(DATA[:100_001])])
    sink.keep()
    with store.resume_sink(NAME, 100_001, KEPT) as resumed:
        assert resumed.stop_at_hole() == 100_001

        def unsupported(*_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "lseek", unsupported)
        assert resumed.stop_at_hole() == 100_001
