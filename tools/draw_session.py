"""Draws docs/pictures/session.png: a session between a client and a server, seen from far enough away.

Two lifelines, the three flights of the handshake, then encrypted frames both ways. Needs nothing but zlib: every shape
is a test on coordinates within its bounds, painted at twice the size and scaled down so that edges are smooth.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Colour: TypeAlias = tuple[int, int, int]


class Shape(NamedTuple):
    """What `inside` says of a point counts between `left` and `right`, `top` and `bottom`."""

    left: float
    top: float
    right: float
    bottom: float
    inside: Callable[[float, float], bool]


WIDTH, HEIGHT = 720, 460
CLIENT_X, SERVER_X = 130, 590
PAPER, INK, QUIET = (250, 250, 247), (38, 50, 56), (176, 190, 197)
BLUE, ORANGE, GREEN = (25, 118, 210), (239, 108, 0), (46, 125, 50)
TARGET = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "session.png"

# Five columns by seven rows a letter; only those that are needed.
GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "V": "10001 10001 10001 10001 10001 01010 00100",
}


def box(left: float, top: float, width: float, height: float) -> Shape:
    """A rectangle with round corners."""
    radius = min(7.0, width / 2, height / 2)

    def inside(x: float, y: float) -> bool:
        across = max(left + radius - x, x - (left + width - radius), 0.0)
        down = max(top + radius - y, y - (top + height - radius), 0.0)
        return across * across + down * down <= radius * radius

    return Shape(left, top, left + width, top + height, inside)


def arrow(start: float, end: float, y: float) -> Shape:
    """A level arrow from `start` to `end`."""
    sign = 1 if end > start else -1
    neck = end - sign * 14

    def inside(x: float, at: float) -> bool:
        if min(start, neck) <= x <= max(start, neck):
            return abs(at - y) <= 1.5
        return 0 <= sign * (end - x) <= 14 and abs(at - y) <= sign * (end - x) * 0.45

    return Shape(min(start, end), y - 7, max(start, end), y + 7, inside)


def text(words: str, left: float, top: float, scale: float) -> Shape:
    """Letters, `scale` pixels a dot."""
    dots = {
        (place * 6 + column, row)
        for place, letter in enumerate(words)
        for row, line in enumerate(GLYPHS.get(letter, "").split())
        for column, dot in enumerate(line)
        if dot == "1"
    }
    return Shape(
        left,
        top,
        left + len(words) * 6 * scale,
        top + 7 * scale,
        lambda x, y: (int((x - left) // scale), int((y - top) // scale)) in dots,
    )


def centred(words: str, middle: float, top: float, scale: float) -> Shape:
    """The same, by its middle."""
    return text(words, middle - (len(words) * 6 - 1) * scale / 2, top, scale)


def shapes() -> list[tuple[Shape, Colour]]:
    """What is drawn, later ones above earlier ones."""
    middle = (CLIENT_X + SERVER_X) / 2
    drawn: list[tuple[Shape, Colour]] = []
    for x, words in ((CLIENT_X, "CLIENT"), (SERVER_X, "SERVER")):
        drawn += [(box(x - 1.5, 60, 3, 380), QUIET), (box(x - 72, 20, 144, 44), INK), (centred(words, x, 32, 3), PAPER)]
    flights = [("CLIENT HELLO", 110, True), ("SERVER HELLO", 160, False), ("CLIENT FINISH", 210, True)]
    for words, y, to_server in flights:
        ends = (CLIENT_X + 10, SERVER_X - 10) if to_server else (SERVER_X - 10, CLIENT_X + 10)
        drawn += [(arrow(*ends, y), BLUE if to_server else ORANGE), (centred(words, middle, y - 24, 2), INK)]
    for y, to_server in ((260, True), (310, False)):
        colour = BLUE if to_server else ORANGE
        left = CLIENT_X + 14 if to_server else CLIENT_X + 38
        drawn += [(box(left + 45 * place, y - 15, 40, 30), colour) for place in range(9)]
        # A lighter head and a green tag on each frame.
        for place in range(9):
            drawn += [
                (box(left + 45 * place + 4, y - 10, 5, 20), PAPER),
                (box(left + 45 * place + 31, y - 10, 5, 20), GREEN),
            ]
        tip = (SERVER_X - 31, SERVER_X - 8) if to_server else (CLIENT_X + 31, CLIENT_X + 8)
        drawn.append((arrow(*tip, y), colour))
    drawn += [(centred("FRAMES", middle, 340, 2), INK)]
    drawn += [
        (arrow(SERVER_X - 10, CLIENT_X + 10, 400), GREEN),
        (centred("VERIFIED AND IN PLACE", middle, 376, 2), INK),
    ]
    return drawn


def paint(drawn: list[tuple[Shape, Colour]]) -> list[list[Colour]]:
    """The picture at twice its size."""
    canvas = [[PAPER] * (2 * WIDTH) for _ in range(2 * HEIGHT)]
    for shape, colour in drawn:
        for row in range(int(2 * shape.top), int(2 * shape.bottom) + 1):
            for column in range(int(2 * shape.left), int(2 * shape.right) + 1):
                if shape.inside(column / 2 + 0.25, row / 2 + 0.25):
                    canvas[row][column] = colour
    return canvas


def scan_lines(canvas: list[list[Colour]]) -> bytes:
    """The lines of a PNG: the filter byte 0, then each pixel as the mean of its four points."""
    lines = bytearray()
    for upper, lower in zip(canvas[::2], canvas[1::2], strict=True):
        lines.append(0)
        for points in zip(upper[::2], upper[1::2], lower[::2], lower[1::2], strict=True):
            lines += bytes(sum(channel) // 4 for channel in zip(*points, strict=True))
    return bytes(lines)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file (RFC 2083 section 3.2)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main() -> None:
    """Write the picture."""
    pixels = scan_lines(paint(shapes()))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    TARGET.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


if __name__ == "__main__":
    main()
