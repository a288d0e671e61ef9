"""Trees at a server: order of listing and removal, state after a failure, and request windows."""

from __future__ import annotations

import random

import pytest

from secftp.errors import Forbidden, IsADirectory, NotADirectory, NotEmpty, NotFound
from secftp.protocol import Algorithm, Kind
from secftp.session import list_ahead, operations
from secftp.session.list_ahead import ListingsAhead, depth_first
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


def test_a_directory_that_is_gone_is_a_failure_and_the_rest_is_listed(client, tree, monkeypatch):
    failures = []
    entries = operations.list_tree(client, (b"top",), failures.append, ordered=True)
    names = []
    monkeypatch.setattr(list_ahead, "AHEAD", 0)  # else it would have been listed by then
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

    class Ahead:
        """Room for so many places that were announced and not entered yet."""

        def __init__(self, room):
            self.room = room
            self.announced = []

        def has_room(self, *, soon):
            return len(self.announced) < (self.room if soon else self.room // 2)

        def request(self, place):
            self.announced.append(place)

    for room, announced in [(0, []), (1, [2]), (3, [2, 3, 4]), (14, [2, 3, 4, 5, 6, 7])]:
        ahead = Ahead(room)
        assert list(depth_first(1, enter, ahead)) == [1, 2, 4, 5, 3, 6, 7]
        assert ahead.announced == announced


def test_directories_are_listed_ahead_and_no_more_of_them_are_kept_than_there_is_room_for(client, root, monkeypatch):
    """The listings of all are the same, however few may wait; what was dropped is requested once more."""
    make(
        root,
        {b"top/%02d/%02d/%d" % (one, two, three): b"" for one in range(9) for two in range(9) for three in range(3)},
    )
    requested = []
    send = client.pipeline.submit

    def submit(request, reply):
        requested.append(request)
        send(request, reply)

    monkeypatch.setattr(client.pipeline, "submit", submit)
    whole, failures = listed(client, ordered=True)
    assert (len(whole), failures) == (9 + 81 + 243, [])
    assert len(requested) == 1 + 9 + 81
    arrived = ListingsAhead._arrived
    most = 0

    def count(ahead, reply, nbytes):
        nonlocal most
        arrived(ahead, reply, nbytes)
        most = max(most, ahead._nbytes)

    monkeypatch.setattr(ListingsAhead, "_arrived", count)
    for nbytes in (0, 1700, 10_000, 100_000):
        requested.clear()
        most = 0
        monkeypatch.setattr(list_ahead, "KEPT_BYTES", nbytes)
        assert listed(client, ordered=True) == (whole, [])
        assert len(requested) <= 2 * (1 + 9 + 81)
        assert most <= nbytes
    client.pipeline.settle()
