"""Colours of names, as LS_COLORS of ls and dircolors sets them; NO_COLOR turns them off (no-color.org).

Of its keys count those of what is served: `di`, `tw`, `ow`, `st` for directories, `fi`, `ex`, `su`, `sg` for files,
`rs`, and `*` with the end of a name, in either case unless both are listed. Invariant: nothing but the attributes of
a terminal (SGR) is taken from there.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Final

from secftp.protocol import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTS: Final = {
    "di": "01;34",
    "ex": "01;32",
    "su": "37;41",
    "sg": "30;43",
    "tw": "30;42",
    "ow": "34;42",
    "st": "37;44",
}
_SGR: Final = re.compile(r"[0-9;:]*")
_STICKY_OPEN: Final = stat.S_ISVTX | stat.S_IWOTH
_EXECUTABLE: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def choose(when: str, environment: Mapping[str, str], *, is_terminal: bool) -> Colours | None:
    """Return the colours for --color; None if there are to be none."""
    if when == "never" or (when == "auto" and not (is_terminal and _are_welcome(environment))):
        return None
    return Colours(environment.get("LS_COLORS", ""))


def _are_welcome(environment: Mapping[str, str]) -> bool:
    return not environment.get("NO_COLOR") and environment.get("TERM") not in (None, "", "dumb")


class Colours:
    """The colours of an LS_COLORS; what it does not set is as in ls."""

    def __init__(self, text: str) -> None:
        self._types = dict(_DEFAULTS)
        # The ends of names as they are listed, and in lower case; and which entry it was, since the last one counts.
        self._ends: dict[bytes, tuple[int, str]] = {}
        self._folded: dict[bytes, tuple[int, str]] = {}
        for number, entry in enumerate(text.split(":")):
            key, equals, value = entry.partition("=")
            if not equals or not _SGR.fullmatch(value):
                continue
            if key.startswith("*"):
                end = key[1:].encode("utf-8", "surrogateescape")
                self._ends[end] = self._folded[end.lower()] = number, value
            else:
                self._types[key] = value
        self._lengths = sorted({len(end) for end in self._ends})

    def paint(self, shown: str, name: bytes, kind: Kind | None, mode: int) -> str:
        """Return `shown`, in the colour that a file or directory of this name has."""
        colour = self._of_directory(mode) if kind is Kind.DIRECTORY else self._of_file(name, mode)
        if not colour.strip("0;:"):
            return shown
        return f"\x1b[{colour}m{shown}\x1b[{self._types.get('rs', '0')}m"

    def _of_directory(self, mode: int) -> str:
        types = self._types
        if mode & _STICKY_OPEN == _STICKY_OPEN and types.get("tw"):
            return types["tw"]
        if mode & stat.S_IWOTH and types.get("ow"):
            return types["ow"]
        if mode & stat.S_ISVTX and types.get("st"):
            return types["st"]
        return types.get("di", "")

    def _of_file(self, name: bytes, mode: int) -> str:
        types = self._types
        for bits, key in ((stat.S_ISUID, "su"), (stat.S_ISGID, "sg"), (_EXECUTABLE, "ex")):
            if mode & bits and types.get(key):
                return types[key]
        found = self._find(self._ends, name) or self._find(self._folded, name.lower())
        return types.get("fi", "") if found is None else found[1]

    def _find(self, ends: Mapping[bytes, tuple[int, str]], name: bytes) -> tuple[int, str] | None:
        found = (ends.get(name[len(name) - length :]) for length in self._lengths if length <= len(name))
        return max(filter(None, found), default=None)
