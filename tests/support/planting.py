"""Planted modules: each records that it ran, and then the real one takes its place."""

from __future__ import annotations

import sys
from pathlib import Path

# Told in a file, since standard error may be closed, and by the name under which it was imported. Afterwards the real
# module is loaded, so that what comes behind it in the same run is seen too.
_PLANTED = """
import sys
with open({marker!r}, "a") as told:
    told.write(__name__ + "\\n")
name, here = __name__, {directory!r}
path, sys.path[:] = list(sys.path), [place for place in sys.path if place not in ("", here)]
del sys.modules[name]
try:
    __import__(name)
finally:
    sys.path[:] = path
"""

# What secftp can use, or a server's Python tries at its start, beside the standard library.
OTHERS = (
    "_cffi_backend", "_distutils_hack", "blake3", "cffi", "coverage", "fsspec", "idna", "msgspec", "numpy",
    "prometheus_client", "psutil", "sitecustomize", "tqdm", "typing_extensions", "usercustomize", "xxhash", "zstandard",
)  # fmt: skip


def plant(directory, marker, names):
    """Plant each of the names as a module in the directory; those which run are written into `marker`."""
    text = _PLANTED.format(marker=str(marker), directory=str(directory))
    for name in names:
        (Path(directory) / f"{name}.py").write_text(text)


def executed(marker):
    """The modules that ran."""
    return set(marker.read_text().split()) if marker.exists() else set()


def every_module():
    """The top-level modules that this Python has, and those that any process of secftp could look for."""
    return sorted({name for name in {*sys.stdlib_module_names, *OTHERS} if name != "__main__"})
