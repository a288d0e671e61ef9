"""The plan of a sync: what is done, in which order, and what is left alone."""

import tracemalloc

import pytest

from secftp.protocol.limits import MAX_COMPONENTS
from secftp.sync import tree as trees
from secftp.sync.plan import DEFAULT_RULES, Act, Reason, Rules, make
from secftp.sync.tree import Entry, EntryKind, Tree

SECOND = 1_000_000_000
DELETE = Rules(delete=True)


def file(size=1, time=0, mode=0o644):
    return Entry(EntryKind.FILE, size, time * SECOND, mode)


def directory_entry(time=0, mode=0o755):
    return Entry(EntryKind.DIRECTORY, 0, time * SECOND, mode)


OTHER = Entry(EntryKind.OTHER)
EXCLUDED = Entry(EntryKind.EXCLUDED)


def tree(entries):
    """The tree of paths as text; a directory's name ends with a slash."""
    found = {}
    for text, entry in entries.items():
        path = tuple(part.encode() for part in text.strip("/").split("/"))
        for depth in range(1, len(path)):
            found.setdefault(path[:depth], directory_entry())
        found[path] = entry
    return Tree.of(found)


def steps(source, target, rules=DEFAULT_RULES, **how):
    """The plan as lines."""
    plan = make(tree(source), tree(target), rules, **how)
    return [
        " ".join([str(action.act), b"/".join(action.path).decode(), *([str(action.reason)] if action.reason else [])])
        for action in plan.actions
    ]


FILES = [
    ("new", {"a": file()}, {}, ["copy a"]),
    ("the same", {"a": file(time=5)}, {"a": file(time=5)}, []),
    ("another size", {"a": file(2, 5)}, {"a": file(1, 5)}, ["replace a"]),
    ("older there", {"a": file(1, 6)}, {"a": file(1, 4)}, ["replace a"]),
    ("newer there", {"a": file(1, 4)}, {"a": file(1, 7)}, ["skip a newer"]),
    ("newer there, another size", {"a": file(2, 4)}, {"a": file(1, 7)}, ["skip a newer"]),
    ("other permissions", {"a": file(mode=0o600)}, {"a": file()}, ["attributes a"]),
    ("only special bits differ", {"a": file(mode=0o4755)}, {"a": file(mode=0o755)}, []),
    ("a directory", {"a": directory_entry()}, {}, ["mkdir a"]),
    ("in a directory", {"a/b/c": file()}, {}, ["mkdir a", "mkdir a/b", "copy a/b/c"]),
    ("a directory's time", {"a": directory_entry(9)}, {"a": directory_entry(3)}, ["attributes a"]),
    ("a file where a directory is", {"a": file()}, {"a/b": file()}, ["skip a kind"]),
    ("a directory where a file is", {"a/b": file()}, {"a": file()}, ["skip a kind"]),
    ("a file where something else is", {"a": file()}, {"a": OTHER}, ["skip a other"]),
    ("a file where something excluded is", {"a": file()}, {"a": EXCLUDED}, ["skip a other"]),
    ("something else", {"a": OTHER}, {}, []),
    ("something else where a file is", {"a": OTHER}, {"a": file()}, []),
    ("only there", {}, {"a": file(), "b/c": file()}, []),
    ("upper and lower case", {"A": file(), "a": file()}, {}, ["copy A", "copy a"]),
]


@pytest.mark.parametrize("rules", [Rules(), DELETE], ids=["additive", "delete"])
@pytest.mark.parametrize(("name", "source", "target", "wanted"), FILES, ids=[case[0] for case in FILES])
def test_what_the_source_has(name, source, target, wanted, rules):
    got = steps(source, target, rules)
    assert [step for step in got if not step.startswith(("delete only", "rmdir"))][: len(wanted)] == wanted
    if not rules.delete:
        assert got == wanted


DELETIONS = [
    ("a file", {"a": file()}, {"a": file(), "b": file()}, ["delete b"]),
    (
        "a tree, files first",
        {},
        {"b/c/d": file(), "b/e": file()},
        ["delete b/c/d", "delete b/e", "rmdir b/c", "rmdir b"],
    ),
    ("an empty directory", {}, {"b": directory_entry()}, ["rmdir b"]),
    ("excluded", {}, {"b": EXCLUDED}, []),
    ("excluded in a directory", {}, {"b/c": EXCLUDED, "b/d": file()}, ["delete b/d", "skip b kept"]),
    ("deeper", {}, {"b/c/d": OTHER, "b/e/f": file()}, ["delete b/e/f", "rmdir b/e", "skip b/c kept", "skip b kept"]),
    ("something else", {}, {"b": OTHER}, []),
    ("something else at the source", {"b": OTHER}, {"b": file()}, []),
    ("excluded at the source", {"b": EXCLUDED}, {"b/c": file()}, []),
    ("below a conflict", {"a": file()}, {"a/b": file()}, ["skip a kind"]),
    ("last", {"z": file()}, {"a": file()}, ["copy z", "delete a"]),
]


@pytest.mark.parametrize(("name", "source", "target", "wanted"), DELETIONS, ids=[case[0] for case in DELETIONS])
def test_what_only_the_target_has(name, source, target, wanted):
    assert steps(source, target, DELETE) == wanted
    assert not [step for step in steps(source, target) if step.startswith(("delete", "rmdir"))]


def test_newer_files_are_replaced_by_force_alone():
    assert steps({"a": file(1, 4)}, {"a": file(1, 9)}, Rules(force=True)) == ["replace a"]


class TestCase:
    """Targets that do not distinguish upper and lower case."""

    FOLDS = Rules(delete=True, folds=True)

    def test_a_second_name_is_a_conflict(self):
        assert steps({"A": file(), "a": file()}, {}, self.FOLDS) == ["copy A", "skip a case"]

    def test_a_name_of_another_case_is_the_same_file(self):
        assert steps({"a": file(time=5)}, {"A": file(time=5)}, self.FOLDS) == []
        assert steps({"a": file(2, 5)}, {"A": file(1, 5)}, self.FOLDS) == ["replace a"]

    def test_a_directory_of_another_case_is_the_same_directory(self):
        source, target = {"d/a": file(), "d/e": file()}, {"D/A": file(), "D/b": file(), "D/c/x": file()}
        assert steps(source, target, self.FOLDS) == ["copy d/e", "delete D/b", "delete D/c/x", "rmdir D/c"]

    def test_names_that_are_not_utf_8(self):
        plan = make(Tree.of({(b"\xff",): file()}), Tree.of({(b"\xff",): file()}), self.FOLDS)
        assert plan.actions == []
        assert plan.same == 1


def test_a_comparison_of_contents_decides():
    source, target = {"a": file(3, 5), "b": file(3, 5)}, {"a": file(3, 5), "b": file(3, 8)}
    assert steps(source, target, same=lambda path, _here, _there: path == (b"b",)) == ["replace a", "attributes b"]


def test_directories_without_files_are_made_only_if_that_is_wanted():
    source = {"a/b/c": file(), "a/e": directory_entry(), "f/g": directory_entry(), "h": file()}
    wanted = ["mkdir a", "mkdir a/b", "mkdir a/e", "mkdir f", "mkdir f/g", "copy a/b/c", "copy h"]
    assert steps(source, {}) == wanted
    wanted = ["mkdir a", "mkdir a/b", "copy a/b/c", "copy h"]
    assert steps(source, {}, Rules(bare_directories=False)) == wanted


def test_a_tree_as_deep_as_paths_can_be():
    """A path of the protocol has at most 64 components, and no deeper directory is listed."""
    deep = "/".join(["d"] * (MAX_COMPONENTS - 1))
    assert len(steps({f"{deep}/a": file()}, {})) == MAX_COMPONENTS
    assert len(steps({}, {f"{deep}/a": file()}, DELETE)) == MAX_COMPONENTS


def test_counts():
    plan = make(tree({"a": file(), "b": file()}), tree({"a": file(), "c": file(), "d/e": file()}))
    assert (plan.same, plan.only_there, plan.source_files, plan.target_files, plan.deletions) == (1, 2, 2, 3, 0)
    plan = make(tree({"a": file()}), tree({"a": file(), "c": file(), "d/e": file()}), DELETE)
    assert (plan.deletions, plan.only_there) == (2, 0)
    assert [action.path for action in plan.of(Act.REMOVE_DIRECTORY)] == [(b"d",)]


def test_which_reasons_are_conflicts():
    assert [reason for reason in Reason if reason.is_conflict] == [Reason.KIND, Reason.CASE, Reason.OTHER]
    assert all(reason.clause for reason in Reason)


class TestTree:
    """Trees, packed and not."""

    def test_packed_entries_are_the_same(self):
        known = {(b"d", b"%d" % number): file(number, number) for number in range(300)}
        found = Tree.of(known | {(b"d",): directory_entry(), (b"x",): EXCLUDED})
        before = dict(found.items())
        for directory in ((), (b"d",), (b"nothing",)):
            found.pack(directory)
        assert dict(found.items()) == before
        assert found.get((b"d", b"7")) == file(7, 7)
        assert (found.get(()), found.get((b"d", b"no"))) == (None, None)
        assert (len(found), found.files, found.nbytes) == (302, 300, sum(range(300)))

    @pytest.mark.parametrize(("in_each", "most"), [(10, 80), (1000, 30)])
    def test_an_entry_takes_little_memory(self, in_each, most):
        """As docs/how-to/sync.md says."""
        tracemalloc.start()
        try:
            found = Tree()
            for directory in range(10_000 // in_each):
                top = (b"directory %d" % directory,)
                found.add(top, directory_entry(directory))
                for number in range(in_each):
                    found.add((*top, b"IMG_%06d.jpg" % number), file(number * 7919, 1_700_000_000 + number * 31))
                found.pack(top)
            found.pack(())
            assert tracemalloc.get_traced_memory()[0] / len(found) < most
        finally:
            tracemalloc.stop()

    def test_the_number_of_entries_is_bounded(self, monkeypatch):
        monkeypatch.setattr(trees, "MAX_ENTRIES", 2)
        with pytest.raises(trees.TooLarge, match="more than 2 files"):
            Tree.of({(b"a",): file(), (b"b",): file(), (b"c",): file()})
