"""Construction of the named handshakes: two honest models, and an attacker between them.

`play` lets two honest models talk through an attacker, who may replace any flight by anything. An attacker who has
the key computes MACs that are right for the changed bytes; such vectors leave one single check to stop them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model import p256
from tests.model.handshake import (
    HEAD,
    Client,
    Server,
    block,
    confirm_client,
    confirm_server,
    keys_for,
)
from tests.model.hkdf import sha256
from tests.model.schedule import HandshakeKeys, Mode, Secrets, Suite, anonymous_scalar
from tests.model.vectors import ClientInputs, Flight, HandshakeCase, ServerInputs, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.model.failure import Failure

    Attack = Callable[[Client, Server, bytes], bytes]


def draw(label: str) -> bytes:
    """32 bytes that look random and never change."""
    return sha256(b"secftp/1 named vectors: " + label.encode())


def draw_scalar(label: str) -> int:
    return int.from_bytes(draw(label), "big") % (p256.ORDER - 1) + 1


W = draw_scalar("w")
W_OTHER = draw_scalar("w of another key")
W_FALLBACK = draw_scalar("w of no key")


def client(suite: Suite = Suite.AES128, mode: Mode = Mode.KEYED) -> Client:
    w = W if mode is Mode.KEYED else anonymous_scalar()
    return Client(w, suite, mode, b"", draw("client_iv")[:16], draw_scalar("x"))


def server(mode: Mode = Mode.KEYED) -> Server:
    return Server(
        keys={b"": W},
        fallback_w=W_FALLBACK,
        server_rand=draw("server_rand")[:16],
        y=draw_scalar("y"),
        nonce=draw("nonce")[:16],
        modes=(mode,),
    )


def _same(_client: Client, _server: Server, sent: bytes) -> bytes:
    return sent


def play(
    name: str,
    about: str,
    a: Client,
    b: Server,
    *,
    flights: int = 3,
    failure: Failure | None = None,
    status: int | None = None,
    hello: Attack = _same,
    reply: Attack = _same,
    finish: Attack = _same,
) -> HandshakeCase:
    """A handshake of so many flights. With a failure, the last one is what its receiver has to refuse."""
    told = []
    secrets = Secrets(b"", b"")
    sent = a.hello()
    told.append(Flight(sent, hello(a, b, sent)))
    if flights > 1:
        sent = b.respond(told[0].received)
        told.append(Flight(sent, reply(a, b, sent)))
    if flights > 2:
        sent, secrets = a.finish(told[1].received)
        told.append(Flight(sent, finish(a, b, sent)))
    if failure is not None:
        secrets = Secrets(b"", b"")
    by: Side = "client" if flights == 2 else "server"
    return HandshakeCase(
        name=name,
        about=about,
        client=_client_inputs(a),
        server=_server_inputs(b),
        flights=tuple(told),
        failure=failure,
        by=None if failure is None else by,
        status=status,
        secret_c2s=secrets.c2s,
        secret_s2c=secrets.s2c,
    )


def _scalar_bytes(scalar: int) -> bytes:
    return scalar.to_bytes(32, "big")


def _client_inputs(a: Client) -> ClientInputs:
    return ClientInputs(_scalar_bytes(a.w), a.suite, a.mode, a.name, a.client_iv, _scalar_bytes(a.x))


def _server_inputs(b: Server) -> ServerInputs:
    return ServerInputs(
        keys={name: _scalar_bytes(w) for name, w in b.keys.items()},
        fallback_w=_scalar_bytes(b.fallback_w),
        suites=tuple(Suite(suite) for suite in b.suites),
        modes=tuple(Mode(mode) for mode in b.modes),
        server_rand=b.server_rand,
        y=_scalar_bytes(b.y),
        nonce=b.nonce,
    )


def put(position: int, value: bytes) -> Attack:
    """The flight with these bytes from this position on. A negative position counts from the end."""

    def attack(_client: Client, _server: Server, sent: bytes) -> bytes:
        start = position % len(sent)
        return sent[:start] + value + sent[start + len(value) :]

    return attack


def flip(position: int, bits: int = 1) -> Attack:
    """The flight with these bits of one byte flipped."""

    def attack(a: Client, b: Server, sent: bytes) -> bytes:
        return put(position, bytes([sent[position] ^ bits]))(a, b, sent)

    return attack


def cut(size: int) -> Attack:
    """The first bytes of the flight."""
    return lambda _client, _server, sent: sent[:size]


def common_of(a: Client, share: p256.Point) -> bytes:
    """The encoded K that the client would find for this pB, without asking whether it is on the curve."""
    return p256.encode(p256.affine(p256.multiply(a.x, p256.subtract(share, p256.multiply(a.w, p256.N)))))


def reply_with_key(
    a: Client, b: Server, head: bytes, *, common: bytes | None = None, suite: Suite | None = None, w: int | None = None
) -> bytes:
    """A reply around this head by an author who has the key: challenge and cB are right for it.

    With `w`, by an author who has that key instead.
    """
    holder = a if w is None else replace(a, w=w)
    if common is None:
        common = common_of(holder, p256.decode(head[-p256.ENCODED :]))
    th1, keys = keys_for(a.suite if suite is None else suite, a.hello(), head, common, holder.w)
    chal = block(keys.challenge_s, a.client_iv, b.nonce)
    return head + chal + confirm_server(keys, th1, chal)


def put_with_key(position: int, value: bytes, *, suite: Suite | None = None) -> Attack:
    """SERVER_HELLO with these bytes in it, and challenge and cB made anew for it."""

    def attack(a: Client, b: Server, sent: bytes) -> bytes:
        return reply_with_key(a, b, put(position, value)(a, b, sent)[:HEAD], suite=suite)

    return attack


def derived(b: Server) -> HandshakeKeys:
    if b.derived is None:
        raise ValueError("the server has not answered yet")
    return b.derived


def finish_with_key(b: Server, resp: bytes) -> bytes:
    """A finish around this response by an author who has the key: cA is right for it."""
    return resp + confirm_client(derived(b), b.th1, b.flights[-48:-32], b.flights[-32:], resp)
