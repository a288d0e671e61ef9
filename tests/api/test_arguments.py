"""Path arguments of the Python API: every type of path, byte for byte, and none that leads elsewhere."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from secftp.api import arguments
from secftp.errors import IsADirectory, NameRefused

NO_UTF8 = b"\xff\xfe"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("a", (b"a",)),
        ("a/b", (b"a", b"b")),
        (b"a/b", (b"a", b"b")),
        (Path("a") / "b", (b"a", b"b")),
        (PurePosixPath("a/b"), (b"a", b"b")),
        (PureWindowsPath("a\\b"), (b"a", b"b")),
        ("a\\b", (b"a\\b",)),
        ("./a/./b", (b"a", b"b")),
        ("a//b/", (b"a", b"b")),
        ("", ()),
        (".", ()),
        ("/", ()),
        ("ü", ("ü".encode(),)),
        (NO_UTF8, (NO_UTF8,)),
        ("\udcff\udcfe", (NO_UTF8,)),
        ("new\nline", (b"new\nline",)),
        ("x" * 255, (b"x" * 255,)),
    ],
)
def test_a_name_is_what_the_wire_takes(given, path):
    assert arguments.directory_path(given) == path
    if path:
        assert arguments.file_path(given) == path
    else:
        with pytest.raises(IsADirectory):
            arguments.file_path(given)


@pytest.mark.parametrize(
    "given", ["..", "a/..", "../a", "/..", "a/../b", b"..", Path("..") / "a", PurePosixPath("/../a")]
)
def test_nothing_leads_upwards(given):
    with pytest.raises(NameRefused):
        arguments.directory_path(given)
    with pytest.raises(NameRefused):
        arguments.directory_path(given, (b"base",))


@pytest.mark.parametrize("given", ["nul\0", "x" * 256, "/".join(["x"] * 65), "/".join(["x" * 200] * 30), "\ud800"])
def test_what_no_server_takes_is_refused_here(given):
    with pytest.raises(NameRefused) as refused:
        arguments.directory_path(given)
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, OSError)


@pytest.mark.parametrize("given", [None, 3, 1.5, ["a"], object()])
def test_what_is_no_path_is_a_type_error(given):
    with pytest.raises(TypeError):
        arguments.directory_path(given)


def test_names_begin_in_the_directory_of_the_url_unless_they_begin_with_a_slash():
    base = (b"base", b"of all")
    assert arguments.directory_path("a", base) == (*base, b"a")
    assert arguments.directory_path("", base) == base
    assert arguments.directory_path("/a", base) == (b"a",)
    assert arguments.directory_path("/", base) == ()
    assert arguments.directory_path(PurePosixPath("/a"), base) == (b"a",)


@pytest.mark.parametrize(
    ("given", "directory"),
    [("a", False), ("a/", True), ("", True), (".", True), ("a/.", True), (b"a/", True), ("a.", False)],
)
def test_what_names_a_directory_by_its_spelling(given, directory):
    assert arguments.is_directory_name(given) is directory


def test_what_comes_back_is_of_the_kind_that_went_in():
    assert arguments.join_path("a", NO_UTF8) == "a/\udcff\udcfe"
    assert arguments.join_path(b"a", NO_UTF8) == b"a/" + NO_UTF8
    assert arguments.join_path("", b"x") == "x"
    assert arguments.join_path("/", b"x") == "/x"
    assert arguments.join_path(b"a/", b"x") == b"a/x"
    assert arguments.directory_path(arguments.join_path("a", NO_UTF8)) == (b"a", NO_UTF8)


def test_one_path_or_several():
    assert arguments.path_list("ab") == ["ab"]
    assert arguments.path_list(b"ab") == [b"ab"]
    assert arguments.path_list(Path("ab")) == [Path("ab")]
    assert arguments.path_list(iter(["a", Path("b")])) == ["a", Path("b")]
