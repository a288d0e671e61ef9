"""Known-answer tests of each primitive as the core uses it: NIST's AES-CBC vectors, and the examples of the RFCs.

The lanes run many messages side by side, so a case counts only where it stood: every case is run among messages of
other contents and lengths, and every message is compared. A single message goes through libcrypto's own CBC, which is
thereby the reference for mixed batches, once it has given all of NIST's answers itself.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
import subprocess

import pytest

from secftp.crypto import Password, Suite, binding
from secftp.errors import AuthenticationError, CoreError
from tests.model import aes, frames, nist, p256, rfc, schedule, vectors
from tests.seamed import core
from tests.seamed.product import Sealed, seams

__all__ = ["seams"]

CASES = list(nist.cbc_cases())
LANES = 16
# Every number of messages from one to one more than there are lanes, and every place among them.
PLACES = [(count, place) for count in range(1, LANES + 2) for place in range(count)]
KEY_SIZES = (16, 32)


def by_name(case) -> str:
    return case.name


def encrypt(key: bytes, messages: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The ciphertexts of (IV, plaintext) messages, all of them through the lanes at once."""
    module = core()
    lib, ffi = module.lib, module.ffi
    data = ffi.new("uint8_t[]", b"".join(plaintext for _, plaintext in messages))
    blocks = ffi.new("size_t[]", [len(plaintext) // 16 for _, plaintext in messages])
    ivs = b"".join(iv for iv, _ in messages)
    assert lib.seam_lanes(len(key), key, data, blocks, ivs, len(messages)) == lib.SECFTP_OK
    whole, ciphertexts, at = bytes(ffi.buffer(data)), [], 0
    for _, plaintext in messages:
        ciphertexts.append(whole[at : at + len(plaintext)])
        at += len(plaintext)
    assert whole[at:] == b"\0"  # cffi's own zero: nothing is written behind the last message
    return ciphertexts


def alone(key: bytes, messages: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The same by libcrypto's CBC."""
    return [encrypt(key, [message])[0] for message in messages]


def decoys(seed: str, lengths: list[int]) -> list[tuple[bytes, bytes]]:
    """Messages of so many blocks; the same ones for each seed."""
    source = random.Random(seed)
    return [(source.randbytes(16), source.randbytes(16 * blocks)) for blocks in lengths]


# AES-CBC


def test_nist_alone():
    for case in CASES:
        assert encrypt(case.key, [(case.iv, case.plaintext)]) == [case.ciphertext], case.name
    assert len(CASES) == 1418


def check_place(case, count: int, place: int) -> None:
    source = random.Random(f"{case.name} {count} {place}")
    own = len(case.plaintext) // 16
    lengths = [max(1, own + source.randint(-2, 2)) for _ in range(count)]
    messages = decoys(case.name, lengths)
    messages[place] = (case.iv, case.plaintext)
    found = encrypt(case.key, messages)
    assert found[place] == case.ciphertext, (case.name, count, place)
    others = [index for index in {0, (place + 1) % count, count - 1} if index != place]
    assert [found[index] for index in others] == alone(case.key, [messages[index] for index in others])


def test_nist_at_rotating_lanes():
    """All cases; together they stand at every place among every number of messages, for both key sizes."""
    seen = set()
    for case, (count, place) in zip(CASES, itertools.cycle(PLACES), strict=False):
        check_place(case, count, place)
        seen.add((len(case.key), count, place))
    assert seen == {(size, *place) for size in KEY_SIZES for place in PLACES}


@pytest.mark.parametrize("bits", nist.KEY_BITS)
def test_nist_multi_block_messages_at_every_lane(bits):
    """MMT, 1 to 10 blocks: each case at each lane, and as the one that takes over a lane."""
    cases = [case for case in CASES if case.name.startswith(f"CBCMMT{bits}-")]
    assert len(cases) == 20
    for case in cases:
        for count, place in ((count, place) for count, place in PLACES if count >= LANES):
            check_place(case, count, place)


@pytest.mark.parametrize("size", KEY_SIZES)
def test_equal_lengths_at_every_number_of_messages(size):
    key = bytes(range(size))
    for count in range(1, 2 * LANES + 2):
        messages = decoys(f"equal {count}", [1 + count % 5] * count)
        assert encrypt(key, messages) == alone(key, messages), count


@pytest.mark.parametrize("size", KEY_SIZES)
def test_mixed_lengths(size):
    """Every length from 1 to 20 blocks, in every order of retiring that 200 draws give."""
    source, key, seen = random.Random(f"mixed {size}"), random.Random(size).randbytes(size), set()
    for draw in range(200):
        lengths = [source.randint(1, 20) for _ in range(source.randint(2, 64))]
        messages = decoys(f"mixed {draw}", lengths)
        assert encrypt(key, messages) == alone(key, messages), lengths
        seen.update(lengths)
    assert seen == set(range(1, 21))


@pytest.mark.parametrize("lengths", [(1, 20), (20, 1), (1,) * 16 + (20,), (20,) + (1,) * 16, tuple(range(1, 21)) * 3])
def test_lengths_at_the_edges_of_retiring(lengths):
    key = bytes(range(16))
    messages = decoys("edges", list(lengths))
    assert encrypt(key, messages) == alone(key, messages)


@pytest.mark.parametrize("size", KEY_SIZES)
def test_mixed_lengths_against_the_model(size):
    key = random.Random(f"model {size}").randbytes(size)
    messages = decoys("model", [*range(1, 21), 3, 1])
    assert encrypt(key, messages) == [aes.cbc_encrypt(key, iv, plaintext) for iv, plaintext in messages]


@pytest.mark.parametrize("suite", [Suite.AES128, Suite.AES256], ids=lambda suite: suite.name)
def test_openssl_command_decrypts_what_was_sealed(seams, suite):
    """Another program, given the frame's key and IV, finds P, and its own check of PKCS #7 is content."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command here; the model has checked the same bytes")
    secret = bytes(range(32))
    payloads = [b"", b"x", b"seven b", b"8 bytes.", bytes(range(256)) * 100]
    sealer, _ = seams.pair(suite, secret)
    wires = [seams.seal(sealer, [Sealed(3, 0, payload, padding=len(payload) % 3)]) for payload in payloads]
    for number, (payload, wire) in enumerate(zip(payloads, wires, strict=True)):
        keys = frames.material(frames.Direction(schedule.Suite(suite), secret), number)
        command = [openssl, "enc", "-d", f"-aes-{8 * len(keys.cipher_key)}-cbc"]
        command += ["-K", keys.cipher_key.hex(), "-iv", keys.iv.hex()]
        done = subprocess.run(command, input=wire[4:-16], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == frames.plain(frames.Frame(3, 0, payload, len(payload) % 3))


# Poly1305, HKDF, scrypt


@pytest.mark.parametrize("case", rfc.poly1305_cases(), ids=by_name)
def test_poly1305(case):
    module = core()
    tag = module.ffi.new("uint8_t[16]")
    assert module.lib.seam_poly1305(case.key, case.message, len(case.message), tag) == module.lib.SECFTP_OK
    assert bytes(module.ffi.buffer(tag)) == case.tag


@pytest.mark.parametrize("case", rfc.hkdf_cases(), ids=by_name)
def test_hkdf(case):
    module = core()
    out = module.ffi.new("uint8_t[]", len(case.okm))
    assert b"\0" not in case.info  # the core's labels are C strings
    status = module.lib.seam_hkdf(case.salt, len(case.salt), case.ikm, len(case.ikm), case.info, out, len(case.okm))
    assert status == module.lib.SECFTP_OK
    assert bytes(module.ffi.buffer(out)) == case.okm


@pytest.mark.parametrize(
    "key", [b"x", b"\xff", b"password", "ключ".encode(), b"0" * 65536], ids=lambda key: f"{len(key)} bytes"
)
def test_key_is_stretched_by_scrypt(key):
    """hashlib's scrypt gives RFC 7914's own answers in test_model.py."""
    wide = hashlib.scrypt(key, salt=b"secftp/1 SPAKE2-P256-SHA256 w", n=2**14, r=8, p=1, dklen=40)
    assert Password.from_key(key).secret() == (int.from_bytes(wide, "big") % p256.ORDER).to_bytes(32, "big")


def test_an_empty_key_is_no_key():
    with pytest.raises(CoreError):
        Password.from_key(b"")


# SPAKE2


@pytest.mark.parametrize("case", vectors.load_rfc9382(), ids=by_name)
def test_spake2(seams, case):
    lib, ffi, password = seams.lib, seams.ffi, Password.from_secret(case.w)

    def point(function, *arguments) -> bytes:
        out = ffi.new("uint8_t[65]")
        assert function(password._pointer, *arguments, out) == lib.SECFTP_OK
        return bytes(ffi.buffer(out))

    assert point(lib.seam_share, 0, case.x) == case.share_a
    assert point(lib.seam_share, 1, case.y) == case.share_b
    assert point(lib.seam_shared, 0, case.x, case.share_b) == case.k
    assert point(lib.seam_shared, 1, case.y, case.share_a) == case.k
    digest = ffi.new("uint8_t[32]")
    points = case.share_a, case.share_b, case.k
    assert lib.seam_tt_hash(case.a, len(case.a), case.b, len(case.b), *points, case.w, digest) == lib.SECFTP_OK
    assert bytes(ffi.buffer(digest)) == case.hash_tt == case.ke + case.ka


@pytest.mark.parametrize("number", [0, p256.ORDER, p256.ORDER + 1, 2**256 - 1])
def test_a_secret_out_of_range_is_refused(number):
    with pytest.raises(AuthenticationError):
        Password.from_secret(number.to_bytes(32, "big"))


@pytest.mark.parametrize("draws", [[0], [p256.ORDER], [2**256 - 1, 0]])
def test_a_draw_out_of_range_is_drawn_again(seams, draws):
    good = (7).to_bytes(32, "big")
    seams.draw(*(number.to_bytes(32, "big") for number in draws), good)
    assert Password.random().secret() == good


def test_a_generator_that_gives_only_zeros_is_an_error(seams):
    seams.draw(bytes(32 * 16))
    with pytest.raises(CoreError):
        Password.random()


# The self-test


def test_both_builds_pass_their_self_test():
    for lib in (core().lib, binding.lib):
        assert lib.secftp_self_test() == lib.SECFTP_OK
