"""One small file as the first request: it goes where it would go after all questions, and fails in the same words."""

from __future__ import annotations

import os
import stat

import pytest

from secftp.errors import ChecksumMismatch, ConnectionLost, Forbidden, NotADirectory, NotFound
from secftp.protocol import Capability, End, Ok, SessionLimits, Stat, Welcome, Write
from secftp.transfer import CopyOptions, RemoteLocation, Upload
from secftp.transfer.upload_first import MOST_BYTES
from tests.support.copying import OLD, Recorder
from tests.support.losing import losing
from tests.support.serving import fake_server, listing, serving, session


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "name"
    path.write_bytes(b"contents")
    path.chmod(0o640)
    os.utime(path, ns=(OLD, OLD))
    return path


def upload(server, source, target, *, slash=False, options=None):
    """Copy one file with a new session; returns what the listener was told."""
    told = Recorder()
    path = tuple(target.encode().split(b"/")) if target else ()
    with server.session() as client:
        Upload([str(source)], RemoteLocation(path, slash), options, told).run(client)
    return told


@pytest.mark.parametrize(
    ("target", "slash", "arrives"),
    [
        ("", False, "name"),
        ("new", False, "new"),
        ("file", False, "file"),
        ("folder", False, "folder/name"),
        ("folder", True, "folder/name"),
        ("folder/new", False, "folder/new"),
        ("made/deep", True, "made/deep/name"),
    ],
)
def test_it_goes_where_the_target_says(source, root, target, slash, arrives):
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"old")
    with serving(root) as server:
        told = upload(server, source, target, slash=slash)
    assert (root / arrives).read_bytes() == b"contents"
    status = (root / arrives).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, OLD)
    assert {*listing(root)} == {"file", "folder", arrives, *(["made", "made/deep"] if "made" in arrives else [])}
    assert [call[:2] for call in told.calls[:-1]] == [("started", b"name"), ("finished", b"name")]
    assert (told.plans[-1], told.bytes) == ((1, 8), 8)


@pytest.mark.parametrize(
    ("target", "slash", "failure", "words"),
    [
        ("none/new", False, NotFound, "none/new: no such directory"),
        ("file", True, NotADirectory, "file: it is not a directory"),
        ("file/new", False, NotADirectory, "file/new: "),
    ],
)
def test_what_is_wrong_with_the_target_is_said_as_ever(source, root, target, slash, failure, words):
    (root / "file").write_bytes(b"old")
    with serving(root) as server, pytest.raises(failure) as raised:
        upload(server, source, target, slash=slash)
    assert str(raised.value).startswith(words)
    assert listing(root) == ["file"]


def test_a_server_that_takes_nothing_says_so(source, root):
    with serving(root, read_only=True) as server, pytest.raises(Forbidden, match="read-only"):
        upload(server, source, "new")
    assert listing(root) == []


def test_what_is_there_is_skipped_if_nothing_may_be_replaced(source, root):
    (root / "name").write_bytes(b"old")
    with serving(root) as server:
        told = upload(server, source, "", options=CopyOptions(overwrite=False))
    assert told.calls[:-1] == [("started", b"name", 8), ("skipped", b"name", "it already exists")]
    assert (root / "name").read_bytes() == b"old"


@pytest.mark.parametrize("options", [CopyOptions(update=True), CopyOptions(resume=True), CopyOptions(dry_run=True)])
def test_what_asks_first_is_not_sent_first(source, root, options):
    with serving(root) as server:
        upload(server, source, "new", options=options)
        assert "Processing..." not in server.log.text
    assert listing(root) == ([] if options.dry_run else ["new"])


def test_a_file_that_is_not_small_is_not_sent_in_vain(tmp_path, root):
    large = tmp_path / "large"
    large.write_bytes(bytes(MOST_BYTES + 1))
    (root / "folder").mkdir()
    with serving(root) as server:
        upload(server, large, "folder")
        assert "Refused" not in server.log.text
    assert (root / "folder" / "large").stat().st_size == MOST_BYTES + 1


@pytest.mark.parametrize("options", [CopyOptions(), CopyOptions(overwrite=False)])
def test_it_has_arrived_and_the_answer_was_lost(source, root, options):
    told = Recorder()
    copy = Upload([str(source)], RemoteLocation((b"new",)), options, told)
    with serving(root) as server, losing(server.port) as way:
        with session(way.port) as client:
            way.cut_when(lambda: "File confirmed" in server.log.text)
            with pytest.raises(ConnectionLost):
                copy.run(client)
        assert [call[0] for call in told.calls] == ["ended"]
        with session(way.port) as client:
            summary = copy.run(client)
    assert (summary.files, summary.skipped, summary.failed) == (1, 0, 0), told.calls
    assert (root / "new").read_bytes() == b"contents"


def test_it_leaves_with_the_end_of_the_handshake(source, root, monkeypatch):
    """Before WELCOME has come, and with nothing before it."""
    with serving(root) as server, server.session() as client:
        sent = []
        send = client.pipeline.channel.send

        def note(message):
            sent.append((type(message), client.welcome is None))
            return send(message)

        monkeypatch.setattr(client.pipeline.channel, "send", note)
        Upload([str(source)], RemoteLocation((b"new",))).run(client)
        assert isinstance(client.welcome, Welcome)
    assert sent[0] == (Write, True)
    assert Stat not in {kind for kind, _ in sent}


def test_a_confirmation_of_something_else_is_a_failure(source):
    def play(wire):
        message = asked = wire.receive()
        while not isinstance(message, End):
            message = wire.receive()
        limits = SessionLimits(requests=16, keepalive=15, idle=60)
        wire.send(Welcome(version=1, software="s", capabilities=tuple(Capability), limits=limits))
        wire.send(Ok(id=asked.id, size=8, digest=bytes(16)))
        while wire.receive() is not None:
            pass

    told = Recorder()
    with fake_server(play) as port, session(port) as client:
        summary = Upload([str(source)], RemoteLocation((b"new",)), None, told).run(client)
    assert (summary.files, summary.failed) == (0, 1)
    assert isinstance(told.of("failed")[0][1], ChecksumMismatch)
