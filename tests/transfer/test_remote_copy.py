"""Copies within a server: trees, what is told of them, what is left as it is, and connections that break."""

from __future__ import annotations

import os
import stat

import pytest

from secftp.errors import ConnectionLost, FileError, Forbidden, NotADirectory, NotFound, Reason
from secftp.transfer import CopyOptions, RemoteLocation
from secftp.transfer.copy_plan import CopyLikeCp, CopyPairs
from secftp.transfer.remote_copy import RemoteCopy
from tests.support.copying import ODD_NAMES, OLD, Recorder, contents, look, make, run_broken
from tests.support.losing import losing
from tests.support.serving import listing, serving, session

pytestmark = pytest.mark.exhaustive

TREE = {
    b"file": b"1",
    b"a/b/c/deep": b"22",
    b"a/two": b"",
    b"empty/": b"",
    **{b"odd/" + name: name for name in ODD_NAMES},
}
KEEP = CopyOptions(overwrite=False)


def tree(root, name=b"src", files=TREE):
    """A tree with permissions and times of its own in every directory."""
    top = make(os.path.join(os.fsencode(root), name), files)
    for number, (directory, _, _) in enumerate(os.walk(os.fsencode(top), topdown=False)):
        os.chmod(directory, (0o750, 0o555, 0o700)[number % 3])
        os.utime(directory, ns=(OLD + number, OLD + number))
    return top


def like_cp(*paths, to, recursive=True, options=None, listener=None):
    """A copy by the rules of cp; a name that ends with a slash is one."""
    *sources, target = (
        RemoteLocation(tuple(path.strip(b"/").split(b"/")) if path.strip(b"/") else (), path.endswith(b"/"))
        for path in (*paths, to)
    )
    return RemoteCopy(CopyLikeCp(sources, target, recursive=recursive), options, listener)


def trees(source, target, options=None, listener=None):
    return RemoteCopy(CopyPairs([(source, target)], trees=True), options, listener)


def same(one, other):
    mine, others = look(one), look(other)
    assert mine == others


@pytest.mark.parametrize("how", ["cp", "pairs"])
def test_a_tree_is_the_same_with_modes_and_times(tmp_path, how):
    tree(tmp_path)
    told = Recorder()
    copy = like_cp(b"src", to=b"copy", listener=told) if how == "cp" else trees((b"src",), (b"copy",), listener=told)
    with serving(tmp_path) as server, server.session() as client:
        summary = copy.run(client)
    same(tmp_path / "src", tmp_path / "copy")
    there = contents(tmp_path / "src")
    assert (summary.files, summary.bytes) == (len(there), sum(map(len, there.values())))
    assert (summary.skipped, summary.failed, summary.digest, summary.times, summary.modes) == (0, 0, None, 0, 0)
    assert told.plans[-1] == (summary.files, summary.bytes)
    assert told.bytes == summary.bytes
    assert told.names("finished") == told.names("started") == sorted(b"src/" + name for name in there)
    assert told.calls[-1] == ("ended",)


def test_a_tree_is_copied_into_one_that_is_there(tmp_path):
    """Once more, with directories that may not be written to, and more in them."""
    tree(tmp_path)
    tree(tmp_path, b"copy/src", {b"file": b"old", b"a/more": b"stays", b"odd/x": b""})
    with serving(tmp_path) as server, server.session() as client:
        for _ in range(2):
            assert like_cp(b"src", to=b"copy").run(client).failed == 0
    expected = contents(tmp_path / "src") | {b"a/more": b"stays", b"odd/x": b""}
    assert contents(tmp_path / "copy" / "src") == expected
    mine, others = look(tmp_path / "src"), look(tmp_path / "copy" / "src")
    assert {name: others[name] for name in mine} == mine, "directories get modes and times again"


def test_without_overwriting_nothing_that_is_there_changes(tmp_path):
    """Neither files nor what directories had; new directories are complete."""
    tree(tmp_path)
    tree(tmp_path, b"copy", {b"file": b"old", b"a/b/more": b"stays"})
    for name in (".", "a", "a/b"):
        os.chmod(tmp_path / "copy" / name, 0o711)
    before = look(tmp_path / "copy")
    told = Recorder()
    with serving(tmp_path) as server, server.session() as client:
        summary = trees((b"src",), (b"copy",), KEEP, told).run(client)
    after, source = look(tmp_path / "copy"), look(tmp_path / "src")
    assert (summary.skipped, summary.failed) == (1, 0)
    assert told.of("skipped") == [(b"src/file", "it already exists")]
    for name, (kind, mode, mtime_ns, data) in before.items():
        if kind == stat.S_IFDIR:
            assert after[name][:2] == (kind, mode), name
            assert after[name][2] != source[name][2], "its time is that of what was added"
        else:
            assert after[name] == (kind, mode, mtime_ns, data)
    new = source.keys() - before.keys()
    assert {name: after[name] for name in new} == {name: source[name] for name in new}


def test_a_key_that_may_not_overwrite_copies_to_new_names(tmp_path):
    tree(tmp_path)
    with serving(tmp_path, overwrite=False) as server, server.session() as client:
        assert trees((b"src",), (b"copy",)).run(client).failed == 0
        told = Recorder()
        again = trees((b"src",), (b"copy",), listener=told).run(client)
    same(tmp_path / "src", tmp_path / "copy")
    assert again.failed == len(contents(tmp_path / "src"))
    assert {error.reason for _, error in told.of("failed")} == {Reason.MAY_NOT_OVERWRITE}


def test_files_by_pairs(tmp_path):
    """Explicit names, as many as there are; what fails does not concern the others."""
    make(
        tmp_path, {b"%d" % number: b"%d" % number for number in range(600)} | {b"to/": b"", b"taken": b"", b"dir/": b""}
    )
    pairs = [((b"%d" % number,), (b"to", b"n%d" % number)) for number in range(600)]
    pairs += [((b"none",), (b"to", b"x")), ((b"1",), (b"no", b"x")), ((b"1",), (b"1",)), ((b"dir",), (b"to", b"y"))]
    told = Recorder()
    with serving(tmp_path) as server, server.session() as client:
        summary = RemoteCopy(CopyPairs(pairs), None, told).run(client)
    assert (summary.files, summary.failed) == (600, 4)
    assert contents(tmp_path / "to") == {b"n%d" % number: b"%d" % number for number in range(600)}
    assert [(name, type(error).__name__, error.of_target) for name, error in told.of("failed")] == [
        (b"none", "NotFound", False),
        (b"1", "NotFound", True),
        (b"1", "Forbidden", True),
        (b"dir", "IsADirectory", False),
    ]


def test_what_is_below_a_directory_that_fails_is_not_told_one_by_one(tmp_path):
    tree(tmp_path)
    make(tmp_path, {b"copy/a": b"in the way"})
    told = Recorder()
    with serving(tmp_path) as server, server.session() as client:
        summary = trees((b"src",), (b"copy",), listener=told).run(client)
    assert summary.failed == 1
    ((name, error),) = told.of("failed")
    assert (name, error.reason, error.of_target) == (b"src/a", Reason.FILE, True)
    expected = {name: data for name, data in contents(tmp_path / "src").items() if not name.startswith(b"a/")}
    assert contents(tmp_path / "copy") == expected | {b"a": b"in the way"}
    assert told.plans[-1][0] == summary.files == len(expected)


def test_a_read_only_server_ends_the_copy(tmp_path):
    tree(tmp_path)
    pairs = CopyPairs([((b"src", b"file"), (b"x",)), ((b"src", b"file"), (b"y",))])
    with (
        serving(tmp_path, read_only=True) as server,
        server.session() as client,
        pytest.raises(Forbidden, match="read-only"),
    ):
        RemoteCopy(pairs).run(client)
    with serving(tmp_path, read_only=True) as server, server.session() as client:
        told = Recorder()
        assert trees((b"src",), (b"copy",), listener=told).run(client).failed == 1
    assert listing(tmp_path)[0] == "src"


NOWHERE = {
    "into itself": ((b"src",), (b"src", b"a", b"x"), Forbidden),
    "onto itself": ((b"src",), (b"src",), Forbidden),
    "nothing": ((b"none",), (b"copy",), NotFound),
    "a file": ((b"src", b"file"), (b"copy",), NotADirectory),
    "to nowhere": ((b"src",), (b"no", b"copy"), NotFound),
    "onto a file": ((b"src", b"a"), (b"src", b"file"), FileError),
}


@pytest.mark.parametrize("what", NOWHERE)
def test_a_tree_that_can_t_be_copied(tmp_path, what):
    tree(tmp_path)
    before = look(tmp_path)
    source, target, problem = NOWHERE[what]
    told = Recorder()
    with serving(tmp_path) as server, server.session() as client:
        assert trees(source, target, listener=told).run(client).failed == 1
    ((_, error),) = told.of("failed")
    assert isinstance(error, problem)
    assert look(tmp_path) == before


# --- the guess --------------------------------------------------------------------------------------------------------


def test_a_guess_that_is_wrong_has_done_nothing(tmp_path):
    """The target is a directory, which shows when the server refuses it as a name."""
    make(tmp_path, {b"file": b"1", b"dir/": b""})
    with serving(tmp_path) as server:
        for target, place in ((b"dir", "dir/file"), (b"dir/", "dir/file"), (b"new", "new")):
            with server.session() as client:
                told = Recorder()
                summary = like_cp(b"file", to=target, recursive=False, listener=told).run(client)
            assert (summary.files, summary.bytes, summary.failed) == (1, 1, 0)
            assert told.calls == [("started", b"file", 1), ("finished", b"file", 1, None), ("ended",)]
            assert (tmp_path / place).read_bytes() == b"1"
            os.unlink(tmp_path / place)
    assert listing(tmp_path) == ["dir", "file"]


def test_what_is_not_preserved_of_the_guess_is_counted(tmp_path):
    make(tmp_path, {b"file": b"1"}, mode=0o4755)
    with serving(tmp_path) as server, server.session() as client:
        assert like_cp(b"file", to=b"new").run(client).special_bits == 1
        assert like_cp(b"file", to=b"new", recursive=False).run(client).special_bits == 1


# --- connections that break -------------------------------------------------------------------------------------------


def test_a_copy_goes_on_after_every_loss(tmp_path, record_property):
    """Cut after any number of bytes of either direction: the second connection completes it, once."""
    for number, cut in enumerate(range(300, 6000, 190)):
        root = tmp_path / str(number)
        root.mkdir()
        tree(root)
        with serving(root) as server:
            told = Recorder()
            copy = trees((b"src",), (b"copy",), KEEP, told)
            failed = run_broken(server, copy, cut)
            if failed is not None:
                with server.session() as client:
                    copy.run(client)
            summary = copy.summary
        assert contents(root / "copy") == contents(root / "src"), cut
        assert (summary.files, summary.skipped, summary.failed) == (len(contents(root / "src")), 0, 0), cut
        assert {name: mode for name, (_, mode, *_) in look(root / "copy").items()} == {
            name: mode for name, (_, mode, *_) in look(root / "src").items()
        } or failed is not None, cut
        assert told.names("finished") == sorted(b"src/" + name for name in contents(root / "src")), cut


def test_with_overwriting_modes_and_times_are_right_after_every_loss(tmp_path):
    for number, cut in enumerate(range(300, 6000, 190)):
        root = tmp_path / str(number)
        root.mkdir()
        tree(root)
        with serving(root) as server:
            copy = trees((b"src",), (b"copy",))
            if run_broken(server, copy, cut) is not None:
                with server.session() as client:
                    copy.run(client)
        assert copy.summary.failed == 0
        same(root / "src", root / "copy")


def test_files_whose_answers_are_lost_are_not_taken_for_those_of_others(tmp_path):
    """All copies were made, and none was confirmed: they are there already, and are ours."""
    count = 14
    tree(tmp_path, files={b"%d" % number: b"%d" % number for number in range(count)})
    copy = trees((b"src",), (b"copy",), KEEP)
    with serving(tmp_path) as server:
        with losing(server.port) as way:
            way.cut_when(lambda: server.log.text.count("Copied") == count, after=lambda: "to copy" in server.log.text)
            with pytest.raises(ConnectionLost), session(way.port) as client:
                copy.run(client)
        with server.session() as client:
            copy.run(client)
        assert server.log.text.count("Already copied") == count
    assert (copy.summary.files, copy.summary.skipped, copy.summary.failed) == (count, 0, 0)
    same(tmp_path / "src", tmp_path / "copy")
