"""Cost of a single request: it reads a bounded part of a directory, however large that is."""

from __future__ import annotations

import os
import sys

import pytest

from secftp.errors import NotEmpty
from secftp.protocol import Abort, ErrorCode, Write
from secftp.storage import LocalStore, WriteOptions
from secftp.storage import sink as sink_module
from secftp.storage.change import _LOOKED_AT
from secftp.storage.names import partial_name, temporary_name
from secftp.storage.sweep import LARGE_MAX, LARGE_SECONDS, SMALL_ENTRIES, RateLimitedSweep
from tests.support.serving import put, serving

pytestmark = pytest.mark.exhaustive

MANY = 6000


class Reading:
    """Counts what `os.scandir` gives away."""

    def __init__(self):
        self.entries = 0
        self._real = os.scandir

    def __call__(self, place):
        return _Counted(self, self._real(place))


class _Counted:
    def __init__(self, reading, entries):
        self._reading, self._entries = reading, entries

    def __iter__(self):
        for entry in sorted(self._entries, key=lambda entry: entry.name == "a file"):  # which is the last
            self._reading.entries += 1
            yield entry

    def close(self):
        self._entries.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture
def reading(monkeypatch):
    reading = Reading()
    monkeypatch.setattr(os, "scandir", reading)
    monkeypatch.setattr(sink_module, "_sweep_directory", RateLimitedSweep())
    return reading


def fill(directory, names):
    for name in names:
        os.close(os.open(os.path.join(os.fsencode(directory), name), os.O_CREAT | os.O_WRONLY, 0o600))


def keep(store, path):
    with store.create_sink(path, WriteOptions(keep=True)) as sink:
        sink.writev([memoryview(b"x")])
        sink.keep()


def test_writers_that_leave_partials_do_not_read_a_large_directory_each(tmp_path, reading):
    fill(tmp_path, (b"%d" % number for number in range(MANY)))
    with LocalStore(tmp_path) as store:
        keep(store, (b"first",))
        assert reading.entries <= MANY + 1 + SMALL_ENTRIES + 1, "once it is read through"
        before = reading.entries
        for number in range(20):
            keep(store, (b"kept %d" % number,))
        assert reading.entries - before <= 20 * (SMALL_ENTRIES + 1)


def test_a_session_that_breaks_off_writes_does_not_read_a_large_directory_each_time(tmp_path, reading):
    fill(tmp_path, (b"%d" % number for number in range(MANY)))
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        for number in range(1, 21):
            wire.send(Write(id=number, path=(b"kept %d" % number,), keep=True))
            wire.send_data(b"x")
            wire.send(Abort(code=ErrorCode.CANCELLED, text=""))
            assert wire.receive().code is ErrorCode.CANCELLED
    assert len([name for name in os.listdir(tmp_path) if name.startswith(".secftp-part-")]) == 20
    assert reading.entries <= MANY + 20 + 20 * (SMALL_ENTRIES + 1)


def test_a_large_directory_is_swept_again_after_an_hour(tmp_path, reading):
    now = [0.0]
    seldom = RateLimitedSweep(lambda: now[0])
    fill(tmp_path, (b"%d" % number for number in range(2000)))
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        for at, is_due in ((0, True), (LARGE_SECONDS - 1, False), (LARGE_SECONDS, True), (LARGE_SECONDS + 1, False)):
            left = [temporary_name() for _ in range(50)]
            fill(tmp_path, left)
            now[0] = at
            assert (seldom(directory) == len(left)) == is_due
            for name in left:
                if (tmp_path / name.decode()).exists():
                    os.unlink(tmp_path / name.decode())
    finally:
        os.close(directory)


def test_no_more_large_directories_are_swept_than_are_remembered(tmp_path, monkeypatch, reading):
    monkeypatch.setattr(sys.modules["secftp.storage.sweep"], "LARGE_MAX", 2)
    now = [0.0]
    seldom = RateLimitedSweep(lambda: now[0])
    counts = []
    for round_ in range(2):
        now[0] = round_ * LARGE_SECONDS
        for name in "abc":
            (tmp_path / name).mkdir(exist_ok=True)
            fill(tmp_path / name, (b"%d" % number for number in range(1000)))
            directory = os.open(tmp_path / name, os.O_RDONLY)
            before = reading.entries
            seldom(directory)
            os.close(directory)
            counts.append(reading.entries - before >= 1000)
    assert counts == [True, True, False] * 2
    assert LARGE_MAX >= 1024


@pytest.mark.parametrize("last", [b"a file", None])
def test_a_removal_of_a_directory_reads_a_bounded_part_for_nothing(tmp_path, reading, last):
    """Thousands of partials, and a file that the listing has behind them."""
    (tmp_path / "folder").mkdir()
    fill(tmp_path / "folder", (partial_name(b"%d" % number) for number in range(MANY)))
    if last is not None:
        fill(tmp_path / "folder", [last])
    removed = 0
    with LocalStore(tmp_path) as store:
        for _ in range(30):
            there = len(os.listdir(tmp_path / "folder"))
            before = reading.entries
            try:
                store.remove((b"folder",))
            except NotEmpty:
                pass
            else:
                break
            gone = there - len(os.listdir(tmp_path / "folder"))
            assert reading.entries - before <= _LOOKED_AT + gone + 1
            removed += gone
    assert (tmp_path / "folder").exists() == (last is not None)
    if last is not None:
        assert (tmp_path / "folder" / "a file").exists()


@pytest.mark.parametrize(
    "request_",
    ["stat", "stat partial", "remove", "rename", "mkdir", "put", "put keep", "read", "setattr", "rmdir"],
)
def test_requests_about_a_name_read_no_directory(tmp_path, reading, request_):
    fill(tmp_path, (b"%d" % number for number in range(1000)))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"")
    with serving(tmp_path) as server, server.session() as client:
        keep(server.server._shared.store, (b"kept",))
        reading.entries = 0
        if request_ == "stat":
            client.stat((b"1",))
        elif request_ == "stat partial":
            assert client.stat((b"kept",), partial=True).size == 1
        elif request_ == "remove":
            client.remove((b"1",))
        elif request_ == "rename":
            client.rename((b"1",), (b"2",), overwrite=True)
        elif request_ == "mkdir":
            client.make_directory((b"new",))
        elif request_ == "put":
            put(client, b"1", b"contents")
        elif request_ == "put keep":
            put(client, b"1", b"contents", keep=True)
        elif request_ == "read":
            client.checksum((b"1",))
        elif request_ == "setattr":
            client.set_attributes((b"1",), mtime_ns=0)
        else:
            with pytest.raises(NotEmpty):
                client.remove((b"sub",))
        assert reading.entries <= (request_ == "rmdir")
