"""The three flights of the handshake, from both sides, with every check in the protocol's order.

What would be random is an argument, so that a handshake can be repeated byte for byte. `keys_for` and the small
functions below it are public: a vector with a valid MAC over something forbidden is made with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model import aes, p256, schedule, spake2
from tests.model.failure import Failure, Refused
from tests.model.hkdf import hmac_sha256, sha256
from tests.model.schedule import HandshakeKeys, Mode, Secrets, Suite

MAGIC = b"SECFTP"
VERSION = 1
PREFIX = 12
CLIENT_HELLO = 125
SERVER_HELLO = 141
CLIENT_FINISH = 48
HEAD = 93  # bytes of SERVER_HELLO that TH1 covers: all before chal
NAME = 32


def keys_for(suite: Suite, client_hello: bytes, head: bytes, common: bytes, w: int) -> tuple[bytes, HandshakeKeys]:
    """TH1 and the keys, from the bytes on the wire, the encoded K and w."""
    th1 = sha256(client_hello + head)
    tt = schedule.transcript(client_hello[-p256.ENCODED :], head[-p256.ENCODED :], common, w)
    return th1, schedule.handshake_keys(suite, th1, tt)


def block(key: bytes, iv: bytes, nonce: bytes) -> bytes:
    """One block of AES-CBC without padding; under suite none, where there is no key, the block itself."""
    return aes.cbc_encrypt(key, iv, nonce) if key else nonce


def unblock(key: bytes, iv: bytes, encrypted: bytes) -> bytes:
    return aes.cbc_decrypt(key, iv, encrypted) if key else encrypted


def increment(nonce: bytes) -> bytes:
    """(nonce + 1) mod 2^128"""
    return ((int.from_bytes(nonce, "big") + 1) % 2**128).to_bytes(16, "big")


def confirm_server(keys: HandshakeKeys, th1: bytes, chal: bytes) -> bytes:
    return hmac_sha256(keys.confirm_s, th1 + chal)


def confirm_client(keys: HandshakeKeys, th1: bytes, chal: bytes, cb: bytes, resp: bytes) -> bytes:
    return hmac_sha256(keys.confirm_c, th1 + chal + cb + resp)


def client_hello(*, suite: int, mode: int, name: bytes, client_iv: bytes, share: bytes) -> bytes:
    head = MAGIC + bytes([VERSION, suite, mode, 0, 0, 0])
    return head + client_iv + name.ljust(NAME, b"\0") + share


def server_head(*, suite: int, mode: int, server_rand: bytes, share: bytes) -> bytes:
    """SERVER_HELLO up to the challenge."""
    return MAGIC + bytes([VERSION, 0, suite, mode, 0, 0]) + server_rand + share


@dataclass
class Client:
    w: int
    suite: Suite
    mode: Mode
    name: bytes
    client_iv: bytes
    x: int

    def hello(self) -> bytes:
        share = p256.encode(spake2.share_a(self.w, self.x))
        return client_hello(suite=self.suite, mode=self.mode, name=self.name, client_iv=self.client_iv, share=share)

    def finish(self, reply: bytes) -> tuple[bytes, Secrets]:
        """CLIENT_FINISH and the session's secrets, or Refused."""
        self._check_prefix(reply)
        if len(reply) != SERVER_HELLO:
            raise Refused(Failure.INCOMPLETE)
        head, chal, cb = reply[:HEAD], reply[HEAD : HEAD + 16], reply[HEAD + 16 :]
        common = spake2.common_a(self.w, self.x, p256.decode(head[-p256.ENCODED :]))
        hello = self.hello()
        th1, keys = keys_for(self.suite, hello, head, p256.encode(common), self.w)
        if cb != confirm_server(keys, th1, chal):
            raise Refused(Failure.CONFIRMATION)
        nonce = unblock(keys.challenge_s, self.client_iv, chal)
        server_rand = head[PREFIX : PREFIX + 16]
        resp = block(keys.challenge_c, server_rand, increment(nonce))
        finish = resp + confirm_client(keys, th1, chal, cb, resp)
        return finish, schedule.session_secrets(keys.master, hello + reply + finish)

    def _check_prefix(self, reply: bytes) -> None:
        """The first 12 bytes, which may be all there is."""
        if len(reply) < PREFIX:
            raise Refused(Failure.INCOMPLETE)
        if reply[:6] != MAGIC:
            raise Refused(Failure.MAGIC)
        version, status, suite, mode = reply[6:10]
        if version != VERSION:
            raise Refused(Failure.VERSION)
        if status != 0:
            raise Refused(Failure.STATUS)
        if suite != self.suite:
            raise Refused(Failure.SUITE)
        if mode != self.mode:
            raise Refused(Failure.MODE)
        if reply[10:12] != bytes(2):
            raise Refused(Failure.RESERVED)


@dataclass
class Server:
    """`keys` maps a name's UTF-8 to its w, the empty name being the default key; `fallback_w` serves every other."""

    keys: dict[bytes, int]
    fallback_w: int
    server_rand: bytes
    y: int
    nonce: bytes
    suites: tuple[int, ...] = tuple(Suite)
    modes: tuple[int, ...] = (Mode.KEYED,)
    flights: bytes = field(default=b"", init=False)  # what went over the wire so far
    th1: bytes = field(default=b"", init=False)
    derived: HandshakeKeys | None = field(default=None, init=False)

    def respond(self, hello: bytes) -> bytes:
        """SERVER_HELLO, or Refused."""
        self._check_hello(hello)
        suite, mode, name = Suite(hello[7]), hello[8], hello[28:60]
        w = schedule.anonymous_scalar() if mode == Mode.ANONYMOUS else self.pick(name)
        common = spake2.common_b(w, self.y, p256.decode(hello[-p256.ENCODED :]))
        share = p256.encode(spake2.share_b(w, self.y))
        head = server_head(suite=suite, mode=mode, server_rand=self.server_rand, share=share)
        self.th1, keys = keys_for(suite, hello, head, p256.encode(common), w)
        chal = block(keys.challenge_s, hello[12:28], self.nonce)
        reply = head + chal + confirm_server(keys, self.th1, chal)
        self.flights, self.derived = hello + reply, keys
        return reply

    def _check_hello(self, hello: bytes) -> None:
        if len(hello) != CLIENT_HELLO:
            raise Refused(Failure.INCOMPLETE)
        if hello[:6] != MAGIC:
            raise Refused(Failure.MAGIC)
        if hello[6] != VERSION:
            raise Refused(Failure.VERSION)
        if hello[7] not in self.suites:
            raise Refused(Failure.SUITE)
        if hello[8] not in self.modes:
            raise Refused(Failure.MODE)
        if hello[9:12] != bytes(3):
            raise Refused(Failure.RESERVED)
        if hello[8] == Mode.ANONYMOUS and any(hello[28:60]):
            raise Refused(Failure.NAME)

    def pick(self, zero_filled: bytes) -> int:
        """The w for a name as it stands in the hello. Unknown and malformed names are served alike."""
        name = zero_filled.rstrip(b"\0")
        try:
            name.decode()
        except UnicodeDecodeError:
            return self.fallback_w
        return self.fallback_w if b"\0" in name else self.keys.get(name, self.fallback_w)

    def verify(self, finish: bytes) -> Secrets:
        """The session's secrets, or Refused. Only after `respond`."""
        if self.derived is None:
            raise ValueError("nothing was answered yet")
        if len(finish) != CLIENT_FINISH:
            raise Refused(Failure.INCOMPLETE)
        resp, ca = finish[:16], finish[16:]
        chal, cb = self.flights[-48:-32], self.flights[-32:]
        if ca != confirm_client(self.derived, self.th1, chal, cb, resp):
            raise Refused(Failure.CONFIRMATION)
        if unblock(self.derived.challenge_c, self.server_rand, resp) != increment(self.nonce):
            raise Refused(Failure.NONCE)
        return schedule.session_secrets(self.derived.master, self.flights + finish)
