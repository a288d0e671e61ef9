"""Connecting, from a name and a port to a channel, at both ends: the possible errors and their types."""

from __future__ import annotations

import contextlib
import errno
import importlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from secftp.crypto import Mode, Password, Suite
from secftp.errors import (
    AuthenticationError,
    ConnectionLost,
    HandshakeRefused,
    ProtocolError,
    SecftpError,
    ServerUnreachable,
    TransferTimeout,
    UsageError,
)
from secftp.protocol import Bye
from secftp.protocol.handshake import ClientHandshake, HelloReceived, Status
from secftp.transport import Credentials, Listener, Peer, Stream, connect, listen
from tests.support import accepting
from tests.support.accepting import accept_client
from tests.support.channels import SECONDS, WELCOME

HOST = "127.0.0.1"
PASSWORD = Password.from_secret(bytes(31) + b"\x05")
OTHER = Password.from_secret(bytes(31) + b"\x04")
KEYED = Credentials(PASSWORD, Suite.AES128, Mode.KEYED)


def taken(listener: Listener) -> tuple[Stream, Peer]:
    """The next client; there must be one."""
    listener.wait(SECONDS)
    (found,) = listener.accept()
    return found


class Accepted:
    """What `accept_client` was asked and told."""

    def __init__(self) -> None:
        self.hellos: list[HelloReceived] = []
        self.challenges = 0
        self.problem: SecftpError | None = None


@pytest.fixture
def listener():
    with contextlib.closing(listen([HOST], 0)) as made:
        yield made


@contextlib.contextmanager
def serving(listener: Listener, verdict: Password | Status):
    """Accepts one client in a thread and decides so; what came of it is known when the block is left."""
    accepted = Accepted()

    def decide(hello: HelloReceived) -> Password | Status:
        accepted.hellos.append(hello)
        return verdict

    def told() -> None:
        accepted.challenges += 1

    def run() -> None:
        stream, _ = taken(listener)
        try:
            channel = accept_client(stream, decide, challenged=told, timeout=SECONDS)
            channel.send(WELCOME)
            channel.flush()
            assert channel.receive() == Bye()
        except SecftpError as problem:
            accepted.problem = problem
        finally:
            stream.close()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run)
        yield accepted
        done.result(SECONDS)


@pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_client_gets_in(listener, suite, mode):
    password = PASSWORD if mode is Mode.KEYED else Password.anonymous()
    name = "backup" if mode is Mode.KEYED else ""
    with serving(listener, password) as accepted:
        channel = connect(HOST, listener.port, Credentials(password, suite, mode, name), timeout=SECONDS)
        channel.flush()
        assert channel.receive() == WELCOME
        channel.close(Bye())
    assert accepted.problem is None
    (hello,) = accepted.hellos
    assert (hello.suite, hello.mode, hello.name) == (suite, mode, name)
    assert accepted.challenges == 1


@pytest.mark.parametrize("status", list(Status)[1:], ids=lambda status: status.name)
def test_a_refused_client_is_told_and_costs_no_guess(listener, status):
    with serving(listener, status) as accepted, pytest.raises(HandshakeRefused) as caught:
        connect(HOST, listener.port, KEYED, timeout=SECONDS)
    assert caught.value.hint
    assert isinstance(accepted.problem, HandshakeRefused)
    assert accepted.challenges == 0


def test_a_wrong_key_costs_a_guess_though_it_is_never_answered(listener):
    with serving(listener, OTHER) as accepted, pytest.raises(AuthenticationError):
        connect(HOST, listener.port, KEYED, timeout=SECONDS)
    assert isinstance(accepted.problem, ConnectionLost)
    assert accepted.challenges == 1


# --- at the client --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def answering(answer):
    """A server that answers one connection as it likes; `answer` gets the socket, with the hello read."""
    with socket.create_server((HOST, 0)) as server, ThreadPoolExecutor(1) as pool:

        def run() -> None:
            sock, _ = server.accept()
            with sock:
                sock.settimeout(SECONDS)
                sock.recv(125, socket.MSG_WAITALL)
                answer(sock)

        done = pool.submit(run)
        yield server.getsockname()[1]
        done.result(SECONDS)


def until_closed(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(4096):
            pass


def test_a_port_without_a_listener():
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServerUnreachable, match=f"{HOST}:{port}") as caught:
        connect(HOST, port, KEYED, timeout=SECONDS)
    assert caught.value.hint


@pytest.mark.parametrize("problem", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_host_that_is_none(monkeypatch, problem):
    def fail(*_arguments, **_options):
        raise problem

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ServerUnreachable, match="'nowhere'") as caught:
        connect("nowhere", 1, KEYED, timeout=SECONDS)
    assert caught.value.hint


def test_the_next_address_is_tried(monkeypatch, listener):
    with socket.create_server((HOST, 0)) as free:
        closed = free.getsockname()
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (closed, (HOST, listener.port), closed)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: addresses)
    with serving(listener, PASSWORD) as accepted:
        channel = connect("two", 1, KEYED, timeout=SECONDS)
        channel.close(Bye())
    assert accepted.problem is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (b"", ConnectionLost),
        (b"SECFTP\1\0\1\1", ConnectionLost),
        (b"SECFTP\1\4", ConnectionLost),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError),
        (b"SECFTP\2", HandshakeRefused),
        (b"SECFTP\1\0\1\1" + bytes(200), (AuthenticationError, ProtocolError)),
    ],
    ids=["nothing", "half a reply", "half a refusal", "another protocol", "another version", "noise"],
)
def test_servers_that_are_none(words, error):
    with answering(lambda sock: sock.sendall(words)) as port, pytest.raises(error) as caught:
        connect(HOST, port, KEYED, timeout=SECONDS)
    assert caught.value.hint or error is not ConnectionLost


def test_a_silent_server_is_a_timeout():
    with answering(until_closed) as port, pytest.raises(TransferTimeout):
        connect(HOST, port, KEYED, timeout=0.05)


def trickle(sock: socket.socket, data: bytes) -> None:
    """A byte now and then, often enough for any timeout of a single read."""
    pause = threading.Event()
    with contextlib.suppress(OSError):
        for byte in data:
            sock.sendall(bytes([byte]))
            pause.wait(0.01)


def test_a_server_that_trickles_is_a_timeout():
    """The handshake is bounded in all, not per read: 141 bytes would take 1.4 s."""
    started = time.monotonic()
    reply = b"SECFTP\1\0\1\1" + bytes(131)
    with answering(lambda sock: trickle(sock, reply)) as port, pytest.raises(TransferTimeout):
        connect(HOST, port, KEYED, timeout=0.1)
    assert time.monotonic() - started < 1.2


@pytest.mark.parametrize(("notice", "told"), [(0.0, 1), (60.0, 0)], ids=["a late answer", "one in time"])
def test_the_caller_is_told_once_that_an_answer_is_waited_for(listener, monkeypatch, notice, told):
    monkeypatch.setattr(importlib.import_module("secftp.transport.connect"), "NOTICE_SECONDS", notice)
    calls: list[int] = []
    with serving(listener, PASSWORD) as accepted:
        channel = connect(HOST, listener.port, KEYED, timeout=SECONDS, on_wait=lambda: calls.append(1))
        channel.close(Bye())
    assert accepted.problem is None
    assert len(calls) == told


def test_the_notice_does_not_prolong_the_handshake(monkeypatch):
    monkeypatch.setattr(importlib.import_module("secftp.transport.connect"), "NOTICE_SECONDS", 0.05)
    calls: list[int] = []
    with answering(until_closed) as port, pytest.raises(TransferTimeout, match="handshake") as caught:
        connect(HOST, port, KEYED, timeout=0.1, on_wait=lambda: calls.append(1))
    assert "--timeout" in caught.value.hint
    assert calls == [1]


def test_a_timeout_before_the_notice_is_kept(monkeypatch):
    monkeypatch.setattr(importlib.import_module("secftp.transport.connect"), "NOTICE_SECONDS", 5.0)
    began = time.monotonic()
    with answering(until_closed) as port, pytest.raises(TransferTimeout):
        connect(HOST, port, KEYED, timeout=0.1, on_wait=lambda: None)
    assert time.monotonic() - began < 4


# --- at the server --------------------------------------------------------------------------------------------------


@pytest.fixture
def caller(listener):
    with socket.create_connection((HOST, listener.port)) as sock:
        stream, _ = taken(listener)
        with contextlib.closing(stream):
            yield sock, stream


def accept(stream: Stream, verdict: Password | Status = PASSWORD) -> int:
    """The challenges that were sent before it failed, as it must."""
    challenges = []
    try:
        accept_client(stream, lambda _hello: verdict, challenged=lambda: challenges.append(1), timeout=SECONDS)
    except SecftpError as problem:
        problem.challenges = len(challenges)
        raise
    raise AssertionError("no client had authenticated")


@pytest.fixture
def hasty(monkeypatch):
    """Handshakes of 0.1 s in all."""
    monkeypatch.setattr(accepting, "HANDSHAKE_SECONDS", 0.1)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("size", [0, 1, 124, 125])
def test_a_silent_client_is_a_timeout(caller, size):
    sock, stream = caller
    sock.sendall(ClientHandshake(PASSWORD, Suite.AES128, Mode.KEYED).hello[:size])
    with pytest.raises(TransferTimeout) as caught:
        accept(stream)
    assert caught.value.challenges == (size == 125)


@pytest.mark.usefixtures("hasty")
def test_a_client_that_trickles_is_a_timeout(caller):
    sock, stream = caller
    hello = ClientHandshake(PASSWORD, Suite.AES128, Mode.KEYED).hello
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(trickle, sock, hello)
        with pytest.raises(TransferTimeout) as caught:
            accept(stream)
        assert time.monotonic() - started < 1.0
        stream.close()
    assert caught.value.challenges == 0


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 172])
def test_a_client_that_leaves(caller, size):
    sock, stream = caller
    sock.sendall((ClientHandshake(PASSWORD, Suite.AES128, Mode.KEYED).hello + bytes(48))[:size])
    sock.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionLost) as caught:
        accept(stream)
    assert caught.value.challenges == (size >= 125)


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", bytes(200)])
def test_a_client_of_another_protocol(caller, words):
    sock, stream = caller
    sock.sendall(words)
    with pytest.raises(ProtocolError) as caught:
        accept(stream)
    assert caught.value.challenges == 0
    stream.close()
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(100) == b""  # not a word


def test_a_client_of_another_version_is_told(caller):
    sock, stream = caller
    sock.sendall(b"SECFTP\2")
    with pytest.raises(HandshakeRefused):
        accept(stream)
    assert sock.recv(100) == b"SECFTP\1" + bytes([Status.VERSION, 0, 0, 0, 0])


def test_a_finish_that_does_not_verify(caller):
    sock, stream = caller
    sock.sendall(ClientHandshake(PASSWORD, Suite.AES128, Mode.KEYED).hello + bytes(48))
    with pytest.raises(AuthenticationError) as caught:
        accept(stream)
    assert caught.value.challenges == 1
    stream.close()
    assert len(sock.recv(200, socket.MSG_WAITALL)) == 141


def test_a_share_off_the_curve_gets_no_challenge(caller):
    sock, stream = caller
    hello = bytearray(ClientHandshake(PASSWORD, Suite.AES128, Mode.KEYED).hello)
    hello[-1] ^= 1
    sock.sendall(hello)
    with pytest.raises(AuthenticationError) as caught:
        accept(stream)
    assert caught.value.challenges == 0
    stream.close()
    assert sock.recv(200) == b""


# --- listening ------------------------------------------------------------------------------------------------------


def test_all_addresses_share_one_port():
    with contextlib.closing(listen([], 0)) as listener:
        assert "0.0.0.0" in listener.bound
        assert listener.port > 0
        with socket.create_connection((HOST, listener.port)):
            stream, peer = taken(listener)
            stream.close()
        assert peer.host == HOST


def test_an_address_is_bound_once():
    with contextlib.closing(listen([HOST, HOST, "127.0.0.1"], 0)) as listener:
        assert listener.bound == [HOST]


def test_a_listener_is_woken(listener):
    """Once for each time, and without a client or a stream to tell of."""
    listener.wake()
    assert listener.wait(SECONDS) == []
    assert list(listener.accept()) == []
    assert listener.wait(0.01) == [], "it is over"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listener.wait)
        listener.wake()
        assert waiting.result(SECONDS) == []


def test_a_watched_stream_is_told_of_until_it_is_forgotten(listener):
    with socket.create_connection((HOST, listener.port)) as sock:
        stream, _ = taken(listener)
        with contextlib.closing(stream):
            listener.watch(stream)
            assert listener.wait(0.01) == []
            sock.sendall(b"x")
            assert listener.wait(SECONDS) == [stream.fileno()]
            listener.unwatch(stream)
            assert listener.wait(0.01) == []


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS], ids=errno.errorcode.get)
def test_out_of_descriptors_or_memory_clients_wait_and_nothing_spins(listener, monkeypatch, code):
    """The system's own accept fails so; the one with the spare descriptor is sent away, the others get their turn."""
    accept = socket.socket.accept
    failing = [True]

    def exhausted(sock):
        if failing[0]:
            failing[0] = False
            raise OSError(code, "")
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with socket.create_connection((HOST, listener.port)) as first, socket.create_connection((HOST, listener.port)):
        first.settimeout(SECONDS)
        listener.wait(SECONDS)
        assert list(listener.accept()) == []
        assert listener.exhausted == 1
        assert first.recv(1) == b"", "sent away"
        began = time.monotonic()
        while not (found := list(listener.accept())):
            listener.wait(SECONDS)
        assert time.monotonic() - began >= 0.09
        (stream, _) = found[0]
        stream.close()


def test_a_port_that_is_taken(listener):
    with pytest.raises(OSError, match="in use"):
        listen([HOST], listener.port)


def test_a_host_of_another_machine(monkeypatch):
    def fail(*_arguments, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UsageError, match="'elsewhere'"):
        listen(["elsewhere"], 0)
