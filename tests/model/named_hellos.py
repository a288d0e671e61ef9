"""Named vectors of CLIENT_HELLOs that a server refuses. It sends no challenge for any of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model import p256
from tests.model.failure import Failure
from tests.model.handshake import CLIENT_HELLO
from tests.model.named_points import bad_points
from tests.model.schedule import Mode, Suite
from tests.model.spake2 import share_a
from tests.model.stage import W, client, cut, flip, play, put, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.vectors import HandshakeCase

STATUS_VERSION, STATUS_SUITE, STATUS_MODE = 1, 2, 3
SHARE = CLIENT_HELLO - p256.ENCODED


def cases() -> Iterator[HandshakeCase]:
    yield from _fields()
    yield from _policies()
    for bad in bad_points(share_a(W, client().x)):
        attack = put(SHARE, bad.encoded)
        name = f"hello-point-{bad.name}"
        yield play(name, bad.about, client(), server(), flights=1, failure=Failure.POINT, hello=attack)
    share = p256.encode(p256.affine(p256.multiply(W, p256.M)))
    about = "pA = w·M, so that pA - w·M is the identity and K is public."
    attack = put(SHARE, share)
    yield play("hello-identity", about, client(), server(), flights=1, failure=Failure.IDENTITY, hello=attack)
    about = "The hello ends one byte early."
    attack = cut(CLIENT_HELLO - 1)
    yield play("hello-truncated", about, client(), server(), flights=1, failure=Failure.INCOMPLETE, hello=attack)


def _fields() -> Iterator[HandshakeCase]:
    a, b = client(), server()
    for name, position in (("first", 0), ("last", 5)):
        attack = flip(position, 0x20)
        about = f"The magic's {name} letter is in lower case."
        yield play(f"hello-magic-{name}", about, a, b, flights=1, failure=Failure.MAGIC, hello=attack)
    for position, values, failure, status in (
        (6, (0, 2, 255), Failure.VERSION, STATUS_VERSION),
        (7, (3, 129, 255), Failure.SUITE, STATUS_SUITE),
        (8, (2, 129, 255), Failure.MODE, STATUS_MODE),
    ):
        for value in values:
            about = f"Byte {position}, the {failure}, is {value}."
            attack = put(position, bytes([value]))
            name = f"hello-{failure}-{value}"
            yield play(name, about, a, b, flights=1, failure=failure, status=status, hello=attack)
    for position in (9, 10, 11):
        about = f"Byte {position} is reserved and not zero."
        attack = put(position, b"\1")
        yield play(f"hello-reserved-{position}", about, a, b, flights=1, failure=Failure.RESERVED, hello=attack)
    a, b = client(mode=Mode.ANONYMOUS), server(Mode.ANONYMOUS)
    for name, position in (("first", 28), ("last", 59)):
        about = f"An anonymous hello with a name, of which the {name} byte is not zero."
        attack = put(position, b"n")
        yield play(f"hello-anonymous-name-{name}", about, a, b, flights=1, failure=Failure.NAME, hello=attack)


def _policies() -> Iterator[HandshakeCase]:
    """Nothing is wrong with these hellos, but this server doesn't serve them."""
    for mine, yours in ((Mode.ANONYMOUS, Mode.KEYED), (Mode.KEYED, Mode.ANONYMOUS)):
        about = f"A client in mode {mine.name.lower()} at a server of mode {yours.name.lower()}."
        a, b = client(mode=mine), server(yours)
        name = f"hello-mode-{mine.name.lower()}"
        yield play(name, about, a, b, flights=1, failure=Failure.MODE, status=STATUS_MODE)
    b = replace(server(), suites=(Suite.AES128, Suite.AES256))
    about = "A client that wants suite none at a server that always encrypts."
    a = client(Suite.NONE)
    yield play("hello-suite-not-served", about, a, b, flights=1, failure=Failure.SUITE, status=STATUS_SUITE)
