"""Limits on file size and free space, in every way of writing, with and without a server."""

from __future__ import annotations

import contextlib
import itertools
import os
import types

import pytest

from secftp.errors import NoSpace, NotADirectory, NotFound, TooLarge
from secftp.protocol import zeros
from secftp.server.options import ServerLimits
from secftp.server.quota import LOOK_BYTES, BoundedStore, Quota
from secftp.storage import FreeSpace, LocalStore, WriteOptions
from tests.support.serving import get, listing, put, serving

PLENTY = FreeSpace(1 << 40, 1 << 20)
BLOCK = memoryview(bytes(1 << 20))


class Told(list):
    """What limits said, by name."""

    def __call__(self, name, text):
        assert text.endswith(".")
        self.append(name)


@contextlib.contextmanager
def bounded(root, room=PLENTY, **limits):
    """A store under a quota; the room is a `Room` or a list of them, one for each look."""
    told = Told()
    with contextlib.closing(BoundedStore(Roomy(root, room), Quota(ServerLimits(**limits), told))) as store:
        yield store, told


class Roomy(LocalStore):
    """A local store on a disk with the room that a test says, wherever it is looked at."""

    def __init__(self, root, room):
        super().__init__(root)
        self._rooms = iter(room) if isinstance(room, list) else itertools.repeat(room)

    def free_space(self, path=()):
        return next(self._rooms)

    def create_sink(self, path, *options):
        sink = super().create_sink(path, *options)
        return _with_room(sink, self.free_space)

    def resume_sink(self, path, offset, *options):
        return _with_room(super().resume_sink(path, offset, *options), self.free_space)

    def small_files(self):
        small = super().small_files()
        small.free_space = self.free_space
        return small


def _with_room(sink, room):
    class WithRoom(type(sink)):
        __slots__ = ()

        def free_space(self):
            return room()

    sink.__class__ = WithRoom
    return sink


def test_a_size_at_the_limit_is_written_and_one_byte_more_is_not(tmp_path):
    with bounded(tmp_path, max_file_size=4) as (store, told):
        with store.create_sink((b"exact",), WriteOptions(size=4)) as sink:
            sink.writev([memoryview(b"four")])
            sink.commit()
        with pytest.raises(TooLarge):
            store.create_sink((b"announced",), WriteOptions(size=5))
        with store.create_sink((b"unannounced",)) as sink, pytest.raises(TooLarge):
            sink.writev([memoryview(b"fo"), memoryview(b"ur!")])
        with store.small_files() as small:
            small.write((b"small",), memoryview(b"four"))
            with pytest.raises(TooLarge):
                small.write((b"too large",), memoryview(b"four!"))
    assert listing(tmp_path) == ["exact", "small"]
    assert set(told) == {"max_file_size"}


def test_a_hole_has_a_size_and_takes_no_space(tmp_path):
    with bounded(tmp_path, FreeSpace(2000, None), min_free=1000, max_file_size=1 << 30) as (store, told):
        with store.create_sink((b"name",), WriteOptions(size=1 << 30, holes=(1 << 30) - 100)) as sink:
            sink.writev(zeros((1 << 30) - 100))
            sink.writev([memoryview(bytes(100))])
            with pytest.raises(TooLarge):
                sink.writev(zeros(1))
        with store.open_upload((b"name",), bytes(16), WriteOptions(size=1 << 30, holes=1 << 30)) as upload:
            upload.writev_at(zeros(1 << 30), 0)
        with pytest.raises(NoSpace):
            store.create_sink((b"name",), WriteOptions(size=1 << 30, holes=(1 << 30) - 1001))
    assert told == ["max_file_size", "min_free"]


def test_a_file_that_goes_on_counts_from_its_beginning(tmp_path):
    with bounded(tmp_path, max_file_size=6) as (store, _):
        with store.create_sink((b"name",), WriteOptions(keep=True)) as sink:
            sink.writev([memoryview(b"four")])
            sink.keep()
        with pytest.raises(TooLarge):
            store.resume_sink((b"name",), 4, WriteOptions(size=3, keep=True))
        with store.resume_sink((b"name",), 4) as sink:
            found = bytearray(4)
            assert sink.readv([memoryview(found)], 0) == 4
            assert found == b"four"
            with pytest.raises(TooLarge):
                sink.writev([memoryview(b"abc")])
        assert store.stat((b"name",), partial=True).size == 4, "what was within the limit is as it was"
    assert "name" not in listing(tmp_path)


@pytest.mark.parametrize(
    ("limits", "room", "name"),
    [
        ({"min_free": 1000}, FreeSpace(999, None), "min_free"),
        ({"min_free_files": 10}, FreeSpace(1 << 40, 10), "min_free_files"),
    ],
)
def test_without_room_nothing_is_begun(tmp_path, limits, room, name):
    (tmp_path / "there").write_bytes(b"")
    with bounded(tmp_path, room, **limits) as (store, told):
        with pytest.raises(NoSpace):
            store.create_sink((b"name",))
        with pytest.raises(NoSpace):
            store.resume_sink((b"name",), 0)
        with store.small_files() as small, pytest.raises(NoSpace):
            small.write((b"name",), memoryview(b""))
        with pytest.raises(NoSpace):
            store.make_directory((b"folder",))
        store.remove((b"there",))  # which is how there is room again
    assert listing(tmp_path) == []
    assert set(told) == {name}


def test_an_announced_size_that_would_take_the_room_is_refused_at_once(tmp_path):
    with bounded(tmp_path, FreeSpace(1500, None), min_free=1000) as (store, _):
        store.create_sink((b"fits",), WriteOptions(size=500)).close()
        with pytest.raises(NoSpace):
            store.create_sink((b"does not",), WriteOptions(size=501))


def test_file_systems_without_a_number_of_files_have_no_limit_of_them(tmp_path):
    with bounded(tmp_path, FreeSpace(1, None), min_free_files=10) as (store, _):
        store.create_sink((b"name",)).close()


def test_the_room_is_looked_at_again_while_a_file_grows(tmp_path, monkeypatch):
    monkeypatch.setattr("secftp.server.quota.LOOK_BYTES", 4 << 20)
    rooms = [PLENTY, PLENTY, FreeSpace(10, None)]
    with bounded(tmp_path, rooms, min_free=1000) as (store, told), store.create_sink((b"name",)) as sink:
        for _ in range(5):
            sink.writev([BLOCK])
        assert told == []
        with pytest.raises(NoSpace):
            sink.writev([BLOCK])
    assert told == ["min_free"]
    assert listing(tmp_path) == []
    assert LOOK_BYTES == 64 << 20


def test_a_client_is_told_and_its_session_goes_on(tmp_path):
    log = Told()
    store = BoundedStore(LocalStore(tmp_path), Quota(ServerLimits(max_file_size=4), log))
    with serving(tmp_path, store=store) as server, server.session() as client:
        for announced in (True, False):
            with pytest.raises(TooLarge):
                put(client, b"large", b"large", announced=announced)
        put(client, b"name", b"four")
        assert get(client, b"name") == b"four"
    assert listing(tmp_path) == ["name"]


# --- the store that knows ---------------------------------------------------------------------------------------------


def test_a_local_store_knows_its_room(tmp_path):
    with contextlib.closing(LocalStore(tmp_path)) as store:
        room = store.free_space()
    assert room.nbytes > 0
    assert room.files is None or room.files > 0


def test_a_directory_beneath_is_a_store_of_its_own(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "out").symlink_to("/")
    with contextlib.closing(LocalStore(tmp_path)) as store:
        below = store.beneath((b"a", b"b"))
        same = store.beneath(())
    with contextlib.closing(below), contextlib.closing(same):
        (tmp_path / "a").rename(tmp_path / "c")
        assert below.stat((b"file",)).size == 1, "it is held, whatever becomes of its name"
        assert same.stat((b"c",)).kind == "folder"
        for path in ((b"link",), (b"out",), (b"link", b"b"), (b"none",)):
            with pytest.raises(NotFound):
                same.beneath(path)
        with pytest.raises(NotADirectory):
            below.beneath((b"file",))


def test_a_file_system_that_does_not_tell_what_is_left_is_not_a_full_one(tmp_path, monkeypatch):
    monkeypatch.setattr("secftp.server.quota.LOOK_BYTES", 1 << 20)
    with bounded(tmp_path, FreeSpace(None, None), min_free=1000, min_free_files=10) as (store, told):
        with store.create_sink((b"name",), WriteOptions(size=3 << 20)) as sink:
            for _ in range(3):
                sink.writev([BLOCK])
            sink.commit()
        with store.small_files() as small:
            small.write((b"small",), memoryview(b"x"))
        store.make_directory((b"folder",))
    assert listing(tmp_path) == ["folder", "name", "small"]
    assert set(told) == {"min_free_unknown"}


def test_blocks_and_files_of_which_there_are_none_in_all_are_not_told(tmp_path, monkeypatch):
    real = os.fstatvfs

    def fstatvfs(fd):
        return types.SimpleNamespace(f_bavail=0, f_frsize=4096, f_blocks=0, f_files=0, f_favail=0, f_fsid=real(fd))

    monkeypatch.setattr(os, "fstatvfs", fstatvfs)
    with LocalStore(tmp_path) as store:
        assert store.free_space()[:2] == (None, None)


@pytest.mark.parametrize("limits", [{"min_free": 100}, {"min_free_files": 10}], ids=["bytes", "files"])
@pytest.mark.parametrize("way", ["large", "small"])
def test_what_an_older_try_left_makes_room(tmp_path, way, limits):
    """A file is refused only when it does not fit without the unfinished one of its name."""
    full, roomy = FreeSpace(50, 5), FreeSpace(1000, 1000)
    with LocalStore(tmp_path) as store, store.create_sink((b"name",), WriteOptions(keep=True)) as sink:
        sink.writev([memoryview(b"begun")])
        sink.keep()
    with bounded(tmp_path, [full, roomy, *[roomy] * 5], **limits) as (store, _):
        if way == "large":
            with store.create_sink((b"name",), WriteOptions(size=3)) as sink:
                sink.writev([memoryview(b"new")])
                sink.commit()
        else:
            with store.small_files() as small:
                small.write((b"name",), memoryview(b"new"))
    assert listing(tmp_path) == ["name"]
    with bounded(tmp_path, full, **limits) as (store, _), pytest.raises(NoSpace):
        store.create_sink((b"another",), WriteOptions(size=3))
