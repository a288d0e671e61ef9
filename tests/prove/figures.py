"""What a tool found, as one file a tool: build/prove/figures/NAME.json. `tests.prove.table` puts them into the docs."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.prove.tree import WORK

FOLDER = WORK / "figures"


class Figures:
    """One tool's figures: a section each, shown while they are found, kept as JSON when the tool ends."""

    def __init__(self, tool: str) -> None:
        self.tool = tool
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
        FOLDER.mkdir(parents=True, exist_ok=True)
        took = round(time.monotonic() - self._began, 1)
        data = {"tool": self.tool, "seconds": took, "good": not self.failed, "sections": self.found}
        (FOLDER / f"{self.tool}.json").write_text(json.dumps(data, indent=1) + "\n")
        verdict = f"FAILED: {', '.join(self.failed)}" if self.failed else "nothing found"
        print(f"{self.tool}: {verdict}, in {took:.0f} s", flush=True)
        sys.stdout.flush()
        return 1 if self.failed else 0
