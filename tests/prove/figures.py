"""Recorded figures of a tool, build/prove/figures/NAME.json. `tests.prove.table` writes them to the documentation."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.prove.tree import WORK

DIRECTORY = WORK / "figures"


class Figures:
    """One tool's figures: a section each, shown while they are found, kept as JSON when the tool ends.

    With `keep`, for a run of some parts alone, the sections of the others stay as the run before left them.
    """

    def __init__(self, tool: str, *, keep: bool = False) -> None:
        self.tool = tool
        self._keep = keep
        self.found: dict[str, dict[str, Any]] = {}
        self.failed: list[str] = []
        self._began = time.monotonic()

    def section(self, name: str, *, good: bool, **values: Any) -> None:
        """Note what one part of the tool found; `good` False makes the whole tool fail."""
        self.found[name] = {**values, "good": good}
        if not good:
            self.failed.append(name)
        text = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in values.items())
        print(f"{self.tool}: {name}: {text}{'' if good else '   <-- FAILED'}", flush=True)

    def close(self) -> int:
        """Write the file and print the last line; the status for `sys.exit`."""
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        took = round(time.monotonic() - self._began, 1)
        path = DIRECTORY / f"{self.tool}.json"
        before = json.loads(path.read_text())["sections"] if self._keep and path.exists() else {}
        path.write_text(json.dumps({"tool": self.tool, "seconds": took, "sections": before | self.found}, indent=1))
        verdict = f"FAILED: {', '.join(self.failed)}" if self.failed else "nothing found"
        print(f"{self.tool}: {verdict}, in {took:.0f} s", flush=True)
        sys.stdout.flush()
        return 1 if self.failed else 0
