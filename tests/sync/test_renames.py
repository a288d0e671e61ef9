"""Renamed files: which copies and deletions of a plan are renames."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as some

from secftp.session import Session
from secftp.sync import renames
from secftp.sync.plan import Act, Reason, Rules, make
from secftp.sync.tree import Entry, EntryKind, Tree
from tests.support.serving import listing

OLD, NEW = 1_600_000_000_000_000_123, 1_700_000_000_000_000_456


def path_of(name):
    return tuple(part.encode() for part in name.split("/"))


def tree(files, time=OLD, mode=0o644):
    """A tree of files, by name and contents, with the directories that they are in."""
    entries = {}
    for name, contents in files.items():
        path = path_of(name)
        for depth in range(1, len(path)):
            entries[path[:depth]] = Entry(EntryKind.DIRECTORY, 0, OLD, 0o755)
        entries[path] = Entry(EntryKind.FILE, len(contents), time, mode)
    return Tree.of(entries)


class Known:
    """Digests of two trees, which count what they were asked."""

    def __init__(self, source, target):
        self._contents = [{path_of(name): data.encode() for name, data in each.items()} for each in (source, target)]
        self.asked = []

    def of_source(self, path):
        self.asked.append(path)
        return self._contents[0].get(path)

    def of_target(self, path):
        self.asked.append(path)
        return self._contents[1].get(path)


def planned(source, target, *, delete=True, **options):
    """The steps of a sync, as words."""
    known = Known(source, target)
    plan = renames.find(make(tree(source), tree(target), Rules(delete=delete)), known, **options)
    return plan, known


def words(plan):
    return [
        f"{action.act} {b'/'.join(action.path).decode()}"
        + (f" from {b'/'.join(action.origin).decode()}" if action.origin else "")
        for action in plan.actions
    ]


def test_a_renamed_file_is_renamed():
    plan, _ = planned({"new": "text"}, {"old": "text"})
    assert words(plan) == ["rename new from old"]
    assert plan.deletions == 0, "a rename is no deletion"
    (action,) = plan.actions
    assert (action.entry.size, action.there.size) == (4, 4)


def test_a_renamed_directory_comes_out_as_renames_and_what_is_left_of_it_is_removed():
    plan, _ = planned({"new/a": "1", "new/b/c": "22"}, {"old/a": "1", "old/b/c": "22"})
    assert words(plan) == [
        "mkdir new",
        "mkdir new/b",
        "rename new/a from old/a",
        "rename new/b/c from old/b/c",
        "rmdir old/b",
        "rmdir old",
    ]


def test_without_deletions_nothing_is_renamed():
    plan, known = planned({"new": "text"}, {"old": "text"}, delete=False)
    assert words(plan) == ["copy new"]
    assert known.asked == []


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"new": "text"}, {"old": "txet"}),  # other contents
        ({"new": "text"}, {"old": "longer"}),
        ({"new": ""}, {"old": ""}),  # there is nothing to save
        ({"new": "text", "old": "other"}, {"old": "text"}),  # not deleted, but replaced
        ({"new": "text"}, {"new": "other", "old": "text"}),  # it has a name already
    ],
)
def test_what_is_no_rename(source, target):
    plan, _ = planned(source, target)
    assert not list(plan.of(Act.RENAME))
    assert sorted(words(plan)) == sorted(words(make(tree(source), tree(target), Rules(delete=True))))


def test_digests_are_asked_of_files_of_equal_size_alone():
    source = {"a": "1", "b": "22", "same": "22", "c": "4444"}
    target = {"x": "22", "y": "333", "same": "22", "z": "55555"}
    plan = make(tree(source), tree(target), Rules(delete=True))
    assert renames.candidates(plan) == ([path_of("b")], [path_of("x")])
    known = Known(source, target)
    renames.find(plan, known)
    assert set(known.asked) == {path_of("b"), path_of("x")}


def test_what_is_not_known_is_no_rename():
    plan = make(tree({"new": "text"}), tree({"old": "text"}), Rules(delete=True))
    assert words(renames.find(plan, Known({}, {"old": "text"}))) == ["copy new", "delete old"]
    assert words(renames.find(plan, Known({}, {}))) == ["copy new", "delete old"]


def test_of_equal_files_the_same_name_is_preferred_and_each_is_used_once():
    plan, _ = planned({"new/a": "x", "new/b": "x", "new/c": "x"}, {"old/c": "x", "old/b": "x"})
    assert sorted(words(plan)) == [
        "copy new/a",
        "mkdir new",
        "rename new/b from old/b",
        "rename new/c from old/c",
        "rmdir old",
    ]
    plan, _ = planned({"b": "x"}, {"old/a": "x", "old/b": "x"})
    assert words(plan) == ["rename b from old/b", "delete old/a", "rmdir old"]


def test_the_same_time_is_preferred_to_the_same_name():
    source = Tree.of({(b"n",): Entry(EntryKind.FILE, 1, NEW, 0o644)})
    target = Tree.of(
        {
            (b"d",): Entry(EntryKind.DIRECTORY),
            (b"d", b"n"): Entry(EntryKind.FILE, 1, OLD, 0o644),
            (b"d", b"o"): Entry(EntryKind.FILE, 1, NEW, 0o644),
        }
    )
    plan = renames.find(make(source, target, Rules(delete=True)), Known({"n": "x"}, {"d/n": "x", "d/o": "x"}))
    assert words(plan) == ["rename n from d/o", "delete d/n", "rmdir d"]


@pytest.mark.parametrize(("time", "mode"), [(NEW, 0o644), (OLD, 0o600)])
def test_a_renamed_file_gets_the_attributes_of_the_source(time, mode):
    known = Known({"new": "text"}, {"old": "text"})
    plan = make(tree({"new": "text"}, time, mode), tree({"old": "text"}), Rules(delete=True))
    assert words(renames.find(plan, known)) == ["rename new from old", "attributes new"]
    (attributes,) = plan.of(Act.SET_ATTRIBUTES)
    assert (attributes.entry.mtime_ns, attributes.entry.mode) == (time, mode)
    assert (attributes.there.mtime_ns, attributes.there.mode) == (OLD, 0o644)
    plan = make(tree({"new": "text"}, time, mode), tree({"old": "text"}), Rules(delete=True))
    assert words(renames.find(plan, known, sets_attributes=False)) == ["rename new from old"]


NAMES = some.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a", "f/a", "f/b"])
TREES = some.dictionaries(NAMES, some.sampled_from(["", "1", "2", "33", "44"]))


@given(source=TREES, target=TREES)
def test_a_plan_with_renames_makes_the_same_target(source, target):
    """Of any two trees: what is carried out in order gives the source, and loses nothing that is not deleted."""
    plan, _ = planned(source, target)
    there = {path_of(name): data for name, data in target.items()}
    contents = {path_of(name): data for name, data in source.items()}
    skipped = {action.path for action in plan.of(Act.SKIP) if action.reason is not Reason.KEPT}
    for action in plan.actions:
        if action.act is Act.RENAME:
            assert action.path not in there, "a rename replaces nothing"
            there[action.path] = there.pop(action.origin)
        elif action.act in (Act.COPY, Act.REPLACE):
            there[action.path] = contents[action.path]
        elif action.act is Act.DELETE:
            del there[action.path]
        elif action.act is Act.REMOVE_DIRECTORY:
            assert not any(path[: len(action.path)] == action.path for path in there)
    if not skipped:  # of the same time: what only differs in contents is not seen
        assert {path: len(data) for path, data in there.items()} == {path: len(data) for path, data in contents.items()}
    moved = {action.origin for action in plan.of(Act.RENAME)}
    assert len(moved) == len(list(plan.of(Act.RENAME)))
    assert not moved & {action.path for action in plan.of(Act.DELETE)}


# --- with a server ----------------------------------------------------------------------------------------------------

MANY = 30


@pytest.fixture(params=["push", "pull"])
def both(request, secftp, tmp_path):
    """A source and a target with a directory that was renamed at the source; call it to sync."""
    here, there = tmp_path / "here", tmp_path / "root" / "t"
    source, target = (here, there) if request.param == "push" else (there, here)
    for number in range(MANY):
        for top, name in ((source, "new"), (target, "old")):
            path = top / name / "deep" / str(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"contents of {number:>8}")
            os.utime(path, ns=(OLD, OLD if top is source else NEW))

    class Both:
        log = secftp.server.log

        def __call__(self, *words):
            tops = (f"{here}/", "//t/") if request.param == "push" else ("//t/", f"{here}/")
            return secftp("sync", *words, *tops)

    Both.source, Both.target, Both.pushes = source, target, request.param == "push"
    return Both()


def test_files_of_a_renamed_directory_are_not_transferred(both):
    result = both("--delete").succeed()
    assert f"Copied nothing; renamed {MANY} files" in result.errors
    assert listing(both.target / "new") == listing(both.source / "new")
    assert not (both.target / "old").exists()
    for number in range(MANY):
        path = both.target / "new" / "deep" / str(number)
        assert path.read_text() == f"contents of {number:>8}"
        assert os.stat(path).st_mtime_ns == OLD, "it gets the time of the source"
    sent = [line for line in both.log.text.splitlines() if "to write" in line or "to read" in line]
    assert sent == []
    assert "Copied nothing; 30 the same" in both("--delete").succeed().errors


@pytest.mark.parametrize("lacks", ["sum", "read"])
def test_without_digests_files_are_copied(both, monkeypatch, lacks):
    """An older server, and a key that may not read."""
    if lacks == "read" and not both.pushes:
        pytest.skip("what may not be read can't be the source")
    can, may = Session.can, Session.may
    monkeypatch.setattr(Session, "can", lambda session, name: name != lacks and can(session, name))
    monkeypatch.setattr(Session, "may", lambda session, name: name != lacks and may(session, name))
    result = both("--delete").succeed()
    assert f"Copied {MANY} files" in result.errors
    assert "renamed" not in result.errors
    assert listing(both.target / "new") == listing(both.source / "new")


def test_digests_are_requested_all_at_once(both, monkeypatch):
    """They cost a few round trips, however many there are: the pipeline is waited for once all are under way."""
    asked = []
    real = renames.checksums

    def checksums(session, files, algorithm):
        submit = session.pipeline.submit

        def count(request, handler):
            asked.append("request")
            submit(request, handler)

        monkeypatch.setattr(session.pipeline, "submit", count)
        for found in real(session, files, algorithm):
            asked.append("reply")
            yield found

    monkeypatch.setattr(renames, "checksums", checksums)
    both("--delete").succeed()
    assert asked[:MANY].count("request") > MANY // 2
    assert asked.count("reply") == MANY
