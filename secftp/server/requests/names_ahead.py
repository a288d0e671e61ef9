"""Names that the requests of one run make, for requests that are carried out at once.

What a store has looked up for the files of a run is not looked up again. So a file whose name has become a directory's
in the same run, or the other way round, must be known: it is looked up anew, when all before it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secftp.storage import Path
    from secftp.storage.names import DirectoryPath


class Names:
    """The names that a run has made, or will have: directories by the number of their first request, and files."""

    def __init__(self) -> None:
        self._made: dict[Path, int] = {}
        self._with_files: set[Path] = set()
        self._files: set[Path] = set()

    def forget(self, *, before: int) -> None:
        """Forget what requests with lower numbers have made: a new look at the store finds it."""
        self._made = {path: number for path, number in self._made.items() if number >= before}
        self._with_files.clear()
        self._files.clear()

    def place_of(self, path: Path) -> Path:
        """Return the place that MKDIR concerns: the directory, or all that may be made with it."""
        return path if path[:-1] in self._made else path[:1]

    def note_directory(self, path: Path, number: int) -> None:
        """Note a directory that is requested, and those above it."""
        for depth in range(len(path), 0, -1):
            self._made.setdefault(path[:depth], number)

    def note_file(self, path: Path) -> None:
        """Note a file that is written, and the directories above it."""
        self._files.add(path)
        for depth in range(len(path) - 1, 0, -1):
            if path[:depth] in self._with_files:
                return
            self._with_files.add(path[:depth])

    def has_changed(self, path: Path, number: int) -> bool:
        """Whether an earlier request has made a directory of this name, or a file of one above it."""
        if path in self._with_files or self._made.get(path, number) < number:
            return True
        return any(path[:depth] in self._files for depth in range(1, len(path)))


def is_related(one: DirectoryPath, other: DirectoryPath) -> bool:
    """Return whether two paths are the same, or one is above the other."""
    depth = min(len(one), len(other))
    return one[:depth] == other[:depth]
