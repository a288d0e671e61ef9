"""Named vectors of CLIENT_FINISHes that a server refuses. It reads no frame after any of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model import aes
from tests.model.failure import Failure
from tests.model.handshake import CLIENT_FINISH, Client, Server, block, confirm_client, increment
from tests.model.hkdf import hmac_sha256
from tests.model.schedule import Suite
from tests.model.stage import client, cut, derived, draw, finish_with_key, flip, play, put, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.model.stage import Attack
    from tests.model.vectors import HandshakeCase

CA = 16


def cases() -> Iterator[HandshakeCase]:
    yield from _bits()
    yield from _confirmations()
    for suite in Suite:
        yield from _nonces(suite)
    yield from _carries()
    for suite in (Suite.AES128, Suite.AES256):
        yield from _encryptions(suite)


def refused(name: str, about: str, failure: Failure, attack: Attack, a: Client, b: Server) -> HandshakeCase:
    return play(f"finish-{name}", about, a, b, failure=failure, finish=attack)


def _bits() -> Iterator[HandshakeCase]:
    places = {"resp-first": 0, "resp-middle": 7, "resp-last": 15}
    places |= {"ca-first": CA, "ca-middle": CA + 15, "ca-16": CA + 16, "ca-last": CLIENT_FINISH - 1}
    for name, position in places.items():
        about = f"The lowest bit of byte {position} is flipped on the way."
        yield refused(f"bit-{name}", about, Failure.CONFIRMATION, flip(position), client(), server())
    for name in ("resp-first", "ca-first", "ca-last"):
        about = f"The highest bit of byte {places[name]} is flipped on the way."
        attack = flip(places[name], 0x80)
        yield refused(f"high-bit-{name}", about, Failure.CONFIRMATION, attack, client(), server())
    about = "The finish ends one byte early."
    yield refused("truncated", about, Failure.INCOMPLETE, cut(CLIENT_FINISH - 1), client(), server())


def _confirmations() -> Iterator[HandshakeCase]:
    """The response is right, and cA is not."""

    def reflected(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CA] + b.flights[-32:]

    def under_server_key(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CA] + hmac_sha256(derived(b).confirm_s, b.th1 + b.flights[-48:] + sent[:CA])

    def without_transcript(_a: Client, b: Server, sent: bytes) -> bytes:
        chal, cb = b.flights[-48:-32], b.flights[-32:]
        return sent[:CA] + confirm_client(derived(b), b"", chal, cb, sent[:CA])

    def without_server(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CA] + confirm_client(derived(b), b.th1, b.flights[-48:-32], b"", sent[:CA])

    def without_response(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CA] + confirm_client(derived(b), b.th1, b.flights[-48:-32], b.flights[-32:], b"")

    def shortened(_a: Client, _b: Server, sent: bytes) -> bytes:
        return sent[: CA + 16] + bytes(16)

    def replayed(a: Client, b: Server, _sent: bytes) -> bytes:
        earlier = replace(b, nonce=draw("nonce of an earlier session")[:16])
        return a.finish(earlier.respond(a.hello()))[0]

    attacks: dict[str, tuple[str, Attack]] = {
        "zeros": ("cA is all zeros.", put(CA, bytes(32))),
        "reflected": ("cA is the server's own cB.", reflected),
        "server-key": ("cA is made with the server's key.", under_server_key),
        "no-transcript": ("cA leaves TH1 out.", without_transcript),
        "no-cb": ("cA leaves cB out.", without_server),
        "no-resp": ("cA leaves the response out.", without_response),
        "half": ("Only the first 16 bytes of cA are right.", shortened),
        "replayed": ("The finish of an earlier session with the same hello.", replayed),
    }
    for name, (about, attack) in attacks.items():
        yield refused(f"ca-{name}", about, Failure.CONFIRMATION, attack, client(), server())


def _add(nonce: bytes, amount: int) -> bytes:
    return ((int.from_bytes(nonce, "big") + amount) % 2**128).to_bytes(16, "big")


def answering(change: Callable[[bytes], bytes]) -> Attack:
    """A finish with the response to a wrong nonce, properly encrypted, and a cA that is right for it."""

    def attack(_a: Client, b: Server, _sent: bytes) -> bytes:
        return finish_with_key(b, block(derived(b).challenge_c, b.server_rand, change(b.nonce)))

    return attack


def _always(answer: bytes) -> Callable[[bytes], bytes]:
    return lambda _: answer


def _nonces(suite: Suite) -> Iterator[HandshakeCase]:
    for name, about, change in (
        ("same", "The nonce was not incremented.", bytes),
        ("plus-2", "2 was added.", lambda nonce: _add(nonce, 2)),
        ("minus-1", "1 was subtracted.", lambda nonce: _add(nonce, -1)),
        ("top-bit", "The highest bit of nonce + 1 is wrong.", lambda nonce: _add(nonce, 1 + 2**127)),
        ("zero", "The response is to no nonce at all.", lambda _: bytes(16)),
    ):
        label = f"nonce-{name}-{suite.name.lower()}"
        yield refused(label, f"{about} cA is right.", Failure.NONCE, answering(change), client(suite), server())


def _carries() -> Iterator[HandshakeCase]:
    """Increments that lose a carry or count in another way. cA is right in each."""
    byte, half, ones = bytes(15) + b"\xff", bytes(8) + b"\xff" * 8, b"\xff" * 16
    for name, about, nonce, answer in (
        ("byte", "The carry out of the last byte is lost.", byte, bytes(16)),
        ("half", "The carry out of the low 64 bits is lost.", half, bytes(16)),
        ("ones-stay", "The highest nonce stays what it is.", ones, ones),
        ("ones-to-1", "The highest nonce becomes 1.", ones, _add(bytes(16), 1)),
        ("ones-low-byte", "Only the last byte of the highest nonce wraps.", ones, ones[:-1] + b"\0"),
        ("little-endian", "The first byte counts.", byte, b"\1" + byte[1:]),
    ):
        b = replace(server(), nonce=nonce)
        yield refused(f"carry-{name}", about, Failure.NONCE, answering(_always(answer)), client(), b)


def _encryptions(suite: Suite) -> Iterator[HandshakeCase]:
    """nonce + 1 is right, its encryption is not, and cA is right for what is sent."""

    def server_key(_a: Client, b: Server, _sent: bytes) -> bytes:
        return finish_with_key(b, block(derived(b).challenge_s, b.server_rand, increment(b.nonce)))

    def client_iv(a: Client, b: Server, _sent: bytes) -> bytes:
        return finish_with_key(b, block(derived(b).challenge_c, a.client_iv, increment(b.nonce)))

    def no_iv(_a: Client, b: Server, _sent: bytes) -> bytes:
        return finish_with_key(b, aes.encrypt_block(derived(b).challenge_c, increment(b.nonce)))

    def bare(_a: Client, b: Server, _sent: bytes) -> bytes:
        return finish_with_key(b, increment(b.nonce))

    def challenge(_a: Client, b: Server, _sent: bytes) -> bytes:
        return finish_with_key(b, b.flights[-48:-32])

    for name, about, attack in (
        ("server-key", "The response is under the server's challenge key.", server_key),
        ("client-iv", "The response is under client_iv instead of server_rand.", client_iv),
        ("no-iv", "The response is a bare block of AES.", no_iv),
        ("bare", "The response is not encrypted.", bare),
        ("challenge", "The challenge itself comes back.", challenge),
    ):
        yield refused(f"resp-{name}-{suite.name.lower()}", about, Failure.NONCE, attack, client(suite), server())
