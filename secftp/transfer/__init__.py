"""The copy engine: files and directory trees over one session, many requests under way at once.

`engine` is the common base of `upload` and `download`. Sockets and frames belong to the session, local files to the
storage.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from secftp.transfer.options import CopyOptions, RemoteLocation

if TYPE_CHECKING:
    from secftp.transfer.download import Download
    from secftp.transfer.progress import ProgressListener, Summary
    from secftp.transfer.upload import Upload

__all__ = ["CopyOptions", "Download", "ProgressListener", "RemoteLocation", "Summary", "Upload"]

# Loaded when they are used: an upload does not need what a download does, and a command line only needs the options.
_LATER = {
    "Download": "download",
    "ProgressListener": "progress",
    "Summary": "progress",
    "Upload": "upload",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = found
    return found
