"""Goals of the project on the lines of the comparison, and what was measured of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.line.contenders import COMPRESSED, LARGE, SECFTP, SMALL, TEXT, TREE
from bench.peers.table import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADER = ("line", "job", "", "measured", "goal", "")
# Medians in seconds, by the name of the line, of the job, and of the program.
Medians = dict[tuple[str, str, str], float]


class Goal(NamedTuple):
    """Of a job on the line whose name ends with `line`: seconds of `program` at most, or how they compare with `other`.

    With `other`, `at_least` is how many times as fast, and `at_most` which part of its time.
    """

    line: str
    job: str
    other: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    program: str = SECFTP

    def words(self) -> tuple[str, str]:
        """What is compared, and the bound."""
        if self.other is None:
            return f"seconds of {self.program}", f"at most {self.at_most:g}"
        if self.at_least is not None:
            return f"{self.program} as fast as {self.other}", f"at least {self.at_least:g} times"
        return f"time of {self.program} / {self.other}", f"at most {self.at_most:g}"

    def measured(self, medians: Mapping[tuple[str, str, str], float]) -> float | None:
        """What the goal bounds; None if it was not measured."""
        found = {(job, program): taken for (line, job, program), taken in medians.items() if line.endswith(self.line)}
        own = found.get((self.job, self.program))
        if own is None or self.other is None:
            return own
        other = found.get((self.job, self.other))
        if other is None:
            return None
        return other / own if self.at_least is not None else own / other

    def is_met(self, measured: float) -> bool:
        """Whether this figure is within the bound."""
        if self.at_least is not None:
            return measured >= self.at_least
        return self.at_most is not None and measured <= self.at_most


GOALS = [
    Goal("no loss", f"put {SMALL}", at_most=0.45),
    *(
        goal
        for way in ("put", "get")
        for goal in (
            Goal("no loss", f"{way} {LARGE}", at_most=2.6),
            Goal("no loss", f"{way} {LARGE}", "scp", at_least=2.4),
            Goal("no loss", f"{way} {TREE}", "rsync", at_most=0.5),
            Goal(", bbr", f"{way} {LARGE}", "scp", at_least=2.0),
            Goal(", reno", f"{way} {LARGE}", "scp", at_least=5.0),
            Goal("slow", f"{way} {TEXT}", SECFTP, at_least=2.5, program=COMPRESSED),
            Goal("slow", f"{way} {LARGE}", SECFTP, at_most=1.03, program=COMPRESSED),
        )
    ),
    Goal("no loss", f"verify {TREE}", at_most=1.2),
]


def listing(medians: Mapping[tuple[str, str, str], float], goals: Sequence[Goal] = GOALS) -> str:
    """The table of goals."""
    rows = [HEADER]
    for goal in goals:
        measured = goal.measured(medians)
        what, bound = goal.words()
        verdict = "not measured" if measured is None else "met" if goal.is_met(measured) else "missed"
        rows.append(
            (goal.line.lstrip(", "), goal.job, what, "-" if measured is None else f"{measured:.2f}", bound, verdict)
        )
    return aligned(rows, left=3)
