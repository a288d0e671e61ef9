"""Partials: what an interrupted transfer leaves, who may resume it, and that two writers never mix."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import random
import stat
import subprocess
import sys
import threading
import time

import pytest

from secftp import system
from secftp.errors import (
    AlreadyExists,
    ChecksumMismatch,
    FileError,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NoSpace,
    NotFound,
    UsageError,
)
from secftp.storage import WriteOptions, create_local_sink, resume_local_sink, stat_local, sweep
from secftp.storage import attributes as attributes_module
from secftp.storage import partial as partial_module
from secftp.storage import sink as sink_module
from secftp.storage.names import partial_name, temporary_name

NAME = (b"f",)
KEEP = WriteOptions(keep=True)
PARTIAL = partial_name(b"f").decode()


def views(*chunks):
    return [memoryview(chunk) for chunk in chunks]


def keep(store, content, path=NAME, **options):
    """Leave a partial as a lost connection does."""
    with store.create_sink(path, WriteOptions(keep=True, **options)) as sink:
        sink.writev(views(content))
        sink.keep()


def contents(root):
    return {name: (root / name).read_bytes() for name in os.listdir(root)}


# --- kept partials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"f", b"\xff\xfe", b"a" * 255, b"new\nline"])
def test_what_was_written_is_kept_and_a_later_transfer_goes_on_with_it(tmp_path, store, name):
    keep(store, b"hello ", (name,))
    (left,) = os.listdir(os.fsencode(tmp_path))
    assert left == partial_name(name)
    assert left.startswith(b".secftp-part-")
    assert len(name) < 10 or name not in left
    assert stat.S_IMODE(os.stat(os.path.join(os.fsencode(tmp_path), left)).st_mode) == 0o600
    assert store.stat((name,), partial=True).size == 6
    assert list(store.scan((), recursive=True)) == []
    for call in (store.open_source, store.create_sink, store.stat, store.remove):
        with pytest.raises(FileError, match="reserved"):
            call((left,))
    with store.resume_sink((name,), 6, WriteOptions(mode=0o640, mtime_ns=12345, keep=True)) as sink:
        buffer = bytearray(10)
        assert sink.readv([memoryview(buffer)[:2], memoryview(buffer)[2:]], 0) == 6
        assert buffer[:6] == b"hello "
        assert sink.readv([memoryview(buffer)], 6) == 0
        sink.writev(views(b"wor", b"ld"))
        info = sink.commit()
    assert os.listdir(os.fsencode(tmp_path)) == [name]
    assert info == store.stat((name,))
    assert (info.size, info.mtime_ns, info.mode) == (11, 12345, 0o640)
    with store.open_source((name,)) as source:
        source.readv([memoryview(buffer)], 0)
    assert buffer == b"hello worl"


def test_nothing_is_kept_without_the_wish_without_bytes_or_after_the_end(tmp_path, store):
    with store.create_sink(NAME) as sink:
        sink.writev(views(b"x"))
        sink.keep()
    with store.create_sink(NAME, KEEP) as sink:
        sink.keep()
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"x"))
        sink.abort()
        sink.keep()
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"x"))
    assert os.listdir(tmp_path) == []
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"x"))
        sink.commit()
        sink.keep()
    assert contents(tmp_path) == {"f": b"x"}
    with pytest.raises(NotFound, match=r"^No partial file of: f$"):
        store.stat(NAME, partial=True)
    with pytest.raises(NotFound, match=r"^No partial file of: f$"):
        store.resume_sink(NAME, 0)


def test_keeping_ends_the_sink(tmp_path, store):
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"x"))
        sink.keep()
        for call in (sink.commit, lambda: sink.writev(views(b"x"))):
            with pytest.raises(UsageError):
                call()
        sink.keep()
        sink.abort()
    assert contents(tmp_path) == {PARTIAL: b"x"}


def test_a_killed_writers_bytes_are_kept_too(tmp_path, store):
    writer = (
        "import sys\nfrom secftp.storage import LocalStore, WriteOptions\n"
        "sink = LocalStore(sys.argv[1]).create_sink((b'f',), WriteOptions(keep=True))\n"
        "sink.writev([memoryview(b'unfinished')])\nprint('ready', flush=True)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", writer, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(Forbidden, match=r"^Being written by another process: f\n"):
            store.resume_sink(NAME, 5)
        process.kill()
    assert sweep(tmp_path) == 0
    with store.resume_sink(NAME, 2) as sink:
        sink.writev(views(b"true"))
        sink.commit()
    assert contents(tmp_path) == {"f": b"untrue"}


def test_an_interrupted_write_can_be_kept_up_to_the_last_whole_batch(tmp_path, store, monkeypatch):
    real = os.pwritev

    def pwritev(fd, buffers, offset):
        real(fd, [buffers[0][:1]], offset)
        raise KeyboardInterrupt

    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"whole"))
        monkeypatch.setattr(os, "pwritev", pwritev)
        with pytest.raises(KeyboardInterrupt):
            sink.writev(views(b"broken"))
        with pytest.raises(UsageError):
            sink.commit()
        sink.keep()
    assert contents(tmp_path) == {PARTIAL: b"whole"}


def test_a_full_disk_keeps_nothing(tmp_path, store, monkeypatch):
    def pwritev(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"whole"))
        monkeypatch.setattr(os, "pwritev", pwritev)
        with pytest.raises(NoSpace):
            sink.writev(views(b"x"))
        sink.keep()
    assert os.listdir(tmp_path) == []


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path, store):
    (tmp_path / "f").write_bytes(b"old")
    os.chmod(tmp_path / "f", 0o604)
    keep(store, b"ne")
    assert contents(tmp_path) == {"f": b"old", PARTIAL: b"ne"}
    with store.resume_sink(NAME, 2) as sink:
        sink.writev(views(b"w"))
        assert (tmp_path / "f").read_bytes() == b"old"
        assert sink.commit().mode == 0o604
    assert contents(tmp_path) == {"f": b"new"}


# --- resuming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way_out", ["abort", "close", "keep", "with"])
def test_resuming_changes_nothing_before_the_first_byte(tmp_path, store, way_out):
    keep(store, b"0123456789")
    before = os.stat(tmp_path / PARTIAL)
    sink = store.resume_sink(NAME, 4)
    buffer = bytearray(10)
    assert sink.readv([memoryview(buffer)], 0) == 4
    assert sink.readv([memoryview(buffer)], 3) == 1
    if way_out == "with":
        with sink:
            pass
    else:
        getattr(sink, way_out)()
    after = os.stat(tmp_path / PARTIAL)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, 10, before.st_mtime_ns)
    for call in (sink.commit, lambda: sink.writev(views(b"x")), lambda: sink.readv([memoryview(buffer)], 0)):
        with pytest.raises(UsageError):
            call()


@pytest.mark.parametrize("offset", [0, 4, 10])
def test_what_is_behind_the_offset_goes(tmp_path, store, offset):
    keep(store, b"0123456789")
    with store.resume_sink(NAME, offset) as sink:
        sink.writev(views(b"x"))
        assert (tmp_path / PARTIAL).read_bytes() == b"0123456789"[:offset] + b"x"
        sink.commit()
    assert contents(tmp_path) == {"f": b"0123456789"[:offset] + b"x"}
    keep(store, b"0123456789")
    with store.resume_sink(NAME, offset) as sink:
        assert sink.commit().size == offset
    assert contents(tmp_path) == {"f": b"0123456789"[:offset]}


@pytest.mark.parametrize("again", [True, False])
def test_a_resumed_one_is_kept_again_only_if_that_is_wished_for(tmp_path, store, again):
    keep(store, b"0123456789")
    with store.resume_sink(NAME, 4, WriteOptions(keep=again)) as sink:
        sink.writev(views(b"x"))
        sink.keep()
    assert contents(tmp_path) == ({PARTIAL: b"0123x"} if again else {})


def test_an_aborted_one_is_gone_once_it_was_changed(tmp_path, store):
    keep(store, b"0123456789")
    with store.resume_sink(NAME, 4) as sink:
        sink.writev(views(b"x"))
    assert os.listdir(tmp_path) == []


def test_a_partial_shorter_than_the_offset_is_another(tmp_path, store):
    keep(store, b"0123")
    with pytest.raises(ChecksumMismatch, match=r": f$"):
        store.resume_sink(NAME, 5)
    assert contents(tmp_path) == {PARTIAL: b"0123"}


def test_without_overwriting(tmp_path, store):
    keep(store, b"0123")
    with store.resume_sink(NAME, 4, WriteOptions(overwrite=False, keep=True)) as sink:
        (tmp_path / "f").write_bytes(b"old")
        with pytest.raises(AlreadyExists):
            sink.commit()
    assert contents(tmp_path) == {"f": b"old"}
    keep(store, b"0123")
    with pytest.raises(AlreadyExists):
        store.resume_sink(NAME, 4, WriteOptions(overwrite=False, keep=True))
    os.unlink(tmp_path / "f")
    with store.resume_sink(NAME, 4, WriteOptions(overwrite=False, keep=True)) as sink:
        sink.commit()
    assert contents(tmp_path) == {"f": b"0123"}
    assert os.stat(tmp_path / "f").st_nlink == 1


def test_what_has_its_final_name_already_is_never_gone_on_with(tmp_path, store):
    """A writer that must not overwrite, killed between giving the one name and taking the other."""
    keep(store, b"0123")
    os.link(tmp_path / PARTIAL, tmp_path / "f")
    with pytest.raises(NotFound):
        store.resume_sink(NAME, 2)
    with pytest.raises(NotFound):
        store.stat(NAME, partial=True)
    keep(store, b"new")
    assert contents(tmp_path) == {"f": b"0123", PARTIAL: b"new"}


@pytest.mark.parametrize("kind", ["folder", "link", "fifo", "others"])
def test_what_is_no_partial_of_ours_is_no_partial(tmp_path, store, kind, within_five_seconds):
    (tmp_path / "other").write_bytes(b"untouched")
    place = tmp_path / PARTIAL
    if kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to("other")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.write_bytes(b"0123")
        if os.geteuid():
            pytest.skip("only root can change the owner of a file")
        os.chown(place, 65534, 65534)
    before = os.lstat(place)
    with pytest.raises(NotFound):
        store.stat(NAME, partial=True)
    for offset in (0, 2):
        with pytest.raises((NotFound, Forbidden, IsADirectory)):
            store.resume_sink(NAME, offset)
    keep(store, b"not kept")
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"x"))
        sink.commit()
    assert (tmp_path / "f").read_bytes() == b"x"
    assert os.lstat(place).st_ino == before.st_ino
    assert (tmp_path / "other").read_bytes() == b"untouched"
    assert sorted(os.listdir(tmp_path)) == sorted(["f", "other", PARTIAL])


def test_errors_are_those_of_a_new_file(tmp_path, store):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nothing")
    for path, error in (((b"missing", b"f"), NotFound), ((b"folder",), IsADirectory), ((b"link",), Forbidden)):
        with pytest.raises(error) as new:
            store.create_sink(path, KEEP)
        with pytest.raises(error) as resumed:
            store.resume_sink(path, 0)
        assert str(new.value) == str(resumed.value)
    keep(store, b"x")
    with pytest.raises(NoSpace):
        store.resume_sink(NAME, 1, WriteOptions(size=2**62, keep=True))
    assert contents(tmp_path / "folder") == {}


# --- concurrent writers ---------------------------------------------------------------------------------------------


def test_a_new_transfer_gives_up_what_another_had_left(tmp_path, store):
    keep(store, b"of the one")
    keep(store, b"new")
    assert contents(tmp_path) == {PARTIAL: b"new"}
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"whole"))
        sink.commit()
    assert contents(tmp_path) == {"f": b"whole"}


def test_two_writers_never_mix_and_the_last_wins(tmp_path, store):
    with (
        store.create_sink(NAME, KEEP) as one,
        store.create_sink(NAME, KEEP) as two,
    ):
        for _ in range(3):
            one.writev(views(b"1" * 10))
            two.writev(views(b"2" * 20))
        with pytest.raises(Forbidden, match="written"):
            store.resume_sink(NAME, 0)
        two.commit()
        assert (tmp_path / "f").read_bytes() == b"2" * 60
        one.commit()
    assert contents(tmp_path) == {"f": b"1" * 30}


def put_whole(store, path=NAME):
    with store.create_sink(path, KEEP) as sink:
        sink.writev(views(b"whole"))
        sink.commit()


CHANGES = {
    "new": put_whole,
    "replaced": put_whole,
    "renamed": lambda store: (put_whole(store, (b"other",)), store.rename((b"other",), NAME, overwrite=True)),
    "removed": lambda store: store.remove(NAME),
    "a directory": lambda store: (store.remove(NAME), store.make_directory(NAME)),
}


@pytest.mark.parametrize("moment", ["written", "looked at", "unlocked"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_another_writer_has_completed_meanwhile_is_not_kept_beside_it(
    tmp_path, store, monkeypatch, change, moment
):
    """A session that is lost may end long after another one has sent the file, or at that very moment."""
    if change != "new":
        (tmp_path / "f").write_bytes(b"old")
    happens = [lambda: CHANGES[change](store)]

    def happen():
        while happens:
            happens.pop()()

    is_outdated, close_quietly = sink_module.FileSink._is_outdated, sink_module.close_quietly

    def looked(sink):
        found = is_outdated(sink)
        if sink is lost and moment == "looked at":
            happen()
        return found

    def closed(descriptor):
        close_quietly(descriptor)
        if moment == "unlocked":
            happen()

    with store.create_sink(NAME, KEEP) as lost:
        lost.writev(views(b"half"))
        if moment == "written":
            happen()
        monkeypatch.setattr(sink_module.FileSink, "_is_outdated", looked)
        monkeypatch.setattr(sink_module, "close_quietly", closed)
        lost.keep()
    assert not happens
    assert set(os.listdir(tmp_path)) <= {"f"}
    if change != "removed":
        assert (tmp_path / "f").is_dir() if change == "a directory" else contents(tmp_path) == {"f": b"whole"}


def test_an_outdated_file_does_not_take_the_place_of_a_partial(tmp_path, store):
    """A second writer's file has a random name until it is kept."""
    with store.create_sink(NAME, KEEP) as first, store.create_sink(NAME, KEEP) as second:
        second.writev(views(b"half"))
        first.writev(views(b"whole"))
        first.commit()
        keep(store, b"newer")
        second.keep()
    assert contents(tmp_path) == {"f": b"whole", PARTIAL: b"newer"}


@pytest.mark.parametrize("keep_again", [False, True])
@pytest.mark.parametrize("outdated", [False, True])
def test_what_is_only_looked_at_to_be_resumed_is_not_left_beside_the_file_either(tmp_path, store, outdated, keep_again):
    keep(store, b"half")
    with store.resume_sink(NAME, 4) as resumed:
        if outdated:
            put_whole(store)
        if keep_again:
            resumed.keep()
    assert contents(tmp_path) == ({"f": b"whole"} if outdated else {PARTIAL: b"half"})


def test_what_does_not_change_the_name_is_no_reason_to_discard(tmp_path, store):
    """Least of all a file that is changed in place, as logs are."""
    (tmp_path / "f").write_bytes(b"old")
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"half"))
        (tmp_path / "f").write_bytes(b"changed in place")
        os.utime(tmp_path / "f", (1, 1))
        sink.keep()
    assert contents(tmp_path) == {"f": b"changed in place", PARTIAL: b"half"}


def test_the_second_writers_bytes_are_kept_only_if_the_first_has_given_up(tmp_path, store):
    with (
        store.create_sink(NAME, KEEP) as one,
        store.create_sink(NAME, KEEP) as two,
    ):
        one.writev(views(b"1"))
        two.writev(views(b"2"))
        two.keep()
        assert sorted(os.listdir(tmp_path)) == [PARTIAL]
        one.keep()
    assert contents(tmp_path) == {PARTIAL: b"1"}
    os.unlink(tmp_path / PARTIAL)
    with (
        store.create_sink(NAME, KEEP) as one,
        store.create_sink(NAME, KEEP) as two,
    ):
        two.writev(views(b"2"))
        one.writev(views(b"1"))
        one.commit()
        two.keep()
    assert contents(tmp_path) == {"f": b"1"}
    with (
        store.create_sink(NAME, KEEP) as one,
        store.create_sink(NAME, KEEP) as two,
    ):
        two.writev(views(b"2"))
        one.close()
        two.keep()
    assert contents(tmp_path) == {"f": b"1", PARTIAL: b"2"}
    with store.resume_sink(NAME, 1) as one, store.create_sink(NAME, KEEP) as two:
        two.writev(views(b"22"))
        one.keep()
        two.keep()
    assert contents(tmp_path) == {"f": b"1", PARTIAL: b"22"}


def test_where_it_can_not_be_named_without_replacing_it_is_thrown_away(tmp_path, store, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EINVAL, "Invalid argument")

    with (
        store.create_sink(NAME, KEEP) as one,
        store.create_sink(NAME, KEEP) as two,
    ):
        two.writev(views(b"2"))
        one.abort()
        monkeypatch.setattr(system, "rename_noreplace", refuse)
        two.keep()
    assert os.listdir(tmp_path) == []


def test_without_locks_nothing_is_kept_and_all_else_works(tmp_path, store, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    keep(store, b"x")
    assert os.listdir(tmp_path) == []
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"x"))
        sink.commit()
    (tmp_path / PARTIAL).write_bytes(b"0123")
    with pytest.raises(InputOutputError):
        store.resume_sink(NAME, 1)
    assert contents(tmp_path) == {"f": b"x", PARTIAL: b"0123"}


def test_a_partial_that_was_removed_or_replaced_is_not_given_the_name(tmp_path, store):
    for replaced, overwrite in itertools.product((False, True), (False, True)):
        with store.create_sink(NAME, WriteOptions(keep=True, overwrite=overwrite)) as sink:
            sink.writev(views(b"mine"))
            os.unlink(tmp_path / PARTIAL)
            if replaced:
                (tmp_path / PARTIAL).write_bytes(b"another's")
            with pytest.raises(InputOutputError, match="removed by another process"):
                sink.commit()
    assert "f" not in os.listdir(tmp_path)


@pytest.mark.parametrize("who", ["sweep", "resumer", "writer"])
def test_a_process_between_creation_and_lock(tmp_path, store, monkeypatch, who):
    real = fcntl.flock
    came = []

    def flock(fd, how):
        monkeypatch.setattr(fcntl, "flock", real)
        if who == "sweep":
            os.utime(tmp_path / PARTIAL, (0, 0))
            assert sweep(tmp_path) == 1
        elif who == "resumer":
            came.append(store.resume_sink(NAME, 0))
        else:
            came.append(store.create_sink(NAME, KEEP))
            came[0].writev(views(b"the other's"))
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"whole"))
        sink.commit()
    assert (tmp_path / "f").read_bytes() == b"whole"
    for other in came:
        other.writev(views(b"!"))
        other.commit()
        assert (tmp_path / "f").read_bytes() in (b"!", b"the other's!")
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_that_got_its_name_between_the_opening_and_the_locking_is_not_gone_on_with(tmp_path, store, monkeypatch):
    real = fcntl.flock
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"whole"))

        def flock(fd, how):
            monkeypatch.setattr(fcntl, "flock", real)
            sink.commit()
            real(fd, how)

        monkeypatch.setattr(fcntl, "flock", flock)
        with pytest.raises(NotFound, match=r"^No partial file of: f$"):
            store.resume_sink(NAME, 2)
    assert contents(tmp_path) == {"f": b"whole"}


def test_a_writer_that_is_swept_again_and_again_takes_a_random_name(tmp_path, store, monkeypatch):
    real = fcntl.flock

    def flock(fd, how):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp_path / PARTIAL)
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with store.create_sink(NAME, KEEP) as sink:
        sink.writev(views(b"whole"))
        assert os.listdir(tmp_path)[0].startswith(".secftp-tmp-")
        sink.commit()
    assert contents(tmp_path) == {"f": b"whole"}


def test_whatever_many_writers_do_at_once_no_file_is_a_mixture(tmp_path, store):
    """Each writes its own byte over and over; some commit, some keep, some go on with what is kept."""

    def work(number):
        dice = random.Random(number)
        deadline = time.monotonic() + 1.0
        letter = b"%d" % number
        while time.monotonic() < deadline:
            try:
                if dice.random() < 0.3:
                    sink = store.resume_sink(NAME, 0)
                else:
                    sink = store.create_sink(NAME, WriteOptions(keep=True, overwrite=dice.random() < 0.8))
            except FileError:
                continue
            with sink, contextlib.suppress(AlreadyExists):
                for _ in range(dice.randrange(4)):
                    sink.writev(views(letter * 5))
                way = dice.choice([sink.commit, sink.commit, sink.keep, sink.abort])
                way()
                counts[way.__name__] += 1

    def look():
        dice = random.Random(0)
        while not stop.is_set():
            with contextlib.suppress(FileNotFoundError):
                content = (tmp_path / "f").read_bytes()
                if len(set(content)) > 1 or len(content) % 5:
                    mixtures.append(content)
            with contextlib.suppress(NotFound):
                if dice.random() < 0.1:
                    store.remove(NAME)
            sweep(tmp_path)

    counts, mixtures, stop = dict.fromkeys(("commit", "keep", "abort"), 0), [], threading.Event()
    looking = threading.Thread(target=look)
    looking.start()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    looking.join()
    assert mixtures == []
    assert all(counts.values())
    assert set(os.listdir(tmp_path)) <= {"f", PARTIAL}


# --- failures -------------------------------------------------------------------------------------------------------


class FailingOs:
    """The module os, whose nth call of a function fails with an error code."""

    def __init__(self, nth, code):
        self.nth, self.code, self.count, self.failed = nth, code, 0, ""

    def __getattr__(self, name):
        value = getattr(os, name)
        if not callable(value) or name in {"strerror", "urandom", "geteuid"} or name.startswith("path"):
            return value

        def call(*arguments, **options):
            self.count += 1
            if self.count == self.nth:
                self.failed = name
                if name == "close":
                    value(*arguments)  # Linux closes the descriptor whatever it says
                raise OSError(self.code, os.strerror(self.code), "/a/secret/place")
            return value(*arguments, **options)

        return call


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES])
@pytest.mark.parametrize("end", ["commit", "keep"])
@pytest.mark.parametrize("begin", ["create", "replace", "resume"])
def test_whichever_call_fails_the_target_is_the_old_file_or_the_new_one(tmp_path, store, monkeypatch, code, end, begin):
    failed = set()
    for nth in range(1, 100):
        (tmp_path / "f").write_bytes(b"old")
        if begin != "create":
            keep(store, b"ne")
        fake = FailingOs(nth, code)
        reported = None
        with monkeypatch.context() as patch:
            patch.setattr(sink_module, "os", fake)
            patch.setattr(partial_module, "os", fake)
            patch.setattr(attributes_module, "os", fake)
            try:
                with store.resume_sink(NAME, 2) if begin == "resume" else store.create_sink(NAME, KEEP) as sink:
                    sink.writev(views(b"w" if begin == "resume" else b"new"))
                    getattr(sink, end)()
            except FileError as error:
                reported = error
        there = contents(tmp_path)
        left = {name for name in there if name.startswith(".secftp-")}
        assert there["f"] == (b"new" if end == "commit" and reported is None else b"old")
        assert all(there[name] in (b"", b"ne", b"new") for name in left)
        assert len(left) <= 1 + (fake.failed in {"unlink", "open", "stat", "fstat"})
        if reported is not None:
            assert "/a/secret/place" not in f"{reported} {reported.hint}"
        failed.add(fake.failed)
        for name in there:
            os.unlink(tmp_path / name)
        if not fake.failed:
            break
    assert {"open", "pwritev", "stat", "fstat", ""} <= failed
    assert ({"rename", "fchmod"} if end == "commit" else {""}) <= failed


# --- expiry ---------------------------------------------------------------------------------------------------------


def test_partials_are_swept_a_week_after_their_last_change(tmp_path, store):
    (tmp_path / "a").mkdir()
    week = 7 * 24 * 3600
    ages = {(b"young",): week - 60, (b"old",): week + 60, (b"a", b"old"): week + 60, (b"held",): 2 * week}
    for path in ages:
        keep(store, b"x", path)
    for path, age in ages.items():
        place = os.path.join(os.fsencode(tmp_path), *path[:-1], partial_name(path[-1]))
        os.utime(place, (time.time() - age, time.time() - age))
    with store.resume_sink((b"held",), 1) as held:
        assert sweep(tmp_path) == 2
        held.commit()
    assert sorted(os.listdir(tmp_path)) == sorted(["a", "held", partial_name(b"young").decode()])
    assert os.listdir(tmp_path / "a") == []


def test_leaving_a_partial_removes_old_ones_of_the_directory(tmp_path, store):
    (tmp_path / "a").mkdir()
    for path in ((b"old",), (b"young",), (b"a", b"old")):
        keep(store, b"x", path)
    for place in (tmp_path, tmp_path / "a"):
        os.utime(place / partial_name(b"old").decode(), (0, 0))
    (tmp_path / temporary_name().decode()).write_bytes(b"a dead writer's")
    keep(store, b"x")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", partial_name(b"young").decode(), PARTIAL])
    assert os.listdir(tmp_path / "a") == [partial_name(b"old").decode()]


def test_only_names_of_ours_are_swept_however_old(tmp_path):
    for name in (b".secftp-part-", b".secftp-part-" + b"x" * 32, b".secftp-part-" + b"0" * 33, b".secftp-else"):
        place = os.path.join(os.fsencode(tmp_path), name)
        with open(place, "wb"):
            os.utime(place, (0, 0))
    (tmp_path / PARTIAL).mkdir()
    os.utime(tmp_path / PARTIAL, (0, 0))
    assert sweep(tmp_path) == 0
    assert len(os.listdir(tmp_path)) == 5
    assert temporary_name() != temporary_name()


# --- files that the user named --------------------------------------------------------------------------------------


def test_a_users_file_is_kept_beside_it_and_gone_on_with(tmp_path):
    place = str(tmp_path / "f")
    with create_local_sink(place, KEEP) as sink:
        sink.writev(views(b"hello "))
        sink.keep()
    assert os.listdir(tmp_path) == [PARTIAL]
    assert stat_local(place, partial=True).size == 6
    with resume_local_sink(place, 6) as sink:
        buffer = bytearray(6)
        assert sink.readv([memoryview(buffer)], 0) == 6
        sink.writev(views(b"world"))
        sink.commit()
    assert contents(tmp_path) == {"f": b"hello world"}
    with pytest.raises(NotFound, match=r"^No partial file of: "):
        stat_local(place, partial=True)


def test_behind_a_symlink_the_partial_is_where_the_file_is(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/f")
    place = str(tmp_path / "link")
    with create_local_sink(place, KEEP) as sink:
        sink.writev(views(b"ne"))
        sink.keep()
    assert sorted(os.listdir(tmp_path / "real")) == sorted(["f", PARTIAL])
    assert stat_local(place, partial=True).size == 2
    with resume_local_sink(place, 2) as sink:
        sink.writev(views(b"w"))
        sink.commit()
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "real") == {"f": b"new"}


def test_a_stream_can_not_be_gone_on_with(tmp_path):
    with pytest.raises(Forbidden):
        stat_local("/dev/null", partial=True)
    with pytest.raises(Forbidden):
        resume_local_sink("/dev/null", 0)
    with create_local_sink("/dev/null", KEEP) as sink:
        sink.writev(views(b"x"))
        sink.keep()
    for path, error in (("missing/f", NotFound), (".", IsADirectory)):
        with pytest.raises(error):
            resume_local_sink(str(tmp_path / path), 0)
        with pytest.raises(error):
            stat_local(str(tmp_path / path), partial=True)
