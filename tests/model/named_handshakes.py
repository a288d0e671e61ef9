"""Named vectors of handshakes that succeed: both sides end with the same two secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model import p256
from tests.model.handshake import NAME
from tests.model.schedule import Mode, Suite
from tests.model.stage import W_OTHER, W, client, play, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.vectors import HandshakeCase


def cases() -> Iterator[HandshakeCase]:
    for suite in Suite:
        for mode in Mode:
            about = f"Suite {suite.name.lower()}, mode {mode.name.lower()}, the default key."
            name = f"valid-{suite.name.lower()}-{mode.name.lower()}"
            yield play(name, about, client(suite, mode), server(mode))
        wrapping = replace(server(), nonce=b"\xff" * 16)
        about = "A nonce of all ones plus one is zero."
        yield play(f"valid-{suite.name.lower()}-nonce-ones", about, client(suite), wrapping)
    yield from _valid_nonces()
    yield from _valid_names()
    yield from _valid_scalars()
    for name, value in (("zeros", bytes(16)), ("ones", b"\xff" * 16)):
        a, b = replace(client(), client_iv=value), replace(server(), server_rand=value)
        yield play(f"valid-iv-{name}", f"client_iv and server_rand are {name}.", a, b)
    b = replace(server(), modes=tuple(Mode))
    yield play("valid-both-modes", "A keyed client at a server that serves both modes.", client(), b)
    about = "An anonymous client at a server that serves both modes."
    yield play("valid-both-modes-anonymous", about, client(mode=Mode.ANONYMOUS), b)
    b = replace(server(), suites=(Suite.AES256,))
    yield play("valid-one-suite", "A server that serves one suite, and is asked for it.", client(Suite.AES256), b)


def _valid_nonces() -> Iterator[HandshakeCase]:
    for name, nonce in (
        ("zero", bytes(16)),
        ("byte-carry", bytes(15) + b"\xff"),
        ("half-carry", bytes(8) + b"\xff" * 8),
        ("long-carry", b"\0" + b"\xff" * 15),
        ("sign", b"\x7f" + b"\xff" * 15),
    ):
        about = f"nonce + 1 where the nonce is {nonce.hex()}."
        yield play(f"valid-nonce-{name}", about, client(), replace(server(), nonce=nonce))


def _valid_names() -> Iterator[HandshakeCase]:
    keys = {b"": W, b"backup": W_OTHER, "ключ".encode(): W_OTHER, b"n" * NAME: W_OTHER}
    b = replace(server(), keys=keys)
    for label, name in (("named", b"backup"), ("utf-8", "ключ".encode()), ("longest", b"n" * NAME)):
        about = f"The key that the server knows by a name of {len(name)} bytes."
        yield play(f"valid-name-{label}", about, replace(client(), w=W_OTHER, name=name), b)
    yield play("valid-name-default", "The default key of a server with named ones.", client(), b)


def _valid_scalars() -> Iterator[HandshakeCase]:
    last = p256.ORDER - 1
    for name, x, y in (("one", 1, 1), ("last", last, last), ("opposite", 1, last), ("equal", W, W)):
        about = f"x = {x:#x}, y = {y:#x}."
        yield play(f"valid-xy-{name}", about, replace(client(), x=x), replace(server(), y=y))
    for name, w in (("one", 1), ("last", last)):
        yield play(f"valid-w-{name}", f"w = {w:#x}.", replace(client(), w=w), replace(server(), keys={b"": w}))
