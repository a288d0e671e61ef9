"""Where a copy ends up: each kind of source with each kind of target, by put, get and cp; the table in the docs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.copying import contents, make

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "directories.md"
SOURCES = {"a file `f`": ["f"], "a directory `d`": ["d"], "`f` and `g`": ["f", "g"]}
TARGETS = {
    "`t`, missing": ("t", None, ()),
    "`t`, a file": ("t", "file", ()),
    "`t`, a directory": ("t", "directory", ()),
    "t/, missing": ("t/", None, ()),
    "t/, a file": ("t/", "file", ()),
    "t/, a directory": ("t/", "directory", ()),
    "`-T` `t`, missing": ("t", None, ("-T",)),
    "`-T` `t`, a file": ("t", "file", ("-T",)),
    "`-T` `t`, a directory": ("t", "directory", ("-T",)),
    "`-T` t/, missing": ("t/", None, ("-T",)),
    "`-T` t/, a directory": ("t/", "directory", ("-T",)),
}
# Where cp refuses, or has no directory of that name to create: a slash stands for a directory here, in every case.
UNLIKE_CP = {("t/, missing", source) for source in SOURCES}


def prepare(sources, target, there):
    """Make the sources in one directory, and what is at the target in another."""
    make(sources, {b"f": b"new", b"g": b"new", b"d/x": b"new"})
    shutil.rmtree(target, ignore_errors=True)
    make(target, {None: {}, "file": {b"t": b"old"}, "directory": {b"t/old": b"old"}}[there])


def outcome(target, there):
    """What became of the target, in words."""
    found = contents(target)
    names = {name for name, data in found.items() if data == b"new"}
    kept = there == "directory" and b"t/old" in found
    if not names:
        assert found == {None: {}, "file": {b"t": b"old"}, "directory": {b"t/old": b"old"}}[there], "nothing is touched"
        return "refused"
    assert there != "directory" or kept, "nothing is removed"
    if names == {b"t/x"}:
        return "merged into `t`" if kept else "as `t`"
    tops = sorted({os.fsdecode(name.removesuffix(b"/x")) for name in names})
    return "as " + " and ".join(f"`{top}`" for top in tops)


def run_cp(sources, target, names, to, options):
    command = ["cp", "-r", *options, *(f"{sources}/{name}" for name in names), f"{target}/{to}"]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def table():
    """The table in the documentation, as {(target, source): outcome}."""
    text = PAGE.read_text()
    rows = re.search(r"<!-- targets: begin -->\n(.*?)<!-- targets: end -->", text, re.DOTALL)[1].strip().split("\n")
    head, _, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert head[1:] == list(SOURCES)
    return {(row[0], source): cell for row in rows for source, cell in zip(head[1:], row[1:], strict=True)}


def test_the_table_has_every_case(table):
    assert set(table) == {(target, source) for target in TARGETS for source in SOURCES}


@pytest.mark.parametrize("target", TARGETS)
def test_put_get_and_cp_do_what_the_table_says(secftp, tmp_path, table, target):
    to, there, options = TARGETS[target]
    root, here = tmp_path / "root", tmp_path / "here"
    for source, names in SOURCES.items():
        expected = table[target, source]
        prepare(here / "s", root / "t", there)
        code = secftp("put", *options, *(here / "s" / name for name in names), f"//t/{to}").code
        assert (outcome(root / "t", there), code == 0) == (expected, expected != "refused"), ("put", source)

        prepare(root / "s", here / "t", there)
        code = secftp("get", *options, *(f"//s/{name}" for name in names), f"{here}/t/{to}").code
        assert (outcome(here / "t", there), code == 0) == (expected, expected != "refused"), ("get", source)

        prepare(here / "s", here / "c", there)
        code = run_cp(here / "s", here / "c", names, to, options)
        agrees = (outcome(here / "c", there), code == 0) == (expected, expected != "refused")
        assert agrees == ((target, source) not in UNLIKE_CP), ("cp", source)


def test_the_same_put_lands_in_the_same_place(secftp, tmp_path):
    make(tmp_path / "here" / "d", {b"x": b"1", b"sub/y": b"2"}, mode=0o640)
    os.chmod(tmp_path / "here" / "d", 0o750)
    for _ in range(3):
        secftp("put", "-T", tmp_path / "here" / "d", "//night").succeed()
        assert contents(tmp_path / "root") == {b"night/x": b"1", b"night/sub/y": b"2"}
        secftp("get", "--no-target-directory", "//night", tmp_path / "back").succeed()
        assert contents(tmp_path / "back") == {b"x": b"1", b"sub/y": b"2"}
        os.chmod(tmp_path / "root" / "night", 0o700)
        os.chmod(tmp_path / "back", 0o700)
    secftp("put", "-T", tmp_path / "here" / "d", "//night").succeed()
    secftp("get", "-T", "//night", tmp_path / "back").succeed()
    assert (tmp_path / "root" / "night").stat().st_mode & 0o777 == 0o750, "it has the permissions of the source"
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["put", "-T", "a", "b", "secftp://h/x"], "With -T there is one source"),
        (["get", "-T", "secftp://h/a", "secftp://h/b", "x"], "With -T there is one source"),
        (["put", "-T", "--files-from", "l", ".", "secftp://h/x"], "-T can't be used with --files-from."),
    ],
)
def test_what_does_not_go_with_it(secftp, arguments, said):
    result = secftp(*arguments)
    assert (result.code, said in result.errors) == (2, True)
