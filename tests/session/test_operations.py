"""Trees at a server: order of listing and removal, state after a failure, and request windows."""

from __future__ import annotations

import random

import pytest

from secftp.errors import Forbidden, IsADirectory, NotADirectory, NotEmpty, NotFound
from secftp.protocol import Algorithm, Kind
from secftp.session import operations
from secftp.storage import new_digest
from tests.support.copying import make
from tests.support.serving import listing

TREE = {b"top/b": b"1", b"top/a": b"2", b"top/z/deep/c": b"3", b"top/z/d": b"4", b"top/k/": b""}


@pytest.fixture
def tree(root):
    make(root, TREE)
    return root


def found(*names):
    """What was listed below `top`: names with a slash at their end are directories."""
    return [
        ((b"top", *name.rstrip(b"/").split(b"/")), Kind.DIRECTORY if name.endswith(b"/") else Kind.FILE)
        for name in names
    ]


def listed(client, **options):
    failures = []
    entries = [*operations.list_tree(client, (b"top",), failures.append, **options)]
    return [b"/".join(path) + (b"/" if kind is Kind.DIRECTORY else b"") for path, kind in entries], failures


@pytest.mark.parametrize("ordered", [False, True])
def test_files_come_first_and_a_directory_before_its_entries(client, tree, ordered):
    names, failures = listed(client, ordered=ordered)
    expected = [b"top/a", b"top/b", b"top/k/", b"top/z/", b"top/z/d", b"top/z/deep/", b"top/z/deep/c"]
    assert failures == []
    assert sorted(names) == sorted(expected)
    assert names.index(b"top/z/") < names.index(b"top/z/d") < names.index(b"top/z/deep/") < names.index(b"top/z/deep/c")
    assert max(names.index(b"top/a"), names.index(b"top/b")) < names.index(b"top/z/")
    if ordered:
        assert names == expected


def test_a_directory_that_is_gone_is_a_failure_and_the_rest_is_listed(client, tree):
    failures = []
    entries = operations.list_tree(client, (b"top",), failures.append, ordered=True)
    names = []
    for path, _ in entries:
        names.append(path)
        if path == (b"top", b"k"):
            (tree / "top" / "k").rmdir()
    assert names[-1] == (b"top", b"z", b"deep", b"c")
    assert [type(failure) for failure in failures] == [NotFound]


def test_a_tree_is_removed_from_the_leaves_up(client, tree):
    entries = operations.list_tree(client, (b"top",), pytest.fail)
    assert list(operations.remove_tree(client, (b"top",), entries)) == [None] * 8
    assert listing(tree) == []


def test_a_directory_that_is_listed_twice_is_removed_once(client, tree):
    names = found(b"a", b"b", b"k/", b"k/", b"z/", b"z/d", b"z/deep/", b"z/deep/c", b"z/deep/")
    assert list(operations.remove_tree(client, (b"top",), names)) == [None] * 8
    assert listing(tree) == []


def test_nothing_is_removed_that_is_not_of_the_kind_that_was_listed(client, root):
    make(root, {b"top/file": b"1", b"top/directory/": b""})
    problems = list(operations.remove_tree(client, (b"top",), found(b"file/", b"directory")))
    assert [type(problem) for problem in problems] == [NotADirectory, IsADirectory, NotEmpty]
    assert listing(root) == ["top", "top/directory", "top/file"]


@pytest.mark.parametrize("window", [2, operations.WINDOW])
def test_after_a_failure_of_the_listing_the_session_can_be_used(client, tree, window, monkeypatch):
    monkeypatch.setattr(operations, "WINDOW", window)

    def breaks_off():
        yield from found(b"a", b"z/", b"z/d")
        raise Forbidden("The rest can't be listed.")

    problems = operations.remove_tree(client, (b"top",), breaks_off())
    with pytest.raises(Forbidden, match="The rest"):
        list(problems)
    client.pipeline.settle()
    assert client.stat((b"top", b"z")).kind is Kind.DIRECTORY
    assert listing(tree) == ["top", "top/b", "top/k", "top/z", "top/z/deep", "top/z/deep/c"]


@pytest.mark.parametrize("window", [2, 3, operations.WINDOW])
def test_checksums_come_in_order_each_with_its_item(client, root, window, monkeypatch):
    monkeypatch.setattr(operations, "WINDOW", window)
    contents = {b"%d" % number: random.Random(number).randbytes(number) for number in range(100)}
    make(root, contents)
    wanted = [*contents, b"missing"]
    outcomes = list(operations.checksums(client, ((name, (name,)) for name in wanted), Algorithm.XXH128))
    assert [name for name, _ in outcomes] == wanted
    assert isinstance(outcomes[-1][1], NotFound)
    for name, digest in outcomes[:-1]:
        expected = new_digest("xxh128")
        expected.update(contents[name])
        assert digest == expected.digest()


def test_depth_first_yields_a_place_before_what_is_below_it():
    def enter(number):
        yield number
        return iter([2 * number, 2 * number + 1] if number < 4 else [])

    assert list(operations.depth_first(1, enter)) == [1, 2, 4, 5, 3, 6, 7]
