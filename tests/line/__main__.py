"""`python -m tests.line`, or `make test-line`: the tests of this package. Further arguments go to pytest.

Ends with 77, and one line on standard error, where no line can be made.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.line.__main__ import UNAVAILABLE
from bench.line.emulator import Line, Unavailable

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """The exit code."""
    try:
        Line().close()
    except Unavailable as missing:
        print(f"test-line: {missing}", file=sys.stderr)
        return UNAVAILABLE
    # In one process, in order: the tests share one line's worth of processor. The slowest are shown, so that a run that
    # took long for no reason tells where.
    options = ["--run-line", "--benchmark-disable", "--durations=5", "--durations-min=5"]
    return int(pytest.main([str(HERE), *options, *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
