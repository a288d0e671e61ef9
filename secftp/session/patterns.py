"""Patterns of paths at a server, by the rules of Python's `glob` module. No requests, no files."""

from __future__ import annotations

import fnmatch
import re
from typing import Final

from secftp.protocol import check_path

_WILDCARD: Final = re.compile(r"[*?[]")
_ANY_DEPTH: Final = "**"


class Pattern:
    """A pattern: the part before its first wildcard, and the parts from there on.

    `start`: the text of the first part, as it was given. `directories`: whether only directories match. Raises
    `NameRefused` for a name after a wildcard that no server accepts.
    """

    def __init__(self, text: str, *, include_hidden: bool) -> None:
        parts = [part for part in text.split("/") if part]
        first = next((number for number, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
        self.start = "/" * text.startswith("/") + "/".join(parts[:first])
        self.directories = text.endswith("/")
        self.parts: list[_Part] = []
        self._include_hidden = include_hidden
        for part in parts[first:]:
            # Two in a row match what one does.
            if part != "." and not (part == _ANY_DEPTH and self.parts and self.parts[-1].any_depth):
                self.parts.append(_Part(part, include_hidden=include_hidden))
        self.any_depth = any(part.any_depth for part in self.parts)

    def first_states(self) -> frozenset[int]:
        """Return what remains to be matched below the start: for each number, the parts from there on."""
        return self._closed({0})

    def next_states(self, states: frozenset[int], name: str) -> tuple[frozenset[int], bool, bool]:
        """Return what remains to be matched below a name, whether the name matches, and whether it does as the top.

        The last means that it is the directory itself at whose `**` the pattern ends.
        """
        last, new, matches, is_top = len(self.parts) - 1, set(), False, False
        for number in states:
            if number > last:
                continue
            part = self.parts[number]
            if part.any_depth:
                if self._include_hidden or not name.startswith("."):
                    new.add(number)
                    matches |= number == last
            elif part.matches(name):
                new.add(number + 1)
                matches |= number == last
                is_top |= number + 1 == last and self.parts[last].any_depth
        return self._closed(new), matches, is_top

    def _closed(self, states: set[int]) -> frozenset[int]:
        """Add what remains if a `**` matches nothing."""
        return frozenset(states | {n + 1 for n in states if n < len(self.parts) and self.parts[n].any_depth})


class _Part:
    """A part of a pattern between two slashes; `literal` is its name if it has no wildcards."""

    __slots__ = ("_may_be_hidden", "_regex", "any_depth", "literal")

    def __init__(self, text: str, *, include_hidden: bool) -> None:
        self.any_depth = text == _ANY_DEPTH
        self.literal: bytes | None = None
        self._regex = re.compile(fnmatch.translate(text))
        self._may_be_hidden = include_hidden or text.startswith(".")
        if not _WILDCARD.search(text):
            self.literal = text.encode("utf-8", "surrogateescape")
            check_path((self.literal,))

    def matches(self, name: str) -> bool:
        if not self._may_be_hidden and name.startswith("."):
            return False
        return self._regex.match(name) is not None
