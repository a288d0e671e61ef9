"""Sources and sinks in memory, above all the source that another thread still fills."""

from __future__ import annotations

import select
import threading

import pytest

from secftp.api.memory import MAX_QUEUED, BufferSink, GrowingSource, MemorySink, MemorySource
from secftp.errors import Cancelled
from tests.support.serving import DEADLINE


def slots(*sizes):
    return [memoryview(bytearray(size)) for size in sizes]


def rings(source):
    return bool(select.select([source.wait_descriptor], [], [], 0)[0])


@pytest.fixture
def growing():
    with GrowingSource() as source:
        yield source


def test_a_memory_source_fills_buffers_from_any_offset():
    source = MemorySource(memoryview(b"abcdefgh"))
    assert source.info.size == 8
    buffers = slots(3, 3)
    assert source.readv(buffers, 1) == 6
    assert [bytes(buffer) for buffer in buffers] == [b"bcd", b"efg"]
    assert source.readv(slots(3, 3), 6) == 2
    assert source.readv(slots(3), 8) == 0


def test_a_memory_sink_hands_out_what_came_behind_its_head():
    sink = MemorySink(b"01")
    sink.writev([memoryview(b"23"), memoryview(b"4")])
    assert sink.commit().size == len(sink) == 5
    assert sink.data() == b"01234"
    sink.abort()
    assert sink.data() == b""


def test_a_buffer_is_filled_in_place_and_never_beyond():
    target = bytearray(5)
    sink = BufferSink(memoryview(target))
    sink.writev([memoryview(b"ab"), memoryview(b"cd")])
    assert target == b"abcd\0"
    assert sink.size == 4
    with pytest.raises(ValueError):
        sink.writev([memoryview(b"ef")])


def test_growing_bytes_come_out_in_order_whatever_the_buffers(growing):
    for part in (b"abc", b"", b"defg", b"h"):
        assert growing.add(part)
    buffers = slots(2, 4)
    assert growing.readv(buffers, 0) == 6
    assert b"".join(map(bytes, buffers)) == b"abcdef"
    assert growing.readv(slots(1), 6) == 1
    buffers = slots(10)
    assert growing.readv(buffers, 7) == 1
    assert bytes(buffers[0][:1]) == b"h"


def test_the_bell_rings_exactly_while_there_is_something_to_read(growing):
    assert not rings(growing)
    growing.add(b"ab")
    growing.add(b"cd")
    assert rings(growing)
    growing.readv(slots(3), 0)
    assert rings(growing)
    growing.readv(slots(3), 3)
    assert not rings(growing)
    growing.complete()
    assert rings(growing)
    assert growing.readv(slots(3), 4) == 0
    assert rings(growing), "the end stays the end"


def test_growing_bytes_end_by_word_alone(growing, within_five_seconds):
    growing.add(b"a")
    growing.readv(slots(5), 0)
    ended = threading.Timer(0.05, growing.complete)
    ended.start()
    assert growing.readv(slots(5), 1) == 0  # waited for the word
    growing.check_unchanged()
    ended.join()


def test_what_was_given_up_is_never_whole(growing):
    growing.add(b"a")
    growing.give_up()
    assert rings(growing)
    with pytest.raises(Cancelled):
        growing.readv(slots(5), 0)
    with pytest.raises(Cancelled):
        growing.check_unchanged()
    growing.complete()
    with pytest.raises(Cancelled):
        growing.readv(slots(5), 0)
    assert not growing.add(b"b")


def test_a_word_at_the_last_moment_still_counts(growing):
    growing.complete()
    assert growing.readv(slots(5), 0) == 0
    growing.give_up()
    with pytest.raises(Cancelled):
        growing.check_unchanged()


def test_a_writer_waits_while_much_is_queued_and_goes_on_when_it_was_taken(growing, within_five_seconds):
    growing.add(bytes(MAX_QUEUED))
    added = threading.Event()
    writer = threading.Thread(target=lambda: added.set() if growing.add(b"more") else None)
    writer.start()
    assert not added.wait(0.05), "there is no bound"
    growing.readv(slots(1 << 20), 0)
    assert added.wait(DEADLINE)
    writer.join()


@pytest.mark.parametrize("end", ["close", "give_up"])
def test_a_writer_that_waits_is_sent_away(growing, within_five_seconds, end):
    growing.add(bytes(MAX_QUEUED))
    results = []
    writer = threading.Thread(target=lambda: results.append(growing.add(b"more")))
    writer.start()
    getattr(growing, end)()
    writer.join()
    assert results == [False]


def test_closing_twice_and_words_after_it_do_no_harm(growing):
    growing.close()
    growing.close()
    assert not growing.add(b"a")
    growing.complete()
    growing.give_up()
