"""Totals of the connections of a copy: beside each other, one after the other, unknown ones, and unasked ones."""

from __future__ import annotations

import pytest

from secftp.transport import tcp_totals
from secftp.transport.tcp_info import TcpInfo
from secftp.transport.tcp_totals import TcpTotals
from tests.support.channels import ends

__all__ = ["ends"]

FIRST = TcpInfo(0.02, 0.03, 0.04, 5, 100, 50, 7, 1000, "reno")
SECOND = TcpInfo(0.03, 0.02, 0.05, 6, 200, 60, 0, 2000, "reno")
BOTH = TcpInfo(0.02, 0.02, 0.04, 11, 300, 110, 7, None, "reno")


class Connection:
    """A channel that is asked what is known of it."""

    def __init__(self, info):
        self.on_close = None
        self.asked = 0
        self.info = info

    def tcp_info(self):
        self.asked += 1
        return self.info

    def close(self):
        on_close, self.on_close = self.on_close, None
        on_close(self)
        self.info = TcpInfo()  # the descriptor is closed


def test_connections_beside_each_other_and_closed_ones_count_alike():
    totals = TcpTotals()
    assert (totals.total(), totals.streams) == (TcpInfo(), 0)
    first, second = Connection(FIRST), Connection(SECOND)
    totals.watch(first)
    assert (totals.total(), totals.streams) == (FIRST, 1)
    totals.watch(second)
    assert (totals.total(), totals.streams) == (BOTH, 2)
    second.close()
    assert (totals.total(), totals.streams) == (BOTH, 2)
    first.close()
    assert (totals.total(), totals.streams) == (BOTH, 2)


def test_one_connection_after_another_is_one_stream():
    totals = TcpTotals()
    for info in (FIRST, SECOND):
        connection = Connection(info)
        totals.watch(connection)
        connection.close()
    assert (totals.total(), totals.streams) == (BOTH, 1)


def test_what_is_unknown_of_one_is_unknown_of_all():
    """Times are those of the others; counts would be too small."""
    totals = TcpTotals()
    for info in (FIRST, TcpInfo()):
        totals.watch(Connection(info))
    found = totals.total()
    assert (found.retransmits, found.segments_sent, found.segments_received, found.out_of_order) == (None,) * 4
    assert (found.round_trip, found.smoothed_round_trip, found.congestion) == (0.02, 0.03, "reno")


def test_before_its_time_a_closed_connection_is_not_asked(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tcp_totals.time, "monotonic", lambda: now[0])
    totals = TcpTotals(after=10.0)
    early, late = Connection(FIRST), Connection(SECOND)
    totals.watch(early)
    totals.watch(late)
    now[0] = 109.0
    early.close()
    assert early.asked == 0
    now[0] = 110.0
    late.close()
    assert late.asked == 1
    assert (totals.total(), totals.streams) == (SECOND, 2)


@pytest.mark.parametrize("politely", [True, False])
def test_a_channel_tells_of_its_end_once_while_the_kernel_knows_it(ends, politely):
    from secftp.protocol import Bye

    client, _server = ends.welcomed()
    totals = TcpTotals()
    totals.watch(client)
    assert totals.total().retransmits == 0
    client.close(Bye() if politely else None)
    client.close()
    assert totals.total().retransmits == 0
    assert totals.total().congestion
    assert totals.streams == 1
