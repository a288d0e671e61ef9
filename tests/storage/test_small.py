"""Small files: the guarantees of sources and sinks, written directly and through a sink."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from secftp import system
from secftp.errors import (
    AlreadyExists,
    FileChanged,
    FileError,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NotADirectory,
    NotFound,
    TooLarge,
)
from secftp.storage import WriteOptions, sweep
from secftp.storage import attributes as attributes_module
from secftp.storage import partial as partial_module
from secftp.storage import small as small_module

NAME = (b"f",)
LIMIT = 32768


@pytest.fixture(params=["through a sink", "local"])
def small(request, store, monkeypatch):
    """Files written at once, and through a sink, as those that a sweep came upon."""
    if request.param == "through a sink":
        monkeypatch.setattr(small_module.LocalSmallFiles, "_write", lambda *_: None)
    with store.small_files() as files:
        yield files


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


def contents(root):
    return {name: (root / name).read_bytes() for name in os.listdir(root)}


def test_the_local_way_is_the_fast_one(store):
    with store.small_files() as files:
        assert type(files) is small_module.LocalSmallFiles


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("name", [b"f", b"\xff\xfe", b"a" * 255, b"new\nline"])
@pytest.mark.parametrize("content", [b"", b"x", os.urandom(LIMIT)])
def test_what_was_written_is_read(tmp_path, store, small, overwrite, name, content):
    (tmp_path / "folder").mkdir()
    for path in ((name,), (b"folder", name)):
        small.write(
            path, memoryview(content), WriteOptions(overwrite=overwrite, mode=0o640, mtime_ns=1_234_567_891_123_456_789)
        )
        info, data = small.read(path, LIMIT)
        assert data == content
        assert info == store.stat(path)
        assert (info.size, info.mode, info.mtime_ns) == (len(content), 0o640, 1_234_567_891_123_456_789)
        assert os.stat(os.path.join(os.fsencode(tmp_path), *path)).st_nlink == 1
    assert len(os.listdir(tmp_path)) == 2
    assert len(os.listdir(tmp_path / "folder")) == 1


@pytest.mark.parametrize(
    ("mask", "old", "mode", "expected"),
    [
        (0o022, None, None, 0o644),
        (0o077, None, None, 0o600),
        (0o022, None, 0o7777, 0o777),
        (0o027, None, 0o6755, 0o755),
        (0o077, None, 0o664, 0o664),
        (0o000, None, 0o1777, 0o777),
        (0o022, None, 0, 0),
        (0o077, 0o666, None, 0o666),
        (0o022, 0o600, None, 0o600),
        (0o022, 0o4755, None, 0o755),
        (0o022, 0o640, 0o604, 0o604),
    ],
)
def test_permissions(tmp_path, small, umask, mask, old, mode, expected):
    umask(mask)
    if old is not None:
        (tmp_path / "f").write_bytes(b"old")
        os.chmod(tmp_path / "f", old)
    small.write(NAME, memoryview(b"new"), WriteOptions(mode=mode))
    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == expected
    os.chmod(tmp_path / "f", 0o600)  # an ordinary user can't read a file without permissions
    assert contents(tmp_path) == {"f": b"new"}


@pytest.mark.parametrize(("old", "mode"), [(0o600, None), (0o666, None), (None, 0o666), (None, None)])
def test_it_is_private_until_it_is_whole(tmp_path, small, umask, monkeypatch, old, mode):
    umask(0)
    if old is not None:
        (tmp_path / "f").write_bytes(b"old")
        os.chmod(tmp_path / "f", old)
    seen = []
    for name, real in (("write", os.write), ("pwritev", os.pwritev)):

        def look(fd, *arguments, real=real):
            seen.append(stat.S_IMODE(os.fstat(fd).st_mode))
            return real(fd, *arguments)

        monkeypatch.setattr(os, name, look)
    small.write(NAME, memoryview(b"new"), WriteOptions(mode=mode))
    assert seen == [0o600]
    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == (old or 0o666)


def test_a_taken_name_is_replaced_only_if_that_is_wished_for(tmp_path, small):
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(AlreadyExists, match=r"^Already exists: f$"):
        small.write(NAME, memoryview(b"new"), WriteOptions(overwrite=False))
    assert contents(tmp_path) == {"f": b"old"}
    small.write(NAME, memoryview(b"new"))
    assert contents(tmp_path) == {"f": b"new"}


def test_without_hard_links_too(tmp_path, small, monkeypatch):
    def link(*_, **__):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", link)
    small.write(NAME, memoryview(b"new"), WriteOptions(overwrite=False))
    assert contents(tmp_path) == {"f": b"new"}


def test_a_name_taken_at_the_last_moment_is_not_overwritten(tmp_path, small, monkeypatch):
    real = os.link

    def link(*arguments, **options):
        (tmp_path / "f").write_bytes(b"old")
        real(*arguments, **options)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(AlreadyExists, match=r"^Already exists: f$"):
        small.write(NAME, memoryview(b"new"), WriteOptions(overwrite=False))
    assert contents(tmp_path) == {"f": b"old"}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(("kind", "error"), [("folder", IsADirectory), ("link", Forbidden), ("fifo", Forbidden)])
def test_what_is_no_file_is_never_replaced(tmp_path, small, overwrite, kind, error):
    if kind == "folder":
        (tmp_path / "f").mkdir()
    elif kind == "link":
        (tmp_path / "f").symlink_to("nothing")
    else:
        os.mkfifo(tmp_path / "f")
    before = os.lstat(tmp_path / "f")
    with pytest.raises(error):
        small.write(NAME, memoryview(b"new"), WriteOptions(overwrite=overwrite))
    assert os.lstat(tmp_path / "f").st_ino == before.st_ino
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_that_a_sweep_takes_away_goes_the_long_way(tmp_path, store, monkeypatch, overwrite):
    name = "rename" if overwrite else "link"
    real, swept = getattr(os, name), []

    def sweep_first(*arguments, **options):
        if not swept:
            swept.append(sweep(tmp_path))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, sweep_first)
    with store.small_files() as small:
        small.write(NAME, memoryview(b"whole"), WriteOptions(overwrite=overwrite))
    assert swept == [1]
    assert contents(tmp_path) == {"f": b"whole"}


def test_many_writers_beside_a_sweep_that_never_rests_lose_nothing(tmp_path, store):
    def sweep_on():
        while not stop.is_set():
            sweep(tmp_path)

    stop = threading.Event()
    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        with store.small_files() as small:
            for number in range(400):
                small.write((b"%d" % number,), memoryview(b"%d" % number), WriteOptions(overwrite=number % 2 == 0))
    finally:
        stop.set()
        sweeper.join()
    assert contents(tmp_path) == {str(number): b"%d" % number for number in range(400)}


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_file_beyond_the_limit_is_too_large(tmp_path, small):
    (tmp_path / "f").write_bytes(bytes(101))
    with pytest.raises(TooLarge, match=r": f$"):
        small.read(NAME, 100)
    assert small.read(NAME, 101)[1] == bytes(101)


@pytest.mark.parametrize("kind", ["missing", "folder", "link", "fifo"])
def test_what_is_no_file_is_not_read(tmp_path, store, small, kind, within_five_seconds):
    (tmp_path / "other").write_bytes(b"x")
    if kind == "folder":
        (tmp_path / "f").mkdir()
    elif kind == "link":
        (tmp_path / "f").symlink_to("other")
    elif kind == "fifo":
        os.mkfifo(tmp_path / "f")
    with pytest.raises((NotFound, IsADirectory, Forbidden)) as caught:
        small.read(NAME, LIMIT)
    with pytest.raises(caught.type) as expected:
        store.open_source(NAME)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("change", ["shrinks", "is written in place"])
def test_a_file_that_changes_while_it_is_read(tmp_path, small, monkeypatch, change):
    place = tmp_path / "f"
    place.write_bytes(b"content")
    os.utime(place, (1, 1))
    for name, real in (("read", os.read), ("preadv", os.preadv)):

        def read(fd, *arguments, real=real):
            done = real(fd, *arguments)
            if change == "shrinks":
                os.truncate(place, 3)
            else:
                place.write_bytes(b"CONTENT")
            return done

        monkeypatch.setattr(os, name, read)
    with pytest.raises(FileChanged, match=r": f\n"):
        small.read(NAME, LIMIT)


def test_a_file_that_grows_is_read_as_it_was(tmp_path, small, monkeypatch):
    place = tmp_path / "f"
    place.write_bytes(b"content")
    for name, real in (("read", os.read), ("preadv", os.preadv)):

        def read(fd, *arguments, real=real):
            with open(place, "ab") as file:
                file.write(b" and more")
            return real(fd, *arguments)

        monkeypatch.setattr(os, name, read)
    info, data = small.read(NAME, LIMIT)
    assert (info.size, data) == (7, b"content")


# --- directories ----------------------------------------------------------------------------------------------------


def test_errors_are_those_of_sources_and_sinks(tmp_path, store, small):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(".")
    for directory in (b"missing", b"file", b"link"):
        path = (directory, b"f")
        for quick, slow in (
            (lambda path=path: small.read(path, LIMIT), lambda path=path: store.open_source(path)),
            (lambda path=path: small.write(path, memoryview(b"x")), lambda path=path: store.create_sink(path)),
        ):
            with pytest.raises((NotFound, NotADirectory)) as caught:
                quick()
            with pytest.raises(caught.type) as expected:
                slow()
            assert str(caught.value) == str(expected.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_after_a_failure_and_after_a_close_it_goes_on(tmp_path, small):
    (tmp_path / "a").mkdir()
    with pytest.raises(NotFound):
        small.read((b"a", b"f"), LIMIT)
    with pytest.raises(NotFound):
        small.write((b"missing", b"f"), memoryview(b"x"))
    small.write((b"a", b"f"), memoryview(b"x"))
    small.close()
    assert small.read((b"a", b"f"), LIMIT)[1] == b"x"
    small.close()
    small.close()


def test_a_batch_goes_on_in_the_directory_it_was_in_and_the_next_looks_anew(tmp_path, store):
    (tmp_path / "a").mkdir()
    with store.small_files() as small:
        small.write((b"a", b"1"), memoryview(b"x"))
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").symlink_to("moved")
        small.write((b"a", b"2"), memoryview(b"x"))
    assert sorted(os.listdir(tmp_path / "moved")) == ["1", "2"]
    with store.small_files() as small, pytest.raises(NotFound):
        small.write((b"a", b"3"), memoryview(b"x"))


def test_a_directory_removed_meanwhile_is_missing(tmp_path, store):
    (tmp_path / "a").mkdir()
    with store.small_files() as small:
        small.write((b"a", b"1"), memoryview(b"x"))
        os.unlink(tmp_path / "a" / "1")
        (tmp_path / "a").rmdir()
        for overwrite in (True, False):
            with pytest.raises(NotFound):
                small.write((b"a", b"2"), memoryview(b"x"), WriteOptions(overwrite=overwrite))
    assert os.listdir(tmp_path) == []


# --- failures -------------------------------------------------------------------------------------------------------


class FailingOs:
    """The module os, whose nth call of a function fails with an error code."""

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
    for nth in range(1, 50):
        if overwrite:
            (tmp_path / "f").write_bytes(b"old")
        fake = FailingOs(nth, code)
        reported = None
        with store.small_files() as small, monkeypatch.context() as patch:
            patch.setattr(small_module, "os", fake)
            patch.setattr(partial_module, "os", fake)
            patch.setattr(attributes_module, "os", fake)
            try:
                small.write(NAME, memoryview(b"new"), WriteOptions(overwrite=overwrite, mtime_ns=1))
            except FileError as error:
                reported = error
        there = contents(tmp_path)
        assert there.pop("f", None) == (b"new" if reported is None else b"old" if overwrite else None)
        assert len(there) == (fake.failed == "unlink")
        if reported is not None:
            assert str(reported).endswith(": f")
        failed.add(fake.failed)
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        if not fake.failed:
            break
    assert failed == {"access", "open", "write", "fchmod", "utime", "close", ""} | (
        {"stat", "rename"} if overwrite else {"unlink"}
    )


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path, small, monkeypatch):
    calls = []
    for name, real in (("write", os.write), ("pwritev", os.pwritev)):

        def write(fd, data, *rest, name=name, real=real):
            calls.append(name)
            if len(calls) > 1:
                raise OSError(errno.EIO, "Input/output error")
            return real(fd, data[:1] if name == "write" else [data[0][:1]], *rest)

        monkeypatch.setattr(os, name, write)
    with pytest.raises(InputOutputError, match=r"^Input/output error: f$"):
        small.write(NAME, memoryview(b"abc"))
    assert len(calls) == 2
    assert os.listdir(tmp_path) == []


def test_an_interrupted_write_leaves_nothing(tmp_path, small, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    for name in ("write", "pwritev"):
        monkeypatch.setattr(os, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        small.write(NAME, memoryview(b"abc"))
    assert os.listdir(tmp_path) == []
