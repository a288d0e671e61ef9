"""New keys for people. They come from the system's random generator and from nowhere else."""

from __future__ import annotations

import secrets

from secftp.keys.text import ALPHABET, BODY_SYMBOLS, check_symbol, grouped


def generate_key() -> str:
    """A new key as it is printed, such as `0M9XT-2AB7C-...-4R`: 26 random symbols, 130 bits, and a check symbol.

    Nothing that was drawn is thrown away, since that would leave fewer bits than the 130 that are promised. About one
    key in ten ends in a check symbol that a shell may read (`* ~ $ =`): on a command line a key stands in quotes.
    """
    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY_SYMBOLS))
    return grouped(body + check_symbol(body))
