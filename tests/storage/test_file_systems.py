"""Unusual file systems: times beyond the protocol's range, and writes that take nothing."""

from __future__ import annotations

import os

import pytest

from secftp.errors import InputOutputError
from secftp.protocol.limits import MAX_SIZE
from secftp.storage import LocalStore, open_local_source, stat_local
from secftp.storage.tree import LocalTree
from tests.support.serving import get, serving


@pytest.fixture
def far(tmp_path):
    """A directory with a file of the year 4308, for which 64 bits of nanoseconds are not enough, and one of today."""
    for name in (b"far", b"near"):
        tmp_path.joinpath(name.decode()).write_bytes(name)
    os.utime(tmp_path / "far", ns=(0, 2**66))
    if (tmp_path / "far").stat().st_mtime_ns < 2**63:
        pytest.skip("this file system has no such times")
    return tmp_path


def test_a_time_beyond_all_bounds_does_not_end_a_session(far):
    with serving(far) as running, running.session() as client:
        assert client.stat((b"far",)).mtime_ns == MAX_SIZE
        assert {entry.path[0]: entry.mtime_ns for entry in client.list(())}[b"far"] == MAX_SIZE
        assert get(client, b"far") == b"far"
        assert get(client, b"near") == b"near"


def test_a_file_with_such_a_time_has_not_changed(far):
    with LocalStore(far) as store, store.small_files() as small:
        info, data = small.read((b"far",), 100)
        assert (info.mtime_ns, data) == (MAX_SIZE, b"far")
    with open_local_source(str(far / "far")) as source:
        source.check_unchanged()
        assert source.info.mtime_ns == stat_local(str(far / "far")).mtime_ns == MAX_SIZE
    with LocalTree(str(far)) as tree:
        assert tree.open((b"far",), 100).mtime_ns == MAX_SIZE


def write_small(store):
    with store.small_files() as small:
        small.write((b"name",), memoryview(b"contents"))


def write_large(store):
    with store.create_sink((b"name",)) as sink:
        sink.writev([memoryview(b"contents")])


@pytest.mark.parametrize(("call", "write"), [("write", write_small), ("pwritev", write_large)])
def test_a_file_system_that_takes_nothing_and_says_nothing_is_an_error(tmp_path, monkeypatch, call, write):
    """Some in user space do; a loop would go on for ever."""
    tries = iter(range(3))
    monkeypatch.setattr(os, call, lambda *_: 0 if next(tries, None) is not None else pytest.fail("it goes on and on"))
    with LocalStore(tmp_path) as store:
        with pytest.raises(InputOutputError):
            write(store)
        assert os.listdir(tmp_path) == []
