"""No name leads out of the root, or to anything but a regular file: all obstacles, and an attacker who races."""

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

from secftp.errors import FileError, Forbidden, IsAFolder, NotAFolder, NotFound
from secftp.storage import LocalStore

SECRET = b"what lies outside of the root"
MISSING = (b"missing",)


@pytest.fixture
def world(tmp_path):
    """A root with one obstacle of each kind in it, and beside it a folder that nobody may reach."""
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
        # The path is too long for an address, so by its own folder.
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        back.callback(os.close, here)
        back.callback(os.fchdir, here)
        os.chdir(root)
        server.bind("socket")
    with contextlib.suppress(PermissionError):  # making devices takes root's powers
        os.mknod(root / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(root / "device-block", stat.S_IFBLK | 0o666, os.makedev(7, 250))
    return root, outside


def snapshot(*folders):
    """All that a call might change: names, kinds, targets and contents."""
    found = {}
    for folder in folders:
        for place, _, _ in os.walk(folder):
            for entry in os.scandir(place):
                inode = entry.stat(follow_symlinks=False)
                content = None
                if entry.is_symlink():
                    content = os.readlink(entry.path)
                elif entry.is_file():
                    with open(entry.path, "rb") as file:
                        content = file.read()
                found[entry.path] = (inode.st_ino, inode.st_mode, content)
    return found


CALLS = {
    "read": lambda store, path: store.open_source(path),
    "write": lambda store, path: store.create_sink(path),
    "write new": lambda store, path: store.create_sink(path, overwrite=False),
    "stat": lambda store, path: store.stat(path),
}


def links(root):
    return sorted(os.fsencode(name) for name in os.listdir(root) if name.startswith("link-"))


@pytest.mark.parametrize("call", CALLS)
def test_a_link_is_no_way_whatever_it_leads_to(world, call):
    root, outside = world
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        for link in links(root):
            for rest in ((b"secret",), (b"new",), (b"folder", b"secret"), (b"outside", b"secret"), (b"etc", b"passwd")):
                with pytest.raises(NotFound) as caught:
                    CALLS[call](store, (link, *rest))
                with pytest.raises(NotFound) as missing:
                    CALLS[call](store, (*MISSING, *rest))
                assert str(caught.value).replace(os.fsdecode(link), "missing") == str(missing.value)
    assert snapshot(root, outside) == before


@pytest.mark.parametrize("call", CALLS)
def test_a_link_is_no_file_whatever_it_leads_to(world, call):
    root, outside = world
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        for link in links(root):
            if call in {"read", "stat"}:
                with pytest.raises(NotFound) as caught:
                    CALLS[call](store, (link,))
                with pytest.raises(NotFound) as missing:
                    CALLS[call](store, MISSING)
                assert str(caught.value).replace(os.fsdecode(link), "missing") == str(missing.value)
            else:
                with pytest.raises(FileError) as caught:
                    CALLS[call](store, (link,))
                assert caught.type is Forbidden
    assert snapshot(root, outside) == before


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", [b"fifo", b"socket", b"device", b"device-block"])
def test_special_files_are_refused_without_waiting(world, call, name, within_five_seconds):
    root, outside = world
    if not os.path.lexists(root / os.fsdecode(name)):
        pytest.skip("devices can only be made by root; FIFO and socket take the same way")
    before = snapshot(root, outside)
    with LocalStore(root) as store:
        with pytest.raises(Forbidden):
            CALLS[call](store, (name,))
        with pytest.raises((NotFound, NotAFolder)):
            CALLS[call](store, (name, b"x"))
    assert snapshot(root, outside) == before


def test_a_folder_is_no_file(world):
    root, _ = world
    with LocalStore(root) as store:
        for call in ("read", "write", "write new"):
            with pytest.raises(IsAFolder, match=r"^It is a folder: folder$"):
                CALLS[call](store, (b"folder",))
        assert store.stat((b"folder",)).kind == "folder"


def test_a_sink_writes_into_the_folder_it_was_made_in(world):
    """A folder that becomes a link while a file is written does not redirect it."""
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


@pytest.mark.skipif(sys.platform != "linux", reason="the attacker exchanges two names in one step, which is Linux's")
def test_a_racing_attacker_gets_nothing_out_and_nothing_in(world):
    root, outside = world
    (root / "evil-folder").symlink_to(outside)
    (root / "target").write_bytes(b"inside")
    (root / "evil").symlink_to(outside / "secret")
    before = snapshot(outside)
    outcomes = dict.fromkeys(itertools.product(("read", "write", "write new", "stat"), (True, False)), 0)

    def attempt(call, path):
        try:
            run(call, path)
        except (NotFound, Forbidden):
            outcomes[call, False] += 1
        else:
            outcomes[call, True] += 1

    def run(call, path):
        if call == "stat":
            assert store.stat(path).size != len(SECRET)
            return
        if call == "read":
            with store.open_source(path) as source:
                buffer = bytearray(100)
                count = source.readv([memoryview(buffer)], 0)
                assert buffer[:count] in (b"inside", b"written")
            return
        with store.create_sink(path, overwrite=call == "write") as sink:
            sink.writev([memoryview(b"written")])
            sink.commit()

    with LocalStore(root) as store, attacker(root, "folder=evil-folder", "target=evil"):
        deadline = time.monotonic() + 2
        for number in itertools.count():
            for path in ((b"folder", b"secret"), (b"target",)):
                attempt("read", path)
                attempt("stat", path)
            attempt("write", (b"folder", b"secret"))
            attempt("write new", (b"folder", b"new-%d" % number))
            if time.monotonic() > deadline or (number > 1000 and all(outcomes.values())):
                break
    assert snapshot(outside) == before
    assert all(outcomes.values()), f"the race was not one: {outcomes}"
    assert not [name for name in snapshot(root) if "tmp-" in name]


@pytest.mark.skipif(sys.platform != "linux", reason="the attacker exchanges two names in one step, which is Linux's")
def test_an_attacker_racing_for_the_last_name_never_has_his_link_followed(world):
    root, outside = world
    (root / "target").write_bytes(b"inside")
    (root / "evil").write_bytes(b"inside")
    before = snapshot(outside)
    committed = refused = 0
    with LocalStore(root) as store, attacker(root, "target=evil"):
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and not (committed > 100 and refused > 100):
            # A commit right between its look and its rename replaces the link itself, so he sets it anew.
            (root / "link").symlink_to(outside / "secret")
            os.rename(root / "link", root / "evil")
            for _ in range(20):
                try:
                    with store.create_sink((b"target",)) as sink:
                        sink.writev([memoryview(b"written")])
                        sink.commit()
                    committed += 1
                except Forbidden:
                    refused += 1
    assert snapshot(outside) == before
    assert committed
    assert refused
