"""Free space is that of the file system which a file is written to, and is shared by all sessions."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess

import pytest

from secftp.errors import NoSpace
from secftp.server.options import ServerLimits
from secftp.server.quota import BoundedStore, Quota
from secftp.storage import LocalStore, WriteOptions
from tests.support.serving import HOST, environment, listing, put, server_command, session

MIB = 1 << 20
BLOCK = memoryview(bytes(MIB))


class Disks:
    """What `os.fstatvfs` says: plenty, but for the directories (and what is in them) that `little` names."""

    def __init__(self):
        self.little = {}  # device and inode of a directory: blocks of 1 MiB, files
        self.looks = 0
        self._real = os.fstatvfs

    def limit(self, directory, nbytes=1 << 40, files=1 << 20):
        status = os.stat(directory)
        self.little[status.st_dev, status.st_ino] = nbytes, files

    def __call__(self, fd):
        self.looks += 1
        place = os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)")
        nbytes, files = 1 << 40, 1 << 20
        while place != "/":
            with contextlib.suppress(OSError):
                status = os.stat(place)
                if (status.st_dev, status.st_ino) in self.little:
                    nbytes, files = self.little[status.st_dev, status.st_ino]
                    break
            place = os.path.dirname(place)
        return os.statvfs_result((4096, 1, nbytes, nbytes, nbytes, files, files, files, 0, 255))


@pytest.fixture
def disks(monkeypatch):
    disks = Disks()
    monkeypatch.setattr(os, "fstatvfs", disks)
    return disks


@contextlib.contextmanager
def bounded(store, **limits):
    with contextlib.closing(BoundedStore(store, Quota(ServerLimits(**limits), lambda name, text: None))) as found:
        yield found


def write_small(store, path):
    with store.small_files() as small:
        small.write(path, memoryview(b"four"))


WRITES = {
    "file": lambda store, directory: store.create_sink((*directory, b"name"), WriteOptions(size=4)).close(),
    "resumed": lambda store, directory: store.resume_sink(
        (*directory, b"name"), 0, WriteOptions(size=4, keep=True)
    ).close(),
    "small": lambda store, directory: write_small(store, (*directory, b"name")),
    "directory": lambda store, directory: store.make_directory((*directory, b"name")),
    "directories": lambda store, directory: store.make_directory((*directory, b"a", b"b", b"c"), parents=True),
}


@pytest.mark.parametrize("limits", [{"min_free": 1000}, {"min_free_files": 10}])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("directory", [(b"mount",), (b"mount", b"deep", b"er")])
def test_a_directory_beneath_the_root_is_looked_at_itself(tmp_path, disks, write, limits, directory):
    (tmp_path / "mount" / "deep" / "er").mkdir(parents=True)
    disks.limit(tmp_path / "mount", nbytes=999 if "min_free" in limits else 1 << 40, files=10)
    with bounded(LocalStore(tmp_path), **limits) as store:
        with pytest.raises(NoSpace):
            WRITES[write](store, directory)
        if write != "resumed":
            WRITES[write](store, ())
    assert listing(tmp_path / "mount") == ["deep", "deep/er"]


@pytest.mark.parametrize("write", ["file", "small", "directory"])
def test_the_roots_disk_does_not_count_where_another_is_written(tmp_path, disks, write):
    (tmp_path / "mount").mkdir()
    disks.limit(tmp_path, nbytes=10)
    disks.limit(tmp_path / "mount")
    with bounded(LocalStore(tmp_path), min_free=1000) as store:
        WRITES[write](store, (b"mount",))
        with pytest.raises(NoSpace):
            WRITES[write](store, ())


def test_a_named_keys_directory_is_looked_at_itself(tmp_path, disks):
    """As the keyring makes its store: `LocalStore.beneath`, under the quota of all."""
    (tmp_path / "mount").mkdir()
    disks.limit(tmp_path / "mount", nbytes=999)
    with contextlib.closing(LocalStore(tmp_path)) as root, bounded(root.beneath((b"mount",)), min_free=1000) as store:
        for write in WRITES.values():
            with pytest.raises(NoSpace):
                write(store, ())


def test_directories_that_are_made_on_the_way_count_each(tmp_path, disks):
    disks.limit(tmp_path, files=12)
    with bounded(LocalStore(tmp_path), min_free_files=10) as store:
        with pytest.raises(NoSpace):
            store.make_directory((b"a", b"b", b"c"), parents=True)
        assert listing(tmp_path) == []
        store.make_directory((b"a", b"b"), parents=True)
        store.make_directory(
            (b"a", b"b", b"c", b"d"), parents=True
        )  # two more, of the twelve that there are still said to be
    assert listing(tmp_path) == ["a", "a/b", "a/b/c", "a/b/c/d"]


def test_a_file_that_grows_stops_at_what_is_to_stay_free(tmp_path, disks):
    disks.limit(tmp_path, nbytes=10 * MIB)
    with bounded(LocalStore(tmp_path), min_free=7 * MIB) as store, store.create_sink((b"name",)) as sink:
        for done in range(3):
            sink.writev([BLOCK])
            disks.limit(tmp_path, nbytes=(10 - done - 1) * MIB)
        with pytest.raises(NoSpace):
            sink.writev([BLOCK])
    assert listing(tmp_path) == []


def test_files_that_grow_together_stop_at_what_is_to_stay_free(tmp_path, disks):
    """Each had room for itself when it began; the disk does not even tell yet what the others have written."""
    disks.limit(tmp_path, nbytes=40 * MIB)
    with bounded(LocalStore(tmp_path), min_free=8 * MIB) as store, contextlib.ExitStack() as stack:
        sinks = [
            stack.enter_context(store.create_sink((b"%d" % number,), WriteOptions(size=32 * MIB)))
            for number in range(8)
        ]
        written = 0
        with contextlib.suppress(NoSpace):
            for number in range(8 * 32):
                sinks[number % 8].writev([BLOCK])
                written += 1
                if written % 8 == 0:  # statvfs says what has been written, at last
                    disks.limit(tmp_path, nbytes=(40 - written) * MIB)
        assert written == 32


def test_where_there_is_plenty_a_look_is_seldom(tmp_path, disks):
    with bounded(LocalStore(tmp_path), min_free=MIB) as store, store.create_sink((b"name",)) as sink:
        before = disks.looks
        for _ in range(130):
            sink.writev([BLOCK[:4096]] * 256)
        assert disks.looks - before <= 4


@pytest.mark.skipif(shutil.which("unshare") is None, reason="without unshare(1) there is no file system of our own")
def test_a_mounted_file_system_of_a_server(tmp_path):
    """A tmpfs of 8 MiB beneath the root, in a mount namespace of its own, for a real server process."""
    root = tmp_path / "root"
    (root / "mount").mkdir(parents=True)
    script = 'mount -t tmpfs -o size=8m none "$1" || exit 77; shift; exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(root / "mount")]
    command += server_command("0", "--host", HOST, "--root", root, "--anonymous-write", "--min-free", "4M")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path), cwd=tmp_path, text=True
    ) as process:
        try:
            port = None
            for line in process.stdout:
                if found := re.search(r"on port (\d+)$", line):
                    port = int(found[1])
                    break
            if port is None:
                assert process.wait() in (1, 77), process.stderr.read()
                pytest.skip("mounting a tmpfs is not permitted here")
            with session(port, None) as client:
                put(client, (b"mount", b"fits"), bytes(3 * MIB))
                for options in ({}, {"announced": False}):
                    with pytest.raises(NoSpace):
                        put(client, (b"mount", b"does not"), bytes(2 * MIB), **options)
                assert [entry.path for entry in client.list((b"mount",))] == [(b"fits",)]
                put(client, b"beside", bytes(16 * MIB))
        finally:
            process.terminate()
