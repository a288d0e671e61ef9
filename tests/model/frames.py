"""Frames: sealing them, and opening a stream of them with every check of the protocol, in its order.

The steps are separate functions, because a vector with one thing wrong is made by replacing one step. Nothing here
keeps a counter: a stream is opened from its bytes, and the sequence number is the position of a frame in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import aes, schedule
from tests.model.failure import Failure, Refused
from tests.model.poly1305 import TAG, poly1305
from tests.model.schedule import Suite

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = 8
END = 1
MAX_BODY = 65536  # payload and zero bytes together
LENGTH = 4
REKEY_BITS = 20


@dataclass(frozen=True)
class Frame:
    type: int
    flags: int = 0
    payload: bytes = b""
    padding: int = 0


@dataclass(frozen=True)
class Direction:
    """One way of one session. `rekey_bits` is 20 on the wire; vectors shorten it to reach the next epoch."""

    suite: Suite
    secret: bytes
    rekey_bits: int = REKEY_BITS


@dataclass(frozen=True)
class Material:
    """What protects one frame: the epoch's cipher key, and the IV and the tag key of its number."""

    cipher_key: bytes
    iv: bytes
    tag_key: bytes


def material(way: Direction, seq: int) -> Material:
    secret = schedule.epoch_secret(way.secret, seq >> way.rekey_bits)
    counters = b"".join(seq.to_bytes(8, "big") + index.to_bytes(8, "big") for index in range(3))
    derived = aes.ecb_encrypt(schedule.frame_key(secret), counters)
    return Material(schedule.cipher_key(secret, way.suite), iv=derived[:16], tag_key=derived[16:])


def plain(frame: Frame) -> bytes:
    """P, before PKCS #7."""
    header = len(frame.payload).to_bytes(4, "big") + bytes([frame.type, frame.flags, 0, 0])
    return header + frame.payload + bytes(frame.padding)


def pad(data: bytes) -> bytes:
    """PKCS #7 (RFC 5652, 6.3) to 16 bytes."""
    missing = 16 - len(data) % 16
    return data + bytes([missing]) * missing


def unpad(data: bytes) -> bytes:
    missing = data[-1]
    if not 1 <= missing <= 16 or data[-missing:] != bytes([missing]) * missing:
        raise Refused(Failure.PADDING)
    return data[:-missing]


def encrypt(suite: Suite, keys: Material, data: bytes) -> bytes:
    """C from P."""
    return data if suite is Suite.NONE else aes.cbc_encrypt(keys.cipher_key, keys.iv, pad(data))


def decrypt(suite: Suite, keys: Material, data: bytes) -> bytes:
    return data if suite is Suite.NONE else unpad(aes.cbc_decrypt(keys.cipher_key, keys.iv, data))


def authenticate(keys: Material, ciphertext: bytes) -> bytes:
    """The frame as it goes over the wire."""
    authentic = len(ciphertext).to_bytes(LENGTH, "big") + ciphertext
    return authentic + poly1305(keys.tag_key, authentic)


def seal(way: Direction, seq: int, frame: Frame) -> bytes:
    keys = material(way, seq)
    return authenticate(keys, encrypt(way.suite, keys, plain(frame)))


def seal_all(way: Direction, frames: Iterable[Frame], start: int = 0) -> list[bytes]:
    return [seal(way, seq, frame) for seq, frame in enumerate(frames, start)]


def check_length(suite: Suite, length: int) -> None:
    if suite is Suite.NONE:
        good = HEADER <= length <= HEADER + MAX_BODY
    else:
        good = 16 <= length <= HEADER + MAX_BODY + 8 and length % 16 == 0
    if not good:
        raise Refused(Failure.LENGTH)


def parse(data: bytes) -> Frame:
    """The frame inside P. Flag bits without a meaning and reserved bytes must be zero."""
    if len(data) < HEADER or data[5] & ~END or data[6:8] != bytes(2):
        raise Refused(Failure.HEADER)
    body = data[HEADER:]
    size = int.from_bytes(data[:4], "big")
    if size > len(body) or len(body) > MAX_BODY:
        raise Refused(Failure.PAYLOAD_LENGTH)
    payload, zeros = body[:size], body[size:]
    if any(zeros):
        raise Refused(Failure.ZERO_BYTES)
    return Frame(data[4], data[5], payload, len(zeros))


def open_one(way: Direction, seq: int, stream: bytes) -> tuple[Frame, bytes]:
    """The first frame of the stream and the rest of it. Raises Refused with the first check that fails."""
    if len(stream) < LENGTH:
        raise Refused(Failure.INCOMPLETE)
    length = int.from_bytes(stream[:LENGTH], "big")
    check_length(way.suite, length)
    whole = LENGTH + length + TAG
    if len(stream) < whole:
        raise Refused(Failure.INCOMPLETE)
    authentic, tag = stream[: LENGTH + length], stream[LENGTH + length : whole]
    keys = material(way, seq)
    if poly1305(keys.tag_key, authentic) != tag:
        raise Refused(Failure.TAG)
    return parse(decrypt(way.suite, keys, authentic[LENGTH:])), stream[whole:]


def open_stream(way: Direction, stream: bytes) -> tuple[list[Frame], Failure | None]:
    """The frames before the first failure, and that failure, or None when the stream ends with a whole frame."""
    opened: list[Frame] = []
    while stream:
        try:
            frame, stream = open_one(way, len(opened), stream)
        except Refused as refused:
            return opened, refused.failure
        opened.append(frame)
    return opened, None
