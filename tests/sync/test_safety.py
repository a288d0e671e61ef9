"""What a sync leaves alone: after failures, what has changed since the plan, what is excluded or can't be replaced."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime

import pytest

from secftp.errors import ExitCode, InputOutputError, Side
from secftp.storage.small import LocalSmallFiles
from secftp.storage.tree import LocalTree
from secftp.sync import trash as trashes
from secftp.sync.progress import Outcome
from tests.sync.test_command import NEW, OLD, S, attributes, filled, steps, sync, tree, write  # noqa: F401 - fixtures


@pytest.fixture
def between(monkeypatch):
    """Have something happen between the plan and the run."""

    def install(change):
        planned = Outcome.planned_sync

        def told(outcome, plan):
            planned(outcome, plan)
            change()

        monkeypatch.setattr(Outcome, "planned_sync", told)

    return install


@pytest.fixture
def both(filled):  # noqa: F811
    """Both sides the same, and an extra file at the target."""
    filled("--quiet").succeed()
    write(filled.target / "extra" / "x", "extra")
    return filled


# --- failures ---------------------------------------------------------------------------------------------------------


def unreadable(path):
    """Make a directory that can't be listed, by any user: it is too deep for the protocol."""
    top = path
    for _ in range(70):
        top = top / "d"
    top.mkdir(parents=True)


def test_nothing_is_deleted_if_the_source_can_not_be_listed(both):
    unreadable(both.source / "deep")
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "Nothing was deleted because of the failures; 1 file would have been." in result.errors
    assert (both.target / "extra" / "x").exists()
    assert not (both.target / ".trash-secftp").exists()


def test_where_nothing_was_to_be_deleted_that_is_not_told(both):
    unreadable(both.source / "deep")
    shutil.rmtree(both.target / "extra")
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "Nothing was deleted" not in result.errors


def test_nothing_is_deleted_if_the_target_can_not_be_listed(both):
    unreadable(both.target / "deep")
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "Nothing was deleted because of the failures" in result.errors
    assert (both.target / "extra" / "x").exists()


def let_copies_fail(both, monkeypatch):
    def fail(_files, path, *_):
        raise InputOutputError("It failed.", filename=path[-1].decode(), side=Side.LOCAL)

    if both.pushes:
        monkeypatch.setattr(LocalTree, "open", fail)
    else:
        monkeypatch.setattr(LocalSmallFiles, "write", fail)


def test_nothing_is_deleted_if_a_copy_fails(both, monkeypatch):
    write(both.source / "new" / "a", "new a")
    let_copies_fail(both, monkeypatch)
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "Nothing was deleted because of the failures; 1 file would have been." in result.errors
    assert (both.target / "extra" / "x").exists()


def test_nothing_is_renamed_if_a_copy_fails(both, monkeypatch):
    os.rename(both.source / "a", both.source / "z")
    write(both.source / "new", "new")
    let_copies_fail(both, monkeypatch)
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "Nothing was deleted because of the failures" in result.errors
    assert (both.target / "a").read_text() == "a"
    assert not (both.target / "z").exists()
    assert "changed meanwhile" not in result.errors


def test_nothing_is_deleted_if_a_rename_fails(both, between):
    os.rename(both.source / "a", both.source / "z")
    between(lambda: write(both.target / "z", "has appeared"))
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "Nothing was deleted because of the failures; 1 file would have been." in result.errors
    assert {name: tree(both.target)[name] for name in ("a", "z", "extra/x")} == {
        "a": "a",
        "z": "has appeared",
        "extra/x": "extra",
    }


def test_a_dry_run_says_that_nothing_would_be_deleted(both):
    unreadable(both.source / "deep")
    result = both("--delete", "--dry-run")
    assert not [step for step in steps(result.output) if step.startswith(("delete", "rmdir"))]


# --- what has changed since the plan ----------------------------------------------------------------------------------


def test_a_file_of_the_source_that_has_changed_is_not_copied(both, between):
    write(both.source / "new", "a")
    write(both.source / "a", "another", NEW)
    write(both.source / "big", "b" * 70_000)
    write(both.source / "other", "o")

    def change():
        write(both.source / "new", "abc")
        write(both.source / "a", "somethi", NEW + 5 * S)
        write(both.source / "big", "b" * 70_000, OLD + 1)

    between(change)
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "3 changed meanwhile" in result.errors
    assert result.errors.count("it has changed since the plan was made, left alone") == 3
    assert (both.target / "a").read_text() == "a"
    assert sorted(os.listdir(both.target)) == [".trash-secftp", "a", "empty", "other", "sub"]


def test_a_file_of_the_source_that_is_gone_is_told(both, between):
    write(both.source / "new", "a")
    between((both.source / "new").unlink)
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "new: it is gone since the plan was made." in result.errors
    assert not (both.target / "extra").exists()


def test_a_file_of_the_target_that_has_changed_is_not_replaced(both, between):
    write(both.source / "a", "another", NEW)
    write(both.source / "sub" / "b", "other", NEW + S)
    write(both.source / "new", "a")
    write(both.source / "big", "b" * 70_000)

    def change():
        write(both.target / "a", "theirs")
        (both.target / "sub" / "b").unlink()
        write(both.target / "new", "appeared")
        write(both.target / "big", "appeared")

    between(change)
    result = both()
    assert result.code == ExitCode.FAILED
    assert "4 changed meanwhile" in result.errors
    found = tree(both.target)
    assert (found["a"], found["new"], found["big"]) == ("theirs", "appeared", "appeared")
    assert "sub/b" not in found


def test_what_has_changed_is_not_deleted(both, between):
    for name in ("size", "time", "gone", "directory", "x"):
        write(both.target / "extra" / name, f"extra {name}")
    write(both.target / "more" / "y")

    def change():
        write(both.target / "extra" / "size", "longer than it was")
        write(both.target / "extra" / "time", "extra time", NEW)
        (both.target / "extra" / "gone").unlink()
        (both.target / "extra" / "directory").unlink()
        write(both.target / "extra" / "directory" / "z")
        write(both.target / "more" / "later")

    between(change)
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    found = tree(both.target)
    kept = {name: text for name, text in found.items() if name.startswith(("extra", "more"))}
    assert kept == {
        "extra": None,
        "extra/size": "longer than it was",
        "extra/time": "extra time",
        "extra/directory": None,
        "extra/directory/z": "text",
        "more": None,
        "more/later": "text",
    }
    assert {name for name in found if name.startswith("TRASH")} == {
        "TRASH/extra",
        "TRASH/extra/x",
        "TRASH/more",
        "TRASH/more/y",
    }
    assert "extra/gone: it is gone since the plan was made." in result.errors


def test_directories_around_what_has_changed_are_not_told(both, between):
    write(both.target / "extra" / "in" / "it" / "y", "y")
    between(lambda: write(both.target / "extra" / "in" / "it" / "y", "changed"))
    result = both("--delete")
    assert "extra/in/it/y: it has changed since the plan was made, left alone." in result.errors
    assert "not empty" not in result.errors
    assert (both.target / "extra" / "in" / "it" / "y").exists()


def test_a_changed_file_does_not_get_other_attributes(both, between):
    (both.source / "a").chmod(0o640)
    between(lambda: write(both.target / "a", "theirs", OLD, 0o644))
    assert both().code == ExitCode.FAILED
    assert (both.target / "a").stat().st_mode & 0o777 == 0o644


def test_a_renamed_file_that_has_changed_is_left_alone(both, between):
    os.rename(both.source / "a", both.source / "z")
    between(lambda: write(both.target / "a", "A", OLD, 0o600) and os.utime(both.target / "a", ns=(NEW, NEW)))
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert (both.target / "a").read_text() == "A"
    assert not (both.target / "z").exists()


# --- what is excluded -------------------------------------------------------------------------------------------------


def test_excluded_names_stay(both):
    for name in ("extra/x.tmp", "cache/y", "gone/sub/z.tmp", "gone/w", "a.tmp"):
        write(both.target / name, name)
    result = both("--delete", "--exclude", "*.tmp", "--exclude", "cache/", "-v")
    assert steps(result.output) == [
        "delete extra/x",
        "delete gone/w",
        "skip extra/: the directory stays, because it contains names that are excluded or no regular files",
        "skip gone/sub/: the directory stays, because it contains names that are excluded or no regular files",
        "skip gone/: the directory stays, because it contains names that are excluded or no regular files",
    ]
    found = {name for name in tree(both.target) if not name.startswith("TRASH")} - set(tree(both.source))
    assert found == {
        "a.tmp", "cache", "cache/y", "extra", "extra/x.tmp", "gone", "gone/sub", "gone/sub/z.tmp",
    }  # fmt: skip


def test_included_files_alone_are_copied_and_deleted(filled):  # noqa: F811
    write(filled.source / "x.txt")
    write(filled.source / "dir" / "y.txt")
    write(filled.target / "old.txt", "old")
    write(filled.target / "old.bin", "old bin")
    filled("--delete", "--include", "*.txt").succeed()
    assert set(tree(filled.target)) == {"x.txt", "dir", "dir/y.txt", "old.bin", "TRASH/old.txt"}


# --- what can't be replaced -------------------------------------------------------------------------------------------


def test_kinds_that_differ_are_conflicts(both):
    write(both.source / "file", "new")
    write(both.target / "file" / "in it", "old")
    write(both.source / "directory" / "new", "new in it")
    write(both.target / "directory", "a file")
    before = tree(both.target)
    result = both("--delete")
    assert result.code == ExitCode.FAILED
    assert "2 conflicts" in result.errors
    found = tree(both.target)
    assert {name: found.get(name) for name in ("file/in it", "directory")} == {
        "file/in it": "old",
        "directory": "a file",
    }
    assert {name for name in before if name not in found} == {"extra", "extra/x"}


def test_symlinks_are_told_once(sync):  # noqa: F811
    write(sync.source / "a")
    for number in range(5):
        (sync.source / f"link{number}").symlink_to("a")
    os.mkfifo(sync.source / "pipe")
    write(sync.target / "link1", "was a file once")
    result = sync("--delete")
    assert "and 4 more of that kind" in result.errors
    assert "pipe: not a regular file, left out." in result.errors
    assert tree(sync.target) == {"a": "text", "link1": "was a file once"}
    assert result.succeed()


def test_a_directory_that_became_a_symlink_deletes_nothing(both):
    os.rename(both.source / "sub", both.source.parent / "elsewhere")
    (both.source / "sub").symlink_to(both.source.parent / "elsewhere")
    result = both("--delete").succeed()
    assert "sub: a symlink, left out." in result.errors
    found = tree(both.target)
    assert "sub/b" in found
    assert "extra/x" not in found


def test_a_directory_with_a_symlink_in_it_stays(both):
    (both.target / "extra" / "link").symlink_to("x")
    result = both("--delete")
    assert os.readlink(both.target / "extra" / "link") == "x"
    assert not (both.target / "extra" / "x").exists()
    result.succeed()


def test_a_symlink_at_the_target_is_not_followed(both):
    outside = both.target.parent / "outside"
    outside.mkdir()
    write(both.source / "new" / "x", "new")
    (both.target / "new").symlink_to(outside)
    assert both("--delete").code == ExitCode.FAILED
    assert os.listdir(outside) == []


def test_what_a_killed_sync_has_left_is_removed_by_the_next(secftp, tmp_path):
    write(tmp_path / "root" / "d" / "sub" / "a")
    here = tmp_path / "here"
    secftp("sync", "//d/", here).succeed()
    for directory in (here, here / "sub"):
        (directory / (".secftp-tmp-" + 32 * "0")).write_bytes(b"unfinished")
    assert secftp("sync", "--dry-run", "//d/", here).code == ExitCode.OK
    assert len(tree(here)) == 4
    secftp("sync", "//d/", here).succeed()
    assert tree(here) == {"sub": None, "sub/a": "text"}


# --- the trash --------------------------------------------------------------------------------------------------------


class TestTrash:
    """The trash, and what becomes of it."""

    def places(self, both):
        return sorted(os.listdir(both.target / ".trash-secftp"))

    def test_two_syncs_in_one_second_have_two_directories(self, both, monkeypatch):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

        monkeypatch.setattr("secftp.sync.run.datetime", Clock)
        for text in ("first", "second", "third"):
            write(both.target / "x", text)
            both("--delete").succeed()
        names = ["20260102T030405Z", "20260102T030405Z-1", "20260102T030405Z-2"]
        assert self.places(both) == names
        assert [(both.target / ".trash-secftp" / name / "x").read_text() for name in names] == [
            "first",
            "second",
            "third",
        ]

    def test_it_is_private_and_keeps_permissions(self, both):
        write(both.target / "extra" / "x", "extra", OLD, 0o640)
        (both.target / "extra").chmod(0o750)
        both("--delete").succeed()
        trash = both.target / ".trash-secftp"
        (name,) = os.listdir(trash)
        assert [path.stat().st_mode & 0o777 for path in (trash, trash / name)] == [0o700, 0o700]
        moved = trash / name / "extra"
        assert (moved.stat().st_mode & 0o777, (moved / "x").stat().st_mode & 0o777) == (0o750, 0o640)
        assert (moved / "x").stat().st_mtime_ns == OLD

    def test_empty_directories_are_in_it(self, both):
        (both.target / "nothing" / "in").mkdir(parents=True)
        both("--delete").succeed()
        assert tree(both.target)["TRASH/nothing/in"] is None

    def test_it_is_no_part_of_a_sync(self, both):
        both("--delete").succeed()
        write(both.source / ".trash-secftp" / "20200101T000000Z" / "mine", "mine")
        before = self.places(both)
        assert both("-v", "--delete").succeed().output == b""
        assert self.places(both) == before
        assert (both.source / ".trash-secftp" / "20200101T000000Z" / "mine").exists()

    def test_that_of_a_directory_below_stays(self, both):
        for side in (both.source / "sub", both.target / "sub", both.target / "gone"):
            write(side / ".trash-secftp" / "20200101T000000Z" / side.parent.name)
        write(both.source / "file" / ".trash-secftp", "a file")
        both("--delete").succeed()
        found = tree(both.target)
        assert [name for name in found if "20200101T000000Z/" in name] == [
            f"{name}/.trash-secftp/20200101T000000Z/{both.target.name}" for name in ("gone", "sub")
        ]
        assert "file/.trash-secftp" not in found

    def test_it_counts_on_neither_side(self, sync):  # noqa: F811
        for number in range(400):
            write(sync.target / ".trash-secftp" / "20200101T000000Z" / f"{number}")
        write(sync.source / ".trash-secftp" / "20200101T000000Z" / "x")
        sync("--delete").expect(ExitCode.TOO_MANY_DELETIONS, "The source has no files")
        write(sync.source / "new", "new")
        for number in range(101):
            write(sync.target / f"{number}")
        sync("--delete").expect(ExitCode.TOO_MANY_DELETIONS, "101 files of 101 at the target")

    def test_no_trash_deletes_at_once(self, both):
        result = both("--delete", "--no-trash").succeed()
        assert "deleted 1 file;" in result.errors
        assert not (both.target / ".trash-secftp").exists()
        assert not (both.target / "extra").exists()

    def test_what_is_old_is_removed_by_the_next_sync_that_deletes(self, both):
        trash = both.target / ".trash-secftp"
        old, new, named = "20200101T000000Z", datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), "20200101T000000Z.kept"
        for name in (old, f"{old}-7", new, named, "20201399T000000Z", "photos"):
            write(trash / name / "deep" / "x")
            os.utime(trash / name, ns=(OLD, OLD))
        write(trash / "20200102T000000Z", "a file")
        both().succeed()
        assert len(self.places(both)) == 7
        result = both("--delete", "-v")
        assert "empty .trash-secftp/20200101T000000Z/" in steps(result.output)
        left = set(self.places(both))
        assert left >= {new, named, "20201399T000000Z", "photos", "20200102T000000Z"}
        assert not left & {old, f"{old}-7"}

    def test_its_age_is_counted_in_days(self):
        now = datetime(2026, 3, 31, tzinfo=UTC)
        names = [b"20260301T000000Z", b"20260228T235959Z", b"20270101T000000Z", b"x"]
        there = [(name, OLD) for name in names]
        assert list(trashes.expired(there, now, 30)) == [b"20260228T235959Z"]
        assert list(trashes.expired(there, now, 10_000)) == []
        assert list(trashes.expired(there, now, 999_999_999)) == []

    def test_a_clock_that_was_slow_makes_nothing_old(self, both):
        trash = both.target / ".trash-secftp" / "19700101T000107Z"
        write(trash / "extra", "deleted yesterday")
        both("--delete").succeed()
        assert (trash / "extra").exists()

    def test_what_it_can_not_take_is_told(self, both):
        shutil.rmtree(both.target / "extra")
        write(both.target / "extra")
        (both.target / ".trash-secftp").symlink_to("/nonexistent")
        result = both("--delete")
        assert result.code != 0
        assert (both.target / "extra").exists()

    def test_a_file_of_its_name_is_in_the_way(self, both):
        write(both.target / ".trash-secftp", "a file")
        result = both("--delete")
        assert "Rename .trash-secftp in the target, or use --no-trash." in result.errors
        assert (both.target / "extra" / "x").exists()
        both("--delete", "--no-trash").succeed()
        assert not (both.target / "extra").exists()
        assert (both.target / ".trash-secftp").read_text() == "a file"


# --- rights -----------------------------------------------------------------------------------------------------------


def test_a_key_that_may_not_delete_gets_a_sentence(tmp_path, capfdbinary):
    from tests.support.command_line import client_and_server

    with client_and_server(tmp_path, capfdbinary, overwrite=False) as secftp:
        write(tmp_path / "src" / "a")
        write(tmp_path / "root" / "dst" / "b", "b")
        source = f"{tmp_path / 'src'}/"
        secftp("sync", "--delete", source, "//dst").expect(
            ExitCode.REFUSED, "this session may not delete or rename, so nothing was changed."
        )
        assert tree(tmp_path / "root" / "dst") == {"b": "b"}
        assert "1 only at the target" in secftp("sync", source, "//dst").succeed().errors
        write(tmp_path / "src" / "b", "b")
        old = write(tmp_path / "root" / "dst" / ".trash-secftp" / "20200101T000000Z" / "x").parent
        os.utime(old, ns=(OLD, OLD))
        secftp("sync", "--delete", source, "//dst").succeed()
        assert old.exists()
