"""Sixty-five bytes that are no valid share: everything but an uncompressed point of P-256.

Each comes with the coordinates that a careless receiver would compute with, so that the rest of a flight can be made
right for it and nothing but the missing check lets it pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import p256

if TYPE_CHECKING:
    from collections.abc import Iterator

SECP256K1_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
# The point with the smallest y above 0: y + p still fits into 32 bytes.
SMALL_Y = (0xD7325D7646CD60D80A92738CEB345F844CFFAF35841022CAB176F692DE8DE1D7, 5)


@dataclass(frozen=True)
class BadPoint:
    name: str
    about: str
    encoded: bytes
    point: p256.Point


def bad_points(good: p256.Affine) -> Iterator[BadPoint]:
    """All of them, most of them made from `good`."""
    yield from _forms(good)
    yield from _out_of_range()
    for name, about, point in _off_curve(good):
        if p256.on_curve(point):
            raise ValueError(f"{name} is on the curve")
        yield BadPoint(name, about, p256.encode(point), point)


def _forms(good: p256.Affine) -> Iterator[BadPoint]:
    """A good point in a form that the wire doesn't have."""
    x, y = (part.to_bytes(32, "big") for part in good)
    parity = good[1] % 2
    first_bytes = {
        "prefix-00": (0x00, "00"),
        "prefix-compressed": (2 + parity, "that of the compressed form"),
        "prefix-05": (0x05, "05"),
        "prefix-84": (0x84, "84"),
        "hybrid": (6 + parity, "that of the hybrid form"),
        "hybrid-parity": (7 - parity, "that of the hybrid form with the other parity"),
    }
    for name, (first, about) in first_bytes.items():
        yield BadPoint(name, f"The share's first byte is {about}.", bytes([first]) + x + y, good)
    compressed = bytes([2 + parity]) + x + bytes(32)
    yield BadPoint("compressed", "The share is a compressed point, filled with zeros.", compressed, good)
    yield BadPoint("infinity", "The share is 65 zero bytes; SEC 1 has 00 for infinity.", bytes(65), None)


def _out_of_range() -> Iterator[BadPoint]:
    """Points of the curve with a coordinate that is not reduced."""
    zero = p256.lift(0, odd=False)
    unreduced = p256.encode((zero[0] + p256.P, zero[1]))
    yield BadPoint("x-unreduced", "The share is the point with x = 0, written as x = p.", unreduced, zero)
    unreduced = p256.encode((SMALL_Y[0], SMALL_Y[1] + p256.P))
    yield BadPoint("y-unreduced", "The share is the point with y = 5, written as y = p + 5.", unreduced, SMALL_Y)
    ones = 2**256 - 1
    yield BadPoint("ones", "Both coordinates are all ones.", p256.encode((ones, ones)), (ones % p256.P, ones % p256.P))


def _off_curve(good: p256.Affine) -> Iterator[tuple[str, str, p256.Affine]]:
    x, y = good
    yield "origin", "The share is (0, 0), which is not on the curve.", (0, 0)
    yield "y-off-by-one", "The share's y is one too large.", (x, y + 1)
    yield "x-bit", "The lowest bit of the share's x is flipped.", (x ^ 1, y)
    yield "order-two", "The share is (x, 0), of order two on some other curve.", (x, 0)
    yield "swapped", "The share's coordinates changed places.", (y, x)
    little = int.from_bytes(x.to_bytes(32, "big"), "little"), int.from_bytes(y.to_bytes(32, "big"), "little")
    yield "little-endian", "The share's coordinates are in little-endian.", little
    yield "secp256k1", "The share is a point of secp256k1, its generator.", SECP256K1_G
