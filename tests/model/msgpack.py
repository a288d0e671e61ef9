"""MessagePack, the subset that the protocol uses: every valid encoding is read, the shortest one is written.

Written from MessagePack's tables alone. A map is read as a list of pairs, since the protocol asks whether a key
occurs twice; what is nested too deeply, cut off, or followed by more is no value.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

DEEPEST = 64


class Malformed(Exception):
    """The bytes are not exactly one MessagePack value."""


class Pairs(list[tuple[Any, Any]]):
    """A map."""


class Extension(NamedTuple):
    code: int
    data: bytes


def pack(value: Any) -> bytes:  # noqa: PLR0911 - one return a kind
    """The shortest spelling of None, booleans, integers, text, bytes, and of lists, dicts and pairs of them."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return _pack_int(value)
        case str():
            return _head(len(value.encode()), 0xA0, 32, 0xD9) + value.encode()
        case bytes():
            return _head(len(value), 0, 0, 0xC4) + value
        case Pairs():
            return _head(len(value), 0x80, 16, 0xDD) + b"".join(pack(k) + pack(v) for k, v in value)
        case list() | tuple():
            return _head(len(value), 0x90, 16, 0xDB) + b"".join(map(pack, value))
        case dict():
            return _head(len(value), 0x80, 16, 0xDD) + b"".join(pack(k) + pack(v) for k, v in value.items())
    raise TypeError(f"the model packs no {type(value).__name__}")


def _pack_int(value: int) -> bytes:
    if 0 <= value < 0x80:
        return bytes([value])
    if -32 <= value < 0:
        return bytes([value + 0x100])
    for code, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
        if 0 <= value < 1 << 8 * size:
            return bytes([code]) + value.to_bytes(size, "big")
        if value < 0 and value >= -(1 << 8 * size - 1):
            return bytes([code + 4]) + value.to_bytes(size, "big", signed=True)
    raise OverflowError(value)


def _head(size: int, short: int, below: int, code: int) -> bytes:
    """The head of something of a size: in one byte with the size if it is small, else a code and 1, 2 or 4 bytes.

    Arrays and maps have no one-byte form, so the caller's code is one less than that of their two-byte form.
    """
    if size < below:
        return bytes([short | size])
    if code in (0xC4, 0xD9) and size < 0x100:
        return bytes([code, size])
    if size < 0x10000:
        return bytes([code + 1]) + size.to_bytes(2, "big")
    return bytes([code + 2]) + size.to_bytes(4, "big")


def unpack(data: bytes) -> Any:
    """The one value that these bytes are. Raises Malformed."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise Malformed("bytes follow")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise Malformed("cut off")
        self.at += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise Malformed("not UTF-8") from None

    def array(self, size: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(size)]

    def map(self, size: int, depth: int) -> Pairs:
        return Pairs((self.value(depth + 1), self.value(depth + 1)) for _ in range(size))

    def value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise Malformed("nested too deeply")
        code = self.number(1)
        if code < 0x80:
            return code
        if code < 0x90:
            return self.map(code & 15, depth)
        if code < 0xA0:
            return self.array(code & 15, depth)
        if code < 0xC0:
            return self.text(code & 31)
        if code >= 0xE0:
            return code - 0x100
        return self.long(code, depth)

    def long(self, code: int, depth: int) -> Any:  # noqa: PLR0911 - one return a kind
        """The values whose first byte is nothing but their kind."""
        match code:
            case 0xC0:
                return None
            case 0xC2 | 0xC3:
                return code == 0xC3
            case 0xC4 | 0xC5 | 0xC6:
                return self.take(self.number(1 << code - 0xC4))
            case 0xC7 | 0xC8 | 0xC9:
                size = self.number(1 << code - 0xC7)
                return Extension(self.number(1), self.take(size))
            case 0xCA:
                return struct.unpack(">f", self.take(4))[0]
            case 0xCB:
                return struct.unpack(">d", self.take(8))[0]
            case 0xCC | 0xCD | 0xCE | 0xCF:
                return self.number(1 << code - 0xCC)
            case 0xD0 | 0xD1 | 0xD2 | 0xD3:
                return int.from_bytes(self.take(1 << code - 0xD0), "big", signed=True)
            case 0xD4 | 0xD5 | 0xD6 | 0xD7 | 0xD8:
                return Extension(self.number(1), self.take(1 << code - 0xD4))
            case 0xD9 | 0xDA | 0xDB:
                return self.text(self.number(1 << code - 0xD9))
            case 0xDC | 0xDD:
                return self.array(self.number(2 << code - 0xDC), depth)
            case 0xDE | 0xDF:
                return self.map(self.number(2 << code - 0xDE), depth)
        raise Malformed("0xc1 is never used")
