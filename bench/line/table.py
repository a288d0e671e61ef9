"""Tables of the comparison: medians, how many times as long as secftp a peer takes, and how many connections it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.line.contenders import SECFTP
from bench.peers.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.line.measure import Samples
    from bench.line.scenarios import Scenario

HEADER = ("job", "program", "seconds", "min", "max", f"x {SECFTP}", "runs", "connections")


def table(scenario: Scenario, measured: Sequence[Samples]) -> str:
    """One line's table, the jobs in their order, the fastest program first."""
    line = scenario.conditions
    title = (
        f"{scenario.name}: {line.delay * 2000:.0f} ms round trip, {line.rate / 1e6:.0f} Mb/s, queue of "
        f"{line.queue / 1e6:g} MB, {scenario.congestion}; medians of whole processes"
    )
    names = list(dict.fromkeys(one.job.name for one in measured))
    own = {one.job.name: one.median for one in measured if one.job.program == SECFTP}
    ordered = sorted(measured, key=lambda one: (names.index(one.job.name), one.median))
    return f"{title}\n\n" + aligned([HEADER, *(_row(one, own.get(one.job.name)) for one in ordered)])


def _row(one: Samples, own: float | None) -> tuple[str, ...]:
    return (
        one.job.name,
        one.job.program,
        *(f"{seconds:.2f}" for seconds in (one.median, min(one.seconds), max(one.seconds))),
        f"{one.median / own:.2f}" if own else "-",
        str(len(one.seconds)),
        str(one.connections),
    )
