"""Names in Redis: hashes of addresses, key names and tokens, keyed by the password that all servers have.

So a copy of the database alone, or what another of its users sees, shows how many there are and not which. Without a
password it is a plain hash, and an attacker who has the password can try addresses: there are only 2^32 of IPv4.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Final

PREFIX: Final = "secftp:"
_BYTES: Final = 16
_SALT: Final = b"secftp --shared"
# 16 MiB and some 40 ms, once: a weak password is not found by trying.
_COST: Final = 2**14


class Names:
    """Names under one password; None if there is none."""

    def __init__(self, password: str | None) -> None:
        secret = (password or "").encode("utf-8", "surrogateescape")
        self._key = hashlib.scrypt(secret, salt=_SALT, n=_COST, r=8, p=1, dklen=32)
        self.of = functools.lru_cache(8192)(self._of)

    def key(self, kind: str, value: object = "") -> str:
        """Return the name of an entry of a kind."""
        return f"{PREFIX}{kind}:{self.of(kind, value)}"

    def secret(self, kind: str) -> bytes:
        """Return 32 bytes that all servers with the password have, for a purpose."""
        return hashlib.blake2b(kind.encode(), digest_size=32, key=self._key).digest()

    def _of(self, kind: str, value: object) -> str:
        """Return the hash of a value, which differs for each kind."""
        return hashlib.blake2b(repr((kind, value)).encode(), digest_size=_BYTES, key=self._key).hexdigest()
