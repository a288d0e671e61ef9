"""Fixtures that tests of several packages use: directories, a running server, a client of each kind."""

from __future__ import annotations

import pytest

from secftp.storage import LocalStore
from tests.support.command_line import client_and_server
from tests.support.serving import serving


@pytest.fixture
def root(tmp_path):
    """An empty directory to serve."""
    directory = tmp_path / "root"
    directory.mkdir()
    return directory


@pytest.fixture
def home(tmp_path):
    """An empty home directory for programs that are started."""
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture
def store(tmp_path):
    """A store of the test's own directory."""
    with LocalStore(tmp_path) as opened:
        yield opened


@pytest.fixture
def server(root):
    """A server in this process, with the key of `tests.support.serving`."""
    with serving(root) as running:
        yield running


@pytest.fixture
def client(server):
    """A session with `server`."""
    with server.session() as session:
        yield session


@pytest.fixture
def secftp(root, capfdbinary):
    """The command line, and a server of `root` that it talks to."""
    with client_and_server(root.parent, capfdbinary) as caller:
        yield caller
