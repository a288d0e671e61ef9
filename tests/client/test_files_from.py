"""`--files-from`: what a list means, both ways; rsync is the model, and where it is installed, the judge."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secftp.client.name_list import parse_names
from secftp.errors import UsageError
from tests.support.command_line import run
from tests.support.copying import contents, look, make

TREE = {b"a/b/x": b"1", b"a/z": b"2", b"y": b"3", b"#odd": b"4", b"two\nlines": b"5", b"e/": b"", b"other/q": b"6"}


@pytest.fixture
def both(tmp_path):
    make(tmp_path / "root" / "src", TREE)
    make(tmp_path / "here" / "src", TREE)
    return tmp_path


def copy(secftp, both, way, names, *options):
    """Copy what a list names, in one direction; the result and what has arrived."""
    (both / "list").write_bytes(names)
    shutil.rmtree(both / "here" / "to", ignore_errors=True)
    shutil.rmtree(both / "root" / "to", ignore_errors=True)
    if way == "put":
        result = secftp("put", *options, "--files-from", both / "list", both / "here" / "src", "//to")
        return result, both / "root" / "to"
    result = secftp("get", *options, "--files-from", both / "list", "//src", both / "here" / "to")
    return result, both / "here" / "to"


@pytest.fixture(params=["put", "get"])
def way(request):
    return request.param


LISTS = {
    "lines": (b"a/b/x\ny\n", (), {b"a/b/x", b"y"}),
    "no line end": (b"a/b/x\r\ny", (), {b"a/b/x", b"y"}),
    "comments": (b"#odd\n;y\n\n  \ny\n./#odd\n", (), {b"y", b"#odd"}),
    "null": (b"#odd\0two\nlines\0y\0", ("-0",), {b"#odd", b"two\nlines", b"y"}),
    "another spelling": (b"two\nlines\0", ("--null",), {b"two\nlines"}),
    "twice": (b"y\ny\n./y\n//y\n", (), {b"y"}),
    "below": (b"./a//b/x\n/a/z\n", (), {b"a/b/x", b"a/z"}),
    "patterns": (b"a/b/x\na/z\ny\n", ("--exclude", "z"), {b"a/b/x", b"y"}),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists(secftp, both, way, case):
    names, options, expected = LISTS[case]
    result, there = copy(secftp, both, way, names, *options)
    found = look(there)
    whole = look(both / "root" / "src")
    assert {name for name, (_, _, _, data) in found.items() if data is not None} == expected
    assert all(found[name] == whole[name] for name in expected), "with permissions and times"
    assert result.code == (1 if case == "comments" else 0), "a name of two spaces is one that is missing"


def test_directories_are_created_and_what_is_in_them_is_not_copied(secftp, both, way):
    result, there = copy(secftp, both, way, b".\n./a\n./a/b\n./a/z\n./e\n./other\n")
    result.succeed()
    assert contents(there) == {b"a/z": b"2"}
    assert sorted(os.listdir(there)) == ["a", "e", "other"]


def test_symlinks_are_followed_only_if_that_is_wanted(secftp, both):
    """Who may write into the source must not have other files of this machine sent."""
    make(both / "here" / "outside", {b"secret": b"s"})
    (both / "here" / "src" / "link").symlink_to("../outside")
    (both / "here" / "src" / "a" / "file").symlink_to("../../outside/secret")
    names = b"link/secret\na/file\nlink\ny\nlink/nothing\n"
    result, there = copy(secftp, both, "put", names)
    assert (result.code, contents(there)) == (0, {b"y": b"3"})
    assert "4 symlinks were left out: link/secret, a/file, link, 1 more." in result.errors
    result, there = copy(secftp, both, "put", names, "-L")
    assert (result.code, contents(there)) == (1, {b"y": b"3", b"link/secret": b"s", b"a/file": b"s"})


def test_what_is_missing_is_told_and_the_rest_is_copied(secftp, both, way):
    result, there = copy(secftp, both, way, b"nothing\ny\na/nothing\ny/below\n")
    assert result.code == 1
    assert contents(there) == {b"y": b"3"}
    for name in ("nothing", "a/nothing", "y/below"):
        assert f"{name}\n" in result.errors or f"{name}: " in result.errors
    assert "3 failed" in result.errors


def test_nothing_is_made_in_a_dry_run(secftp, both, way):
    result, there = copy(secftp, both, way, b"y\na/b/x\ne\n", "--dry-run")
    assert (result.code, result.output) == (0, b"/src/y\n/src/a/b/x\n" if way == "get" else b"y\na/b/x\n")
    assert not there.exists()


@pytest.mark.parametrize("names", [b"../y\n", b"a/../y\n", b"..\n", b"y\0x\n"])
def test_names_that_lead_out_are_refused_before_anything_is_copied(secftp, both, way, names):
    result, there = copy(secftp, both, way, b"y\n" + names)
    result.expect(2, "The list of --files-from has a name that can't be used")
    assert not there.exists()


def test_standard_input(tmp_path, secftp, both):
    url = secftp.url("to")
    done = run(
        tmp_path, "put", "--key-file", both / "key", "-0", "--files-from", "-", both / "here" / "src", url,
        stdin=b"y\0a/z\0",
    )  # fmt: skip
    done.succeed()
    assert contents(both / "root" / "to") == {b"y": b"3", b"a/z": b"2"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["put", "--files-from", "l", "a", "b", "secftp://h/x"], "With --files-from there is one source"),
        (["get", "--files-from", "l", "secftp://h/a", "secftp://h/b", "x"], "With --files-from there is one source"),
        (["put", "--files-from", "l", "-", "secftp://h/x"], "With --files-from the source is a directory."),
        (["get", "--files-from", "l", "secftp://h/x", "-"], "With --files-from the target is a directory."),
        (["put", "-0", "a", "secftp://h/x"], "--from0 is about --files-from"),
    ],
)
def test_what_does_not_go_with_it(secftp, arguments, said):
    secftp(*arguments).expect(2, said)


def test_a_source_that_is_no_directory(secftp, both):
    (both / "list").write_bytes(b"y\n")
    secftp("put", "--files-from", both / "list", both / "here" / "src" / "y", "//to").expect(13, "Not a directory")
    secftp("put", "--files-from", both / "none", both / "here" / "src", "//to").expect(13, "No such file")
    secftp("put", "--files-from", both / "list", both / "none", "//to").expect(13, "No such file")


@given(st.binary(max_size=40), st.booleans())
def test_no_list_leads_out(data, is_null):
    try:
        paths = parse_names(data, is_null=is_null)
    except UsageError:
        return
    for path in paths:
        assert path
        assert not {b"", b".", b".."} & set(path)
        assert not any(b"/" in part or b"\0" in part for part in path)


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
@pytest.mark.parametrize("case", LISTS)
def test_rsync_copies_the_same(secftp, both, case):
    names, options, _ = LISTS[case]
    (both / "list").write_bytes(names)
    (both / "judge").mkdir()
    zero = ["--from0"] if {"-0", "--null"} & set(options) else []
    patterns = [word for word in options if word not in ("-0", "--null")]
    subprocess.run(
        ["rsync", "-a", *zero, *patterns, f"--files-from={both}/list", f"{both}/here/src/", f"{both}/judge"],
        check=False, capture_output=True,
    )  # fmt: skip
    _, there = copy(secftp, both, "put", names, *options)
    copied = contents(there)
    if zero:
        copied.pop(b"#odd", None)  # which rsync takes for a comment, although find -print0 writes none
    assert copied == contents(both / "judge")
