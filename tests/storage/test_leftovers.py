"""Partials of interrupted transfers: removed with their name, discarded on a full disk, never other users'."""

from __future__ import annotations

import contextlib
import errno
import os
import types

import pytest

from secftp.errors import FileError, NoSpace, NotFound
from secftp.protocol import Kind
from secftp.storage import WriteOptions
from secftp.storage import sink as sink_module
from secftp.storage import small as small_module
from secftp.storage.names import partial_name

A, B, C = (b"a",), (b"b",), (b"c",)
SIZE = 2 << 20


def write(store, path, data, **options):
    with store.create_sink(path, WriteOptions(size=len(data), **options)) as sink:
        sink.writev([memoryview(data)])
        sink.commit()


def write_small(store, path, data, **options):
    with store.small_files() as small:
        small.write(path, memoryview(data), WriteOptions(**options))


def begin(store, path, data=b"begun"):
    """Leave a partial of a name."""
    sink = store.create_sink(path, WriteOptions(keep=True))
    sink.writev([memoryview(data)])
    sink.keep()
    assert store.stat(path, partial=True).size == len(data)


def names(directory):
    return sorted(os.listdir(directory))


def moved_to(store, path, to, **options):
    write(store, path, b"x")
    if options:
        write(store, to, b"y")
    begin(store, path)
    begin(store, to)
    store.rename(path, to, **options)


CHANGES = {
    "a small file": (lambda store: (begin(store, A), write_small(store, A, b"x")), ["a"]),
    "a small file, new only": (lambda store: (begin(store, A), write_small(store, A, b"x", overwrite=False)), ["a"]),
    "a file by its way": (lambda store: (begin(store, A), write(store, A, b"x")), ["a"]),
    "a file, new only": (lambda store: (begin(store, A), write(store, A, b"x", overwrite=False)), ["a"]),
    "a file that may be kept": (lambda store: (begin(store, A), write(store, A, b"x", keep=True)), ["a"]),
    "removed": (lambda store: (write(store, A, b"x"), begin(store, A), store.remove(A)), []),
    "removed where nothing else is": (lambda store: (begin(store, A), store.remove(A)), []),
    "removed as a file": (lambda store: (begin(store, A), store.remove(A, kind=Kind.FILE)), []),
    "moved": (lambda store: moved_to(store, A, B), ["b"]),
    "moved over another": (lambda store: moved_to(store, A, B, overwrite=True), ["b"]),
    "a directory of the name": (lambda store: (begin(store, A), store.make_directory(A)), ["a"]),
    "directories of the name": (lambda store: (begin(store, A), store.make_directory(A, parents=True)), ["a"]),
    "a directory emptied": (lambda store: (store.make_directory(A), begin(store, (*A, b"b")), store.remove(A)), []),
}


@pytest.mark.parametrize(("change", "left"), CHANGES.values(), ids=CHANGES)
def test_what_was_kept_goes_with_its_name(store, tmp_path, change, left):
    change(store)
    assert names(tmp_path) == left


def test_a_directory_of_the_name_takes_it_along(store, tmp_path):
    begin(store, A)
    (tmp_path / "a").mkdir()  # not by the store
    store.remove(A)
    assert names(tmp_path) == []


def test_a_directory_is_not_taken_for_what_is_kept(store, tmp_path):
    begin(store, A)
    with pytest.raises(NotFound):
        store.remove(A, kind=Kind.DIRECTORY)
    assert store.stat(A, partial=True).size == 5
    with pytest.raises(NotFound):
        store.remove(B)


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (lambda store: write_small(store, A, b"x"), False),
        (lambda store: write(store, A, b"x"), False),
        (lambda store: (write(store, A, b"x"), store.remove(A)), True),
        (lambda store: (write(store, B, b"x"), store.rename(B, A)), False),
        (lambda store: store.make_directory(A), False),
        (lambda store: None, True),
    ],
    ids=["small", "large", "removed", "moved", "directory", "nothing"],
)
def test_what_is_being_written_stays_until_that_ends(store, tmp_path, change, stays):
    with store.create_sink(A, WriteOptions(keep=True)) as sink:
        sink.writev([memoryview(b"begun")])
        change(store)
        assert os.fsdecode(partial_name(b"a")) in names(tmp_path)
        sink.keep()
    with contextlib.nullcontext() if stays else pytest.raises(NotFound):
        assert store.stat(A, partial=True).size == 5


def test_another_users_file_stays(store, tmp_path, monkeypatch):
    begin(store, A)
    user = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: user + 1)
    write_small(store, A, b"x")
    with pytest.raises(NotFound):
        store.remove(B)
    store.remove(A)
    assert names(tmp_path) == [os.fsdecode(partial_name(b"a"))]


def test_a_symlink_of_its_name_stays(store, tmp_path):
    (tmp_path / "target").write_bytes(b"precious")
    os.symlink("target", os.path.join(os.fsencode(tmp_path), partial_name(b"a")))
    write_small(store, A, b"x")
    store.remove(A)
    with pytest.raises(NotFound):
        store.remove(A)
    assert names(tmp_path) == [os.fsdecode(partial_name(b"a")), "target"]
    assert (tmp_path / "target").read_bytes() == b"precious"


def test_names_of_any_length(store, tmp_path):
    path = (b"x" * 255,)
    begin(store, path)
    write_small(store, path, b"x")
    assert names(tmp_path) == ["x" * 255]


# --- a disk that is full of it ----------------------------------------------------------------------------------------


class Full:
    """`os` of a disk that is full as long as there is a partial of a name; `statvfs` knows how much it holds."""

    def __init__(self, directory, code=errno.ENOSPC):
        self._partial = os.path.join(os.fsencode(directory), partial_name(b"a"))
        self._code = code

    def _refuse(self):
        if os.path.lexists(self._partial):
            raise OSError(self._code, os.strerror(self._code))

    def __getattr__(self, name):
        found = getattr(os, name)
        if name == "statvfs":
            return self._statvfs
        if name not in {"pwritev", "write"}:
            return found

        def call(*arguments, **options):
            self._refuse()
            return found(*arguments, **options)

        return call

    def _statvfs(self, _directory):
        free = 0 if os.path.lexists(self._partial) else 1 << 30
        return types.SimpleNamespace(f_blocks=1 << 20, f_bfree=free, f_frsize=1, f_bavail=free)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("way", [write, write_small], ids=["large", "small"])
def test_it_makes_room_for_a_file_that_does_not_fit_beside_it(store, tmp_path, monkeypatch, way, code):
    begin(store, A, bytes(SIZE))
    full = Full(tmp_path, code)
    monkeypatch.setattr(sink_module, "os", full)
    monkeypatch.setattr(small_module, "os", full)
    way(store, A, b"new")
    assert names(tmp_path) == ["a"]


def test_it_makes_room_before_a_byte_is_sent(store, tmp_path, monkeypatch):
    begin(store, A, bytes(SIZE))
    monkeypatch.setattr(sink_module, "os", Full(tmp_path))
    with store.create_sink(A, WriteOptions(size=SIZE, keep=True)) as sink:
        sink.keep()
    assert names(tmp_path) == []


def test_what_would_not_fit_without_it_leaves_it(store, tmp_path, monkeypatch):
    begin(store, A, bytes(SIZE))
    monkeypatch.setattr(sink_module, "os", Full(tmp_path))
    with pytest.raises(NoSpace):
        store.create_sink(A, WriteOptions(size=10 * SIZE, keep=True))
    assert store.stat(A, partial=True).size == SIZE


def test_what_is_gone_on_with_is_not_dropped_for_room(store, tmp_path, monkeypatch):
    begin(store, A, bytes(SIZE))
    monkeypatch.setattr(sink_module, "os", Full(tmp_path))
    with pytest.raises(NoSpace):
        store.resume_sink(A, SIZE, WriteOptions(size=SIZE, keep=True))
    with store.resume_sink(A, SIZE) as sink, pytest.raises(NoSpace):
        sink.writev([memoryview(b"more")])


def test_no_other_file_makes_room(store, tmp_path, monkeypatch):
    """A disk that stays full is told of, and what another writes is not touched."""
    begin(store, C)
    with store.create_sink(A, WriteOptions(keep=True)) as sink:
        sink.writev([memoryview(b"begun")])
        full = Full(tmp_path)
        monkeypatch.setattr(sink_module, "os", full)
        monkeypatch.setattr(small_module, "os", full)
        for way in (write, write_small):
            with pytest.raises(FileError):
                way(store, A, b"new")
        sink.abort()
    assert names(tmp_path) == [os.fsdecode(partial_name(b"c"))]
