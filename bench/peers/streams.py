"""What parallel streams cost over loopback: CPU time by their number, and two of them beside one.

Over loopback they gain nothing, as both cores are full with one; they must not lose, either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.peers.commands import STREAMS, streams_name
from bench.peers.verdict import Verdict

if TYPE_CHECKING:
    from bench.peers.table import Figures

# The most that one number of streams costs, as a multiple of what another does.
CPU_BOUND = 1.10
# Two streams are no slower than one: within what two runs of the same differ.
TIME_BOUND = 1.03


def verdicts(figures: Figures) -> list[Verdict]:
    """For each direction: CPU seconds of all numbers of streams, and the time of two; empty if none was measured."""
    return [
        verdict
        for way in ("write", "read")
        for verdict in (_cpu(figures, way), _time(figures, way))
        if verdict is not None
    ]


def _cpu(figures: Figures, way: str) -> Verdict | None:
    found = {count: cpu for count in STREAMS if (cpu := figures.cpu.get((streams_name(count), way))) is not None}
    if len(found) < 2:
        return None
    ratio = max(found.values()) / min(found.values())
    shown = ", ".join(f"{count}: {cpu:.3f}" for count, cpu in found.items())
    return Verdict(
        f"CPU seconds by number of streams, {way}: {shown}. The most is {ratio:.2f} times the least, at most "
        f"{CPU_BOUND:.2f}",
        ratio <= CPU_BOUND,
    )


def _time(figures: Figures, way: str) -> Verdict | None:
    speed = figures.speed((streams_name(1), way), (streams_name(2), way))
    if speed is None:
        return None
    return Verdict(
        f"Two streams, {way}: {speed:.2f} times as long as one, at most {TIME_BOUND:.2f}", speed <= TIME_BOUND
    )
