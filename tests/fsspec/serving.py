"""A server and its file system for fsspec."""

from __future__ import annotations

import pytest

import secftp

pytest.importorskip("fsspec")

from secftp.api.filesystem import SecftpFileSystem

KEY = "a key for these tests"


@pytest.fixture
def root(tmp_path):
    directory = tmp_path / "root"
    directory.mkdir()
    return directory


@pytest.fixture
def server(root):
    with secftp.Server(root, KEY) as running:
        yield running


def opened(server, **options):
    return SecftpFileSystem("127.0.0.1", server.port, skip_instance_cache=True, **{"key": KEY, **options})


@pytest.fixture
def fs(server):
    found = opened(server)
    yield found
    found.close()
