"""The command that goes on with a copy that was broken off: the one that was typed, with what makes it go on.

It is shown to be copied into a shell, so each word is quoted for one; a word that a terminal would obey, or that is
not UTF-8, in the form $'...' that bash, zsh and fish's relatives read. There is never a key in it: get and put take
none on the command line.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from secftp.client.verbs import find_verb
from secftp.text import fitting

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM: Final = "secftp"


def command_line(arguments: Sequence[str], wanted: Sequence[str]) -> str:
    """The command with the `wanted` options that are not there yet, right behind its verb."""
    words = list(arguments)
    place = find_verb(words)
    if place is None:
        return ""
    operands = words.index("--") if "--" in words else len(words)
    words[place + 1 : place + 1] = [option for option in wanted if option not in words[:operands]]
    return " ".join([*_program(), *map(quoted, words)])


def quoted(word: str) -> str:
    """The word for a shell, printable only."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    if word.isprintable() and "\\" not in word and fitting(word, encoding) == word:
        from shlex import quote

        return quote(word)
    data = os.fsencode(word)
    plain = (chr(byte) if 0x20 <= byte < 0x7F and byte not in b"\\'" else f"\\x{byte:02x}" for byte in data)  # noqa: PLR2004
    return f"$'{''.join(plain)}'"


def _program() -> list[str]:
    """How this program was called."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return [quoted(os.path.basename(sys.executable)), "-m", "secftp.client"]
    return [_PROGRAM]
