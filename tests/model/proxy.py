"""Independent reading of the PROXY protocol (haproxy.org, doc/proxy-protocol.txt, sections 2.1 and 2.2).

`read` takes all bytes of a connection at once and says what a server has to make of their beginning; what has not
arrived yet is `Incomplete`. Addresses are decoded by the system's own functions.
"""

from __future__ import annotations

import socket
import string
from typing import NamedTuple

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LONGEST_LINE = 107
PORTS = frozenset(map(str, range(65536)))
SEGMENT = 536  # bytes: what any host accepts at once


class Broken(Exception):
    """The connection has to be closed."""


class Incomplete(Exception):
    """More may arrive that makes it a header."""


class Header(NamedTuple):
    """Its size, and the client's packed address and port; None for those of the connection."""

    size: int
    client: tuple[bytes, int] | None


def read(data: bytes) -> Header:
    """The header at the beginning. Raises `Broken` and `Incomplete`."""
    for begin, least, rest in ((b"PROXY ", 6, line), (SIGNATURE, 16, block)):
        if data[: len(begin)] == begin[: len(data)]:
            if len(data) < least:
                raise Incomplete
            return rest(data)
    raise Broken("no header")


def line(data: bytes) -> Header:
    """Version 1: everything up to CR LF, which stand within the first 107 bytes."""
    text, found, _ = data[:LONGEST_LINE].partition(b"\r\n")
    if not found:
        if len(data) < LONGEST_LINE:
            raise Incomplete
        raise Broken("no end of the line")
    size = len(text) + 2
    words = text.decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return Header(size, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise Broken("other fields")
    family = socket.AF_INET if words[1] == "TCP4" else socket.AF_INET6
    addresses = [address(family, word) for word in words[2:4]]
    ports = [number(word) for word in words[4:]]
    return Header(size, (plain(addresses[0]), ports[0]))


def address(family: int, word: str) -> bytes:
    allowed = string.digits + "." if family == socket.AF_INET else string.hexdigits + ":."
    if not set(word) <= set(allowed):
        raise Broken("other characters in an address")
    try:
        return socket.inet_pton(family, word)
    except OSError:
        raise Broken("no address") from None


def number(word: str) -> int:
    if word not in PORTS:
        raise Broken("no port")
    return int(word)


def block(data: bytes) -> Header:
    """Version 2: sixteen bytes, and as many as the last two of them say."""
    version, command = divmod(data[12], 16)
    family, transport = divmod(data[13], 16)
    length = data[14] * 256 + data[15]
    if version != 2 or command > 1:
        raise Broken("another version or command")
    if command == 1 and (family > 3 or transport > 2):
        raise Broken("another family or transport")
    if 16 + length > SEGMENT:
        raise Broken("longer than a segment")
    kind = (family, transport) if command == 1 else (0, 0)
    wide = {(1, 1): 4, (2, 1): 16}.get(kind)
    if wide is not None and length < 2 * wide + 4:
        raise Broken("shorter than its addresses")
    if len(data) < 16 + length:
        raise Incomplete
    if wide is None:
        return Header(16 + length, None)
    source = data[16 : 16 + wide]
    port = data[16 + 2 * wide] * 256 + data[17 + 2 * wide]
    return Header(16 + length, (plain(source), port))


def plain(packed: bytes) -> bytes:
    """An address; one of IPv4 that is mapped into IPv6 without that prefix."""
    mapped = bytes(10) + b"\xff\xff"
    return packed[12:] if len(packed) == 16 and packed.startswith(mapped) else packed
