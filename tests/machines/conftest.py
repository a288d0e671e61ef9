"""Servers of other programs as processes on free ports, and secftpd in front of or behind them."""

from __future__ import annotations

import contextlib
import os
import sys

import psutil
import pytest

from secftp.keys import write_key_file
from tests.machines.balancer import HAProxy
from tests.machines.other_stores import GoogleStore, Ministack
from tests.machines.processes import Processes
from tests.machines.redis_server import Redis
from tests.machines.stores import Moto
from tests.support.serving import HOST, environment, until

_everything = []  # the `Processes` of each scope that is open, for the report of a test that fails


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for processes in _everything:
            report.sections.extend(processes.sections())
    return report


def _processes(directory):
    found = Processes(directory)
    _everything.append(found)
    try:
        yield found
    finally:
        found.close()
        _everything.remove(found)


@pytest.fixture(scope="session")
def lasting_processes(tmp_path_factory):
    """Processes that stay until the last test."""
    yield from _processes(tmp_path_factory.mktemp("lasting"))


@pytest.fixture
def processes(tmp_path):
    """Processes of one test."""
    directory = tmp_path / "processes"
    directory.mkdir()
    yield from _processes(directory)


@pytest.fixture(scope="session")
def moto(lasting_processes):
    """An S3 server: `.url`, `.env`, `.client`, `.new_bucket()`."""
    found = Moto(lasting_processes)
    yield found
    found.close()


@pytest.fixture
def bucket(moto):
    """An empty bucket: `.url`, `.env`, `.client`, `.keys()`, `.get(key)` and others."""
    return moto.new_bucket()


@pytest.fixture(scope="session")
def ministack(lasting_processes, tmp_path_factory):
    """Another S3 server, with the same attributes as `moto`."""
    found = Ministack(lasting_processes, tmp_path_factory.mktemp("ministack"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def google(moto):
    """The XML API of Google Cloud Storage in front of moto: `.url`, `.env`."""
    with contextlib.closing(GoogleStore(int(moto.url.rpartition(":")[2]))) as found:
        yield found


@pytest.fixture
def redis(processes, tmp_path):
    """A Redis of the test's own: `.url`, `.password_file`, `.client()`, `.kill()`, `.start()`."""
    directory = tmp_path / "redis"
    directory.mkdir()
    return Redis(processes, directory)


@pytest.fixture
def haproxy(processes, tmp_path):
    """Start an HAProxy: `haproxy(ports, **options)`; see `HAProxy`."""
    number = 0

    def start(servers, **options):
        nonlocal number
        number += 1
        directory = tmp_path / f"haproxy-{number}"
        directory.mkdir()
        return HAProxy(processes, directory, servers, **options)

    return start


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "key"
    write_key_file(path)
    return path


class Served:
    """A running secftpd: its port, key and process."""

    def __init__(self, process, key_file):
        self.process = process
        self.pid = process.pid
        self.key_file = key_file

    @property
    def log(self):
        """What it has printed."""
        return self.process.text

    @property
    def port(self):
        return int(self.process.wait_for(r"Listening @ \S+ on port (\d+)(?:$|\")")[1])

    @property
    def url(self):
        return f"secftp://{HOST}:{self.port}"

    def kill(self):
        """Kill -9."""
        self.process.kill()

    def end(self):
        return self.process.end()


@pytest.fixture
def serve(processes, tmp_path, key_file):
    """Start a secftpd: `serve(root, *options, env=None, port=0)`, where root is a directory or the URL of a bucket."""
    home = tmp_path / "server-home"
    home.mkdir()

    def start(root, *options, env=None, port=0, prefix=(), key_file=key_file):
        """`prefix` is a command that starts the server (strace, for example)."""
        process = processes.start(
            "secftpd",
            *prefix,
            *(sys.executable, "-P", "-m", "secftp.server", str(port), "--host", HOST),
            *("--key-file", key_file, "--root", os.fspath(root)),
            *options,
            env=environment(home, **(env or {})),
        )
        return Served(process, key_file)

    return start


@pytest.fixture
def client(processes, home, key_file):
    """Start the command line: `client(verb, *arguments)`; a process."""

    def start(verb, *arguments):
        command = [sys.executable, "-P", "-m", "secftp.client", verb, "--progress", "json", "--key-file", key_file]
        return processes.start(f"secftp-{verb}", *command, *arguments, env=environment(home))

    return start


@pytest.fixture(autouse=True)
def _nothing_leaks(lasting_processes):
    """Fail the test if it leaves processes, or threads of ours.

    Replaces the rule for the rest of the tests: clients of other libraries keep connections and threads.
    """

    def children():
        lasting = {process.pid for process in lasting_processes.started}
        return {child.pid for child in psutil.Process().children()} - lasting

    before = children()
    yield
    until(lambda: not children() - before, f"no process is left: {children() - before}")
