"""What the kernel knows of a TCP connection: round trip, retransmits, rate, congestion control (tcp(7), TCP_INFO).

The kernel's structure has grown over the years, and a kernel returns as much of it as it has. A field that is not there
is None: an unknown number of retransmits is not taken for none.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

# struct tcp_info of <linux/tcp.h>: the offset and the format of each field in use.
_ROUND_TRIP: Final = (68, "=I")  # microseconds, smoothed
_RECEIVER_ROUND_TRIP: Final = (92, "=I")  # microseconds
_RETRANSMITS: Final = (100, "=I")
_LEAST_ROUND_TRIP: Final = (148, "=I")  # microseconds; all bits are set if none was measured
_SEGMENTS_RECEIVED: Final = (152, "=I")  # with data
_SEGMENTS_SENT: Final = (156, "=I")  # with data
_DELIVERY_RATE: Final = (160, "=Q")  # bytes a second
_OUT_OF_ORDER: Final = (224, "=I")  # segments with data
_UNKNOWN: Final = 0xFFFFFFFF
# More than any kernel has today; it returns what it has.
_MAX_BYTES: Final = 512
_NAME_BYTES: Final = 16  # TCP_CA_NAME_MAX


class TcpInfo(NamedTuple):
    """One connection so far; None for what this kernel does not tell.

    `round_trip`: the shortest of the last minutes, in seconds. `smoothed_round_trip`: that of the latest data that this
    side sent, `receiver_round_trip` of those that it received; both include what waited in the queues of the line.
    `retransmits`: segments that this side sent again, of `segments_sent` with data. `out_of_order`: segments that came
    behind a gap, where one was lost or late, of `segments_received` with data. `delivery_rate`: the latest measured, of
    this side's data, in bytes a second. `congestion`: the name of this side's congestion control.
    """

    round_trip: float | None = None
    smoothed_round_trip: float | None = None
    receiver_round_trip: float | None = None
    retransmits: int | None = None
    segments_sent: int | None = None
    segments_received: int | None = None
    out_of_order: int | None = None
    delivery_rate: int | None = None
    congestion: str | None = None


def read_tcp_info(sock: socket.socket) -> TcpInfo:
    """Return what the kernel knows of a connection; nothing for a socket that is closed, or on other systems."""
    if not hasattr(socket, "TCP_INFO"):
        return TcpInfo()
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MAX_BYTES)
    except OSError:
        return TcpInfo()
    return parse_tcp_info(data)._replace(congestion=congestion_of(sock))


def parse_tcp_info(data: bytes) -> TcpInfo:
    """Return the fields of the kernel's structure, however long it is; without the name of the congestion control."""
    smoothed = _seconds(data, _ROUND_TRIP)
    return TcpInfo(
        round_trip=_seconds(data, _LEAST_ROUND_TRIP) or smoothed,
        smoothed_round_trip=smoothed,
        receiver_round_trip=_seconds(data, _RECEIVER_ROUND_TRIP),
        retransmits=_field(data, _RETRANSMITS),
        segments_sent=_field(data, _SEGMENTS_SENT),
        segments_received=_field(data, _SEGMENTS_RECEIVED),
        out_of_order=_field(data, _OUT_OF_ORDER),
        delivery_rate=_field(data, _DELIVERY_RATE),
    )


def congestion_of(sock: socket.socket) -> str | None:
    """Return the name of a socket's congestion control; None where the system does not tell."""
    if not hasattr(socket, "TCP_CONGESTION"):
        return None
    try:
        name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _NAME_BYTES)
    except OSError:
        return None
    return name.partition(b"\0")[0].decode("ascii", "replace") or None


def _seconds(data: bytes, place: tuple[int, str]) -> float | None:
    microseconds = _field(data, place)
    return None if microseconds in (None, 0, _UNKNOWN) else microseconds / 1e6  # 0 is a time that was not measured


def _field(data: bytes, place: tuple[int, str]) -> int | None:
    offset, kind = place
    if offset + struct.calcsize(kind) > len(data):
        return None
    return int(struct.unpack_from(kind, data, offset)[0])
