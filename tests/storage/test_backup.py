"""Backups: at every moment a file has the old contents or the new ones, and the old ones are never lost."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from secftp.errors import Forbidden, NameRefused, Reason
from secftp.server.own_names import OwnNamesStore
from secftp.storage import LocalStore, WriteOptions
from secftp.storage import backup as backups
from secftp.storage.attributes import KEPT_OPTIONS
from secftp.storage.partial import partial_name
from secftp.storage.user import create_local_sink
from tests.support.serving import listing

pytestmark = pytest.mark.exhaustive

NAME = (b"name",)
OPTIONS = WriteOptions(backup=b"~")
OLD_TIME = 1_000_000_000_000_000_000


@pytest.fixture
def there(tmp_path):
    """A directory with a file and an earlier backup of it."""
    (tmp_path / "name").write_bytes(b"old")
    os.chmod(tmp_path / "name", 0o640)
    os.utime(tmp_path / "name", ns=(OLD_TIME, OLD_TIME))
    (tmp_path / "name~").write_bytes(b"older")
    return tmp_path


def write(directory, data, options=OPTIONS, *, small=False):
    with LocalStore(directory) as store:
        if small:
            with store.small_files() as files:
                files.write(NAME, memoryview(data), options)
            return
        with store.create_sink(NAME, options) as sink:
            if data:
                sink.writev([memoryview(data)])
            sink.commit()


def contents(directory):
    return {name: (directory / name).read_bytes() for name in listing(directory)}


@pytest.mark.parametrize("small", [False, True])
def test_what_is_replaced_keeps_its_inode_under_the_name_of_the_backup(there, small):
    before = (there / "name").stat()
    write(there, b"new", small=small)
    assert contents(there) == {"name": b"new", "name~": b"old"}
    after = (there / "name~").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, OLD_TIME, 1)
    assert stat.S_IMODE(after.st_mode) == 0o640
    write(there, b"newest", small=small)
    assert contents(there) == {"name": b"newest", "name~": b"new"}


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("data", [b"new", b"", b"old" * 500_000])
def test_a_file_that_is_written_twice_is_not_its_own_backup(there, small, data):
    for _ in range(3):
        write(there, data, small=small)
        assert contents(there) == {"name": data, "name~": b"old"}
    write(there, data[:-1] + b"?", small=small)
    assert (there / "name~").read_bytes() == data


def test_a_backup_that_a_killed_writer_has_made_already_is_made_again(there):
    (there / "name~").unlink()
    os.link(there / "name", there / "name~")
    write(there, b"new")
    assert contents(there) == {"name": b"new", "name~": b"old"}
    assert (there / "name~").stat().st_nlink == 1, "no third name is left"


def test_nothing_is_kept_of_nothing_and_of_what_is_not_replaced(tmp_path):
    write(tmp_path, b"new")
    assert contents(tmp_path) == {"name": b"new"}
    (tmp_path / "name").write_bytes(b"old")
    for small in (False, True):
        with pytest.raises(FileExistsError):
            write(tmp_path, b"new", WriteOptions(overwrite=False, backup=b"~"), small=small)
    assert contents(tmp_path) == {"name": b"old"}


def test_resumed_files_and_files_in_parts(there):
    with LocalStore(there) as store:
        with store.create_sink(NAME, KEPT_OPTIONS) as sink:
            sink.writev([memoryview(b"ne")])
            sink.keep()
        with store.resume_sink(NAME, 2, WriteOptions(keep=True, backup=b".bak")) as sink:
            sink.writev([memoryview(b"w")])
            sink.commit()
        assert contents(there) == {"name": b"new", "name.bak": b"old", "name~": b"older"}
        with store.open_upload(NAME, bytes(16), WriteOptions(size=2, backup=b"~")) as upload:
            upload.writev_at([memoryview(b"xy")], 0)
            upload.add(0, 2)
            upload.commit()
    assert contents(there) == {"name": b"xy", "name.bak": b"old", "name~": b"new"}


def test_a_partial_of_the_backup_goes_with_what_it_was_a_part_of(there):
    (there / os.fsdecode(partial_name(b"name~"))).write_bytes(b"old")
    write(there, b"new")
    assert contents(there) == {"name": b"new", "name~": b"old"}


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo"])
@pytest.mark.parametrize("small", [False, True])
def test_only_files_are_replaced_by_a_backup(there, kind, small):
    (there / "name~").unlink()
    make = {"directory": os.mkdir, "symlink": lambda path: os.symlink("name", path), "fifo": os.mkfifo}
    make[kind](there / "name~")
    before = (there / "name~").lstat()
    with pytest.raises(Forbidden) as failure:
        write(there, b"new", small=small)
    assert failure.value.reason is Reason.BACKUP
    assert ((there / "name").read_bytes(), (there / "name~").lstat().st_ino) == (b"old", before.st_ino)
    assert sorted(os.listdir(there)) == ["name", "name~"]


@pytest.mark.parametrize("name", [b".secftp", b"x" * 250])
def test_the_name_of_a_backup_is_one_that_a_file_may_have(tmp_path, name):
    (tmp_path / os.fsdecode(name)).write_bytes(b"old")
    with LocalStore(tmp_path) as store, store.create_sink((name,), WriteOptions(backup=b"-part-x")) as sink:
        sink.writev([memoryview(b"new")])
        with pytest.raises(NameRefused):
            sink.commit()
    assert [(tmp_path / each).read_bytes() for each in os.listdir(tmp_path)] == [b"old"]


def test_no_backup_has_a_name_that_python_would_import(tmp_path):
    with LocalStore(tmp_path) as inner:
        store, options = OwnNamesStore(inner), WriteOptions(size=1, keep=True, backup=b"ftp.py")
        with pytest.raises(NameRefused):
            store.create_sink((b"sec",), options)
        with pytest.raises(NameRefused):
            store.resume_sink((b"sec",), 0, options)
        with pytest.raises(NameRefused):
            store.open_upload((b"sec",), bytes(16), options)
        with store.small_files() as small, pytest.raises(NameRefused):
            small.write((b"sec",), memoryview(b""), options)


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_where_there_are_no_hard_links_the_old_contents_are_copied(there, monkeypatch, error):
    def refuse(*_arguments, **_options):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", refuse)
    write(there, b"new")
    assert contents(there) == {"name": b"new", "name~": b"old"}
    status = (there / "name~").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, OLD_TIME)
    write(there, b"newest")
    assert contents(there) == {"name": b"newest", "name~": b"new"}


def test_a_local_file_and_a_symlink_to_one(there):
    os.symlink("name", there / "link")
    with create_local_sink(str(there / "link"), OPTIONS) as sink:
        sink.writev([memoryview(b"new")])
        sink.commit()
    assert os.readlink(there / "link") == "name"
    assert (there / "name").read_bytes() == b"new"
    assert (there / "name~").read_bytes() == b"old", "beside the file that is replaced"


CALLS = ["link", "rename", "unlink", "open", "close", "stat", "pwritev", "pread", "utime", "fchmod", "fstat"]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_writer_that_is_killed_anywhere_loses_nothing(there, links, moment):
    """The old contents have the name of the file or that of the backup, the name is never free, all is repeatable."""
    points = 0
    while (code := killed_at(there, points, moment, links=links)) != 0:
        assert code == 77
        found = contents(there)
        assert found["name"] in (b"old", b"new"), points
        assert b"old" in (found["name"], found["name~"]), points
        assert found["name~"] in (b"older", b"old"), points
        write(there, b"new")
        found = contents(there)
        assert (found["name"], found["name~"]) == (b"new", b"old"), points
        with LocalStore(there) as store:
            store.sweep_leftovers()
        assert set(listing(there)) == {"name", "name~"}, "a sweep removes what is left"
        (there / "name").write_bytes(b"old")
        (there / "name~").unlink()
        (there / "name~").write_bytes(b"older")
        points += 1
    assert points > 8
    assert contents(there) == {"name": b"new", "name~": b"old"}


def killed_at(directory, point, moment, *, links):
    """Write in a process that ends before or after its system call of that number; 0 if it makes fewer, else 77."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        left = [point]
        store = LocalStore(directory)
        for name in CALLS:
            setattr(os, name, counted(getattr(os, name), left, moment))
        if not links:
            os.link = refuse_link
        with store.create_sink(NAME, OPTIONS) as sink:
            sink.writev([memoryview(b"new")])
            sink.commit()
        code = 0
    finally:
        os._exit(code)


def counted(call, left, moment):
    def replacement(*arguments, **options):
        left[0] -= 1
        if left[0] == -1 and moment == "before":
            os._exit(77)
        result = call(*arguments, **options)
        if left[0] == -1 and moment == "after":
            os._exit(77)
        return result

    return replacement


def refuse_link(*_arguments, **_options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_what_can_not_be_linked_is_reported_and_nothing_is_replaced(there, monkeypatch):
    def fail(*_arguments, **_options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="name"):
        write(there, b"new")
    assert contents(there) == {"name": b"old", "name~": b"older"}


def test_a_sweep_that_comes_between_does_not_matter(there, monkeypatch):
    link, swept = os.link, []

    def swept_once(source, target, **options):
        link(source, target, **options)
        if not swept:
            swept.append(os.unlink(there / os.fsdecode(target)))

    monkeypatch.setattr(backups.os, "link", swept_once)
    write(there, b"new")
    assert swept
    assert contents(there) == {"name": b"new", "name~": b"old"}
