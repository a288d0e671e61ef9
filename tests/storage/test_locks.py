"""Whether locks of files work: where they don't, nothing is to be resumed, and nothing is swept."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from secftp.protocol import Capability
from secftp.storage import LocalStore
from secftp.storage.locks import has_locks
from secftp.storage.names import temporary_name

LOCKED = {Capability.RESUME, Capability.UPLOADS}


def refuse(number):
    """An flock(2) that fails with this error."""

    def flock(fd, operation):
        raise OSError(number, os.strerror(number))

    return flock


def granted(fd, operation):
    """An flock(2) that locks nothing."""


NONE = {
    "ENOLCK": refuse(errno.ENOLCK),
    "ENOSYS": refuse(errno.ENOSYS),
    "EOPNOTSUPP": refuse(errno.EOPNOTSUPP),
    "granted to all": granted,
}


@pytest.fixture
def directory(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_they_work_here_and_nothing_is_left(directory, tmp_path):
    assert has_locks(directory)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("how", NONE)
def test_where_they_do_not_nothing_is_left_either(monkeypatch, directory, tmp_path, how):
    monkeypatch.setattr(fcntl, "flock", NONE[how])
    assert not has_locks(directory)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("how", NONE)
def test_where_no_file_can_be_made_the_directory_itself_is_tried(monkeypatch, directory, how):
    real = os.open

    def refusing(path, flags, *args, **more):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "no")
        return real(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", refusing)
    assert has_locks(directory)
    monkeypatch.setattr(fcntl, "flock", NONE[how])
    assert not has_locks(directory)


@pytest.mark.parametrize("number", [errno.EBADF, errno.EINTR, errno.EIO])
def test_what_tells_nothing_is_not_taken_for_a_lack(monkeypatch, directory, number):
    """NFS locks only what is open for writing, and a directory can't be."""
    monkeypatch.setattr(fcntl, "flock", refuse(number))
    assert has_locks(directory)


def test_a_store_lacks_what_rests_on_them_from_the_moment_that_it_was_tried(monkeypatch, tmp_path):
    monkeypatch.setattr(fcntl, "flock", granted)
    (tmp_path / "below").mkdir()
    with LocalStore(tmp_path) as store:
        assert not store.lacks
        assert not store.try_locks()
        assert store.lacks == LOCKED
        monkeypatch.undo()
        assert not store.try_locks(), "it was tried again"
        with store.beneath((b"below",)) as below:  # which may be another file system
            assert below.try_locks()
            assert not below.lacks


@pytest.mark.parametrize("how", NONE)
def test_nothing_is_swept_where_a_writer_can_not_be_known(monkeypatch, tmp_path, how):
    """Two descriptors got one lock: another server's unfinished file would be taken for a dead writer's."""
    unfinished = tmp_path / os.fsdecode(temporary_name())
    unfinished.write_bytes(b"being written by another server")
    monkeypatch.setattr(fcntl, "flock", NONE[how])
    with LocalStore(tmp_path, sweep=True, try_locks=True) as store:
        assert store._sweeper is None
    assert unfinished.exists()
    monkeypatch.undo()
    with LocalStore(tmp_path, sweep=True, try_locks=True) as store:
        store._sweeper.wait()
    assert not unfinished.exists()
