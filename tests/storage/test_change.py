"""Remove, rename, make directories and set attributes: effects, errors and races."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading

import pytest

from secftp import system
from secftp.errors import (
    AlreadyExists,
    FileError,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
)
from secftp.protocol import Kind
from secftp.storage import WriteOptions
from secftp.storage import change as change_module
from secftp.storage.names import partial_name, temporary_name


@pytest.fixture
def umask():
    """A function that sets the process's umask, for us too; undone afterwards."""
    before = os.umask(0o022)

    def change(mask):
        os.umask(mask)
        system.process_umask.cache_clear()

    change(0o022)
    yield change
    change(before)


def mode_of(place):
    return stat.S_IMODE(os.lstat(place).st_mode)


def tree(root):
    return sorted(
        os.path.relpath(os.path.join(place, name), root)
        for place, directories, files in os.walk(root)
        for name in (*directories, *files)
    )


# --- remove ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, "file"])
@pytest.mark.parametrize("name", [b"f", b"\xff", b"a" * 255, b"new\nline"])
def test_a_file_is_removed(tmp_path, store, name, kind):
    with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
        pass
    store.remove((name,), kind=kind)
    assert os.listdir(tmp_path) == []
    with pytest.raises(NotFound):
        store.remove((name,), kind=kind)


def test_one_of_two_names_of_a_file_is_removed_and_who_reads_it_reads_on(tmp_path, store):
    (tmp_path / "f").write_bytes(b"content")
    os.link(tmp_path / "f", tmp_path / "g")
    with store.open_source((b"f",)) as source:
        store.remove((b"f",))
        store.remove((b"g",))
        buffer = bytearray(7)
        assert source.readv([memoryview(buffer)], 0) == 7
        assert buffer == b"content"


@pytest.mark.parametrize("kind", [None, "folder"])
def test_an_empty_directory_is_removed_and_a_full_one_is_not(tmp_path, store, kind):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(NotEmpty, match=r"^Directory not empty: a$"):
        store.remove((b"a",), kind=kind)
    store.remove((b"a", b"b"), kind=kind)
    store.remove((b"a",), kind=kind)
    assert os.listdir(tmp_path) == []


def test_a_kind_keeps_the_other_from_being_removed(tmp_path, store):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(IsADirectory, match=r"^Is a directory: folder$"):
        store.remove((b"folder",), kind=Kind.FILE)
    with pytest.raises(NotADirectory, match=r"^Not a directory: file$"):
        store.remove((b"file",), kind=Kind.DIRECTORY)
    assert tree(tmp_path) == ["file", "folder"]


def leave(directory, name):
    with open(os.path.join(os.fsencode(directory), name), "wb") as file:
        file.write(b"unfinished")


def test_unfinished_files_without_a_writer_go_with_their_directory(tmp_path, store):
    (tmp_path / "a").mkdir()
    for name in (temporary_name(), temporary_name(), partial_name(b"f"), partial_name(b"g")):
        leave(tmp_path / "a", name)
    store.remove((b"a",))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_directory_that_is_being_written_into_is_not_empty(tmp_path, store, keep):
    (tmp_path / "a").mkdir()
    with store.create_sink((b"a", b"f"), WriteOptions(keep=keep)) as sink:
        sink.writev([memoryview(b"x")])
        with pytest.raises(NotEmpty, match="written"):
            store.remove((b"a",))
        sink.commit()
    assert (tmp_path / "a" / "f").read_bytes() == b"x"


@pytest.mark.parametrize("other", ["file", "folder", "link", ".secftp-else", ".secftp-tmp-folder"])
def test_beside_anything_else_unfinished_files_stay_too(tmp_path, store, other):
    (tmp_path / "a").mkdir()
    leave(tmp_path / "a", partial_name(b"f"))
    if other == "link":
        (tmp_path / "a" / "link").symlink_to("nothing")
    elif other.endswith("folder"):
        name = temporary_name() if "tmp" in other else b"folder"
        os.mkdir(os.path.join(os.fsencode(tmp_path / "a"), name))
    else:
        leave(tmp_path / "a", other.encode())
    with pytest.raises(NotEmpty):
        store.remove((b"a",))
    assert len(os.listdir(tmp_path / "a")) == 2 or other == ".secftp-tmp-folder"


def test_a_directory_that_gets_a_file_meanwhile_stays(tmp_path, store, monkeypatch):
    (tmp_path / "a").mkdir()
    leave(tmp_path / "a", partial_name(b"f"))
    real = fcntl.flock

    def flock(*arguments):
        (tmp_path / "a" / "new").write_bytes(b"x")
        real(*arguments)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(NotEmpty):
        store.remove((b"a",))
    assert tree(tmp_path) == ["a", "a/new"]


def test_a_mount_point_is_forbidden(store, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()

    def rmdir(*_, **__):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "rmdir", rmdir)
    with pytest.raises(Forbidden):
        store.remove((b"a",))


# --- rename ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["renameat2", "without"])
def way(request, monkeypatch):
    """Where the system can rename without replacing, and where it can't."""
    if request.param == "without":

        def refuse(*_, **__):
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(system, "rename_noreplace", refuse)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("to", [(b"new",), (b"a", b"new"), (b"a", b"b", b"\xff\n")])
def test_a_free_name_is_taken(tmp_path, store, way, overwrite, kind, to):
    (tmp_path / "a" / "b").mkdir(parents=True)
    if kind == "file":
        (tmp_path / "old").write_bytes(b"content")
    else:
        (tmp_path / "old" / "in").mkdir(parents=True)
    before = os.stat(tmp_path / "old").st_ino
    store.rename((b"old",), to, overwrite=overwrite)
    assert not (tmp_path / "old").exists()
    assert os.stat(os.path.join(os.fsencode(tmp_path), *to)).st_ino == before
    store.rename(to, (b"old",))
    assert tree(tmp_path) == ["a", "a/b", "old", *(["old/in"] if kind == "folder" else [])]


def test_a_file_replaces_a_file_only_if_that_is_wished_for(tmp_path, store, way):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_bytes(b"new content")
    (tmp_path / "taken").write_bytes(b"x")
    with pytest.raises(AlreadyExists, match=r"^Already exists: taken$"):
        store.rename((b"a", b"old"), (b"taken",))
    assert (tmp_path / "taken").read_bytes() == b"x"
    store.rename((b"a", b"old"), (b"taken",), overwrite=True)
    assert tree(tmp_path) == ["a", "taken"]
    assert (tmp_path / "taken").read_bytes() == b"new content"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_replaces_nothing_and_is_not_replaced(tmp_path, store, way, overwrite):
    for name in ("full", "empty", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "in").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    before = tree(tmp_path)
    for to in (b"empty", b"full", b"file", b"other"):
        with pytest.raises(AlreadyExists):
            store.rename((b"other",), (to,), overwrite=overwrite)
    for to in (b"empty", b"full"):
        with pytest.raises(IsADirectory if overwrite else AlreadyExists):
            store.rename((b"file",), (to,), overwrite=overwrite)
    assert tree(tmp_path) == before


def test_a_name_taken_meanwhile_is_not_replaced(tmp_path, store, way, monkeypatch):
    real = change_module._look_at_target
    for kind in ("file", "folder"):
        for taken in ("file", "empty directory", "link"):

            def look(directory, to, taken=taken):
                found = real(directory, to)
                if taken == "file":
                    (tmp_path / "new").write_bytes(b"other")
                elif taken == "link":
                    (tmp_path / "new").symlink_to("nothing")
                else:
                    (tmp_path / "new").mkdir()
                return found

            if kind == "file":
                (tmp_path / "old").write_bytes(b"x")
            else:
                (tmp_path / "old").mkdir()
            monkeypatch.setattr(change_module, "_look_at_target", look)
            with pytest.raises(AlreadyExists):
                store.rename((b"old",), (b"new",))
            assert tree(tmp_path) == ["new", "old"]
            for name in ("old", "new"):
                place = tmp_path / name
                place.rmdir() if place.is_dir() else place.unlink()


def test_the_way_without_leaves_nothing_behind_if_it_fails(tmp_path, store, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSYS, "Function not implemented")

    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "old").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(system, "rename_noreplace", refuse)
    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(os, "link", fail)
    for name in (b"old", b"file"):
        with pytest.raises(InputOutputError, match=r"^Input/output error: new$"):
            store.rename((name,), (b"new",))
    assert tree(tmp_path) == ["file", "old"]


def test_a_directory_is_not_moved_into_itself(tmp_path, store):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for to in ((b"a", b"x"), (b"a", b"b", b"x")):
        with pytest.raises(Forbidden, match=r"^A directory can't be moved into itself: a$"):
            store.rename((b"a",), to)
    assert tree(tmp_path) == ["a", "a/b"]


def test_to_its_own_name(tmp_path, store):
    (tmp_path / "f").write_bytes(b"x")
    store.rename((b"f",), (b"f",), overwrite=True)
    with pytest.raises(AlreadyExists):
        store.rename((b"f",), (b"f",))
    assert (tmp_path / "f").read_bytes() == b"x"


def test_what_is_missing_is_named(tmp_path, store):
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(NotFound, match=r"^No such file: missing$"):
        store.rename((b"missing",), (b"new",))
    with pytest.raises(NotFound, match=r"^No such directory: missing$"):
        store.rename((b"f",), (b"missing", b"new"))
    with pytest.raises(NotADirectory, match=r"^Not a directory: f$"):
        store.rename((b"f",), (b"f", b"new"))


def test_what_goes_away_meanwhile_is_missing(tmp_path, store, monkeypatch):
    (tmp_path / "f").write_bytes(b"x")
    real = change_module._look_at_target

    def look(directory, to):
        os.unlink(tmp_path / "f")
        return real(directory, to)

    monkeypatch.setattr(change_module, "_look_at_target", look)
    with pytest.raises(NotFound, match=r"^No such file: f$"):
        store.rename((b"f",), (b"new",))


def test_another_file_system_is_forbidden(tmp_path, store, monkeypatch):
    (tmp_path / "f").write_bytes(b"x")

    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(Forbidden, match="another file system"):
        store.rename((b"f",), (b"new",), overwrite=True)


def test_of_many_that_rename_to_one_name_exactly_one_wins(tmp_path, store):
    def race(number):
        start.wait()
        try:
            store.rename((b"%d" % number,), (b"new",))
            winners.append(number)
        except AlreadyExists:
            pass

    for kind in ("file", "folder") * 5:
        winners = []
        for number in range(4):
            place = tmp_path / str(number)
            place.mkdir() if kind == "folder" else place.write_bytes(b"x")
        start = threading.Barrier(4)
        threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 1
        assert len(os.listdir(tmp_path)) == 4
        for name in os.listdir(tmp_path):
            store.remove((name.encode(),))


# --- make_directory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parents", [False, True])
@pytest.mark.parametrize(
    ("mask", "mode", "expected"),
    [
        (0o022, None, 0o755),
        (0o077, None, 0o700),
        (0o022, 0o7777, 0o777),
        (0o077, 0o775, 0o775),
        (0o022, 0o500, 0o500),
        (0o022, 0, 0),
    ],
)
def test_a_directory_is_made_with_the_permissions_wished_for(tmp_path, store, umask, parents, mask, mode, expected):
    umask(mask)
    store.make_directory((b"\xff\n",), parents=parents, mode=mode)
    assert mode_of(os.path.join(os.fsencode(tmp_path), b"\xff\n")) == expected


def test_one_that_is_there_is_fine_only_with_parents(tmp_path, store):
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "a" / "in").write_bytes(b"x")
    with pytest.raises(AlreadyExists, match=r"^Already exists: a$"):
        store.make_directory((b"a",))
    store.make_directory((b"a",), parents=True, mode=0o755)
    assert mode_of(tmp_path / "a") == 0o700
    assert tree(tmp_path) == ["a", "a/in"]


def test_with_parents_all_that_is_missing_is_made(tmp_path, store, umask):
    (tmp_path / "a").mkdir()
    with pytest.raises(NotFound, match=r"^No such directory: a/b/c$"):
        store.make_directory((b"a", b"b", b"c", b"d"))
    store.make_directory((b"a", b"b", b"c", b"d"), parents=True, mode=0o500)
    assert tree(tmp_path) == ["a", "a/b", "a/b/c", "a/b/c/d"]
    assert [mode_of(tmp_path / path) for path in ("a/b", "a/b/c", "a/b/c/d")] == [0o755, 0o755, 0o500]


def test_as_deep_as_a_name_reaches(tmp_path, store):
    store.make_directory((b"d",) * 64, parents=True)
    assert store.stat((b"d",) * 64).kind == "folder"


def test_a_symlink_to_a_directory_is_none(tmp_path, store):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    for parents in (False, True):
        with pytest.raises(AlreadyExists):
            store.make_directory((b"link",), parents=parents)
        with pytest.raises(NotFound):
            store.make_directory((b"link", b"new"), parents=parents)
    assert tree(tmp_path) == ["a", "link"]


@pytest.mark.parametrize("parents", [False, True])
def test_a_file_is_in_the_way(tmp_path, store, parents):
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(AlreadyExists, match=r"^Already exists: f$"):
        store.make_directory((b"f",), parents=parents)
    with pytest.raises(NotADirectory, match=r"^Not a directory: f$"):
        store.make_directory((b"f", b"new"), parents=parents)
    assert tree(tmp_path) == ["f"]


def test_many_that_make_the_same_directories_agree(tmp_path, store):
    def race():
        start.wait()
        try:
            store.make_directory(path, parents=True)
        except FileError as error:
            failures.append(error)

    failures = []
    for number in range(10):
        path = tuple(b"%d-%d" % (number, level) for level in range(6))
        start = threading.Barrier(4)
        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.stat(path).kind == "folder"
    assert failures == []


# --- set_attributes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [(b"f",), (b"folder", b"f"), (b"folder",), ()])
def test_permissions_and_time_are_set_together_or_alone(tmp_path, store, umask, path):
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "f", tmp_path / "folder" / "f"):
        place.write_bytes(b"x")
    os.chmod(tmp_path, 0o755)
    place = os.path.join(os.fsencode(tmp_path), *path)
    store.set_attributes(path, mode=0o4772, mtime_ns=1_234_567_891_123_456_789)
    assert mode_of(place) == 0o772
    assert os.stat(place).st_mtime_ns == 1_234_567_891_123_456_789
    store.set_attributes(path, mode=0o700)
    assert os.stat(place).st_mtime_ns == 1_234_567_891_123_456_789
    store.set_attributes(path, mtime_ns=-1_000_000_000)
    assert mode_of(place) == 0o700
    assert store.stat(path).mtime_ns == -1_000_000_000
    store.set_attributes(path)
    assert mode_of(place) == 0o700


def test_setgid_of_a_directory_is_its_owners_and_setuid_of_a_file_goes(tmp_path, store, umask):
    (tmp_path / "folder").mkdir()
    (tmp_path / "f").write_bytes(b"x")
    os.chmod(tmp_path / "folder", 0o3770)
    os.chmod(tmp_path / "f", 0o4755)
    for name in (b"folder", b"f"):
        store.set_attributes((name,), mode=0o6775)
    assert mode_of(tmp_path / "folder") == 0o3775
    assert mode_of(tmp_path / "f") == 0o775


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_denies_itself_to_its_owner_is_his_all_the_same(tmp_path, store, umask, kind, monkeypatch):
    place = tmp_path / "x"
    place.mkdir() if kind == "folder" else place.write_bytes(b"x")
    os.chmod(place, 0)
    real = os.open

    def refuse(name, flags, *arguments, **options):
        if name == b"x" and not flags & os.O_PATH:
            raise PermissionError(13, "Permission denied")  # as for any user but root
        return real(name, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    store.set_attributes((b"x",), mode=0o640, mtime_ns=5)
    assert mode_of(place) == 0o640
    assert os.stat(place).st_mtime_ns == 5
    monkeypatch.delattr(os, "O_PATH")
    monkeypatch.setattr(os, "open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with pytest.raises(Forbidden):
        store.set_attributes((b"x",), mode=0o777)


def test_what_was_swapped_for_a_fifo_or_a_symlink_after_the_look_is_not_touched(tmp_path, store, monkeypatch):
    (tmp_path / "other").write_bytes(b"x")
    real = change_module.entry_status
    for kind in ("fifo", "link"):
        (tmp_path / "x").write_bytes(b"x")

        def look(directory, path, kind=kind):
            found = real(directory, path)
            os.unlink(tmp_path / "x")
            if kind == "fifo":
                os.mkfifo(tmp_path / "x", 0o600)
            else:
                (tmp_path / "x").symlink_to("other")
            return found

        monkeypatch.setattr(change_module, "entry_status", look)
        before = mode_of(tmp_path / "other")
        with pytest.raises((Forbidden, NotFound)):
            store.set_attributes((b"x",), mode=0o777, mtime_ns=5)
        assert mode_of(tmp_path / "other") == before
        assert os.lstat(tmp_path / "x").st_mtime_ns != 5
        os.unlink(tmp_path / "x")


def test_what_does_not_exist_has_none(store):
    with pytest.raises(NotFound):
        store.set_attributes((b"missing",), mode=0)
