"""`Client.glob`: what `glob.glob` finds in the served directory, with few requests; no failure is taken for nothing."""

from __future__ import annotations

import glob
import os
import random
from pathlib import PurePosixPath

import pytest

import secftp
from secftp.api import globbing
from tests.storage.test_scan import BreakingScandir
from tests.support.counts import COUNTS
from tests.support.programs import remote, root, served
from tests.support.serving import HOST, KEY, serving
from tests.support.turns import counted_turns
from tests.transfer.test_unreadable_entries import sick

__all__ = ["remote", "root", "served", "sick"]

pytestmark = pytest.mark.exhaustive

NAMES = ["a", "b.csv", "ab", ".hidden", "[x]", "A", "ü", "data", "x y", "c.CSV", "b\\c", "-", "~", "new\nline"]
PARTS = ["*", "?", "*.csv", "**", "[ab]*", "[!a]*", ".*", "a", "data", "*.[cC]*", "??", "ü", "[[]x]", "a**", "nothing"]
PATTERNS = 400


@pytest.fixture
def tree(root):
    """A tree with names of all kinds, hidden ones, and directories named like files."""
    dice = random.Random(7)

    def fill(directory, depth):
        for name in dice.sample(NAMES, 6):
            if depth and dice.random() < 0.6:
                (directory / name).mkdir()
                fill(directory / name, depth - 1)
            else:
                (directory / name).write_bytes(b"1")

    fill(root, 3)
    return root


def expected(root, pattern, *, include_hidden=False):
    """Of a `nothing/**` the standard library finds `nothing/`, even if that is a file or does not exist."""
    found = glob.glob(pattern, root_dir=root, recursive=True, include_hidden=include_hidden)
    return {path for path in found if os.path.lexists(root / path) and not (path[-1:] == "/" and is_file(root, path))}


def is_file(root, path):
    return (root / path.rstrip("/")).is_file()


def same(found, wanted):
    """Whether both are the same paths; two ways to match a directory may differ in its slash."""
    assert len(found) == len(set(found)), "something comes twice"
    return {path.rstrip("/") for path in found} == {path.rstrip("/") for path in wanted}


@pytest.mark.parametrize("include_hidden", [False, True])
def test_the_paths_are_those_of_the_standard_library(remote, tree, include_hidden, record_property):
    dice, matches = random.Random(11), 0
    for _ in range(PATTERNS):
        parts = [dice.choice(PARTS) for _ in range(dice.randint(1, 4))]
        pattern = "/".join(parts) + "/" * (dice.random() < 0.3)
        found = list(remote.glob(pattern, include_hidden=include_hidden))
        wanted = expected(tree, pattern, include_hidden=include_hidden)
        assert same(found, wanted), pattern
        if "**" not in parts:
            assert set(found) == wanted, pattern
        matches += len(found)
    record_property(COUNTS, f"[glob] {PATTERNS} patterns, {matches} matches: those of glob.glob")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", {"x", "d"}),
        ("./*", {"./x", "./d"}),
        ("/*", {"/x", "/d"}),
        ("d//*", {"d/y", "d/e"}),
        ("*/", {"d/"}),
        ("d/**", {"d/", "d/y", "d/e", "d/e/z"}),
        ("d/**/", {"d/", "d/e/"}),
        ("**/**", {"x", "d", "d/y", "d/e", "d/e/z"}),
        ("**/z", {"d/e/z"}),
        ("d/e/z", {"d/e/z"}),
        ("d/e/z/", set()),
        ("d/e/", {"d/e/"}),
        ("d/./*/./z", {"d/./e/z"}),
        ("", set()),
        ("/", {"/"}),
        ("x/*", set()),
        ("missing/**", set()),
        ("missing", set()),
        (PurePosixPath("d/*"), {"d/y", "d/e"}),
    ],
)
def test_the_paths_begin_as_the_pattern(remote, root, pattern, found):
    (root / "d" / "e").mkdir(parents=True)
    for name in ("x", "d/y", "d/e/z"):
        (root / name).write_bytes(b"1")
    paths = list(remote.glob(pattern))
    assert sorted(paths) == sorted(found)
    if isinstance(pattern, str):
        assert sorted(remote.glob(pattern.encode())) == sorted(map(os.fsencode, found))
    for path in paths:
        assert remote.exists(path)


def test_a_name_is_escaped_as_for_the_standard_library(remote, root):
    for name in ("[x]", "x", "a*b", "aab"):
        (root / name).write_bytes(b"1")
    for name in ("[x]", "a*b"):
        assert list(remote.glob(glob.escape(name))) == [name]


def test_names_that_are_not_utf8(remote, root):
    (root / "d").mkdir()
    with open(os.fsencode(root) + b"/d/\xff.csv", "wb"):
        pass
    for pattern in (b"d/?.csv", b"*/*.csv", b"**/*.csv", b"*/\xff.csv"):
        assert list(remote.glob(pattern)) == [b"d/\xff.csv"]
    assert list(remote.glob("*/?.csv")) == ["d/\udcff.csv"]
    assert remote.stat("d/\udcff.csv").is_file()


def test_patterns_that_are_none(remote):
    for pattern in ("../*", "*/../*", "*/a\0", "*/" + "x" * 300):
        with pytest.raises(secftp.NameRefused):
            list(remote.glob(pattern))
    for pattern in (3, None, ["*"]):
        with pytest.raises(TypeError):
            remote.glob(pattern)


# --- what is not known ------------------------------------------------------------------------------------------------


def test_no_failure_is_taken_for_nothing(remote, served):
    remote.close()
    for pattern in ("*", "**", "a", "*/a"):
        with pytest.raises(secftp.UsageError):
            list(remote.glob(pattern))
    client = secftp.connect(served.server.url, KEY)
    served.server.stop()
    with client:
        for pattern in ("*", "**", "a", "*/a"):
            with pytest.raises(secftp.SecftpError):
                list(client.glob(pattern))


@pytest.mark.parametrize("pattern", ["d/*/*", "d/*/?", "**/f", "d/**/", "d/**"])
def test_a_directory_that_cant_be_listed_is_a_failure_or_reported(remote, root, pattern, monkeypatch):
    for name in ("d/one/f", "d/two/odd", "d/three/f"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"1")
    monkeypatch.setattr(os, "scandir", BreakingScandir("odd"))
    with pytest.raises(secftp.InputOutputError, match=r"^d/two: "):
        list(remote.glob(pattern))
    problems = []
    found = {path.rstrip("/") for path in remote.glob(pattern, onerror=problems.append)}
    above = {"d", "d/one", "d/two", "d/three"} if pattern.endswith(("**", "**/")) else set()
    assert found - {"d/two/odd"} == above | ({"d/one/f", "d/three/f"} if not pattern.endswith("/") else set())
    assert [(type(problem), problem.filename) for problem in problems] == [(secftp.InputOutputError, "d/two")]


@pytest.mark.parametrize("pattern", ["d/*", "*/*", "d/*/"])
def test_a_large_directory_whose_listing_breaks_off(remote, root, pattern, monkeypatch):
    monkeypatch.setattr(globbing, "AHEAD_ENTRIES", 10)
    for number in range(30):
        (root / "d" / str(number)).mkdir(parents=True)
    (root / "d" / "odd").write_bytes(b"1")
    monkeypatch.setattr(os, "scandir", BreakingScandir("odd"))
    with pytest.raises(secftp.InputOutputError, match=r"^d: "):
        list(remote.glob(pattern))
    problems = []
    assert len(list(remote.glob(pattern, onerror=problems.append))) >= 30
    assert [problem.filename for problem in problems] == ["d"]


def test_an_entry_that_the_server_cant_examine(remote, root, sick):
    """By its name it matches; where it has to be a directory, that is not known."""
    (root / "odd").mkdir()
    sick()
    assert "odd" in list(remote.glob("*"))
    for pattern in ("*/", "*/*"):
        with pytest.raises(secftp.Forbidden, match=r"^odd: "):
            list(remote.glob(pattern))
        problems = []
        list(remote.glob(pattern, onerror=problems.append))
        assert [problem.filename for problem in problems] == ["odd"]


# --- how many requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "count", "turns"),
    [
        ("**/*.csv", 300, 1),
        ("year/*/*.csv", 300, 3),
        ("year/*/a.csv", 300, 3),
        ("year/0*/", 100, 1),
        ("*/*/*/", 0, 4),
        ("year/007/a.csv", 1, 1),
    ],
)
def test_how_many_round_trips_it_takes(tmp_path, monkeypatch, pattern, count, turns):
    """Of the three hundred directories with a file each, 256 share a round trip."""
    for number in range(300):
        (tmp_path / "year" / f"{number:03}").mkdir(parents=True)
        (tmp_path / "year" / f"{number:03}" / "a.csv").write_bytes(b"1")
    with (
        serving(tmp_path) as server,
        counted_turns(monkeypatch) as line,
        secftp.connect(f"secftp://{HOST}:{server.port}", KEY) as client,
    ):
        client.exists("")
        before = line.turns
        assert sum(1 for _ in client.glob(pattern)) == count
        assert line.turns - before == turns


def test_large_directories_are_streamed(remote, root, monkeypatch):
    monkeypatch.setattr(globbing, "AHEAD_ENTRIES", 10)
    for number in range(30):
        (root / "d" / str(number)).mkdir(parents=True)
        (root / "d" / str(number) / "f").write_bytes(b"1")
    for pattern in ("d/*", "*/*", "*/*/f", "d/?/f", "d/*/*"):
        assert set(remote.glob(pattern)) == expected(root, pattern)
    iterator = remote.glob("*/*/f")
    next(iterator)
    iterator.close()
    assert remote.exists("d")


def test_the_directories_that_wait_are_bounded(remote, root, monkeypatch):
    for number in range(50):
        (root / str(number)).mkdir()
    monkeypatch.setattr(globbing, "MemoryBudget", lambda: secftp_budget(10_000))
    with pytest.raises(secftp.TooLarge):
        list(remote.glob("*/*"))
    assert len(list(remote.glob("*"))) == 50


def secftp_budget(most):
    from secftp.session.listings import MemoryBudget

    return MemoryBudget(most)
