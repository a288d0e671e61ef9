"""Core built for tests, from the same csrc, with controllable randomness, rekey interval and allocation.

`core()` builds it if it is missing or older than its sources, and returns its `ffi` and `lib`.
"""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOP = HERE.parent.parent


def _stale() -> bool:
    sources = [*(TOP / "csrc").iterdir(), *HERE.glob("*.[ch]"), HERE / "build.py", TOP / "build_ffi.py"]
    built = [path.stat().st_mtime for path in HERE.glob("_core_seamed*.so")]
    return not built or min(built) < max(path.stat().st_mtime for path in sources)


@functools.cache
def core() -> Any:
    """The extension module, with `ffi` and `lib`."""
    if _stale():
        command = [sys.executable, "-m", "tests.seamed.build"]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"the tests' core does not build:\n{done.stdout}\n{done.stderr}"
    return importlib.import_module("tests.seamed._core_seamed")
