"""Named vectors of SERVER_HELLOs that a client refuses. It sends no CLIENT_FINISH for any of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model import p256, spake2
from tests.model.failure import Failure
from tests.model.handshake import HEAD, PREFIX, SERVER_HELLO, Client, Server, confirm_server
from tests.model.hkdf import hmac_sha256
from tests.model.named_points import BadPoint, bad_points
from tests.model.schedule import Mode, Suite, anonymous_scalar
from tests.model.stage import (
    W_OTHER,
    W,
    client,
    common_of,
    cut,
    derived,
    draw_scalar,
    flip,
    play,
    put,
    put_with_key,
    reply_with_key,
    server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.stage import Attack
    from tests.model.vectors import HandshakeCase

SHARE = HEAD - p256.ENCODED
CHAL, CB = HEAD, HEAD + 16


def cases() -> Iterator[HandshakeCase]:
    yield from _fields()
    yield from _statuses()
    yield from _downgrades()
    yield from _shares()
    yield from _confirmations()
    yield from _hellos_changed_on_the_way()
    yield from _keys()
    yield from _names()


def refused(name: str, about: str, failure: Failure, attack: Attack, a: Client | None = None) -> HandshakeCase:
    return play(f"reply-{name}", about, a or client(), server(), flights=2, failure=failure, reply=attack)


def _fields() -> Iterator[HandshakeCase]:
    """The author of these has the key: challenge and cB are right for the changed bytes."""
    for name, position in (("first", 0), ("last", 5)):
        letter = b"SECFTP"[position : position + 1].lower()
        about = f"The magic's {name} letter is in lower case."
        yield refused(f"magic-{name}", about, Failure.MAGIC, put_with_key(position, letter))
    for value in (0, 2, 255):
        about = f"The version is {value}."
        yield refused(f"version-{value}", about, Failure.VERSION, put_with_key(6, bytes([value])))
    for value in (3, 255):
        about = f"The suite is {value}, which was not asked for."
        yield refused(f"suite-{value}", about, Failure.SUITE, put_with_key(8, bytes([value])))
    for value in (2, 255):
        about = f"The mode is {value}, which was not asked for."
        yield refused(f"mode-{value}", about, Failure.MODE, put_with_key(9, bytes([value])))
    for position in (10, 11):
        about = f"Byte {position} is reserved and not zero."
        yield refused(f"reserved-{position}", about, Failure.RESERVED, put_with_key(position, b"\1"))
    yield refused("truncated", "The reply ends one byte early.", Failure.INCOMPLETE, cut(SERVER_HELLO - 1))
    about = "Twelve bytes with status 0: the rest must come."
    yield refused("prefix-only", about, Failure.INCOMPLETE, cut(PREFIX))


def _statuses() -> Iterator[HandshakeCase]:
    for status in (1, 2, 3, 4, 5, 255):

        def attack(a: Client, b: Server, sent: bytes, status: int = status) -> bytes:
            return put(7, bytes([status]))(a, b, sent)[:PREFIX]

        about = f"Status {status}: twelve bytes, and the connection is over."
        yield refused(f"status-{status}", about, Failure.STATUS, attack)
    about = "Status 4 in front of a whole reply whose cB is right."
    yield refused("status-whole", about, Failure.STATUS, put_with_key(7, b"\4"))


def _downgrades() -> Iterator[HandshakeCase]:
    """Another suite or mode than asked for, with a challenge and a cB that are right under it."""
    for asked in Suite:
        for given in (suite for suite in Suite if suite is not asked):
            names = f"{asked.name.lower()}-{given.name.lower()}"
            about = f"Asked for {asked.name.lower()}, answered {given.name.lower()}."
            attack = put_with_key(8, bytes([given]), suite=given)
            yield refused(f"downgrade-{names}", about, Failure.SUITE, attack, client(asked))
    about = "Asked for keyed, answered anonymous, by someone who has the key."
    yield refused("downgrade-anonymous", about, Failure.MODE, put_with_key(9, b"\0"))

    def anonymous(a: Client, b: Server, sent: bytes) -> bytes:
        return reply_with_key(a, b, put(9, b"\0")(a, b, sent)[:HEAD], w=anonymous_scalar())

    about = "Asked for keyed, answered anonymous, by someone who only knows the anonymous w."
    yield refused("downgrade-anonymous-w", about, Failure.MODE, anonymous)


def _shares() -> Iterator[HandshakeCase]:
    for bad in bad_points(spake2.share_b(W, server().y)):

        def attack(a: Client, b: Server, sent: bytes, bad: BadPoint = bad) -> bytes:
            return reply_with_key(a, b, sent[:SHARE] + bad.encoded, common=common_of(a, bad.point))

        yield refused(f"point-{bad.name}", f"{bad.about} cB is right for it.", Failure.POINT, attack)
    for name, common in (("sec1", b"\0"), ("zeros", bytes(65)), ("origin", b"\4" + bytes(64))):

        def identity(a: Client, b: Server, sent: bytes, common: bytes = common) -> bytes:
            share = p256.encode(p256.affine(p256.multiply(a.w, p256.N)))
            return reply_with_key(a, b, sent[:SHARE] + share, common=common)

        about = (
            f"pB = w·N, and a cB that is right if the identity is encoded as {len(common)} bytes {common[:2].hex()}..."
        )
        yield refused(f"identity-{name}", about, Failure.IDENTITY, identity)
    about = "The client's own share comes back as the server's."
    yield refused(
        "share-reflected", about, Failure.CONFIRMATION, lambda a, b, sent: put(SHARE, a.hello()[-65:])(a, b, sent)
    )
    for name, point in (("generator", p256.G), ("m", p256.M), ("n", p256.N), ("negated", None)):
        share = p256.encode(p256.affine(point or p256.negate(spake2.share_b(W, server().y))))
        about = f"The server's share is replaced: {name}."
        yield refused(f"share-{name}", about, Failure.CONFIRMATION, put(SHARE, share))
    for suite, mode, failure in (
        (Suite.AES128, Mode.KEYED, Failure.STATUS),
        (Suite.NONE, Mode.KEYED, Failure.SUITE),
        (Suite.NONE, Mode.ANONYMOUS, Failure.POINT),
    ):
        a, b = client(suite, mode), server(mode)
        about = "The client's own hello comes back, filled with zeros."
        name = f"reply-hello-reflected-{suite.name.lower()}-{mode.name.lower()}"
        yield play(
            name,
            about,
            a,
            b,
            flights=2,
            failure=failure,
            reply=lambda a, _b, _sent: a.hello().ljust(SERVER_HELLO, b"\0"),
        )


def _confirmations() -> Iterator[HandshakeCase]:
    """Bits flipped on the way, and MACs over the wrong bytes or under the wrong key."""
    flips = {"rand-first": 12, "rand-last": 27, "chal-first": CHAL, "chal-middle": CHAL + 7, "chal-last": CB - 1}
    flips |= {"cb-first": CB, "cb-middle": CB + 15, "cb-16": CB + 16, "cb-last": SERVER_HELLO - 1}
    for name, position in flips.items():
        about = f"The lowest bit of byte {position} is flipped on the way."
        yield refused(f"bit-{name}", about, Failure.CONFIRMATION, flip(position))
    for name in ("chal-first", "cb-first", "cb-last"):
        about = f"The highest bit of byte {flips[name]} is flipped on the way."
        yield refused(f"high-bit-{name}", about, Failure.CONFIRMATION, flip(flips[name], 0x80))
    yield refused("cb-zeros", "cB is all zeros.", Failure.CONFIRMATION, put(CB, bytes(32)))

    def under_client_key(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CB] + hmac_sha256(derived(b).confirm_c, b.th1 + sent[CHAL:CB])

    def without_transcript(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CB] + confirm_server(derived(b), b"", sent[CHAL:CB])

    def without_challenge(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CB] + confirm_server(derived(b), b.th1, b"")

    def over_nonce(_a: Client, b: Server, sent: bytes) -> bytes:
        return sent[:CB] + confirm_server(derived(b), b.th1, b.nonce)

    def shortened(_a: Client, _b: Server, sent: bytes) -> bytes:
        return sent[: CB + 16] + bytes(16)

    def replayed(a: Client, b: Server, _sent: bytes) -> bytes:
        return b.respond(replace(a, x=draw_scalar("x of another session")).hello())

    yield refused("cb-client-key", "cB is made with the client's key.", Failure.CONFIRMATION, under_client_key)
    yield refused("cb-no-transcript", "cB covers the challenge only.", Failure.CONFIRMATION, without_transcript)
    yield refused("cb-no-challenge", "cB covers TH1 only.", Failure.CONFIRMATION, without_challenge)
    yield refused("cb-over-nonce", "cB covers the nonce in place of chal.", Failure.CONFIRMATION, over_nonce)
    yield refused("cb-half", "Only the first 16 bytes of cB are right.", Failure.CONFIRMATION, shortened)
    yield refused("replayed", "The server's reply to another session's hello.", Failure.CONFIRMATION, replayed)


def _hellos_changed_on_the_way() -> Iterator[HandshakeCase]:
    """The server can't know and answers; the client must notice."""
    a, b = client(), server()
    other = p256.encode(spake2.share_a(W_OTHER, draw_scalar("x of an attacker")))
    negated = p256.encode(p256.affine(p256.negate(spake2.share_a(a.w, a.x))))
    for name, attack in (
        ("iv-first", flip(12)),
        ("iv-last", flip(27, 0x80)),
        ("share", put(60, other)),
        ("share-negated", put(60, negated)),
    ):
        about = "The client's hello was changed on the way to the server."
        yield play(f"hello-changed-{name}", about, a, b, flights=2, failure=Failure.CONFIRMATION, hello=attack)
    two = replace(server(), keys={b"": W, b"same": W})
    about = "A name of the same key was put into the hello."
    attack = put(28, b"same")
    yield play("hello-changed-name", about, a, two, flights=2, failure=Failure.CONFIRMATION, hello=attack)
    strong = client(Suite.AES256)
    about = "The hello's suite was lowered on the way."
    yield play("hello-changed-suite", about, strong, b, flights=2, failure=Failure.SUITE, hello=put(7, b"\1"))
    about = "The hello's suite was lowered on the way, and the reply's raised again."
    yield play(
        "hello-changed-suite-back",
        about,
        strong,
        b,
        flights=2,
        failure=Failure.CONFIRMATION,
        hello=put(7, b"\1"),
        reply=put(8, b"\2"),
    )
    both = replace(server(), modes=tuple(Mode))
    about = "The hello was made anonymous on the way."
    yield play("hello-changed-mode", about, a, both, flights=2, failure=Failure.MODE, hello=put(8, b"\0"))
    about = "The hello was made anonymous on the way, and the reply keyed again."
    yield play(
        "hello-changed-mode-back",
        about,
        a,
        both,
        flights=2,
        failure=Failure.CONFIRMATION,
        hello=put(8, b"\0"),
        reply=put(9, b"\1"),
    )


def _keys() -> Iterator[HandshakeCase]:
    for suite in Suite:
        a = replace(client(suite), w=W_OTHER)
        about = "The two sides have different keys."
        name = f"wrong-key-{suite.name.lower()}"
        yield play(name, about, a, server(), flights=2, failure=Failure.CONFIRMATION)
    for name, w in (("off-by-one", W + 1), ("bit", W ^ 1 << 200), ("negated", p256.ORDER - W)):
        about = f"The two sides' w differ: {name}."
        a = replace(client(), w=w)
        yield play(f"wrong-key-{name}", about, a, server(), flights=2, failure=Failure.CONFIRMATION)


def _names() -> Iterator[HandshakeCase]:
    """Unknown and malformed names get the same steps as any other, with a w that no client has."""
    b = replace(server(), keys={b"": W, b"backup": W_OTHER})
    for label, name in (
        ("unknown", b"backups"),
        ("case", b"Backup"),
        ("invalid-utf-8", b"backup\xff"),
        ("surrogate", b"\xed\xa0\x80"),
        ("overlong", b"\xc1\xa2ackup"),
        ("inner-zero", b"backup\0x"),
        ("leading-zero", b"\0backup"),
        ("cut", b"\xd0" * 32),
    ):
        a = replace(client(), w=W_OTHER, name=name)
        about = f"The name {name.hex()} is not the server's; it answers with a w of its own."
        yield play(f"name-{label}", about, a, b, flights=2, failure=Failure.CONFIRMATION)
    a = replace(client(), w=W_OTHER)
    about = "No name means the default key and no other."
    yield play("name-none", about, a, b, flights=2, failure=Failure.CONFIRMATION)
    a = replace(client(), w=W, name=b"unknown")
    about = "An unknown name doesn't fall back to the default key."
    yield play("name-unknown-default", about, a, b, flights=2, failure=Failure.CONFIRMATION)
    b = replace(server(), keys={b"backup": W_OTHER})
    a = replace(client(), w=W_OTHER)
    about = "No name at a server without a default key."
    yield play("name-no-default", about, a, b, flights=2, failure=Failure.CONFIRMATION)
