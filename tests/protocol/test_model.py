"""The model against the published vectors, and the named vectors against the model.

The product's tests trust the model and its vectors; this file is the reason why they may. No test here touches the
product.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

from tests.model import aes, frames, hkdf, make_named, named_plain, nist, p256, poly1305, rfc, schedule, spake2, vectors
from tests.model.failure import Failure, Refused
from tests.model.frames import Direction
from tests.model.handshake import Client, Server
from tests.model.named_points import SMALL_Y, bad_points
from tests.model.schedule import Mode, Secrets, Suite

HERE = Path(__file__).resolve().parents[1]
SECFTP1 = vectors.load_secftp1()
NAMED = vectors.load_named()
CBC = list(nist.cbc_cases())


def by_name(case) -> str:
    return case.name


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")


# What the model is made of


@pytest.mark.parametrize(
    ("key", "plaintext", "ciphertext"),
    [
        ("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
        ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
        (
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "00112233445566778899aabbccddeeff",
            "8ea2b7ca516745bfeafc49904b496089",
        ),
    ],
    ids=["FIPS 197 B", "FIPS 197 C.1", "FIPS 197 C.3"],
)
def test_aes_block(key, plaintext, ciphertext):
    key, plaintext, ciphertext = bytes.fromhex(key), bytes.fromhex(plaintext), bytes.fromhex(ciphertext)
    assert aes.encrypt_block(key, plaintext) == ciphertext
    assert aes.decrypt_block(key, ciphertext) == plaintext


@pytest.mark.parametrize(
    ("key", "last"),
    [
        ("2b7e151628aed2a6abf7158809cf4f3c", "d014f9a8c9ee2589e13f0cc8b6630ca6"),
        ("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "fe4890d1e6188d0b046df344706c631e"),
    ],
    ids=["FIPS 197 A.1", "FIPS 197 A.3"],
)
def test_aes_key_expansion(key, last):
    assert bytes(aes.expand_key(bytes.fromhex(key))[-1]).hex() == last


def test_nist_loader_finds_every_case():
    assert len({case.name for case in CBC}) == len(CBC) == 1418
    for operation in ("encrypt", "decrypt"):
        for size, count in ((16, 294), (32, 415)):
            some = [case for case in CBC if case.operation == operation and len(case.key) == size]
            assert len(some) == count
            assert {len(case.plaintext) // 16 for case in some if "MMT" in case.name} == set(range(1, 11))


def test_nist_loader_refuses_what_it_does_not_understand():
    whole = "[ENCRYPT]\nCOUNT = 0\nKEY = 00\nIV = 00\nPLAINTEXT = 00\nCIPHERTEXT = 00\n"
    assert len(list(nist.parse_cbc("stem", whole))) == 1
    for bad in (
        whole + "KEY = 00\n",
        whole + "SEED = 00\n",
        whole.removeprefix("[ENCRYPT]\n"),
        whole + "KEY = 00\n" * 2,
    ):
        with pytest.raises(ValueError, match="stem"):
            list(nist.parse_cbc("stem", bad))


def test_cbc_agrees_with_nist():
    for case in CBC:
        assert aes.cbc_encrypt(case.key, case.iv, case.plaintext) == case.ciphertext, case.name
        assert aes.cbc_decrypt(case.key, case.iv, case.ciphertext) == case.plaintext, case.name


def test_rfc_loaders_find_every_case():
    assert (len(rfc.poly1305_cases()), len(rfc.hkdf_cases()), len(rfc.scrypt_cases())) == (12, 3, 4)


@pytest.mark.parametrize("case", rfc.poly1305_cases(), ids=by_name)
def test_poly1305(case):
    assert poly1305.poly1305(case.key, case.message) == case.tag


@pytest.mark.parametrize("case", rfc.hkdf_cases(), ids=by_name)
def test_hkdf(case):
    assert hkdf.extract(case.salt, case.ikm) == case.prk
    assert hkdf.expand(case.prk, case.info, len(case.okm)) == case.okm


@pytest.mark.parametrize("case", [case for case in rfc.scrypt_cases() if case.n < 2**20], ids=by_name)
def test_scrypt(case):
    size = len(case.derived)
    assert hashlib.scrypt(case.password, salt=case.salt, n=case.n, r=case.r, p=case.p, dklen=size) == case.derived


def test_p256_group():
    for point in (p256.G, p256.M, p256.N, SMALL_Y):
        assert p256.on_curve(point)
        assert p256.multiply(p256.ORDER, point) is None
        assert p256.decode(p256.encode(point)) == point
    assert p256.multiply(p256.ORDER - 1, p256.G) == p256.negate(p256.G)
    assert p256.multiply(0, p256.G) is None


@pytest.mark.parametrize("bad", list(bad_points(p256.G)), ids=by_name)
def test_p256_decodes_nothing_else(bad):
    assert len(bad.encoded) == p256.ENCODED
    with pytest.raises(Refused, match=Failure.POINT):
        p256.decode(bad.encoded)


@pytest.mark.parametrize("case", vectors.load_rfc9382(), ids=by_name)
def test_spake2(case):
    w, x, y = number(case.w), number(case.x), number(case.y)
    share_a, share_b = spake2.share_a(w, x), spake2.share_b(w, y)
    common = spake2.common_a(w, x, share_b)
    assert common == spake2.common_b(w, y, share_a)
    shares = p256.encode(share_a), p256.encode(share_b)
    keys = spake2.rfc_keys(spake2.transcript((case.a, case.b), shares, p256.encode(common), w))
    assert (*shares, p256.encode(common)) == (case.share_a, case.share_b, case.k)
    assert (keys.hash_tt, keys.ke, keys.ka) == (case.hash_tt, case.ke, case.ka)
    assert (keys.kc_a, keys.kc_b) == (case.kc_a, case.kc_b)
    assert (keys.confirm_a, keys.confirm_b) == (case.confirm_a, case.confirm_b)


def test_rfc9382_has_its_four_vectors():
    identities = {(case.a, case.b) for case in vectors.load_rfc9382()}
    assert identities == {(b"server", b"client"), (b"", b"client"), (b"server", b""), (b"", b"")}


# The published sessions

sessions = pytest.mark.parametrize(
    "session", SECFTP1.sessions, ids=lambda session: f"{session.suite.name}-{session.mode.name}-{session.name.hex()}"
)


def test_every_suite_and_mode_is_published():
    assert len(SECFTP1.sessions) == 12
    assert {(session.suite, session.mode) for session in SECFTP1.sessions} == {(s, m) for s in Suite for m in Mode}


@sessions
def test_key_gives_w(session):
    assert schedule.key_bytes(session.key) == session.key_nfc_utf8
    salt = schedule.SALT_KEYED if session.mode is Mode.KEYED else schedule.SALT_ANONYMOUS
    assert schedule.scalar(session.key_nfc_utf8, salt) == number(session.w)


@sessions
def test_published_handshake(session):
    w = number(session.w)
    client = Client(w, session.suite, session.mode, session.name, session.client_iv, number(session.x))
    server = Server({session.name: w}, 1, session.server_rand, number(session.y), session.nonce, modes=(session.mode,))
    assert client.hello() == session.client_hello
    assert server.respond(session.client_hello) == session.server_hello
    finish, secrets = client.finish(session.server_hello)
    assert finish == session.client_finish
    assert secrets == server.verify(session.client_finish) == Secrets(session.secret_c2s, session.secret_s2c)


@sessions
def test_published_frames(session):
    """All but the long encrypted ones, which have a test of their own."""
    for secret, sealed in ((session.secret_c2s, session.frames_c2s), (session.secret_s2c, session.frames_s2c)):
        way = Direction(session.suite, secret)
        some = [item for item in sealed if item.wire is not None or session.suite is Suite.NONE]
        assert len(some) == 4 + (session.suite is Suite.NONE)
        wires = frames.seal_all(way, [item.frame for item in some])
        for item, wire in zip(some, wires, strict=True):
            assert item.matches(wire)
            assert item.wire in (wire, None)
        assert frames.open_stream(way, b"".join(wires)) == ([item.frame for item in some], None)


@pytest.mark.parametrize(("index", "direction"), [(1, "c2s"), (11, "s2c")])
def test_published_long_frames(index, direction):
    """Two of the sixteen long encrypted frames, one a suite: byte by byte, each takes half a second."""
    session = SECFTP1.sessions[index]
    way = Direction(session.suite, getattr(session, f"secret_{direction}"))
    item = getattr(session, f"frames_{direction}")[4]
    assert (item.wire, len(item.frame.payload)) == (None, frames.MAX_BODY)
    wire = frames.seal(way, 4, item.frame)
    assert item.matches(wire)
    assert frames.open_one(way, 4, wire) == (item.frame, b"")


@pytest.mark.parametrize("rekey", [SECFTP1.rekey, SECFTP1.rekey_edge], ids=["rekey", "rekey_edge"])
def test_published_rekeying(rekey):
    bits = rekey.interval_frames.bit_length() - 1
    assert 2**bits == rekey.interval_frames
    way = Direction(rekey.suite, rekey.secret, bits)
    for seq, (frame, wire) in enumerate(rekey.frames, rekey.start):
        assert frames.seal(way, seq, frame) == wire
        assert frames.open_one(way, seq, wire) == (frame, b"")


# The named vectors


def test_named_file_is_what_the_model_makes():
    assert (vectors.DIRECTORY / "named.json").read_bytes() == make_named.render()


def test_named_file_loads_as_it_was_made():
    assert NAMED.handshakes == make_named.handshake_cases()
    assert NAMED.frames == make_named.frame_cases()


def test_named_vectors_are_many_and_small():
    cases = [*NAMED.handshakes, *NAMED.frames]
    valid = [case for case in cases if case.failure is None]
    print(f"named vectors: {len(valid)} valid, {len(cases) - len(valid)} invalid")
    assert len(valid) >= 30
    assert len(cases) - len(valid) >= 120
    assert {case.failure for case in cases} == {None, *Failure}
    assert len({case.name for case in cases}) == len(cases)
    assert (vectors.DIRECTORY / "named.json").stat().st_size < 400_000


@pytest.mark.parametrize("case", NAMED.handshakes, ids=by_name)
def test_named_handshake(case):
    mine, yours = case.client, case.server
    client = Client(number(mine.w), mine.suite, mine.mode, mine.name, mine.client_iv, number(mine.x))
    server = Server(
        {name: number(w) for name, w in yours.keys.items()},
        number(yours.fallback_w),
        yours.server_rand,
        number(yours.y),
        yours.nonce,
        yours.suites,
        yours.modes,
    )
    steps = [server.respond, client.finish, server.verify][: len(case.flights)]
    sent, results = client.hello(), []
    for flight, step in zip(case.flights, steps, strict=True):
        assert sent == flight.sent
        if case.failure is not None and step == steps[-1]:
            with pytest.raises(Refused) as refused:
                step(flight.received)
            assert refused.value.failure is case.failure
            assert case.by == ("client" if step == client.finish else "server")
            return
        results.append(step(flight.received))
        sent = results[-1][0] if step == client.finish else results[-1]
    assert case.by is None
    assert results[1][1] == results[2] == Secrets(case.secret_c2s, case.secret_s2c)


@pytest.mark.parametrize("case", NAMED.frames, ids=by_name)
def test_named_frames(case):
    way = Direction(case.suite, case.secret, case.rekey_bits)
    assert frames.open_stream(way, b"".join(case.wire)) == (list(case.opened), case.failure)
    if case.failure is None:
        assert case.index is None
        assert tuple(frames.seal_all(way, case.opened)) == case.wire
    else:
        assert case.index == len(case.opened)


def test_body_beyond_its_bound_inside_the_largest_frame():
    case = named_plain.too_large()
    wire = b"".join(case.wire)
    assert frames.open_stream(Direction(case.suite, case.secret), wire) == (list(case.opened), case.failure)


# What the model is not


def test_model_never_imports_the_product():
    for path in (HERE / "model").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "secftp"], path.name


def test_every_vector_file_has_its_provenance():
    readme = (vectors.DIRECTORY / "README.md").read_text("utf-8")
    for path in vectors.DIRECTORY.glob("*.json"):
        assert f"## {path.name}\n" in readme
