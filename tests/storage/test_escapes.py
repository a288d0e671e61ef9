"""Containment: no name leads out of the root, or to anything but a regular file, whatever an attacker swaps."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from secftp.errors import AlreadyExists, FileError, Forbidden, IsADirectory, NameRefused, NotADirectory, NotFound
from secftp.protocol import Kind
from secftp.storage import LocalStore, WriteOptions

SECRET = b"what lies outside of the root"
MISSING = (b"missing",)
REFUSED = [
    (b"..",),
    (b".",),
    (b"folder", b".."),
    (b"..", b"outside", b"secret"),
    (b"folder", b"..", b"file"),
    (b"../outside/secret",),
    (b"/etc/passwd",),
    (b"", b"etc", b"passwd"),
    (b"folder", b"", b"secret"),
    (b"folder//secret",),
    (b"file\0",),
    (b"folder", b"secret\0x"),
    (b"a" * 256,),
    (b"d",) * 65,
    (b"a" * 255,) * 16 + (b"x",),
    (b".secftp-tmp-" + b"0" * 32,),
    (b"folder", b".secftp-part-" + b"0" * 32),
    (b".secftp-", b"x"),
]


@pytest.fixture
def world(tmp_path):
    """A root with one obstacle of each kind in it, and beside it a directory that is out of reach."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "secret").write_bytes(b"inside")
    (root / "file").write_bytes(b"inside")
    for name, target in {
        "link-in": "file",
        "link-in-folder": "folder",
        "link-out": "../outside/secret",
        "link-out-folder": "../outside",
        "link-absolute": str(outside / "secret"),
        "link-absolute-folder": str(outside),
        "link-up": "..",
        "link-here": ".",
        "link-root": "/",
        "link-dangling": "nothing",
        "link-dangling-out": "../outside/new",
        "link-loop": "link-loop",
        "link-loop-a": "link-loop-b",
        "link-loop-b": "link-loop-a",
        "link-proc": "/proc/self/root",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as back:
        # The path is too long for an address, so by its own directory.
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        back.callback(os.close, here)
        back.callback(os.fchdir, here)
        os.chdir(root)
        server.bind("socket")
    with contextlib.suppress(PermissionError):  # making devices takes root's powers
        os.mknod(root / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(root / "device-block", stat.S_IFBLK | 0o666, os.makedev(7, 250))
    return root, outside


def snapshot(*directories):
    """All that a call might change: names, kinds, targets and contents."""
    found = {}
    for directory in directories:
        for place, _, _ in os.walk(directory):
            for entry in os.scandir(place):
                inode = entry.stat(follow_symlinks=False)
                content = None
                if entry.is_symlink():
                    content = os.readlink(entry.path)
                elif entry.is_file():
                    with open(entry.path, "rb") as file:
                        content = file.read()
                found[entry.path] = (inode.st_ino, inode.st_mode, inode.st_mtime_ns, content)
    return found


def small(store):
    return contextlib.closing(store.small_files())


def read_small(store, path):
    with small(store) as files:
        files.read(path, 100)


def write_small(store, path, **options):
    with small(store) as files:
        files.write(path, memoryview(b"written"), WriteOptions(**options))


# What each call may do where a name is no file and no directory, or a symlink: look for it, or (by a name that is to be
# new) make it.
LOOKING = {
    "read": lambda store, path: store.open_source(path),
    "small read": read_small,
    "stat": lambda store, path: store.stat(path),
    "scan": lambda store, path: list(store.scan(path)),
    "scan all": lambda store, path: list(store.scan(path, recursive=True)),
    "remove": lambda store, path: store.remove(path),
    "remove a directory": lambda store, path: store.remove(path, kind=Kind.DIRECTORY),
    "rename": lambda store, path: store.rename(path, (b"taken-by-rename",), overwrite=True),
    "rename to a free name": lambda store, path: store.rename(path, (b"taken-by-rename",)),
    "set attributes": lambda store, path: store.set_attributes(path, mode=0o777, mtime_ns=1),
}
MAKING = {
    "write": lambda store, path: store.create_sink(path),
    "write new": lambda store, path: store.create_sink(path, WriteOptions(overwrite=False)),
    "write kept": lambda store, path: store.create_sink(path, WriteOptions(keep=True)),
    "resume": lambda store, path: store.resume_sink(path, 0),
    "small write": write_small,
    "small write new": lambda store, path: write_small(store, path, overwrite=False),
    "rename to": lambda store, path: store.rename((b"file",), path, overwrite=True),
    "rename to new": lambda store, path: store.rename((b"file",), path),
    "rename a directory to": lambda store, path: store.rename((b"folder",), path),
    "make directory": lambda store, path: store.make_directory(path),
    "make directories": lambda store, path: store.make_directory(path, parents=True),
}
CALLS = {**LOOKING, **MAKING, "partial": lambda store, path: store.stat(path, partial=True)}


def symlinks(root):
    return sorted(os.fsencode(name) for name in os.listdir(root) if name.startswith("link-"))


@pytest.mark.parametrize("call", CALLS)
def test_a_symlink_is_no_way_whatever_it_leads_to(world, call):
    root, outside = world
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        for symlink in symlinks(root):
            for rest in ((b"secret",), (b"new",), (b"folder", b"secret"), (b"outside", b"secret"), (b"etc", b"passwd")):
                with pytest.raises(NotFound) as caught:
                    CALLS[call](store, (symlink, *rest))
                if call != "make directories":  # which would make what is missing
                    with pytest.raises(NotFound) as missing:
                        CALLS[call](store, (*MISSING, *rest))
                    assert str(caught.value).replace(os.fsdecode(symlink), "missing") == str(missing.value)
    assert snapshot(root, outside) == before


@pytest.mark.parametrize("call", CALLS)
def test_a_symlink_is_no_file_whatever_it_leads_to(world, call):
    root, outside = world
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        for symlink in symlinks(root):
            if call in MAKING:
                with pytest.raises(FileError) as caught:
                    CALLS[call](store, (symlink,))
                assert caught.type is (AlreadyExists if call.startswith("make") else Forbidden)
            else:
                with pytest.raises(NotFound) as caught:
                    CALLS[call](store, (symlink,))
                with pytest.raises(NotFound) as missing:
                    CALLS[call](store, MISSING)
                assert str(caught.value).replace(os.fsdecode(symlink), "missing") == str(missing.value)
    assert snapshot(root, outside) == before


@pytest.mark.parametrize("call", CALLS)
def test_special_files_are_refused_without_waiting(world, call, within_five_seconds):
    root, outside = world
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        for name in special_files(root):
            with pytest.raises(REFUSED_AS.get(call, Forbidden)):
                CALLS[call](store, (name,))
            with pytest.raises((NotFound, NotADirectory)):
                CALLS[call](store, (name, b"x"))
    assert snapshot(root, outside) == before


def special_files(root):
    """Those that there are: devices can only be made by root."""
    return [
        name for name in (b"fifo", b"socket", b"device", b"device-block") if os.path.lexists(root / os.fsdecode(name))
    ]


# What is no directory is no directory, whatever else it is; and what no transfer left is no partial.
REFUSED_AS = {
    "scan": NotFound,
    "scan all": NotFound,
    "partial": NotFound,
    "make directory": AlreadyExists,
    "make directories": AlreadyExists,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_name_that_is_none_is_refused(world, call):
    root, outside = world
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        for path in REFUSED:
            with pytest.raises(NameRefused):
                CALLS[call](store, path)
    assert snapshot(root, outside) == before


@pytest.mark.parametrize("name", [b"a" * 255, b"\xff\xfe\x80", b"new\nline", b"\x1b[2J", b" ", b"-rf", b"...", b"..a"])
def test_any_other_name_is_a_name(world, name):
    root, outside = world
    before = snapshot(outside)
    with LocalStore(root) as store:
        store.make_directory((name,))
        path = (name, name)
        write_small(store, path)
        with store.create_sink(path, WriteOptions(keep=True)) as sink:
            sink.writev([memoryview(b"kept")])
            sink.keep()
        assert store.stat(path, partial=True).size == 4
        with store.resume_sink(path, 4) as sink:
            sink.commit()
        store.set_attributes(path, mode=0o600)
        assert [entry.path for entry in store.scan((name,), recursive=True)] == [(name,)]
        with store.open_source(path) as source:
            assert source.info.size == 4
        store.rename(path, (name, b"other"))
        store.rename((name, b"other"), path)
        store.remove(path)
        store.remove((name,))
        assert store.stat(()).kind == "folder"
    assert snapshot(outside) == before


def test_a_directory_is_no_file(world):
    root, _ = world
    with LocalStore(root) as store:
        for call in (
            "read",
            "small read",
            "write",
            "write new",
            "write kept",
            "resume",
            "small write",
            "small write new",
        ):
            with pytest.raises(IsADirectory, match=r"^Is a directory: folder$"):
                CALLS[call](store, (b"folder",))
        assert store.stat((b"folder",)).kind == "folder"


def test_a_sink_writes_into_the_directory_it_was_made_in(world):
    """A directory that becomes a symlink while a file is written does not redirect it."""
    root, outside = world
    before = snapshot(outside)
    with LocalStore(root) as store, store.create_sink((b"folder", b"new")) as sink:
        os.rename(root / "folder", root / "moved")
        (root / "folder").symlink_to(outside)
        sink.writev([memoryview(b"x")])
        sink.commit()
    assert snapshot(outside) == before
    assert (root / "moved" / "new").read_bytes() == b"x"


def test_no_message_tells_where_the_root_is(world):
    root, _ = world
    with LocalStore(root) as store:
        names = [(os.fsencode(name),) for name in os.listdir(root)]
        for path, call in itertools.product([*names, MISSING, *((*name, b"x") for name in names)], CALLS.values()):
            told = ""
            try:
                opened = call(store, path)
            except FileError as error:
                told = f"{error} {error.hint} {error.__cause__}"
            else:
                if hasattr(opened, "close"):
                    opened.close()
            assert str(root.parent) not in told


# --- the race -------------------------------------------------------------------------------------------------------

ATTACKER = """
import ctypes, sys
rename = ctypes.CDLL(None).renameat2
print("ready", flush=True)
pairs = [tuple(name.encode() for name in pair.split("=")) for pair in sys.argv[1:]]
while True:
    for one, other in pairs:
        for _ in range(3):
            if rename(-100, one, -100, other, 2):
                sys.exit("RENAME_EXCHANGE failed")
"""


@contextlib.contextmanager
def attacker(root, *pairs):
    """A process that exchanges the names of each pair as fast as it can."""
    command = [sys.executable, "-S", "-c", ATTACKER, *pairs]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
            assert process.poll() is None
        finally:
            process.kill()


class Raced:
    """A directory that takes turns with a symlink to one outside, and what each call may do to what is in there."""

    def __init__(self, store, root):
        self.store = store
        self.number = 0
        self.inside = os.open(root / "folder", os.O_RDONLY | os.O_DIRECTORY)  # it, wherever it is now

    def close(self):
        os.close(self.inside)

    def prepare(self):
        """What the calls of a round need, in the directory itself."""
        self.number += 1
        for name in ("victim", "renamed", "mode"):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=self.inside))
        with contextlib.suppress(FileExistsError):
            os.mkdir("sub", dir_fd=self.inside)

    def read(self):
        for path in ((b"folder", b"secret"), (b"target",)):
            with self.store.open_source(path) as source:
                buffer = bytearray(100)
                count = source.readv([memoryview(buffer)], 0)
                assert buffer[:count] in (b"inside", b"written")

    def small_read(self):
        for path in ((b"target",), (b"folder", b"secret")):
            with small(self.store) as files:
                assert files.read(path, 100)[1] in (b"inside", b"written")

    def stat(self):
        for path in ((b"folder", b"secret"), (b"target",)):
            assert self.store.stat(path).size != len(SECRET)

    def scan(self):
        assert (b"only-outside",) not in [entry.path for entry in self.store.scan((b"folder",), recursive=True)]

    def scan_all(self):
        found = {entry.path: entry for entry in self.store.scan((), recursive=True)}
        assert not [path for path in found if path[-1] == b"only-outside"]
        problem = found[b"folder",].problem  # or it is not even there, which counts as refused, too
        if problem is not None:
            raise problem
        assert [path for path in found if path[0] == b"folder"][1:]

    def write(self):
        self._write(self.store.create_sink((b"folder", b"secret")))

    def write_new(self):
        self._write(self.store.create_sink((b"folder", b"new-%d" % self.number), WriteOptions(overwrite=False)))

    def keep_and_resume(self):
        with self.store.create_sink((b"folder", b"kept"), WriteOptions(keep=True)) as sink:
            sink.writev([memoryview(b"writ")])
            sink.keep()
        assert self.store.stat((b"folder", b"kept"), partial=True).size == 4
        with self.store.resume_sink((b"folder", b"kept"), 4) as sink:
            sink.writev([memoryview(b"ten")])
            sink.commit()

    def small_write(self):
        write_small(self.store, (b"folder", b"secret"))

    def small_write_new(self):
        write_small(self.store, (b"folder", b"small-%d" % self.number), overwrite=False)

    def remove(self):
        self.store.remove((b"folder", b"victim"))

    def remove_directory(self):
        self.store.remove((b"folder", b"sub"), kind=Kind.DIRECTORY)

    def rename(self):
        self.store.rename((b"folder", b"renamed"), (b"got",), overwrite=True)

    def rename_into(self):
        write_small(self.store, (b"mine",))
        self.store.rename((b"mine",), (b"folder", b"secret"), overwrite=True)

    def rename_new(self):
        write_small(self.store, (b"mine",))
        self.store.rename((b"mine",), (b"folder", b"moved-%d" % self.number))

    def make_directory(self):
        self.store.make_directory((b"folder", b"made-%d" % self.number))

    def make_directories(self):
        self.store.make_directory((b"folder", b"deep-%d" % self.number, b"deeper"), parents=True)

    def set_attributes(self):
        for path in ((b"folder", b"secret"), (b"folder", b"mode"), (b"target",), (b"folder",)):
            self.store.set_attributes(path, mode=0o700, mtime_ns=self.number)

    @staticmethod
    def _write(sink):
        with sink:
            sink.writev([memoryview(b"written")])
            sink.commit()


RACED = [name for name in vars(Raced) if not name.startswith("_") and name not in ("close", "prepare")]


@pytest.mark.skipif(sys.platform != "linux", reason="the attacker exchanges two names in one step, which is Linux's")
def test_a_racing_attacker_gets_nothing_out_and_nothing_in(world):
    root, outside = world
    for name in ("victim", "renamed", "mode", "only-outside"):
        (outside / name).write_bytes(SECRET)
    (outside / "sub").mkdir()
    (root / "evil-folder").symlink_to(outside)
    (root / "target").write_bytes(b"inside")
    (root / "evil").symlink_to(outside / "secret")
    before = snapshot(outside)
    outcomes = dict.fromkeys(itertools.product(RACED, (True, False)), 0)
    pairs = ("folder=evil-folder", "target=evil")
    with LocalStore(root) as store, contextlib.closing(Raced(store, root)) as raced, attacker(root, *pairs):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (raced.number > 150 and all(outcomes.values())):
            raced.prepare()
            for name in RACED:
                try:
                    getattr(raced, name)()
                except (NotFound, Forbidden, KeyError):
                    outcomes[name, False] += 1
                else:
                    outcomes[name, True] += 1
    assert snapshot(outside) == before
    assert all(outcomes.values()), f"the race was not one: {outcomes}"
    assert not [name for name in snapshot(root) if "tmp-" in name]


@pytest.mark.skipif(sys.platform != "linux", reason="the attacker exchanges two names in one step, which is Linux's")
def test_an_attacker_racing_for_the_last_name_never_has_its_symlink_followed(world):
    root, outside = world
    (root / "target").write_bytes(b"inside")
    (root / "evil").write_bytes(b"inside")
    before = snapshot(outside)
    committed = refused = 0
    with LocalStore(root) as store, attacker(root, "target=evil"):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (committed > 50 and refused > 50):
            # A commit between the check and the rename replaces the symlink itself, so the attacker makes it anew. If
            # that hits the file, both are symlinks, and no commit succeeds: so the file is made anew as well.
            (root / "link").symlink_to(outside / "secret")
            os.rename(root / "link", root / "evil")
            (root / "file").write_bytes(b"inside")
            os.rename(root / "file", root / "target")
            for number in range(20):
                try:
                    if number % 2:
                        write_small(store, (b"target",))
                    else:
                        with store.create_sink((b"target",)) as sink:
                            sink.writev([memoryview(b"written")])
                            sink.commit()
                    committed += 1
                except Forbidden:
                    refused += 1
    assert snapshot(outside) == before
    assert committed
    assert refused
