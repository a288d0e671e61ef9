"""Random changes of two trees and syncs between them, compared with a model that was written from the documentation.

The model is `expected`: what the target has to be after a sync, from both trees and the options alone. In addition:
what a dry run says is what a run does; nothing is lost; what a sync has done, another one need not do again.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from secftp.client.__main__ import main
from secftp.keys import read_key_file, write_key_file
from tests.support.serving import HOST, serving

pytestmark = pytest.mark.exhaustive

TRASH = ".trash-secftp"
DIRECTORY = "directory"
# Apart by more than any file system's resolution, and exact.
TIMES = [1_600_000_000_123_456_789 + 10_000_000_000 * number for number in range(4)]
NAMES = ["a", "b", "c.o", "d", "d/a", "d/b.o", "d/e", "d/e/a", "x", "x/a", "x/y/z"]
CONTENTS = ["", "1", "2", "11", "22", "longer"]
MODES = [0o644, 0o600]


class File(NamedTuple):
    contents: str
    mtime_ns: int
    mode: int


def look(top, *, trash=False):
    """All that is below a directory: `File` or DIRECTORY by its path; the trash alone, or without it."""
    found = {}
    for at, directories, files in os.walk(os.path.join(top, TRASH) if trash else top):
        if not trash and TRASH in directories:
            directories.remove(TRASH)
        for name in directories:
            found[os.path.relpath(os.path.join(at, name), top)] = DIRECTORY
        for name in files:
            path = os.path.join(at, name)
            status = os.stat(path)
            with open(path, encoding="utf-8") as file:
                found[os.path.relpath(path, top)] = File(file.read(), status.st_mtime_ns, status.st_mode & 0o777)
    return found


def files_of(tree):
    return {path: entry for path, entry in tree.items() if entry != DIRECTORY}


def is_below(path, tops):
    return any(path == top or path.startswith(f"{top}/") for top in tops)


# --- the model --------------------------------------------------------------------------------------------------------


class Options(NamedTuple):
    delete: bool
    checksum: bool
    force: bool
    exclude: str
    trash: bool
    max_delete: str

    def words(self):
        yield from ("--delete",) * self.delete
        yield from ("--checksum",) * self.checksum
        yield from ("--force",) * self.force
        yield from ("--exclude", self.exclude) * bool(self.exclude)
        yield from ("--no-trash",) * (self.delete and not self.trash)
        yield from ("--max-delete", self.max_delete) * bool(self.delete and self.max_delete)


def excluded(path, pattern):
    """A pattern without a slash matches any name, and what is in a directory of that name is excluded with it."""
    return bool(pattern) and any(fnmatchcase(name, pattern) for name in path.split("/"))


def are_same(source, target, options):
    """Files are the same if their size and time are; with --checksum if their contents are."""
    if options.checksum:
        return source.contents == target.contents
    return (len(source.contents), source.mtime_ns) == (len(target.contents), target.mtime_ns)


class Expected(NamedTuple):
    """What a sync comes to: the target afterwards, conflicts that are told, newer files, files that are gone."""

    after: dict
    conflicts: set
    newer: set
    gone: set


def expected(source, target, options):
    wanted = {path: entry for path, entry in source.items() if not excluded(path, options.exclude)}
    mine = {path: entry for path, entry in target.items() if not excluded(path, options.exclude)}
    # A file on one side and a directory on the other is a conflict: it is told, and stays with all that is in it.
    conflicts = {
        path for path, entry in wanted.items() if path in mine and (entry == DIRECTORY) != (mine[path] == DIRECTORY)
    }
    after, newer, gone = dict(target), set(), set()
    for path, entry in sorted(wanted.items()):
        there = mine.get(path)
        if is_below(path, conflicts):
            continue
        if entry == DIRECTORY or there is None:
            after[path] = entry
        elif are_same(entry, there, options):
            after[path] = File(there.contents, entry.mtime_ns, entry.mode)
        elif there.mtime_ns > entry.mtime_ns and not options.force:
            newer.add(path)
        else:
            after[path] = entry
    if options.delete:
        # Deepest first: a directory goes if nothing is left in it, so one with an excluded name stays.
        for path in sorted(mine, reverse=True):
            if path in wanted or is_below(path, conflicts):
                continue
            if mine[path] != DIRECTORY:
                gone.add(path)
                del after[path]
            elif not any(is_below(other, [path]) for other in after if other != path):
                del after[path]
    return Expected(after, conflicts, newer, gone)


def carried_out(plan, source, target):
    """The target after the steps of a plan, one by one, as the words of --json describe them."""
    after = dict(target)
    for step in plan:
        path, action = step["path"].rstrip("/"), step["action"]
        if action == "mkdir":
            assert path not in after
            after[path] = DIRECTORY
        elif action in ("copy", "replace"):
            assert (path in after) == (action == "replace")
            assert (step["size"], step["mtime_ns"]) == (len(source[path].contents), source[path].mtime_ns)
            after[path] = source[path]
        elif action == "rename":
            assert path not in after
            after[path] = after.pop(step["from"])
        elif action == "attributes":
            if after[path] != DIRECTORY:
                after[path] = after[path]._replace(mtime_ns=source[path].mtime_ns, mode=source[path].mode)
        elif action == "delete":
            assert after.pop(path) != DIRECTORY
        elif action == "rmdir":
            assert after.pop(path) == DIRECTORY
            assert not any(is_below(other, [path]) for other in after)
        else:
            assert action == "skip", f"a word that is not documented: {step}"
    return after


# --- the machine ------------------------------------------------------------------------------------------------------

SIDES = some.sampled_from(["here", "there"])
OPTIONS = some.builds(
    Options,
    delete=some.sampled_from([False, True, True]),
    checksum=some.booleans(),
    force=some.booleans(),
    exclude=some.sampled_from(["", "", "*.o", "e", "d"]),
    trash=some.booleans(),
    max_delete=some.sampled_from(["", "", "", "0", "1", "0%", "100%"]),
)


FILES = some.tuples(some.sampled_from(CONTENTS), some.sampled_from(TIMES), some.sampled_from(MODES))
SIDE_FILES = some.none() | FILES


class TwoTrees(RuleBasedStateMachine):
    """Trees in `here` and at a server, in `there`, of which a sync makes one what the other is."""

    def __init__(self, place, port):
        super().__init__()
        self.key_file = place.key_file
        self.number = next(place.numbers)
        self.tops = {"here": place.here / str(self.number), "there": place.root / str(self.number)}
        self.url = f"secftp://{HOST}:{port}/{self.number}/"
        for top in self.tops.values():
            top.mkdir()

    def teardown(self):
        for top in self.tops.values():
            shutil.rmtree(top)

    # --- changes ---

    def fits(self, side, name):
        """Whether no file is where the name needs a directory."""
        top = self.tops[side]
        above = [top.joinpath(*name.split("/")[:depth]) for depth in range(1, name.count("/") + 1)]
        return not any(os.path.isfile(path) for path in above)

    @initialize(tree=some.dictionaries(some.sampled_from(NAMES), some.tuples(SIDE_FILES, SIDE_FILES), min_size=3))
    def begin(self, tree):
        """Files on one side, on the other, or on both, the same or not."""
        for name, files in tree.items():
            for side, file in zip(self.tops, files, strict=True):
                if file is not None:
                    self.write(side, name, *file)

    @rule(
        side=SIDES,
        name=some.sampled_from(NAMES),
        contents=some.sampled_from(CONTENTS),
        time=some.sampled_from(TIMES),
        mode=some.sampled_from(MODES),
    )
    def write(self, side, name, contents, time, mode):
        path = self.tops[side] / name
        if not self.fits(side, name) or path.is_dir():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents)
        os.utime(path, ns=(time, time))
        os.chmod(path, mode)

    @rule(side=SIDES, name=some.sampled_from(NAMES))
    def make_directory(self, side, name):
        path = self.tops[side] / name
        if self.fits(side, name) and not path.is_file():
            path.mkdir(parents=True, exist_ok=True)

    @rule(side=SIDES, name=some.sampled_from(NAMES))
    def delete(self, side, name):
        path = self.tops[side] / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()

    @rule(
        side=SIDES, name=some.sampled_from(NAMES), contents=some.sampled_from(CONTENTS), time=some.sampled_from(TIMES)
    )
    def change_kind(self, side, name, contents, time):
        was_directory = (self.tops[side] / name).is_dir()
        self.delete(side, name)
        if was_directory:
            self.write(side, name, contents, time, MODES[0])
        else:
            self.make_directory(side, name)

    @rule(side=SIDES, name=some.sampled_from(NAMES), to=some.sampled_from(NAMES))
    def rename(self, side, name, to):
        path, new = self.tops[side] / name, self.tops[side] / to
        if path.exists() and not new.exists() and self.fits(side, to) and not is_below(to, [name]):
            new.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, new)

    @rule(side=SIDES, name=some.sampled_from(NAMES), time=some.sampled_from(TIMES))
    def touch(self, side, name, time):
        path = self.tops[side] / name
        if path.is_file():
            os.utime(path, ns=(time, time))

    # --- syncs ---

    def run(self, options, *more, pushes):
        """Run a sync with its plan; return the exit code, the steps, the summary."""
        here = f"{self.tops['here']}/"
        words = (here, self.url) if pushes else (self.url, here)
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = main(
                ["sync", "--json", "--cipher=none", "--key-file", self.key_file, *options.words(), *more, *words]
            )
        assert "Internal error" not in errors.getvalue()
        self.errors = errors.getvalue()
        lines = [json.loads(line) for line in output.getvalue().splitlines()]
        steps = [line for line in lines if line["action"] != "summary"]
        return code, steps, lines[-1] if len(steps) < len(lines) else {}

    # Two rules, so that syncs are a part of nearly every run.
    @rule(options=OPTIONS)
    def push(self, options):
        self.sync(options, pushes=True)

    @rule(options=OPTIONS)
    def pull(self, options):
        self.sync(options, pushes=False)

    def sync(self, options, *, pushes):
        sides = ("here", "there") if pushes else ("there", "here")
        source, target = (look(self.tops[side]) for side in sides)
        trash = look(self.tops[sides[1]], trash=True)
        model = expected(source, target, options)

        dry_code, planned, _ = self.run(options, "--dry-run", pushes=pushes)
        assert (look(self.tops[sides[0]]), look(self.tops[sides[1]])) == (source, target), "a dry run changes nothing"
        assert look(self.tops[sides[1]], trash=True) == trash

        code, steps, summary = self.run(options, pushes=pushes)
        after, trash_after = look(self.tops[sides[1]]), look(self.tops[sides[1]], trash=True)
        assert look(self.tops[sides[0]]) == source, "a sync never changes its source"
        assert (code, steps) == (dry_code, planned), "a run does what its dry run says"
        assert trash.items() <= trash_after.items(), "what is in the trash stays there"

        deleted = {step["path"] for step in steps if step["action"] == "delete"}
        wanted = {path: entry for path, entry in files_of(source).items() if not excluded(path, options.exclude)}
        is_empty = options.delete and not wanted
        too_many = (
            options.delete and options.max_delete in ("0", "0%", "1") and len(deleted) > (options.max_delete == "1")
        )
        if is_empty or too_many:
            assert code == 17, "an empty source, and more deletions than are allowed, are refused"
            assert (after, trash_after) == (target, trash), "nothing is changed then"
            return

        assert code == (1 if model.conflicts else 0), self.errors
        assert after == model.after
        assert carried_out(steps, source, target) == after, "the plan is what happened"
        reasons = {step["path"]: step["reason"] for step in steps if step["action"] == "skip"}
        assert {path for path, reason in reasons.items() if reason == "newer"} == model.newer
        assert {path for path, reason in reasons.items() if reason == "kind"} == model.conflicts
        self.check_nothing_is_lost(target, after, trash, trash_after, steps, options, model)
        self.check_summary(summary, steps)

        code, steps, _ = self.run(options, pushes=pushes)
        left = [step for step in steps if step["action"] != "skip"]
        assert not left, "another sync has nothing to do"
        assert look(self.tops[sides[1]]) == after

    def check_nothing_is_lost(self, target, after, trash, trash_after, steps, options, model):
        """Each file of the target is there, or in the trash, or the plan has replaced or removed it."""
        replaced = {step["path"] for step in steps if step["action"] == "replace"}
        renamed = {step["from"]: step["path"] for step in steps if step["action"] == "rename"}
        deleted = {step["path"] for step in steps if step["action"] == "delete"}
        assert set(renamed) | deleted == model.gone
        assert options.delete or not model.gone, "without --delete nothing is deleted"
        new = {path.split("/", 2)[2]: entry for path, entry in files_of(trash_after).items() if path not in trash}
        assert set(new) == (deleted if options.trash else set())
        for path, entry in files_of(target).items():
            if path in renamed:
                assert after[renamed[path]].contents == entry.contents
            elif path in deleted:
                assert not options.trash or new[path] == entry
            elif path not in replaced:
                assert after[path].contents == entry.contents
            if excluded(path, options.exclude):
                assert after[path] == entry

    def check_summary(self, summary, steps):
        count = {
            word: sum(step["action"] == word for step in steps) for word in ("copy", "replace", "delete", "rename")
        }
        assert summary["files"] == count["copy"] + count["replace"]
        assert (summary["deleted"], summary["renamed"]) == (count["delete"], count["rename"])


# --- running it -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    class Place:
        here = tmp_path_factory.mktemp("here")
        root = tmp_path_factory.mktemp("root")
        key_file = os.fspath(root.parent / "key")
        numbers = iter(range(1_000_000))

    return Place


@pytest.fixture(scope="module")
def port(place):
    write_key_file(place.key_file)
    with serving(place.root, key=read_key_file(place.key_file)) as server:
        yield server.port


def test_syncs_of_two_trees(place, port):
    run_state_machine_as_test(
        functools.partial(TwoTrees, place, port),
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate),  # with Phase.shrink a failure takes five minutes
        ),
    )
