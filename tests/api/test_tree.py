"""Files and directories at a server: stat, list, make, move and remove, as in `os` and `pathlib`."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

import pytest

import secftp
from secftp.api import entries as module
from tests.support.programs import at_once, remote, root, served
from tests.support.serving import listing

__all__ = ["remote", "root", "served"]

AWKWARD = [b"\xff\xfe", b"new\nline", b"\x1b[2J", b" ", "ü".encode(), b"x" * 255, b"-rf", b"a\\b", b"~"]


@pytest.fixture
def tree(root):
    """A small tree: a file, a directory with a file and an empty directory, a symlink and a FIFO."""
    (root / "file").write_bytes(b"1234")
    (root / "folder" / "empty").mkdir(parents=True)
    (root / "folder" / "below").write_bytes(b"12")
    (root / "link").symlink_to("file")
    os.mkfifo(root / "fifo")
    return root


# --- stat and listing -------------------------------------------------------------------------------------------------


def test_the_status_of_a_file(remote, tree):
    os.utime(tree / "file", ns=(0, 1_234_567_890_123_456_789))
    os.chmod(tree / "file", 0o640)
    found = remote.stat("file")
    assert found == secftp.RemoteStat("file", 4, 1_234_567_890_123_456_789, 0o640)
    assert found.is_file()
    assert not found.is_dir()
    assert found.st_size == 4
    assert found.st_mode == (tree / "file").stat().st_mode
    assert stat.filemode(found.st_mode) == "-rw-r-----"
    assert found.st_mtime_ns == 1_234_567_890_123_456_789
    assert found.st_mtime == found.mtime == pytest.approx(1_234_567_890.123)
    assert found.modified == dt.datetime(2009, 2, 13, 23, 31, 30, 123456, tzinfo=dt.UTC)


def test_the_status_of_a_directory(remote, tree):
    for name in ("folder", "folder/", "", "/", ".", Path("folder")):
        found = remote.stat(name)
        assert found.is_dir()
        assert found.size == 0
        assert stat.S_ISDIR(found.st_mode)


def test_what_is_there(remote, tree):
    """Name, whether it exists, is a file, is a directory."""
    for name, *answers in [
        ("file", True, True, False),
        ("folder", True, False, True),
        ("", True, False, True),
        ("missing", False, False, False),
        ("link", False, False, False),
        ("missing/below", False, False, False),
        ("file/below", False, False, False),
    ]:
        assert [remote.exists(name), remote.is_file(name), remote.is_dir(name)] == answers, name


def test_no_question_about_existence_hides_any_other_trouble(remote):
    with pytest.raises(secftp.NameRefused):
        remote.exists("../x")
    remote.close()
    with pytest.raises(secftp.UsageError):
        remote.exists("x")


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_checksums_are_computed_by_the_server(remote, tree, algorithm):
    assert remote.checksum("file", algorithm) == hashlib.new(algorithm, b"1234").hexdigest()
    assert remote.checksum("file", algorithm, offset=1, length=2) == hashlib.new(algorithm, b"23").hexdigest()


def test_checksums_of_what_has_none(remote, tree):
    assert len(remote.checksum("file")) == 32
    with pytest.raises(FileNotFoundError):
        remote.checksum("missing")
    with pytest.raises(IsADirectoryError):
        remote.checksum("folder")
    with pytest.raises(secftp.UsageError, match="xxh128"):
        remote.checksum("file", "crc32")


# --- listing ----------------------------------------------------------------------------------------------------------


def test_a_directory_is_listed(remote, tree):
    with remote.scandir() as entries:
        found = {entry.name: entry for entry in entries}
    assert set(found) == {"file", "folder"}
    assert found["file"].is_file()
    assert found["file"].stat() == remote.stat("file")
    assert (found["file"].size, found["file"].mode) == (4, remote.stat("file").mode)
    assert found["file"].mtime_ns == (tree / "file").stat().st_mtime_ns
    assert found["folder"].is_dir()
    assert found["folder"].problem is None
    assert sorted(remote.listdir()) == ["file", "folder"]
    assert sorted(remote.listdir(b"folder")) == [b"below", b"empty"]


def test_the_paths_of_entries_are_those_to_ask_with(remote, tree):
    for given in ("folder", "/folder/", "./folder", b"folder", Path("folder"), PurePosixPath("/folder")):
        entries = list(remote.scandir(given))
        assert {os.fsencode(entry.name) for entry in entries} == {b"below", b"empty"}
        for entry in entries:
            assert isinstance(entry.path, bytes if isinstance(given, bytes) else str)
            assert remote.stat(entry.path) == entry.stat()


def test_a_whole_tree_is_listed_at_once(remote, tree):
    paths = [entry.path for entry in remote.scandir(recursive=True)]
    assert sorted(paths) == ["file", "folder", "folder/below", "folder/empty"]
    assert paths.index("folder") < paths.index("folder/below")
    assert remote.read_bytes("folder/below") == b"12"


def test_a_tree_is_walked(remote, tree):
    found = {top: (sorted(directories), sorted(files)) for top, directories, files in remote.walk()}
    assert found == {"": (["folder"], ["file"]), "folder": (["empty"], ["below"]), "folder/empty": ([], [])}
    assert [top for top, _, _ in remote.walk(b"folder", topdown=False)] == [b"folder/empty", b"folder"]
    for top, directories, _ in remote.walk("/"):
        assert top == "/"
        directories.clear()


def test_a_walk_passes_over_what_can_not_be_listed(remote, tree):
    problems = []
    assert list(remote.walk("missing", onerror=problems.append)) == []
    assert list(remote.walk("file")) == []
    assert [type(problem) for problem in problems] == [secftp.NotFound]
    walk = remote.walk("", onerror=problems.append)
    next(walk)
    (tree / "folder" / "empty").rmdir()
    (tree / "folder" / "below").unlink()
    (tree / "folder").rmdir()
    assert list(walk) == []
    assert isinstance(problems[-1], FileNotFoundError)


def test_what_can_not_be_listed_is_raised_at_once(remote, tree):
    for name, kind in [("missing", FileNotFoundError), ("file", NotADirectoryError), ("link", OSError)]:
        with pytest.raises(kind):
            remote.scandir(name)
        with pytest.raises(kind):
            remote.listdir(name)


@pytest.mark.parametrize("name", AWKWARD)
def test_any_name_survives_both_ways(remote, root, name):
    remote.write_bytes(name, name)
    assert os.listdir(os.fsencode(root)) == [name]
    (text,) = remote.listdir()
    assert os.fsencode(text) == name
    assert remote.read_bytes(text) == remote.read_bytes(name) == name
    assert remote.listdir(b"") == [name]
    (entry,) = remote.scandir()
    assert remote.stat(entry.path).size == len(name)
    remote.remove(text)
    assert os.listdir(root) == []


@pytest.fixture
def few_ahead(monkeypatch):
    monkeypatch.setattr(module, "AHEAD_ENTRIES", 100)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000])
def test_a_large_directory_is_listed_in_parts(remote, root, few_ahead, count):
    for number in range(count):
        (root / f"{number:04}").touch()
    names = []
    for entry in remote.scandir():
        names.append(entry.name)
        assert remote.is_file(entry.name)
    assert sorted(names) == [f"{number:04}" for number in range(count)]


def test_a_large_directory_that_is_not_listed_to_its_end_holds_nothing(served, root, few_ahead):
    for number in range(1000):
        (root / f"{number:04}").touch()
    for leave in ("close", "block", "forget"):
        entries = served.remote.scandir()
        next(entries)
        assert len(served.remote._pool._busy) == 1
        if leave == "close":
            entries.close()
            assert list(entries) == []
            entries.close()
        elif leave == "block":
            with entries:
                next(entries)
        else:
            del entries
        assert not served.remote._pool._busy
    assert served.remote.exists("0000")


def test_a_listing_ends_with_its_client(served, root, few_ahead):
    for number in range(1000):
        (root / f"{number:04}").touch()
    entries = served.remote.scandir()
    served.remote.close()
    with pytest.raises(secftp.UsageError):
        list(entries)
    assert list(entries) == []


@pytest.mark.exhaustive
def test_twenty_five_thousand_entries(remote, root):
    """More than are taken at once."""
    (root / "many").mkdir()
    with_fd = os.open(root / "many", os.O_RDONLY)
    try:
        for number in range(25_000):
            os.mkdir(f"{number}", dir_fd=with_fd)
    finally:
        os.close(with_fd)
    assert sum(entry.is_dir() for entry in remote.scandir("many")) == 25_000


# --- changing ---------------------------------------------------------------------------------------------------------


def test_directories_are_made_as_pathlib_makes_them(remote, tree):
    remote.mkdir("new")
    remote.mkdir("folder/new", mode=0o700)
    assert (tree / "folder" / "new").stat().st_mode & 0o777 == 0o700
    remote.mkdir("a/b/c", parents=True)
    assert (tree / "a" / "b" / "c").is_dir()
    remote.mkdir("a/b/c", parents=True, exist_ok=True)
    remote.mkdir("", exist_ok=True)
    for name, options, kind in [
        ("new", {}, FileExistsError),
        ("a/b/c", {"parents": True}, FileExistsError),
        ("file", {"exist_ok": True}, FileExistsError),
        ("", {}, FileExistsError),
        ("missing/new", {}, FileNotFoundError),
        ("file/new", {"parents": True}, NotADirectoryError),
    ]:
        with pytest.raises(kind):
            remote.mkdir(name, **options)


def test_names_are_changed(remote, tree):
    remote.rename("file", "folder/moved")
    assert (tree / "folder" / "moved").read_bytes() == b"1234"
    remote.rename("folder", "elsewhere")
    with pytest.raises(FileExistsError):
        remote.rename("elsewhere/moved", "elsewhere/below")
    remote.replace("elsewhere/moved", "elsewhere/below")
    assert listing(tree) == ["elsewhere", "elsewhere/below", "elsewhere/empty", "fifo", "link"]
    assert (tree / "elsewhere" / "below").read_bytes() == b"1234"
    with pytest.raises(FileNotFoundError):
        remote.rename("missing", "x")
    with pytest.raises(FileNotFoundError):
        remote.rename("elsewhere/below", "missing/x")


def test_files_and_directories_are_removed(remote, tree):
    for name, call, kind in [
        ("folder", remote.remove, IsADirectoryError),
        ("folder", remote.rmdir, OSError),
        ("file", remote.rmdir, NotADirectoryError),
        ("missing", remote.remove, FileNotFoundError),
        ("missing", remote.rmdir, FileNotFoundError),
        ("", remote.remove, IsADirectoryError),
    ]:
        with pytest.raises(kind):
            call(name)
    with pytest.raises(secftp.NotEmpty):
        remote.rmdir("folder")
    remote.remove("file")
    remote.unlink("folder/below")
    remote.rmdir("folder/empty")
    remote.rmdir("folder")
    assert listing(tree) == ["fifo", "link"]


def test_a_whole_tree_is_removed(remote, root):
    for directory in range(10):
        (root / "tree" / str(directory) / "deep" / "er").mkdir(parents=True)
        for number in range(30):
            (root / "tree" / str(directory) / str(number)).touch()
        (root / "tree" / str(directory) / "deep" / "file").touch()
    (root / "tree with a longer name").touch()
    remote.rmtree("tree")
    assert listing(root) == ["tree with a longer name"]
    with pytest.raises(FileNotFoundError):
        remote.rmtree("tree")
    remote.rmtree("tree", missing_ok=True)
    with pytest.raises(NotADirectoryError):
        remote.rmtree("tree with a longer name")
    with pytest.raises(IsADirectoryError):
        remote.rmtree("")


def test_a_tree_with_what_is_not_served_stays_for_the_rest(remote, tree):
    (tree / "folder" / "empty" / "link").symlink_to("/etc/passwd")
    with pytest.raises(secftp.NotEmpty):
        remote.rmtree("folder")
    assert listing(tree / "folder") == ["empty", "empty/link"]


def test_a_large_tree_is_removed_while_it_is_listed(remote, root, few_ahead):
    (root / "tree").mkdir()
    for number in range(500):
        (root / "tree" / str(number)).touch()
    remote.rmtree("tree")
    assert listing(root) == []


def test_permissions_and_times_are_set(remote, tree):
    remote.chmod("file", 0o600)
    remote.utime("file", ns=1_000_000_000_123_456_789)
    assert (tree / "file").stat().st_mode & 0o777 == 0o600
    assert (tree / "file").stat().st_mtime_ns == 1_000_000_000_123_456_789
    remote.utime("folder", ns=5)
    assert (tree / "folder").stat().st_mtime_ns == 5
    with pytest.raises(FileNotFoundError):
        remote.chmod("missing", 0o600)


def test_names_begin_in_the_directory_of_the_url(served, tree):
    with secftp.connect(served.server.url + "folder", key=served.server.key) as below:
        assert sorted(below.listdir()) == ["below", "empty"]
        assert below.url == served.server.url + "folder/"
        assert below.read_bytes("below") == b"12"
        assert below.read_bytes("/file") == b"1234"
        below.mkdir("made")
        below.rename("made", "/moved")
    assert (tree / "moved").is_dir()


def test_threads_make_and_remove_without_disturbing_one_another(remote, root):
    def work(number):
        for turn in range(10):
            remote.mkdir(f"{number}")
            remote.write_bytes(f"{number}/file", b"%d" % turn)
            assert remote.listdir(f"{number}") == ["file"]
            assert remote.read_bytes(f"{number}/file") == b"%d" % turn
            remote.rmtree(f"{number}")

    at_once(8, work)
    assert listing(root) == []
