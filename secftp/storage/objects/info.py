"""What is known of the files and directories of a bucket, from the metadata of their objects."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from secftp.protocol import Kind
from secftp.storage.attributes import PERMISSIONS, FileInfo
from secftp.storage.objects.metadata import decode

if TYPE_CHECKING:
    from secftp.storage.objects.bucket import ObjectInfo

FILE_MODE: Final = 0o644  # of what has none
DIRECTORY_MODE: Final = 0o755


class Times(enum.Enum):
    """Whose times files have: those that they were written with, or those at which the objects were stored."""

    OWN = "own"
    STORED = "stored"


def file_info(found: ObjectInfo, times: Times) -> FileInfo:
    """Return what is known of a file from its object, or, without metadata, from a listing."""
    metadata = decode(found.metadata or {})
    own = metadata.mtime_ns if times is Times.OWN else None
    mode = FILE_MODE if metadata.mode is None else metadata.mode & PERMISSIONS
    return FileInfo(Kind.FILE, found.size, found.modified_ns if own is None else own, mode)


def directory_info(marker: ObjectInfo | None, times: Times) -> FileInfo:
    """Return what is known of a directory from its marker.

    A directory that is only a part of keys has no time, and 0 in its place; with the stored times all have it, since a
    listing does not ask for markers.
    """
    metadata = decode({} if marker is None else marker.metadata or {})
    mtime_ns = metadata.mtime_ns if times is Times.OWN else None
    mode = DIRECTORY_MODE if metadata.mode is None else metadata.mode & PERMISSIONS
    return FileInfo(Kind.DIRECTORY, 0, mtime_ns or 0, mode)
