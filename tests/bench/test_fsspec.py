"""The benchmark of what a program does through fsspec: jobs, and their table."""

from __future__ import annotations

import pytest

pytest.importorskip("fsspec")

from bench.fsspec import __main__ as program
from bench.fsspec import jobs


@pytest.fixture
def small(monkeypatch):
    for module in (jobs, program):
        monkeypatch.setattr(module, "LARGE_BYTES", 1 << 20)


def test_every_job_has_a_row():
    assert all(hasattr(jobs.Jobs, job) for job in program.JOBS)


def test_medians_are_shown_and_what_was_not_counted_is_not():
    samples = [program.Sample(seconds, trips, 1000 * trips) for seconds, trips in [(3, 1), (1, 5), (2, 2)]]
    assert program._row("a job", samples) == "| a job | 2.000 | 2.0 | 0.00 |"
    assert program._row("a job", [program.Sample(1.5, None, None)]) == "| a job | 1.500 |  |  |"


def test_jobs_run_on_loopback(small, capsys):
    assert program.main(["--loopback", "--rounds", "1", "--job", "cat", "--job", "fs_get", "--job", "put"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) == 5
