"""Command line of `make faults`: `python -m tests.faults [PART...] [--scenario NAME]...`."""

from __future__ import annotations

import argparse
import shutil
import sys

from tests.faults import calls, limits, network
from tests.faults.scenario import SCENARIOS
from tests.prove import Figures

PARTS = ("memory", "disk", "network", "calls")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", default=[], choices=names, help="for calls: only this one")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen = options.parts or PARTS
    figures = Figures("faults", keep=bool(options.parts))
    if "memory" in chosen:
        limits.memory(figures)
    if "disk" in chosen:
        limits.full_disk(figures)
    if "network" in chosen:
        network.every_byte(figures)
    if "calls" in chosen:
        if shutil.which("strace") is None:
            sys.exit("faults: strace is missing. Install it with your system's packages.")
        calls.everywhere(figures, options.scenario)
    return figures.close()


if __name__ == "__main__":
    sys.exit(main())
