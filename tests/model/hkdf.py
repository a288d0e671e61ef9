"""HKDF-SHA-256 (RFC 5869) on the standard library's HMAC."""

from __future__ import annotations

import hashlib
import hmac

HASH = 32


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def extract(salt: bytes, ikm: bytes) -> bytes:
    """HKDF-Extract (RFC 5869, 2.2). HMAC fills an empty salt with zeros, as the RFC asks."""
    return hmac_sha256(salt, ikm)


def expand(prk: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Expand (RFC 5869, 2.3)."""
    if size > 255 * HASH:
        raise ValueError("HKDF-Expand gives 8160 bytes at most")
    okm = block = b""
    counter = 1
    while len(okm) < size:
        block = hmac_sha256(prk, block + info + bytes([counter]))
        okm += block
        counter += 1
    return okm[:size]
