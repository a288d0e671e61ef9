"""The name under which a test's counts stand in its report; tests/conftest.py prints them at the end of a run."""

from __future__ import annotations

COUNTS = "counts"
