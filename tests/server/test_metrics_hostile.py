"""Malicious clients of the metrics port: its connections, their time, its thread and memory are bounded."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import threading
import time

import prometheus_client
import pytest

from secftp.server import metrics as metrics_module
from secftp.server.metrics import serve_metrics
from secftp.transport import page
from tests.support.serving import DEADLINE, HOST, get, put, server_process, session, until

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def served():
    with serve_metrics(HOST, 0) as metrics:
        metrics.session(1)
        yield metrics


def opened(port):
    return socket.create_connection((HOST, port), timeout=DEADLINE)


def ask(port, request=REQUEST):
    """Everything that comes in answer, up to the end of the connection."""
    with opened(port) as sock:
        sock.sendall(request)
        return rest_of(sock)


def rest_of(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            data += part
    return data


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def is_closed(sock):
    """Whether the server has closed it by now."""
    readable, _, _ = select.select([sock], [], [], 0)
    return bool(readable) and rest_of(sock) == b""


def test_an_answer_is_whole_and_ends_the_connection(served):
    head, _, body = ask(served.port).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close" in head
    assert f"\r\nContent-Length: {len(body)}".encode() in head
    assert b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert b"secftp_sessions 1.0\n" in body


def test_a_head_request_has_no_body(served):
    head, _, body = ask(served.port, b"HEAD / HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET /\r\n\r\n", b"400 Bad Request"),
        (b"GET / SPDY/3\r\n\r\n", b"400 Bad Request"),
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"\x00\xff\n\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2000, b"431 Request Header Fields Too Large"),
        (b"A" * 100_000, b"431 Request Header Fields Too Large"),
    ],
)
def test_what_is_no_request_is_refused(served, request_, status):
    with opened(served.port) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(request_)
        assert rest_of(sock).startswith(b"HTTP/1.1 " + status) or len(request_) > page.LINGER_MAX
    assert ask(served.port).startswith(b"HTTP/1.1 200 OK")


def test_a_request_may_come_in_pieces(served):
    with opened(served.port) as sock:
        for byte in REQUEST:
            sock.sendall(bytes([byte]))
        assert b"secftp_sessions 1.0\n" in rest_of(sock)


def test_many_requests_on_one_connection_have_one_answer(served):
    assert ask(served.port, REQUEST * 100).count(b"HTTP/1.1 ") == 1


def test_silent_connections_take_no_more_than_their_few_descriptors(served):
    """Beyond the bound the oldest is closed, so that a client that asks at once is always answered."""
    before, threads = descriptors(), threading.active_count()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(opened(served.port)) for _ in range(100)]
        until(lambda: sum(map(is_closed, silent)) >= 100 - page.CONNECTIONS_MAX, "the oldest are closed")
        assert descriptors() - before <= 100 + page.CONNECTIONS_MAX
        assert threading.active_count() == threads
        assert b"secftp_sessions 1.0\n" in ask(served.port)
        assert not is_closed(silent[-1]), "one of the newest"


def test_a_connection_has_its_seconds_whatever_it_sends(served, monkeypatch):
    """A request that comes a byte at a time is not waited for longer than the time a connection has in all."""
    monkeypatch.setattr(page, "CONNECTION_SECONDS", 0.5)
    with opened(served.port) as sock:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while not select.select([sock], [], [], 0.02)[0]:
                sock.sendall(b"G")
                assert time.monotonic() - began < DEADLINE
        assert rest_of(sock) == b""
        assert time.monotonic() - began >= 0.4


def test_an_answer_that_is_not_taken_is_given_up(served, monkeypatch):
    monkeypatch.setattr(page, "CONNECTION_SECONDS", 0.5)
    monkeypatch.setattr(metrics_module, "_TEXT_FORMAT", "text/plain; x=" + "y" * (16 << 20))
    before = descriptors()
    with contextlib.closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((HOST, served.port))
        sock.sendall(REQUEST)
        until(lambda: descriptors() <= before + 1, "the server has closed its end")
    assert ask(served.port)


def test_what_comes_behind_a_request_is_not_read_without_end(served):
    with opened(served.port) as sock:
        sock.sendall(REQUEST)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 64 << 20:
                sent += sock.send(bytes(65536))
        assert sent < 64 << 20, "all of it was read"


def test_requests_without_end_do_not_make_a_page_each(served, monkeypatch):
    made = []
    generate = prometheus_client.generate_latest
    monkeypatch.setattr(prometheus_client, "generate_latest", lambda registry: made.append(1) or generate(registry))
    began = time.monotonic()
    for _ in range(200):
        assert b"secftp_sessions" in ask(served.port)
    most = metrics_module.PAGES + metrics_module.PAGES_PER_SECOND * (time.monotonic() - began) + 1
    assert 0 < len(made) <= most


def test_the_page_is_of_now(served):
    for sessions in range(2, 12):
        served.session(1)
        assert f"secftp_sessions {sessions}.0\n".encode() in ask(served.port)


def test_it_ends_while_connections_are_open():
    with contextlib.ExitStack() as stack:
        with serve_metrics(HOST, 0) as metrics:
            silent = [stack.enter_context(opened(metrics.port)) for _ in range(3)]
            assert ask(metrics.port)
        assert all(rest_of(sock) == b"" for sock in silent)


def test_a_flood_of_the_metrics_port_leaves_a_server_its_descriptors(tmp_path):
    """300 connections to the metrics of a process with 128 descriptors: sessions are served all the same."""
    (tmp_path / "root").mkdir()
    with (
        server_process(
            tmp_path, "0", "--host", HOST, "--root", tmp_path / "root", "--anonymous-write", "--metrics", ":0"
        ) as server,
        contextlib.ExitStack() as stack,
    ):
        port = int(server.log.wait_for(r"Metrics @ 127\.0\.0\.1 on port (\d+)$")[1])
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (128, 128))
        silent = [stack.enter_context(opened(port)) for _ in range(300)]
        until(lambda: sum(map(is_closed, silent)) >= 300 - page.CONNECTIONS_MAX, "the oldest are closed")
        with session(server.port, None) as client:
            put(client, b"name", b"contents")
            assert get(client, b"name") == b"contents"
        assert b"secftp_sessions" in ask(port)
