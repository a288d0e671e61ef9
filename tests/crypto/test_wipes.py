"""Erasure of secrets: none on the core's stack after a call, none in an object that is exhausted or freed.

Each call runs on a stack of its own, which is looked through afterwards for every secret that the model derives for
this session. So what libcrypto leaves on the stack would be found, too. But what is left may be gone because a later
call of the core happened to write there. So every wipe is counted as well, by what it wiped: a secret that was in two
buffers was wiped twice.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys

import pytest

from secftp.crypto import Password, Suite, binding
from tests.model import handshake, p256, schedule, spake2
from tests.model.frames import Direction, material
from tests.model.hkdf import expand, extract, sha256
from tests.seamed.product import seams

__all__ = ["seams"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc and Linux's /proc are looked into")

STACK_BYTES = 1 << 20
EPOCH_BITS = 2
suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)


def drawn(name, size=32):
    """A secret that nothing else in memory looks like, below the group's order."""
    return b"\x12" * (size == 32) + hashlib.sha256(name.encode()).digest()[: size - (size == 32)]


W, X, Y = drawn("w"), drawn("x"), drawn("y")
CLIENT_IV, SERVER_RAND, NONCE = drawn("client iv", 16), drawn("server rand", 16), drawn("nonce", 16)


@functools.cache  # the model is slow, and none of these changes
def session_of(suite):
    return Session(suite)


class Session:
    """A handshake as the model has it, and every secret in it."""

    def __init__(self, suite):
        suite = schedule.Suite(suite)
        w, x, y = (int.from_bytes(value, "big") for value in (W, X, Y))
        client = handshake.Client(w, suite, schedule.Mode.KEYED, b"", CLIENT_IV, x)
        server = handshake.Server({b"": w}, w, SERVER_RAND, y, NONCE)
        self.hello = client.hello()
        self.reply = server.respond(self.hello)
        self.finish, self.secrets = client.finish(self.reply)
        head = self.reply[: handshake.HEAD]
        common = p256.encode(spake2.common_a(w, x, p256.decode(head[-p256.ENCODED :])))
        tt = sha256(schedule.transcript(self.hello[-p256.ENCODED :], head[-p256.ENCODED :], common, w))
        th1 = sha256(self.hello + head)
        keys = schedule.handshake_keys(
            suite, th1, schedule.transcript(self.hello[-p256.ENCODED :], head[-p256.ENCODED :], common, w)
        )
        self.of_handshake = {
            "w": W,
            "the client's scalar": X,
            "the server's scalar": Y,
            "the shared point": common[1:33],
            "the hash of TT": tt,
            "the handshake's PRK": extract(th1, tt),
            "the server's confirmation key": keys.confirm_s,
            "the client's confirmation key": keys.confirm_c,
            "the master secret": keys.master,
        }
        self.of_challenge = {"the nonce": NONCE, "the nonce and one": handshake.increment(NONCE)}
        if suite.key_size:  # else both go over the wire as they are
            self.of_handshake |= {"the server's challenge key": keys.challenge_s}
            self.of_handshake |= {"the client's challenge key": keys.challenge_c}
        else:
            self.of_challenge = {}
        self.of_session = {
            "the session's PRK": extract(sha256(self.hello + self.reply + self.finish), keys.master),
            "the client's first secret": self.secrets.c2s,
            "the server's first secret": self.secrets.s2c,
        }
        for name, secret in (("client", self.secrets.c2s), ("server", self.secrets.s2c)):
            self.of_session |= of_epoch(f"the {name}'s", secret, suite)


def of_epoch(whose, secret, suite):
    found = {f"{whose} frame key": schedule.frame_key(secret)}
    if suite.key_size:
        found[f"{whose} cipher key"] = schedule.cipher_key(secret, suite)
    return found


def of_frames(suite, secret, count):
    """The secrets of a direction's first frames: their tags' keys, and what each epoch has."""
    suite = schedule.Suite(suite)
    way = Direction(suite, secret, EPOCH_BITS)
    found = {f"the tag key of frame {number}": material(way, number).tag_key for number in range(count)}
    for epoch in range((count - 1 >> EPOCH_BITS) + 1):
        current = schedule.epoch_secret(secret, epoch)
        found |= {f"the secret of epoch {epoch}": current} | of_epoch(f"epoch {epoch}'s", current, suite)
    return found


def found_in(memory, secrets):
    """The names of the secrets of which 16 bytes or more stand there."""
    return [
        name for name, secret in secrets.items() if any(secret[at : at + 16] in memory for at in (0, len(secret) - 16))
    ]


class Caller:
    """Calls functions of the core, each on a stack of its own. `wiped` is what the last one wiped."""

    def __init__(self, seams):
        self.lib, self.ffi = seams.lib, seams.ffi
        self._stack = self.ffi.new("uint8_t[]", STACK_BYTES)
        self.wiped = []

    def __call__(self, function, *arguments):
        """The status of a call, and its stack afterwards."""
        ffi = self.ffi
        held = [ffi.from_buffer(one) if isinstance(one, bytes) else one for one in arguments]
        given = ffi.new("void *[]", [ffi.cast("void *", one) for one in held])
        address = ffi.cast("void *", ffi.addressof(self.lib, function))
        self.lib.seam_wipes_begin()
        status = self.lib.seam_call_on_a_stack(address, given, len(held), self._stack, STACK_BYTES)
        self.wiped = self._wipes()
        return status, bytes(ffi.buffer(self._stack))

    def _wipes(self):
        kept = self.ffi.new("uint8_t[]", 1 << 18)
        left = bytes(self.ffi.buffer(kept, self.lib.seam_wipes_end(kept, len(kept))))
        found = []
        while left:
            size = int.from_bytes(left[:4], sys.byteorder)
            found.append(left[4 : 4 + size])
            left = left[4 + size :]
        return found

    def counts(self, secrets):
        """How often each of these secrets was wiped by the last call; those that were not are left out."""
        counted = {name: sum(secret in one for one in self.wiped) for name, secret in secrets.items()}
        return {name: count for name, count in counted.items() if count}

    def object(self, pointer):
        """What an object that is alive holds."""
        return bytes(self.ffi.buffer(pointer, self.lib.seam_object_bytes(pointer)))


class Both:
    """A client and a server in the core, as far as a test lets them go; what is made is freed in the end."""

    def __init__(self, seams, suite):
        self.call = Caller(seams)
        self.seams = seams
        self.session = session_of(suite)
        self.suite = suite
        self.password = Password.from_secret(W)
        self.made = []

    def _new(self, kind):
        out = self.call.ffi.new(f"secftp_{kind} **")
        self.made.append((kind, out))
        return out

    def start(self):
        self.seams.draw(CLIENT_IV, X)
        hello = self.call.ffi.new("uint8_t[125]")
        self.client = self._new("client")
        pointer = self.password._pointer
        status, stack = self.call("secftp_client_start", pointer, int(self.suite), 1, bytes(32), hello, self.client)
        assert (status, bytes(self.call.ffi.buffer(hello))) == (0, self.session.hello)
        return stack

    def respond(self):
        self.seams.draw(SERVER_RAND, Y, NONCE)
        reply = self.call.ffi.new("uint8_t[141]")
        self.server = self._new("server")
        pointer = self.password._pointer
        status, stack = self.call("secftp_server_respond", pointer, self.session.hello, reply, self.server)
        assert (status, bytes(self.call.ffi.buffer(reply))) == (0, self.session.reply)
        return stack

    def client_finish(self, reply=None):
        finish = self.call.ffi.new("uint8_t[48]")
        self.sealer, self.opener = self._new("sealer"), self._new("opener")
        return self.call(
            "secftp_client_finish", self.client[0], reply or self.session.reply, finish, self.sealer, self.opener
        )

    def server_finish(self, finish=None):
        sealer, opener = self._new("sealer"), self._new("opener")
        return self.call("secftp_server_finish", self.server[0], finish or self.session.finish, sealer, opener)

    def free(self):
        for kind, out in self.made:
            getattr(self.call.lib, f"secftp_{kind}_free")(out[0])
        self.made.clear()
        del self.password


@pytest.fixture
def both(seams, suite):
    made = Both(seams, suite)
    yield made
    made.free()


ONCE = ["the hash of TT", "the handshake's PRK", "w"]
KEYS = [
    "the server's confirmation key",
    "the client's confirmation key",
    "the master secret",
    "the server's challenge key",
    "the client's challenge key",
]
SESSION = [
    "the session's PRK",
    "the client's first secret",
    "the server's first secret",
    "the client's frame key",
    "the server's frame key",
    "the client's cipher key",
    "the server's cipher key",
]


@suites
def test_each_secret_of_a_handshake_is_wiped_where_it_was(both):
    """The shared point is in a buffer of its own and in TT; the nonce's successor is what is expected and what came."""
    session, call = both.session, both.call
    proofs = {"the server's proof": session.reply[-32:], "the client's proof": session.finish[-32:]}
    challenge = {"the nonce": NONCE, "the nonce and one": handshake.increment(NONCE)}
    secrets = session.of_handshake | challenge | session.of_session | proofs

    def once(*names):
        return dict.fromkeys((name for name in names if name in secrets), 1)

    both.start()
    assert call.counts(secrets) == {}
    both.respond()
    assert call.counts(secrets) == once(*ONCE, "the server's scalar") | {"the shared point": 2}
    both.client_finish()
    assert call.counts(secrets) == once(
        *ONCE, *KEYS, *SESSION, *challenge, "the client's scalar", "the server's proof"
    ) | {"the shared point": 2}
    both.server_finish()
    assert call.counts(secrets) == once(*KEYS, *SESSION, "the nonce", "the client's proof") | {"the nonce and one": 2}


@suites
def test_nothing_secret_stays_on_the_stack_of_a_handshake(both):
    """After each of its four steps; the secrets of a session are all that stays, in its sealer and its opener."""
    session = both.session
    secrets = session.of_handshake | session.of_challenge | session.of_session
    assert found_in(both.start(), secrets) == []
    assert found_in(both.respond(), secrets) == []
    status, stack = both.client_finish()
    assert (status, found_in(stack, secrets)) == (0, [])
    status, stack = both.server_finish()
    assert (status, found_in(stack, secrets)) == (0, [])


@suites
def test_nothing_secret_stays_on_the_stack_of_a_handshake_that_is_refused(both):
    """The proof that was expected is as secret as the key until it has been shown."""
    session = both.session
    both.start()
    both.respond()
    secrets = session.of_handshake | session.of_challenge | session.of_session
    expected = {"the server's proof": session.reply[-32:], "the client's proof": session.finish[-32:]}
    status, stack = both.client_finish(session.reply[:-32] + bytes(32))
    assert (status, found_in(stack, secrets | expected)) == (both.call.lib.SECFTP_REFUSED, [])
    status, stack = both.server_finish(session.finish[:-32] + bytes(32))
    assert (status, found_in(stack, secrets | expected)) == (both.call.lib.SECFTP_REFUSED, [])


@suites
def test_a_half_of_a_handshake_that_is_used_up_holds_no_secret(both):
    """Forward secrecy begins with the session, and not when the handshake is freed."""
    session = both.session
    both.start()
    both.respond()
    of_client = {"the client's scalar": X}
    of_server = {name: secret for name, secret in session.of_handshake.items() if " key" in name or "master" in name}
    of_server |= session.of_challenge
    assert found_in(both.call.object(both.client[0]), of_client) == list(of_client)
    assert found_in(both.call.object(both.server[0]), of_server | {"n": NONCE}) == [*of_server_before(of_server), "n"]
    both.client_finish()
    both.server_finish()
    assert found_in(both.call.object(both.client[0]), session.of_handshake | session.of_session) == []
    held = found_in(both.call.object(both.server[0]), session.of_handshake | session.of_session | session.of_challenge)
    assert held == []


def of_server_before(secrets):
    """What a server holds between challenge and finish: the keys and the nonce, which is all but its successor."""
    return [name for name in secrets if name != "the nonce and one"]


@suites
def test_nothing_secret_stays_on_the_stack_of_sealing_and_opening(seams, suite):
    """Over two epochs of four frames: the keys of each frame, and those of each epoch."""
    call, lib, ffi = Caller(seams), seams.lib, seams.ffi
    lib.seam_set_epoch_bits(EPOCH_BITS)
    secret, count = drawn("a direction"), 7
    secrets = of_frames(suite, secret, count)
    sealer, opener = seams.pair(suite, secret)
    size = count * lib.secftp_wire_bytes(suite, 5)
    wire, frames, written = (
        ffi.new("uint8_t[]", size),
        ffi.new("secftp_frame[]", [(5, 0, 3, 0)] * count),
        ffi.new("size_t *"),
    )
    status, stack = call("secftp_seal", sealer._pointer, wire, size, frames, count, written)
    assert (status, written[0], found_in(stack, secrets)) == (0, size, [])
    wiped = [name for name in secrets if "tag key" in name or "epoch 1" in name]
    assert call.counts(secrets) == dict.fromkeys(wiped, 1)
    opened, taken, consumed = ffi.new("secftp_opened[]", count), ffi.new("size_t *"), ffi.new("size_t *")
    status, stack = call("secftp_open", opener._pointer, wire, size, opened, count, taken, consumed)
    assert (status, taken[0], found_in(stack, secrets)) == (0, count, [])
    assert call.counts(secrets) == dict.fromkeys(wiped, 1)


def test_nothing_secret_stays_on_the_stack_of_stretching(seams):
    """Neither the key's stretched form nor the wide number that it is reduced from."""
    call, ffi = Caller(seams), seams.ffi
    key = b"a key that a user chose"
    wide = hashlib.scrypt(key, salt=schedule.SALT_KEYED, n=2**14, r=8, p=1, dklen=40)
    w = schedule.scalar(key).to_bytes(32, "big")
    out = ffi.new("secftp_password **")
    status, stack = call("secftp_password_from_key", key, len(key), out)
    assert call.counts({"wide": wide, "w": w}) == {"wide": 1}
    held = call.object(out[0])
    seams.lib.secftp_password_free(out[0])
    assert (status, found_in(stack, {"wide": wide, "w": w})) == (0, [])
    assert found_in(held, {"w": w}) == ["w"]


def test_a_secret_that_is_there_is_found(seams):
    """On a stack that is not wiped: the same search finds what a function of the tests leaves there."""
    call = Caller(seams)
    secret, salt = drawn("input"), drawn("salt")
    out = seams.ffi.new("uint8_t[32]")
    info = seams.ffi.new("char[]", b"info")
    status, stack = call("seam_hkdf", salt, len(salt), secret, len(secret), info, out, 32)
    prk = extract(salt, secret)
    assert (status, bytes(seams.ffi.buffer(out))) == (0, expand(prk, b"info", 32))
    assert found_in(stack, {"prk": prk}) == ["prk"]


# --- the product's own core -------------------------------------------------------------------------------------------


def memory_at(address, size):
    """This process's memory, wherever that is: what was freed may be read so."""
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        return os.pread(memory.fileno(), size, address)


def test_a_key_that_is_freed_is_gone():
    """The product's own core, with the memory that a Password had. What malloc writes into it is its first 16 bytes."""
    ffi, lib = binding.ffi, binding.lib
    out = ffi.new("secftp_password **")
    assert lib.secftp_password_from_secret(W, out) == lib.SECFTP_OK
    address = int(ffi.cast("uintptr_t", out[0]))
    size = 64
    while W[16:] not in memory_at(address, size):
        size += 16
        assert size <= 256, "the secret stands in the object"
    lib.secftp_password_free(out[0])
    assert W[16:] not in memory_at(address, size)
