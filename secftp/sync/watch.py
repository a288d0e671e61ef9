"""What has changed in a directory since the last pass of a sync that watches it, and the part of a tree that this is.

A change of a name concerns its directory, whose entries are compared anew, and everything below the name: a directory
that was moved there, or away, is one change. Invariants: memory is bounded, since too many changes become one, of
everything; a change that is told during a pass is not lost, but makes another one.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.sync.tree import TRASH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from secftp.storage import Path
    from secftp.sync.listing import Selection

MOST_PATHS: Final = 10_000  # that are kept one by one
_WHOLE: Final[tuple[Path, ...]] = ((),)


class Part:
    """A selection of files and directories: those of another one that changes may concern.

    `changed`: paths relative to the top; `()` stands for everything.
    """

    def __init__(self, selection: Selection, changed: Collection[Path]) -> None:
        self._selection = selection
        self._changed = frozenset(changed)
        self._beside = frozenset(path[:-1] for path in self._changed)
        self._above = frozenset(path[:depth] for path in self._changed for depth in range(len(path)))
        self.is_whole = () in self._changed

    def wants_file(self, path: Path) -> bool:
        """Whether a file is directly in the directory of a changed name, or below one."""
        return (path[:-1] in self._beside or self._is_below(path)) and self._selection.wants_file(path)

    def wants_directory(self, path: Path) -> bool:
        """Whether a directory has to be entered for a changed name, or is or is below one."""
        return (path in self._above or self._is_below(path)) and self._selection.wants_directory(path)

    def _is_below(self, path: Path) -> bool:
        return self.is_whole or any(path[:depth] in self._changed for depth in range(1, len(path) + 1))


class Changes:
    """The paths that have changed, added by one thread and taken by another. What `selection` excludes is none."""

    def __init__(self, selection: Selection, clock: Callable[[], float] = time.monotonic) -> None:
        self._selection = selection
        self._clock = clock
        self._news = threading.Condition()
        self._paths: set[Path] = set()
        self._first = self._last = 0.0  # when a path was added
        self._is_over = False  # nothing more will be added

    def add(self, paths: Iterable[Path]) -> None:
        """Add paths relative to the top; `()` stands for everything."""
        found = [path for path in paths if self._counts(path)]
        if not found:
            return
        with self._news:
            self._last = self._clock()
            if not self._paths:
                self._first = self._last
            self._paths.update(found)
            if len(self._paths) > MOST_PATHS or () in self._paths:
                self._paths = set(_WHOLE)
            self._news.notify_all()

    def end(self) -> None:
        """Wake up what waits: nothing more will be added."""
        with self._news:
            self._is_over = True
            self._news.notify_all()

    def wait(self, quiet: float, longest: float, until: float) -> bool:
        """Wait for changes, and then until there were none for `quiet` seconds, but for `longest` seconds at most.

        Returns whether there are changes; False at the time `until` of the clock, or after `end`.
        """
        with self._news:
            while not self._is_over:
                now, ready = self._clock(), until
                if self._paths:
                    ready = min(self._last + quiet, self._first + longest, until)
                if now >= ready:
                    break
                self._news.wait(ready - now)
            return bool(self._paths)

    def take(self) -> frozenset[Path]:
        """Return all that was added, and forget it."""
        with self._news:
            paths, self._paths = frozenset(self._paths), set()
            return paths

    def _counts(self, path: Path) -> bool:
        """Return whether a sync may do anything about a path."""
        if not path:
            return True
        if path[0] == TRASH or not all(self._selection.wants_directory(path[:depth]) for depth in range(1, len(path))):
            return False
        return self._selection.wants_file(path) or self._selection.wants_directory(path)
