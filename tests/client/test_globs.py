"""Wildcards in remote names: what they match, what they cost, and that nothing else is meant."""

from __future__ import annotations

import glob
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secftp.client.globs import expand, expand_one
from secftp.errors import InputOutputError, NotFound, ProtocolError
from secftp.protocol import Kind
from secftp.storage.attributes import FileInfo
from secftp.storage.local import LocalStore
from secftp.storage.store import ScanEntry
from secftp.url import parse_url
from tests.storage.test_scan import BreakingScandir

FILES = (
    "a.txt", "b.txt", "x[1].txt", "x1.txt", "*", "what?", ".hidden", "logs/2025/jan.log", "logs/2025/feb.log",
    "logs/2026/jan.log", "logs/2026/.hid/z.log", "logs/readme", ".git/config", "deep/a/b/c/a.txt",
)  # fmt: skip


def fill(directory):
    for name in FILES:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.fixture
def session(root, client):
    fill(root)
    return client


def names(session, *patterns, **options):
    urls = expand(session, [parse_url(f"secftp://h/{pattern}") for pattern in patterns], **options)
    assert all(url.pattern is None or url.path == parse_url(f"secftp://h/{url.pattern}").path for url in urls)
    return [b"/".join(url.path).decode() + "/" * (url.trailing_slash and bool(url.path)) for url in urls]


MATCHES = {
    "*.txt": ["a.txt", "b.txt", "x1.txt", "x[1].txt"],
    "?.txt": ["a.txt", "b.txt"],
    "[!a].txt": ["b.txt"],
    ".*": [".git", ".hidden"],
    "logs/*/jan.log": ["logs/2025/jan.log", "logs/2026/jan.log"],
    "logs/*/": ["logs/2025/", "logs/2026/"],
    "l*/20*/*": ["logs/2025/feb.log", "logs/2025/jan.log", "logs/2026/jan.log"],
    "**/jan.log": ["logs/2025/jan.log", "logs/2026/jan.log"],
    "**/a.txt": ["a.txt", "deep/a/b/c/a.txt"],
    # These exist as they were written.
    "x[1].txt": ["x[1].txt"],
    "*": ["*"],
    "*/": ["deep/", "logs/"],
    "what?": ["what?"],
    # What was written with a percent sign is no wildcard.
    "x%5B1%5D.txt": ["x[1].txt"],
    "l%6Fgs/*/feb.log": ["logs/2025/feb.log"],
    "%2A*": ["*"],
}
NO_MATCHES = ("*.pdf", "nothing/*", "a.txt/*", "logs/*/*/*", "%2Ahid*", "logs/**/*.pdf", "??", "*.txt/")


def test_what_patterns_match(session):
    for pattern, found in MATCHES.items():
        assert names(session, pattern) == found, pattern
    assert names(session, *MATCHES) == [name for found in MATCHES.values() for name in found]


def test_a_pattern_without_a_match_is_an_error(session):
    for pattern in NO_MATCHES:
        with pytest.raises(NotFound, match="nothing matches this pattern") as caught:
            names(session, "*.txt", pattern)
        assert caught.value.filename == parse_url(f"secftp://h/{pattern}").pattern
        assert names(session, pattern, "a.txt", missing_ok=True) == ["a.txt"]


def test_a_directory_stands_for_its_contents(session):
    assert names(session, "deep/**", whole=True) == ["deep/a"]
    assert names(session, "deep/**") == ["deep/a", "deep/a/b", "deep/a/b/c", "deep/a/b/c/a.txt"]
    assert names(session, "**/a*", whole=True) == ["a.txt", "deep/a"]


def test_a_pattern_at_the_end_does_not_match_the_directory_itself(session):
    """As `rm -r 'logs/**'` has to keep it."""
    assert "logs" not in [name.rstrip("/") for name in names(session, "logs/**")]
    assert "logs" not in [name.rstrip("/") for name in names(session, "logs/**/")]
    assert names(session, "l*s/**", whole=True) == ["logs/2025", "logs/2026", "logs/readme"]


@pytest.mark.parametrize("pattern", ["logs/*/*", "logs/*/?", "**/jan.log", "l*/**/", "logs/**"])
def test_a_directory_that_cant_be_listed_is_not_taken_for_an_empty_one(session, pattern, monkeypatch):
    monkeypatch.setattr(os, "scandir", BreakingScandir("feb.log"))
    with pytest.raises(InputOutputError, match=r"^logs/2025: "):
        names(session, pattern)


@pytest.mark.parametrize("pattern", ["*.txt", "*/a*", "*.txt/"])
def test_a_server_gets_no_name_in_that_the_pattern_does_not_match(session, monkeypatch, pattern):
    """`get 'host:*.txt' ~` must not make a .profile."""
    found = ScanEntry((b"a.txt", b".profile"), FileInfo(Kind.DIRECTORY if "/" in pattern else Kind.FILE, 0, 0, 0o755))
    monkeypatch.setattr(LocalStore, "scan", lambda *_, **__: (each for each in [found]))
    with pytest.raises(ProtocolError, match="an entry of another directory"):
        names(session, pattern)


def test_one_name_where_one_is_needed(session):
    def one(pattern):
        return expand_one(session, parse_url(f"secftp://h/{pattern}")).path

    assert one("a*") == (b"a.txt",)
    with pytest.raises(NotFound, match="names match this pattern"):
        one("?.txt")


WORDS = st.sampled_from(["*", "?", "a", "b", ".", "[ab]", "[!a]", "**", "/", "a*", ".*", "[", "]", "log"])


@given(st.lists(WORDS, min_size=1, max_size=6).map("".join))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_as_pythons_glob(session, root, pattern):
    """An independent oracle: the names of this machine, by Python's glob."""
    parts = [part for part in pattern.split("/") if part]
    if not parts or any(part in (".", "..") for part in parts) or not glob.has_magic(pattern):
        return
    pattern = "/".join(parts) + "/" * pattern.endswith("/")
    as_written = root / pattern
    if as_written.exists() and (as_written.is_dir() or not pattern.endswith("/")):
        expected = {pattern}
    else:
        count = len(parts)
        while parts[-1:] == ["**"]:
            parts.pop()
        below = ["**", "*"] * (len(parts) < count)  # Python's own would match the directory itself, too
        expected = set(
            glob.glob("/".join([*parts, *below]) + "/" * pattern.endswith("/"), root_dir=root, recursive=True)
        )
    try:
        found = names(session, pattern)
    except NotFound:
        found = []
    assert found == sorted(expected, key=lambda name: name.rstrip("/").encode().split(b"/"))


# --- the verbs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(root, secftp, monkeypatch):
    fill(root)
    monkeypatch.chdir(root.parent)
    return secftp


def test_verbs_with_several_matches(served, root):
    assert served("get", "-q", "//?.txt", "here/").code == 0
    assert sorted(os.listdir("here")) == ["a.txt", "b.txt"]
    served("get", "//logs/*/jan.log", "-").expect(6, "2 names match this pattern")
    served("get", "-q", "//[a]*", "-").succeed(b"a.txt")
    assert served("sum", "--checksum", "md5", "//?.txt", "//logs/2025/*").output.count(b"\n") == 4
    assert served("stat", "//?.txt").output.count(b"size") == 2
    assert b"jan.log" in served("ls", "//logs/*").output
    (root.parent / "copy").write_text("a.txt")
    assert served("verify", "copy", "//a*").code == 0
    served("verify", "copy", "//?.txt").expect(6, "2 names match this pattern, and one is needed")
    served("cp", "//?.txt", "//logs/2025/")
    assert (root / "logs/2025/b.txt").read_text() == "b.txt"
    served("mv", "//?.txt", "//logs/2026/")
    assert (root / "logs/2026/a.txt").exists()
    assert not (root / "a.txt").exists()


def test_what_is_removed_is_what_matches(served, root):
    before = sorted(FILES)
    served("rm", "-q", "//logs/*/jan.log", "//x[1].txt")
    assert before == sorted([*_below(root), "logs/2025/jan.log", "logs/2026/jan.log", "x[1].txt"])
    served("rm", "//a*", "//*.pdf").expect(6, "nothing matches this pattern")  # and nothing is removed
    assert (root / "a.txt").exists()
    assert served("rm", "-f", "//*.pdf").code == 0
    served("rm", "//*gs").expect(7, "logs: it is a directory")
    served("rm", "-r", "//deep/**")
    assert (root / "deep").is_dir()
    assert not list((root / "deep").iterdir())


def test_one_match_among_several_that_fails(served, root):
    """The others are done, and the exit code is that of several operands."""
    (root / "c.txt").mkdir()
    result = served("rm", "//[abc].txt")
    assert (result.code, "c.txt: it is a directory" in result.errors) == (1, True)
    assert not (root / "a.txt").exists()


def test_a_new_name_is_not_a_pattern(served, root):
    served("mv", "//a.txt", "//new*")
    assert (root / "new*").exists()
    served("mkdir", "//dir*")
    assert (root / "dir*").is_dir()


def _below(root):
    return [os.fspath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
