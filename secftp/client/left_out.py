"""Symlinks and special files that a command met, told once: how many, and the first names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.protocol import Kind
from secftp.text import counted, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES: Final = 3  # that are told
_WORDS: Final = {Kind.SYMLINK: "symlink", Kind.SPECIAL: "special file"}
OTHERS: Final = frozenset(_WORDS)


class Others:
    """Counts symlinks and special files, and keeps the first names, or all of them."""

    def __init__(self, *, keep_all: bool = False) -> None:
        self._most = None if keep_all else _NAMES
        self._counts = dict.fromkeys(_WORDS, 0)
        self._names: list[Sequence[bytes] | bytes] = []

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts.values())

    def add(self, name: Sequence[bytes] | bytes, kind: Kind) -> None:
        """Count one of them."""
        self._counts[kind] += 1
        if self._most is None or len(self._names) < self._most:
            self._names.append(name)

    def sentence(self, done: str) -> str:
        """Return a sentence about all of them, which are `done`; empty if there is none."""
        numbers = [counted(number, _WORDS[kind]) for kind, number in self._counts.items() if number]
        if not numbers:
            return ""
        names = [show_path(name) for name in self._names]
        if self.count > len(names):
            names.append(f"{self.count - len(names)} more")
        return f"{' and '.join(numbers)} {'was' if self.count == 1 else 'were'} {done}: {', '.join(names)}."
