"""Listings of every store: everything that a peer may see, nothing else, depth first, lazily."""

from __future__ import annotations

import itertools

import pytest

from secftp.errors import FileError, NotADirectory, NotFound
from secftp.protocol import Kind
from tests.storage.contract.test_sink import PART, T, content, put

NAMES = [b"plain", b"a" * 255, b" ", b"-rf", b"%2F", b"a.b", b"a-b", b"a", "\u00fc".encode()]


def paths(found):
    return sorted(entry.path for entry in found)


def test_each_file_and_directory_with_what_stat_says_of_it(backing, store):
    for name in NAMES:
        put(store, name, (name,), mode=0o640, mtime_ns=T)
    backing.write((b"of others",), b"raw")
    store.make_directory((b"made",), mode=0o750)
    backing.write((b"implied", b"in"))
    found = list(store.scan(()))
    expected = [(name,) for name in [*NAMES, b"of others", b"made", b"implied"]]
    assert paths(found) == sorted(expected)
    for path, info, problem in found:
        assert problem is None
        assert info == store.stat(path)
        assert info.kind is (Kind.DIRECTORY if path[0] in (b"made", b"implied") else Kind.FILE)


@pytest.mark.parametrize("recursive", [False, True])
def test_an_empty_directory_has_no_entries(backing, store, recursive):
    store.make_directory((b"empty",))
    assert list(store.scan((b"empty",), recursive=recursive)) == []


@pytest.mark.parametrize("recursive", [False, True])
def test_an_empty_root_has_no_entries(backing, store, recursive):
    assert list(store.scan((), recursive=recursive)) == []
    assert store.stat(()).kind is Kind.DIRECTORY


def test_recursive_lists_a_directory_before_its_contents_and_depth_first(backing, store):
    # Names around the separator in the order of bytes: "a-" and "a." come before "a/", "a0" after it.
    for file in ("top/f", "top/a/f", "top/a-/f", "top/a.", "top/a0", "top/a/deep/f", "top/a/deep/deeper/f", "beside/f"):
        backing.write(tuple(file.encode().split(b"/")))
    backing.make_directory((b"top", b"b"))
    found = [entry.path for entry in store.scan((b"top",), recursive=True)]
    expected = [
        *("a", "a-", "a-/f", "a.", "a/deep", "a/deep/deeper", "a/deep/deeper/f", "a/deep/f", "a/f", "a0", "b", "f"),
    ]
    assert sorted(found) == sorted(tuple(path.encode().split(b"/")) for path in expected)
    for top in found:
        places = [number for number, path in enumerate(found) if path[: len(top)] == top]
        assert places == list(range(found.index(top), found.index(top) + len(places)))


def test_recursive_has_the_attributes_of_each(backing, store):
    store.make_directory((b"d",), mode=0o700)
    put(store, content(PART + 1), (b"d", b"large"), mode=0o604, mtime_ns=T)
    put(store, b"small", (b"d", b"small"), mode=0o640, mtime_ns=T + 1)
    for entry in store.scan((), recursive=True):
        assert entry.problem is None
        assert entry.info == store.stat(entry.path)


def test_what_is_a_stores_own_is_not_listed(backing, store):
    for place in ((), (b"d",)):
        for name in (b".secftp-tmp-" + b"0" * 32, b".secftp-else"):
            backing.write((*place, name))
        backing.write((*place, b".secftp-folder", b"hidden"))
        backing.write((*place, b"file"))
    put(store, content(PART + 1), (b"large",), overwrite=False)
    store.make_directory((b"made",))
    assert paths(store.scan(())) == [(b"d",), (b"file",), (b"large",), (b"made",)]
    assert paths(store.scan((), recursive=True)) == [(b"d",), (b"d", b"file"), (b"file",), (b"large",), (b"made",)]
    assert paths(store.scan((b"made",))) == []


@pytest.mark.parametrize("recursive", [False, True])
def test_what_is_wrong_with_the_directory_itself_is_raised_by_the_first_step(backing, store, recursive):
    backing.write((b"file",))
    for path, error in (((b"missing",), NotFound), ((b"file",), NotADirectory), ((b"missing", b"x"), NotFound)):
        scanning = store.scan(path, recursive=recursive)
        with pytest.raises(error, match=f": {b'/'.join(path).decode()}$"):
            next(scanning)


def test_it_is_lazy_and_may_be_closed_anywhere(backing, store):
    for number in range(20):
        backing.write((b"d%d" % (number % 3), b"%d" % number))
    for steps in (0, 1, 5):
        scanning = store.scan((), recursive=True)
        assert len(list(itertools.islice(scanning, steps))) == steps
        scanning.close()


def test_many_entries(backing, store):
    """More than a page of a listing of an object store."""
    names = {b"%06d" % number for number in range(backing.page + 100)}
    for name in names:
        backing.write((b"d", name), b"")
    for recursive in (False, True):
        assert {entry.path[-1] for entry in store.scan((b"d",), recursive=recursive)} == names


def test_what_is_gone_between_listing_and_looking_is_left_out_or_as_it_was(backing, store):
    for name in (b"a", b"b", b"c"):
        backing.write((name,))
    scanning = store.scan(())
    first = next(scanning).path
    for name in (b"a", b"b", b"c"):
        backing.remove((name,))
    rest = list(scanning)
    assert {first, *(entry.path for entry in rest)} <= {(b"a",), (b"b",), (b"c",)}
    assert all(entry.problem is None for entry in rest)


def test_a_file_and_a_directory_of_one_name_are_both_told(backing, store):
    if backing.traits.one_name:
        backing.write((b"x",))
        with pytest.raises(FileError):
            store.make_directory((b"x",))
        return
    backing.write((b"x",), b"file")
    backing.write((b"x", b"in"), b"below")
    assert store.stat((b"x",)).kind is Kind.FILE
    for recursive in (False, True):
        entries = [entry for entry in store.scan((), recursive=recursive) if entry.path == (b"x",)]
        whole = [entry for entry in entries if entry.problem is None]
        (broken,) = (entry for entry in entries if entry.problem is not None)
        assert [entry.info.kind for entry in whole] == [Kind.FILE]
        assert isinstance(broken.problem, NotADirectory)
