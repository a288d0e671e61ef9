"""A bound of the project that one run of the comparison is held to."""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """What was measured and its bound, as words, and whether it is kept."""

    words: str
    is_met: bool

    def line(self) -> str:
        """As a line of the output."""
        return f"{self.words}: {'met' if self.is_met else 'MISSED'}."
