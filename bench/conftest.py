"""Collection and reporting of the ladder benchmarks.

A plain `pytest` runs every rung once with the smallest size, without measuring, so that the benchmarks keep working.
With any option of pytest-benchmark that needs figures, all sizes run, and a table of rates is printed in addition to
pytest-benchmark's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bench.peers.directories import size_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

HERE = Path(__file__).parent
SIZES = (1 << 10, 1 << 20, 1 << 26)
LARGEST = 1 << 30
MEGABYTES = 10_000_000  # above this rate, one decimal of MB/s is enough
# Options that need measured figures.
MEASURING = ("only", "enable", "autosave", "save", "save_data", "compare", "compare_fail", "histogram", "json")
# Rounds by size for benchmarks with a setup, which pytest-benchmark does not calibrate.
PREPARED_ROUNDS = {1 << 10: 500, 1 << 20: 200, 1 << 26: 10}


class Rate(NamedTuple):
    """One cell of the table of rates."""

    rung: str
    label: str
    size: int
    rate: float  # bytes a second


RATES = pytest.StashKey[list[Rate]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-1g", action="store_true", help="run the ladder with 1 GiB, too")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[RATES] = []
    if config.option.benchmark_only and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args = [str(HERE)]  # tests/ has no benchmarks, and collecting it takes longer than a rung


def measuring(config: pytest.Config) -> bool:
    """Return whether figures were requested."""
    return any(config.getoption(f"benchmark_{name}", None) for name in MEASURING)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "size" in metafunc.fixturenames:
        config = metafunc.config
        sizes = [*SIZES, LARGEST] if config.getoption("--bench-1g", default=False) else [*SIZES]
        metafunc.parametrize("size", sizes if measuring(config) else sizes[:1], ids=size_name)


@pytest.fixture
def measure(request: pytest.FixtureRequest, benchmark: BenchmarkFixture, size: int) -> Callable[..., None]:
    """`measure(rung, label, function)` times a function that transfers `size` bytes.

    `setup` runs before each round and is not timed.
    """

    def run(rung: str, label: str, function: Callable[[], object], setup: Callable[[], None] | None = None) -> None:
        # In pyproject.toml, --benchmark-disable would contradict --benchmark-only.
        benchmark.disabled = benchmark.disabled or not measuring(request.config)
        benchmark.group = f"{rung}, {size_name(size)}"
        if setup is None:
            benchmark(function)
        else:
            benchmark.pedantic(function, setup=setup, rounds=PREPARED_ROUNDS[size])  # type: ignore[no-untyped-call]
        if benchmark.stats is not None:
            rate = size / benchmark.stats.stats.median
            benchmark.extra_info["MB/s"] = round(rate / 1e6, 1)
            request.config.stash[RATES].append(Rate(rung, label, size, rate))

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rates = config.stash[RATES]
    if not rates:
        return
    sizes = sorted({rate.size for rate in rates})
    terminalreporter.section("the ladder: MB/s, medians")
    terminalreporter.write_line(f"{'':40}" + "".join(f"{size_name(size):>12}" for size in sizes))
    for rung in dict.fromkeys(rate.rung for rate in rates):
        terminalreporter.write_line(rung)
        lines = [rate for rate in rates if rate.rung == rung]
        for label in dict.fromkeys(rate.label for rate in lines):
            cells = {
                rate.size: f"{rate.rate / 1e6:12.{1 if rate.rate >= MEGABYTES else 3}f}"
                for rate in lines
                if rate.label == label
            }
            terminalreporter.write_line(f"  {label:<38}" + "".join(cells.get(size, f"{'-':>12}") for size in sizes))
