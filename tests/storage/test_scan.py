"""Listings: everything that a peer may see, nothing else, and in bounded memory."""

from __future__ import annotations

import gc
import os
import tracemalloc

import pytest

from secftp.errors import Forbidden, InputOutputError, NameRefused, NotADirectory, NotFound
from secftp.storage import scan as scan_module
from secftp.storage.names import partial_name, temporary_name

HOSTILE = [b"\xff\xfe", b"new\nline", b"a" * 255, b"\x1b[2J", b"-rf", b" "]


def place(root, *names):
    return os.path.join(os.fsencode(root), *names)


def write(root, *names, content=b"x"):
    with open(place(root, *names), "wb") as file:
        file.write(content)


def paths(found):
    return sorted(entry.path for entry in found)


def test_each_file_and_directory_with_what_stat_says_of_it(tmp_path, store):
    for name in HOSTILE:
        write(tmp_path, name, content=name)
        os.chmod(place(tmp_path, name), 0o640)
        os.utime(place(tmp_path, name), ns=(1, 1_234_567_891_123_456_789))
    (tmp_path / "folder").mkdir(mode=0o700)
    found = list(store.scan(()))
    assert paths(found) == sorted([*((name,) for name in HOSTILE), (b"folder",)])
    for path, info, problem in found:
        assert info == store.stat(path)
        assert problem is None
    assert {info.kind for path, info, _ in found if path == (b"folder",)} == {"folder"}


@pytest.mark.parametrize("recursive", [False, True])
def test_an_empty_directory_has_no_entries(tmp_path, store, recursive):
    (tmp_path / "empty").mkdir()
    assert list(store.scan((b"empty",), recursive=recursive)) == []


def test_recursive_tells_a_directory_before_what_is_in_it_and_stays_below_what_was_asked_for(tmp_path, store):
    for directory in ("top/a/deep/deeper", "top/b", "beside"):
        (tmp_path / directory).mkdir(parents=True)
    for file in ("top/f", "top/a/f", "top/a/deep/f", "top/a/deep/deeper/f", "beside/f"):
        (tmp_path / file).write_bytes(b"x")
    found = [entry.path for entry in store.scan((b"top",), recursive=True)]
    expected = ["a", "a/deep", "a/deep/deeper", "a/deep/deeper/f", "a/deep/f", "a/f", "b", "f"]
    assert sorted(found) == [tuple(path.encode().split(b"/")) for path in expected]
    for top in found:
        # Depth first: all that is in a directory comes in one piece, behind it.
        places = [number for number, path in enumerate(found) if path[: len(top)] == top]
        assert places == list(range(found.index(top), found.index(top) + len(places)))


def test_symlinks_special_files_and_unfinished_ones_are_not_told_of(tmp_path, store, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_bytes(b"secret")
    (tmp_path / "folder").mkdir()
    for directory in (tmp_path, tmp_path / "folder"):
        (directory / "file").write_bytes(b"x")
        (directory / "link").symlink_to("file")
        (directory / "link-folder").symlink_to(outside)
        (directory / "link-up").symlink_to("..")
        (directory / "link-nowhere").symlink_to("nothing")
        os.mkfifo(directory / "fifo")
        for name in (temporary_name(), partial_name(b"file"), b".secftp-else"):
            write(directory, name)
        (directory / ".secftp-folder").mkdir()
        (directory / ".secftp-folder" / "hidden").write_bytes(b"x")
    assert paths(store.scan(())) == [(b"file",), (b"folder",)]
    assert paths(store.scan((), recursive=True)) == [(b"file",), (b"folder",), (b"folder", b"file")]


def test_what_is_wrong_with_the_directory_itself_is_raised_by_the_first_step(tmp_path, store):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(".")
    for path, error, words in (
        ((b"missing",), NotFound, "No such file: missing"),
        ((b"link",), NotFound, "No such file: link"),
        ((b"file",), NotADirectory, "Not a directory: file"),
        ((b"missing", b"x"), NotFound, "No such file: missing/x"),
    ):
        scanning = store.scan(path)
        with pytest.raises(error, match=f"^{words}$"):
            next(scanning)


@pytest.mark.parametrize("remembered", [1, 2, 1024])
def test_however_few_directories_are_remembered_all_are_found(tmp_path, store, monkeypatch, remembered):
    monkeypatch.setattr(scan_module, "QUEUED_NAMES", remembered)
    expected = []
    for number in range(7):
        for other in range(3):
            (tmp_path / f"d{number}" / f"e{other}").mkdir(parents=True)
            expected.append((b"d%d" % number, b"e%d" % other))
        (tmp_path / f"f{number}").write_bytes(b"x")
        expected += [(b"d%d" % number,), (b"f%d" % number,)]
    assert paths(store.scan((), recursive=True)) == sorted(expected)


def test_a_directory_that_becomes_a_symlink_meanwhile_is_not_entered(tmp_path, store, tmp_path_factory, monkeypatch):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_bytes(b"secret")
    (tmp_path / "folder").mkdir()
    real = os.open

    def exchange(name, *arguments, **options):
        if name == b"folder":
            (tmp_path / "folder").rmdir()
            (tmp_path / "folder").symlink_to(outside)
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", exchange)
    (entry,) = store.scan((), recursive=True)
    assert entry.path == (b"folder",)
    assert isinstance(entry.problem, NotFound)


def test_a_directory_that_can_not_be_entered_is_a_problem_and_the_rest_goes_on(tmp_path, store, monkeypatch):
    for name in ("a", "closed", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(b"x")
    real = os.open

    def refuse(name, *arguments, **options):
        if name == b"closed":
            raise PermissionError(13, "Permission denied", "/a/secret/place")
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    found = {entry.path: entry for entry in store.scan((), recursive=True)}
    assert sorted(found) == [(b"a",), (b"a", b"f"), (b"closed",), (b"z",), (b"z", b"f")]
    assert found[b"closed",].info.kind == "folder"
    assert isinstance(found[b"closed",].problem, Forbidden)
    assert str(found[b"closed",].problem) == "Permission denied: closed"


class BreakingScandir:
    """os.scandir that yields what is there, and then an error, in directories that hold a file of this name."""

    def __init__(self, name):
        self.name = name
        self.real = os.scandir

    def __call__(self, directory):
        return _BreakingEntries(self.real(directory), self.name)


class _BreakingEntries:
    """What it returns; one for each call, since a server and a client in one process may list at the same time."""

    def __init__(self, entries, name):
        self.entries = entries
        self.name = name

    def __iter__(self):
        broken = False
        for entry in self.entries:
            broken |= entry.name == self.name
            yield entry
        if broken:
            raise OSError(5, "Input/output error", "/a/secret/place")

    def close(self):
        self.entries.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def test_a_listing_that_breaks_off_is_told_of_at_a_second_entry_or_raised_at_the_top(tmp_path, store, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "bad").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(os, "scandir", BreakingScandir("bad"))
    found = list(store.scan((), recursive=True))
    assert [entry.path for entry in found] == [(b"file",), (b"folder",), (b"folder", b"bad"), (b"folder",)]
    assert [entry.problem is not None for entry in found] == [False, False, False, True]
    assert str(found[-1].problem) == "Input/output error: folder"
    for recursive in (False, True):
        scanning = store.scan((b"folder",), recursive=recursive)
        assert next(scanning).path == (b"bad",)
        with pytest.raises(InputOutputError, match=r"^Input/output error: folder$"):
            next(scanning)


def test_what_can_not_be_looked_at_is_told_of_by_name(tmp_path, store, monkeypatch):
    """As in a directory that may be listed but not entered, where the listing alone says what is what."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")

    class Entry:
        def __init__(self, entry):
            self.entry, self.name = entry, entry.name
            self.is_dir, self.is_file = entry.is_dir, entry.is_file

        def stat(self, **_):
            raise PermissionError(13, "Permission denied")

    class Entries(_BreakingEntries):
        def __iter__(self):
            return map(Entry, self.entries)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda directory: Entries(real(directory), None))
    assert {entry.path: entry.info for entry in store.scan(())} == {(b"folder",): None, (b"file",): None}


def test_what_is_gone_between_listing_and_looking_is_left_out(tmp_path, store):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x")
    scanning = store.scan(())
    first = next(scanning).path
    for name in os.listdir(tmp_path):
        os.unlink(tmp_path / name)
    assert list(scanning) == []
    assert first


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_closing_it_anywhere_closes_what_it_has_opened(tmp_path, store, steps):
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    for directory in ("", "a", "a/b", "a/b/c"):
        (tmp_path / directory / "f").write_bytes(b"x")
    before = os.listdir("/proc/self/fd")
    scanning = store.scan((), recursive=True)
    for _ in range(steps):
        next(scanning)
    scanning.close()
    assert os.listdir("/proc/self/fd") == before


def test_no_deeper_than_a_name_reaches_and_the_rest_is_told_of(tmp_path, store):
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(tmp_path)
        for _ in range(70):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.fchdir(here)
        os.close(here)
    found = list(store.scan((), recursive=True))
    assert [len(entry.path) for entry in found] == list(range(1, 65))
    assert isinstance(found[-1].problem, NameRefused)
    assert store.stat(found[-1].path).kind == "folder"


def test_paths_too_long_for_the_wire_are_not_told_of_but_that_there_are_such(tmp_path, store):
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(tmp_path)
        for _ in range(15):
            os.mkdir("d" * 255)
            os.chdir("d" * 255)
        os.mkdir("e")
        os.chdir("e")
        for size in (1, 253, 254, 255):  # 15 * 256 + 2 bytes are gone
            with open("f" * size, "wb"):
                pass
    finally:
        os.fchdir(here)
        os.close(here)
    directory = (*(b"d" * 255,) * 15, b"e")
    found = list(store.scan((), recursive=True))
    assert sorted(len(entry.path[-1]) for entry in found if len(entry.path) == 17) == [1, 253]
    assert found[-1].path == directory
    assert isinstance(found[-1].problem, NameRefused)
    for entry in found:
        assert sum(map(len, entry.path)) + len(entry.path) <= 4096
        assert store.stat(entry.path)


def test_a_directory_with_very_many_names_takes_no_memory_for_them(tmp_path, store):
    count = 3000
    for number in range(count):
        os.close(os.open(tmp_path / f"{number:0100d}", os.O_WRONLY | os.O_CREAT))
    gc.collect()
    tracemalloc.start()
    try:
        for recursive in (False, True):
            tracemalloc.reset_peak()
            assert sum(1 for _ in store.scan((), recursive=recursive)) == count
            assert tracemalloc.get_traced_memory()[1] < 250_000
    finally:
        tracemalloc.stop()


def test_very_many_directories_beside_each_other_are_not_all_remembered(tmp_path, store, monkeypatch):
    monkeypatch.setattr(scan_module, "QUEUED_NAMES", 64)
    count = 1500
    for number in range(count):
        (tmp_path / f"{number:0100d}").mkdir()
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.scan((), recursive=True)) == count
        assert tracemalloc.get_traced_memory()[1] < 250_000
    finally:
        tracemalloc.stop()


def test_the_root_may_be_looked_at(tmp_path, store):
    os.chmod(tmp_path, 0o750)
    info = store.stat(())
    assert (info.kind, info.size, info.mode) == ("folder", 0, 0o750)
    assert info.mtime_ns == os.stat(tmp_path).st_mtime_ns
