"""The copy engine: files and whole trees over one session, many of them in flight at once.

`Put` is in `put`, and behind it stand `steps`, `asking`, `sending` and `put_*`; `Get` is in `get`, and behind it are
`walk`, `remote_tree`, `places`, `receiving` and `get_*`. Both say what they do through `tally`. Sockets and frames are
the session's, and local files are the storage's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from secftp.copy.options import CopyOptions, Remote
from secftp.copy.watch import Silent, Summary, Watcher

if TYPE_CHECKING:
    from secftp.copy.get import Get, get
    from secftp.copy.put import Put, put

__all__ = ["CopyOptions", "Get", "Put", "Remote", "Silent", "Summary", "Watcher", "get", "put"]

# Whoever puts does not need what getting takes: start-up is part of speed.
_LATER = {"Get": "get", "get": "get", "Put": "put", "put": "put"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_LATER[name]}")
    # The import has put the module where its function belongs.
    globals().update({found: getattr(module, found) for found, place in _LATER.items() if place == _LATER[name]})
    return globals()[name]
