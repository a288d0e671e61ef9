"""Poly1305 (RFC 8439, section 2.5) as the arithmetic it is: one integer, one prime."""

from __future__ import annotations

PRIME = 2**130 - 5
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
TAG = 16


def poly1305(key: bytes, message: bytes) -> bytes:
    """The 16-byte tag of message under the one-time key r || s of 32 bytes."""
    if len(key) != 32:
        raise ValueError("a Poly1305 key has 32 bytes")
    r = int.from_bytes(key[:16], "little") & CLAMP
    s = int.from_bytes(key[16:], "little")
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i : i + 16] + b"\x01", "little")) * r % PRIME
    return ((total + s) % 2**128).to_bytes(TAG, "little")
