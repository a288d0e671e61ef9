"""`--backup` of a copy, both ways: small files in batches, large ones, and those in parts."""

from __future__ import annotations

import os

import pytest

import secftp as api
from secftp.errors import ConnectionLost, FileError
from secftp.protocol import Capability
from secftp.server import session as server_session
from secftp.transfer import CopyOptions, Download, RemoteLocation, Upload
from tests.support.copying import contents, make, run_broken
from tests.support.programs import remote, served

__all__ = ["remote", "served"]

OLD = {b"small": b"old", b"sub/tiny": b"old", b"large": b"old" * 400_000, b"same": b"same", b"gone": b"gone"}
NEW = {b"small": b"new", b"sub/tiny": b"new", b"large": b"new" * 500_000, b"same": b"same", b"first": b"first"}
AFTER = OLD | NEW | {name + b"~": data for name, data in OLD.items() if name not in (b"same", b"gone")}


@pytest.fixture(params=["put", "get"])
def way(request, root, tmp_path):
    source, target = (tmp_path / "here", root) if request.param == "put" else (root, tmp_path / "here")
    make(source / "t", NEW)
    make(target / "t", OLD)

    def copy(**options):
        options = CopyOptions(**{"backup": "~", **options})
        if request.param == "put":
            return Upload([os.fspath(source / "t")], RemoteLocation(()), options)
        return Download([RemoteLocation((b"t",))], os.fspath(target), options)

    return request.param, copy, target / "t"


def run(server, copy):
    copy.open_stream = lambda _wanted: server.session()
    with server.session() as client:
        return copy.run(client)


@pytest.mark.parametrize("options", [{}, {"streams": 3}, {"compress": True}, {"limit_rate": 1 << 24}], ids=str)
def test_what_is_replaced_is_kept_once(server, way, options):
    """However often the same is copied: what is the same is no backup of itself."""
    _, copy, target = way
    for _ in range(3):
        run(server, copy(**options))
        assert contents(target) == AFTER


def test_another_suffix(server, way):
    _, copy, target = way
    run(server, copy(backup=".é"))
    assert contents(target)["small.é".encode()] == b"old"


def test_with_options_that_leave_files_alone(server, way):
    _, copy, target = way
    run(server, copy(overwrite=False))
    assert contents(target) == OLD | {b"first": b"first"}
    run(server, copy(dry_run=True))
    assert contents(target) == OLD | {b"first": b"first"}
    run(server, copy())
    run(server, copy(update=True))
    assert contents(target) == AFTER


@pytest.mark.parametrize("cut", [2000, 5000, 300_000, 1_200_000])
def test_a_copy_that_is_repeated_after_a_loss_keeps_what_was_there_before_it(server, way, cut):
    _, copy, target = way
    first = copy(streams=1)
    assert run_broken(server, first, cut) in (ConnectionLost, None)
    run(server, first)
    assert contents(target) == AFTER


def test_a_server_without_the_capability_is_sent_nothing(server, way, monkeypatch):
    kind, copy, target = way
    lacking = tuple(each for each in server_session._CAPABILITIES if each is not Capability.BACKUP)
    monkeypatch.setattr(server_session, "_CAPABILITIES", lacking)
    if kind == "get":
        run(server, copy())
        assert contents(target) == AFTER, "backups of what is here are not the server's business"
        return
    with pytest.raises(FileError, match="can't keep backups of what is replaced"):
        run(server, copy())
    assert contents(target) == OLD


def test_the_python_interface(served, remote, tmp_path):
    root = served.root
    make(tmp_path / "here", {b"f": b"new"})
    make(root, {b"f": b"old"})
    remote.put(tmp_path / "here" / "f", "f", backup=".bak")
    assert contents(root) == {b"f": b"new", b"f.bak": b"old"}
    for wrong, problem in {"": api.UsageError, "a/b": api.UsageError, "x" * 65: api.UsageError, 3: TypeError}.items():
        with pytest.raises(problem):
            remote.put(tmp_path / "here" / "f", "f", backup=wrong)


@pytest.mark.parametrize(
    ("words", "found"),
    [(["-b"], "f~"), (["--backup"], "f~"), (["--backup=.old"], "f.old"), (["-b", "--backup==x"], "f=x")],
)
def test_the_command_line(secftp, tmp_path, root, words, found):
    make(tmp_path / "here", {b"f": b"new"})
    make(root, {b"f": b"old"})
    secftp("put", *words, tmp_path / "here" / "f", "//f").succeed()
    assert contents(root) == {b"f": b"new", os.fsencode(found): b"old"}
    secftp("put", "--backup=", tmp_path / "here" / "f", "//f").expect(2, "The suffix of backups")
    secftp("get", "-b", "//f", "-").expect(2, "--backup can't be used with -.")
    secftp("put", "--", "--backup=x", "//f").expect(13, "No such file: --backup=x")
