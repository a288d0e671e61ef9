"""What a file system has left, asked where a file is written: any directory may be a mount point."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secftp.errors import FileError
from secftp.storage.base import Room
from secftp.storage.failures import close_quietly, translated
from secftp.storage.folders import open_below

if TYPE_CHECKING:
    from secftp.storage.base import Path


def room_at(fd: int) -> Room:
    """What the file system of the open `fd` has left for the user that this runs as; raises OSError."""
    status = os.fstatvfs(fd)
    # No blocks, or files, in all is a file system that does not say, or that has no number of files.
    nbytes = status.f_bavail * status.f_frsize if status.f_blocks else None
    files = status.f_favail if status.f_files else None
    return Room(nbytes, files, os.fstat(fd).st_dev)


def room_for(root: int, path: Path) -> Room:
    """The same for a name beneath `root`: of the directory that holds it, or is to hold it once it is made.

    Of directories that are missing, or can't be entered, the nearest above counts; what is wrong with the path itself,
    the call that acts on it says.
    """
    with translated(path or "."):
        folder = os.dup(root)
        try:
            for depth in range(1, len(path)):
                above = folder
                try:
                    folder = open_below(above, path, depth)
                except FileError:
                    break
                close_quietly(above)
            return room_at(folder)
        finally:
            close_quietly(folder)
