"""Downloads from a real server: targets, preserved attributes, filters, failures."""

from __future__ import annotations

import os
import stat

import pytest

from secftp.errors import NoSpace, NotADirectory, NotFound, UsageError
from secftp.protocol import Algorithm
from secftp.storage import LocalStore
from secftp.transfer import CopyOptions, Download, RemoteLocation
from tests.support.copying import ODD_NAMES, OLD, Recorder, assert_all_told, contents, download, look, make
from tests.support.serving import digest_of, listing

SRC = RemoteLocation((b"src",))
SIZES = [0, 1, 1023, 32767, 32768, 32769, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 3_000_000]


@pytest.fixture
def target(tmp_path):
    """An empty directory of this machine's."""
    (tmp_path / "target").mkdir()
    return str(tmp_path / "target")


def tree(root):
    """A tree with everything in it that a tree may have."""
    top = make(
        os.path.join(root, "src"),
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


def test_a_tree_arrives_with_everything(server, client, target):
    top = tree(server.root)
    told = Recorder()
    summary = download(client, [SRC], target, listener=told)
    assert look(f"{target}/src") == look(top)
    assert_all_told(told, summary, contents(top))


@pytest.mark.parametrize("algorithm", [Algorithm.SHA256, Algorithm.MD5])
def test_every_checksum_algorithm_works(server, client, target, algorithm):
    make(server.root, {b"src/small": b"s", b"src/large": bytes(100_000)})
    told = Recorder()
    download(client, [SRC], target, CopyOptions(checksum=algorithm), told)
    assert {name: digest for name, _, digest in told.of("finished")} == {
        b"src/small": digest_of(b"s", algorithm),
        b"src/large": digest_of(bytes(100_000), algorithm),
    }


def test_hundreds_of_small_files_and_directories_need_few_messages(server, client, target):
    top = make(f"{server.root}/src", {b"%d/%d" % (i % 40, i): b"%d" % i * 50 for i in range(700)})
    before = client.pipeline.next_id()
    summary = download(client, [SRC], target)
    assert summary.files == 700
    assert contents(f"{target}/src") == contents(top)
    assert client.pipeline.next_id() - before < 60


# --- targets ----------------------------------------------------------------------------------------------------------


def test_a_file_becomes_that_name_or_goes_into_that_directory(server, client, target):
    make(server.root, {b"f": b"data", b"g": b"other"})
    os.mkdir(f"{target}/there")
    summary = download(client, [RemoteLocation((b"f",))], f"{target}/new")
    assert summary.digest == digest_of(b"data")
    download(client, [RemoteLocation((b"f",))], f"{target}/there")
    download(client, [RemoteLocation((b"f",))], f"{target}/made/too/")
    download(client, [RemoteLocation((b"f",))], target)
    assert contents(target) == {b"new": b"data", b"there/f": b"data", b"made/too/f": b"data", b"f": b"data"}
    download(client, [RemoteLocation((b"g",))], f"{target}/new")
    assert contents(target)[b"new"] == b"other"


def test_a_directory_becomes_that_name_or_goes_into_that_directory(server, client, target):
    make(server.root, {b"src/f": b"1"})
    download(client, [SRC], f"{target}/new")
    download(client, [SRC], f"{target}/new/")
    download(client, [RemoteLocation((b"src",), trailing_slash=True)], f"{target}/made/")
    with pytest.raises(NotFound, match="No such directory"):  # as for a file
        download(client, [SRC], f"{target}/a/b/c")
    download(client, [SRC], f"{target}/a/b/c/")
    assert sorted(contents(target)) == [b"a/b/c/src/f", b"made/src/f", b"new/f", b"new/src/f"]


def test_the_served_directory_stands_for_what_is_in_it(server, client, target):
    make(server.root, {b"f": b"1", b"d/g": b"2"})
    os.chmod(target, 0o711)
    told = Recorder()
    download(client, [RemoteLocation(())], target, listener=told)
    download(client, [RemoteLocation(())], f"{target}/new", listener=told)
    assert sorted(contents(target)) == [b"d/g", b"f", b"new/d/g", b"new/f"]
    assert told.names("finished") == [b"d/g", b"d/g", b"f", b"f"]
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o711  # not made by this, so left as it is


def test_several_sources_need_a_directory(server, client, target):
    make(server.root, {b"a": b"1", b"src/b": b"2"})
    make(target, {b"file": b"x"})
    sources = [RemoteLocation((b"a",)), SRC]
    with pytest.raises(NotFound):
        download(client, sources, f"{target}/nowhere")
    with pytest.raises(NotADirectory):
        download(client, sources, f"{target}/file")
    with pytest.raises(NotADirectory):
        download(client, sources[:1], f"{target}/file/")
    with pytest.raises(NotADirectory):
        download(client, [SRC], f"{target}/file")
    with pytest.raises(NotADirectory):
        download(client, [SRC], f"{target}/file/below")
    with pytest.raises(UsageError):
        download(client, [], target)
    assert contents(target) == {b"file": b"x"}
    assert download(client, sources, f"{target}/new/").files == 2
    assert sorted(contents(target)) == [b"file", b"new/a", b"new/src/b"]


def test_a_target_that_the_user_named_may_be_a_symlink_or_a_device(server, client, target):
    make(server.root, {b"f": b"data", b"large": bytes(50_000)})
    make(target, {b"real": b"old", b"folder/": b""})
    os.symlink("real", f"{target}/link")
    os.symlink("folder", f"{target}/to-folder")
    download(client, [RemoteLocation((b"f",))], f"{target}/link")
    download(client, [RemoteLocation((b"f",))], f"{target}/to-folder")
    download(client, [RemoteLocation((b"large",))], "/dev/null")
    assert os.path.islink(f"{target}/link")
    assert contents(target)[b"real"] == contents(target)[b"folder/f"] == b"data"


def test_what_is_not_there_is_reported_and_the_rest_comes(server, client, target):
    make(server.root, {b"a": b"1"})
    told = Recorder()
    summary = download(
        client,
        [RemoteLocation((b"no",)), RemoteLocation((b"a",)), RemoteLocation((b"a",), True)],
        target,
        listener=told,
    )
    assert (summary.files, summary.failed) == (1, 2)
    assert told.names("failed") == [b"a", b"no"]
    assert download(client, [RemoteLocation((b"no",))], f"{target}/new").failed == 1
    assert listing(target) == ["a"]


# --- preserved and omitted entries ------------------------------------------------------------------------------------


def test_without_preserve_modes_and_times_are_ours(server, client, target):
    top = make(f"{server.root}/src", {b"d/f": b"1", b"d/large": bytes(40_000)}, mode=0o600)
    os.utime(f"{top}/d", ns=(OLD, OLD))
    download(client, [SRC], target, CopyOptions(preserve=False))
    found = look(f"{target}/src")
    assert all(mtime_ns > OLD + 10**17 for _, _, mtime_ns, _ in found.values())
    assert found[b"d/f"][1] == found[b"d/large"][1] == 0o644


def test_a_directory_that_may_not_be_written_is_filled_before_it_is_closed(server, client, target):
    top = make(f"{server.root}/src", {b"d/f": b"1"})
    os.chmod(f"{top}/d", 0o555)
    download(client, [SRC], target)
    assert look(f"{target}/src") == look(top)


def test_patterns_select_files(server, client, target):
    make(f"{server.root}/src", {b"a.c": b"", b"a.o": b"", b"build/b.c": b"", b"x/y.c": b"", b"x/build": b""})
    told = Recorder()
    download(client, [SRC], target, CopyOptions(exclude=(b"*.o", b"build/")), told)
    assert sorted(contents(target)) == [b"src/a.c", b"src/x/build", b"src/x/y.c"]
    assert told.plans == [(3, 0)]
    sources = [SRC, RemoteLocation((b"src", b"a.o")), RemoteLocation((b"src", b"a.c"))]
    download(client, sources, f"{target}/more/", CopyOptions(include=(b"*.c",)))
    assert sorted(contents(f"{target}/more")) == [b"a.c", b"src/a.c", b"src/build/b.c", b"src/x/y.c"]


def test_no_overwriting_skips_what_is_there(server, client, target):
    make(f"{server.root}/src", {b"small": b"new", b"large": bytes(2_000_000), b"d/x": b"new"})
    make(f"{target}/src", {b"small": b"old", b"large": b"old"})
    os.chmod(f"{target}/src", 0o700)
    told = Recorder()
    summary = download(client, [SRC], target, CopyOptions(overwrite=False), told)
    assert (summary.files, summary.skipped, summary.failed, summary.bytes) == (1, 2, 0, 3)
    assert contents(f"{target}/src") == {b"small": b"old", b"large": b"old", b"d/x": b"new"}
    assert told.names("skipped") == [b"src/large", b"src/small"]
    assert told.plans[-1] == (1, 3)
    assert told.bytes == 3
    assert stat.S_IMODE(os.stat(f"{target}/src").st_mode) == 0o700
    assert (
        download(
            client, [RemoteLocation((b"src", b"small"))], f"{target}/src/small", CopyOptions(overwrite=False)
        ).skipped
        == 1
    )


def test_update_skips_what_has_the_same_size_and_time(server, client, target):
    make(f"{server.root}/src", {b"same": b"1234", b"older": b"new!", b"longer": b"longer", b"large": bytes(50_000)})
    download(client, [SRC], target)
    make(f"{target}/src", {b"older": b"old!"}, mtime_ns=OLD - 10**10)
    make(f"{target}/src", {b"longer": b"long"})
    make(f"{target}/src", {b"same": b"WXYZ"}, mtime_ns=OLD // 10**9 * 10**9)  # another file system's seconds
    told = Recorder()
    summary = download(client, [SRC], target, CopyOptions(update=True), told)
    assert told.names("skipped") == [b"src/large", b"src/same"]
    assert (summary.files, summary.skipped) == (2, 2)
    assert contents(f"{target}/src")[b"older"] == b"new!"
    assert contents(f"{target}/src")[b"same"] == b"WXYZ"


def test_a_dry_run_reports_and_changes_nothing(server, client, target):
    make(f"{server.root}/src", {b"a": b"1", b"d/b": bytes(40_000), b"e/": b""})
    make(f"{target}/src", {b"a": b"old"})
    before = look(target)
    told = Recorder()
    summary = download(client, [SRC], target, CopyOptions(dry_run=True, overwrite=False), told)
    assert (summary.files, summary.bytes, summary.skipped) == (1, 40_000, 1)
    assert told.of("finished") == [(b"src/d/b", 40_000, None)]
    assert download(client, [SRC], f"{target}/x/y/", CopyOptions(dry_run=True, update=True)).files == 2
    assert download(client, [SRC], f"{target}/x", CopyOptions(dry_run=True)).files == 2
    assert look(target) == before


# --- failures ---------------------------------------------------------------------------------------------------------


def test_local_names_in_the_way_are_reported_and_symlinks_not_followed(server, client, target, tmp_path):
    make(
        f"{server.root}/src",
        {b"small": b"1", b"large": bytes(40_000), b"d/x": b"2", b"link/x": b"3", b"file": b"4", b"ok": b"5"},
    )
    outside = make(tmp_path / "outside", {b"x": b"mine"})
    make(f"{target}/src", {b"small/": b"", b"large/": b"", b"d": b"a file"})
    os.symlink(outside, f"{target}/src/link")
    os.symlink(f"{outside}/x", f"{target}/src/file")
    told = Recorder()
    summary = download(client, [SRC], target, listener=told)
    assert told.names("failed") == [b"src/d", b"src/file", b"src/large", b"src/link", b"src/small"]
    assert (summary.files, summary.failed) == (1, 5)
    assert contents(outside) == {b"x": b"mine"}
    assert contents(f"{target}/src")[b"d"] == b"a file"


def test_files_that_vanish_or_grow_at_the_server_are_reported_or_come_as_they_are(server, client, target):
    top = make(f"{server.root}/src", {b"%d/%d" % (number, number): b"x" for number in range(40)})

    class Meddler(Recorder):
        def planned(self, files, nbytes):
            if not self.plans:
                os.unlink(f"{top}/1/1")
                make(top, {b"2/2": bytes(70_000), b"3/3": b"longer than before"})
            super().planned(files, nbytes)

    told = Meddler()
    summary = download(client, [SRC], target, listener=told)
    assert (summary.files, summary.failed) == (39, 1)
    assert told.names("failed") == [b"src/1/1"]
    assert contents(f"{target}/src") == contents(top)
    assert summary.bytes == told.bytes == sum(map(len, contents(top).values()))
    assert told.plans[-1] == (39, summary.bytes)


def test_a_file_that_changes_while_it_is_fetched_is_reported_and_not_kept(server, client, target):
    top = make(f"{server.root}/src", {b"changing": bytes(30_000_000), b"other": b"1"})

    class Writer(Recorder):
        def moved(self, nbytes):
            if nbytes > 1000:
                with open(f"{top}/changing", "r+b") as file:
                    file.truncate(1_000_000)
            super().moved(nbytes)

    told = Writer()
    summary = download(client, [SRC], target, listener=told)
    assert (summary.files, summary.failed) == (1, 1)
    assert told.names("failed") == [b"src/changing"]
    assert told.bytes == summary.bytes == 1
    assert contents(f"{target}/src") == {b"other": b"1"}


def test_a_directory_that_can_not_be_listed_is_reported(server, client, target, monkeypatch):
    make(f"{server.root}/src", {b"a": b"1", b"closed/x": b"2", b"z/y": b"3"})
    real = LocalStore.scan

    def refusing(self, path, **options):
        if path == (b"src", b"closed"):
            raise NotFound("No such directory: src/closed")
        return real(self, path, **options)

    monkeypatch.setattr(LocalStore, "scan", refusing)
    told = Recorder()
    summary = download(client, [SRC], target, listener=told)
    assert (summary.files, summary.failed) == (2, 1)
    assert told.names("failed") == [b"src/closed"]


def test_a_full_disk_fails_what_does_not_fit(server, client, target, monkeypatch):
    make(f"{server.root}/src", {b"small": b"1", b"large": bytes(5_000_000), b"medium": bytes(50_000)})
    real = LocalStore.create_sink

    def full(self, path, *options):
        sink = real(self, path, *options)
        if path[-1] == b"large" and server.root not in repr(self):
            monkeypatch.setattr(type(sink), "_write", fail)
        return sink

    def fail(*_):
        monkeypatch.undo()
        raise NoSpace("No space left on device: large")

    monkeypatch.setattr(LocalStore, "create_sink", full)
    told = Recorder()
    summary = download(client, [SRC], target, listener=told)
    assert told.names("failed") == [b"src/large"]
    assert (summary.files, summary.failed, summary.bytes, told.bytes) == (2, 1, 50_001, 50_001)
    assert listing(f"{target}/src") == ["medium", "small"]


def test_an_exception_of_the_listener_ends_the_copy(server, target):
    make(f"{server.root}/src", {b"%d" % number: bytes(40_000) for number in range(20)})

    class Stop(Exception):
        pass

    def stop(count):
        if count == 2:
            raise Stop

    told = Recorder()
    told.at = stop
    copy = Download([SRC], target, listener=told)
    with pytest.raises(Stop), server.session() as session:
        copy.run(session)
    assert copy.summary.files == 2
    assert told.calls[-1] == ("ended",)
    assert len(listing(f"{target}/src")) == 2


def test_the_rate_is_kept_over_files_of_every_size(server, client, target):
    make(f"{server.root}/src", {b"large": bytes(900_000), **{b"%d" % number: bytes(10_000) for number in range(90)}})
    summary = download(client, [SRC], target, CopyOptions(limit_rate=1_500_000))
    assert summary.bytes == 1_800_000
    assert summary.seconds >= 0.2


def test_two_sources_of_one_name_do_not_replace_each_other(server, client, target):
    make(server.root, {b"a/f": b"first", b"b/f": b"second", b"a/d/x": b"1", b"b/d/y": b"2"})
    sources = [
        RemoteLocation((b"a", b"f")),
        RemoteLocation((b"b", b"f")),
        RemoteLocation((b"a", b"d")),
        RemoteLocation((b"b", b"d")),
    ]
    summary = download(client, sources, target)
    assert (summary.files, summary.failed) == (2, 2)
    assert contents(target) == {b"f": b"first", b"d/x": b"1"}
