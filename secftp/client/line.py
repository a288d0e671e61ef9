"""What a copy says of its connections: with --verbose, and in a hint after one that losses made slow.

A hint needs a copy that took a while, over a line with a round trip that counts, and losses that explain its rate.
Losses alone mean little: a line that is used fully loses what its queue can't hold. So the rate has to be about that
of a loss-based congestion control, 1.2 / sqrt(p) segments per round trip for a share p of lost segments (Mathis et
al., "The macroscopic behavior of the TCP congestion avoidance algorithm", 1997), and no queue may lengthen the round
trips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.client.options import SLOW_SECONDS
from secftp.text import format_duration

if TYPE_CHECKING:
    from secftp.transport.tcp_info import TcpInfo

# Below this round trip a connection recovers from a loss before it shows.
FAR_SECONDS: Final = 0.005
# Of what was sent from here: segments that were sent again, and their share.
RETRANSMITS: Final = 5
RETRANSMITTED_SHARE: Final = 0.0005
# Of what was received: segments behind a gap. There are as many for a loss as fit into a round trip.
OUT_OF_ORDER: Final = 100
OUT_OF_ORDER_SHARE: Final = 0.01
# Round trips so much longer than the shortest one are spent in the queue of a line that is fully used.
QUEUED: Final = 1.25
# The square of (segments per round trip / those of the formula above), times 1.5: from half to four times its rate.
LOSS_BOUND: Final = (0.3, 25.0)
SEGMENT_BYTES: Final = 1448
# With so many connections, more of them are no advice.
MANY_STREAMS: Final = 8


def describe(info: TcpInfo, streams: int, *, sends: bool) -> str:
    """Return a sentence about the connections of a copy, `streams` at one time; `sends`: it was from here."""
    words = []
    if info.round_trip is not None:
        words.append(f"round trip {format_milliseconds(info.round_trip)}")
    if info.congestion is not None:
        words.append(f"congestion control {info.congestion}{'' if sends else ' (of this side)'}")
    if info.retransmits is not None and info.segments_sent is not None:
        words.append(f"{info.retransmits} of {info.segments_sent} segments sent again")
    if info.out_of_order is not None and info.segments_received is not None:
        words.append(f"{info.out_of_order} of {info.segments_received} received out of order")
    number = "One connection" if streams == 1 else f"{streams} connections"
    return f"{number}: {', '.join(words) or 'this system tells no more'}."


def format_milliseconds(seconds: float) -> str:
    """Return a short time, such as `0.05 ms` or `120 ms`."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else format_duration(seconds)


def line_hint(
    info: TcpInfo, streams: int, seconds: float, nbytes: int, *, sends: bool, asked: int | None, bbr: bool
) -> str:
    """Return a sentence that names what may make such a copy faster; empty if there is nothing to say.

    The copy took `seconds` for `nbytes`, over `streams` connections. `sends`: it was from here. `asked`: the number
    of streams, None for automatic choice. `bbr`: this machine lets its users choose that congestion control.
    """
    if not _is_bound_by_losses(info, streams, seconds, nbytes, sends=sends):
        return ""
    measures = []
    # Where the automatic choice is one stream, another number would hardly be used: for small files, or a server that
    # has no place for more.
    if (asked is None and 1 < streams < MANY_STREAMS) or (asked is not None and asked < MANY_STREAMS):
        measures.append(f"more connections (--streams {MANY_STREAMS})")
    if not sends:
        measures.append("another congestion control at the server (secftpd --congestion bbr)")
    elif bbr and info.congestion != "bbr":
        measures.append("another congestion control (--congestion bbr)")
    if not measures:
        return ""
    return f"The line loses packets, which slowed this down; {' or '.join(measures)} may be faster."


def _is_bound_by_losses(info: TcpInfo, streams: int, seconds: float, nbytes: int, *, sends: bool) -> bool:
    if seconds < SLOW_SECONDS or info.round_trip is None or info.round_trip < FAR_SECONDS:
        return False
    now = info.smoothed_round_trip if sends else info.receiver_round_trip
    if now is not None and now > QUEUED * info.round_trip:
        return False
    # Of each connection: segments per round trip.
    window = nbytes / seconds * info.round_trip / SEGMENT_BYTES / max(streams, 1)
    share = _share_lost(info, window, sends=sends)
    return share is not None and LOSS_BOUND[0] <= share * window**2 <= LOSS_BOUND[1]


def _share_lost(info: TcpInfo, window: float, *, sends: bool) -> float | None:
    """Return the share of segments that were lost; None if it is unknown, or too little to mean anything."""
    lost, moved, least, least_share = (
        (info.retransmits, info.segments_sent, RETRANSMITS, RETRANSMITTED_SHARE)
        if sends
        else (info.out_of_order, info.segments_received, OUT_OF_ORDER, OUT_OF_ORDER_SHARE)
    )
    if lost is None or not moved or lost < least or lost / moved < least_share:
        return None
    return lost / moved if sends else lost / moved / max(window, 1.0)
