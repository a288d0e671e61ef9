"""Sparse files both ways: what arrives, what travels, and what it occupies, whatever else a copy does."""

from __future__ import annotations

import os
import random

import pytest

from secftp.errors import ConnectionLost
from secftp.protocol import Capability, Hole, Write
from secftp.server import session as server_session
from secftp.storage.user import open_local_source
from secftp.transfer import CopyOptions, Download, RemoteLocation, Upload
from tests.support.copying import Recorder, run_broken
from tests.support.serving import listing, until

pytestmark = pytest.mark.exhaustive

MIB = 2**20
NOISE = random.Random(3).randbytes(MIB)
SIZE = 40 * MIB + 12_345


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


class Way:
    """One direction: where the source is, where the target, and how to copy."""

    def __init__(self, name, root, here, server):
        self.is_put = name == "put"
        self.source, self.target = (here / "f", root / "f") if self.is_put else (root / "f", here / "f")
        self.server = server

    def copy(self, told=None, **options):
        if self.is_put:
            copy = Upload([os.fspath(self.source)], RemoteLocation(()), CopyOptions(**options), told)
        else:
            copy = Download([RemoteLocation((b"f",))], os.fspath(self.target.parent), CopyOptions(**options), told)
        copy.open_stream = lambda _wanted: self.server.session()
        return copy

    def run(self, **options):
        """Copy the file; return the bytes of its data that have travelled over the copy's session."""
        with self.server.session() as client:
            self.copy(**options).run(client)
            data = client.pipeline.channel.data
        assert self.target.stat().st_size == self.source.stat().st_size
        assert self.target.read_bytes() == self.source.read_bytes()
        return data.nbytes - data.holes - data.saved


@pytest.fixture(params=["put", "get"])
def way(request, root, here, server):
    return Way(request.param, root, here, server)


def make_sparse(path):
    """A file with data at its beginning, in the middle and before a hole at its end."""
    with path.open("wb") as file:
        for at in (0, 20 * MIB + 77, 39 * MIB):
            file.seek(at)
            file.write(NOISE[: MIB // 2])
        file.truncate(SIZE)


def make_full(path):
    """The same, with blocks for all of it."""
    make_sparse(path)
    path.write_bytes(path.read_bytes())


def occupied(path):
    return path.stat().st_blocks * 512


@pytest.mark.parametrize("options", [{}, {"compress": True}, {"checksum": "md5"}, {"limit_rate": 64 * MIB}], ids=str)
def test_holes_neither_travel_nor_are_written(way, options):
    make_sparse(way.source)
    assert way.run(streams=1, **options) < 2 * MIB
    assert occupied(way.target) < 2 * MIB


def test_over_several_streams(way):
    make_sparse(way.source)
    way.run(streams=4)
    assert occupied(way.target) < 3 * MIB
    assert listing(way.target.parent) == ["f"]


def test_zeros_are_no_holes_unless_that_is_wanted(way):
    make_full(way.source)
    assert way.run(streams=1) == SIZE
    assert occupied(way.target) >= SIZE
    way.target.unlink()
    assert (way.run(streams=1, sparse=True) < 2 * MIB) == way.is_put, "a client leaves out what it has received"
    assert occupied(way.target) < 2 * MIB
    way.target.unlink()
    way.run(streams=4, sparse=True)
    assert occupied(way.target) < 3 * MIB


@pytest.mark.parametrize("size", [1, 4096, 32_768, 32_769, MIB, 2 * MIB + 1])
def test_nothing_but_a_hole(way, size):
    with way.source.open("wb") as file:
        file.truncate(size)
    way.run(streams=1)
    assert occupied(way.target) <= (size + 4095 if size < MIB else 0), "what is small does not wait for WELCOME"


def test_a_server_without_the_capability_gets_and_sends_zeros(way, monkeypatch):
    lacking = tuple(each for each in server_session._CAPABILITIES if each is not Capability.HOLES)
    monkeypatch.setattr(server_session, "_CAPABILITIES", lacking)
    make_sparse(way.source)
    assert way.run(streams=1) == SIZE
    way.run(streams=1, sparse=True)
    assert (occupied(way.target) < 2 * MIB) == (not way.is_put), "what comes can be left out all the same"


def test_what_was_sent_of_it_is_continued(way):
    """By the next session of a copy, behind the holes that were sent."""
    make_sparse(way.source)
    copy = way.copy(streams=1)
    assert run_broken(way.server, copy, MIB * 3 // 4) is ConnectionLost
    with way.server.session() as client:
        copy.run(client)
        assert client.pipeline.channel.data.nbytes < SIZE - 20 * MIB
    assert way.target.read_bytes() == way.source.read_bytes()
    assert occupied(way.target) < 2 * MIB
    assert listing(way.target.parent) == ["f"]


def test_a_partial_is_resumed_by_another_copy(way):
    make_sparse(way.source)
    assert run_broken(way.server, way.copy(streams=1), MIB * 3 // 4) is ConnectionLost
    told = Recorder()
    with way.server.session() as client:
        way.copy(told, streams=1, resume=True).run(client)
    assert way.target.read_bytes() == way.source.read_bytes()
    assert occupied(way.target) < 2 * MIB
    ((_, resumed),) = told.of("resumed")
    # A client can't tell the holes of a file from those that a killed one has left in its partial.
    assert resumed > (20 * MIB if way.is_put else MIB // 4)
    assert listing(way.target.parent) == ["f"]


def test_a_copy_at_the_server(server, root):
    make_sparse(root / "f")
    with server.session() as client:
        client.copy((b"f",), (b"g",))
    assert (root / "g").read_bytes() == (root / "f").read_bytes()
    assert occupied(root / "g") < 2 * MIB


def test_holes_of_the_first_file_of_a_session_wait_for_its_welcome(server, root, here):
    make_sparse(here / "f")
    with server.session() as client, open_local_source(os.fspath(here / "f")) as source:
        client.write((b"f",), source)
        assert client.pipeline.channel.data.holes > SIZE - 2 * MIB
    assert (root / "f").read_bytes() == (here / "f").read_bytes()


def test_a_hole_is_progress_for_a_server_that_wants_some(server, root):
    """Although few bytes come: the least rate is about what is transferred."""
    with server.hostile() as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"f",), size=MIB + 1), Hole(size=MIB))
        (connection,) = server.server._shared.registry.all()
        until(lambda: connection.moved >= MIB, "all of it is taken in")
        assert connection.stream.moved < MIB / 16


def test_nothing_is_hashed_for_a_client_that_has_left(server, root):
    """A few bytes that wait in the socket can stand for hours of work."""
    with server.hostile() as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"f",), size=2**62, holes=2**62))
        for _ in range(50):
            wire.send(*[Hole(size=2**26)] * 100)
        registry = server.server._shared.registry
        (connection,) = registry.all()
    until(lambda: not registry.all(), "the session ends")
    assert connection.moved < 5000 * 2**26 / 2
    assert listing(root) == []
