"""Hosts with several addresses: the first that connects wins, whatever the others do; names without an answer."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time

import pytest

import secftp
from secftp.errors import ServerUnreachable, TransferTimeout
from secftp.transport import listen, tcp_connect
from secftp.transport.tcp_connect import Address, AllFailed, connect_first, interleaved, resolve
from tests.support.command_line import started
from tests.support.serving import DEADLINE, HOST, KEY, environment, serving, session

TCP = (socket.SOCK_STREAM, 6)
LONG = 30.0  # a timeout that no test may use up


@contextlib.contextmanager
def hole(host="127.0.0.2", family=socket.AF_INET):
    """An address that swallows what is sent to it: its queue is full, so further SYNs are dropped, as by a firewall."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket(family))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(listener.getsockname())
        yield Address(family, *TCP, listener.getsockname())


@contextlib.contextmanager
def good(host=HOST):
    with socket.create_server((host, 0)) as listener:
        listener.setblocking(False)
        yield Address(socket.AF_INET, *TCP, listener.getsockname()), listener


@pytest.fixture
def closed():
    """An address at which nothing listens."""
    with socket.create_server((HOST, 0)) as free:
        place = free.getsockname()
    return Address(socket.AF_INET, *TCP, place)


def known_as(monkeypatch, *addresses):
    """The host "several.example" has these addresses."""
    real = socket.getaddrinfo

    def resolved(host, *rest, **more):
        if host != "several.example":
            return real(host, *rest, **more)
        return [(one.family, one.kind, one.protocol, "", one.place) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


def seconds_of(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


@pytest.mark.parametrize("holes", [1, 3])
def test_addresses_that_swallow_everything_hold_up_nothing(holes):
    with contextlib.ExitStack() as stack:
        swallowing = [stack.enter_context(hole(f"127.0.0.{number}")) for number in range(2, 2 + holes)]
        address, listener = stack.enter_context(good())
        taken = seconds_of(lambda: connect_first([*swallowing, address], time.monotonic() + LONG).close())
        assert tcp_connect.STAGGER_SECONDS * holes <= taken < LONG / 3
        listener.accept()[0].close()


def test_broken_ipv6_and_good_ipv4(monkeypatch, tmp_path):
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with hole("::1", socket.AF_INET6) as broken, hole("127.0.0.2") as swallowing, serving(tmp_path) as server:
        address = Address(socket.AF_INET, *TCP, (HOST, server.port))
        known_as(monkeypatch, broken, broken, address, swallowing)
        began = time.monotonic()
        with secftp.connect("secftp://several.example/", key=KEY, timeout=LONG) as remote:
            assert remote.listdir() == []
        assert time.monotonic() - began < LONG / 3


def test_an_address_that_answers_has_no_rival():
    with good() as (address, listener), good("127.0.0.2") as (other, unused):
        connect_first([address, other], time.monotonic() + LONG).close()
        listener.accept()[0].close()
        with pytest.raises(BlockingIOError):
            unused.accept()


def test_an_address_that_refuses_is_followed_at_once(monkeypatch, closed):
    monkeypatch.setattr(tcp_connect, "STAGGER_SECONDS", LONG)
    strange = Address(250, *TCP, ("strange", 1))  # a family that this system does not have
    with good() as (address, _), hole() as swallowing:
        taken = seconds_of(lambda: connect_first([closed, strange, closed, address], time.monotonic() + LONG).close())
        assert taken < LONG / 3
        # Also one that is refused while another is waited for.
        with pytest.raises(AllFailed) as caught:
            connect_first([swallowing, closed], time.monotonic() + 0.05)
        assert [failure.address for failure in caught.value.failures] == [swallowing, closed]


def test_all_failures_are_told(monkeypatch, closed):
    other = closed._replace(place=("127.0.0.3", closed.place[1]))
    strange = Address(250, *TCP, ("strange", 1))
    with hole() as swallowing:
        known_as(monkeypatch, swallowing, other, closed)
        with pytest.raises(TransferTimeout) as caught:
            secftp.connect("secftp://several.example/", key=KEY, timeout=0.6)
        assert "several.example:8888 did not answer in time" in str(caught.value)
        for words in ("127.0.0.2: no answer", "127.0.0.3: Connection refused", f"{HOST}: Connection refused"):
            assert words in str(caught.value)
        known_as(monkeypatch, swallowing)
        with pytest.raises(TransferTimeout, match=r"several\.example:8888 did not answer in time\.\n"):
            secftp.connect("secftp://several.example/", key=KEY, timeout=0.1)
    known_as(monkeypatch, other, closed)
    with pytest.raises(ServerUnreachable, match=r"several\.example:8888 can't be reached: Connection refused\.\n"):
        secftp.connect("secftp://several.example/", key=KEY, timeout=LONG)
    known_as(monkeypatch, strange, closed)
    with pytest.raises(ServerUnreachable, match=rf"strange: .*; {HOST}: Connection refused"):
        secftp.connect("secftp://several.example/", key=KEY, timeout=LONG)


def test_an_address_that_the_system_gives_up_is_a_timeout(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.ETIMEDOUT)
    with pytest.raises(TransferTimeout, match="did not answer in time"):
        secftp.connect(f"secftp://{HOST}/", key=KEY, timeout=LONG)


def test_the_whole_takes_no_longer_than_the_timeout():
    with contextlib.ExitStack() as stack:
        swallowing = [stack.enter_context(hole(f"127.0.0.{number}")) for number in range(2, 12)]
        began = time.monotonic()
        with pytest.raises(AllFailed) as caught:
            connect_first(swallowing, began + 0.6)
        assert 0.6 <= time.monotonic() - began < LONG / 3
        assert [failure.reason for failure in caught.value.failures] == [None] * 10
        assert [failure.address for failure in caught.value.failures] == swallowing


def test_an_interrupted_race_leaves_nothing(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with hole() as one, hole("127.0.0.3") as other:
            signal.setitimer(signal.ITIMER_REAL, 0.4)
            with pytest.raises(KeyboardInterrupt):
                connect_first([one, other], time.monotonic() + LONG)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_families_take_turns():
    four = [Address(socket.AF_INET, *TCP, (f"192.0.2.{number}", 1)) for number in range(3)]
    six = [Address(socket.AF_INET6, *TCP, (f"2001:db8::{number}", 1, 0, 0)) for number in range(2)]
    assert interleaved([*six, *four]) == [six[0], four[0], six[1], four[1], four[2]]
    assert interleaved([*four, *six]) == [four[0], six[0], four[1], six[1], four[2]]
    assert interleaved(four) == four
    assert interleaved([]) == []


# --- names ------------------------------------------------------------------------------------------------------------


class SlowNames:
    """A resolver that does not answer until the test lets it."""

    def __init__(self):
        self._real = socket.getaddrinfo
        self.answer = threading.Event()
        self.asked = threading.Event()

    def __call__(self, host, port, *rest, flags=0, **more):
        if host != "slow.example":
            return self._real(host, port, *rest, flags=flags, **more)
        self.asked.set()
        assert self.answer.wait(DEADLINE)
        return [(socket.AF_INET, *TCP, "", (HOST, port or 0))] * 2


@pytest.fixture
def slow(monkeypatch):
    names = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.answer.set()


def test_a_name_that_no_server_resolves_is_a_timeout(slow):
    with pytest.raises(TransferTimeout, match=r"'slow\.example' was not found in time") as caught:
        secftp.connect("secftp://slow.example/", key=KEY, timeout=0.05)
    assert slow.asked.is_set()
    assert caught.value.hint


def test_a_name_that_is_resolved_late(slow, tmp_path):
    with serving(tmp_path) as server:
        threading.Timer(0.1, slow.answer.set).start()
        with secftp.connect(f"secftp://slow.example:{server.port}/", key=KEY, timeout=LONG) as remote:
            assert remote.listdir() == []
    assert resolve("slow.example", 1) == [Address(socket.AF_INET, *TCP, (HOST, 1))]


def test_what_is_an_address_needs_no_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread for an address"))
    assert [one.text for one in resolve(HOST, 80)] == [HOST]
    assert [one.text for one in resolve("::1", 80)] == ["::1"]


# Blocks in C and lets no signal through, as the system's resolver does.
_BLOCKED = """\
import ctypes, os, socket

_real = socket.getaddrinfo

def _blocked(host, *rest, **more):
    if host != "slow.example":
        return _real(host, *rest, **more)
    os.write(2, b"asked\\n")
    mutex = ctypes.create_string_buffer(256)
    while True:
        ctypes.CDLL(None).pthread_mutex_lock(mutex)

socket.getaddrinfo = _blocked
"""


def blocked_environment(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(_BLOCKED)
    paths = [os.fspath(tmp_path), *filter(None, sys.path), os.environ.get("PYTHONPATH", "")]
    return {**environment(tmp_path), "SECFTP_KEY": "a key", "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_client_that_waits_for_a_name(tmp_path, number, code):
    read_end, write_end = os.pipe()
    environ = blocked_environment(tmp_path)
    with started(tmp_path, "ls", "secftp://slow.example/", environ=environ, stderr=write_end) as client:
        os.close(write_end)
        with open(read_end, "rb") as errors:
            assert errors.readline() == b"asked\n"
            client.send_signal(number)
            assert client.wait(DEADLINE) == code
            assert b"Traceback" not in errors.read()


def test_a_client_that_waits_for_a_name_keeps_its_timeout(tmp_path):
    environ = blocked_environment(tmp_path)
    with started(tmp_path, "ls", "--timeout", "0.3", "secftp://slow.example/", environ=environ) as client:
        assert client.wait(DEADLINE) == 5


def test_one_connection_is_no_worse_than_before(tmp_path):
    with serving(tmp_path) as server, session(server.port) as client:
        assert client.can("stat")


def test_listening_on_a_name_and_on_addresses():
    with contextlib.closing(listen(["localhost", HOST], 0)) as listener:
        assert HOST in listener.bound
        assert len(set(listener.bound)) == len(listener.bound)
