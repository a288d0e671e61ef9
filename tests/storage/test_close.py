"""Failures of close(2): errors of a file that was written, ignored for one that was only read."""

from __future__ import annotations

import errno
import os

import pytest

from secftp.errors import InputOutputError
from secftp.storage import LocalStore, PipeSink

REAL = os.close


@pytest.fixture
def failing(monkeypatch):
    """From its call on, each close says EIO once it is done, as one of a network file system may."""

    def close(fd):
        REAL(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def begin():
        monkeypatch.setattr(os, "close", close)

    yield begin
    monkeypatch.undo()


def test_what_was_only_read_or_looked_at_is_none_the_worse(tmp_path, failing):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"contents")
    path = (b"folder", b"file")
    store = LocalStore(tmp_path)
    failing()
    with store.open_source(path) as source:
        data = bytearray(8)
        assert source.readv([memoryview(data)], 0) == 8
    assert data == b"contents"
    assert store.stat(path).size == 8
    with store.small_files() as small:
        assert small.read(path, 100)[1] == b"contents"
    assert {entry.path for entry in store.scan((), recursive=True)} == {(b"folder",), path}
    store.make_directory((b"folder", b"new"))
    store.rename(path, (b"folder", b"other"))
    store.remove((b"folder", b"new"))
    store.close()


def write(store, view):
    with store.create_sink((b"name",)) as sink:
        sink.writev([view])
        sink.commit()


def write_small(store, view):
    with store.small_files() as files:
        files.write((b"name",), view)


@pytest.mark.parametrize("small", [False, True])
def test_what_was_written_and_not_taken_is_a_failure_and_not_there(tmp_path, failing, small):
    store = LocalStore(tmp_path)
    view = memoryview(b"contents")
    failing()
    with pytest.raises(InputOutputError):
        (write_small if small else write)(store, view)
    assert os.listdir(tmp_path) == []
    store.close()


def test_a_stream_that_reports_a_failure_late_is_not_complete(monkeypatch):
    """What close(2) says of a copy of the descriptor; a network file system behind a redirection says it only then."""
    reader, writer = os.pipe()
    close = os.close

    def fail(descriptor):
        close(descriptor)
        if descriptor not in (reader, writer):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    try:
        sink = PipeSink(writer)
        sink.writev([memoryview(b"all of it")])
        monkeypatch.setattr(os, "close", fail)
        with pytest.raises(InputOutputError):
            sink.commit()
    finally:
        monkeypatch.undo()
        close(reader)
        close(writer)
