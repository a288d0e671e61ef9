"""Record property of a test's counts; tests/conftest.py prints them at the end of a run."""

from __future__ import annotations

COUNTS = "counts"
