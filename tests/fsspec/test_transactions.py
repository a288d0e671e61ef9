"""Transactions of fsspec: what is written appears at their end, and nothing of what failed."""

from __future__ import annotations

import gc
import os
import time

import pytest

import secftp
from secftp.errors import UsageError
from secftp.fsspec import deferred
from tests.fsspec.serving import KEY, fs, opened, root, server
from tests.support.serving import listing
from tests.support.turns import counted_turns

pytestmark = pytest.mark.exhaustive

fsspec = pytest.importorskip("fsspec")

__all__ = ["fs", "root", "server"]

BIG = deferred.SPILL_BYTES + 1

WRITES = {
    "open": lambda fs, here: _write(fs, "/new/x", b"1"),
    "open as text": lambda fs, here: _write(fs, "/new/x", "1", "w"),
    "open a new one": lambda fs, here: _write(fs, "/new/x", b"1", "xb"),
    "open, compressed": lambda fs, here: _write(fs, "/new/x.gz", b"1", compression="infer"),
    "open, large": lambda fs, here: _write(fs, "/new/x", bytes(BIG)),
    "pipe_file": lambda fs, here: fs.pipe_file("/new/x", b"1"),
    "pipe_file of a new one": lambda fs, here: fs.pipe_file("/new/x", b"1", mode="create"),
    "pipe": lambda fs, here: fs.pipe("/new/x", b"1"),
    "pipe of many": lambda fs, here: fs.pipe({"/new/x": b"1", "/new/y": b"2"}),
    "pipe of a large one": lambda fs, here: fs.pipe("/new/x", bytes(BIG)),
    "write_bytes": lambda fs, here: fs.write_bytes("/new/x", b"1"),
    "write_text": lambda fs, here: fs.write_text("/new/x", "1"),
    "touch": lambda fs, here: fs.touch("/new/x"),
    "put_file": lambda fs, here: fs.put_file(str(here / "a"), "/new/x"),
    "put": lambda fs, here: fs.put(str(here / "a"), "/new/x"),
    "put of lists": lambda fs, here: fs.put([str(here / "a")], ["/new/x"]),
    "cp_file": lambda fs, here: fs.cp_file("/old", "/new/x"),
    "copy": lambda fs, here: fs.copy("/old", "/new/x"),
    "get_mapper": lambda fs, here: fs.get_mapper("/new").__setitem__("x", b"1"),
}


def _write(fs, name, data, mode="wb", **options):
    with fs.open(name, mode, **options) as file:
        file.write(data)


@pytest.fixture
def here(tmp_path, root):
    directory = tmp_path / "here"
    directory.mkdir()
    (directory / "a").write_bytes(b"a")
    (root / "old").write_bytes(b"old")
    return directory


def seen(root):
    """What is there, without directories that the writer of a large file needs."""
    return [name for name in listing(root) if (root / name).is_file() and "/." not in f"/{name}"]


@pytest.mark.parametrize("name", WRITES)
def test_it_appears_at_the_end(fs, root, here, name):
    with fs.transaction:
        WRITES[name](fs, here)
        assert seen(root) == ["old"]
    assert seen(root)[0].startswith("new/x")
    assert listing(here) == ["a"]
    assert not fs._intrans


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_left_of_what_failed(fs, root, here, name):
    with pytest.raises(ZeroDivisionError), fs.transaction:  # noqa: PT012 - the block is what fails
        WRITES[name](fs, here)
        raise ZeroDivisionError
    assert seen(root) == ["old"]
    if name != "get_mapper":  # which makes its directories itself
        assert listing(root) == ["old"]
    assert not fs._intrans
    fs.pipe_file("/later", b"")
    assert seen(root) == ["later", "old"]


def test_a_time_is_set_at_the_end(fs, root, here):
    os.utime(root / "old", (1, 1))
    with fs.transaction:
        fs.touch("/old", truncate=False)
        assert (root / "old").stat().st_mtime == 1
    assert (root / "old").stat().st_mtime == pytest.approx(time.time(), abs=100)


def test_a_file_of_here_is_read_at_once(fs, root, here):
    with fs.transaction:
        fs.put_file(str(here / "a"), "/x")
        (here / "a").write_bytes(b"later")
    assert (root / "x").read_bytes() == b"a"


def test_the_last_of_several_contents_counts(fs, root):
    with fs.transaction:
        for number in range(3):
            fs.pipe_file("/x", b"%d" % number)
            fs.pipe_file("/y", b"%d" % number)
    assert (root / "x").read_bytes() == (root / "y").read_bytes() == b"2"


@pytest.mark.parametrize("size", [1, BIG])
def test_a_block_that_failed_is_not_committed(fs, root, size):
    with fs.transaction:
        with pytest.raises(ZeroDivisionError), fs.open("/x", "wb") as file:  # noqa: PT012
            file.write(bytes(size))
            raise ZeroDivisionError
        fs.pipe_file("/y", b"")
    assert listing(root) == ["y"]


@pytest.mark.parametrize("size", [1, BIG])
def test_a_file_that_was_not_closed_is_not_committed(fs, root, size):
    with pytest.raises(UsageError, match="not closed within the transaction"), fs.transaction:  # noqa: PT012
        file = fs.open("/x", "wb")
        file.write(bytes(size))
    file.close()
    assert listing(root) == []


def test_a_file_that_was_not_closed_is_not_committed_with_others(fs, root):
    files = []
    with pytest.raises(UsageError, match="not closed within the transaction"), fs.transaction:  # noqa: PT012
        for name in ("/1", "/2", "/3"):
            files.append(fs.open(name, "wb"))
            files[-1].write(b"1")
    for file in files:
        file.close()
    assert listing(root) == []


@pytest.mark.parametrize("size", [1, BIG])
def test_a_file_that_was_forgotten_is_not_committed(fs, root, size):
    with fs.transaction:
        held = [fs.open("/x", "w")]
        held[0].write("x" * size)
        with pytest.warns(ResourceWarning, match="never closed"):  # noqa: PT031
            held.clear()
            gc.collect()
        fs.pipe_file("/y", b"")
    assert listing(root) == ["y"]


def divide():
    return 1 / 0


def test_what_is_closed_because_of_an_exception_is_not_committed(fs, root):
    def fail():
        file = fs.open("/x", "wb")
        try:
            file.write(b"half")
            divide()
        except ZeroDivisionError:
            file.close()

    with fs.transaction:
        with pytest.warns(RuntimeWarning, match="not written"):
            fail()
        try:
            divide()
        except ZeroDivisionError:
            with fs.open("/y", "wb") as file:
                file.write(b"whole")
    assert listing(root) == ["y"]


def test_it_may_end_where_an_exception_is_handled(fs, root):
    fs.start_transaction()
    fs.pipe_file("/small", b"")
    fs.pipe_file("/large", bytes(BIG))
    try:
        divide()
    except ZeroDivisionError:
        fs.end_transaction()
    assert listing(root) == ["large", "small"]


def test_a_file_of_here_that_changes_is_an_error(fs, root, here, monkeypatch):
    (here / "a").write_bytes(bytes(3 << 20))
    write = deferred.DeferredFile.write

    def meddle(self, data):
        os.truncate(here / "a", 10)
        return write(self, data)

    monkeypatch.setattr(deferred.DeferredFile, "write", meddle)
    with pytest.raises(secftp.FileChanged), fs.transaction:
        fs.put_file(str(here / "a"), "/x")
    assert seen(root) == ["old"]


def test_what_can_be_seen_to_fail_fails_at_once(fs, root):
    (root / "d").mkdir()
    (root / "file").write_bytes(b"1")
    with fs.transaction:
        for call, kind in (
            (lambda: fs.open("/d", "wb"), IsADirectoryError),
            (lambda: fs.open("/file", "xb"), FileExistsError),
            (lambda: fs.open("/file/x", "wb"), NotADirectoryError),
        ):
            with pytest.raises(kind):
                call()
    assert (root / "file").read_bytes() == b"1"


def test_the_first_failure_ends_it(fs, root):
    with pytest.raises(FileExistsError), fs.transaction:  # noqa: PT012
        fs.pipe_file("/1", b"")
        fs.pipe_file("/2", b"", mode="create")
        fs.pipe_file("/3", b"")
        with fs.open("/4", "wb") as file:
            file.write(bytes(BIG))
        (root / "2").write_bytes(b"another's")
    assert [name for name in listing(root) if not name.startswith(".")] == ["1", "2"]
    assert (root / "2").read_bytes() == b"another's"
    assert not fs._intrans


def test_one_at_a_time(fs, root):
    with fs.transaction:
        fs.pipe_file("/1", b"")
        with pytest.raises(UsageError, match="under way"), fs.transaction:
            pass
    assert listing(root) == ["1"]


def test_by_hand(fs, root):
    fs.start_transaction()
    fs.pipe_file("/1", b"")
    assert listing(root) == []
    fs.end_transaction()
    assert listing(root) == ["1"]
    with fs.open("/2", "wb", autocommit=False) as file:
        file.write(b"1")
    assert listing(root) == ["1"]
    file.commit()
    assert listing(root) == ["1", "2"]


def test_without_the_right_to_create_directories(server, root):
    fs = opened(server, auto_mkdir=False)
    with pytest.raises(FileNotFoundError), fs.transaction:
        fs.pipe_file("/missing/x", b"")
    assert listing(root) == []
    fs.close()


def test_small_files_are_committed_together(monkeypatch, root):
    def turns(count):
        with counted_turns(monkeypatch) as line, secftp.Server(root, KEY) as server:
            fs = opened(server)
            fs.pipe_file("/first", b"")
            start = line.turns
            with fs.transaction:
                for number in range(count):
                    fs.pipe_file(f"/{number}", b"1")
                before = line.turns
            waiting = before - start
            found = line.turns - before
            before = line.turns
            fs.pipe({f"/p{number}": b"1" for number in range(count)})
            fs.close()
            return waiting, found, line.turns - before

    assert turns(50) == (0, 1, 1)
    assert len(listing(root)) == 101
