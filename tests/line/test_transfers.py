"""Transfers over a line with delay, loss and reordering: what arrives is what was sent, and how often it is waited."""

from __future__ import annotations

import random
import subprocess
import time

import pytest

from bench.line.emulator import Conditions

MIB = 1 << 20
FAR = Conditions(delay=0.02, rate=200e6)
BAD = Conditions(delay=0.01, rate=200e6, loss=0.02, reorder=0.02, later=0.004, seed=7)
LINES = {"far": FAR, "lossy and out of order": BAD}
SIZES = (0, 1, 1024, MIB + 1)
TREE_FILES = 100


@pytest.fixture(params=LINES)
def over(request, far):
    """Each kind of line in turn."""
    far.line.set(LINES[request.param])
    return far


def random_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def make_tree(directory):
    for number in range(TREE_FILES):
        path = directory / f"{number % 7}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random_bytes(number * 31, number))
    return directory


def contents(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", SIZES)
def test_a_file_arrives_as_it_was_sent(over, tmp_path, size):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(random_bytes(size))
    over.run("put", source, over.url("file"))
    over.run("get", over.url("file"), back)
    assert (over.root / "file").read_bytes() == back.read_bytes() == source.read_bytes()


def test_a_tree_arrives_as_it_was_sent(over, tmp_path):
    tree = make_tree(tmp_path / "tree")
    over.run("put", tree, over.url())
    over.run("get", over.url("tree"), tmp_path / "back")
    over.run("verify", tree, over.url("tree"))
    assert contents(over.root / "tree") == contents(tmp_path / "back") == contents(tree)


def test_pipes_deliver_what_went_in(over):
    data = random_bytes(MIB // 2)
    over.run("put", "-", over.url("piped"), stdin=data)
    assert (over.root / "piped").read_bytes() == data
    assert over.run("get", "-q", over.url("piped"), "-")[0] == data


def test_packets_really_are_lost_and_late(far, tmp_path):
    """The tests above would also pass over a line that does neither."""
    far.line.set(BAD)
    (tmp_path / "file").write_bytes(random_bytes(2 * MIB))
    far.run("put", tmp_path / "file", far.url("lossy"))
    sent, answered = far.line.counts()
    assert sent.nbytes > 2 * MIB
    assert sent.lost > 0
    assert answered.packets > 0


def test_no_command_takes_less_than_the_round_trips_it_waits_for(far, tmp_path):
    """So the line delays all of it, and its count of round trips means what it says."""
    far.line.set(FAR)
    (tmp_path / "file").write_bytes(b"x")
    began = time.monotonic()
    far.run("put", tmp_path / "file", far.url("small"))
    seconds, waited = time.monotonic() - began, far.line.round_trips()
    assert waited >= 2, "one for the connection, one for the handshake"
    assert seconds >= 2 * 2 * FAR.delay


def test_a_line_that_is_cut_ends_the_client_and_what_arrived_is_kept(far, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(random_bytes(8 * MIB))
    slow = Conditions(delay=0.005, rate=20e6, queue=100_000)
    far.line.set(slow)
    client = subprocess.Popen(
        far.command("put", "-q", "--timeout", 2, source, far.url("cut")), stderr=subprocess.PIPE, text=True
    )
    while far.line.counts()[0].nbytes < MIB:
        assert client.poll() is None, client.stderr.read()
        time.sleep(0.01)
    far.line.set(Conditions(loss=1.0))
    errors = client.communicate(timeout=60)[1]
    assert client.returncode in (5, 11), errors
    assert "Traceback" not in errors
    assert not (far.root / "cut").exists()
    far.line.set(FAR)
    far.run("put", "--resume", source, far.url("cut"))
    assert (far.root / "cut").read_bytes() == source.read_bytes()
