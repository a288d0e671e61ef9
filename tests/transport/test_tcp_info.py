"""What the kernel knows of a connection, on kernels that know less, and on systems that know nothing."""

from __future__ import annotations

import socket
import struct

import pytest

from secftp.protocol import End, Write
from secftp.transport.tcp_info import TcpInfo, congestion_of, parse_tcp_info, read_tcp_info
from tests.support.channels import ends, receive_bytes, send_bytes, together
from tests.support.serving import serving, session

__all__ = ["ends"]

LINUX = hasattr(socket, "TCP_INFO")
linux = pytest.mark.skipif(not LINUX, reason="TCP_INFO is Linux's")
# Offset and size of each field of struct tcp_info (<linux/tcp.h>) that is used, with what stands there in `structure`.
FIELDS = {
    "rtt": (68, 4, 30_000),
    "total_retrans": (100, 4, 7),
    "rcv_rtt": (92, 4, 28_000),
    "min_rtt": (148, 4, 25_000),
    "data_segs_in": (152, 4, 800),
    "data_segs_out": (156, 4, 900),
    "delivery_rate": (160, 8, 123_456_789_012),
    "rcv_ooopack": (224, 4, 9),
}
COMPLETE = TcpInfo(
    round_trip=0.025,
    smoothed_round_trip=0.03,
    receiver_round_trip=0.028,
    retransmits=7,
    segments_sent=900,
    segments_received=800,
    out_of_order=9,
    delivery_rate=123_456_789_012,
)


def structure(length: int = 240, **changed: int) -> bytes:
    """A structure as a kernel returns it, every other byte of it set, cut at `length`."""
    data = bytearray(b"\xa5" * 240)
    for name, (offset, size, value) in FIELDS.items():
        struct.pack_into({4: "=I", 8: "=Q"}[size], data, offset, changed.get(name, value))
    return bytes(data[:length])


def test_every_field_is_read_from_its_place():
    assert parse_tcp_info(structure()) == COMPLETE
    assert parse_tcp_info(structure() + b"\xa5" * 100) == COMPLETE, "a newer kernel's"


@pytest.mark.parametrize("length", range(241))
def test_a_shorter_structure_has_what_it_has(length):
    """As the structure of an older kernel: what is cut off is unknown, and nothing else changes."""
    found = parse_tcp_info(structure(length))
    there = {name for name, (offset, size, _) in FIELDS.items() if offset + size <= length}
    assert found.retransmits == (7 if "total_retrans" in there else None)
    assert found.segments_sent == (900 if "data_segs_out" in there else None)
    assert found.segments_received == (800 if "data_segs_in" in there else None)
    assert found.delivery_rate == (123_456_789_012 if "delivery_rate" in there else None)
    assert found.out_of_order == (9 if "rcv_ooopack" in there else None)
    assert found.smoothed_round_trip == (0.03 if "rtt" in there else None)
    assert found.receiver_round_trip == (0.028 if "rcv_rtt" in there else None)
    assert found.round_trip == (0.025 if "min_rtt" in there else 0.03 if "rtt" in there else None)


@pytest.mark.parametrize("unknown", [0, 0xFFFFFFFF])
def test_a_round_trip_that_was_not_measured_is_the_smoothed_one_or_unknown(unknown):
    assert parse_tcp_info(structure(min_rtt=unknown)).round_trip == 0.03
    assert parse_tcp_info(structure(min_rtt=unknown, rtt=0)).round_trip is None
    assert parse_tcp_info(structure(rcv_rtt=unknown)).receiver_round_trip is None


@linux
def test_a_connection_tells_its_round_trip_at_once(ends):
    client, server = ends.channels()
    for channel in (client, server):
        assert channel.round_trip is not None
        assert 0 < channel.round_trip < 1
        info = channel.tcp_info()
        assert info.retransmits == 0
        assert info.congestion


@linux
def test_the_segments_of_both_directions_are_told(ends):
    client, server = ends.channels()
    data = bytes(2**20)
    client.send(Write(id=1, path=(b"a",), size=len(data)))

    def send():
        send_bytes(client, data)
        client.send(End(size=len(data), digest=bytes(16)))
        client.flush()

    def receive():
        server.receive()
        return receive_bytes(server)

    assert together(send, receive)[1][0] == data
    sent, received = client.tcp_info(), server.tcp_info()
    assert sent.segments_sent > 5
    assert received.segments_received > 5
    assert sent.delivery_rate > 0


@linux
def test_a_socket_that_is_closed_or_not_of_tcp_tells_nothing(ends):
    client, _ = ends.channels(local=True)
    assert client.round_trip is None
    assert client.tcp_info() == TcpInfo()
    gone, _ = ends.channels()
    gone.close()
    assert gone.tcp_info() == TcpInfo()


def test_a_system_without_these_options_tells_nothing(monkeypatch):
    monkeypatch.delattr(socket, "TCP_INFO", raising=False)
    monkeypatch.delattr(socket, "TCP_CONGESTION", raising=False)
    with socket.socket() as sock:
        assert read_tcp_info(sock) == TcpInfo()
        assert congestion_of(sock) is None


@linux
def test_a_session_knows_the_round_trip_to_its_server(tmp_path):
    with serving(tmp_path) as server, session(server.port) as opened:
        assert opened.round_trip is not None
        assert 0 < opened.round_trip < 1
