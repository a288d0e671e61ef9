"""The right to write covers permissions and times of files that the same session created, and of no others."""

from __future__ import annotations

import os
import stat

import pytest

from secftp.errors import Forbidden
from secftp.protocol import ErrorCode, NewFile, Ok, SetAttributes, WriteMany
from secftp.server.access import Rights
from secftp.server.requests import session_files
from secftp.server.requests.session_files import CreatedPaths
from secftp.storage import LocalStore
from secftp.transfer import CopyOptions
from secftp.transfer.options import RemoteLocation
from tests.support.copying import OLD, Recorder, look, make, upload
from tests.support.requests_at import served
from tests.support.serving import MemorySource, digest_of

DROP_BOX = Rights(read=False, write=True, overwrite=False, list=False, delete=False)
BACKUP = Rights(read=True, write=True, overwrite=False, list=True, delete=False)
TIME = 1_234_567_890_123_456_789


def mode_of(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def make_directory(client):
    client.make_directory((b"x",), mode=0o755)


def make_with_parents(client):
    client.make_directory((b"x",), parents=True)


def write_file(client):
    client.write((b"x",), MemorySource(b"1"))


def write_small(client):
    request = WriteMany(id=client.pipeline.next_id(), files=(NewFile((b"x",), b"1", digest_of(b"1")),))
    client.pipeline.submit(request, lambda _: True)
    client.pipeline.settle()


WAYS = [make_directory, make_with_parents, write_file, write_small]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rights", [DROP_BOX, BACKUP], ids=["drop-box", "backup"])
def test_what_the_session_made_is_its_own(tmp_path, rights, way):
    with served(tmp_path, rights=rights) as server, server.session() as client:
        way(client)
        for mode in (0o750, 0o700):
            client.set_attributes((b"x",), mode=mode, mtime_ns=TIME)
            assert (mode_of(tmp_path / "x"), os.stat(tmp_path / "x").st_mtime_ns) == (mode, TIME)


@pytest.mark.parametrize("way", WAYS)
def test_what_another_session_made_is_not(tmp_path, way):
    with served(tmp_path, rights=BACKUP) as server, server.session() as client:
        way(client)
    before = look(tmp_path)
    with served(tmp_path, rights=BACKUP) as server, server.session() as client, pytest.raises(Forbidden):
        client.set_attributes((b"x",), mode=0o700, mtime_ns=TIME)
    assert look(tmp_path) == before


def test_a_directory_that_was_there_is_not(tmp_path):
    (tmp_path / "x").mkdir()
    before = look(tmp_path)
    with served(tmp_path, rights=BACKUP) as server, server.session() as client:
        make_with_parents(client)
        for path in ((b"x",), ()):
            with pytest.raises(Forbidden):
                client.set_attributes(path, mode=0o777)
    assert look(tmp_path) == before


@pytest.mark.parametrize("way", WAYS)
def test_what_has_taken_its_name_since_is_not(tmp_path, way):
    with served(tmp_path, rights=BACKUP) as server, server.session() as client:
        way(client)
        os.rename(tmp_path / "x", tmp_path / "away")
        if (tmp_path / "away").is_dir():
            (tmp_path / "x").mkdir(mode=0o700)
        else:
            (tmp_path / "x").write_bytes(b"another's")
            os.chmod(tmp_path / "x", 0o600)
        before = look(tmp_path)
        with pytest.raises(Forbidden):
            client.set_attributes((b"x",), mode=0o777, mtime_ns=TIME)
    assert look(tmp_path) == before


def test_a_file_that_was_not_written_is_not(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with served(tmp_path, rights=BACKUP) as server:
        wire = server.wire()
        files = (NewFile((b"x",), b"1", digest_of(b"1")), NewFile((b"y",), b"1", digest_of(b"2")))
        wire.send(WriteMany(id=1, files=files))
        assert wire.receive().codes == (ErrorCode.EXISTS, ErrorCode.CHECKSUM)
        wire.send(SetAttributes(id=2, path=(b"x",), mode=0o777))
        assert wire.receive().code is ErrorCode.FORBIDDEN


def test_who_may_not_write_at_all_sets_nothing(tmp_path):
    (tmp_path / "x").mkdir()
    rights = Rights(read=True, write=False, overwrite=False, list=True, delete=True)
    with served(tmp_path, rights=rights) as server, server.session() as client, pytest.raises(Forbidden):
        client.set_attributes((b"x",), mode=0o777)


def test_who_may_replace_sets_what_is_there(tmp_path):
    (tmp_path / "x").mkdir()
    rights = Rights(read=False, write=True, overwrite=True, list=False, delete=False)
    with served(tmp_path, rights=rights) as server:
        wire = server.wire()
        wire.send(SetAttributes(id=1, path=(b"x",), mode=0o700))
        assert wire.receive() == Ok(id=1)


@pytest.mark.parametrize("rights", [DROP_BOX, BACKUP], ids=["drop-box", "backup"])
def test_a_tree_is_put_with_all_that_is_kept_and_without_a_note(tmp_path, rights):
    source = make(tmp_path / "t", {b"a/b/f": b"1", b"a/large": bytes(50_000), b"c/": b"", b"g": b"2"}, mode=0o664)
    for name in ("a/b", "a", "c", "."):
        os.chmod(f"{source}/{name}", 0o2775)
        os.utime(f"{source}/{name}", ns=(OLD, OLD))
    (tmp_path / "root").mkdir()
    listener = Recorder()
    with served(tmp_path / "root", rights=rights) as server, server.session() as client:
        summary = upload(client, [source], RemoteLocation((), trailing_slash=True), CopyOptions(), listener)
    assert (summary.files, summary.failed) == (3, 0)
    assert listener.of("note") == []
    expected = {name: (kind, mode & 0o777, time, data) for name, (kind, mode, time, data) in look(source).items()}
    assert look(tmp_path / "root" / "t") == expected


def test_a_session_remembers_a_bounded_number(tmp_path, monkeypatch):
    monkeypatch.setattr(session_files, "MOST_DIRECTORIES", 3)
    monkeypatch.setattr(session_files, "MOST_OTHERS", 2)
    with LocalStore(tmp_path) as store:
        found = CreatedPaths(store)
        for number in range(6):
            (tmp_path / f"d{number}").mkdir()
            found.add((b"d%d" % number,), is_directory=True)
            (tmp_path / f"f{number}").write_bytes(b"")
            found.add((b"f%d" % number,))
        assert [n for n in range(6) if (b"f%d" % n,) in [(b"f4",), (b"f5",)] and found.find((b"f%d" % n,))] == [4, 5]
        assert [n for n in range(4) if found.find((b"f%d" % n,))] == []
        assert [n for n in range(6) if found.find((b"d%d" % n,))] == [3, 4, 5]
        assert len(found._directories) + len(found._others) <= 5


def test_what_is_gone_again_is_not_remembered(tmp_path):
    with LocalStore(tmp_path) as store:
        found = CreatedPaths(store)
        found.add((b"never",))
        assert found.find((b"never",)) is None


@pytest.mark.parametrize("rights", [DROP_BOX, BACKUP], ids=["drop-box", "backup"])
def test_what_is_so_already_may_be_asked_for_again_by_who_may_look(tmp_path, rights):
    (tmp_path / "x").mkdir()
    os.chmod(tmp_path / "x", 0o750)
    os.utime(tmp_path / "x", ns=(TIME, TIME))
    before = look(tmp_path)
    with served(tmp_path, rights=rights) as server:
        wire = server.wire()
        asked = [{"mode": 0o4750, "mtime_ns": TIME}, {"mode": 0o750}, {"mtime_ns": TIME}]
        for number, attributes in enumerate(asked, 1):
            wire.send(SetAttributes(id=number, path=(b"x",), **attributes))
            answer = wire.receive()
            assert answer == Ok(id=number) if rights.list else answer.code is ErrorCode.FORBIDDEN
        others = [{"mode": 0o755, "mtime_ns": TIME}, {"mode": 0o750, "mtime_ns": TIME + 1}]
        for number, attributes in enumerate(others, 10):
            wire.send(SetAttributes(id=number, path=(b"x",), **attributes))
            assert wire.receive().code is ErrorCode.FORBIDDEN
    assert look(tmp_path) == before


def test_a_tree_is_put_a_second_time_without_a_note(tmp_path):
    source = make(tmp_path / "t", {b"a/f": b"1", b"c/": b""})
    for name in ("a", "c", "."):
        os.utime(f"{source}/{name}", ns=(OLD, OLD))
    (tmp_path / "root").mkdir()
    for skipped in (0, 1):
        listener = Recorder()
        with served(tmp_path / "root", rights=BACKUP) as server, server.session() as client:
            summary = upload(
                client, [source], RemoteLocation((), trailing_slash=True), CopyOptions(update=True), listener
            )
        assert (summary.skipped, summary.failed, listener.of("note")) == (skipped, 0, [])


def test_under_a_mask_it_is_what_would_be_granted(tmp_path):
    (tmp_path / "d").mkdir()
    os.chmod(tmp_path / "d", 0o750)
    (tmp_path / "f").write_bytes(b"")
    os.chmod(tmp_path / "f", 0o640)
    with LocalStore(tmp_path, mode_mask=0o650) as store:
        assert store.has_attributes((b"d",), mode=0o777)
        assert store.has_attributes((b"f",), mode=0o666)
        assert not store.has_attributes((b"f",), mode=0o600)
        assert not store.has_attributes((b"d",), mode=0o700)
