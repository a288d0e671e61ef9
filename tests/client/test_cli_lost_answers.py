"""rm, cp, mv and mkdir with lost replies: done once, and reported as success."""

from __future__ import annotations

import pytest

from secftp.errors import ExitCode
from tests.support.command_line import SECRET_KEY, run
from tests.support.copying import make
from tests.support.losing import losing
from tests.support.serving import HOST, listing, serving


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "root", {b"a": b"1", b"tree/b": b"2", b"empty/": b""})


LOST = {
    "rm": (["rm", "/a"], "remove", "Removed", ["empty", "tree", "tree/b"]),
    "rm -r": (["rm", "-r", "/tree"], "to remove: tree ", "to remove: tree ", ["a", "empty"]),
    "mv": (["mv", "/a", "/z"], "rename", "Renamed", ["empty", "tree", "tree/b", "z"]),
    "mv into": (["mv", "/a", "/empty"], "to: empty/a", "Renamed", ["empty", "empty/a", "tree", "tree/b"]),
    "mv of a directory": (["mv", "/tree/", "/t"], "rename", "Renamed", ["a", "empty", "t", "t/b"]),
    "cp": (["cp", "/a", "/z"], "to copy", "Copied", ["a", "empty", "tree", "tree/b", "z"]),
    "cp -n": (["cp", "-n", "/a", "/z"], "to copy", "Copied", ["a", "empty", "tree", "tree/b", "z"]),
    "cp into": (["cp", "/a", "/empty"], "to: empty/a", "Copied", ["a", "empty", "empty/a", "tree", "tree/b"]),
    "cp -r": (["cp", "-r", "/tree", "/t"], "to copy", "Copied", ["a", "empty", "t", "t/b", "tree", "tree/b"]),
    "cp -r, its directory": (
        ["cp", "-r", "/tree", "/t"],
        "make directory",
        "Directory made",
        ["a", "empty", "t", "t/b", "tree", "tree/b"],
    ),
    "mkdir": (["mkdir", "/new"], "make directory", "Directory made", ["a", "empty", "new", "tree", "tree/b"]),
    "mkdir -p": (
        ["mkdir", "-p", "/tree/c"],
        "make directory",
        "Directory made",
        ["a", "empty", "tree", "tree/b", "tree/c"],
    ),
}


@pytest.mark.parametrize(("words", "begin", "done", "left"), LOST.values(), ids=LOST)
def test_a_change_whose_answer_is_lost_is_done_once(tmp_path, root, words, begin, done, left):
    with serving(root, key=SECRET_KEY) as server, losing(server.port) as way:
        way.cut_when(lambda: done in server.log.text, after=lambda: begin in server.log.text)
        url = f"secftp://{HOST}:{way.port}"
        run(tmp_path, *(url + word if word.startswith("/") else word for word in words)).succeed()
    assert listing(root) == left


FAILING = {
    "cp": (["cp", "/none", "/z"], ExitCode.NOT_FOUND),
    "cp onto itself": (["cp", "/a", "/a"], ExitCode.REFUSED),
    "mv": (["mv", "/none", "/z"], ExitCode.NOT_FOUND),
    "mv -n": (["mv", "-n", "/a", "/tree/b"], ExitCode.EXISTS),
    "mkdir": (["mkdir", "/empty"], ExitCode.EXISTS),
    "rm": (["rm", "/tree"], ExitCode.REFUSED),
}


@pytest.mark.parametrize(("words", "code"), FAILING.values(), ids=FAILING)
def test_what_fails_fails_the_second_time_too(tmp_path, root, words, code):
    before = listing(root)
    with serving(root, key=SECRET_KEY) as server, losing(server.port) as way:
        changes = ("to remove", "to copy", "to rename", "to make")
        way.cut_when(
            lambda: any(word in server.log.text for word in changes) and "Refused" in server.log.text,
            after=lambda: any(word in server.log.text for word in changes),
        )
        url = f"secftp://{HOST}:{way.port}"
        done = run(tmp_path, *(url + word if word.startswith("/") else word for word in words))
    assert done.code == code, done.errors
    assert listing(root) == before


def test_a_server_that_does_not_come_back_is_a_lost_connection(tmp_path, root):
    with serving(root, key=SECRET_KEY) as server, losing(server.port) as way:
        way.cut_when(lambda: "Removed" in server.log.text, after=lambda: "remove" in server.log.text, for_good=True)
        run(tmp_path, "rm", f"secftp://{HOST}:{way.port}/a").expect(ExitCode.CONNECTION_LOST)
