"""SPAKE2 over P-256 with SHA-256 (RFC 9382): shares, the common point, the transcript.

secftp/1 takes all of this and makes its own keys from the transcript's hash. `rfc_keys` is the RFC's own way on from
there; it exists so that the RFC's vectors can be checked to their last value.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.model import p256
from tests.model.hkdf import expand, extract, hmac_sha256, sha256


def share_a(w: int, x: int) -> p256.Affine:
    """pA = x·G + w·M"""
    return p256.affine(p256.add(p256.multiply(x, p256.G), p256.multiply(w, p256.M)))


def share_b(w: int, y: int) -> p256.Affine:
    """pB = y·G + w·N"""
    return p256.affine(p256.add(p256.multiply(y, p256.G), p256.multiply(w, p256.N)))


def common_a(w: int, x: int, peer: p256.Affine) -> p256.Affine:
    """K = x·(pB - w·N). Refuses a pB that leaves the identity."""
    return p256.affine(p256.multiply(x, p256.affine(p256.subtract(peer, p256.multiply(w, p256.N)))))


def common_b(w: int, y: int, peer: p256.Affine) -> p256.Affine:
    """K = y·(pA - w·M). Refuses a pA that leaves the identity."""
    return p256.affine(p256.multiply(y, p256.affine(p256.subtract(peer, p256.multiply(w, p256.M)))))


def prefixed(value: bytes) -> bytes:
    """The value behind its length in 8 bytes, little-endian (RFC 9382, 3.3)."""
    return len(value).to_bytes(8, "little") + value


def transcript(identities: tuple[bytes, bytes], shares: tuple[bytes, bytes], common: bytes, w: int) -> bytes:
    """TT. Points as they stand on the wire, w as 32 bytes big-endian."""
    parts = (*identities, *shares, common, w.to_bytes(32, "big"))
    return b"".join(prefixed(part) for part in parts)


@dataclass(frozen=True)
class RfcKeys:
    """What RFC 9382, section 4 derives from TT with HKDF and HMAC."""

    hash_tt: bytes
    ke: bytes
    ka: bytes
    kc_a: bytes
    kc_b: bytes
    confirm_a: bytes
    confirm_b: bytes


def rfc_keys(tt: bytes) -> RfcKeys:
    digest = sha256(tt)
    ke, ka = digest[:16], digest[16:]
    confirmation = expand(extract(b"", ka), b"ConfirmationKeys", 32)
    kc_a, kc_b = confirmation[:16], confirmation[16:]
    return RfcKeys(digest, ke, ka, kc_a, kc_b, hmac_sha256(kc_a, tt), hmac_sha256(kc_b, tt))
