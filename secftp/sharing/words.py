"""Keys of six words that can be read aloud: from the EFF's long list, which the package xkcdpass ships.

The words are chosen here, with the system's random numbers. Invariant: a key has at least 77 bits, whatever file the
package finds; a list that is too short, or has a word twice, makes no key.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Final

from secftp import system
from secftp.errors import InstallationError, KeyFormatError
from secftp.keys import Key, read_key_file, refuse_beneath

if TYPE_CHECKING:
    from collections.abc import Iterable

WORDS: Final = 6
LIST: Final = "eff-long"
# Without four of its 7776 words, which have a hyphen: 6 * log2(7772) = 77.5 bits.
LEAST: Final = 7772
_HINT: Final = "Install it with: pip install 'secftp[share]'. Or give a key of your own: --key-file FILE."


def generate_words() -> str:
    """Return a new key: six words in lower case with single spaces. Raises `InstallationError` without the list."""
    words = load_words()
    return " ".join(secrets.choice(words) for _ in range(WORDS))


def load_words() -> list[str]:
    """Return the words, each once, of lower-case letters only. Raises `InstallationError`."""
    try:
        from xkcdpass import xkcd_password
    except ImportError:
        raise InstallationError("The list of words for a key is not installed.", hint=_HINT) from None
    try:
        found = xkcd_password.generate_wordlist(LIST, min_length=3, max_length=9, valid_chars="[a-z]")
    except (SystemExit, OSError, ValueError):  # its way to say that there is no word
        found = []
    words = sorted(set(found))
    if len(words) < LEAST:
        raise InstallationError("The list of words for a key is damaged.", hint=_HINT)
    return words


def choose_key(key_file: str | None) -> tuple[Key, str | None]:
    """Return the key in a file, or a new one with its words. Raises `InstallationError`, and as `read_key_file`."""
    with contextlib.suppress(OSError, ImportError):
        system.forbid_dumps()  # they would hold the key
    if key_file is not None:
        return read_key_file(key_file), None
    words = generate_words()
    return Key.from_text(words), words


def refuse_shared(key_file: str, operands: Iterable[str]) -> None:
    """Raise `KeyFormatError` if one of the operands, files and directories that are shared, has the key file."""
    for operand in operands:
        if os.path.isdir(operand):
            refuse_beneath(key_file, operand)
        elif os.path.exists(operand) and os.path.exists(key_file) and os.path.samefile(key_file, operand):
            raise KeyFormatError("The key file is one of the files to be shared.", hint="Keep the key secret.")
