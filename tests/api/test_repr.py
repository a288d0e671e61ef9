"""What public objects look like in a notebook or a debugger: where, what, how large, whether closed; never a key."""

from __future__ import annotations

import os
import re

import pytest

import secftp
from tests.support.programs import remote, root, served
from tests.support.serving import KEY

__all__ = ["remote", "root", "served"]

ODD = "new\nline \x1b[2J \udcff \u202e"


def test_a_client(served):
    client = secftp.connect(f"{served.server.url}base%0A", KEY)
    assert repr(client) == f"<secftp.Client {served.server.url}base%0A/>"
    client.close()
    assert repr(client) == f"<secftp.Client {served.server.url}base%0A/ closed>"


def test_a_server(tmp_path):
    server = secftp.Server(tmp_path, KEY)
    assert repr(server) == f"<secftp.Server {os.fspath(tmp_path)!r} stopped at 127.0.0.1:0>"
    with server:
        assert repr(server) == f"<secftp.Server {os.fspath(tmp_path)!r} running at 127.0.0.1:{server.port}>"
    assert repr(secftp.Server(tmp_path, KEY, host="::1", port=9)).endswith(" stopped at [::1]:9>")
    assert repr(secftp.Server(tmp_path, KEY, host="", port=9)).endswith(" stopped at *:9>")


def test_entries(remote, root):
    (root / "file").write_bytes(b"123")
    (root / "directory").mkdir()
    assert sorted(map(repr, remote.scandir())) == [
        "<secftp.RemoteEntry 'directory' directory>",
        "<secftp.RemoteEntry 'file' file, 3 bytes>",
    ]
    problem = secftp.Forbidden("x: permission denied.")
    assert repr(secftp.RemoteEntry(b"x", None, problem)) == "<secftp.RemoteEntry b'x' unknown: x: permission denied.>"
    os.utime(root / "file", ns=(0, 7))
    os.chmod(root / "file", 0o640)
    assert repr(remote.stat("file")) == "RemoteStat(kind='file', size=3, mtime_ns=7, mode=0o640)"


def test_a_listing(remote, root):
    (root / "file").write_bytes(b"123")
    listing = remote.scandir(b"")
    assert repr(listing) == "<secftp.Listing b''>"
    list(listing)
    assert repr(listing) == "<secftp.Listing b'' ended>"


def test_open_files(remote, root, served):
    place = f"127.0.0.1:{served.server.port}"
    with remote.open("file", "wb") as file:
        file.write(b"123")
        assert repr(file) == f"<secftp.RemoteWriter 'file' at {place}, wb, 3 bytes written>"
    assert repr(file) == f"<secftp.RemoteWriter 'file' at {place}, wb, closed>"
    with remote.open("file") as file:
        assert repr(file) == f"<secftp.RemoteReader 'file' at {place}, 3 bytes>"
    assert repr(file) == f"<secftp.RemoteReader 'file' at {place}, closed>"


def test_copies(tmp_path, remote):
    (tmp_path / "x").write_bytes(b"1234")
    reports = []
    summary = remote.put(tmp_path / "x", on_progress=reports.append)
    assert re.fullmatch(r"Summary\(files=1, bytes=4, seconds=[\de.-]+, digest=b'.*'\)", repr(summary))
    assert repr(reports[-1]) == "CopyProgress(path='x', bytes=4, total_bytes=4, files=1, total_files=1)"


def test_keys_are_never_shown(tmp_path):
    text = secftp.generate_key()
    key = secftp.Key.from_text(text)
    assert repr(key) == str(key) == "<secftp.Key generated>"
    assert repr(secftp.Key.from_text("a key of one's own")) == "<secftp.Key>"
    with secftp.Server(tmp_path, text) as server, secftp.connect(server.url, text) as client:
        things = [server, client, client.scandir(), client.open("x", "wb"), key]
        for thing in things:
            assert text not in repr(thing)
            assert text.replace("-", "") not in repr(thing)
        things[3].abort()


@pytest.mark.parametrize("form", [str, lambda name: name.encode("utf-8", "surrogateescape")])
def test_odd_names_are_escaped(remote, root, form):
    with open(os.path.join(os.fsencode(root), ODD.encode("utf-8", "surrogateescape")), "wb"):
        pass
    name = form(ODD)
    with remote.open(name, "wb") as writer, remote.open(name) as reader:
        things = [writer, reader, next(remote.scandir(form(""))), remote.scandir(form("")), remote.stat(name)]
        for thing in things:
            assert repr(thing).isprintable(), thing
            assert repr(thing).encode()
        writer.abort()
