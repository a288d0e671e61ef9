"""A table with columns of several types, the same for all tests."""

from __future__ import annotations

import pandas


def table(rows):
    """A table of so many rows: a number, a text, one of three kinds, a fraction, and a time."""
    numbers = range(rows)
    return pandas.DataFrame(
        {
            "number": numbers,
            "text": [f"row {number} \N{LATIN SMALL LETTER A WITH DIAERESIS}" for number in numbers],
            "kind": ["abc"[number % 3] for number in numbers],
            "part": [number / 8 for number in numbers],
            "when": pandas.date_range("2026-01-01", periods=rows, freq="min").as_unit("ms"),
        }
    )
