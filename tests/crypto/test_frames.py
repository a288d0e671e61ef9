"""What has been received is opened once: no call of the core without new bytes, and none left out with them."""

from __future__ import annotations

import pytest

from secftp.crypto import Suite, frames
from secftp.crypto.frames import SMALL_FRAMES
from secftp.errors import AuthenticationError, SecftpError
from tests.support.channels import established

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)


class Calls:
    """The core's library, with the calls of `secftp_open` counted."""

    def __init__(self, lib):
        self._lib = lib
        self.count = 0

    def __getattr__(self, name):
        return getattr(self._lib, name)

    def secftp_open(self, *arguments):
        self.count += 1
        return self._lib.secftp_open(*arguments)


@pytest.fixture
def calls(monkeypatch):
    found = Calls(frames.binding.lib)
    monkeypatch.setattr(frames.binding, "lib", found)
    return found


def pair(suite):
    mine, yours = established(suite)
    return mine.boxes()[0], yours.boxes()[1]


def wire_of(outbox, count):
    """So many frames, each with its number."""
    wire = b""
    for number in range(count):
        if not outbox.add(3, 0, b"%d" % number):
            wire += bytes(outbox.seal())
            assert outbox.add(3, 0, b"%d" % number)
    return wire + bytes(outbox.seal())


def take(inbox, wire):
    inbox.room()[: len(wire)] = wire
    inbox.received(len(wire))


@suites
def test_without_new_bytes_the_core_is_not_called(calls, suite):
    outbox, inbox = pair(suite)
    calls.count = 0
    assert inbox.frames() == []
    assert calls.count == 0
    wire = wire_of(outbox, 2)
    take(inbox, wire)
    assert [bytes(frame.payload) for frame in inbox.frames()] == [b"0", b"1"]
    assert inbox.frames() == inbox.frames() == []
    assert calls.count == 1


@suites
def test_a_frame_that_comes_byte_by_byte_is_opened_with_its_last_one(calls, suite):
    outbox, inbox = pair(suite)
    wire = wire_of(outbox, 1)
    calls.count = 0
    for place in range(len(wire)):
        assert inbox.frames() == []
        take(inbox, wire[place : place + 1])
    assert [bytes(frame.payload) for frame in inbox.frames()] == [b"0"]
    assert calls.count == len(wire), "once for each byte that came"


@suites
@pytest.mark.parametrize("count", [SMALL_FRAMES - 1, SMALL_FRAMES, SMALL_FRAMES + 1, 2 * SMALL_FRAMES + 5])
def test_more_frames_than_one_call_takes_are_all_opened(suite, count):
    outbox, inbox = pair(suite)
    take(inbox, wire_of(outbox, count))
    found = []
    while opened := inbox.frames():
        found += [bytes(frame.payload) for frame in opened]
    assert found == [b"%d" % number for number in range(count)]
    assert inbox.unopened == 0


@suites
def test_after_a_forged_frame_nothing_is_opened_without_new_bytes_either(suite):
    outbox, inbox = pair(suite)
    wire = bytearray(wire_of(outbox, 2))
    wire[-1] ^= 1
    take(inbox, bytes(wire))
    with pytest.raises(AuthenticationError):
        inbox.frames()
    for _ in range(3):
        with pytest.raises(SecftpError):
            inbox.frames()
