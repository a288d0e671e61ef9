"""Decoders are made by one thread at a time, as msgspec's notes about a structure are not complete before that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from secftp.protocol.message import LazyDecoder
from tests.support.serving import DEADLINE

DATA = msgspec.msgpack.encode(5)


def test_no_two_threads_make_decoders_at_once():
    begun, go_on, made = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        assert go_on.wait(DEADLINE)
        made.append("slow")
        return msgspec.msgpack.Decoder(int)

    def fast():
        made.append("fast")
        return msgspec.msgpack.Decoder(int)

    first, second = LazyDecoder(slow), LazyDecoder(fast)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(first.decode, DATA)]
        assert begun.wait(DEADLINE)
        waiting += [pool.submit(second.decode, DATA), pool.submit(first.decode, DATA)]
        assert made == []
        go_on.set()
        assert [each.result(DEADLINE) for each in waiting] == [5, 5, 5]
    assert sorted(made) == ["fast", "slow"], "each of them once"
    assert made[0] == "slow"


def test_one_that_can_not_be_made_keeps_no_other_from_being_made():
    attempts = []

    def fails():
        attempts.append(1)
        if len(attempts) == 1:
            raise MemoryError
        return msgspec.msgpack.Decoder(int)

    decoder = LazyDecoder(fails)
    with pytest.raises(MemoryError):
        decoder.decode(DATA)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(decoder.decode, DATA).result(DEADLINE) == 5
