"""AES-128 and AES-256 (FIPS 197) with ECB and CBC (SP 800-38A), byte by byte.

The S-box is computed from its definition instead of typed in, and the round functions follow the standard's
pseudocode, so that the model can be compared with FIPS 197 by eye. Slow, and its timing depends on the data:
nothing but tests may use it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

BLOCK = 16

Schedule = tuple[tuple[int, ...], ...]  # one round key of 16 bytes per entry


def _times(a: int, b: int) -> int:
    """The product of a and b in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substitute(value: int) -> int:
    """The S-box (FIPS 197, 5.1.1): the inverse in GF(2^8), which is value^254, then the affine map."""
    inverse = 1
    for _ in range(254):
        inverse = _times(inverse, value)
    rotations = [((inverse << i) | (inverse >> (8 - i))) & 0xFF for i in range(5)]
    return rotations[0] ^ rotations[1] ^ rotations[2] ^ rotations[3] ^ rotations[4] ^ 0x63


SBOX = bytes(_substitute(value) for value in range(256))
INVERSE_SBOX = bytes(SBOX.index(value) for value in range(256))
_BY = {factor: bytes(_times(factor, value) for value in range(256)) for factor in (2, 3, 9, 11, 13, 14)}

# Byte r + 4c of the state is row r of column c. ShiftRows takes row r from r columns to the right.
_SHIFT = tuple((i + 4 * (i % 4)) % 16 for i in range(16))
_UNSHIFT = tuple((i - 4 * (i % 4)) % 16 for i in range(16))


@lru_cache(maxsize=64)
def expand_key(key: bytes) -> Schedule:
    """KeyExpansion (FIPS 197, 5.2) for 16- and 32-byte keys: 11 or 15 round keys."""
    if len(key) not in (16, 32):
        raise ValueError("an AES key here has 16 or 32 bytes")
    per_key = len(key) // 4
    words = [key[4 * i : 4 * i + 4] for i in range(per_key)]
    constant = 1
    for i in range(per_key, 4 * (per_key + 7)):
        word = words[-1]
        if i % per_key == 0:
            word = bytes(SBOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _times(2, constant)
        elif per_key == 8 and i % per_key == 4:
            word = bytes(SBOX[b] for b in word)
        words.append(xor(words[i - per_key], word))
    return tuple(tuple(b"".join(words[i : i + 4])) for i in range(0, len(words), 4))


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _mix(state: list[int]) -> list[int]:
    two, three = _BY[2], _BY[3]
    out = []
    for column in range(0, 16, 4):
        a, b, c, d = state[column : column + 4]
        out += [
            two[a] ^ three[b] ^ c ^ d,
            a ^ two[b] ^ three[c] ^ d,
            a ^ b ^ two[c] ^ three[d],
            three[a] ^ b ^ c ^ two[d],
        ]
    return out


def _unmix(state: list[int]) -> list[int]:
    nine, eleven, thirteen, fourteen = _BY[9], _BY[11], _BY[13], _BY[14]
    out = []
    for column in range(0, 16, 4):
        a, b, c, d = state[column : column + 4]
        out += [
            fourteen[a] ^ eleven[b] ^ thirteen[c] ^ nine[d],
            nine[a] ^ fourteen[b] ^ eleven[c] ^ thirteen[d],
            thirteen[a] ^ nine[b] ^ fourteen[c] ^ eleven[d],
            eleven[a] ^ thirteen[b] ^ nine[c] ^ fourteen[d],
        ]
    return out


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Cipher (FIPS 197, 5.1)."""
    first, *middle, last = expand_key(key)
    state = [a ^ k for a, k in zip(block, first, strict=True)]
    for round_key in middle:
        state = _mix([SBOX[state[i]] for i in _SHIFT])
        state = [a ^ k for a, k in zip(state, round_key, strict=True)]
    return bytes(SBOX[state[i]] ^ k for i, k in zip(_SHIFT, last, strict=True))


def decrypt_block(key: bytes, block: bytes) -> bytes:
    """InvCipher (FIPS 197, 5.3)."""
    first, *middle, last = expand_key(key)
    state = [a ^ k for a, k in zip(block, last, strict=True)]
    for round_key in reversed(middle):
        state = [INVERSE_SBOX[state[i]] for i in _UNSHIFT]
        state = _unmix([a ^ k for a, k in zip(state, round_key, strict=True)])
    return bytes(INVERSE_SBOX[state[i]] ^ k for i, k in zip(_UNSHIFT, first, strict=True))


def blocks(data: bytes) -> list[bytes]:
    if len(data) % BLOCK:
        raise ValueError("not a whole number of blocks")
    return [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)]


def ecb_encrypt(key: bytes, plaintext: bytes) -> bytes:
    return b"".join(encrypt_block(key, block) for block in blocks(plaintext))


def cbc_encrypt(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """CBC without padding (SP 800-38A, 6.2)."""
    out = [iv]
    for block in blocks(plaintext):
        out.append(encrypt_block(key, xor(block, out[-1])))
    return b"".join(out[1:])


def cbc_decrypt(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """CBC without padding (SP 800-38A, 6.2)."""
    chain = [iv, *blocks(ciphertext)]
    return b"".join(xor(decrypt_block(key, block), before) for before, block in pairwise(chain))
