"""`Client.copy` and `copytree`: what they return, what they raise, and with which hint."""

from __future__ import annotations

import os
import threading

import pytest

import secftp
from secftp.errors import AlreadyExists, FileError, Forbidden, IsADirectory, NotADirectory, NotFound
from secftp.protocol import Bye, SessionLimits, Welcome
from tests.support.copying import OLD, contents, look, make
from tests.support.programs import at_once, remote, root, served
from tests.support.serving import HOST, KEY, fake_server, listing

__all__ = ["remote", "root", "served"]


@pytest.fixture
def tree(root):
    make(root, {b"a": b"1", b"dir/b": b"22", b"dir/below/c": b"333", b"dir/empty/": b""}, mode=0o640)
    os.utime(root / "dir" / "empty", ns=(OLD, OLD))
    return root


def test_a_file(remote, tree):
    assert remote.copy("a", "dir/new") == 1
    assert look(tree / "dir")[b"new"] == look(tree)[b"a"]
    assert remote.copy(b"dir/b", tree.__class__("a")) == 2
    assert (tree / "a").read_bytes() == b"22"


REFUSED = {
    "nothing": (("none", "x"), {}, NotFound),
    "to nowhere": (("a", "none/x"), {}, NotFound),
    "a directory": (("dir", "x"), {}, IsADirectory),
    "over a directory": (("a", "dir"), {}, IsADirectory),
    "onto itself": (("a", "./a"), {}, Forbidden),
    "over a file": (("a", "dir/b"), {"overwrite": False}, AlreadyExists),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_not_copied(remote, tree, what):
    arguments, options, problem = REFUSED[what]
    before = look(tree)
    with pytest.raises(problem) as failure:
        remote.copy(*arguments, **options)
    assert (failure.value.filename, failure.value.filename2) == arguments
    assert ("copytree" in failure.value.hint) == (what == "a directory")
    assert look(tree) == before


def test_a_tree(remote, tree):
    done = remote.copytree("dir", "other")
    assert (done.files, done.bytes, done.failed, done.skipped) == (2, 5, 0, 0)
    assert look(tree / "other") == look(tree / "dir")


def test_a_tree_without_overwriting(remote, tree):
    make(tree / "other", {b"b": b"stays"})
    skipped = []
    done = remote.copytree("dir", "other", overwrite=False, on_skip=lambda *told: skipped.append(told))
    assert (done.files, done.skipped, skipped) == (1, 1, [("dir/b", "it already exists")])
    assert contents(tree / "other") == {b"b": b"stays", b"below/c": b"333"}


def test_what_fails_in_a_tree_is_told(remote, tree):
    make(tree / "other", {b"below": b"in the way"})
    failures, seen = [], []
    done = remote.copytree("dir", "other", on_error=lambda *told: failures.append(told), on_progress=seen.append)
    assert (done.files, done.failed) == (1, 1)
    assert [(name, type(error)) for name, error in failures] == [("dir/below", AlreadyExists)]
    assert (seen[-1].files, seen[-1].bytes) == (1, 2)
    with pytest.raises(secftp.CopyIncomplete) as failure:
        remote.copytree("dir", "other")
    assert failure.value.summary.failed == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("none", "x"), NotFound),
        (("a", "x"), NotADirectory),
        (("dir", "none/x"), NotFound),
        (("dir", "dir/below/x"), Forbidden),
        (("dir", "dir"), Forbidden),
    ],
)
def test_a_tree_that_is_not_copied(remote, tree, arguments, problem):
    before = listing(tree)
    with pytest.raises(problem):
        remote.copytree(*arguments)
    assert listing(tree) == before
    assert remote.exists("a"), "the connection is used again"


def test_threads_copy_at_once(remote, tree):
    def work(number):
        for again in range(5):
            assert remote.copy("a", f"{number}-{again}") == 1
            assert remote.copytree("dir", f"t{number}-{again}").files == 2

    at_once(4, work)
    assert sum(name.startswith("t") and "/" not in name for name in listing(tree)) == 20
    assert threading.active_count() < 20


def test_an_older_server_is_told_of(tmp_path):
    def play(wire):
        limits = SessionLimits(requests=16, keepalive=15, idle=60)
        wire.send(Welcome(version=1, software="old", capabilities=("stat", "list", "change"), limits=limits))
        while wire.receive() not in (None, Bye()):
            pass

    for copy in (lambda client: client.copy("a", "b"), lambda client: client.copytree("a", "b")):
        with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", key=KEY) as client:
            with pytest.raises(FileError, match="the server can't copy files") as failure:
                copy(client)
            assert "Get the file and put it back" in failure.value.hint
