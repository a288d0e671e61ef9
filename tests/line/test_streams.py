"""Parallel streams for one file over a line: lossy, with a connection that is cut, and one that is gone for a while."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace

import pytest

from bench.line.emulator import Conditions
from tests.line.test_transfers import BAD, MIB, random_bytes

SIZE = 8 * MIB + 1
# Slow enough that something can happen in the middle.
SLOW = Conditions(delay=0.01, rate=40e6, queue=500_000)


class Copy:
    """A file of `SIZE` to be put or got: the arguments of the command, and the file that has to appear."""

    def __init__(self, verb, far, directory):
        self.far = far
        self.verb = verb
        self.data = random_bytes(SIZE)
        name = f"{verb}-{directory.name}"
        local, remote = directory / "local", far.root / name
        source, self.target = (local, remote) if verb == "put" else (remote, local)
        source.write_bytes(self.data)
        self._clients = []
        self.places = (local, far.url(name)) if verb == "put" else (far.url(name), local)

    def moved(self):
        """Bytes that have gone the way of the file since the line was set."""
        return self.far.line.counts()[0 if self.verb == "put" else 1].nbytes

    def start(self, *options):
        command = self.far.command(self.verb, "-q", *options, *self.places)
        self._clients.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return self._clients[-1]

    def end(self):
        """Leave no client behind a test that has failed."""
        for client in self._clients:
            client.kill()
            client.wait()
            client.stderr.close()
        self.far.line.set(Conditions())

    def wait_until_moved(self, nbytes, client):
        while self.moved() < nbytes:
            assert client.poll() is None, client.stderr.read()
            time.sleep(0.005)

    def succeed(self, client):
        errors = client.communicate(timeout=120)[1]
        assert client.returncode == 0, errors
        assert "Traceback" not in errors
        assert self.target.read_bytes() == self.data


@pytest.fixture(params=["put", "get"])
def copy(request, far, tmp_path):
    made = Copy(request.param, far, tmp_path)
    yield made
    made.end()


def test_a_file_in_parts_arrives_as_it_was_sent(copy):
    copy.far.line.set(BAD)
    copy.succeed(copy.start("--streams", "4"))
    assert copy.far.line.connections() == 4


def test_by_itself_a_far_line_has_several_streams_and_a_near_one_has_one(copy):
    """From 20 ms on, and for a file that is large enough; over loopback both cores are full with one."""
    copy.far.line.set(Conditions(delay=0.03, rate=400e6))
    copy.succeed(copy.start())
    assert copy.far.line.connections() > 1
    copy.target.unlink()
    copy.far.line.set(Conditions())
    copy.succeed(copy.start())
    assert copy.far.line.connections() == 1


def test_a_stream_that_is_cut_gives_its_part_back(copy):
    """The others go on, and that the first one is cut costs a retry at most."""
    copy.far.line.set(SLOW)
    client = copy.start("--streams", "4", "--timeout", "3", "--retries", "5")
    copy.wait_until_moved(2 * MIB, client)
    copy.far.line.cut(1)
    copy.succeed(client)


def test_all_streams_are_lost_and_come_back(copy):
    """Also what the dead connections still hold in the kernel's buffers then comes, which does no harm."""
    copy.far.line.set(SLOW)
    client = copy.start("--streams", "4", "--timeout", "2", "--retries", "9")
    copy.wait_until_moved(5 * MIB, client)
    copy.far.line.set(replace(SLOW, loss=1.0))
    time.sleep(3)
    copy.far.line.set(SLOW)
    copy.succeed(client)


def test_a_client_that_was_killed_is_resumed(copy):
    copy.far.line.set(SLOW)
    client = copy.start("--streams", "4")
    copy.wait_until_moved(5 * MIB, client)
    client.kill()
    client.communicate()
    copy.far.line.set(SLOW)
    copy.succeed(copy.start("--streams", "4", "--resume"))
