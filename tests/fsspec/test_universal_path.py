"""`upath.UPath("secftp://...")`: the class that universal_pathlib finds, its text, and what it does at a server."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import fsspec
import pytest
import upath

import secftp
from secftp.fsspec.universal_path import SecftpPath
from secftp.keys import write_key_file
from tests.support.serving import listing

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@pytest.fixture
def directory(tmp_path):
    """The path of the served directory; `served` is the same of this machine."""
    served, key_file = tmp_path / "served", tmp_path / "key"
    served.mkdir()
    write_key_file(key_file)
    with secftp.Server(served, key_file=key_file) as server:
        found = upath.UPath(server.url, key_file=str(key_file))
        yield found
        found.fs.close()
        fsspec.get_filesystem_class("secftp").clear_instance_cache()


@pytest.fixture
def served(directory, tmp_path):
    return tmp_path / "served"


def test_the_entry_point():
    points = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]
    assert points["universal_pathlib.implementations"] == {"secftp": "secftp.fsspec.universal_path:SecftpPath"}
    assert upath.registry.get_upath_class("secftp") is SecftpPath


def test_nothing_else_need_be_imported(directory):
    """What universal_pathlib knows of a protocol would be a guess if our file system was not loaded then."""
    program = "import sys, upath; print(upath.UPath(sys.argv[1]).joinpath('a b/c').parent)"
    url = f"{directory}x%20y/"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, url], capture_output=True, text=True, check=False, timeout=60
    )
    assert (found.stdout, found.stderr) == (f"{directory}x%20y/a%20b\n", "")


@pytest.mark.parametrize(
    "url",
    [
        "secftp://host/",
        "secftp://host/a/b.txt",
        "secftp://joe@host:99/a%20b/c%25d",
        "secftp://[2001:db8:0:0:0:0:0:7]:8889/x",
        "secftp://joe%40x@host/%FF",
        "secftp://host/a%3A%3Ab:c",
        "secftp:///no/host",
    ],
)
def test_the_text_is_the_url(url):
    path = upath.UPath(url)
    assert str(path) == path.as_uri() == url
    assert upath.UPath(str(path)) == path
    assert pickle.loads(pickle.dumps(path)) == path


KEY = "a key for these tests"


def test_a_key_is_in_no_pickle():
    path = upath.UPath("secftp://host/a", key=KEY)
    for each in (path, path / "b", path.parent, upath.UPath("/a", protocol="secftp", host="host", key=KEY)):
        assert KEY.encode() not in pickle.dumps(each)
        assert KEY not in repr(each.storage_options)
        assert pickle.loads(pickle.dumps(each)) == each
    assert path == upath.UPath("secftp://host/a", key=KEY) != upath.UPath("secftp://host/a", key=KEY + "x")


def test_parts_of_names():
    path = upath.UPath("secftp://joe@host/a/b c.tar.gz", key_file="k")
    assert (path.name, path.suffix, path.stem, path.path) == ("b c.tar.gz", ".gz", "b c.tar", "/a/b c.tar.gz")
    assert path.parts == ("/", "a", "b c.tar.gz")
    assert str(path.parent / "x") == "secftp://joe@host/a/x"
    assert str(path.with_suffix(".xz").parent.parent) == "secftp://joe@host/"
    assert str(path.relative_to(path.parent)) == "b c.tar.gz"
    assert (path.parent / "x").storage_options == {"host": "host", "port": 8888, "username": "joe", "key_file": "k"}
    assert upath.UPath("secftp://host/a") != upath.UPath("secftp://another/a")
    assert "secret" not in repr(upath.UPath("secftp://host/a", key="a secret"))


def test_files(directory, served):
    path = directory / "a" / "b c.txt"
    path.parent.mkdir()
    path.write_text("contents\n")
    assert (served / "a" / "b c.txt").read_bytes() == b"contents\n"
    assert path.read_text() == "contents\n"
    assert path.exists()
    assert path.is_file()
    assert not path.is_dir()
    assert path.stat().st_size == 9
    assert path.stat().st_mtime == pytest.approx((served / "a" / "b c.txt").stat().st_mtime, abs=1)
    with path.open("rb") as file:
        assert file.read(3) == b"con"
    other = path.with_name("other")
    other.touch()
    assert sorted(directory.rglob("*")) == [path.parent, path, other]
    assert list(directory.glob("a/*.txt")) == [path]
    assert [(top.path, *names) for top, *names in directory.walk()] == [
        ("/", ["a"], []),
        ("/a", [], ["b c.txt", "other"]),
    ]
    other.unlink()
    other.unlink(missing_ok=True)
    for call in (other.unlink, other.read_bytes, other.stat, lambda: list(other.iterdir())):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            call()


def test_directories(directory, served):
    with pytest.raises(FileNotFoundError):
        (directory / "a" / "b").mkdir()
    (directory / "a" / "b").mkdir(parents=True)
    with pytest.raises(FileExistsError):
        (directory / "a").mkdir()
    (directory / "a" / "b").mkdir(parents=True, exist_ok=True)
    with pytest.raises(OSError, match="not empty"):
        (directory / "a").rmdir(recursive=False)
    (directory / "a" / "b").rmdir(recursive=False)
    assert listing(served) == ["a"]
    (directory / "a" / "file").write_bytes(b"x")
    (directory / "a").rmdir()
    assert listing(served) == []


def test_renaming_and_copying(directory, served, tmp_path):
    first, second = directory / "first", directory / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    assert first.rename(second) == second
    assert (listing(served), (served / "second").read_bytes()) == (["second"], b"1")
    first.write_bytes(b"3")
    assert first.replace("/second") == second
    assert second.read_bytes() == b"3"
    (directory / "d").mkdir()
    second.copy(directory / "d" / "copy")
    (directory / "d").copy(upath.UPath(tmp_path / "local"))
    assert (tmp_path / "local" / "copy").read_bytes() == b"3"
    upath.UPath(tmp_path / "local").copy(directory / "back")
    (directory / "back" / "copy").move(directory / "moved")
    assert listing(served) == ["back", "d", "d/copy", "moved", "second"]
