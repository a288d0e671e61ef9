"""PROXY headers in front of the handshake: from listed addresses required, from others no part of the protocol.

Loopback has many addresses: 127.0.0.2 is a listed proxy here, all others are not.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import sys
import time

import pytest

from secftp.crypto import Suite
from secftp.protocol import Direction
from secftp.protocol.handshake import ClientHandshake
from secftp.server.admission import Admission
from secftp.server.fairness import source_address
from secftp.server.log import LogLevel
from secftp.server.options import ServerLimits
from secftp.server.proxies import Proxies, parse_network
from tests.protocol.test_proxy_header import BAD, GOOD, TLVS, V4, V6, binary, v1
from tests.support.serving import DEADLINE, HOST, KEY, WRONG_KEY, Hostile, Wire, credentials, get, put, serving, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 as its own")

PROXY = "127.0.0.2"
LISTED = ("127.0.0.2/32",)
LOCAL = binary(0x20, 0x00)


def header(host, port=40000):
    """The header of version 1 or 2 for a client, by turns: both mean the same."""
    family = "TCP6" if ":" in host else "TCP4"
    return v1("PROXY", family, host, "::" if ":" in host else "10.0.0.1", str(port), "8888")


def connection(port, source=PROXY):
    return socket.create_connection((HOST, port), timeout=DEADLINE, source_address=(source, 0))


def hello(key=KEY):
    asked = credentials(key, Suite.AES128)
    return ClientHandshake(asked.password, asked.suite, asked.mode, asked.name).hello


class Proxied(Hostile):
    """A client behind a proxy: `prefix` comes before its hello, in as many pieces as `pieces`."""

    def __init__(self, port, prefix, *, key=KEY, pieces=1):
        Wire.__init__(self, connection(port), Direction.TO_CLIENT)
        asked = credentials(key)
        self.handshake = ClientHandshake(asked.password, asked.suite, asked.mode, asked.name)
        try:
            whole = prefix + self.handshake.hello
            step = -(-len(whole) // pieces)
            for at in range(0, len(whole), step):
                self.sock.sendall(whole[at : at + step])
            self.answer()
        except BaseException:
            self.close()
            raise

    def answer(self):
        answer = self.sock.recv(141, socket.MSG_WAITALL)
        established = self.handshake.receive(answer)
        assert established is not None
        self.establish(established)


def closed(sock):
    """What the server has sent until it closed."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(4096):
            data += chunk
    return data


def is_over(sock):
    """Whether the server has closed it, maybe after an answer."""
    sock.setblocking(False)
    try:
        return sock.recv(200, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        sock.settimeout(DEADLINE)


def works(client):
    put(client, b"name", b"contents")
    assert get(client, b"name") == b"contents"


def lines(server, text):
    return [line for line in server.log.text.splitlines() if text in line]


# --- from a listed address --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "shown"),
    [
        (header("192.0.2.7"), "192.0.2.7:40000"),
        (header("2001:db8::7"), "2001:db8::7:40000"),
        (header("::ffff:192.0.2.7"), "192.0.2.7:40000"),
        (binary(0x21, 0x11, V4), "192.0.2.7:40000"),
        (binary(0x21, 0x21, V6 + TLVS), "2001:db8::7:40000"),
    ],
    ids=["v1", "v1-ipv6", "v1-mapped", "v2", "v2-ipv6-tlvs"],
)
def test_the_session_and_its_log_have_the_address_that_the_header_names(tmp_path, prefix, shown):
    with serving(tmp_path, proxies=LISTED) as server:
        with Proxied(server.port, prefix) as client:
            client.welcome()
        server.done(1)
        assert lines(server, PROXY) == []
        assert lines(server, f"Client connected: {shown.rpartition(':')[0]}  [")
        suffixes = {line.rpartition("  [")[2] for line in server.log.text.splitlines() if "  [" in line}
        assert len(suffixes) == 1
        assert suffixes.pop().endswith(f" {shown}]")


@pytest.mark.parametrize("prefix", [header("192.0.2.7"), binary(0x21, 0x21, V6 + TLVS)], ids=["v1", "v2"])
def test_header_and_hello_may_arrive_byte_by_byte(tmp_path, prefix):
    with serving(tmp_path, proxies=LISTED) as server, Proxied(server.port, prefix, pieces=1000) as client:
        client.welcome()


@pytest.mark.parametrize(
    "prefix", [head for head, client in GOOD if client is None], ids=lambda value: repr(value)[:60]
)
def test_where_the_header_names_no_client_the_address_is_that_of_the_proxy(tmp_path, prefix):
    with serving(tmp_path, proxies=LISTED) as server:
        with Proxied(server.port, prefix) as client:
            client.welcome()
        server.done(1)
        assert len(lines(server, f"Client connected: {PROXY}")) == 1


@pytest.mark.parametrize("sent", [hello(), b"GET / HTTP/1.1\r\n\r\n", *BAD[10:12], binary(0x20, 0, b"", 0xFFFF)])
def test_without_a_header_or_with_a_malformed_one_the_connection_is_closed(tmp_path, sent):
    with serving(tmp_path, proxies=LISTED) as server:
        with connection(server.port) as sock:
            sock.sendall(sent)
            assert closed(sock) == b""
        found = server.log.wait_for(r".*A connection from a listed proxy is refused: The PROXY header is .*")
        assert re.search(rf"\[1 {PROXY}:\d+\]$", found[0])
        assert len(server.log.text.splitlines()) == 1
        with Proxied(server.port, header("192.0.2.7")) as client:
            client.welcome()


def test_a_second_header_is_no_hello(tmp_path):
    """A client that sends one gets no other address than the proxy has named."""
    with serving(tmp_path, proxies=LISTED) as server, connection(server.port) as sock:
        sock.sendall(header("192.0.2.7") + header("192.0.2.8") + hello())
        assert closed(sock) == b""
        server.log.wait_for(r"Refused: The peer does not speak secftp\.  \[1 192\.0\.2\.7:40000\]")
        assert lines(server, "192.0.2.8") == []


def test_refused_headers_are_logged_once_in_a_while_and_counted(tmp_path):
    counted = []

    class Counter:
        def handshake(self, result):
            counted.append(result)

        def limit(self, name):
            counted.append(f"limit {name}")

        def session(self, change):
            pass

    with serving(tmp_path, proxies=LISTED, log_options={"counter": Counter()}) as server:
        for _ in range(20):
            with connection(server.port) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                closed(sock)
        assert len(server.log.text.splitlines()) == 1
    assert counted == ["limit proxy_header", "proxy_header"] * 20


# --- from others ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [(), LISTED, ("192.0.2.0/24", "2001:db8::/32")], ids=["none", "other", "its client"])
@pytest.mark.parametrize("prefix", [header("192.0.2.7"), binary(0x21, 0x11, V4), LOCAL], ids=["v1", "v2", "local"])
def test_from_an_address_that_is_not_listed_a_header_is_garbage(tmp_path, listed, prefix):
    with serving(tmp_path, proxies=listed) as server:
        with connection(server.port, "127.0.0.3") as sock:
            sock.sendall(prefix + hello())
            assert closed(sock) == b""
        server.log.wait_for(r"Refused: The peer does not speak secftp\.  \[1 127\.0\.0\.3:")
        server.done(1)
        assert lines(server, "192.0.2.7") == []
        with server.session() as client:
            works(client)


def test_who_is_not_listed_needs_no_header(tmp_path):
    with serving(tmp_path, proxies=LISTED) as server, server.session() as client:
        works(client)
        server.log.wait_for(rf"Client connected: {HOST}")


# --- limits -----------------------------------------------------------------------------------------------------------


def guess(server, host):
    """A wrong key: the challenge, and then nothing. How long it took to come."""
    began = time.monotonic()
    with connection(server.port) as sock:
        sock.sendall(header(host) + hello(WRONG_KEY))
        assert len(sock.recv(141, socket.MSG_WAITALL)) == 141
    return time.monotonic() - began


def test_wrong_keys_count_for_the_client_and_not_for_the_proxy(tmp_path):
    limits = ServerLimits(free_guesses=3, guess_delay=60.0)
    delayed = "Too many wrong keys from its address"
    with serving(tmp_path, proxies=LISTED, limits=limits) as server:
        for number in range(9):
            guess(server, f"192.0.2.{number}")
        assert lines(server, delayed) == []
        for _ in range(4):
            guess(server, "198.51.100.1")
        assert lines(server, delayed) == []
        guess(server, "198.51.100.1")
        server.log.wait_for(rf"{delayed}.* 198\.51\.100\.1:40000\]")
        with Proxied(server.port, header("192.0.2.1")) as client:
            client.welcome()


def test_silent_connections_count_for_the_client_and_not_for_the_proxy(tmp_path):
    limits = ServerLimits(max_pending_per_source=2)
    with serving(tmp_path, proxies=LISTED, limits=limits) as server, contextlib.ExitStack() as stack:

        def silent(prefix):
            sock = stack.enter_context(connection(server.port))
            sock.sendall(prefix)
            return sock

        for number in range(6):
            silent(header(f"192.0.2.{number}"))
        begun = [silent(b"PROXY ") for _ in range(6)]  # not counted before the header is complete
        server.log.wait_for("Client connected", 6)
        first = silent(header("198.51.100.1"))
        silent(header("198.51.100.1"))
        server.log.wait_for("Client connected", 8)
        assert lines(server, "Too many silent connections") == []
        silent(header("198.51.100.1"))
        assert closed(first)[:8] == b"SECFTP\x01\x04"
        assert len(lines(server, "Too many silent connections from its address")) == 1
        for _ in range(2):
            silent(LOCAL)  # of the proxy itself, whose other connections are not counted for it
        with Proxied(server.port, header("198.51.100.1")) as client:
            client.welcome()
        assert not any(map(is_over, begun))


def test_sessions_count_for_the_client_and_not_for_the_proxy(tmp_path):
    limits = ServerLimits(max_clients_per_source=1)
    with serving(tmp_path, proxies=LISTED, limits=limits) as server, contextlib.ExitStack() as stack:
        for number in range(4):
            stack.enter_context(Proxied(server.port, header(f"192.0.2.{number}"))).welcome()
        with connection(server.port) as sock:
            sock.sendall(header("192.0.2.1", 40001) + hello())
            assert closed(sock)[:8] == b"SECFTP\x01\x04"
        server.log.wait_for(r"The maximum number of sessions for its address.* 192\.0\.2\.1:40001\]")


def test_connections_without_a_header_are_bounded(tmp_path):
    with (
        serving(tmp_path, proxies=LISTED, limits=ServerLimits(max_pending=8)) as server,
        contextlib.ExitStack() as stack,
    ):
        socks = [stack.enter_context(connection(server.port)) for _ in range(20)]
        until(lambda: sum(map(is_over, socks)) == 12, "eight stay")
        with Proxied(server.port, header("192.0.2.7")) as client:
            client.welcome()
        assert lines(server, "Too many handshakes are in progress")
        assert lines(server, f"Client connected: {PROXY}") == []


def test_a_header_that_does_not_come_to_its_end_is_given_up_like_a_silent_client(tmp_path):
    with serving(tmp_path, proxies=LISTED, limits=ServerLimits(handshake_seconds=1.0)) as server:
        with connection(server.port) as sock, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for byte in b"PROXY TCP4":
                sock.sendall(bytes([byte]))
            closed(sock)
        server.log.wait_for(r"A client did not finish its handshake in time\.")
        assert len(server.log.text.splitlines()) == 1


def test_a_header_does_not_prolong_the_handshake(tmp_path):
    with serving(tmp_path, proxies=LISTED, limits=ServerLimits(handshake_seconds=1.0)) as server:
        began = time.monotonic()
        with connection(server.port) as sock:
            sock.sendall(header("192.0.2.7"))
            closed(sock)
        server.log.wait_for(r"did not finish the handshake in time\.  \[1 192\.0\.2\.7:40000\]")
        assert time.monotonic() - began < DEADLINE


def test_numbers_of_a_proxy_are_not_those_of_a_client():
    for host in ("192.0.2.7", "2001:db8::7"):
        source = source_address(host)
        assert set(source.networks).isdisjoint(source.apart().networks)
        assert len(set(source.apart().networks)) == len(source.networks)


# --- health checks ----------------------------------------------------------------------------------------------------


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("options", [{}, {"json": True}], ids=["text", "json"])
@pytest.mark.parametrize("sent", [b"", LOCAL, b"PROXY UNKNOWN\r\n", None], ids=["nothing", "v2", "v1", "v1-itself"])
@pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
def test_a_health_check_leaves_no_line(tmp_path, monkeypatch, options, sent, resets):
    results = []
    drop = Admission._drop
    monkeypatch.setattr(
        Admission, "_drop", lambda self, pending, result: (drop(self, pending, result), results.append(result))
    )
    with serving(tmp_path, proxies=LISTED, log_options=options) as server:
        for _ in range(3):
            with connection(server.port) as sock:
                sock.sendall(header(*sock.getsockname()) if sent is None else sent)
                if resets:
                    reset(sock)
        until(lambda: len(results) == 3, "the checks are over")
        assert results == ["probe"] * 3
        assert server.log.text == ""


def test_at_level_debug_a_health_check_is_in_the_log(tmp_path):
    with serving(tmp_path, proxies=LISTED, log_options={"json": True, "level": LogLevel.DEBUG}) as server:
        with connection(server.port) as sock:
            sock.sendall(LOCAL)
        server.log.wait_for('"result": ?"probe"')
        found = [json.loads(line) for line in server.log.text.splitlines()]
        assert {event["level"] for event in found} == {"debug"}


def test_a_proxy_that_speaks_after_naming_no_client_is_a_client_in_the_log(tmp_path):
    with serving(tmp_path, proxies=LISTED) as server, connection(server.port) as sock:
        sock.sendall(LOCAL + b"GET / HTTP/1.1\r\n\r\n")
        closed(sock)
        server.log.wait_for(rf"Client connected: {PROXY}")
        server.log.wait_for(r"Refused: The peer does not speak secftp\.")


# --- the list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "host", "is_listed"),
    [
        ([], "192.0.2.7", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["198.51.100.0/24", "192.0.2.0/29"], "192.0.2.7", True),
        (["198.51.100.0/24", "192.0.2.0/29"], "192.0.2.8", False),
        (["2001:db8::/32"], "2001:db8:1::5", True),
        (["2001:db8::/32"], "2001:db9::5", False),
        (["fe80::/64"], "fe80::5%eth0", True),
        (["::ffff:192.0.2.0/120"], "192.0.2.7", True),
        (["::/0"], "192.0.2.7", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["0.0.0.0/0"], "192.0.2.7", True),
    ],
)
def test_which_addresses_are_listed(networks, host, is_listed):
    assert Proxies(map(parse_network, networks)).has(host) is is_listed


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "host",
        "10",
        "10/8",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "fe80::%eth0/64",
        "10.0.0.0/8,::1",
        "::1/-1",
    ],
)
def test_what_is_no_network(text):
    with pytest.raises(ValueError):
        parse_network(text)
