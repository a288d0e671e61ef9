"""Exception of the benchmarks, with a message for the user."""

from __future__ import annotations


class BenchError(Exception):
    """A failure, described by one sentence."""


def reason(text: str) -> str:
    """Return the last line of a program's output, without a hint that may follow it."""
    said = [line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("hint:")]
    return said[-1][:200] if said else "no message"
