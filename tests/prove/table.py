"""Table of figures in docs/TESTING.md, from the last runs: `python -m tests.prove.table`.

The table is between two marks. A tool that was not run has no row: all figures are from one machine and one state of
the sources.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from typing import Any

from tests.prove.figures import DIRECTORY
from tests.prove.tree import TOP

DOCUMENT = TOP / "docs" / "TESTING.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
# In the order of the page, with the command for each.
COMMANDS = {
    "test": "make test",
    "sanitize": "make sanitize",
    "fuzz": "make fuzz",
    "mutants": "make mutants",
    "faults": "make faults",
    "soak": "make soak",
}
_HIDDEN = ("good", "planted_fault_found", "planted_branch_found")


def rows() -> list[str]:
    """One row a section; a tool that failed says so."""
    found = []
    for tool, command in COMMANDS.items():
        path = DIRECTORY / f"{tool}.json"
        if not path.exists():
            continue
        data = json.loads(path.read_text())
        for name, values in data["sections"].items():
            if name.startswith("control"):
                continue
            text = ", ".join(_say(key, value) for key, value in values.items() if key not in _HIDDEN)
            what = name if name == tool else f"{tool}: {name}"
            failed = "" if values["good"] else " **(failed)**"
            found.append(f"| {what} | {text}{failed} | `{command}` |")
    return found


def _say(key: str, value: Any) -> str:
    number = f"{value:,}" if isinstance(value, int) else str(value)
    if key.startswith("percent"):
        return f"{number} % {key.removeprefix('percent').strip('_').replace('_', ' ') or 'in all'}"
    return f"{number} {key.replace('_', ' ')}"


def table() -> str:
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout.split()
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {' '.join(version[:2])}"
    head = f"Of {time.strftime('%Y-%m-%d')}, {machine}:"
    return "\n".join([head, "", "| What | Figures | Command |", "|---|---|---|", *rows()])


def main() -> int:
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        print(f"{DOCUMENT.name} has not the marks {BEGIN} and {END}")
        return 1
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
    print(f"prove: {len(rows())} rows in {DOCUMENT.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
