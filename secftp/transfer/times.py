"""Comparison of the modification times of two sides, each of which stores them with a resolution of its own.

A file system with a coarse resolution truncates: FAT to even seconds, HFS+ and ext3 to seconds, exFAT to hundredths of
a second, NTFS to 100 ns, some network file systems to microseconds. So a copy may have an earlier time than its
original, by less than that resolution, and is nevertheless the same; a difference that no truncation explains is a
change.

What the resolution of a side is, only its times tell. A time that is no multiple of a second proves that its file
system does not truncate to seconds, for the files of the same directory, too. A directory may be on another file system
than the one above it, so nothing is concluded for any other. Invariant: evidence makes the comparison only stricter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.storage.attributes import COARSEST, RESOLUTIONS, same_time

if TYPE_CHECKING:
    from collections.abc import Hashable

_DIRECTORIES: Final = 1024  # whose evidence is kept at one time: a tree has any number of them


class SideTimes:
    """The times that were seen on one side, and what they prove about the resolution in each directory.

    A directory is any key that tells it from others. Only the evidence of so many `directories` is kept, of those that
    were used last.
    """

    def __init__(self, directories: int) -> None:
        self._most = directories
        self._resolutions: dict[Hashable, int] = {}  # in the order of use

    def learn(self, directory: Hashable, mtime_ns: int) -> int:
        """Take note of the time of a file, in nanoseconds; return the coarsest possible resolution of its directory."""
        step = self._resolutions.pop(directory, COARSEST)
        if mtime_ns % step:
            step = max(each for each in RESOLUTIONS if each < step and not mtime_ns % each)
        if len(self._resolutions) >= self._most:
            del self._resolutions[next(iter(self._resolutions))]
        self._resolutions[directory] = step
        return step


class TimeComparison:
    """Comparison of files of a source with those at a target, in the order in which they are met.

    `directories`: of how many on each side evidence is kept at one time.
    """

    def __init__(self, directories: int = _DIRECTORIES) -> None:
        self.source = SideTimes(directories)
        self.target = SideTimes(directories)

    def order(self, source_ns: int, target_ns: int, above_source: Hashable, above_target: Hashable) -> int:
        """Compare the times of a file and of its copy, in nanoseconds.

        `above_source`, `above_target`: keys of the directories that they are in.
        Returns 0 if they are the same within the resolutions of both sides, 1 if the source is newer, -1 if the target
        is.
        """
        of_source = self.source.learn(above_source, source_ns)
        of_target = self.target.learn(above_target, target_ns)
        if same_time(source_ns, target_ns, of_source, of_target):
            return 0
        return 1 if source_ns > target_ns else -1
