"""New keys: texts for people, and secrets for key files. They come from random generators and from nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from secftp.errors import AuthenticationError
from secftp.keys.text import ALPHABET, BODY_SYMBOLS, check_symbol, grouped

# The end of a generated secret tells it from a stretched text (docs/PROTOCOL.md, 4.3); 224 random bits are left.
_MARK_BYTES: Final = 4
_MARK_CONTEXT: Final = b"secftp/1 generated"


def generate_key() -> str:
    """A new key as it is printed, such as `0M9XT-2AB7C-...-4R`: 26 random symbols, 130 bits, and a check symbol.

    Nothing that was drawn is thrown away, since that would leave fewer bits than the 130 that are promised. About one
    key in ten ends in a check symbol that a shell may read (`* ~ $ =`): on a command line a key stands in quotes.
    """
    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY_SYMBOLS))
    return grouped(body + check_symbol(body))


def generate_secret() -> bytes:
    """A new secret for a key file: `w` of docs/PROTOCOL.md, 32 bytes, of which 224 bits are random."""
    # Here and not above: what only reads its command line needs no built core.
    from secftp.record import Password

    while True:
        body = Password.random().secret()[:-_MARK_BYTES]
        secret = body + _mark(body)
        try:
            Password.from_secret(secret)
        except AuthenticationError:  # not below the group's order: less than once in 2^32
            continue
        return secret


def is_generated_secret(secret: bytes) -> bool:
    """Whether a secret bears the mark of `generate_secret`; a stretched text does once in 2^32."""
    return hmac.compare_digest(secret[-_MARK_BYTES:], _mark(secret[:-_MARK_BYTES]))


def _mark(body: bytes) -> bytes:
    return hashlib.sha256(_MARK_CONTEXT + body).digest()[:_MARK_BYTES]
