"""Authentication: every pair of keys, every mode with every suite, and invalid shares. The counts are printed.

The key is proved by arithmetic alone, so a pair of keys is tried without a network; what a server's rules make of modes
and suites is tried over sockets.
"""

from __future__ import annotations

import contextlib
import itertools
import socket

import pytest

from secftp.crypto import Mode, Password, Suite
from secftp.errors import AuthenticationError, HandshakeRefused, KeyFormatError, SecftpError
from secftp.keys import Key, generate_key
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake
from secftp.server.options import ServerLimits
from tests.model import p256
from tests.model.named_points import bad_points
from tests.support.counts import COUNTS
from tests.support.serving import DEADLINE, HOST, KEY, SUITES, get, put, serving, session

TEXT = "correct horse battery staple"
LONG = "x" * 65_536
UNCOUNTED = ServerLimits(free_guesses=10**6, guess_burst=10**6)


@pytest.fixture
def tell(record_property):
    """Keep a count for the end of the run, where it is printed."""
    return lambda what, count: record_property(COUNTS, f"[access] {count} {what}")


def shake(mine: Password, theirs: Password, suite: Suite = Suite.AES128, mode: Mode = Mode.KEYED, name: str = ""):
    """Whether a client and a server with these passwords come to a session; both sides have to agree about it."""
    client, server = ClientHandshake(mine, suite, mode, name), ServerHandshake()
    assert isinstance(server.receive(client.hello), HelloReceived)
    reply = server.accept(theirs)
    try:
        established = client.receive(reply)
    except AuthenticationError:
        # A client that does not look at the proof, and answers all the same, is not let in either.
        with pytest.raises(SecftpError):
            server.receive(bytes(48))
        return False
    assert isinstance(server.receive(established.reply), Established)
    return True


KEYS = {
    "a text": TEXT,
    "one bit of it": TEXT[:-1] + "d",
    "another case": TEXT.title(),
    "a blank behind it": TEXT + " ",
    "its first 16 bytes": TEXT[:16],
    "its first 27 bytes": TEXT[:-1],
    "twice": TEXT * 2,
    "one byte": "x",
    "another byte": "y",
    "that byte 16 times": "x" * 16,
    "that byte 32 times": "x" * 32,
    "64 KiB": LONG,
    "64 KiB less one": LONG[:-1],
    "64 KiB, the last bit": LONG[:-1] + "y",
    "composed": "cl\u00e9",
    "without the accent": "cle",
    "digits": "1",
    "a digit of another script": "\u0661",
}


def test_every_pair_of_keys(tell):
    """Each opens itself and no other."""
    passwords = {name: Key.from_text(text).password() for name, text in KEYS.items()}
    for mine, theirs in itertools.product(passwords, repeat=2):
        assert shake(passwords[mine], passwords[theirs]) == (mine == theirs), f"{mine} and {theirs}"
    tell(f"pairs of {len(KEYS)} keys: each opened itself alone", len(KEYS) ** 2)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name.lower())
def test_every_bit_of_a_stretched_key(tell, suite):
    right = KEY.password()
    secret = bytes(31) + b"\x07"
    count = 0
    for bit in range(256):
        other = bytearray(secret)
        other[bit // 8] ^= 0x80 >> bit % 8
        if 0 < int.from_bytes(other, "big") < p256.ORDER:
            assert not shake(Password.from_secret(bytes(other)), right, suite)
            count += 1
    assert count >= 255
    assert shake(Password.from_secret(secret), right, suite)
    tell(f"keys off by one bit: none opened it ({suite.name.lower()})", count)


def test_the_same_key_in_other_spellings():
    """NFC, and the ways to type a generated key, make one key of several texts; nothing else does."""
    assert shake(Key.from_text("cle\u0301").password(), Key.from_text("cl\u00e9").password())
    printed = generate_key()
    right = Key.from_text(printed).password()
    for typed in (printed.lower(), printed.replace("-", ""), printed.replace("-", " "), printed.replace("0", "O")):
        assert shake(Key.from_text(typed).password(), right)


@pytest.mark.parametrize("text", ["", "\n", "secftp-key-1 x"])
def test_what_is_no_key(text):
    with pytest.raises(KeyFormatError):
        Key.from_text(text.rstrip("\n") if text == "\n" else text)


# --- modes and suites -------------------------------------------------------------------------------------------------

SERVERS = {
    "keyed": {},
    "anonymous": {"key": None, "anonymous": True},
    "anonymous write": {"key": None, "anonymous_write": True},
    "both": {"anonymous": True},
    "both, write": {"anonymous_write": True},
}
TAKEN = [frozenset(Suite), *(frozenset({suite}) for suite in Suite), frozenset({Suite.AES128, Suite.AES256})]


def outcome(server, key, suite):
    """What a client comes to: "write", "read", the status that refuses it, or "no key"."""
    try:
        with session(server.port, key, suite) as client:
            assert get(client, b"file") == b"contents"
            try:
                put(client, b"name", b"new")
            except PermissionError:
                return "read"
            return "write"
    except HandshakeRefused:
        return "refused"
    except AuthenticationError:
        return "no key"


def expected(kind, taken, key, suite):
    if suite not in taken:
        return "refused"
    if key is not None:
        return "write" if "key" not in SERVERS[kind] else "no key"
    if kind == "keyed":
        return "refused"
    return "write" if "write" in kind else "read"


@pytest.mark.parametrize("kind", SERVERS)
def test_keyed_and_anonymous_with_every_suite(tmp_path, tell, kind):
    (tmp_path / "file").write_bytes(b"contents")
    count = 0
    for taken in TAKEN:
        with serving(tmp_path, suites=taken, limits=UNCOUNTED, **SERVERS[kind]) as server:
            for key, suite in itertools.product((KEY, None), Suite):
                assert outcome(server, key, suite) == expected(kind, taken, key, suite), (taken, key, suite)
                count += 1
    tell(f"clients of each mode and suite at servers of each: as they should ({kind})", count)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name.lower())
def test_the_modes_do_not_mix(suite):
    """The anonymous password proves no key and no key proves anonymity, whatever the hello says."""
    anonymous, keyed = Password.anonymous(), KEY.password()
    for mode in Mode:
        assert not shake(anonymous, keyed, suite, mode)
        assert not shake(keyed, anonymous, suite, mode)


@pytest.mark.parametrize(("asked", "got"), list(itertools.permutations(Suite, 2)))
def test_a_suite_that_was_changed_on_the_way(asked, got):
    """Down or up: the hello says another suite to the server than the client said, and back."""
    client, server = ClientHandshake(KEY.password(), asked, Mode.KEYED, ""), ServerHandshake()
    hello = bytearray(client.hello)
    hello[7] = got
    assert server.receive(bytes(hello)).suite is got
    reply = bytearray(server.accept(KEY.password()))
    reply[8] = asked
    with pytest.raises(SecftpError):
        client.receive(bytes(reply))
    with pytest.raises(AuthenticationError):
        server.receive(bytes(48))


# --- shares -----------------------------------------------------------------------------------------------------------

SHARES = list(bad_points(p256.G))


def test_bad_shares_at_a_server(tmp_path, tell):
    """Over a socket: not one byte comes back, so there is nothing to be learnt; and no challenge is sent."""
    hello = bytearray(ClientHandshake(KEY.password(), Suite.AES128, Mode.KEYED, "").hello)
    with serving(tmp_path) as server:
        for count, bad in enumerate(SHARES, 1):
            hello[60:] = bad.encoded
            with socket.create_connection((HOST, server.port), timeout=DEADLINE) as sock:
                sock.sendall(hello)
                with contextlib.suppress(ConnectionResetError):
                    assert sock.recv(200) == b"", bad.name
            server.done(count)
        with session(server.port) as client:
            put(client, b"name", b"new")
    tell("shares that are no points, at a server: closed without a byte", len(SHARES))


def test_bad_shares_at_a_client(tell):
    for bad in SHARES:
        client, server = ClientHandshake(KEY.password(), Suite.AES128, Mode.KEYED, ""), ServerHandshake()
        server.receive(client.hello)
        reply = bytearray(server.accept(KEY.password()))
        reply[28:93] = bad.encoded
        with pytest.raises(SecftpError):
            client.receive(bytes(reply))
    tell("shares that are no points, at a client: refused", len(SHARES))


def test_degenerate_shares(tell):
    """Points of the curve that an attacker without the key may try: they give no session, and no crash."""
    multiples = [p256.multiply(k, p256.G) for k in (1, 2, 3, p256.ORDER - 1)]
    tried = [*multiples, p256.M, p256.N, p256.negate(p256.M), p256.negate(p256.N)]
    for point in tried:
        share = p256.encode(point)
        hello = bytearray(ClientHandshake(KEY.password(), Suite.AES128, Mode.KEYED, "").hello)
        hello[60:] = share
        server = ServerHandshake()
        server.receive(bytes(hello))
        assert len(server.accept(KEY.password())) == 141
        with pytest.raises(AuthenticationError):
            server.receive(bytes(48))
        client = ClientHandshake(KEY.password(), Suite.AES128, Mode.KEYED, "")
        with pytest.raises(SecftpError):
            client.receive(client.hello[:7] + b"\0" + client.hello[7:9] + bytes(2) + bytes(16) + share + bytes(48))
    # With the key, the share that leaves the identity: w·M to a server whose key is w.
    w = 7
    hello[60:] = p256.encode(p256.multiply(w, p256.M))
    server = ServerHandshake()
    server.receive(bytes(hello))
    with pytest.raises(AuthenticationError):
        server.accept(Password.from_secret(w.to_bytes(32, "big")))
    tell("degenerate shares: no session", 2 * len(tried) + 1)
