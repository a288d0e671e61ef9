"""The one exception of the benchmarks: a sentence for whoever ran them."""

from __future__ import annotations


class BenchError(Exception):
    """What went wrong, in one sentence, ready to be shown."""


def reason(text: str) -> str:
    """What a program said last, without the hint that may follow it: the most that one line can tell."""
    said = [line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("hint:")]
    return said[-1][:200] if said else "it said nothing"
