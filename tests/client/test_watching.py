"""`secftp sync --watch`: what a pass is made of, when it is made, and what becomes of failures and of Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from secftp.client import watching
from secftp.client.connect import Connector
from secftp.client.watching import PAUSES, Pauses
from secftp.errors import ConnectionLost, ExitCode, InputOutputError
from secftp.session.retry import Retries
from secftp.storage.small import LocalSmallFiles
from secftp.sync import local_changes
from secftp.sync.run import Sync
from secftp.sync.watch import Changes
from tests.support.command_line import SECRET_KEY, client_and_server, started
from tests.support.serving import HOST, listing, serving, until

SOON = Pauses(quiet=0.0, longest=0.0, full=1e9, scan=1e9, check=1e9)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(local_changes, "_WAKES", 50)
    monkeypatch.setattr(local_changes, "_STEP", 50)
    monkeypatch.setattr(watching, "PAUSES", SOON)


@pytest.fixture
def top(tmp_path):
    (tmp_path / "top" / "d").mkdir(parents=True)
    (tmp_path / "top" / "a").write_text("1")
    (tmp_path / "top" / "d" / "b").write_text("22")
    return tmp_path / "top"


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves, and the usual pauses."""
    now = [1000.0]
    monkeypatch.setattr(watching, "monotonic", lambda: now[0])
    monkeypatch.setattr(watching, "PAUSES", PAUSES)
    return now


@pytest.fixture
def watch(tmp_path, top, capfdbinary, monkeypatch):
    """Run --watch with a step of the test between passes, and Ctrl-C after the last one.

    A step that returns true is followed by a pass at once; any other one by the changes that it has made.
    """
    passes = []
    real = Sync.run

    def run(sync, session):
        passes.append("part" if sync._is_part else "full")
        return real(sync, session)

    monkeypatch.setattr(Sync, "run", run)
    with client_and_server(tmp_path, capfdbinary) as client:

        def watch(*steps, words=()):
            left = iter(steps)

            def next_step(changes, *_):
                step = next(left, None)
                if step is None:
                    raise KeyboardInterrupt
                if not step():
                    until(lambda: changes._paths, "the changes to be told")

            monkeypatch.setattr(Changes, "wait", next_step)
            before = len(os.listdir("/dev/fd"))
            result = client("sync", "--watch", *words, f"{top}/", "//t/")
            until(lambda: len(os.listdir("/dev/fd")) <= before, "the library's descriptors to be closed")
            return result

        watch.passes = passes
        watch.client = client
        watch.target = tmp_path / "root" / "t"
        yield watch


def test_changes_are_synced_and_ctrl_c_ends_it_with_a_summary(watch, top):
    def first():
        assert (watch.target / "d" / "b").read_text() == "22"
        (top / "d" / "c").write_text("333")

    def second():
        assert (watch.target / "d" / "c").read_text() == "333"
        (top / "new" / "e").mkdir(parents=True)
        (top / "new" / "e" / "f").write_text("4")

    def third():
        assert (watch.target / "new" / "e" / "f").read_text() == "4"
        os.remove(top / "a")

    result = watch(first, second, third)
    assert result.code == ExitCode.INTERRUPTED
    assert watch.passes == ["full", "part", "part", "part"]
    assert (watch.target / "a").exists(), "nothing is deleted without --delete"
    assert "Watching for changes." in result.errors
    assert "Interrupted. Watched for " in result.errors
    assert "4 passes: copied 4 files, 7 B." in result.errors
    assert " --watch " in result.errors.partition("To go on: ")[2]
    assert result.errors.count("Copied nothing") == 0, "a pass that has done nothing is not told"


def test_with_delete_it_deletes_into_the_trash_and_renames(watch, top):
    def first():
        os.remove(top / "a")

    def second():
        assert not (watch.target / "a").exists()
        os.rename(top / "d", top / "moved")

    result = watch(first, second, words=("--delete",))
    assert listing(watch.target / "moved") == ["b"]
    assert not (watch.target / "d").exists()
    assert [name for name in listing(watch.target) if name.endswith("/a")], "it is in the trash"
    assert "deleted 1 file; renamed 1 file" in result.errors


def test_a_pass_looks_at_what_has_changed_alone(watch, top):
    """A file that was changed at the target meanwhile is not noticed before the next full pass."""

    def first():
        os.remove(watch.target / "a")
        (top / "d" / "c").write_text("3")

    watch(first)
    assert watch.passes == ["full", "part"]
    assert not (watch.target / "a").exists()
    assert (watch.target / "d" / "c").exists()


def test_a_full_pass_is_made_each_hour(watch, clock):
    def after(seconds):
        def step():
            clock[0] += seconds
            return True

        return step

    watch(after(3599), after(2), after(3598), after(3))
    assert watch.passes == ["full", "full", "full"]


def test_changes_of_what_is_excluded_make_no_pass(watch, top):
    def first():
        (top / "x.log").write_text("1")
        (top / "ok").write_text("1")

    def second():
        (top / "x.log").write_text("22")
        return True

    watch(first, second, words=("--exclude", "*.log"))
    assert watch.passes == ["full", "part"]
    assert listing(watch.target) == ["a", "d", "d/b", "ok"]


# --- deletions that are refused ---------------------------------------------------------------------------------------


def fill(top, number):
    (top / "many").mkdir()
    for each in range(number):
        (top / "many" / str(each)).write_text("x")


def test_too_many_deletions_are_told_and_everything_else_goes_on(watch, top):
    fill(top, 101)

    def first():
        shutil.rmtree(top / "many")
        (top / "new").write_text("1")

    def second():
        assert (watch.target / "new").exists()
        os.remove(top / "a")

    result = watch(first, second, words=("--delete",))
    assert watch.passes == ["full", "part", "full", "full", "part"]
    assert len(listing(watch.target / "many")) == 101
    assert (watch.target / "a").exists(), "nothing is deleted before the next full pass"
    assert "101 files of 103 at the target would be deleted" in result.errors
    assert "Nothing is deleted before the next full pass; everything else is done." in result.errors
    assert result.errors.count("would be deleted") == 1


def test_deletions_of_a_part_count_against_all_files_of_the_target(watch, top):
    """More than 100 and all files of a directory, but a small part of the target."""
    fill(top, 101)
    (top / "others").mkdir()
    for number in range(400):
        (top / "others" / str(number)).write_text("x")
    result = watch(lambda: shutil.rmtree(top / "many"), words=("--delete", "--no-trash"))
    assert watch.passes == ["full", "part", "full"]
    assert not (watch.target / "many").exists()
    assert "would be deleted" not in result.errors


def test_a_source_that_is_empty_deletes_nothing(watch, top):
    def first():
        os.rename(top, f"{top}.old")
        top.mkdir()
        return True

    def second():
        (top / "new").write_text("1")
        return True

    result = watch(first, second, words=("--delete",))
    assert "has no files" in result.errors
    assert {"a", "d/b"} <= set(listing(watch.target))


def test_a_source_that_is_gone_is_told_and_deletes_nothing(watch, top, clock):
    def first():
        os.rename(top, f"{top}.old")
        return True

    def second():
        os.rename(f"{top}.old", top)
        (top / "new").write_text("1")
        clock[0] += 61
        return True

    def third():
        assert (watch.target / "new").exists()
        (top / "newer").write_text("1")

    result = watch(first, second, third, words=("--delete",))
    assert f"No such file: {top}" in result.errors
    assert {"a", "d/b", "new", "newer"} <= set(listing(watch.target))


def test_a_source_that_is_missing_at_the_start_is_an_error(watch, top):
    shutil.rmtree(top)
    assert watch(words=("--delete",)).code == ExitCode.LOCAL_FILE


# --- watches that can't be had ----------------------------------------------------------------------------------------


def test_a_directory_that_can_not_be_watched_is_scanned(watch, top, clock, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, 'OS file watch limit reached. about ["/x"]')

    real = local_changes.load().watch
    monkeypatch.setattr(local_changes.load(), "watch", fail)

    def first():
        (top / "new").write_text("1")
        clock[0] += 61
        return True

    def second():
        assert (watch.target / "new").exists()
        monkeypatch.setattr(local_changes.load(), "watch", real)
        clock[0] += 61
        return True

    def third():
        (top / "newer").write_text("1")

    result = watch(first, second, third)
    assert watch.passes == ["full", "full", "full", "part"]
    assert result.errors.count("Can't watch the source: there are more directories than") == 1
    assert "It is scanned every 1 min" in result.errors
    assert "Watching for changes." in result.errors
    assert (watch.target / "newer").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_directories_without_a_watch_are_noticed(watch, monkeypatch):
    """The library does not tell that a directory that was made later could not be watched."""
    monkeypatch.setattr(local_changes, "watched_directories", lambda: 1)
    result = watch()
    assert "Can't watch the source: not all directories in it" in result.errors


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_lost_connection_is_retried_until_it_is_back(watch, top, monkeypatch):
    pauses, lost = [], []
    monkeypatch.setitem(Retries.__init__.__kwdefaults__, "sleep", pauses.append)
    real = Connector.run

    def run(connector, work):
        if watch.passes and len(lost) < 20:
            lost.append(True)
            raise ConnectionLost("The connection was lost.")
        return real(connector, work)

    monkeypatch.setattr(Connector, "run", run)

    def first():
        (top / "new").write_text("1")

    result = watch(first)
    assert (watch.target / "new").exists()
    assert len(pauses) == 20
    assert result.errors.count("until it succeeds") == 5, "told at the 1st, 2nd, 4th, 8th and 16th attempt"


def test_what_failed_is_tried_again_in_a_while(watch, clock, monkeypatch):
    real = LocalSmallFiles.write

    def write(*_):
        raise InputOutputError("The disk is broken.")

    monkeypatch.setattr(LocalSmallFiles, "write", write)

    def first():
        monkeypatch.setattr(LocalSmallFiles, "write", real)
        clock[0] += 59
        return True

    def second():
        assert not (watch.target / "a").exists()
        clock[0] += 2
        return True

    watch(first, second)
    assert watch.passes == ["full", "full"]
    assert (watch.target / "a").read_text() == "1"


def test_what_changes_during_a_pass_is_counted_and_left_to_another_one(watch, top, clock, monkeypatch):
    """Here or at the server, of which nothing is told: after a while, and then after twice as long."""
    real = Sync._make_plan

    def make(sync, session):
        plan = real(sync, session)
        if not watch.target.exists():
            (watch.target / "d").mkdir(parents=True)
            (watch.target / "d" / "b").write_text("another")
            os.utime(watch.target / "d" / "b", (0, 0))
        return plan

    monkeypatch.setattr(Sync, "_make_plan", make)

    def first():
        assert (watch.target / "d" / "b").read_text() == "another"
        clock[0] += 59
        return True

    def second():
        assert watch.passes == ["full"]
        clock[0] += 2
        return True

    result = watch(first, second)
    assert watch.passes == ["full", "part"]
    assert (watch.target / "d" / "b").read_text() == "22"
    assert "1 changed meanwhile" in result.errors
    assert "Note: " not in result.errors


# --- output -----------------------------------------------------------------------------------------------------------


def test_events(watch, top):
    result = watch((top / "new").touch, words=("--progress", "json"))
    events = [json.loads(line) for line in result.errors.splitlines()]
    passes = [event for event in events if event["event"] == "pass"]
    assert [event["files"] for event in passes] == [2, 1]
    assert {"event": "watch", "text": "Watching for changes."} in events
    assert events[-1]["event"] == "interrupted"
    assert events[-1]["exit_code"] == 130


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--watch", "//t/", "here/"), "--watch needs a source on this machine"),
        (("--watch", "--dry-run", "here/", "//t/"), "--watch can't be used with --dry-run"),
    ],
)
def test_what_can_not_be_watched(watch, words, sentence):
    watch.client("sync", *words).expect(ExitCode.USAGE, sentence)


def test_without_the_library_it_says_how_to_install_it(watch, top, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    result = watch.client("sync", "--watch", f"{top}/", "//t/")
    result.expect(ExitCode.INSTALLATION, "requires watchfiles")
    assert "pip install 'secftp[watch]'" in result.errors
    assert not watch.target.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_waits(tmp_path, top, number):
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        url = f"secftp://{HOST}:{server.port}/t/"
        with started(tmp_path, "sync", "--watch", f"{top}/", url, stderr=subprocess.PIPE) as process:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if b"Watching" in line:
                    process.send_signal(number)
            assert process.wait() == 128 + number
            assert b"Watched for " in b"".join(lines)
