"""Sweeps: leftovers of killed writers are removed, and nothing else."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading

import pytest

from secftp.errors import InputOutputError
from secftp.storage import LocalStore, WriteOptions, sweep
from secftp.storage.names import temporary_name

WRITER = """
import sys
from secftp.storage import LocalStore
sinks = [LocalStore(sys.argv[1]).create_sink(path) for path in ((b"f",), (b"a", b"b", b"f"))]
for sink in sinks:
    sink.writev([memoryview(b"unfinished")])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    return tmp_path


def leave(directory, name=None):
    """A file as a dead writer leaves it."""
    place = os.path.join(os.fsencode(directory), name or temporary_name())
    with open(place, "wb") as file:
        file.write(b"unfinished")
    return place


def names(root):
    return sorted(name for _, directories, files in os.walk(root) for name in (*directories, *files))


def test_a_killed_writers_files_are_removed_and_a_living_ones_are_not(root):
    with LocalStore(root) as store, store.create_sink((b"a", b"g")) as living:
        command = [sys.executable, "-c", WRITER, str(root)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            assert sweep(root) == 0
            assert len(names(root)) == 5
            process.kill()
        assert sweep(root) == 2
        living.writev([memoryview(b"x")])
        living.commit()
    assert names(root) == ["a", "b", "g"]


def test_the_root_may_be_a_descriptor_or_a_symlink(root):
    leave(root / "a")
    (root / "link").symlink_to("a")
    assert sweep(root / "link") == 1
    leave(root / "a")
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        assert sweep(fd) == 1
    finally:
        os.close(fd)


def test_only_our_own_regular_files_of_such_a_name_are_touched(root):
    os.mkfifo(os.path.join(os.fsencode(root), temporary_name()))
    os.mkdir(os.path.join(os.fsencode(root), temporary_name()))
    os.symlink("a", os.path.join(os.fsencode(root), temporary_name()))
    for name in (b".secftp-tmp-short", b".secftp-key-" + b"0" * 32, b"x" + temporary_name(), b"plain"):
        leave(root, name)
    if os.geteuid() == 0:
        os.chown(leave(root), 65534, 65534)
    before = names(root)
    assert sweep(root) == 0
    assert names(root) == before


def test_symlinks_are_not_followed(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    kept = leave(outside)
    (root / "link").symlink_to(outside)
    os.symlink(kept, os.path.join(os.fsencode(root), temporary_name()))
    assert sweep(root) == 0
    assert os.path.exists(kept)


def test_a_directory_that_becomes_a_symlink_meanwhile_is_not_followed(root, tmp_path_factory, monkeypatch):
    outside = tmp_path_factory.mktemp("outside")
    kept = leave(outside)
    real = os.open

    def exchange(name, *arguments, **options):
        if name == b"a":
            os.rename(root / "a", root / "moved")
            (root / "a").symlink_to(outside)
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", exchange)
    assert sweep(root) == 0
    assert (root / "a").is_symlink()
    assert os.path.exists(kept)


def test_as_deep_as_a_name_reaches_and_no_deeper(tmp_path):
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(tmp_path)
        for _ in range(63):
            os.mkdir("d")
            os.chdir("d")
        leave(b".")
        os.mkdir("d")
        leave(b"d")
    finally:
        os.fchdir(here)
        os.close(here)
    assert sweep(tmp_path) == 1


def test_it_stops_when_told(root):
    leave(root)
    stop = threading.Event()
    stop.set()
    assert sweep(root, stop=stop) == 0
    stop.clear()
    assert sweep(root, stop=stop) == 1


def test_one_that_can_not_be_removed_does_not_keep_the_others(root, monkeypatch):
    places = [leave(root), leave(root), leave(root / "a")]
    real = os.unlink
    failures = [PermissionError]

    def unlink(*arguments, **options):
        if failures:
            raise failures.pop()
        real(*arguments, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    assert sweep(root) == 2
    assert sum(map(os.path.exists, places)) == 1


def test_a_file_that_got_its_final_name_meanwhile_is_kept(root, monkeypatch):
    place = leave(root)
    real = fcntl.flock

    def flock(fd, how):
        os.rename(place, root / "final")
        leave(root, os.path.basename(place))  # and another one has the name
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert sweep(root) == 0
    assert (root / "final").read_bytes() == b"unfinished"
    assert os.path.exists(place)


def test_in_the_background_when_the_store_is_opened(root):
    places = [leave(root), leave(root / "a" / "b")]
    with LocalStore(root, sweep=True) as store:
        store._sweeper.wait()
        assert not any(map(os.path.exists, places))
    with LocalStore(root, sweep=True):
        pass  # closing stops it, wherever it is


def test_a_root_that_can_not_be_listed_does_not_disturb(root, monkeypatch):
    def scandir(*_):
        raise PermissionError

    monkeypatch.setattr(os, "scandir", scandir)
    with LocalStore(root, sweep=True) as store:
        store._sweeper.wait()


def test_a_thread_that_can_not_be_started_leaves_nothing_open(root, monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError):
        LocalStore(root, sweep=True)


# --- a sweep between the making of a file and its locking -----------------------------------------------------------


@pytest.mark.parametrize("finished", [True, False])
def test_a_writer_whose_new_file_was_swept_takes_another(root, monkeypatch, finished):
    """The sweep has removed the file, or holds its lock and is about to."""
    real = fcntl.flock
    held = []

    def flock(fd, how):
        monkeypatch.setattr(fcntl, "flock", real)
        if finished:
            assert sweep(root) == 1
        else:
            (name,) = (name for name in os.listdir(root) if name.startswith(".secftp"))
            held.append(os.open(root / name, os.O_RDONLY))
            real(held[0], how)
        real(fd, how)

    with LocalStore(root) as store:
        monkeypatch.setattr(fcntl, "flock", flock)
        with store.create_sink((b"f",)) as sink:
            sink.writev([memoryview(b"whole")])
            sink.commit()
    for fd in held:
        os.close(fd)
    assert names(root) == ["a", "b", "f"]
    assert (root / "f").read_bytes() == b"whole"


def test_a_writer_that_is_swept_again_and_again_gives_up(root, monkeypatch):
    def flock(*_):
        raise BlockingIOError

    monkeypatch.setattr(fcntl, "flock", flock)
    with LocalStore(root) as store, pytest.raises(InputOutputError):
        store.create_sink((b"f",))
    assert names(root) == ["a", "b"]


def test_without_locks_files_are_written_and_none_is_swept(root, monkeypatch):
    def flock(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with LocalStore(root) as store, store.create_sink((b"f",)) as sink:
        assert sweep(root) == 0
        sink.commit()
    assert names(root) == ["a", "b", "f"]


def test_many_writers_beside_a_sweep_that_never_rests_lose_nothing(root):
    stop = threading.Event()
    removed = []

    def sweep_on():
        while not stop.is_set():
            removed.append(sweep(root))

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        with LocalStore(root) as store:
            for number in range(400):
                with store.create_sink((b"a", b"%d" % number), WriteOptions(overwrite=number % 2 == 0)) as sink:
                    sink.writev([memoryview(b"%d" % number)])
                    sink.commit()
    finally:
        stop.set()
        sweeper.join()
    for number in range(400):
        assert (root / "a" / str(number)).read_bytes() == b"%d" % number
    assert len(os.listdir(root / "a")) == 401
