"""Local trees: complete and in order, symlinks on demand, and errors confined to one entry."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import tracemalloc

import pytest

from secftp.errors import FileChanged, Forbidden, IsADirectory, NameRefused, NotADirectory, NotFound
from secftp.storage.names import partial_name, temporary_name
from secftp.storage.source import FileSource
from secftp.storage.tree import EntryKind, LocalFile, LocalTree, SmallContent

LIMIT = 32768


def walked(top, *, follow=False, wants=lambda _: True, with_info=True, **bounds):
    with LocalTree(str(top), follow=follow, **bounds) as tree:
        return list(tree.walk(wants, with_info=with_info))


def kinds(found):
    """What was found of each path; of directories, that they were left is checked elsewhere."""
    return {path: what for what, path, _, _ in found if what is not EntryKind.LEFT}


def content(tree, path, limit=LIMIT):
    opened = tree.open(path, limit)
    if isinstance(opened, SmallContent):
        return opened.data
    with opened:
        buffer = bytearray(opened.info.size)
        assert opened.readv([memoryview(buffer)], 0) == len(buffer)
        return bytes(buffer)


@pytest.fixture
def top(tmp_path):
    """A tree with something of everything in it, and beside it a directory that only symlinks lead to."""
    outside, top = tmp_path / "outside", tmp_path / "top"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (top / "a" / "b").mkdir(parents=True)
    (top / "empty").mkdir()
    for path in ("f", "a/f", "a/b/f"):
        (top / path).write_bytes(path.encode())
    (top / "link").symlink_to("f")
    (top / "link-out").symlink_to("../outside")
    (top / "a" / "link-up").symlink_to("..")
    (top / "a" / "link-here").symlink_to(".")
    (top / "link-nowhere").symlink_to("nothing")
    (top / "link-loop").symlink_to("link-loop")
    os.mkfifo(top / "fifo")
    return top


# --- traversal ------------------------------------------------------------------------------------------------------


def test_a_directory_comes_before_what_is_in_it_and_is_left_after_it(top):
    inside = []
    for what, path, info, problem in walked(top):
        assert problem is None
        if what is EntryKind.LEFT:
            assert inside.pop() == path
            assert info.kind == "folder"
            continue
        assert path[:-1] == (inside[-1] if inside else ())
        if what is EntryKind.DIRECTORY:
            inside.append(path)
            assert info.mode == os.stat(os.path.join(os.fsencode(top), *path)).st_mode & 0o7777
    assert inside == []


def test_symlinks_and_special_files_are_named_and_not_followed(top):
    assert kinds(walked(top)) == {
        (): EntryKind.DIRECTORY,
        (b"a",): EntryKind.DIRECTORY,
        (b"a", b"b"): EntryKind.DIRECTORY,
        (b"a", b"b", b"f"): EntryKind.FILE,
        (b"a", b"f"): EntryKind.FILE,
        (b"a", b"link-here"): EntryKind.SYMLINK,
        (b"a", b"link-up"): EntryKind.SYMLINK,
        (b"empty",): EntryKind.DIRECTORY,
        (b"f",): EntryKind.FILE,
        (b"fifo",): EntryKind.SPECIAL,
        (b"link",): EntryKind.SYMLINK,
        (b"link-loop",): EntryKind.SYMLINK,
        (b"link-nowhere",): EntryKind.SYMLINK,
        (b"link-out",): EntryKind.SYMLINK,
    }


def test_symlinks_are_followed_on_demand_but_not_in_circles(top):
    found = walked(top, follow=True)
    assert kinds(found) == {
        (): EntryKind.DIRECTORY,
        (b"a",): EntryKind.DIRECTORY,
        (b"a", b"b"): EntryKind.DIRECTORY,
        (b"a", b"b", b"f"): EntryKind.FILE,
        (b"a", b"f"): EntryKind.FILE,
        (b"a", b"link-here"): EntryKind.SYMLINK,
        (b"a", b"link-up"): EntryKind.SYMLINK,
        (b"empty",): EntryKind.DIRECTORY,
        (b"f",): EntryKind.FILE,
        (b"fifo",): EntryKind.SPECIAL,
        (b"link",): EntryKind.FILE,
        (b"link-loop",): EntryKind.PROBLEM,
        (b"link-nowhere",): EntryKind.PROBLEM,
        (b"link-out",): EntryKind.DIRECTORY,
        (b"link-out", b"secret"): EntryKind.FILE,
    }
    assert all(isinstance(step.problem, NotFound) for step in found if step.kind is EntryKind.PROBLEM)
    with LocalTree(str(top), follow=True) as tree:
        assert content(tree, (b"link",)) == b"f"
        assert content(tree, (b"link-out", b"secret")) == b"secret"


def test_the_top_may_be_a_symlink(top, tmp_path):
    (tmp_path / "way").symlink_to("top")
    assert kinds(walked(tmp_path / "way")) == kinds(walked(top))
    with LocalTree(str(tmp_path / "way")) as tree:
        assert content(tree, (b"a", b"f")) == b"a/f"


@pytest.mark.parametrize("name", [b"\xff\xfe", b"new\nline", b"a" * 255, b"\x1b[2J", b"-rf"])
def test_any_name_of_a_file_or_a_directory(tmp_path, name):
    place = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(place)
    with open(os.path.join(place, name), "wb") as file:
        file.write(name)
    found = walked(tmp_path)
    assert kinds(found) == {(): EntryKind.DIRECTORY, (name,): EntryKind.DIRECTORY, (name, name): EntryKind.FILE}
    with LocalTree(str(tmp_path)) as tree:
        assert content(tree, (name, name)) == name
    assert {step.info.size for step in found if step.kind is EntryKind.FILE} == {len(name)}
    with LocalTree(os.fsdecode(place)) as tree:
        assert content(tree, (name,)) == name


def test_reserved_names_are_told_of_as_such(tmp_path):
    names = [temporary_name(), partial_name(b"f"), b".secftp-else"]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    (tmp_path / ".secftp-folder").mkdir()
    (tmp_path / ".secftp-folder" / "in").write_bytes(b"x")
    assert kinds(walked(tmp_path)) == {
        (): EntryKind.DIRECTORY,
        (b".secftp-folder",): EntryKind.RESERVED,
        **{(name,): EntryKind.RESERVED for name in names},
    }


def test_what_is_not_wanted_is_not_entered(top):
    found = kinds(walked(top, wants=lambda path: path != (b"a",)))
    assert not [path for path in found if path[:1] == (b"a",)]
    assert (b"empty",) in found


def test_sizes_are_asked_for_only_on_demand(top):
    for with_info in (True, False):
        files = [step for step in walked(top, with_info=with_info) if step.kind is EntryKind.FILE]
        assert [step.info is not None for step in files] == [with_info] * 3


def test_a_top_that_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for name, error in (("missing", NotFound), ("file", NotADirectory)):
        (step,) = walked(tmp_path / name)
        assert (step.kind, step.path) == (EntryKind.PROBLEM, ())
        assert isinstance(step.problem, error)
        assert str(step.problem).endswith(name)


def test_a_directory_that_can_not_be_entered_is_a_problem_and_the_rest_goes_on(top, monkeypatch):
    real = os.open

    def refuse(name, *arguments, **options):
        if name == "b":
            raise PermissionError(13, "Permission denied")
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    found = walked(top)
    (problem,) = (step for step in found if step.kind is EntryKind.PROBLEM)
    assert problem.path == (b"a", b"b")
    assert isinstance(problem.problem, Forbidden)
    assert (b"a", b"f") in kinds(found)
    assert (b"f",) in kinds(found)


def test_as_deep_as_the_server_can_name_and_no_deeper(tmp_path):
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(tmp_path)
        for _ in range(70):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.fchdir(here)
        os.close(here)
    for bounds, depth in (({}, 64), ({"max_depth": 5}, 5), ({"max_path": 11}, 5)):
        found = walked(tmp_path, **bounds)
        (problem,) = (step for step in found if step.kind is EntryKind.PROBLEM)
        assert problem.path == (b"d",) * (depth + 1)
        assert isinstance(problem.problem, NameRefused)
        assert len([step for step in found if step.kind is EntryKind.DIRECTORY]) == depth + 1


def test_a_walk_that_is_given_up_closes_what_it_has_opened(top):
    for steps in (0, 1, 4, 8):
        before = os.listdir("/proc/self/fd")
        with LocalTree(str(top)) as tree:
            walk = tree.walk(lambda _: True)
            for _ in range(steps):
                next(walk)
            walk.close()
        assert os.listdir("/proc/self/fd") == before


def test_a_directory_with_very_many_names_takes_no_memory_for_them(tmp_path):
    count = 3000
    for number in range(count):
        os.close(os.open(tmp_path / f"{number:0100d}", os.O_WRONLY | os.O_CREAT))
    tracemalloc.start()
    try:
        with LocalTree(str(tmp_path)) as tree:
            assert sum(step.kind is EntryKind.FILE for step in tree.walk(lambda _: True, with_info=True)) == count
        assert tracemalloc.get_traced_memory()[1] < 250_000
    finally:
        tracemalloc.stop()


# --- the files ------------------------------------------------------------------------------------------------------


def test_a_small_file_is_read_at_once_and_a_large_one_is_a_source(top):
    (top / "large").write_bytes(bytes(LIMIT + 1))
    os.chmod(top / "f", 0o604)
    os.utime(top / "f", ns=(1, 1_234_567_891_123_456_789))
    with LocalTree(str(top)) as tree:
        assert tree.open((b"f",), LIMIT) == SmallContent(0o604, 1_234_567_891_123_456_789, b"f")
        for opened in (
            tree.open((b"large",), LIMIT),
            tree.open_source((b"large",)),
            tree.open_source((b"a", b"b", b"f")),
        ):
            with opened:
                assert isinstance(opened, FileSource)
        assert content(tree, (b"a", b"b", b"f"), limit=0) == b"a/b/f"
        tree.close()
        assert content(tree, (b"a", b"f")) == b"a/f"
    with LocalFile(str(top / "f")).open((), 0) as source:
        assert source.info.size == 1
    assert LocalFile(str(top / "link")).open((), LIMIT).data == b"f"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ((b"missing",), NotFound),
        ((b"missing", b"f"), NotFound),
        ((b"link",), NotFound),
        ((b"link-out", b"secret"), (NotFound, NotADirectory)),
        ((b"f", b"x"), NotADirectory),
        ((b"a",), IsADirectory),
        ((b"fifo",), Forbidden),
        ((b"socket",), Forbidden),
    ],
)
def test_what_is_no_file_is_not_opened(top, path, error, within_five_seconds):
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as back:
        # The path is too long for an address, so by its own directory.
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        back.callback(os.close, here)
        back.callback(os.fchdir, here)
        os.chdir(top)
        server.bind("socket")
    with LocalTree(str(top)) as tree:
        with pytest.raises(error):
            tree.open(path, LIMIT)
        with pytest.raises(error):
            tree.open_source(path)
        assert content(tree, (b"f",)) == b"f"


def test_a_small_file_that_changes_while_it_is_read(top, monkeypatch):
    os.utime(top / "f", (1, 1))
    real = os.read

    def read(fd, count):
        data = real(fd, count)
        (top / "f").write_bytes(b"F")
        return data

    monkeypatch.setattr(os, "read", read)
    with LocalTree(str(top)) as tree, pytest.raises(FileChanged):
        tree.open((b"f",), LIMIT)


ATTACKER = """
import ctypes, sys
rename = ctypes.CDLL(None).renameat2
print("ready", flush=True)
pairs = [tuple(name.encode() for name in pair.split("=")) for pair in sys.argv[1:]]
while True:
    for one, other in pairs:
        if rename(-100, one, -100, other, 2):
            sys.exit("RENAME_EXCHANGE failed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the attacker exchanges two names in one step, which is Linux's")
def test_swapping_a_directory_or_a_file_for_a_symlink_gets_nothing_out(tmp_path):
    outside, top = tmp_path / "outside", tmp_path / "top"
    outside.mkdir()
    (outside / "f").write_bytes(b"secret")
    (outside / "only-outside").write_bytes(b"secret")
    (top / "folder").mkdir(parents=True)
    (top / "folder" / "f").write_bytes(b"inside")
    (top / "file").write_bytes(b"inside")
    (top / "evil").symlink_to(outside / "f")
    (top / "evil-folder").symlink_to(outside)
    outcomes = {True: 0, False: 0}
    command = [sys.executable, "-S", "-c", ATTACKER, "folder=evil-folder", "file=evil"]
    with subprocess.Popen(command, cwd=top, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not (sum(outcomes.values()) > 1000 and min(outcomes.values()) > 50):
                with LocalTree(str(top)) as tree:
                    assert b"only-outside" not in [step.path[-1] for step in tree.walk(lambda _: True) if step.path]
                    for path in ((b"folder", b"f"), (b"file",)):
                        try:
                            assert content(tree, path) == b"inside"
                        except (NotFound, NotADirectory):
                            outcomes[False] += 1
                        else:
                            outcomes[True] += 1
            assert process.poll() is None
        finally:
            process.kill()
    assert all(outcomes.values()), f"the race was not one: {outcomes}"


def test_a_directory_that_becomes_a_symlink_before_it_is_entered_is_not(tmp_path):
    """Swapped exactly between the look at it and the opening."""
    (tmp_path / "top" / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(b"x")

    def swap(_path):
        (tmp_path / "top" / "sub").rmdir()
        (tmp_path / "top" / "sub").symlink_to(tmp_path / "elsewhere")
        return True

    with contextlib.closing(LocalTree(str(tmp_path / "top"))) as tree:
        found = list(tree.walk(swap))
    assert [(one.kind, one.path) for one in found if one.path] == [(EntryKind.PROBLEM, (b"sub",))]
