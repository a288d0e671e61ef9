"""Listings, trees and patterns: what fsspec's local file system says of the same directory; and how many requests."""

from __future__ import annotations

import os

import pytest

from secftp.errors import NotFound, TooLarge
from tests.fsspec.serving import fs, root, server

fsspec = pytest.importorskip("fsspec")

__all__ = ["fs", "root", "server"]

pytestmark = pytest.mark.exhaustive

FILES = [
    "top",
    "a/one.csv",
    "a/two.csv",
    "a/three.txt",
    "a/deep/four.csv",
    "a/deep/deeper/five.csv",
    "b/one.csv",
    "b/.hidden",
    "odd/[x].csv",
    "odd/x.csv",
    "odd/a*b",
    "odd/new\nline",
    "ab/c?d",
    "ab/cxd",
]


@pytest.fixture
def tree(root):
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / "empty").mkdir()
    return root


@pytest.fixture
def local(tree):
    found = fsspec.filesystem("file")

    def at(name):
        return str(tree) + name

    def back(names):
        return sorted(name.removeprefix(str(tree)) or "/" for name in names)

    return found, at, back


PATTERNS = [
    "/*", "/*/", "/a/*.csv", "/*/*.csv", "/a/**", "/**", "/a/**/", "/**/*.csv", "/**/deep/*", "/*/deep/*", "/?/one.csv",
    "/[ab]/one.csv", "/[!a]/*", "/a/deep", "/a/deep/", "/missing", "/missing/*", "/top/*", "/odd/[[]x].csv",
    "/odd/[x].csv", "/odd/a[*]b", "/odd/*", "/ab/c[?]d", "/ab/c?d", "/*/one.csv", "/b/*", "/b/.*", "/a/dee*/**",
    "/*/*/*/*", "/a/**/five*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_what_they_match_on_this_machine(fs, local, pattern):
    there, at, back = local
    assert sorted(fs.glob(pattern)) == back(there.glob(at(pattern)))
    detailed = fs.glob(pattern, detail=True)
    assert sorted(detailed) == fs.glob(pattern)
    assert all(detailed[name] == fs.info(name) for name in detailed)


@pytest.mark.parametrize("maxdepth", [1, 2])
@pytest.mark.parametrize("pattern", ["/**", "/a/**", "/**/*.csv"])
def test_patterns_of_a_limited_depth(fs, local, pattern, maxdepth):
    there, at, back = local
    assert sorted(fs.glob(pattern, maxdepth=maxdepth)) == back(there.glob(at(pattern), maxdepth=maxdepth))


@pytest.mark.parametrize("maxdepth", [None, 1, 2, 3])
@pytest.mark.parametrize("withdirs", [False, True])
@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/empty", "/top", "/missing", "/top/x"])
def test_trees(fs, local, path, withdirs, maxdepth):
    there, at, back = local
    found = fs.find(path, maxdepth=maxdepth, withdirs=withdirs)
    assert found == back(there.find(at(path), maxdepth=maxdepth, withdirs=withdirs))
    detailed = fs.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
    assert list(detailed) == found
    assert all(entry == fs.info(name) for name, entry in detailed.items())
    assert fs.du(path, maxdepth=maxdepth) == there.du(at(path), maxdepth=maxdepth)


def sorted_walk(walk):
    return [(path, sorted(directories), sorted(files)) for path, directories, files in walk]


@pytest.mark.parametrize("maxdepth", [None, 1, 2])
@pytest.mark.parametrize("topdown", [True, False])
@pytest.mark.parametrize("path", ["/", "/a", "/empty", "/missing", "/top"])
def test_walks(fs, local, path, topdown, maxdepth):
    there, at, back = local
    found = sorted_walk(fs.walk(path, maxdepth=maxdepth, topdown=topdown))
    wanted = [
        (back([name])[0], directories, files)
        for name, directories, files in sorted_walk(there.walk(at(path), maxdepth=maxdepth, topdown=topdown))
    ]
    assert sorted(found) == sorted(wanted)
    seen = [name for name, _, _ in found]
    for name in seen:
        if (above := fs._parent(name)) in seen and above != name:
            assert (seen.index(above) < seen.index(name)) is topdown


def test_a_walk_enters_what_its_caller_leaves_and_adds(fs, tree):
    (tree / "elsewhere" / "x").mkdir(parents=True)
    seen = []
    for path, directories, _ in fs.walk("/"):
        seen.append(path)
        if path == "/":
            directories[:] = ["b", "elsewhere"]
        if path == "/elsewhere":
            (tree / "elsewhere" / "new").mkdir()
            directories.append("new")
    assert seen == ["/", "/b", "/elsewhere", "/elsewhere/x", "/elsewhere/new"]


def test_a_walk_with_all_that_is_known(fs, tree):
    ((path, directories, files),) = fs.walk("/a/deep/deeper", detail=True)
    assert (path, directories) == ("/a/deep/deeper", {})
    assert files == {"five.csv": fs.info("/a/deep/deeper/five.csv")}


def test_a_missing_tree_is_empty_unless_that_is_to_be_raised(fs):
    assert list(fs.walk("/missing")) == []
    assert list(fs.walk("/missing", on_error="omit")) == []
    with pytest.raises(FileNotFoundError):
        list(fs.walk("/missing", on_error="raise"))
    told = []
    assert list(fs.walk("/missing", on_error=told.append)) == []
    assert [type(problem) for problem in told] == [NotFound]


def test_paths_are_expanded(fs, tree):
    assert fs.expand_path("/a/*.csv") == ["/a/one.csv", "/a/two.csv"]
    assert fs.expand_path(["/top", "/missing"]) == ["/missing", "/top"]
    assert fs.expand_path("/a/deep", recursive=True) == fs.find("/a/deep", withdirs=True)
    assert fs.expand_path("/a/d*", recursive=True) == fs.find("/a/deep", withdirs=True)
    assert fs.expand_path("/a/d*", recursive=True, maxdepth=1) == ["/a/deep"]
    for nothing in ("/missing/*", "/*.none"):
        with pytest.raises(FileNotFoundError, match="Nothing matches"):
            fs.expand_path(nothing)
    with pytest.raises(FileNotFoundError):
        fs.expand_path("/missing", recursive=True)
    with pytest.raises(ValueError, match="maxdepth"):
        fs.expand_path("/a", maxdepth=0)


def test_a_name_with_the_signs_of_a_pattern_stands_for_itself_if_nothing_matches(fs, tree):
    (tree / "odd" / "x.csv").unlink()
    assert fs.cat("/odd/[x].csv") == b"odd/[x].csv"
    assert fs.cat_file("/ab/c?d") == b"ab/c?d"
    fs.rm("/odd/[x].csv")
    assert sorted(os.listdir(tree / "odd")) == ["a*b", "new\nline"]


def test_status(fs, tree):
    found = fs.info("/a/one.csv")
    status = (tree / "a" / "one.csv").stat()
    assert (found["name"], found["size"], found["type"]) == ("/a/one.csv", 9, "file")
    assert (found["mtime_ns"], found["mode"]) == (status.st_mtime_ns, status.st_mode)
    assert (fs.info("/")["name"], fs.info("/")["type"]) == ("/", "directory")
    assert fs.sizes(["/top", "/a/one.csv"]) == [3, 9]
    with pytest.raises(FileNotFoundError):
        fs.sizes(["/top", "/missing"])
    if hasattr(fs, "tree"):  # not in older versions of fsspec
        assert fs.tree("/a", recursion_limit=3).count("csv") == 4


def test_what_tells_versions_of_a_file_apart(fs, tree):
    file = tree / "top"
    checksum, key = fs.checksum("/top"), fs.ukey("/top")
    assert (fs.checksum("/top"), fs.ukey("/top")) == (checksum, key)
    before = file.stat()
    file.write_bytes(b"pot")
    os.utime(file, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert fs.ukey("/top") == key  # by size and time
    assert fs.checksum("/top") != checksum  # by the contents
    os.utime(file, ns=(1, 1))
    assert fs.ukey("/top") != key
    with pytest.raises(IsADirectoryError):
        fs.checksum("/a")


def test_a_result_does_not_fill_the_memory(fs, tree, monkeypatch):
    monkeypatch.setattr("secftp.fsspec.trees.MOST_ENTRIES", 5)
    for ask in (fs.find, lambda path: list(fs.walk(path)), lambda path: list(fs.walk(path, on_error="omit"))):
        with pytest.raises(TooLarge):
            ask("/")
    with pytest.raises(TooLarge):
        fs.glob("/*/*")
