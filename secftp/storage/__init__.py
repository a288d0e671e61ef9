"""File access: the only package that opens what a peer, or the user of a transfer, names.

A server reads and writes in a `LocalStore`: every name in it comes from a peer and is resolved through no symlink. A
client uses one for the directory that it fetches a tree into, because there the names come from the server. `tree`
reads the trees of a user that are copied to a server. `open_local_source`, `create_local_sink`, `resume_local_sink`,
`stat_local` and `make_local_directory` take names that the user typed; `PipeSource` and `PipeSink` are the standard
streams. `store` has the interfaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.storage.attributes import FileInfo, WriteOptions
from secftp.storage.digest import ALGORITHMS, Digest, digester, load_digests, new_digest
from secftp.storage.directories import FreeSpace
from secftp.storage.names import RESERVED_PREFIX, DirectoryPath, Path
from secftp.storage.pipe import PipeSink, PipeSource
from secftp.storage.store import ResumedSink, ScanEntry, Sink, SmallFiles, Source, Store
from secftp.storage.sweep import sweep
from secftp.storage.user import (
    create_local_sink,
    make_local_directory,
    open_local_source,
    resume_local_sink,
    set_local_mode,
    stat_local,
)

if TYPE_CHECKING:
    from secftp.storage.local import LocalStore

__all__ = [
    "ALGORITHMS",
    "RESERVED_PREFIX",
    "Digest",
    "DirectoryPath",
    "FileInfo",
    "FreeSpace",
    "LocalStore",
    "Path",
    "PipeSink",
    "PipeSource",
    "ResumedSink",
    "ScanEntry",
    "Sink",
    "SmallFiles",
    "Source",
    "Store",
    "WriteOptions",
    "create_local_sink",
    "digester",
    "load_digests",
    "make_local_directory",
    "new_digest",
    "open_local_source",
    "resume_local_sink",
    "set_local_mode",
    "stat_local",
    "sweep",
]

# What the transfer of one file does not need is loaded when it is asked for: start-up is part of speed.
_LATER = {"LocalStore": "local"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
