"""The curve P-256 in affine coordinates over Python's integers (SP 800-186, SEC 1).

The group law is the one of the textbooks, with one inversion per addition. `None` is the identity. Neither addition
nor multiplication looks whether a point is on the curve: `decode` does, and the vectors with points that are not need
arithmetic that goes on regardless.
"""

from __future__ import annotations

from functools import lru_cache

from tests.model.failure import Failure, Refused

Affine = tuple[int, int]
Point = Affine | None

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G: Affine = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
ENCODED = 65


def on_curve(point: Affine) -> bool:
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0


def lift(x: int, *, odd: bool) -> Affine:
    """The point with this x and a y of this parity. p = 3 mod 4, so a root is one power away."""
    y = pow(x * x * x - 3 * x + B, (P + 1) // 4, P)
    if y % 2 != odd:
        y = P - y
    if not on_curve((x, y)):
        raise ValueError("no point has this x")
    return x, y


def decompress(encoded: bytes) -> Affine:
    """A compressed point. Only for constants: the wire has none."""
    if len(encoded) != 33 or encoded[0] not in (2, 3):
        raise ValueError("not a compressed point")
    return lift(int.from_bytes(encoded[1:], "big"), odd=encoded[0] == 3)


# RFC 9382, section 6.
M = decompress(bytes.fromhex("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f"))
N = decompress(bytes.fromhex("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49"))


def negate(point: Point) -> Point:
    return None if point is None else (point[0], -point[1] % P)


def add(left: Point, right: Point) -> Point:
    if left is None:
        return right
    if right is None:
        return left
    if left[0] == right[0] and (left[1] + right[1]) % P == 0:
        return None
    if left == right:
        slope = (3 * left[0] * left[0] - 3) * pow(2 * left[1], -1, P)
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, P)
    x = (slope * slope - left[0] - right[0]) % P
    return x, (slope * (left[0] - x) - left[1]) % P


def subtract(left: Point, right: Point) -> Point:
    return add(left, negate(right))


@lru_cache(maxsize=1024)
def multiply(scalar: int, point: Point) -> Point:
    """scalar times point, by doubling and adding from the highest bit on."""
    result: Point = None
    for bit in f"{scalar:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def affine(point: Point) -> Affine:
    """The point, refusing the identity, which has no coordinates and no place on the wire."""
    if point is None:
        raise Refused(Failure.IDENTITY)
    return point


def encode(point: Affine) -> bytes:
    """65 bytes: 04, x, y (SEC 1, 2.3.3, uncompressed)."""
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decode(encoded: bytes) -> Affine:
    """The only form the wire knows: 65 bytes, first byte 04, both coordinates below p, on the curve."""
    point = int.from_bytes(encoded[1:33], "big"), int.from_bytes(encoded[33:], "big")
    if len(encoded) != ENCODED or encoded[0] != 4 or not on_curve(point):
        raise Refused(Failure.POINT)
    return point
