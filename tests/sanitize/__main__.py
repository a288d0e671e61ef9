"""Command line of `make sanitize`: `python -m tests.sanitize [PART...] [--quick]`."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from tests.prove import Figures
from tests.sanitize import coverage, programs, suites

PARTS = {
    "program": programs.sanitizers,
    "valgrind": programs.valgrind,
    "secrets": programs.secrets,
    "analyzer": programs.analyzer,
    "core": partial(suites.suite, core_only=True),
    "coverage-c": coverage.of_c,
    "core-valgrind": suites.valgrind,
    "suite": partial(suites.suite, core_only=False),
    "coverage-python": coverage.of_python,
}
QUICK = ("program", "core")  # what CI has time for
IN_ALL = tuple(part for part in PARTS if part != "core")  # the suite has the core's tests


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sanitize", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen = options.parts or (QUICK if options.quick else IN_ALL)
    figures = Figures("sanitize", keep=bool(options.parts) or options.quick)
    for name in chosen:
        PARTS[name](figures)
    return figures.close()


if __name__ == "__main__":
    sys.exit(main())
