"""Test coverage: branches of the core, lines and branches of the package."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tests.prove import Tree
from tests.sanitize.programs import BASIC
from tests.sanitize.suites import CORE, pytest_in

if TYPE_CHECKING:
    from tests.prove import Figures

LEAST = 95.0  # percent
# What a peer reaches first, and what it must never get through.
PARTS = {"the_handshake": "secftp/protocol/handshake.py", "frames": "secftp/crypto/", "storage": "secftp/storage/"}


def of_c(figures: Figures) -> None:
    """Branches of csrc through both cores, injected failures included."""
    tree = Tree("coverage-c")
    tree.build([*BASIC, "-O0", "--coverage", "-fprofile-update=atomic", "-fprofile-abs-path"], link="--coverage")
    done = pytest_in(tree, CORE, {})
    command = [sys.executable, "-m", "gcovr", "--root", str(tree.path), "--filter", "csrc/", "--exclude-throw-branches"]
    report = tree.run([*command, "--json-summary", "--json-summary-pretty", str(tree.path / "objects" / "seamed")])
    if report.returncode != 0:
        print(report.stderr)
        figures.section("coverage of csrc", good=False)
        return
    found = json.loads(report.stdout)
    for file in sorted(found["files"], key=lambda file: float(file["branch_percent"] or 100)):
        print(f"  {file['filename']:24} lines {file['line_percent']} %, branches {file['branch_percent']} %")
    print(tree.run([*command, "--txt", "--txt-metric", "branch", str(tree.path / "objects" / "seamed")]).stdout)
    branches = float(found["branch_percent"])
    figures.section(
        "coverage of csrc",
        good=done.returncode == 0 and branches >= LEAST,
        percent_of_lines=found["line_percent"],
        percent_of_branches=branches,
        branches=found["branch_total"],
    )


def of_python(figures: Figures) -> None:
    """Lines and branches of the package, in every process that the suite starts.

    A test that fails because it is being watched, or for being slow, is the suite's business and not this one's.
    """
    tree = Tree("coverage-python")
    tree.build([*BASIC, "-O2"])
    (tree.path / ".coveragerc").write_text(
        "[run]\nbranch = True\nsource = secftp\nparallel = True\npatch = subprocess\n"
        "[report]\nexclude_also =\n    if TYPE_CHECKING:\n"
    )
    environment = {"COVERAGE_RCFILE": str(tree.path / ".coveragerc"), "COVERAGE_FILE": str(tree.path / ".coverage")}
    coverage = [sys.executable, "-m", "coverage"]
    done = tree.run([*coverage, "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], **environment)
    print(done.stdout[-3000:])
    tree.run([*coverage, "combine", "-q"], **environment)
    tree.run([*coverage, "json", "-q", "-o", "coverage.json"], **environment)
    found = json.loads((tree.path / "coverage.json").read_text())
    for name, file in sorted(found["files"].items(), key=lambda item: item[1]["summary"]["percent_covered"])[:25]:
        print(f"  {name:40} {file['summary']['percent_covered']:.1f} %")
    totals = found["totals"]
    figures.section(
        "coverage of the package",
        good=totals["percent_covered"] >= LEAST,
        percent=round(totals["percent_covered"], 1),
        percent_of_lines=round(100 * totals["covered_lines"] / totals["num_statements"], 1),
        percent_of_branches=round(100 * totals["covered_branches"] / totals["num_branches"], 1),
        **{f"percent_of_{name}": _part(found, directory) for name, directory in PARTS.items()},
    )


def _part(found: dict[str, Any], directory: str) -> float:
    """Lines and branches of one part of the package together."""
    sums = [file["summary"] for name, file in found["files"].items() if name.startswith(directory)]
    covered = sum(one["covered_lines"] + one["covered_branches"] for one in sums)
    return round(100 * covered / sum(one["num_statements"] + one["num_branches"] for one in sums), 1)
