"""SPACE: what is told of a disk, to whom, and of which disk."""

from __future__ import annotations

import contextlib
import itertools
import os

import pytest

from secftp.errors import Forbidden, NameRefused, NotFound
from secftp.protocol import Capacity, Error, ErrorCode, Space
from secftp.server.access import Rights
from secftp.server.options import ServerLimits
from secftp.server.quota import BoundedStore, Quota
from secftp.storage import LocalStore
from tests.support.requests_at import ALL, served

UNIT = 4096
DROP_BOX = Rights(read=False, write=True, overwrite=False, list=False, delete=False)
READER = Rights(read=True, write=False, overwrite=False, delete=False)


class Disks:
    """What `os.fstatvfs` says of the directory with this name, and of all others: blocks, free ones, available ones."""

    def __init__(self):
        self.usual = (1000, 400, 300)
        self.files = (90, 60, 50)
        self.flags = 0
        self.mounts = {}

    def __call__(self, fd):
        place = os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))
        return os.statvfs_result((9, UNIT, *self.mounts.get(place, self.usual), *self.files, self.flags, 255))


@pytest.fixture
def disks(monkeypatch):
    disks = Disks()
    monkeypatch.setattr(os, "fstatvfs", disks)
    return disks


@contextlib.contextmanager
def bounded(root, **limits):
    with contextlib.closing(LocalStore(root)) as inner:
        yield BoundedStore(inner, Quota(ServerLimits(**limits), lambda name, text: None))


def ask(root, rights=ALL, path=(), **limits):
    with bounded(root, **limits) as store, served(root, rights=rights, store=store) as server:  # noqa: SIM117
        with server.session() as client:
            return client.space(path)


def test_the_numbers_of_the_file_system(tmp_path, disks):
    assert ask(tmp_path) == Capacity(
        id=1, total=1000 * UNIT, free=400 * UNIT, available=300 * UNIT, files=90, files_available=50
    )


def test_the_real_numbers(tmp_path):
    found, system = ask(tmp_path), os.statvfs(tmp_path)
    assert found.total == system.f_blocks * system.f_frsize
    assert found.used is not None
    assert 0 < found.available <= found.free < found.total


def test_what_is_not_counted_is_not_known(tmp_path, disks):
    disks.usual, disks.files = (0, 0, 0), (0, 0, 0)
    assert ask(tmp_path) == Capacity(id=1)
    assert ask(tmp_path, min_free=5, min_free_files=5) == Capacity(id=1, kept=5)


def test_what_the_operator_keeps_free_is_not_available(tmp_path, disks):
    limits = {"min_free": 100 * UNIT, "min_free_files": 20, "max_file_size": 7}
    found = ask(tmp_path, **limits)
    assert (found.available, found.files_available, found.largest) == (200 * UNIT, 30, 7)
    assert (found.free, found.kept) == (400 * UNIT, 100 * UNIT)
    disks.usual, disks.files = (1000, 400, 99), (90, 60, 19)
    found = ask(tmp_path, **limits)
    assert (found.available, found.files_available) == (0, 0)


def test_what_is_available_can_be_written(tmp_path, disks):
    """The answer and the limit on writes agree to the byte."""
    with bounded(tmp_path, min_free=100 * UNIT) as store:
        most = store.space(()).available
        store.check_space((b"name",), most, store._inner.free_space)
        with pytest.raises(OSError, match="keeps the rest"):
            store.check_space((b"name",), most + 1, store._inner.free_space)


def test_what_is_used_is_not_negative():
    """A server may say anything, and some file systems do."""
    assert Capacity(id=1, total=7, free=7).used == 0
    assert Capacity(id=1, total=7, free=8).used is None
    assert Capacity(id=1, total=7).used is None
    assert Capacity(id=1, free=7).used is None


@pytest.mark.parametrize("path", [(b"mount",), (b"mount", b"file")])
def test_a_directory_may_be_a_mount_point(tmp_path, disks, path):
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "file").touch()
    disks.mounts["mount"] = (10, 5, 4)
    assert ask(tmp_path, path=path).available == 4 * UNIT
    assert ask(tmp_path).available == 300 * UNIT


def test_a_session_that_may_not_write(tmp_path, disks):
    found = ask(tmp_path, READER)
    assert (found.total, found.free) == (1000 * UNIT, 400 * UNIT)
    assert (found.available, found.files_available, found.read_only) == (0, 0, True)


def test_a_disk_that_is_mounted_read_only(tmp_path, disks):
    disks.flags = os.ST_RDONLY
    found = ask(tmp_path)
    assert (found.total, found.available, found.files_available, found.read_only) == (1000 * UNIT, 0, 0, True)


def test_what_is_missing_or_not_served(tmp_path):
    (tmp_path / "link").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")
    refused = {b"none": NotFound, b"link": NotFound, b"fifo": Forbidden, b".secftp-x": NameRefused}
    for name, kind in refused.items():
        with pytest.raises(kind):
            ask(tmp_path, path=(name,))


def test_who_may_not_look_learns_nothing_but_what_can_be_written(tmp_path, disks):
    """Not the size of the disk, and not whether a name exists: the answers are the same, log lines apart."""
    (tmp_path / "there" / "below").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("there")
    os.mkfifo(tmp_path / "fifo")
    expected = Capacity(id=1, available=200 * UNIT, largest=7, files_available=50)
    for path in ((), (b"none",), (b"there", b"below"), (b"there", b"none", b"x"), (b"file",), (b"link",), (b"fifo",)):
        assert ask(tmp_path, DROP_BOX, path, min_free=100 * UNIT, max_file_size=7) == expected
    with pytest.raises(NameRefused):
        ask(tmp_path, DROP_BOX, (b".secftp-x",))


def test_under_every_set_of_rights(tmp_path, disks):
    for granted in itertools.product([False, True], repeat=5):
        rights = Rights(*granted)
        with served(tmp_path, rights=rights) as server:
            wire = server.wire()
            wire.send(Space(id=1))
            answer = wire.receive()
        may_look = rights.read or rights.list
        if not may_look and not rights.write:
            assert isinstance(answer, Error)
            assert answer.code is ErrorCode.FORBIDDEN
            continue
        assert (answer.total is not None, answer.read_only) == (may_look, not rights.write)
        assert answer.available == (300 * UNIT if rights.write else 0)


def test_the_log(tmp_path):
    with served(tmp_path) as server, server.session() as client:
        client.space()
        with pytest.raises(NotFound):
            client.space((b"a\nb",))
    assert server.results == [("space", "ok"), ("space", "not_found")]
    assert "Client requesting free space: a\\nb" in server.log.told
