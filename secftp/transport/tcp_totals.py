"""What the kernel knows of all TCP connections of a copy: of those beside each other, and of those after a loss."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secftp.transport.channel import Channel
    from secftp.transport.tcp_info import TcpInfo


class TcpTotals:
    """Counts the connections that it was told of, each until it is closed. Thread-safe.

    `after`: for how many seconds from now on the kernel is not asked, as it is of no use: a small file is over by
    then. `streams`: how many connections there were at one time, at most.
    """

    def __init__(self, after: float = 0.0) -> None:
        self.streams = 0
        self._lock = threading.Lock()
        self._open: set[Channel] = set()
        self._closed: TcpInfo | None = None  # all of them in one
        self._due = time.monotonic() + after

    def watch(self, channel: Channel) -> None:
        """Count a connection from now on; what is known of it when it is closed stays."""
        with self._lock:
            self._open.add(channel)
            self.streams = max(self.streams, len(self._open))
        channel.on_close = self._closing

    def _closing(self, channel: Channel) -> None:
        with self._lock:
            self._open.discard(channel)
            if time.monotonic() >= self._due:
                self._closed = _together(self._closed, channel.tcp_info())

    def total(self) -> TcpInfo:
        """Return what is known by now of all of them: the shortest times, the sums of the counts.

        Two system calls for each open connection. What is unknown of one of them is unknown.
        """
        from secftp.transport.tcp_info import TcpInfo

        with self._lock:
            total = self._closed
            for channel in self._open:
                total = _together(total, channel.tcp_info())
        return total or TcpInfo()


def _together(first: TcpInfo | None, second: TcpInfo) -> TcpInfo:
    if first is None:
        return second
    return second._replace(
        round_trip=_least(first.round_trip, second.round_trip),
        smoothed_round_trip=_least(first.smoothed_round_trip, second.smoothed_round_trip),
        receiver_round_trip=_least(first.receiver_round_trip, second.receiver_round_trip),
        retransmits=_sum(first.retransmits, second.retransmits),
        segments_sent=_sum(first.segments_sent, second.segments_sent),
        segments_received=_sum(first.segments_received, second.segments_received),
        out_of_order=_sum(first.out_of_order, second.out_of_order),
        delivery_rate=None,  # rates of different times
        congestion=first.congestion or second.congestion,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _least(first: float | None, second: float | None) -> float | None:
    """Return the shorter time: one that is unknown says nothing."""
    if first is None or second is None:
        return first if second is None else second
    return min(first, second)
