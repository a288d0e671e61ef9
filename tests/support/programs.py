"""A server and a client through the Python API: `secftp.Server`, `secftp.connect`."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import secftp
from tests.support.serving import DEADLINE, KEY


class Served:
    """A server that runs, a client of it, the directory that is served, and the server's lines."""

    def __init__(self, root, server, remote, lines):
        self.root = root
        self.server = server
        self.remote = remote
        self.lines = lines

    @contextlib.contextmanager
    def another(self, **options):
        """One more client."""
        with secftp.connect(self.server.url, key=KEY, cipher="aes128", timeout=DEADLINE, **options) as remote:
            yield remote

    def unfinished(self):
        """Temporary files of writers."""
        return [name for name in (path.name for path in self.root.rglob("*")) if name.startswith(".secftp")]


@contextlib.contextmanager
def serving_programs(root, *, timeout=DEADLINE, **options):
    """A `Served` of a directory; `options` go to `secftp.Server`."""
    lines = []
    with secftp.Server(root, key=KEY, log=lines.append, **options) as server:
        try:
            with secftp.connect(server.url, key=KEY, cipher="aes128", timeout=timeout) as remote:
                yield Served(root, server, remote, lines)
        finally:
            server.stop(abort=True)


@pytest.fixture
def served(tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    with serving_programs(root) as found:
        yield found


@pytest.fixture
def remote(served):
    return served.remote


@pytest.fixture
def root(served):
    return served.root


def at_once(count, action):
    """Run `action(number)` in so many threads that all start together; their results."""
    start = threading.Barrier(count)

    def run(number):
        start.wait(DEADLINE)
        return action(number)

    with ThreadPoolExecutor(count) as pool:
        return [done.result(DEADLINE) for done in [pool.submit(run, number) for number in range(count)]]
