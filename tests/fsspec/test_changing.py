"""Directories, removal, moves and copies at the server through fsspec."""

from __future__ import annotations

import os

import pytest

import secftp
from tests.fsspec.serving import KEY, fs, opened, root, server
from tests.support.serving import listing
from tests.support.turns import counted_turns

pytestmark = pytest.mark.exhaustive

fsspec = pytest.importorskip("fsspec")

__all__ = ["fs", "root", "server"]


@pytest.fixture
def tree(root):
    for name in ("a/x", "a/sub/y", "b/x", "file"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


# --- moves ------------------------------------------------------------------------------------------------------------

MOVES = {
    "a file": (("/file", "/new"), "new", "file"),
    "a file onto another": (("/file", "/a/x"), "a/x", "file"),
    "a file into a directory": (("/file", "/a"), "a/file", "file"),
    "a file into a directory with a slash": (("/file", "/a/"), "a/file", "file"),
    "a file into a new directory": (("/file", "/n/m/"), "n/m/file", "file"),
    "a file below missing directories": (("/file", "/n/m/new"), "n/m/new", "file"),
    "a directory": (("/a", "/new"), "new/x", "a/x"),
    "a directory into another": (("/a", "/b"), "b/a/x", "a/x"),
    "a directory below missing directories": (("/a", "/n/m"), "n/m/x", "a/x"),
    "lists": ((["/file", "/a/x"], ["/n/1", "/n/2"]), "n/2", "a/x"),
    "a list into a directory": ((["/file", "/a/x"], "/b/"), "b/x", "a/x"),
    "a pattern": (("/f*", "/b"), "b/file", "file"),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_is_moved_is_where_it_should_be(fs, tree, name):
    (source, target), found, contents = MOVES[name]
    before = {(tree / each).read_bytes() for each in listing(tree) if (tree / each).is_file()}
    fs.mv(source, target)
    assert (tree / found).read_bytes() == contents.encode()
    after = {(tree / each).read_bytes() for each in listing(tree) if (tree / each).is_file()}
    replaced = {b"a/x"} if name == "a file onto another" else {b"b/x"} if name == "a list into a directory" else set()
    assert after == before - replaced


@pytest.mark.parametrize("name", ["s*r", "q?", "[z]", "["])
def test_a_name_with_the_signs_of_a_pattern_is_a_name_where_it_matches_nothing_else(fs, root, tmp_path, name):
    fs.pipe(f"/d/{name}", b"1")
    fs.cp(f"/d/{name}", f"/copy/{name}")
    fs.mv(f"/d/{name}", f"/moved/{name}")
    fs.get(f"/copy/{name}", f"{tmp_path}/here/{name}")
    fs.put(f"{tmp_path}/here/{name}", f"/put/{name}")
    assert fs.find("/") == [f"/copy/{name}", f"/moved/{name}", f"/put/{name}"]


def test_lists_of_different_lengths_move_nothing(fs, tree):
    before = listing(tree)
    with pytest.raises(secftp.UsageError):
        fs.mv(["/file"], ["/new", "/newer"])
    assert listing(tree) == before


def test_moves_that_fail_name_the_file(fs, tree):
    (tree / "full" / "file").mkdir(parents=True)
    for source, target, kind, name in (
        ("/missing", "/new", FileNotFoundError, "/missing"),
        ("/missing", "/a", FileNotFoundError, "/missing"),
        ("/missing", "/missing", FileNotFoundError, "/missing"),
        ("/missing*", "/a", FileNotFoundError, "/missing*"),
        ("/file", "/full", IsADirectoryError, "/file"),
        ("/a", "/file", OSError, "/a"),
        ("/a", "/a/", PermissionError, "/a"),
    ):
        with pytest.raises(kind) as raised:
            fs.mv(source, target)
        assert raised.value.filename == name
    with pytest.raises(OSError, match="full/file"):
        fs.mv("/file", "/full")
    assert listing(tree) == ["a", "a/sub", "a/sub/y", "a/x", "b", "b/x", "file", "full", "full/file"]


def test_onto_itself_nothing_is_moved(fs, tree):
    fs.mv("/file", "/file")
    fs.rename("/a", "/a")
    assert (tree / "file").read_bytes() == b"file"
    assert (tree / "a" / "x").exists()


# --- removal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "options", "left"),
    [
        ("/file", {}, ["a", "a/sub", "a/sub/y", "a/x", "b", "b/x"]),
        (["/file", "/a/x"], {}, ["a", "a/sub", "a/sub/y", "b", "b/x"]),
        ("/*/x", {}, ["a", "a/sub", "a/sub/y", "b", "file"]),
        ("/a", {"recursive": True}, ["b", "b/x", "file"]),
        ("/[ab]", {"recursive": True}, ["file"]),
        (["/a", "/a/sub", "/file"], {"recursive": True}, ["b", "b/x"]),
        ("/a", {"recursive": True, "maxdepth": 1}, ["a", "a/sub", "a/sub/y", "b", "b/x", "file"]),
        ("/a", {"recursive": True, "maxdepth": 2}, ["b", "b/x", "file"]),
    ],
)
def test_removal(fs, tree, path, options, left):
    fs.rm(path, **options)
    assert listing(tree) == left


@pytest.mark.parametrize(
    ("path", "options", "kind"),
    [
        ("/missing", {}, FileNotFoundError),
        ("/missing", {"recursive": True}, FileNotFoundError),
        ("/missing/*", {}, FileNotFoundError),
        ("/a", {}, IsADirectoryError),
        ("/", {"recursive": True}, IsADirectoryError),
        ("/file/x", {}, NotADirectoryError),
    ],
)
def test_what_is_not_removed_is_said(fs, tree, path, options, kind):
    before = listing(tree)
    with pytest.raises(kind):
        fs.rm(path, **options)
    assert listing(tree) == before


def test_directories(fs, root):
    fs.mkdir("/a/b")
    with pytest.raises(FileExistsError):
        fs.mkdir("/a/b")
    with pytest.raises(FileNotFoundError):
        fs.mkdir("/x/y", create_parents=False)
    fs.makedirs("/a/b", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs("/a")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir("/a")
    fs.rmdir("/a/b")
    assert listing(root) == ["a"]


# --- copies at the server ---------------------------------------------------------------------------------------------


def test_copies_keep_times_and_make_directories(fs, tree):
    os.utime(tree / "file", ns=(1, 10**18))
    fs.cp_file("/file", "/n/m/copy")
    fs.cp("/file", "/b/")
    fs.copy("/a", "/c/d", recursive=True)
    fs.copy(["/file", "/a/x"], ["/l/1", "/l/2"])
    fs.copy("/*/x", "/p")
    for name, contents in {
        "n/m/copy": "file",
        "b/file": "file",
        "c/d/sub/y": "a/sub/y",
        "l/1": "file",
        "l/2": "a/x",
        "p/a/x": "a/x",
        "p/b/x": "b/x",
    }.items():
        assert (tree / name).read_bytes() == contents.encode()
    assert (tree / "n/m/copy").stat().st_mtime_ns == 10**18


def test_copies_of_trees_keep_the_times_of_directories(fs, tree):
    os.utime(tree / "a" / "sub", ns=(1, 10**18))
    (tree / "a" / "sub").chmod(0o750)
    for target, found in (("/n/m", "n/m"), ("/n/m", "n/m/a"), ("/k/", "k/a")):
        fs.copy("/a", target, recursive=True)
        assert (tree / found / "sub" / "y").read_bytes() == b"a/sub/y"
        assert (tree / found / "sub").stat().st_mtime_ns == 10**18
        assert (tree / found / "sub").stat().st_mode & 0o777 == 0o750
    fs.copy("/a/", "/b", recursive=True)
    assert listing(tree / "b") == ["sub", "sub/y", "x"]
    fs.copy("/a/", "/", recursive=True)
    assert (tree / "sub" / "y").exists()
    fs.copy("/file", "/f/g", recursive=True)
    assert (tree / "f" / "g").read_bytes() == b"file"
    with pytest.raises(PermissionError):
        fs.copy("/a", "/a/sub/in", recursive=True)


def test_directories_are_copied_only_with_recursive(fs, tree):
    before = listing(tree)
    fs.copy("/a", "/new")
    assert listing(tree) == before
    fs.cp_file("/a", "/new")
    assert listing(tree / "new") == []


def test_copies_that_fail(fs, tree, root):
    before = listing(tree)
    for copy, kind in (
        (lambda: fs.cp_file("/missing", "/n/x"), FileNotFoundError),
        (lambda: fs.copy("/missing", "/n", recursive=True), FileNotFoundError),
        (lambda: fs.copy(["/missing"], ["/n/x"]), FileNotFoundError),
        (lambda: fs.cp_file("/file", "/a"), IsADirectoryError),
        (lambda: fs.cp_file("/file", "/file"), OSError),
        (lambda: fs.cp_file("/file", "/b/x/y"), NotADirectoryError),
    ):
        with pytest.raises(kind):
            copy()
    assert listing(tree) == before
    with pytest.raises(FileNotFoundError) as raised:
        fs.copy(["/missing", "/file", "/gone"], ["/n/1", "/n/2", "/n/3"])
    assert raised.value.__notes__ == ["1 more could not be copied."]
    assert listing(root / "n") == ["2"]
    fs.copy(["/missing", "/file"], ["/n/1", "/n/3"], on_error="ignore")
    assert listing(root / "n") == ["2", "3"]


def test_a_missing_directory_is_not_a_source_that_is_gone(server, tree):
    fs = opened(server, auto_mkdir=False)
    with pytest.raises(FileNotFoundError):
        fs.copy(["/file"], ["/missing/file"], on_error="ignore")
    fs.close()


def test_round_trips_do_not_grow_with_the_tree(monkeypatch, root):
    def turns(name, count):
        directory = root / f"{name}{count}"
        for number in range(count):
            (directory / f"{number}").mkdir(parents=True)
            (directory / f"{number}" / "file").write_bytes(b"1")
        with counted_turns(monkeypatch) as line, secftp.Server(root, KEY) as server:
            fs = opened(server)
            fs.exists("/")
            before = line.turns
            acts[name][0](fs, f"/{directory.name}")
            after = line.turns
            fs.close()
            return after - before

    acts = {
        "copy of a tree": (lambda fs, top: fs.copy(top, f"{top}.copy", recursive=True), 6),
        "find": (lambda fs, top: fs.find(top), 1),
        "walk": (lambda fs, top: list(fs.walk(top)), 1),
        "du": (lambda fs, top: fs.du(top), 1),
        "glob": (lambda fs, top: fs.glob(f"{top}/*/file"), 2),
        "glob of files": (lambda fs, top: fs.glob(f"{top}/*/f*"), 2),
        "glob of all": (lambda fs, top: fs.glob(f"{top}/**"), 2),
        "find to a depth": (lambda fs, top: fs.find(top, maxdepth=2), 2),
        "sizes": (lambda fs, top: fs.sizes([f"{top}/{number}/file" for number in range(3)]), 1),
        "exists": (lambda fs, top: fs.exists(top), 1),
        "ls": (lambda fs, top: fs.ls(top), 1),
        "removal of files": (lambda fs, top: fs.rm(fs.find(top)), 2),
        "removal": (lambda fs, top: fs.rm(top, recursive=True), 4),
    }
    counted = {name: (turns(name, 3), turns(name, 30), most) for name, (_, most) in acts.items()}
    assert {name: counts for name, counts in counted.items() if not counts[0] == counts[1] <= counts[2]} == {}
