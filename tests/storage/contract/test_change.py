"""Changes of every store: remove, rename, make directories and set attributes, with their errors."""

from __future__ import annotations

import threading

import pytest

from secftp.errors import (
    AlreadyExists,
    FileError,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
)
from secftp.protocol import Kind
from secftp.storage.attributes import WriteOptions
from tests.storage.contract.test_sink import PART, T, content, put

NAME = (b"f",)


def names(store):
    """Every file and directory, as a listing of all has them."""
    return sorted(b"/".join(entry.path).decode() for entry in store.scan((), recursive=True))


# --- remove ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, Kind.FILE])
@pytest.mark.parametrize("size", [1, PART + 1])
def test_a_file_is_removed(backing, store, kind, size):
    put(store, content(size))
    store.remove(NAME, kind=kind)
    assert backing.files() == {}
    with pytest.raises(NotFound, match=r"^No such file: f$"):
        store.remove(NAME, kind=kind)


@pytest.mark.parametrize("kind", [None, Kind.DIRECTORY])
def test_an_empty_directory_is_removed_and_a_full_one_is_not(backing, store, kind):
    store.make_directory((b"a", b"b"), parents=True)
    with pytest.raises(NotEmpty, match=r"^Directory not empty: a$"):
        store.remove((b"a",), kind=kind)
    store.remove((b"a", b"b"), kind=kind)
    assert names(store) == ["a"]
    store.remove((b"a",), kind=kind)
    assert names(store) == []
    with pytest.raises(NotFound):
        store.remove((b"a",), kind=kind)


@pytest.mark.parametrize("kind", [None, Kind.DIRECTORY])
def test_a_directory_with_a_file_is_not_removed(backing, store, kind):
    backing.write((b"a", b"b", b"f"), b"content")
    for path in ((b"a",), (b"a", b"b")):
        with pytest.raises(NotEmpty, match=r"^Directory not empty: "):
            store.remove(path, kind=kind)
    assert backing.files() == {(b"a", b"b", b"f"): b"content"}


def test_a_kind_keeps_the_other_from_being_removed(backing, store):
    store.make_directory((b"folder",))
    backing.write((b"full", b"in"))
    backing.write((b"file",))
    for name in (b"folder", b"full"):
        with pytest.raises(IsADirectory, match=f"^Is a directory: {name.decode()}$"):
            store.remove((name,), kind=Kind.FILE)
    with pytest.raises(NotADirectory, match=r"^Not a directory: file$"):
        store.remove((b"file",), kind=Kind.DIRECTORY)
    assert names(store) == ["file", "folder", "full", "full/in"]


def test_unfinished_files_go_with_their_directory(backing, store):
    store.make_directory((b"a",))
    backing.write((b"a", b".secftp-tmp-" + b"0" * 32), b"unfinished")
    store.remove((b"a",))
    assert names(store) == []
    assert backing.leftovers() == []


def test_removing_one_file_leaves_what_begins_like_it(backing, store):
    for name in (b"f", b"f2", b"f.x", b"f-"):
        backing.write((name,))
    backing.write((b"d", b"in"))
    backing.write((b"d2", b"in"))
    store.remove(NAME)
    store.remove((b"d", b"in"))
    assert set(backing.files()) == {(b"f2",), (b"f.x",), (b"f-",), (b"d2", b"in")}


def test_a_directory_stays_when_its_last_file_is_removed(backing, store):
    store.make_directory((b"a",))
    put(store, b"x", (b"a", b"f"))
    store.remove((b"a", b"f"))
    assert names(store) == ["a"]


# --- rename ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, PART + 1])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("to", [(b"new",), (b"a", b"b", b"new")])
def test_a_free_name_is_taken_with_all_that_the_file_has(backing, store, overwrite, to, size):
    store.make_directory((b"a", b"b"), parents=True)
    put(store, content(size), (b"old",), mode=0o640, mtime_ns=T)
    before = store.stat((b"old",))
    store.rename((b"old",), to, overwrite=overwrite)
    assert backing.files() == {to: content(size)}
    assert store.stat(to) == before or not (backing.traits.copies_metadata or overwrite)
    assert backing.leftovers() == []
    store.rename(to, (b"old",))
    assert backing.files() == {(b"old",): content(size)}


@pytest.mark.parametrize("size", [7, PART + 1])
def test_a_file_replaces_a_file_only_if_that_is_wished_for(backing, store, size):
    put(store, content(size), (b"old",))
    backing.write((b"taken",), b"x")
    with pytest.raises(AlreadyExists, match=r"^Already exists: taken"):
        store.rename((b"old",), (b"taken",))
    assert backing.files() == {(b"old",): content(size), (b"taken",): b"x"}
    store.rename((b"old",), (b"taken",), overwrite=True)
    assert backing.files() == {(b"taken",): content(size)}


def test_a_directory_is_renamed_or_refused_untouched(backing, store):
    backing.write((b"old", b"in"), b"x")
    if backing.traits.renames_directories:
        store.rename((b"old",), (b"new",))
        assert backing.files() == {(b"new", b"in"): b"x"}
    else:
        with pytest.raises(FileError, match="old") as caught:
            store.rename((b"old",), (b"new",))
        assert not isinstance(caught.value, (NotFound, AlreadyExists))
        assert backing.files() == {(b"old", b"in"): b"x"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_is_not_replaced(backing, store, overwrite):
    store.make_directory((b"empty",))
    backing.write((b"full", b"in"))
    backing.write((b"file",))
    before = names(store)
    for to in (b"empty", b"full"):
        with pytest.raises((IsADirectory, AlreadyExists), match=f": {to.decode()}"):
            store.rename((b"file",), (to,), overwrite=overwrite)
        with pytest.raises(FileError):
            store.rename((to,), (b"file",), overwrite=overwrite)
    assert names(store) == before


def test_to_its_own_name(backing, store):
    put(store, b"x", mode=0o640, mtime_ns=T)
    before = store.stat(NAME)
    store.rename(NAME, NAME, overwrite=True)
    with pytest.raises(AlreadyExists):
        store.rename(NAME, NAME)
    assert backing.files() == {NAME: b"x"}
    assert store.stat(NAME) == before


def test_what_is_missing_is_named(backing, store):
    backing.write(NAME)
    with pytest.raises(NotFound, match=r"^No such file: missing$"):
        store.rename((b"missing",), (b"new",))
    with pytest.raises(NotFound, match=r"^No such (file|directory): missing"):
        store.rename((b"missing", b"f"), (b"new",), overwrite=True)
    assert backing.files() == {NAME: b"x"}


def test_of_many_that_rename_to_one_name_exactly_one_wins(backing):
    def race(number):
        start.wait()
        try:
            stores[number].rename((b"%d" % number,), (b"new",))
            winners.append(number)
        except AlreadyExists:
            pass

    stores = [backing.open() for _ in range(4)]
    for _ in range(10):
        winners = []
        for number in range(4):
            backing.write((b"%d" % number,), b"%d" % number)
        start = threading.Barrier(4)
        threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 1
        kept = {(b"%d" % number,): b"%d" % number for number in range(4) if number != winners[0]}
        assert backing.files() == {(b"new",): b"%d" % winners[0], **kept}
        for path in backing.files():
            backing.remove(path)
    for store in stores:
        store.close()


# --- make_directory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parents", [False, True])
@pytest.mark.parametrize("mode", [0o755, 0o700, 0o7775, 0o500])
def test_a_directory_is_made_with_the_permissions_requested(backing, store, parents, mode):
    assert store.make_directory((b"d",), parents=parents, mode=mode)
    info = store.stat((b"d",))
    assert (info.kind, info.size, info.mode) == (Kind.DIRECTORY, 0, mode & 0o777)


def test_one_that_is_there_is_fine_only_with_parents(backing, store):
    store.make_directory((b"a",), mode=0o700)
    put(store, b"x", (b"a", b"in"))
    with pytest.raises(AlreadyExists, match=r"^Already exists: a$"):
        store.make_directory((b"a",))
    assert not store.make_directory((b"a",), parents=True, mode=0o755)
    assert store.stat((b"a",)).mode == 0o700
    assert names(store) == ["a", "a/in"]


def test_with_parents_all_that_is_missing_is_made(backing, store):
    assert store.make_directory((b"a", b"b", b"c", b"d"), parents=True, mode=0o500)
    assert names(store) == ["a", "a/b", "a/b/c", "a/b/c/d"]
    assert store.stat((b"a", b"b", b"c", b"d")).mode == 0o500
    for depth in (1, 2, 3):
        assert store.stat((b"a", b"b", b"c")[:depth]).kind is Kind.DIRECTORY


def test_without_parents(backing, store):
    if backing.traits.parents:
        with pytest.raises(NotFound, match=r"^No such directory: a$"):
            store.make_directory((b"a", b"b"))
        assert names(store) == []
    else:
        assert store.make_directory((b"a", b"b"))
        assert names(store) == ["a", "a/b"]


@pytest.mark.parametrize("parents", [False, True])
def test_a_file_is_in_the_way_of_a_directory(backing, store, parents):
    backing.write(NAME)
    with pytest.raises(AlreadyExists, match=r"^Already exists: f$"):
        store.make_directory(NAME, parents=parents)
    if backing.traits.one_name:
        with pytest.raises(NotADirectory, match=r"^Not a directory: f$"):
            store.make_directory((*NAME, b"new"), parents=parents)
    for below in ((*NAME, b"new"), (*NAME, b"new", b"deep")):
        with pytest.raises((NotADirectory, AlreadyExists)):
            store.make_directory(below, parents=parents)
    assert names(store) == ["f"]
    assert backing.files() == {NAME: b"x"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("below", [(b"new",), (b"new", b"deep")])
def test_a_file_is_in_the_way_of_what_is_renamed_or_copied_below_it(backing, store, overwrite, below):
    backing.write(NAME)
    backing.write((b"other",), b"other")
    with pytest.raises(NotADirectory):
        store.rename((b"other",), (*NAME, *below), overwrite=overwrite)
    with pytest.raises(NotADirectory), store.create_sink((*NAME, *below), WriteOptions(overwrite=overwrite)):
        pass
    if "objects" in type(store).__module__:
        with pytest.raises(NotADirectory):
            store.copy((b"other",), (*NAME, *below), WriteOptions(overwrite=overwrite), lambda _: None)
    assert backing.files() == {NAME: b"x", (b"other",): b"other"}
    assert names(store) == ["f", "other"]


def test_many_that_make_the_same_directories_agree(backing, store):
    def race():
        start.wait()
        try:
            store.make_directory(path, parents=True)
        except FileError as error:
            failures.append(error)

    failures = []
    for number in range(5):
        path = tuple(b"%d-%d" % (number, level) for level in range(6))
        start = threading.Barrier(4)
        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.stat(path).kind is Kind.DIRECTORY
    assert failures == []


# --- set_attributes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [NAME, (b"folder", b"f"), (b"folder",)])
def test_permissions_and_time_are_set_together_or_alone(backing, store, path):
    store.make_directory((b"folder",))
    for place in (NAME, (b"folder", b"f")):
        put(store, b"x", place, mode=0o600)
    if not backing.traits.sets_attributes and path != (b"folder",):
        before = store.stat(path)
        assert tuple(store.set_attributes(path, mode=0o640, mtime_ns=T)) == (False, False)
        assert tuple(store.set_attributes(path, mode=0o600)) == (True, True)
        assert tuple(store.set_attributes(path, mtime_ns=before.mtime_ns)) == (True, True)
        assert store.stat(path) == before
        return
    kept = store.set_attributes(path, mode=0o4772, mtime_ns=T)
    assert all(kept)
    info = store.stat(path)
    assert (info.mode, info.mtime_ns) == (0o772, T)
    assert store.has_attributes(path, mode=0o772, mtime_ns=T)
    assert not store.has_attributes(path, mode=0o700)
    assert not store.has_attributes(path, mtime_ns=T + 1)
    store.set_attributes(path, mode=0o700)
    assert store.stat(path).mtime_ns == T
    store.set_attributes(path, mtime_ns=-1_000_000_000)
    info = store.stat(path)
    assert (info.mode, info.mtime_ns) == (0o700, -1_000_000_000)
    store.set_attributes(path)
    assert store.stat(path) == info
    assert backing.files() == {NAME: b"x", (b"folder", b"f"): b"x"}


def test_attributes_of_a_large_file_and_of_one_of_another_program(backing, store):
    put(store, content(PART + 1))
    backing.write((b"raw",), b"raw")
    for path in (NAME, (b"raw",)):
        kept = store.set_attributes(path, mode=0o640, mtime_ns=T)
        info = store.stat(path)
        assert (not kept.mode, not kept.time) == (info.mode != 0o640, info.mtime_ns != T)
        assert all(kept) or not backing.traits.sets_attributes
    assert backing.files() == {NAME: content(PART + 1), (b"raw",): b"raw"}


def test_what_does_not_exist_has_no_attributes(backing, store):
    for call in (
        lambda: store.set_attributes((b"missing",), mode=0),
        lambda: store.has_attributes((b"missing",), mode=0),
        lambda: store.identity((b"missing",)),
        lambda: store.stat((b"missing",)),
    ):
        with pytest.raises(NotFound, match=r"^No such file: missing$"):
            call()


def test_the_identity_of_a_file_guards_it(backing, store):
    put(store, b"one", (b"one",))
    put(store, b"two", (b"two",))
    identity = store.identity((b"one",))
    assert identity == store.identity((b"one",))
    assert identity != store.identity((b"two",))
    assert store.set_attributes((b"one",), mode=0o600, only=identity).mode or not backing.traits.sets_attributes
    with pytest.raises(FileError):
        store.set_attributes((b"two",), mode=0o604, only=identity)
    assert store.stat((b"two",)).mode != 0o604
