"""Mutants of what a peer may use up: memory, descriptors, threads, processor time, disk and log."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

METRICS = "tests/test_server_metrics_hostile.py"

MUTANTS = [
    # --- the metrics port ---
    mutant("metrics-without-a-bound", "secftp/channel/page.py", "if len(self._connections) >= CONNECTIONS_MAX:", "if len(self._connections) < 0:", METRICS),
    mutant("metrics-without-a-deadline", "secftp/channel/page.py", "if one.deadline <= now]:", "if one.deadline <= 0]:", METRICS),
    mutant("metrics-head-without-a-bound", "secftp/channel/page.py", "elif len(self._head) > HEAD_MAX:", "elif len(self._head) < 0:", METRICS),
    mutant("metrics-linger-without-a-bound", "secftp/channel/page.py", "return self._lingered > LINGER_MAX", "return False", METRICS),
    mutant("metrics-keep-a-connection", "secftp/channel/page.py", "        self._lingered = 0\n        self.stream.finish_sending()\n", "        self._head.clear()\n", METRICS),
    mutant("metrics-made-at-each-request", "secftp/server/metrics.py", "if self._last is None or self._budget.take(1):", "if self._last is None or self._budget:", METRICS),
]  # fmt: skip

__all__ = ["MUTANTS", "Mutant"]
