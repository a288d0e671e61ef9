"""The copy engine: files and whole trees over one session, many of them in flight at once.

`Upload` is in `put`, `Download` in `get`. Sockets and frames are the session's, local files are the storage's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from secftp.copy.options import CopyOptions, RemoteLocation
from secftp.copy.watch import NullListener, ProgressListener, Summary

if TYPE_CHECKING:
    from secftp.copy.get import Download
    from secftp.copy.put import Upload

__all__ = ["CopyOptions", "Download", "NullListener", "ProgressListener", "RemoteLocation", "Summary", "Upload"]

# An upload does not need what a download takes, nor the other way round: start-up is part of speed.
_LATER = {"Download": "get", "Upload": "put"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = found
    return found
