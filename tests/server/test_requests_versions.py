"""Versions of files: parts of one version only are sent, and a version discloses nothing of the file system."""

from __future__ import annotations

import os
import random

import pytest

from secftp.protocol import Data, End, Error, ErrorCode, File, Ok, Read, Sum
from secftp.server.requests import versions
from secftp.server.requests.versions import version_of
from secftp.storage import LocalStore
from tests.support.requests_at import served

DATA = random.Random(7).randbytes(300_000)
NAME = (b"name",)


@pytest.fixture
def wire(tmp_path):
    (tmp_path / "name").write_bytes(DATA)
    with served(tmp_path) as server:
        yield server.wire()


def ask(wire, **fields):
    """FILE and the bytes behind it, or ERROR."""
    wire.send(Read(id=wire.next, path=NAME, **fields))
    answer, data = wire.receive(), b""
    if isinstance(answer, Error):
        return answer, data
    while isinstance(received := wire.receive(), Data):
        data += bytes(received.payload)
    assert isinstance(received, End)
    return answer, data


class Numbered:
    """A wire that counts its requests."""

    def __init__(self, wire):
        self._wire = wire
        self._last = 0

    @property
    def next(self):
        self._last += 1
        return self._last

    def __getattr__(self, name):
        return getattr(self._wire, name)


@pytest.fixture
def numbered(wire):
    return Numbered(wire)


def test_nothing_is_told_that_was_not_asked_for(numbered):
    file, data = ask(numbered)
    assert (file.version, file.total, data) == (None, None, DATA)


def test_parts_of_one_version(numbered):
    file, data = ask(numbered, version=b"", length=0)
    assert isinstance(file, File)
    assert (file.total, len(file.version), data) == (len(DATA), 16, b"")
    whole = b""
    for offset in range(0, len(DATA), 100_000):
        part, data = ask(numbered, version=file.version, offset=offset, length=100_000, additional=True)
        assert (part.version, part.total) == (file.version, len(DATA))
        whole += data
    assert whole == DATA
    numbered.send(Sum(id=numbered.next, path=NAME, version=file.version))
    assert isinstance(numbered.receive(), Ok)


def rewrite(path):
    path.write_bytes(DATA[::-1])


def append(path):
    with path.open("ab") as file:
        file.write(b"more")


def replace(path):
    """The same bytes, size and time, in another file."""
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(DATA)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def set_back(path):
    """Other bytes of the same size, with the modification time of the first."""
    status = path.stat()
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [rewrite, append, replace, set_back])
def test_another_version_is_refused_before_any_data(numbered, tmp_path, change):
    file, _ = ask(numbered, version=b"", length=0)
    change(tmp_path / "name")
    for request in (
        Read(id=numbered.next, path=NAME, version=file.version),
        Read(id=numbered.next, path=NAME, version=file.version, offset=5, length=5),
        # Before the prefix is compared, for which all of it would have to be read.
        Read(id=numbered.next, path=NAME, version=file.version, offset=5, prefix=bytes(16)),
        Sum(id=numbered.next, path=NAME, version=file.version),
    ):
        numbered.send(request)
        answer = numbered.receive()
        assert isinstance(answer, Error)
        assert answer.code is ErrorCode.CHANGED
    again, _ = ask(numbered, version=b"", length=0)
    assert again.version != file.version


@pytest.mark.parametrize("version", [b"x", bytes(16), bytes(32)])
def test_a_version_that_never_was_is_refused(numbered, version):
    answer, _ = ask(numbered, version=version)
    assert answer.code is ErrorCode.CHANGED


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs proc")
def test_a_file_of_unknown_size_has_no_version():
    with served("/proc/self") as server:
        wire = server.wire()
        wire.send(Read(id=1, path=(b"status",), version=b""))
        file = wire.receive()
        assert (file.version, file.total) == (None, None)
        while not isinstance(wire.receive(), End):
            pass
        wire.send(Read(id=2, path=(b"status",), version=bytes(16)))
        assert wire.receive().code is ErrorCode.CHANGED


def test_another_process_has_other_versions(tmp_path, monkeypatch):
    """And who knows all that goes into a version, except for the key, can't tell it."""
    (tmp_path / "name").write_bytes(DATA)
    with LocalStore(tmp_path) as store, store.open_source(NAME) as source:
        one = version_of(source)
        assert version_of(source) == one
        monkeypatch.setattr(versions, "_KEY", bytes(32))
        assert version_of(source) != one


def test_the_key_is_random():
    assert len(versions._KEY) == 32
    assert len(set(versions._KEY)) > 8


# --- several servers --------------------------------------------------------------------------------------------------


@pytest.fixture
def another_process(monkeypatch):
    """Call it to be one: it has another random key, and no secret yet."""

    def begin():
        monkeypatch.setattr(versions, "_KEY", os.urandom(32))
        monkeypatch.setattr(versions, "_common_key", None)

    begin()
    return begin


def version_at(root):
    with LocalStore(root) as store, store.open_source(NAME) as source:
        return version_of(source)


def test_servers_with_a_secret_in_common_agree_on_versions(tmp_path, another_process):
    (tmp_path / "name").write_bytes(DATA)
    alone = version_at(tmp_path)
    versions.share_key(b"k" * 32)
    together = version_at(tmp_path)
    another_process()
    assert version_at(tmp_path) not in (alone, together)
    versions.share_key(b"other".ljust(32))
    assert version_at(tmp_path) != together
    versions.share_key(b"k" * 32)
    assert version_at(tmp_path) == together
    rewrite(tmp_path / "name")
    assert version_at(tmp_path) != together


class OnAnotherMachine:
    """A source whose device has another number, and its inode perhaps, too."""

    is_stamp_shared = False

    def __init__(self, source, *, inode=0):
        device, number, *rest = source.stamp
        self.stamp = (device + 1, number + inode, *rest)


def test_the_number_of_a_device_counts_for_a_single_server_alone(tmp_path, another_process):
    (tmp_path / "name").write_bytes(DATA)
    with LocalStore(tmp_path) as store, store.open_source(NAME) as source:
        assert version_of(OnAnotherMachine(source)) != version_of(source)
        versions.share_key(b"k" * 32)
        assert version_of(OnAnotherMachine(source)) == version_of(source)
        assert version_of(OnAnotherMachine(source, inode=1)) != version_of(source)
