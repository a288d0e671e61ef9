"""Leftovers of a killed client: removed by the next one that works in the directory, and nothing else."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time

import pytest

import secftp
from secftp.keys import load_or_create, write_key_file
from secftp.storage.names import partial_name, temporary_name
from secftp.storage.sweep import PARTIAL_NS
from secftp.transfer import CopyOptions, RemoteLocation
from tests.support.command_line import SECRET, SECRET_KEY, run
from tests.support.copying import download, make
from tests.support.proxy import Way, relaying
from tests.support.serving import HOST, client_command, environment, listing, serving, until

SIZE = 500_000


@pytest.fixture
def server(tmp_path):
    make(tmp_path / "root", {b"file": b"1", b"tree/file": b"2", b"tree/below/file": b"3"})
    with serving(tmp_path / "root", key=SECRET_KEY) as running:
        yield running


@pytest.fixture
def here(tmp_path):
    """A directory of the user's, with what killed clients have left in it and beneath."""
    for directory in (b"", b"tree/", b"tree/below/"):
        make(tmp_path / "here", {directory + temporary_name(): b"left", directory + b"own": b"own"})
    return tmp_path / "here"


def left(here):
    return [name for name in listing(here) if ".secftp-" in name]


WAYS = {
    "into the directory": lambda client, here: download(client, [RemoteLocation((b"file",))], str(here)),
    "as a name in it": lambda client, here: download(client, [RemoteLocation((b"file",))], str(here / "name")),
    "as a name in it, resumed": lambda client, here: download(
        client, [RemoteLocation((b"file",))], str(here / "name"), CopyOptions(resume=True)
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_get_sweeps_the_directory_that_it_goes_into(server, here, way):
    with server.session(SECRET_KEY) as client:
        assert way(client, here).failed == 0
    assert not [name for name in left(here) if "/" not in name]
    assert len(left(here)) == 2, "no other directory is looked at"
    assert (here / "own").read_bytes() == b"own"


def test_a_get_of_a_tree_sweeps_each_of_its_directories(server, here):
    with server.session(SECRET_KEY) as client:
        assert download(client, [RemoteLocation((b"tree",))], str(here)).failed == 0
    assert left(here) == []
    assert [(here / name / "own").read_bytes() for name in ("", "tree", "tree/below")] == [b"own"] * 3


def test_a_dry_run_sweeps_nothing(server, here):
    before = left(here)
    with server.session(SECRET_KEY) as client:
        download(client, [RemoteLocation((b"tree",)), RemoteLocation((b"file",))], str(here), CopyOptions(dry_run=True))
    assert left(here) == before


def test_the_old_read_and_the_interface_for_programs_sweep_too(server, here):
    run(here, "read", "file", f"{HOST}:{server.port}", "aes128", SECRET, "-o", "copy").succeed()
    assert not [name for name in left(here) if "/" not in name]
    with secftp.connect(f"secftp://{HOST}:{server.port}", key=SECRET_KEY) as remote:
        remote.get("tree", here)
    assert left(here) == []


def test_nothing_else_is_swept(server, tmp_path, monkeypatch):
    here = tmp_path / "here"
    names = {
        "written": temporary_name(),
        "symlink": temporary_name(),
        "directory": temporary_name(),
        "fifo": temporary_name(),
        "alike": b".secftp-tmp-notes",
        "key": b".secftp-key-" + b"0" * 32,
        "upper": temporary_name().upper(),
        "fresh": partial_name(b"another"),
    }
    make(here, {names[kind]: b"x" for kind in ("written", "alike", "key", "upper", "fresh")})
    path = {kind: os.path.join(os.fsencode(here), name) for kind, name in names.items()}
    (tmp_path / "precious").write_bytes(b"precious")
    os.symlink("../precious", path["symlink"])
    os.mkdir(path["directory"])
    os.mkfifo(path["fifo"])
    with open(path["fresh"], "rb"), open(path["written"], "rb") as writer, server.session(SECRET_KEY) as client:
        os.utime(path["fresh"])
        fcntl.flock(writer, fcntl.LOCK_EX)
        download(client, [RemoteLocation((b"file",))], str(here))
    assert sorted(os.listdir(os.fsencode(here))) == sorted([*names.values(), b"file"])
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_another_users_file_is_not_swept(server, tmp_path, monkeypatch):
    here = tmp_path / "here"
    make(here, {temporary_name(): b"x"})
    user = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: user + 1)
    with server.session(SECRET_KEY) as client:
        download(client, [RemoteLocation((b"file",))], str(here))
    assert len(left(here)) == 1


def test_what_can_be_resumed_is_swept_after_a_week(server, tmp_path):
    here = tmp_path / "here"
    make(here, {partial_name(b"a"): b"x", partial_name(b"b"): b"x"})
    old = time.time_ns() - PARTIAL_NS - 10**9
    os.utime(os.path.join(os.fsencode(here), partial_name(b"a")), ns=(old, old))
    os.utime(os.path.join(os.fsencode(here), partial_name(b"b")))
    with server.session(SECRET_KEY) as client:
        download(client, [RemoteLocation((b"file",))], str(here))
    assert sorted(os.listdir(os.fsencode(here))) == sorted([partial_name(b"b"), b"file"])


def test_a_client_that_is_killed_and_the_next(tmp_path, server):
    (tmp_path / "root" / "middle").write_bytes(os.urandom(SIZE))
    here = tmp_path / "here"
    here.mkdir()
    with relaying(server.port, down=Way(cut=SIZE // 2, then="stall")) as relay:
        killed = subprocess.Popen(
            client_command("get", "-q", f"secftp://{HOST}:{relay.port}/middle", os.fspath(here)),
            env=environment(tmp_path, SECFTP_KEY=SECRET),
            stdin=subprocess.DEVNULL,
        )
        try:
            until(lambda: left(here), "the file is begun")
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
    assert len(left(here)) == 1
    run(tmp_path, "get", "-q", f"secftp://{HOST}:{server.port}/file", os.fspath(here)).succeed()
    assert listing(here) == ["file"]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_new_key_file_takes_unfinished_ones_away(tmp_path):
    here = tmp_path / "here"
    alike = b".secftp-key-notes"
    make(here, {b".secftp-key-" + b"0" * 32: b"a secret", b".secftp-key-" + b"1" * 32: b"written", alike: b"own"})
    os.symlink("../precious", here / (".secftp-key-" + "2" * 32))
    (tmp_path / "precious").write_bytes(b"precious")
    with open(here / (".secftp-key-" + "1" * 32), "rb") as maker:
        fcntl.flock(maker, fcntl.LOCK_EX)
        write_key_file(here / "new")
    names = [".secftp-key-" + "1" * 32, ".secftp-key-" + "2" * 32, os.fsdecode(alike), "new"]
    assert listing(here) == names
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_another_users_unfinished_key_stays(tmp_path, monkeypatch):
    make(tmp_path, {b".secftp-key-" + b"0" * 32: b"a secret"})
    user = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: user + 1)
    write_key_file(tmp_path / "new")
    assert len(left(tmp_path)) == 1


def test_a_key_file_that_is_being_made_is_not_swept(tmp_path, monkeypatch):
    """The lock is held until the file has its name."""
    real = os.link

    def link(source, target):
        monkeypatch.setattr("os.link", real)
        write_key_file(tmp_path / "other")
        real(source, target)

    monkeypatch.setattr("os.link", link)
    write_key_file(tmp_path / "new")
    assert listing(tmp_path) == ["new", "other"]


def test_the_remembered_key_takes_them_away_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", os.fspath(tmp_path / "state"))
    make(tmp_path / "state" / "secftp", {b".secftp-key-" + b"0" * 32: b"a secret"})
    (tmp_path / "root").mkdir()
    assert load_or_create(tmp_path / "root").created
    assert listing(tmp_path / "state" / "secftp") == ["server.key"]


def test_a_key_file_with_a_name_of_any_length(tmp_path):
    write_key_file(tmp_path / ("k" * 255))
    assert listing(tmp_path) == ["k" * 255]
