"""`secftp sync`: what it makes of the target, in both directions."""

from __future__ import annotations

import json
import os
import shutil
import stat

import pytest

from secftp.errors import ExitCode, InputOutputError, Side
from secftp.sync import guards
from secftp.sync.digests import Digests

S = 1_000_000_000
OLD, NEW = 1_600_000_000 * S + 123, 1_700_000_000 * S + 456


def write(path, text="text", time=OLD, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    os.utime(path, ns=(time, time))
    return path


def tree(top):
    """Everything in a directory: the contents of files, None for directories, the trash by its contents alone."""
    found = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if name.startswith(".trash-secftp/"):
            name = "/".join(["TRASH", *name.split("/")[2:]]) if name.count("/") > 1 else ""
        if name not in ("", ".trash-secftp"):
            found[name] = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_text()
    return found


def attributes(top):
    """Kind, permissions and time of everything in a directory."""
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(top))] = status.st_mode, status.st_mtime_ns
    return found


def steps(output):
    return [" ".join(line.split()) for line in output.decode().splitlines()]


@pytest.fixture(params=["push", "pull"])
def sync(request, secftp, tmp_path):
    """A sync of `source` to `target`, one of them at the server; call it with options."""
    here, there = tmp_path / "here" / "d", tmp_path / "root" / "d"
    for each in (here, there):
        each.mkdir(parents=True)

    class Sync:
        pushes = request.param == "push"
        source, target = (here, there) if pushes else (there, here)
        server = secftp.server

        def __call__(self, *options):
            here = f"{self.here}/" if self.pushes else self.here
            return secftp("sync", *options, *((here, "//d") if self.pushes else ("//d/", here)))

    made = Sync()
    made.here = here
    return made


@pytest.fixture
def filled(sync):
    """A source with something of everything, and a target without it."""
    write(sync.source / "a", "a", OLD, 0o600)
    write(sync.source / "sub" / "b", "b" * 40_000, NEW)
    write(sync.source / "sub" / "deep" / "c", "", OLD)
    (sync.source / "empty").mkdir()
    for name in ("sub/deep", "sub", "empty"):
        os.utime(sync.source / name, ns=(OLD, OLD))
    return sync


def test_the_target_becomes_what_the_source_is(filled):
    filled("--quiet").succeed()
    assert tree(filled.target) == tree(filled.source)
    assert attributes(filled.target) == attributes(filled.source)
    result = filled().succeed()
    assert "Copied nothing; 3 the same." in result.errors


def test_a_dry_run_changes_nothing_and_says_what_a_run_does(filled):
    write(filled.target / "a", "older", OLD - 5 * S)
    write(filled.target / "gone" / "x")
    before = attributes(filled.target)
    plan = filled("--dry-run", "--delete")
    assert attributes(filled.target) == before
    assert steps(plan.output) == [
        "mkdir empty/",
        "mkdir sub/",
        "mkdir sub/deep/",
        "copy sub/b (40.0 kB)",
        "copy sub/deep/c (0 B)",
        "replace a (1 B)",
        "delete gone/x",
        "rmdir gone/",
    ]
    assert "Would copy 3 files, 40.0 kB; would delete 1 file; 0 the same." in plan.errors
    run = filled("-v", "--delete")
    assert run.output == plan.output
    assert tree(filled.target) == {**tree(filled.source), "TRASH/gone": None, "TRASH/gone/x": "text"}
    assert "moved 1 file to .trash-secftp/" in run.errors


def test_the_plan_as_json(filled):
    write(filled.target / "gone")
    write(filled.target / "sub", "a file")
    result = filled("--json", "--delete")
    assert result.code == ExitCode.FAILED
    *plan, summary = map(json.loads, result.output.decode().splitlines())
    assert [(step["action"], step["path"]) for step in plan] == [
        ("mkdir", "empty"),
        ("copy", "a"),
        ("delete", "gone"),
        ("skip", "sub"),
    ]
    assert plan[1]["size"] == 1
    assert plan[1]["mtime_ns"] == OLD
    assert plan[3]["reason"] == "kind"
    assert (summary["action"], summary["files"], summary["deleted"], summary["conflicts"]) == ("summary", 1, 1, 1)
    (event,) = map(json.loads, result.errors.splitlines())
    assert (event["event"], event["exit_code"]) == ("error", 1)


def test_without_delete_nothing_is_deleted(filled):
    write(filled.target / "more" / "x", "x")
    assert "1 only at the target" in filled().succeed().errors
    assert (filled.target / "more" / "x").read_text() == "x"


def test_a_newer_file_is_not_replaced_without_force(filled):
    write(filled.target / "a", "newer", OLD + 9 * S)
    assert "1 newer at the target" in filled().succeed().errors
    assert (filled.target / "a").read_text() == "newer"
    filled("--force").succeed()
    assert (filled.target / "a").read_text() == "a"
    assert attributes(filled.target) == attributes(filled.source)


def test_permissions_and_times_alone_need_no_copy(filled):
    filled().succeed()
    (filled.source / "a").chmod(0o640)
    (filled.source / "empty").chmod(0o700)
    os.utime(filled.source / "sub", ns=(NEW, NEW))
    assert "Copied nothing" in filled().succeed().errors
    assert attributes(filled.target) == attributes(filled.source)


class TestContents:
    """-c, --checksum."""

    def test_contents_decide(self, filled):
        filled().succeed()
        write(filled.target / "sub" / "b", "x" * 40_000, NEW)
        assert "Copied nothing" in filled().succeed().errors
        result = filled("-v", "-c")
        assert steps(result.output) == ["replace sub/b (40.0 kB)"]
        assert tree(filled.target) == tree(filled.source)

    def test_times_are_set_where_contents_are_the_same(self, filled):
        filled().succeed()
        os.utime(filled.target / "a", ns=(NEW, NEW))
        assert steps(filled("-v", "--checksum", "sha256").output) == ["attributes a"]
        assert attributes(filled.target) == attributes(filled.source)

    def test_what_can_not_be_compared_is_left_alone(self, filled, monkeypatch):
        def fail(_self, path):
            raise InputOutputError("It failed.", filename=path[-1].decode(), side=Side.LOCAL)

        filled().succeed()
        write(filled.target / "extra")
        os.utime(filled.target / "a", ns=(OLD - 9 * S, OLD - 9 * S))
        before = attributes(filled.target)
        monkeypatch.setattr(Digests, "_digest", fail)
        result = filled("-c", "--delete")
        assert result.code == ExitCode.FAILED
        assert "Nothing was deleted because of the failures" in result.errors
        assert attributes(filled.target) == before


CASES = [("src/", "dst", "dst"), ("src/", "dst/", "dst"), ("src", "dst", "dst/src"), ("src", "dst/", "dst/src")]


class TestSlash:
    """What a slash at the end of the source means, as for rsync."""

    @pytest.mark.parametrize(("source", "target", "place"), CASES)
    @pytest.mark.parametrize("exists", [False, True])
    def test_to_the_server(self, secftp, tmp_path, monkeypatch, source, target, place, exists):
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "src" / "a")
        if exists:
            (tmp_path / "root" / "dst").mkdir()
        secftp("sync", source, f"//{target}").succeed()
        assert os.listdir(tmp_path / "root" / place) == ["a"]

    @pytest.mark.parametrize(("source", "target", "place"), CASES)
    @pytest.mark.parametrize("exists", [False, True])
    def test_to_this_machine(self, secftp, tmp_path, monkeypatch, source, target, place, exists):
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "root" / "src" / "a")
        if exists:
            (tmp_path / "dst").mkdir()
        secftp("sync", f"//{source}", target).succeed()
        assert os.listdir(tmp_path / place) == ["a"]

    def test_names_that_stand_for_contents(self, secftp, tmp_path, monkeypatch):
        monkeypatch.chdir(write(tmp_path / "src" / "a").parent)
        for number, source in enumerate((".", "..", "./", "../src/.")):
            secftp("sync", source, f"//{number}").succeed()
        assert os.listdir(tmp_path / "root" / "0") == os.listdir(tmp_path / "root" / "2") == ["a"]
        assert os.listdir(tmp_path / "root" / "3") == ["a"]
        assert (tmp_path / "root" / "1" / "src" / "a").exists()
        secftp("sync", "//", tmp_path / "all").succeed()
        assert sorted(os.listdir(tmp_path / "all")) == ["0", "1", "2", "3"]


USAGE = [
    (("a", "b"), "SRC and DST are both on this machine."),
    (("//a", "//b"), "SRC and DST are both on a server."),
    (("a",), "Required arguments are missing: DST."),
    (("--max-delete", "1", "a", "//b"), "--max-delete is about deletions"),
    (("--no-trash", "a", "//b"), "--no-trash is about deletions"),
    (("--delete", "--max-delete", "101%", "a", "//b"), "--max-delete must be a number of files"),
    (("--delete", "--max-delete", "x", "a", "//b"), "--max-delete must be a number of files"),
    (("--delete", "--trash-days=-1", "a", "//b"), "--trash-days must be a number of days."),
    (("--delete", "--trash-days", "x", "a", "//b"), "--trash-days must be a number of days."),
    (("--checksum=crc", "a", "//b"), "--checksum must be"),
]

# Deleted files, files that stay, --max-delete, whether that is allowed.
DELETIONS = [
    (101, 303, None, True),  # 25 % of 404
    (101, 302, None, False),
    (100, 0, None, True),
    (101, 0, None, False),
    (3, 1, "3", True),
    (3, 1, "2", False),
    (3, 1, "75%", True),
    (3, 1, "74%", False),
    (4, 0, "100%", True),
    (1, 3, "0", False),
    (0, 3, "0", True),
    (101, 0, "101", True),
]


class TestRefusals:
    """What is refused before anything is changed."""

    @pytest.mark.parametrize(("words", "sentence"), USAGE)
    def test_usage(self, secftp, words, sentence):
        secftp("sync", *words).expect(ExitCode.USAGE, sentence)

    def test_a_source_that_is_missing(self, sync):
        shutil.rmtree(sync.source)
        write(sync.target / "a")
        sync("--delete").expect(ExitCode.LOCAL_FILE if sync.pushes else ExitCode.NOT_FOUND, "o such file")
        assert tree(sync.target) == {"a": "text"}

    def test_a_source_that_is_a_file(self, sync):
        sync.source.rmdir()
        write(sync.source)
        code = ExitCode.LOCAL_FILE if sync.pushes else ExitCode.NOT_FOUND
        assert "A single file is copied with get and put." in sync().expect(code, "ot a directory").errors

    def test_a_target_that_is_a_file(self, filled):
        filled.target.rmdir()
        write(filled.target)
        code = ExitCode.NOT_FOUND if filled.pushes else ExitCode.LOCAL_FILE
        assert "Name a directory as the target." in filled().expect(code, "ot a directory").errors
        assert filled.target.read_text() == "text"

    @pytest.mark.parametrize("content", ["nothing", "directories", "excluded", "symlinks"])
    def test_an_empty_source_with_delete(self, sync, content):
        options = ()
        if content == "directories":
            (sync.source / "x" / "y").mkdir(parents=True)
        elif content == "excluded":
            write(sync.source / "cache" / "x")
            options = ("--exclude", "cache")
        elif content == "symlinks":
            (sync.source / "link").symlink_to("nowhere")
        write(sync.target / "a")
        result = sync("--delete", *options).expect(ExitCode.TOO_MANY_DELETIONS, "The source has no files")
        assert tree(sync.target) == {"a": "text"}
        assert ("that the patterns select" in result.errors) == bool(options)
        sync(*options).succeed()

    @pytest.mark.parametrize(("deleted", "kept", "limit", "is_allowed"), DELETIONS)
    def test_the_number_of_deletions(self, secftp, tmp_path, deleted, kept, limit, is_allowed):
        write(tmp_path / "src" / "new")
        for number in range(kept):
            write(tmp_path / "src" / f"k{number}")
        target = tmp_path / "root" / "dst"
        if kept:
            shutil.copytree(tmp_path / "src", target)
            (target / "new").unlink()
        for number in range(deleted):
            write(target / "old" / f"{number}", f"old {number}")
        before = tree(target)
        options = [] if limit is None else ["--max-delete", limit]
        result = secftp("sync", "--delete", *options, f"{tmp_path / 'src'}/", "//dst")
        if is_allowed:
            result.succeed()
            assert not [name for name in tree(target) if name.startswith("old")]
        else:
            result.expect(ExitCode.TOO_MANY_DELETIONS, f"of {deleted + kept} at the target would be deleted")
            assert f"--max-delete {deleted}" in result.errors
            assert tree(target) == before

    def test_the_default_is_what_the_help_says(self):
        assert (guards.MOST_DELETIONS, guards.MOST_PERCENT) == (100, 25)


def test_attributes_of_the_top_are_set_only_if_it_is_made(secftp, tmp_path):
    write(tmp_path / "src" / "a")
    (tmp_path / "src").chmod(0o750)
    secftp("sync", tmp_path / "src", "//made").succeed()
    assert stat.S_IMODE((tmp_path / "root" / "made" / "src").stat().st_mode) == 0o750
    (tmp_path / "root" / "there").mkdir(mode=0o711)
    secftp("sync", f"{tmp_path / 'src'}/", "//there").succeed()
    assert stat.S_IMODE((tmp_path / "root" / "there").stat().st_mode) == 0o711
