"""Release check: all verification tools, and their figures in docs/TESTING.md; `python -m tests.prove`.

`make release-check` runs it after `make check`. Each tool runs even if another one found something; the tests over an
emulated line say so where no line can be made, which is no failure. Takes half an hour and more on two cores.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from bench.line.__main__ import UNAVAILABLE
from tests.prove import table
from tests.prove.figures import Figures
from tests.prove.tree import TOP


def suite() -> int:
    """The suite as it is, slow tests included; its closing line as figures."""
    figures = Figures("test")
    command = [sys.executable, "-m", "pytest", "-q", "--run-slow"]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if re.search(r"\d+ passed", line) else last
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    figures.section("the suite, slow tests included", good=process.returncode == 0, **counts)
    return figures.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each fuzz target (default: 60)")
    parser.add_argument("--sessions", type=int, default=10_000, metavar="N", help="of the soak (default: 10,000)")
    options = parser.parse_args()
    tools = {
        "tests.sanitize": [],
        "tests.fuzz": ["--seconds", str(options.seconds)],
        "tests.mutants": [],
        "tests.faults": [],
        "tests.soak": ["--sessions", str(options.sessions)],
        "tests.line": ["-q"],
    }
    failed = ["tests"] if suite() else []
    for tool, arguments in tools.items():
        code = subprocess.run([sys.executable, "-m", tool, *arguments], cwd=TOP, check=False).returncode
        if code not in (0, UNAVAILABLE):
            failed.append(tool)
    table.main()
    print(f"release check: {'FAILED: ' + ', '.join(failed) if failed else 'nothing found'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
