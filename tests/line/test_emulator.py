"""The emulated line of the benchmarks: delay, rate, loss and reordering, between two namespaces of its own."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys

import pytest

from bench.line.emulator import CLIENT, SERVER, Conditions, Line
from bench.peers.machine import TOP
from tests.support.serving import DEADLINE, until

_PORT = 9000
_SERVE = f"""
import socket
with socket.create_server(("{SERVER}", {_PORT})) as listener:
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data[:1])
"""
_CONNECT = f"""
import socket, time
for _ in range(5):
    began = time.perf_counter()
    with socket.create_connection(("{SERVER}", {_PORT})) as connection:
        connected = time.perf_counter() - began
        connection.sendall(bytes({{size}}))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
    print(connected, time.perf_counter() - began)
"""


@pytest.fixture
def served(line):
    process = subprocess.Popen([*line.inside(SERVER), sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield line
    finally:
        process.kill()
        process.communicate()


def times(line, size):
    """Medians in seconds, over connections of which each sends `size` bytes: connecting, and all of it."""
    done = subprocess.run(
        [*line.inside(CLIENT), sys.executable, "-c", _CONNECT.format(size=size)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rows = [list(map(float, row.split())) for row in done.stdout.splitlines()]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def test_a_round_trip_takes_twice_the_delay(served):
    served.set(Conditions(delay=0.05))
    connecting, _ = times(served, 1)
    assert 0.1 <= connecting < 0.2


def test_bytes_take_their_time_at_the_rate(served):
    served.set(Conditions(rate=8e6))
    _, seconds = times(served, 500_000)
    assert seconds >= 0.45, "500 kB at a megabyte a second"


def test_no_more_than_the_queue_waits(served):
    served.set(Conditions(rate=8e6, queue=20_000))
    times(served, 500_000)
    assert served.counts()[0].dropped > 0


def test_packets_are_lost_and_reordered_and_arrive_all_the_same(served):
    served.set(Conditions(loss=0.05, reorder=0.05, later=0.001))
    times(served, 500_000)
    ours, theirs = served.counts()
    assert 0 < ours.lost < 0.2 * ours.packets
    assert theirs.packets > 0


def test_nothing_leaves_the_namespaces(line):
    """There is the loopback interface and the line, and no route but that of the line."""
    for side in (CLIENT, SERVER):
        command = [*line.inside(side), "cat", "/proc/net/dev", "/proc/net/route"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert {row.split(":")[0].strip() for row in said.splitlines() if ":" in row} == {"lo", "line0"}
        assert "00000000\t00000000" not in said, "a default route"


# Makes a line with a process at an end of it, says which, and is killed.
_KILLED = """
import os, signal, subprocess
from bench.line.emulator import SERVER, Line
line = Line()
print(subprocess.Popen([*line.inside(SERVER), "sleep", "600"], start_new_session=True).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_stays_behind_a_user_that_was_killed():
    done = subprocess.run([sys.executable, "-c", _KILLED], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    until(lambda: not alive(int(done.stdout)), "the process at the other end has ended")


def test_nothing_stays_in_a_line_that_is_closed():
    with Line() as line:
        process = subprocess.Popen(
            [*line.inside(CLIENT), "sh", "-c", "echo inside; exec sleep 600"],
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "inside\n"
    assert process.wait(DEADLINE) == -signal.SIGKILL
    process.stdout.close()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_round_trips_are_those_that_are_waited_for(served):
    """Five connections in turn, each with an answer that is waited for; the bare acknowledgements do not count."""
    served.set(Conditions(delay=0.05))
    times(served, 1)
    assert served.round_trips() == 2 * 5
    assert served.connections() == 5


# Three connections at once, and after a line of standard input a byte over each, which is answered or is not.
_TALK = f"""
import socket, sys
connections = [socket.create_connection(("{SERVER}", {_PORT})) for _ in range(3)]
print("connected", flush=True)
sys.stdin.readline()
for connection in connections:
    connection.settimeout(2)
    connection.sendall(b"x")
    try:
        print(len(connection.recv(1)))
    except TimeoutError:
        print("silent")
"""
_LISTEN = f"""
import selectors, socket
with socket.create_server(("{SERVER}", {_PORT})) as listener, selectors.DefaultSelector() as selector:
    print("ready", flush=True)
    for _ in range(3):
        selector.register(listener.accept()[0], selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            data = key.fileobj.recv(1)
            if not data:
                raise SystemExit
            key.fileobj.sendall(data)
"""


def talking(line, side, script):
    return subprocess.Popen(
        [*line.inside(side), sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_one_connection_is_cut_and_the_others_go_on(line):
    with talking(line, SERVER, _LISTEN) as server:
        assert server.stdout.readline() == "ready\n"
        with talking(line, CLIENT, _TALK) as client:
            assert client.stdout.readline() == "connected\n"
            with pytest.raises(ValueError, match="only 3"):
                line.cut(3)
            line.cut(1)
            assert client.communicate("go\n", timeout=DEADLINE)[0].split() == ["1", "silent", "1"]
