"""Uploads in parts against the model's server: over several streams, with losses, refusals and changes."""

from __future__ import annotations

import os
import random

import pytest

from secftp.crypto import Suite
from secftp.transfer import CopyOptions, RemoteLocation, Upload
from tests.model.server import File, Server
from tests.support.copying import Recorder, make
from tests.support.serving import digest_of
from tests.support.serving import session as session_at

W = 7  # the scalar of tests.support.serving.KEY
SIZE = 3 * 2**20 + 12_345
DATA = random.Random(3).randbytes(SIZE)
ROOT = RemoteLocation(())
STREAMS = [1, 2, 4, 8]


@pytest.fixture
def model():
    with Server(W) as server:
        yield server


@pytest.fixture
def source(tmp_path):
    make(tmp_path / "here", {b"f": DATA})
    return tmp_path / "here" / "f"


def session(port):
    """A session without encryption, which the model computes slowly."""
    return session_at(port, suite=Suite.NONE)


def streaming(copy, port):
    """The copy, which opens its additional streams there."""
    copy.open_stream = lambda _wanted: session(port)
    return copy


def put(server, source, told=None, **options):
    copy = streaming(Upload([os.fspath(source)], ROOT, CopyOptions(**options), told), server.port)
    with session(server.port) as client:
        return copy.run(client)


def arrived(server, name=b"f"):
    found = server.tree.nodes[name,]
    assert isinstance(found, File)
    return found.data


@pytest.mark.parametrize("streams", STREAMS)
def test_a_file_is_sent_in_parts_over_several_streams(model, source, streams):
    told = Recorder()
    summary = put(model, source, told, streams=streams)
    assert arrived(model) == DATA
    assert (summary.files, summary.bytes, summary.failed) == (1, SIZE, 0)
    assert summary.digest == digest_of(DATA)
    assert told.of("finished") == [(b"f", SIZE, digest_of(DATA))]
    assert told.bytes == SIZE
    assert told.plans == [(1, SIZE)]
    assert model.uploads.completed == (streams > 1)
    assert sum(size for _, size in model.parts) == (SIZE if streams > 1 else 0)
