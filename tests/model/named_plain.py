"""Named vectors of frames whose tag is valid and whose plaintext is not.

Only a peer with the keys can make these. They show that what is behind the tag is checked all the same: the padding,
the header, the payload's length and the zero bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model import aes, frames
from tests.model.failure import Failure
from tests.model.frames import MAX_BODY, Frame
from tests.model.named_frames import second, way
from tests.model.schedule import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.vectors import FrameCase

PAYLOAD = b"sixteen and four"


def sealed_plain(suite: Suite, data: bytes) -> bytes:
    """Frame 1 around this P, whatever it is."""
    keys = frames.material(way(suite), 1)
    return frames.authenticate(keys, frames.encrypt(suite, keys, data))


def sealed_padded(suite: Suite, padded: bytes) -> bytes:
    """Frame 1 around whole blocks, which bring their own idea of padding."""
    keys = frames.material(way(suite), 1)
    return frames.authenticate(keys, aes.cbc_encrypt(keys.cipher_key, keys.iv, padded))


def plain(
    payload: bytes, *, size: int | None = None, flags: int = 0, reserved: bytes = b"\0\0", rest: bytes = b""
) -> bytes:
    """P with any field replaced. `size` stands for paylen, `rest` for the zero bytes."""
    paylen = (len(payload) if size is None else size).to_bytes(4, "big")
    return paylen + bytes([0x03, flags]) + reserved + payload + rest


def cases() -> Iterator[FrameCase]:
    for suite in Suite:
        yield from _headers(suite)
        yield from _payload_lengths(suite)
        yield from _zero_bytes(suite)
    for suite in (Suite.AES128, Suite.AES256):
        yield from _paddings(suite)
        yield from _short(suite)


def _headers(suite: Suite) -> Iterator[FrameCase]:
    for bit in range(1, 8):
        bad = sealed_plain(suite, plain(PAYLOAD, flags=1 << bit))
        yield second(f"flags-bit-{bit}", f"Bit {bit} of flags has no meaning.", suite, Failure.HEADER, bad)
    bad = sealed_plain(suite, plain(PAYLOAD, flags=0xFF))
    yield second("flags-all", "END together with every bit that has no meaning.", suite, Failure.HEADER, bad)
    for name, reserved in (("first", b"\1\0"), ("second", b"\0\1"), ("high", b"\0\x80")):
        bad = sealed_plain(suite, plain(PAYLOAD, reserved=reserved))
        about = f"The reserved bytes are {reserved.hex(' ')}."
        yield second(f"reserved-{name}", about, suite, Failure.HEADER, bad)


def _payload_lengths(suite: Suite) -> Iterator[FrameCase]:
    size = len(PAYLOAD)
    claims = {
        "one-more": (size + 1, b""),
        "beyond-zeros": (size + 6, bytes(5)),
        "with-header": (size + 8, b""),
        "little-endian": (size << 24, b""),
        "2-31": (2**31, b""),
        "2-32-less-8": (2**32 - 8, b""),
        "2-32-less-1": (2**32 - 1, b""),
    }
    for name, (claim, rest) in claims.items():
        about = f"paylen {claim} where {size + len(rest)} bytes follow."
        bad = sealed_plain(suite, plain(PAYLOAD, size=claim, rest=rest))
        yield second(f"paylen-{name}", about, suite, Failure.PAYLOAD_LENGTH, bad)
    bad = sealed_plain(suite, plain(b"", size=1))
    yield second("paylen-of-nothing", "paylen 1 where nothing follows.", suite, Failure.PAYLOAD_LENGTH, bad)


def _zero_bytes(suite: Suite) -> Iterator[FrameCase]:
    for name, rest in (
        ("first", b"\1" + bytes(19)),
        ("middle", bytes(9) + b"\x80" + bytes(10)),
        ("last", bytes(19) + b"\1"),
    ):
        bad = sealed_plain(suite, plain(PAYLOAD, rest=rest))
        about = f"The {name} of 20 zero bytes is not zero."
        yield second(f"zero-bytes-{name}", about, suite, Failure.ZERO_BYTES, bad)
    bad = sealed_plain(suite, plain(PAYLOAD, size=len(PAYLOAD) - 1))
    about = "paylen is one too small, so that the last byte of the payload stands where zero bytes do."
    yield second("paylen-one-less", about, suite, Failure.ZERO_BYTES, bad)


def _paddings(suite: Suite) -> Iterator[FrameCase]:
    """PKCS #7 in every wrong way. `data` is P, 4 bytes short of two blocks."""
    data = plain(b"20 bytes of payload.")
    blocks = {
        "0": ("a last byte 00", data + b"\0\0\0\0"),
        "0-block": ("a last block of zeros", data + b"\4\4\4\4" + bytes(16)),
        "17": ("a last byte 17", data + b"\4\4\4\x11"),
        "17-consistent": ("17 bytes 17", plain(b"7 bytes") + bytes([17]) * 17),
        "32-consistent": ("two blocks of bytes 32", plain(b"8 bytes.") + bytes([32]) * 32),
        "128": ("a last byte 128", data + b"\4\4\4\x80"),
        "255": ("a last byte 255", data + b"\4\4\4\xff"),
        "first-wrong": ("03 04 04 04", data + b"\3\4\4\4"),
        "middle-wrong": ("04 04 05 04", data + b"\4\4\5\4"),
        "high-bit": ("84 04 04 04", data + b"\x84\4\4\4"),
        "x923": ("00 00 00 04 (ANSI X9.23)", data + b"\0\0\0\4"),
        "iso-7816": ("80 00 00 00 (ISO 7816-4)", data + b"\x80\0\0\0"),
        "iso-10126": ("random bytes and 04 (ISO 10126)", data + b"\x1b\x7e\xa1\4"),
        "counting": ("01 02 03 04 (RFC 4303)", data + b"\1\2\3\4"),
        "16-first-wrong": ("15 and fifteen bytes 16", plain(b"8 bytes.") + bytes([15]) + bytes([16]) * 15),
        "16-last-only": ("a last byte 16 after zeros", plain(b"8 bytes.") + bytes(15) + bytes([16])),
    }
    for name, (about, padded) in blocks.items():
        bad = sealed_padded(suite, padded)
        yield second(f"padding-{name}", f"Padded with {about}.", suite, Failure.PADDING, bad)


def _short(suite: Suite) -> Iterator[FrameCase]:
    """A single block whose padding leaves less than a header."""
    for left in (0, 4, 7):
        bad = sealed_padded(suite, bytes(left) + bytes([16 - left]) * (16 - left))
        about = f"The padding is right and leaves {left} bytes of P."
        yield second(f"short-{left}", about, suite, Failure.HEADER, bad)


def too_large() -> FrameCase:
    """The largest ctlen has room for 7 bytes more than a body may have. Not in the file: it has 64 KiB."""
    bad = sealed_plain(Suite.AES128, frames.plain(Frame(0x03, padding=MAX_BODY + 1)))
    about = "The largest ctlen there is, and 65537 zero bytes in it."
    return second("body-65537", about, Suite.AES128, Failure.PAYLOAD_LENGTH, bad)
