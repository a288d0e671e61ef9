"""Servers of other programs as processes on free ports, and secftpd in front of or behind them."""

from __future__ import annotations

import contextlib
import sys

import psutil
import pytest

from secftp.keys import write_key_file
from tests.machines.balancer import HAProxy
from tests.machines.other_stores import GoogleStore, Ministack
from tests.machines.processes import every_scope, opened_processes
from tests.machines.redis_server import Redis
from tests.machines.servers import start_server
from tests.machines.stores import Moto
from tests.support.serving import environment, until


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for processes in every_scope:
            report.sections.extend(processes.sections())
    return report


@pytest.fixture(scope="session")
def lasting_processes(tmp_path_factory):
    """Processes that stay until the last test."""
    with opened_processes(tmp_path_factory.mktemp("lasting")) as found:
        yield found


@pytest.fixture
def processes(tmp_path):
    """Processes of one test."""
    directory = tmp_path / "processes"
    directory.mkdir()
    with opened_processes(directory) as found:
        yield found


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


@pytest.fixture
def serve(processes, tmp_path, key_file):
    """Start a secftpd: `serve(root, *options, env=None, port=0)`, where root is a directory or the URL of a bucket."""
    home = tmp_path / "server-home"
    home.mkdir()

    def start(root, *options, key_file=key_file, **more):
        return start_server(processes, home, key_file, root, *options, **more)

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
