"""Changes of a directory as the operating system tells them, and what becomes of a watch that fails."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

import pytest

from secftp.errors import InstallationError
from secftp.sync import local_changes
from secftp.sync.local_changes import LocalChanges
from secftp.sync.watch import Changes
from secftp.transfer.filters import Filters
from tests.support.serving import DEADLINE, until

ALL = Filters((), ())


@pytest.fixture
def changes():
    return Changes(ALL)


@pytest.fixture
def top(tmp_path):
    (tmp_path / "top" / "d").mkdir(parents=True)
    return tmp_path / "top"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Threads that begin and end soon."""
    monkeypatch.setattr(local_changes, "_WAKES", 50)
    monkeypatch.setattr(local_changes, "_STEP", 50)


@contextlib.contextmanager
def watching(top, changes):
    before = os.listdir("/dev/fd")
    local = LocalChanges(str(top), changes)
    local.start()
    try:
        yield local
    finally:
        local.close()
        # A thread of the library closes its descriptors, and is not waited for.
        until(lambda: len(os.listdir("/dev/fd")) <= len(before), "the library's descriptors to be closed")


def gathered(changes, *expected):
    """Wait until all these were told; what else is told with them is no matter."""
    found = set()

    def complete():
        found.update(changes.take())
        return {tuple(map(os.fsencode, name.split("/"))) for name in expected} <= found

    until(complete, "the changes")
    return found


def test_changes_are_told_relative_to_the_directory(top, changes):
    with watching(top, changes) as local:
        (top / "d" / "f").write_text("1")
        gathered(changes, "d/f")
        (top / "new").mkdir()
        gathered(changes, "new")
        os.rename(top / "d", top / "moved")
        gathered(changes, "d", "moved")
        os.chmod(top / "moved" / "f", 0o600)
        gathered(changes, "moved/f")
        os.remove(top / "moved" / "f")
        gathered(changes, "moved/f")
        assert local.problem == ""


def test_a_symlink_to_the_directory_is_the_directory(top, changes, tmp_path):
    os.symlink(top, tmp_path / "link")
    with watching(tmp_path / "link", changes):
        (top / "f").write_text("1")
        gathered(changes, "f")


def test_another_directory_of_the_name_is_another_one(top, changes):
    with watching(top, changes) as local:
        assert local.is_same()
        os.rename(top, f"{top}.old")
        assert not local.is_same()
        top.mkdir()
        assert not local.is_same()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_directories_that_are_not_watched_are_noticed(top, changes):
    with watching(top, changes) as local:
        assert local.covers(1)
        assert not local.covers(2)
        assert not local.covers(10_000)


@pytest.mark.parametrize(
    ("problem", "clause"),
    [
        (OSError('OS file watch limit reached. about ["/x"]'), "more directories than the system allows"),
        (RuntimeError("Error creating recommended watcher: Too many open files (os error 24)"), "the system refuses"),
        (RuntimeError('Unable to decode path "/x" to string'), "not UTF-8"),
        (FileNotFoundError("No path was found."), "there is no such directory"),
        (PermissionError("Permission denied"), "a directory in it can't be read"),
        (None, "the watch has ended"),
    ],
)
def test_a_watch_that_can_not_be_had_is_a_problem_and_a_change_of_everything(
    top, changes, monkeypatch, problem, clause
):
    def watch(*_, **__):
        if problem is not None:
            raise problem
        yield from ()

    monkeypatch.setattr(local_changes.load(), "watch", watch)
    with watching(top, changes) as local:
        assert clause in local.problem
        assert changes.take() == {()}


def test_it_has_begun_when_there_is_a_watch(top, changes, monkeypatch):
    """What changes from then on is told: a listing that is made before the watch could miss it."""
    has_watch = threading.Event()

    def watch(*_, stop_event, **__):
        has_watch.wait()
        yield set()
        stop_event.wait()

    monkeypatch.setattr(local_changes.load(), "watch", watch)
    local = LocalChanges(str(top), changes)
    starting = threading.Thread(target=local.start)
    starting.start()
    starting.join(0.2)
    assert starting.is_alive(), "it does not wait for the watch"
    has_watch.set()
    starting.join()
    local.close()


def test_a_burst_of_changes_is_one_of_everything(top, changes, monkeypatch):
    """The operating system may have dropped some of them, and does not tell this program."""

    def watch(*_, stop_event, **__):
        yield set()
        yield {(1, f"{top}/{number}") for number in range(local_changes._BURST)}
        stop_event.wait()

    monkeypatch.setattr(local_changes.load(), "watch", watch)
    with watching(top, changes):
        until(lambda: changes.take() == {()}, "a change of everything")


def test_a_name_that_was_not_told_as_it_is_stands_for_its_directory(top, changes):
    local = LocalChanges(str(top), changes)
    assert local._relative(f"{top}/d/\N{REPLACEMENT CHARACTER}x/y") == (b"d",)
    assert local._relative(f"{top}/\N{REPLACEMENT CHARACTER}") == ()
    assert local._relative(f"{top}/umläut") == ("umläut".encode(),)
    assert local._relative("/elsewhere") == ()


@pytest.mark.skipif(sys.platform != "linux", reason="a name that is not UTF-8")
def test_a_name_that_is_not_utf8_is_a_problem_or_a_change(top, changes):
    with watching(top, changes) as local:
        (top / os.fsdecode(b"bad\xff")).write_text("1")
        until(lambda: () in changes.take() or bool(local.problem), "a problem")


_WATCH = """
import sys
from secftp.sync.local_changes import LocalChanges
from secftp.sync.watch import Changes
from secftp.transfer.filters import Filters
local = LocalChanges(sys.argv[1], Changes(Filters((), ())))
local.start()
print(local.problem or local.covers(0))
local.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize(
    ("limit", "number", "printed"),
    [
        ("max_inotify_watches", 1, "more directories than the system allows"),
        ("max_inotify_instances", 0, "the system refuses"),
        ("max_inotify_watches", 1000, "True"),
    ],
)
def test_the_limits_of_the_system_are_noticed(top, limit, number, printed):
    """In a user namespace, which has limits of its own."""
    inside = f'echo {number} > /proc/sys/user/{limit} && exec "$@"'
    command = ["unshare", "-U", "-r", "sh", "-c", inside, "sh", sys.executable, "-c", _WATCH, os.fspath(top)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare(1)")
    if "unshare" in done.stderr or "sh: " in done.stderr:
        pytest.skip("user namespaces are not allowed here")
    assert printed in done.stdout, done.stderr


def test_without_the_library_it_says_how_to_install_it(top, changes, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(InstallationError) as caught:
        LocalChanges(str(top), changes)
    assert "secftp[watch]" in caught.value.hint
