"""Symlinks and special files at a server: told once with a count, removed themselves, and never followed."""

from __future__ import annotations

import os

import pytest

from secftp.client.left_out import Others
from secftp.errors import FileError, NotFound, UsageError
from secftp.protocol import Capability, Info, Kind, List, Remove
from secftp.text import counted


@pytest.fixture
def linked(root, secftp, monkeypatch):
    """A tree with links in it that lead out of it, beside what they lead to."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "file").write_text("1")
    (root / "other").write_text("2")
    (root / "d" / "up").symlink_to("../../outside")
    (root / "d" / "e" / "file").symlink_to("../../other")
    (root / "d" / "e" / "dangling").symlink_to("nowhere")
    (root / "d" / "e" / "self").symlink_to(".")
    os.mkfifo(root / "d" / "pipe")
    monkeypatch.chdir(root.parent)
    yield secftp
    assert (outside / "kept").read_text() == "kept"


def test_rm_r_removes_links_themselves(linked, root):
    result = linked("rm", "-r", "//d")
    assert (result.code, os.listdir(root)) == (0, ["other"])
    assert "Note: 4 symlinks and 1 special file were removed, not followed: d/" in result.errors
    assert result.errors.endswith("2 more.\n")


def test_rm_r_of_a_link(linked, root):
    (root / "link").symlink_to("d")
    assert linked("rm", "-r", "//link/").code == 6
    assert linked("rm", "-r", "//link").code == 0
    assert not (root / "link").is_symlink()
    assert (root / "d" / "file").exists()
    assert linked("rm", "-r", "//link").code == 6
    assert linked("rm", "-rf", "//link").code == 0
    (root / "link").symlink_to("d")
    assert linked("rm", "//link").code == 0


def test_get_ls_and_verify_tell_them_once(linked, root):
    result = linked("ls", "//d")
    assert (result.code, result.output) == (0, b"e/\nfile\n")
    assert (
        result.errors == "Note: 1 symlink and 1 special file were left out: d/pipe, d/up.\n"
        or "d/up, d/pipe" in result.errors
    )
    assert "Note: 4 symlinks and 1 special file were left out: " in linked("ls", "-R", "//d").errors
    assert "left out" not in linked("ls", "//").errors
    assert "left out" not in linked("ls", "-q", "//d").errors
    result = linked("get", "//d", "here")
    assert (result.code, result.errors.count("Note: "), os.listdir("here/e")) == (0, 1, [])
    assert "Note: 4 symlinks and 1 special file were left out: d/" in result.errors
    assert all(
        name in linked("get", "-v", "//d", "again").errors for name in ("d/up", "d/e/self", "d/e/file", "d/pipe")
    )
    os.symlink("x", "here/link")
    result = linked("verify", "here", "//d")
    assert (
        result.code,
        "Note: 5 symlinks and 1 special file were left out, here or on the server: " in result.errors,
    ) == (0, True)


def test_put_tells_them_once(linked, root):
    os.rename(root / "d", "d")
    result = linked("put", "d", "//")
    assert (result.code, result.errors.count("Note: ")) == (0, 1)
    assert "Note: 4 symlinks and 1 special file were left out: d/" in result.errors


def test_a_listing_tells_of_them_only_if_it_is_asked(root, client):
    (root / "link").symlink_to("/etc")
    os.mkfifo(root / "pipe")
    assert [entry.path for entry in client.list(())] == []
    for recursive in (False, True):
        found = sorted(
            (entry.path, entry.kind, entry.size) for entry in client.list((), recursive=recursive, others=True)
        )
        assert found == [((b"link",), Kind.SYMLINK, 0), ((b"pipe",), Kind.SPECIAL, 0)]


def test_an_older_server_says_what_is_in_the_way(linked, monkeypatch, root):
    """It ignores the field, and lists no links."""
    from secftp.server.requests import listing

    monkeypatch.setattr(
        listing, "scan", lambda context, request: context.store.scan(request.path, recursive=request.recursive)
    )
    result = linked("rm", "-r", "//d")
    assert (result.code, "the directory is not empty" in result.errors) == (1, True)
    assert (root / "d" / "up").is_symlink()


def test_these_kinds_are_for_listings_alone():
    for kind in (Kind.SYMLINK, Kind.SPECIAL):
        with pytest.raises(UsageError):
            Info(id=1, kind=kind, size=0, mtime_ns=0, mode=0)
        assert Remove(id=1, path=(b"x",), kind=kind).needs() is Capability.OTHERS
    assert not List(id=1).others


def test_the_sentence():
    others = Others()
    assert (others.sentence("left out"), others.count) == ("", 0)
    others.add(b"a\n", Kind.SYMLINK)
    assert others.sentence("left out") == "1 symlink was left out: a\\n."
    for name in (b"b", b"c", b"d", b"e"):
        others.add((name, b"x"), Kind.SPECIAL)
    assert others.sentence("kept") == "1 symlink and 4 special files were kept: a\\n, b/x, c/x, 2 more."
    assert [counted(number, "entry", "entries") for number in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]


def test_a_link_is_removed_only_as_one(root, client):
    """What is of another kind stays, and what a link leads to."""
    (root / "d").mkdir()
    (root / "d" / "kept").write_text("1")
    (root / "file").write_text("1")
    (root / "link").symlink_to("d")
    os.mkfifo(root / "pipe")
    for name, kind in ((b"link", Kind.SPECIAL), (b"pipe", Kind.SYMLINK), (b"file", Kind.SYMLINK), (b"d", Kind.SPECIAL)):
        with pytest.raises(NotFound):
            client.remove((name,), kind=kind)
    for kind in (None, Kind.FILE, Kind.DIRECTORY):
        with pytest.raises(FileError):
            client.remove((b"link",), kind=kind)
    assert sorted(os.listdir(root)) == ["d", "file", "link", "pipe"]
    client.remove((b"link",), kind=Kind.SYMLINK)
    client.remove((b"pipe",), kind=Kind.SPECIAL)
    assert sorted(os.listdir(root)) == ["d", "file"]
    assert os.listdir(root / "d") == ["kept"]
