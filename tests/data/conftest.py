"""A server process for all tests, with a directory for each of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import fsspec
import psutil
import pytest

from secftp.keys import write_key_file
from tests.support.serving import HOST, server_process, until

if TYPE_CHECKING:
    from pathlib import Path


def pytest_configure(config):
    """Let libraries use each other's old interfaces, but not secftp."""
    for kind in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::{kind}")
        config.addinivalue_line("filterwarnings", rf"error::{kind}:secftp\b")


class Remote(NamedTuple):
    """A directory at a server, as its users name it, and as the machine that serves it does."""

    url: str  # without a slash at the end
    path: str  # of the directory at the server, with a slash at the start
    root: Path
    options: dict  # that fsspec needs to use the URL

    def of(self, name):
        """The URL of a file in it."""
        return f"{self.url}/{name}"

    @property
    def host(self):
        """What fsspec needs beside `options` to use a path instead of a URL."""
        return {"host": HOST, "port": int(self.url.split(":")[2].partition("/")[0])}

    def filesystem(self):
        """The file system, an object that fsspec shares."""
        return fsspec.filesystem("secftp", **self.host, **self.options)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "key"
    write_key_file(path)
    return path


@pytest.fixture(scope="session")
def wrong_key(tmp_path_factory):
    """Another key's file, as a text, since the options of some libraries are JSON."""
    path = tmp_path_factory.mktemp("keys") / "another key"
    write_key_file(path)
    return str(path)


@pytest.fixture(scope="session")
def everything(tmp_path_factory, key_file):
    """The server: its port and its directory."""
    served, home = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("home")
    with server_process(
        home,
        "0",
        "--key-file",
        key_file,
        "--root",
        served,
        "--host",
        HOST,
        "--guess-rate",
        "1000000",
        "--free-guesses",
        "100000",
    ) as server:
        yield server.port, served


@pytest.fixture
def remote(everything, key_file, request):
    port, served = everything
    name = f"{request.node.path.stem}-{len(list(served.iterdir()))}"
    (served / name).mkdir()
    return Remote(f"secftp://{HOST}:{port}/{name}", f"/{name}", served / name, {"key_file": str(key_file)})


@pytest.fixture(autouse=True)
def closed():
    """End the connections of all file systems, which fsspec keeps for the next use."""
    yield
    kind = fsspec.get_filesystem_class("secftp")
    for filesystem in list(kind._cache.values()):
        filesystem.close()
    kind.clear_instance_cache()


@pytest.fixture(autouse=True)
def _nothing_leaks():
    """Fail the test if it leaves connections to a server or threads of ours.

    Replaces the rule for the rest of the tests: the libraries keep threads and descriptors of their own. A thread of
    theirs may still use a connection when what it was for has failed already.
    """
    before = set(threading.enumerate())
    yield

    def left():
        threads = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("secftp")]
        found = psutil.Process().net_connections("tcp")
        return threads + [str(connection) for connection in found if connection.status == "ESTABLISHED"]

    until(lambda: not left(), "nothing is left behind")
