"""Servers on a file system whose locks don't work: it is told at the start, nothing is resumed, nothing is damaged."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from secftp.keys import read_key_file
from secftp.protocol import Capability
from tests.machines.contents import DirectoryContents, digest, make_file
from tests.support.serving import DEADLINE, session, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD as Linux has it")

SOURCE = Path(__file__).parents[1] / "preload" / "locks.c"
TOLD = "locks of files don't work, so interrupted uploads can't be resumed."
MIB = 2**20
RESTS_ON_LOCKS = {Capability.RESUME, Capability.UPLOADS}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("preload") / "locks.so"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", built, SOURCE], check=True, timeout=DEADLINE)
    return built


@pytest.fixture(params=[errno.ENOLCK, 0], ids=["refused", "granted to each"], scope="module")
def without_locks(request, library):
    """The environment of such a server."""
    return {"LD_PRELOAD": os.fspath(library), "LOCKS_ERRNO": str(request.param)}


def capabilities(server):
    with session(server.port, read_key_file(server.key_file)) as client:
        client.stat(())
        return set(client.welcome.capabilities)


def test_it_is_told_once_and_not_announced(serve, root, without_locks):
    server = serve(root, env=without_locks)
    announced = capabilities(server)
    assert server.log.count(TOLD) == 1
    assert not RESTS_ON_LOCKS & announced
    assert list(root.iterdir()) == []


def test_with_locks_nothing_is_told(serve, root):
    server = serve(root)
    assert capabilities(server) >= RESTS_ON_LOCKS
    assert TOLD not in server.log


def test_two_servers_that_write_one_name_at_once(serve, root, client, tmp_path, without_locks):
    """The last one wins, and no file is put together from two. A server that starts meanwhile removes neither."""
    found = {}
    clients = []
    for number in range(2):
        source = tmp_path / str(number) / "name"
        found[make_file(source, 3 * MIB, number)] = number
        server = serve(root, env=without_locks)
        clients.append(client("put", "--limit-rate", "2MiB", "--streams", "2", source, f"{server.url}/"))
        until(lambda: len(DirectoryContents(root).leftovers()) == len(clients), "each is being written")
        clients[-1].signal(signal.SIGSTOP)  # until both are
    capabilities(serve(root, env=without_locks))
    for each in clients:
        each.signal(signal.SIGCONT)
    assert [each.wait() for each in clients] == [0, 0]
    assert digest((root / "name").read_bytes()) in found
    assert DirectoryContents(root).leftovers() == []


def test_a_killed_server_costs_the_file_and_nothing_else(serve, root, client, tmp_path, without_locks):
    source = tmp_path / "name"
    found = make_file(source, 3 * MIB, "killed")
    server = serve(root, env=without_locks)
    port = server.port
    sent = client("put", "--limit-rate", "2MiB", "--retries", "10", source, f"{server.url}/")
    until(lambda: DirectoryContents(root).leftovers(), "it is being written")
    server.kill()
    serve(root, env=without_locks, port=port)
    assert sent.wait() == 0
    assert digest((root / "name").read_bytes()) == found
