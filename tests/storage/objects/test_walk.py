"""Directories and files that keys make: compared with a model, for any keys and in pages of any size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import FileError, InputOutputError, NameRefused, NotADirectory, NotFound, Reason
from secftp.storage.objects import walk
from secftp.storage.objects.info import Times
from secftp.storage.objects.keys import Keys
from secftp.storage.objects.listing import scan
from secftp.storage.objects.walk import Walk
from tests.storage.objects.keyed import KeyedBucket

HIDDEN = ".secftp-"


def listed(bucket, path=(), *, recursive=True, times=Times.OWN):
    return list(scan(bucket, Keys(), path, times, recursive=recursive))


def shown(entries):
    """Each entry as its path, a slash behind that of a directory, and the class of its problem."""
    return [
        (
            b"/".join(entry.path).decode() + "/" * (entry.info is not None and entry.info.kind == "folder"),
            None if entry.problem is None else type(entry.problem),
        )
        for entry in entries
    ]


def expected(keys):
    """What a listing of all levels shows, by another way than the product's: from the set of all keys."""
    files = {key for key in keys if not key.endswith("/")}
    hidden = {key for key in files if any(name.startswith(HIDDEN) for name in key.split("/"))}
    directories = set()
    for key in keys:
        *names, _ = key.split("/")
        for depth in range(1, len(names) + 1):
            if names[depth - 1].startswith(HIDDEN):
                break
            directories.add("/".join(names[:depth]))
    clashes = directories & files

    def is_in_clash(key):
        return any(key.startswith(f"{clash}/") for clash in clashes)

    return sorted(
        [(file, None) for file in files - hidden if not is_in_clash(file)]
        + [(f"{name}/", NotADirectory if name in clashes else None) for name in directories if not is_in_clash(name)]
    )


NAMES = st.sampled_from(["a", "a-b", "a.b", "b", "!", ".secftp-x", "ä", "a0", "\U0010ffff"])
KEYS = st.lists(NAMES, min_size=1, max_size=4).flatmap(
    lambda names: st.sampled_from(["/".join(names), "/".join(names), f"{'/'.join(names)}/"])
)


@st.composite
def buckets(draw):
    keys = draw(st.dictionaries(KEYS, st.sampled_from([0, 1]), max_size=14))
    return {key: 0 if key.endswith("/") else size for key, size in keys.items()}


@settings(deadline=None, max_examples=150)
@given(buckets(), st.integers(1, 5), st.booleans())
def test_a_listing_of_all_levels_has_what_the_keys_make(keys, page, own):
    found = shown(listed(KeyedBucket(keys, page=page), times=Times.OWN if own else Times.STORED))
    assert sorted(found, key=str) == sorted(expected(keys), key=str)
    told = set()
    for name, problem in found:  # a directory before its contents
        above = name.removesuffix("/").rpartition("/")[0]
        assert not above or f"{above}/" in told
        if problem is None:
            told.add(name)


@settings(deadline=None, max_examples=150)
@given(buckets(), st.integers(1, 5), st.booleans())
def test_a_listing_of_one_level_has_the_same_as_that_of_all(keys, page, in_order):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "PAGE", page)
        bucket = KeyedBucket(keys, page=page, sorted_listings=in_order)
        found = shown(listed(bucket, recursive=False))
    top = [(name, problem) for name, problem in expected(keys) if "/" not in name.removesuffix("/")]
    assert sorted(found, key=str) == sorted(top, key=str)


@settings(deadline=None, max_examples=150)
@given(buckets(), st.sets(st.sampled_from(["a//x", "a/b/\x01", "b//", "a/a//a"]), min_size=1), st.integers(1, 5))
def test_a_key_that_is_no_path_costs_no_more_than_its_directory(keys, invalid, page):
    broken = {key.partition("//")[0].partition("/\x01")[0] for key in invalid}
    everything = {**keys, **dict.fromkeys(invalid, 1)}
    found = shown(listed(KeyedBucket(everything, page=page)))
    whole = expected({**keys, **{f"{name}/x": 1 for name in broken}})

    def is_in_broken(name):
        return any(name.startswith(f"{one}/") for one in broken)

    for entry in whole:
        if not is_in_broken(entry[0]):
            assert entry in found
    once = [name for name, problem in found if problem is None]
    assert len(once) == len(set(once))
    told = {name for name, problem in found if problem in (InputOutputError, NotADirectory)}
    for name in broken:
        above = [f"{'/'.join(name.split('/')[:depth])}/" for depth in range(1, name.count("/") + 2)]
        assert told & set(above), "what could not be listed is a problem of a directory"


def test_an_entry_is_told_once_and_a_conflict_is_told():
    found = listed(KeyedBucket({"a": 1, "a-b": 1, "a/x": 1, "a/y/z": 1}))
    assert shown(found) == [("a", None), ("a-b", None), ("a/", NotADirectory)]
    assert "A file has the same name" in str(found[2].problem)


@pytest.mark.parametrize(
    ("keys", "path", "kind"),
    [({}, (b"a",), NotFound), ({"a": 1}, (b"a",), NotADirectory), ({"ab/c": 1}, (b"a",), NotFound)],
)
def test_what_is_no_directory_is_refused_at_the_first_step(keys, path, kind):
    with pytest.raises(kind):
        next(scan(KeyedBucket(keys), Keys(), path, Times.OWN, recursive=True))


def test_the_root_and_a_directory_of_a_console_may_be_empty():
    assert listed(KeyedBucket({})) == []
    assert listed(KeyedBucket({"d/": 0}), (b"d",)) == []
    assert listed(KeyedBucket({"d/.secftp-directory": 0}), (b"d",), recursive=False) == []


def test_names_that_the_protocol_has_no_path_for_are_a_problem_of_their_directory():
    long = "n" * 256
    with pytest.raises(NameRefused) as raised:
        listed(KeyedBucket({long: 1, "x": 1}))
    assert raised.value.reason is Reason.NAME_TOO_LONG
    found = listed(KeyedBucket({f"d/{long}": 1, f"d/{long}/y": 1, "d/x": 1, "e": 1}))
    assert shown(found) == [("d/", None), ("d/x", None), ("d/", NameRefused), ("e", None)]
    deep = "/".join(["d"] * 70)
    found = listed(KeyedBucket({deep: 1, "e": 1}))
    assert [entry.path for entry in found] == [*((b"d",) * depth for depth in range(1, 65)), (b"e",)]
    assert isinstance(found[63].problem, NameRefused)
    assert found[63].problem.reason is Reason.TOO_DEEP


def test_a_listing_that_breaks_raises_and_does_not_end():
    class Breaking(KeyedBucket):
        def list(self, prefix, path, *, offset=None):
            pages = super().list(prefix, path, offset=offset)
            yield next(pages)
            raise InputOutputError("The object store reported an error")

    bucket = Breaking({f"d/{number}": 1 for number in range(9)}, page=3)
    for recursive in (True, False):
        found = scan(bucket, Keys(), (b"d",), Times.STORED, recursive=recursive)
        with pytest.raises(InputOutputError):
            list(found)
    assert len(listed(KeyedBucket({f"d/{number}": 1 for number in range(9)}, page=3), (b"d",))) == 9


def test_stored_times_need_no_request_for_an_object():
    keys = {f"d{number % 5}/{number}": 1 for number in range(100)}
    bucket = KeyedBucket(keys)
    found = listed(bucket, times=Times.STORED)
    assert bucket.requests == {"info": 0, "list": 1, "list_directory": 0}
    assert {entry.info.mtime_ns for entry in found if entry.info.kind == "file"} == {1}
    bucket = KeyedBucket(keys)
    found = listed(bucket)
    assert bucket.requests == {"info": 105, "list": 1, "list_directory": 0}
    assert {entry.info.mtime_ns for entry in found if entry.info.kind == "file"} == {7}


def test_a_large_flat_directory_is_listed_in_pages(monkeypatch):
    monkeypatch.setattr(walk, "PAGE", 10)
    bucket = KeyedBucket({f"{number:03}": 1 for number in range(100)}, page=10)
    assert len(listed(bucket, recursive=False, times=Times.STORED)) == 100
    assert bucket.requests == {"info": 0, "list": 10, "list_directory": 0}


def test_what_is_in_many_subdirectories_is_not_read_for_a_listing_of_one_level(monkeypatch):
    monkeypatch.setattr(walk, "PAGE", 10)
    bucket = KeyedBucket({f"{number:03}/{below:03}": 1 for number in range(50) for below in range(50)}, page=10)
    assert len(listed(bucket, recursive=False, times=Times.STORED)) == 50
    assert bucket.requests["list"] <= 3
    assert bucket.requests["list_directory"] == 1


def test_the_pass_remembers_only_where_it_is():
    passing = Walk(KeyedBucket({"a" * count: 1 for count in range(1, 100)} | {"b": 1}), Keys(), (), recursive=True)
    list(passing.found())
    assert passing._files == ["b"]


def test_an_object_that_has_gone_since_it_was_listed_is_left_out_and_one_that_can_not_be_asked_is_not():
    class Losing(KeyedBucket):
        def info(self, key):
            if key.text == "gone":
                raise NotFound("No such file")
            if key.text == "failing":
                raise FileError("x")
            return super().info(key)

    assert shown(listed(Losing({"a": 1, "failing": 1, "gone": 1, "z": 1}))) == [
        ("a", None), ("failing", FileError), ("z", None),
    ]  # fmt: skip


@pytest.mark.parametrize("recursive", [False, True])
def test_an_object_with_bytes_whose_key_ends_with_a_slash_is_told(recursive):
    bucket = KeyedBucket({"a": 1, "d/odd/": 5, "d/with/": 5, "d/with/x": 1, "d/x": 1, "e/": 0})
    assert shown(listed(bucket, (b"d",), recursive=recursive)) == [
        ("odd", InputOutputError), ("with", InputOutputError), ("with/", NotADirectory), ("x", None),
    ]  # fmt: skip
    found = scan(bucket, Keys(), (b"d", b"with"), Times.OWN, recursive=recursive)
    assert next(found).path == (b"x",)
    with pytest.raises(InputOutputError, match="can't be served"):
        next(found)
    with pytest.raises(InputOutputError, match="can't be served"):
        listed(bucket, (b"d", b"odd"), recursive=recursive)
