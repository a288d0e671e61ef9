"""Uploads to a real server: targets, preserved attributes, filters, failures."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from secftp.errors import Forbidden, NotADirectory, NotFound, UsageError
from secftp.protocol import Algorithm
from secftp.transfer import CopyOptions, RemoteLocation, Upload
from tests.support.copying import ODD_NAMES, OLD, Recorder, assert_all_told, contents, look, make, upload
from tests.support.serving import FullStore, digest_of, listing, serving

ROOT = RemoteLocation(())
SIZES = [0, 1, 1023, 32767, 32768, 32769, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 3_000_000]


def tree(tmp_path):
    """A tree with everything in it that a tree may have."""
    top = make(
        tmp_path / "src",
        {
            **{b"odd/" + name: name for name in ODD_NAMES},
            **{b"sizes/%d" % size: os.urandom(size) for size in SIZES},
            b"deep/a/b/c/d/e": b"e",
            b"empty/": b"",
            b"deep/empty/": b"",
            b"top": b"t",
        },
    )
    os.chmod(f"{top}/deep/a/b", 0o750)
    os.chmod(f"{top}/top", 0o604)
    for number, (directory, _, _) in enumerate(os.walk(top)):
        os.utime(directory, ns=(OLD, OLD + number))
    return top


def test_a_tree_arrives_with_everything(tmp_path, server, client):
    top = tree(tmp_path)
    told = Recorder()
    summary = upload(client, [top], ROOT, listener=told)
    assert look(f"{server.root}/src") == look(top)
    assert_all_told(told, summary, contents(top))


@pytest.mark.parametrize("algorithm", [Algorithm.SHA256, Algorithm.MD5])
def test_every_checksum_algorithm_works(tmp_path, server, client, algorithm):
    top = make(tmp_path / "src", {b"small": b"s", b"large": bytes(100_000)})
    told = Recorder()
    upload(client, [top], ROOT, CopyOptions(checksum=algorithm), told)
    assert {name: digest for name, _, digest in told.of("finished")} == {
        b"src/small": digest_of(b"s", algorithm),
        b"src/large": digest_of(bytes(100_000), algorithm),
    }


def test_hundreds_of_small_files_need_few_messages(tmp_path, server, client):
    top = make(tmp_path / "src", {b"%d/%d" % (i % 7, i): b"%d" % i * 50 for i in range(700)})
    before = client.pipeline.next_id()
    summary = upload(client, [top], ROOT)
    assert summary.files == 700
    assert contents(f"{server.root}/src") == contents(top)
    assert client.pipeline.next_id() - before < 40


# --- targets ----------------------------------------------------------------------------------------------------------


def test_a_file_becomes_that_name_or_goes_into_that_directory(tmp_path, server, client):
    source = os.path.join(make(tmp_path, {b"f": b"data"}), "f")
    os.mkdir(f"{server.root}/there")
    summary = upload(client, [source], RemoteLocation((b"new",)))
    assert summary.digest == digest_of(b"data")
    upload(client, [source], RemoteLocation((b"there",)))
    upload(client, [source], RemoteLocation((b"made", b"too"), trailing_slash=True))
    upload(client, [source], ROOT)
    assert contents(server.root) == {b"new": b"data", b"there/f": b"data", b"made/too/f": b"data", b"f": b"data"}
    upload(client, [make(tmp_path / "other", {b"g": b"other"}) + "/g"], RemoteLocation((b"new",)))
    assert contents(server.root)[b"new"] == b"other"


def test_a_directory_becomes_that_name_or_goes_into_that_directory(tmp_path, server, client):
    top = make(tmp_path / "src", {b"f": b"1"})
    upload(client, [top], RemoteLocation((b"new",)))
    upload(client, [top + "/"], RemoteLocation((b"new",)))
    upload(client, [top], RemoteLocation((b"made",), trailing_slash=True))
    with pytest.raises(NotFound, match="no such directory on the server: a/b"):  # as for a file
        upload(client, [top], RemoteLocation((b"a", b"b", b"c")))
    upload(client, [top], RemoteLocation((b"a", b"b", b"c"), trailing_slash=True))
    assert sorted(contents(server.root)) == [b"a/b/c/src/f", b"made/src/f", b"new/f", b"new/src/f"]


def test_what_ends_in_a_dot_stands_for_what_is_in_it(tmp_path, server, client):
    top = make(tmp_path / "src", {b"f": b"1", b"d/g": b"2"})
    os.chmod(server.root, 0o711)
    told = Recorder()
    upload(client, [top + "/."], ROOT, listener=told)
    upload(client, [top + "/d/.."], RemoteLocation((b"new",)), listener=told)
    assert sorted(contents(server.root)) == [b"d/g", b"f", b"new/d/g", b"new/f"]
    assert told.names("finished") == [b"d/g", b"d/g", b"f", b"f"]
    assert stat.S_IMODE(os.stat(server.root).st_mode) == 0o711  # not made by this, so left as it is


def test_several_sources_need_a_directory(tmp_path, server, client):
    top = make(tmp_path / "src", {b"a": b"1", b"b": b"2"})
    make(server.root, {b"file": b"x"})
    sources = [f"{top}/a", f"{top}/b"]
    with pytest.raises(NotFound):
        upload(client, sources, RemoteLocation((b"nowhere",)))
    with pytest.raises(NotADirectory):
        upload(client, sources, RemoteLocation((b"file",)))
    with pytest.raises(NotADirectory):
        upload(client, [f"{top}/a"], RemoteLocation((b"file",), trailing_slash=True))
    with pytest.raises(NotADirectory):
        upload(client, [top], RemoteLocation((b"file",)))
    with pytest.raises(UsageError):
        upload(client, [], ROOT)
    assert contents(server.root) == {b"file": b"x"}
    assert upload(client, sources, RemoteLocation((b"new",), trailing_slash=True)).files == 2
    assert sorted(contents(server.root)) == [b"file", b"new/a", b"new/b"]


def test_a_file_whose_directory_is_missing_fails_with_the_name_of_the_directory(tmp_path, client):
    top = make(tmp_path / "src", {b"a": b"1", b"b": bytes(50_000)})
    told = Recorder()
    for options in (CopyOptions(), CopyOptions(dry_run=True)):
        for source in (f"{top}/a", f"{top}/b", top):
            with pytest.raises(NotFound, match="no such directory on the server: no"):
                upload(client, [source], RemoteLocation((b"no", b"a")), options, told)
    assert told.of("failed") == []


# --- preserved and omitted entries ------------------------------------------------------------------------------------


def test_without_preserve_modes_and_times_are_the_servers(tmp_path, server, client):
    top = make(tmp_path / "src", {b"d/f": b"1", b"d/large": bytes(40_000)}, mode=0o600)
    os.utime(f"{top}/d", ns=(OLD, OLD))
    upload(client, [top], ROOT, CopyOptions(preserve=False))
    found = look(f"{server.root}/src")
    assert all(mtime_ns > OLD + 10**17 for _, _, mtime_ns, _ in found.values())
    assert found[b"d/f"][1] == found[b"d/large"][1] == 0o644


def test_a_directory_that_may_not_be_written_is_filled_before_it_is_closed(tmp_path, server, client):
    top = make(tmp_path / "src", {b"d/f": b"1"})
    os.chmod(f"{top}/d", 0o555)
    upload(client, [top], ROOT)
    assert look(f"{server.root}/src") == look(top)
    os.chmod(f"{top}/d", 0o755)


def test_symlinks_and_special_files_are_left_out_with_a_note(tmp_path, server, client):
    top = make(tmp_path / "src", {b"f": b"1", b".secftp-tmp-x": b"ours"})
    os.symlink("f", f"{top}/link")
    os.symlink("/", f"{top}/root")
    os.symlink("nowhere", f"{top}/broken")
    os.mkfifo(f"{top}/fifo")
    told = Recorder()
    summary = upload(client, [top], ROOT, listener=told)
    assert (summary.files, summary.failed, summary.skipped) == (1, 0, 0)
    assert told.names("note") == [b"src/.secftp-tmp-x", b"src/broken", b"src/fifo", b"src/link", b"src/root"]
    assert listing(f"{server.root}/src") == ["f"]


def test_symlinks_are_followed_on_demand_but_not_in_loops(tmp_path, server, client):
    elsewhere = make(tmp_path / "elsewhere", {b"g": b"2", b"sub/h": b"3"})
    top = make(tmp_path / "src", {b"f": b"1", b"d/x": b"4"})
    os.symlink("f", f"{top}/link")
    os.symlink(elsewhere, f"{top}/folder")
    os.symlink("..", f"{top}/d/up")
    os.symlink("nowhere", f"{top}/broken")
    told = Recorder()
    summary = upload(client, [top], ROOT, CopyOptions(follow_symlinks=True), told)
    assert contents(f"{server.root}/src") == {
        b"f": b"1", b"link": b"1", b"folder/g": b"2", b"folder/sub/h": b"3", b"d/x": b"4",
    }  # fmt: skip
    assert told.names("note") == [b"src/d/up"]
    assert told.names("failed") == [b"src/broken"]
    assert (summary.files, summary.failed) == (5, 1)


def test_a_source_that_is_a_symlink_is_followed(tmp_path, server, client):
    top = make(tmp_path / "src", {b"f": b"1"})
    os.symlink(top, tmp_path / "folder")
    os.symlink(f"{top}/f", tmp_path / "file")
    upload(client, [f"{tmp_path}/folder", f"{tmp_path}/file"], ROOT)
    assert contents(server.root) == {b"folder/f": b"1", b"file": b"1"}


def test_patterns_select_files(tmp_path, server, client):
    top = make(tmp_path / "src", {b"a.c": b"", b"a.o": b"", b"build/b.c": b"", b"x/y.c": b"", b"x/build": b""})
    told = Recorder()
    upload(client, [top], ROOT, CopyOptions(exclude=(b"*.o", b"build/")), told)
    assert sorted(contents(server.root)) == [b"src/a.c", b"src/x/build", b"src/x/y.c"]
    assert told.plans == [(3, 0)]
    upload(
        client,
        [top, f"{top}/a.o", f"{top}/a.c"],
        RemoteLocation((b"more",), trailing_slash=True),
        CopyOptions(include=(b"*.c",)),
    )
    assert sorted(contents(f"{server.root}/more")) == [b"a.c", b"src/a.c", b"src/build/b.c", b"src/x/y.c"]


def test_no_overwriting_skips_what_is_there(tmp_path, server, client):
    top = make(tmp_path / "src", {b"small": b"new", b"large": bytes(2_000_000), b"d/x": b"new"})
    make(f"{server.root}/src", {b"small": b"old", b"large": b"old"})
    os.chmod(f"{server.root}/src", 0o700)
    told = Recorder()
    summary = upload(client, [top], ROOT, CopyOptions(overwrite=False), told)
    assert (summary.files, summary.skipped, summary.failed, summary.bytes) == (1, 2, 0, 3)
    assert contents(f"{server.root}/src") == {b"small": b"old", b"large": b"old", b"d/x": b"new"}
    assert told.names("skipped") == [b"src/large", b"src/small"]
    assert told.plans[-1] == (1, 3)
    assert told.bytes == 3
    assert stat.S_IMODE(os.stat(f"{server.root}/src").st_mode) == 0o700


def test_update_skips_what_has_the_same_size_and_time(tmp_path, server, client):
    top = make(tmp_path / "src", {b"same": b"1234", b"older": b"new!", b"longer": b"longer", b"large": bytes(50_000)})
    upload(client, [top], ROOT)
    make(f"{server.root}/src", {b"older": b"old!"}, mtime_ns=OLD - 10**10)
    make(f"{server.root}/src", {b"longer": b"long"})
    make(f"{server.root}/src", {b"same": b"WXYZ"}, mtime_ns=OLD // 10**9 * 10**9)  # another file system's seconds
    told = Recorder()
    summary = upload(client, [top], ROOT, CopyOptions(update=True), told)
    assert told.names("skipped") == [b"src/large", b"src/same"]
    assert (summary.files, summary.skipped) == (2, 2)
    assert contents(f"{server.root}/src")[b"older"] == b"new!"
    assert contents(f"{server.root}/src")[b"same"] == b"WXYZ"


@pytest.mark.parametrize("options", [CopyOptions(update=True), CopyOptions(update=True, dry_run=True)])
def test_a_file_that_is_read_to_see_whether_it_is_empty_leaves_its_directory_closed(tmp_path, server, client, options):
    """What is left open fails the test."""
    top = make(tmp_path / "src", {b"d/nothing": b""})
    upload(client, [top], ROOT)
    assert upload(client, [top], ROOT, options).skipped == 1


def test_a_dry_run_reports_and_changes_nothing(tmp_path, server, client):
    top = make(tmp_path / "src", {b"a": b"1", b"d/b": bytes(40_000), b"e/": b""})
    make(f"{server.root}/src", {b"a": b"old"})
    before = look(server.root)
    told = Recorder()
    summary = upload(client, [top], ROOT, CopyOptions(dry_run=True, overwrite=False), told)
    assert (summary.files, summary.bytes, summary.skipped) == (1, 40_000, 1)
    assert told.of("finished") == [(b"src/d/b", 40_000, None)]
    upload(client, [top], RemoteLocation((b"x", b"y"), trailing_slash=True), CopyOptions(dry_run=True))
    assert look(server.root) == before


# --- failures ---------------------------------------------------------------------------------------------------------


def test_what_can_not_be_read_is_reported_and_the_rest_goes_on(tmp_path, server, client, monkeypatch):
    """By a system that refuses even root."""
    top = make(tmp_path / "src", {b"a": b"1", b"secret": b"2", b"closed/x": b"3", b"z/large": bytes(50_000)})
    real = os.open

    def refusing(name, *arguments, **options):
        if os.fsencode(name) in (b"secret", b"closed", b"large"):
            raise PermissionError(errno.EACCES, "no")
        return real(name, *arguments, **options)

    told = Recorder()
    with monkeypatch.context() as patch:
        patch.setattr("secftp.storage.tree.os.open", refusing)
        summary = upload(client, [top], ROOT, listener=told)
    assert (summary.files, summary.failed) == (1, 3)
    assert told.names("failed") == [b"src/closed", b"src/secret", b"src/z/large"]
    assert all(isinstance(error, Forbidden) for _, error in told.of("failed"))
    assert sorted(contents(server.root)) == [b"src/a"]


def test_files_that_vanish_or_become_something_else_are_reported(tmp_path, server, client):
    top = make(tmp_path / "src", {b"%d" % number: bytes(40_000) for number in range(20)})
    told = Recorder()

    class Meddler(Recorder):
        def started(self, name, size):
            if not self.of("started"):
                rest = sorted(set(os.listdir(top)) - {os.fsdecode(name[4:])})
                os.unlink(f"{top}/{rest[0]}")
                os.unlink(f"{top}/{rest[1]}")
                os.symlink("/etc/passwd", f"{top}/{rest[1]}")
                os.unlink(f"{top}/{rest[2]}")
                os.mkfifo(f"{top}/{rest[2]}")
            super().started(name, size)

    told = Meddler()
    summary = upload(client, [top, f"{top}/nowhere"], RemoteLocation((), True), listener=told)
    assert summary.failed + summary.files == 21
    assert 1 <= summary.failed <= 4  # the listing may have been read further than the first file
    assert b"nowhere" in told.names("failed")
    assert set(contents(f"{server.root}/src").values()) == {bytes(40_000)}


def test_a_file_that_changes_while_it_is_sent_is_reported_and_not_kept(tmp_path, server, client):
    top = make(tmp_path / "src", {b"changing": bytes(5_000_000), b"other": b"1"})

    class Writer(Recorder):
        def moved(self, nbytes):
            with open(f"{top}/changing", "r+b") as file:
                file.truncate(4_000_000)
            super().moved(nbytes)

    told = Writer()
    summary = upload(client, [top], ROOT, listener=told)
    assert (summary.files, summary.failed) == (1, 1)
    assert told.names("failed") == [b"src/changing"]
    assert told.bytes == summary.bytes == 1
    assert contents(f"{server.root}/src").get(b"changing") is None


def test_a_directory_that_can_not_be_created_is_reported_once(tmp_path, server, client):
    top = make(
        tmp_path / "src", {b"d/%d" % number: b"x" for number in range(5)} | {b"d/e/f": bytes(40_000), b"z": b"1"}
    )
    make(f"{server.root}/src", {b"d": b"a file"})
    told = Recorder()
    summary = upload(client, [top], ROOT, listener=told)
    assert told.names("failed") == [b"src/d"]
    assert (summary.files, summary.failed) == (1, 1)
    assert told.plans[-1] == (1, 1)


def test_a_directory_in_the_way_of_a_file_is_reported(tmp_path, server, client):
    top = make(tmp_path / "src", {b"small": b"1", b"large": bytes(40_000), b"z": b"1"})
    make(f"{server.root}/src", {b"small/": b"", b"large/": b""})
    told = Recorder()
    assert upload(client, [top], ROOT, listener=told).files == 1
    assert told.names("failed") == [b"src/large", b"src/small"]


def test_names_that_every_server_refuses_are_reported(tmp_path, server, client):
    top = make(tmp_path / "src", {b"/".join([b"d"] * 70) + b"/f": b"1", b"z": b"2"})
    told = Recorder()
    summary = upload(client, [top], ROOT, listener=told)
    assert (summary.files, summary.failed) == (1, 1)
    source = make(tmp_path / "long", {b"y" * 200 + b"/" + b"x" * 200: b"1", b"f": b"2"})
    summary = upload(client, [source], RemoteLocation((b"n" * 255,) * 15, trailing_slash=True), listener=told)
    assert (summary.files, summary.failed) == (1, 1)


def test_a_full_disk_fails_what_does_not_fit(tmp_path):
    top = make(tmp_path / "src", {b"small": b"1", b"large": bytes(300_000), b"medium": bytes(50_000)})
    root = tmp_path / "root"
    root.mkdir()
    told = Recorder()
    with serving(root, store=FullStore(root, 100_000)) as server, server.session() as client:
        summary = upload(client, [top], ROOT, listener=told)
    assert (summary.files, summary.failed) == (2, 1)
    assert told.names("failed") == [b"src/large"]
    assert told.bytes == summary.bytes == 50_001


def test_a_server_that_is_read_only_says_so_once(tmp_path):
    top = make(tmp_path / "src", {b"%d" % number: b"1" for number in range(100)})
    (tmp_path / "root").mkdir()
    told = Recorder()
    with serving(tmp_path / "root", read_only=True) as server, server.session() as client:
        with pytest.raises(Forbidden, match="read-only"):
            upload(client, [top], ROOT, listener=told)
        with pytest.raises(Forbidden, match="read-only"):
            upload(client, [f"{top}/1"], RemoteLocation((b"x",)), listener=told)
        client.stat(())  # the session is in order
    assert told.of("failed") == []


def test_an_exception_of_the_listener_ends_the_copy(tmp_path, server):
    top = make(tmp_path / "src", {b"%d" % number: bytes(40_000) for number in range(20)})

    class Stop(Exception):
        pass

    def stop(count):
        if count == 2:
            raise Stop

    told = Recorder()
    told.at = stop
    copy = Upload([top], ROOT, listener=told)
    with pytest.raises(Stop), server.session() as session:
        copy.run(session)
    assert copy.summary.files == 2
    assert told.calls[-1] == ("ended",)


def test_the_rate_is_kept_over_files_of_every_size(tmp_path, client):
    top = make(tmp_path / "src", {b"large": bytes(150_000), **{b"%d" % number: bytes(10_000) for number in range(15)}})
    summary = upload(client, [top], ROOT, CopyOptions(limit_rate=1_000_000))
    assert summary.bytes == 300_000
    assert summary.seconds >= 0.2


def test_two_sources_of_one_name_do_not_replace_each_other(tmp_path, server, client):
    top = make(tmp_path / "src", {b"a/f": b"first", b"b/f": b"second", b"a/d/x": b"1", b"b/d/y": b"2"})
    told = Recorder()
    sources = [f"{top}/a/f", f"{top}/b/f", f"{top}/a/d", f"{top}/b/d"]
    summary = upload(client, sources, ROOT, listener=told)
    assert (summary.files, summary.failed) == (2, 2)
    assert contents(server.root) == {b"f": b"first", b"d/x": b"1"}


def test_a_file_that_has_another_size_when_its_turn_comes_is_counted_with_that(tmp_path, server, client):
    top = make(tmp_path / "src", {b"%d" % number: b"x" for number in range(3)} | {b"large": bytes(40_000)})

    class Meddler(Recorder):
        def planned(self, files, nbytes):
            if not self.plans:
                make(top, {b"0": b"longer", b"large": bytes(50_000)})
            super().planned(files, nbytes)

    told = Meddler()
    summary = upload(client, [top], ROOT, listener=told)
    assert told.plans[0] == (4, 40_003)
    assert told.plans[-1] == (4, 50_008)
    assert summary.bytes == told.bytes == 50_008
