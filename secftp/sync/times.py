"""The resolution of the modification times of a directory, as far as they prove it.

A file system with a coarse resolution truncates: FAT to even seconds, HFS+ and ext3 to seconds, exFAT to hundredths of
a second, NTFS to 100 ns, some network file systems to microseconds. So a copy may have an earlier time than its
original, by less than that, and is nevertheless the same; a difference that no truncation explains is a change.

A side says nothing of its resolution, but a time that is no multiple of a second proves that the file system does not
truncate to seconds, for the other files of the directory, too. A directory may be on another file system than the one
above it, so each is looked at by itself. Invariant: evidence makes the comparison only stricter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.storage.attributes import COARSEST, RESOLUTIONS
from secftp.sync.tree import EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.sync.tree import Entry


def resolution_of(entries: Iterable[Entry]) -> int:
    """Return the coarsest resolution, in nanoseconds, that explains the times of the files of a directory."""
    step = COARSEST
    for entry in entries:
        if entry.mtime_ns % step and entry.kind is EntryKind.FILE:
            step = max(each for each in RESOLUTIONS if each < step and not entry.mtime_ns % each)
            if step == RESOLUTIONS[0]:
                break
    return step
