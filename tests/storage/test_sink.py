"""Sinks: a file appears whole under its name, or nothing is left of it."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import threading

import pytest

from secftp import system
from secftp.errors import (
    AlreadyExists,
    FileError,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NoSpace,
    NotFound,
    TooLarge,
    UsageError,
)
from secftp.protocol import Kind
from secftp.storage import FileInfo, LocalStore, WriteOptions
from secftp.storage import attributes as attributes_module
from secftp.storage import partial as partial_module
from secftp.storage import sink as sink_module
from secftp.storage.source import IOV_MAX

NAME = (b"f",)


@pytest.fixture
def umask():
    """A function that sets the process's umask, for us too; undone afterwards."""
    before = os.umask(0o022)

    def change(mask):
        os.umask(mask)
        system.process_umask.cache_clear()

    change(0o022)
    yield change
    change(before)


def views(*chunks):
    return [memoryview(chunk) for chunk in chunks]


def put(store, content, path=NAME, **options):
    with store.create_sink(path, WriteOptions(**options)) as sink:
        sink.writev(views(content))
        return sink.commit()


# --- the finished file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"x", b"hello world", os.urandom(200_000)])
@pytest.mark.parametrize("name", [b"plain", b"\xff\xfe", b"a" * 255, b"new\nline"])
def test_a_file_appears_whole_and_only_at_the_commit(tmp_path, store, name, content):
    place = os.path.join(os.fsencode(tmp_path), name)
    with store.create_sink((name,)) as sink:
        sink.writev(views(content[:10]))
        sink.writev(views())
        sink.writev(views(content[10:20], b"", content[20:]))
        assert not os.path.lexists(place)
        (temporary,) = os.listdir(tmp_path)
        assert temporary.startswith(".secftp-tmp-")
        assert stat.S_IMODE(os.stat(tmp_path / temporary).st_mode) == 0o600
        info = sink.commit()
    with open(place, "rb") as file:
        assert file.read() == content
    assert len(os.listdir(tmp_path)) == 1
    assert info == store.stat((name,))
    assert info.size == len(content)


def test_in_a_directory_and_after_the_store_is_closed(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with LocalStore(tmp_path) as store:
        sinks = [store.create_sink(path) for path in (NAME, (b"a", b"b", b"c"))]
    for sink in sinks:
        sink.writev(views(b"x"))
        sink.commit()
    assert (tmp_path / "f").read_bytes() == (tmp_path / "a" / "b" / "c").read_bytes() == b"x"


def test_a_missing_directory_is_named(store):
    with pytest.raises(NotFound, match=r"^No such directory: a/b$"):
        store.create_sink((b"a", b"b", b"c"))


@pytest.mark.parametrize(
    ("mask", "mode", "expected"),
    [
        (0o022, None, 0o644),
        (0o077, None, 0o600),
        (0o022, 0o666, 0o666),
        (0o022, 0o7777, 0o777),
        (0o027, 0o6755, 0o755),
        (0o077, 0o664, 0o664),
        (0o000, 0o1777, 0o777),
        (0o022, 0, 0),
        (0o022, 0o444, 0o444),
    ],
)
def test_permissions_of_a_new_file(store, umask, mask, mode, expected):
    umask(mask)
    assert put(store, b"x", mode=mode).mode == expected


@pytest.mark.parametrize(
    ("old", "mode", "expected"), [(0o640, None, 0o640), (0o4755, None, 0o755), (0o640, 0o600, 0o600)]
)
def test_permissions_of_a_replaced_file_are_kept_unless_others_are_wished_for(
    tmp_path, store, umask, old, mode, expected
):
    umask(0o077)
    (tmp_path / "f").write_bytes(b"old")
    os.chmod(tmp_path / "f", old)
    assert put(store, b"new", mode=mode).mode == expected
    assert (tmp_path / "f").read_bytes() == b"new"


@pytest.mark.parametrize(("old", "mode"), [(0o666, None), (None, 0o666), (None, None)])
@pytest.mark.parametrize("keep", [False, True])
def test_it_is_private_until_it_is_whole(tmp_path, store, umask, old, mode, keep):
    umask(0)
    if old is not None:
        (tmp_path / "f").write_bytes(b"old")
        os.chmod(tmp_path / "f", old)
    with store.create_sink((b"f",), WriteOptions(mode=mode, keep=keep)) as sink:
        sink.writev([memoryview(b"new")])
        (unfinished,) = set(os.listdir(tmp_path)) - {"f"}
        assert stat.S_IMODE(os.stat(tmp_path / unfinished).st_mode) == 0o600
        sink.commit()
    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == 0o666


@pytest.mark.parametrize("mtime_ns", [0, 1, 1_234_567_891_123_456_789, -1_000_000_000])
def test_the_time_is_set(store, mtime_ns):
    assert put(store, b"x", mtime_ns=mtime_ns).mtime_ns == mtime_ns


def test_the_umask_is_the_kernels_and_without_proc_is_found_the_old_way(umask, monkeypatch):
    for mask in (0o027, 0o000, 0o777):
        umask(mask)
        assert system.process_umask() == mask
        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", lambda *_: (_ for _ in ()).throw(FileNotFoundError))
            system.process_umask.cache_clear()
            assert system.process_umask() == mask
        umask(mask)


# --- overwriting ----------------------------------------------------------------------------------------------------


def test_a_taken_name_is_refused_at_once_if_it_is_not_to_be_overwritten(tmp_path, store):
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(AlreadyExists, match=r"^Already exists: f$"):
        store.create_sink(NAME, WriteOptions(overwrite=False))
    assert os.listdir(tmp_path) == ["f"]


@pytest.fixture(params=["link", "renameat2"])
def way(request, monkeypatch):
    """Both ways to give a name without replacing."""
    if request.param == "renameat2":

        def link(*_, **__):
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", link)


def test_a_free_name_is_taken_without_overwriting(tmp_path, store, way):
    put(store, b"new", overwrite=False)
    assert os.listdir(tmp_path) == ["f"]
    assert os.stat(tmp_path / "f").st_nlink == 1
    assert (tmp_path / "f").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path, store, way, kind):
    with store.create_sink(NAME, WriteOptions(overwrite=False)) as sink:
        sink.writev(views(b"new"))
        if kind == "file":
            (tmp_path / "f").write_bytes(b"old")
        elif kind == "folder":
            (tmp_path / "f").mkdir()
        else:
            (tmp_path / "f").symlink_to("nothing")
        before = os.lstat(tmp_path / "f")
        with pytest.raises(AlreadyExists, match=r"^Already exists: f$"):
            sink.commit()
    assert os.lstat(tmp_path / "f").st_ino == before.st_ino
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_system_with_neither_way_fails_and_leaves_nothing(tmp_path, store, monkeypatch):
    def missing(*_, **__):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "link", missing)
    monkeypatch.setattr(system, "rename_noreplace", missing)
    with pytest.raises(InputOutputError):
        put(store, b"x", overwrite=False)
    assert os.listdir(tmp_path) == []


def test_a_libc_without_the_call_says_so(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    with pytest.raises(OSError, match="not implemented") as caught:
        system.rename_noreplace(b"a", b"b", directory=-1)
    assert caught.value.errno == errno.ENOSYS


def test_of_many_that_must_not_overwrite_exactly_one_wins(tmp_path, store):
    def race(number):
        try:
            with store.create_sink(NAME, WriteOptions(overwrite=False)) as sink:
                sink.writev(views(b"%d" % number * 1000))
                start.wait()
                sink.commit()
            winners.append(number)
        except AlreadyExists:
            losers.append(number)

    winners, losers = [], []
    for _ in range(20):
        winners.clear()
        losers.clear()
        start = threading.Barrier(4)
        threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(losers)) == (1, 3)
        assert (tmp_path / "f").read_bytes() == b"%d" % winners[0] * 1000
        assert os.listdir(tmp_path) == ["f"]
        os.unlink(tmp_path / "f")


def test_two_writers_never_mix_and_the_last_wins(tmp_path, store):
    with store.create_sink(NAME) as one, store.create_sink(NAME) as two:
        for _ in range(3):
            one.writev(views(b"1" * 10))
            two.writev(views(b"2" * 20))
        two.commit()
        assert (tmp_path / "f").read_bytes() == b"2" * 60
        one.commit()
    assert (tmp_path / "f").read_bytes() == b"1" * 30
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize(("kind", "error"), [("folder", IsADirectory), ("link", Forbidden), ("fifo", Forbidden)])
@pytest.mark.parametrize("early", [True, False])
def test_what_is_no_file_is_never_replaced(tmp_path, store, kind, error, early):
    sink = None if early else store.create_sink(NAME)
    (tmp_path / "other").write_bytes(b"untouched")
    if kind == "folder":
        (tmp_path / "f").mkdir()
    elif kind == "link":
        (tmp_path / "f").symlink_to("other")
    else:
        os.mkfifo(tmp_path / "f")
    before = os.lstat(tmp_path / "f")
    with pytest.raises(error):
        store.create_sink(NAME) if sink is None else sink.commit()
    assert os.lstat(tmp_path / "f").st_ino == before.st_ino
    assert sorted(os.listdir(tmp_path)) == ["f", "other"]
    assert (tmp_path / "other").read_bytes() == b"untouched"


# --- aborting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way_out", ["abort", "close", "with"])
def test_an_aborted_file_leaves_nothing(tmp_path, store, way_out):
    (tmp_path / "f").write_bytes(b"old")
    sink = store.create_sink(NAME)
    sink.writev(views(b"new"))
    if way_out == "with":
        with sink:
            pass
    else:
        getattr(sink, way_out)()
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"
    sink.abort()
    sink.close()
    for call in (sink.commit, lambda: sink.writev(views(b"x"))):
        with pytest.raises(UsageError):
            call()
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_commit_happens_once_and_is_not_undone(tmp_path, store):
    with store.create_sink(NAME) as sink:
        sink.commit()
        sink.abort()
        with pytest.raises(UsageError):
            sink.commit()
    assert (tmp_path / "f").read_bytes() == b""


# --- failures -------------------------------------------------------------------------------------------------------


class FailingOs:
    """The module os, whose nth call of a function fails with an error code; `count` tells how many there were."""

    def __init__(self, nth, code):
        self.nth, self.code, self.count, self.failed = nth, code, 0, ""

    def __getattr__(self, name):
        value = getattr(os, name)
        if not callable(value) or name in {"strerror", "urandom"}:
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


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES])
def test_whichever_call_fails_the_target_is_the_old_file_or_the_new_one(tmp_path, store, monkeypatch, overwrite, code):
    failed = set()
    for nth in range(1, 100):
        if overwrite:
            (tmp_path / "f").write_bytes(b"old")
        fake = FailingOs(nth, code)
        reported = None
        with monkeypatch.context() as patch:
            patch.setattr(sink_module, "os", fake)
            patch.setattr(partial_module, "os", fake)
            patch.setattr(attributes_module, "os", fake)
            try:
                put(store, b"new", overwrite=overwrite, mtime_ns=1, size=2**20)
            except FileError as error:
                reported = error
        there = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
        if reported is None:
            # Only what comes after the file has its name, and what tidies up, may fail unseen.
            assert fake.failed in {"", "close", "unlink", "open"}
            assert there.pop("f") == b"new"
            assert len(there) == (fake.failed == "unlink")
        else:
            assert there == ({"f": b"old"} if overwrite else {})
            assert "/a/secret/place" not in str(reported)
            assert str(reported).endswith(": f")
        failed.add(fake.failed)
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        if not fake.failed:
            break
    reached = {"stat", "statvfs", "open", "pwritev", "fchmod", "utime", "dup", "fstat", "close", ""}
    assert failed == reached | ({"rename"} if overwrite else {"link", "unlink"})


def test_a_failure_reported_by_closing_prevents_the_commit(tmp_path, store, monkeypatch):
    real = os.close

    def close(fd):
        real(fd)
        raise OSError(errno.EDQUOT, "quota")

    with store.create_sink(NAME) as sink:
        sink.writev(views(b"x"))
        monkeypatch.setattr(os, "close", close)
        with pytest.raises(NoSpace):
            sink.commit()
        monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_an_unfinished_file_that_was_removed_is_no_missing_file(tmp_path, store):
    for overwrite in (True, False):
        with store.create_sink(NAME, WriteOptions(overwrite=overwrite)) as sink:
            os.unlink(tmp_path / os.listdir(tmp_path)[0])
            with pytest.raises(InputOutputError, match="removed by another process"):
                sink.commit()
    assert os.listdir(tmp_path) == []


def test_short_writes_are_carried_on_and_a_batch_is_one_call(tmp_path, store, monkeypatch):
    content, real, calls = os.urandom(10_000), os.pwritev, []

    def whole(fd, buffers, offset):
        calls.append(len(buffers))
        return real(fd, buffers, offset)

    with store.create_sink(NAME) as sink:
        monkeypatch.setattr(os, "pwritev", whole)
        sink.writev(views(content[:100], content[100:5000], content[5000:5001]))
        assert calls == [3]
        monkeypatch.setattr(os, "pwritev", lambda fd, buffers, offset: real(fd, [buffers[0][:7]], offset))
        sink.writev(views(content[5001:5010], b"", content[5010:6000], content[6000:]))
        sink.commit()
    assert (tmp_path / "f").read_bytes() == content


def test_more_buffers_than_one_call_takes(tmp_path, store):
    content = os.urandom(2 * IOV_MAX + 100)
    with store.create_sink(NAME) as sink:
        sink.writev([memoryview(content)[at : at + 1] for at in range(len(content))])
        sink.commit()
    assert (tmp_path / "f").read_bytes() == content


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EFBIG, TooLarge),
        (errno.EIO, InputOutputError),
        (0, InputOutputError),
    ],
)
def test_a_write_that_fails_halfway_ends_the_sink(tmp_path, store, monkeypatch, code, error):
    real, calls = os.pwritev, []

    def pwritev(fd, buffers, offset):
        calls.append(offset)
        if len(calls) == 1:
            return real(fd, [buffers[0][:1]], offset)
        if not code:
            return 0
        raise OSError(code, os.strerror(code))

    with store.create_sink(NAME) as sink:
        monkeypatch.setattr(os, "pwritev", pwritev)
        with pytest.raises(error, match=r": f$"):
            sink.writev(views(b"abc"))
        assert calls == [0, 1]
        assert os.listdir(tmp_path) == []
        with pytest.raises(UsageError):
            sink.commit()


def test_an_interrupted_write_ends_the_sink(tmp_path, store, monkeypatch):
    def pwritev(*_):
        raise KeyboardInterrupt

    with store.create_sink(NAME) as sink:
        monkeypatch.setattr(os, "pwritev", pwritev)
        with pytest.raises(KeyboardInterrupt):
            sink.writev(views(b"abc"))
        with pytest.raises(UsageError):
            sink.commit()
    assert os.listdir(tmp_path) == []


def test_a_file_beyond_the_processs_limit_is_too_large(tmp_path, store):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with store.create_sink(NAME) as sink, pytest.raises(TooLarge):
            sink.writev(views(bytes(2000)))
        assert os.listdir(tmp_path) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB and nine files, where mounting is permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=10", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here; the errors are tested with a patched pwritev, too")
    try:
        with LocalStore(place) as store:
            yield store, place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_refuses_and_keeps_what_it_has(small_disk):
    store, place = small_disk
    put(store, bytes(600_000), (b"kept",))
    with store.create_sink(NAME) as sink, pytest.raises(NoSpace):
        sink.writev(views(bytes(400_000), bytes(400_000)))
    assert os.listdir(place) == ["kept"]
    with pytest.raises(NoSpace):
        store.create_sink(NAME, WriteOptions(size=2**20))
    put(store, bytes(300_000), size=300_000)
    for number in range(7):
        put(store, b"", (b"%d" % number,))
    with pytest.raises(NoSpace):
        store.create_sink((b"one too many",))
    assert len(os.listdir(place)) == 9
    assert (place / "kept").read_bytes() == bytes(600_000)


def test_a_size_that_can_not_fit_is_refused_at_once_and_one_that_fits_reserves_nothing(tmp_path, store):
    with pytest.raises(NoSpace):
        store.create_sink(NAME, WriteOptions(size=2**62))
    with store.create_sink(NAME, WriteOptions(size=2**20)) as sink:
        assert os.stat(tmp_path / os.listdir(tmp_path)[0]).st_blocks == 0
        info = sink.commit()
    assert info == FileInfo(Kind.FILE, 0, info.mtime_ns, info.mode)
