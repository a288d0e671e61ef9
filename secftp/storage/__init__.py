"""Files: the only floor that opens what a peer or the user of a transfer names."""

from secftp.storage.base import FileInfo, FolderPath, Kind, Path, ResumedSink, Scanned, Sink, Source, Store
from secftp.storage.digest import ALGORITHMS, Digest, digester, new_digest
from secftp.storage.local import LocalStore
from secftp.storage.names import RESERVED_PREFIX
from secftp.storage.pipe import PipeSink, PipeSource
from secftp.storage.small import SmallFiles
from secftp.storage.sweep import sweep
from secftp.storage.user import create_local_sink, open_local_source

__all__ = [
    "ALGORITHMS",
    "RESERVED_PREFIX",
    "Digest",
    "FileInfo",
    "FolderPath",
    "Kind",
    "LocalStore",
    "Path",
    "PipeSink",
    "PipeSource",
    "ResumedSink",
    "Scanned",
    "Sink",
    "SmallFiles",
    "Source",
    "Store",
    "create_local_sink",
    "digester",
    "new_digest",
    "open_local_source",
    "sweep",
]
