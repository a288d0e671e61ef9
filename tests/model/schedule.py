"""Key schedule: every derivation of the protocol, from a key to w, to the handshake's keys, to those of the frames."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from tests.model import p256, spake2
from tests.model.hkdf import expand, extract, sha256

IDENTITIES = (b"secftp/1 client", b"secftp/1 server")
SALT_KEYED = b"secftp/1 SPAKE2-P256-SHA256 w"
SALT_ANONYMOUS = b"secftp/1 anonymous"
LABEL = b"secftp/1 "


class Suite(IntEnum):
    NONE = 0
    AES128 = 1
    AES256 = 2

    @property
    def key_size(self) -> int:
        """Bytes of an AES key; 0 where nothing is encrypted."""
        return (0, 16, 32)[self]


class Mode(IntEnum):
    ANONYMOUS = 0
    KEYED = 1


def key_bytes(text: str) -> bytes:
    """What scrypt gets: the NFC form of the text in UTF-8."""
    return unicodedata.normalize("NFC", text).encode()


@lru_cache(maxsize=64)
def scalar(key: bytes, salt: bytes = SALT_KEYED) -> int:
    """w, from the key's bytes."""
    w = int.from_bytes(hashlib.scrypt(key, salt=salt, n=2**14, r=8, p=1, dklen=40), "big") % p256.ORDER
    if w == 0:
        raise ValueError("w = 0")
    return w


def anonymous_scalar() -> int:
    return scalar(b"", SALT_ANONYMOUS)


@dataclass(frozen=True)
class HandshakeKeys:
    """Everything that PRK gives. The challenge keys are empty under suite none, where nothing is encrypted."""

    challenge_s: bytes
    challenge_c: bytes
    confirm_s: bytes
    confirm_c: bytes
    master: bytes


def handshake_keys(suite: Suite, th1: bytes, tt: bytes) -> HandshakeKeys:
    """The keys of one handshake from TH1 and the SPAKE2 transcript TT."""
    prk = extract(th1, sha256(tt))

    def derive(label: bytes, size: int) -> bytes:
        return expand(prk, LABEL + label, size)

    return HandshakeKeys(
        challenge_s=derive(b"chal s", suite.key_size),
        challenge_c=derive(b"chal c", suite.key_size),
        confirm_s=derive(b"confirm s", 32),
        confirm_c=derive(b"confirm c", 32),
        master=derive(b"master", 32),
    )


def transcript(share_a: bytes, share_b: bytes, common: bytes, w: int) -> bytes:
    return spake2.transcript(IDENTITIES, (share_a, share_b), common, w)


@dataclass(frozen=True)
class Secrets:
    """S_0 of the two directions, 32 bytes each."""

    c2s: bytes
    s2c: bytes


def session_secrets(master: bytes, flights: bytes) -> Secrets:
    """The two directions' first secrets, bound to all 314 bytes of the handshake."""
    prk = extract(sha256(flights), master)
    return Secrets(c2s=expand(prk, LABEL + b"c2s", 32), s2c=expand(prk, LABEL + b"s2c", 32))


@lru_cache(maxsize=256)
def epoch_secret(secret: bytes, epoch: int) -> bytes:
    """S_n from S_0."""
    for _ in range(epoch):
        secret = expand(secret, LABEL + b"next", 32)
    return secret


def cipher_key(secret: bytes, suite: Suite) -> bytes:
    """K_cbc of the epoch with this secret."""
    return expand(secret, LABEL + b"cbc", suite.key_size)


def frame_key(secret: bytes) -> bytes:
    """K_f of the epoch with this secret: the AES-256 key behind every IV and tag key."""
    return expand(secret, LABEL + b"frame", 32)
