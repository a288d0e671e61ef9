"""The handshake of the product as its callers use it: in pieces of any size, under every suite, mode, name and key."""

from __future__ import annotations

import re

import pytest

from secftp.crypto import (
    CLIENT_FINISH_BYTES,
    CLIENT_HELLO_BYTES,
    REFUSAL_BYTES,
    SERVER_HELLO_BYTES,
    Mode,
    Password,
    Suite,
)
from secftp.errors import AuthenticationError, HandshakeRefused, ProtocolError, UsageError
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake, Status, Unacceptable

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NUMBER = 0x1F2E3D4C5B6A79881F2E3D4C5B6A79881F2E3D4C5B6A79881F2E3D4C5B6A7988

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)
modes = pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
deliveries = pytest.mark.parametrize("step", [1, 7, 48, 200], ids=lambda step: f"{step} at once")


def secret(number: int) -> Password:
    return Password.from_secret(number.to_bytes(32, "big"))


@pytest.fixture(scope="module")
def password() -> Password:
    return secret(NUMBER)


def deliver(receive, data: bytes, step: int):
    """All of it; nothing is answered before its last byte is there."""
    for at in range(0, len(data) - step, step):
        assert receive(data[at : at + step]) is None
    return receive(data[(len(data) - 1) // step * step :])


def establish(client: ClientHandshake, server: ServerHandshake, password: Password, step: int = 200):
    asked = deliver(server.receive, client.hello, step)
    assert isinstance(asked, HelloReceived)
    mine = deliver(client.receive, server.accept(password), step)
    yours = deliver(server.receive, mine.reply, step)
    assert isinstance(mine, Established)
    assert isinstance(yours, Established)
    return mine, yours


def send(sender: Established, receiver: Established, text: bytes) -> None:
    """One frame through the boxes of both ends."""
    outbox, inbox = sender.boxes()[0], receiver.boxes()[1]
    outbox.add(3, 0, text)
    wire = outbox.seal()
    inbox.room()[: len(wire)] = wire
    inbox.received(len(wire))
    (frame,) = inbox.frames()
    assert (frame.type, frame.flags, bytes(frame.payload)) == (3, 0, text)


# --- success --------------------------------------------------------------------------------------------------------


@suites
@modes
@deliveries
def test_both_sides_are_established(password, suite, mode, step):
    shared = password if mode is Mode.KEYED else Password.anonymous()
    client, server = ClientHandshake(shared, suite, mode), ServerHandshake()
    mine, yours = establish(client, server, shared, step)
    assert (len(client.hello), len(mine.reply)) == (CLIENT_HELLO_BYTES, CLIENT_FINISH_BYTES)
    assert (mine.rest, yours.rest, yours.reply) == (b"", b"", b"")
    send(mine, yours, b"to the server")
    send(yours, mine, b"to the client")


@suites
@modes
def test_a_server_is_told_what_is_asked(password, suite, mode):
    client = ClientHandshake(password, suite, mode)
    asked = ServerHandshake().receive(client.hello)
    assert asked == HelloReceived(suite, mode, "", client.hello[12:28])


def test_no_two_handshakes_share_what_is_drawn(password):
    seen, runs = set(), 20
    for _ in range(runs):
        client, server = ClientHandshake(password, Suite.NONE, Mode.KEYED), ServerHandshake()
        server.receive(client.hello)
        reply = server.accept(password)
        seen.update([client.hello[12:28], client.hello[60:], reply[12:28], reply[28:93], reply[93:109]])
    assert len(seen) == 5 * runs


@deliveries
def test_bytes_after_the_finish_are_the_first_frames(password, step):
    client, server = ClientHandshake(password, Suite.AES256, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    mine = client.receive(server.accept(password))
    outbox, _ = mine.boxes()
    outbox.add(3, 0, b"with the finish")
    outbox.add(4, 1, b"")
    stream = mine.reply + bytes(outbox.seal())
    event, at = None, 0
    while event is None:
        event = server.receive(stream[at : at + step])
        at += step
    _, inbox = event.boxes()
    late = stream[at:]
    inbox.room()[: len(late)] = late
    inbox.received(len(late))
    assert [(frame.type, bytes(frame.payload)) for frame in inbox.frames()] == [(3, b"with the finish"), (4, b"")]


def test_bytes_before_the_acceptance_are_kept_back(password):
    """A finish can't be right before there is a challenge, so it is read only after that."""
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED), ServerHandshake()
    assert isinstance(server.receive(client.hello + bytes(40)), HelloReceived)
    assert server.receive(bytes(7)) is None
    server.accept(password)
    assert server.receive(b"") is None
    with pytest.raises(AuthenticationError):
        server.receive(b"\0")


# --- keys -----------------------------------------------------------------------------------------------------------


@suites
def test_a_key_that_is_off_by_one_bit(password, suite):
    """Each of the 256: the client finds the server wrong, and a finish that it might send is wrong at the server."""
    numbers = [NUMBER ^ 1 << bit for bit in range(256)]
    assert all(0 < number < ORDER for number in numbers)
    for number in numbers:
        client, server = ClientHandshake(secret(number), suite, Mode.KEYED), ServerHandshake()
        server.receive(client.hello)
        with pytest.raises(AuthenticationError, match="did not prove"):
            client.receive(server.accept(password))


@pytest.mark.parametrize("other", [b"notsosecret12", b"notsosecret122", b"notsosecret1233", b"Notsosecret123", b"n"])
def test_a_key_that_is_nearly_right(other):
    password = Password.from_key(b"notsosecret123")
    client, server = ClientHandshake(Password.from_key(other), Suite.AES128, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    with pytest.raises(AuthenticationError) as caught:
        client.receive(server.accept(password))
    assert caught.value.hint


@pytest.mark.parametrize("key", [b"x", b"0" * 65536], ids=len)
def test_a_key_of_any_length(key):
    mine = ClientHandshake(Password.from_key(key), Suite.AES128, Mode.KEYED)
    send(*establish(mine, ServerHandshake(), Password.from_key(key)), b"the same key")


@suites
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_key_and_the_anonymous_one_do_not_mix(password, suite, mode):
    mine, yours = (password, Password.anonymous())[:: 1 if mode is Mode.KEYED else -1]
    client, server = ClientHandshake(mine, suite, mode), ServerHandshake()
    server.receive(client.hello)
    with pytest.raises(AuthenticationError):
        client.receive(server.accept(yours))


@suites
def test_a_finish_of_a_client_without_the_key(password, suite):
    """What a client with another key would send if it did not check the server."""
    client, server = ClientHandshake(password, suite, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    server.accept(password)
    impostor, other = ClientHandshake(secret(5), suite, Mode.KEYED), ServerHandshake()
    other.receive(impostor.hello)
    finish = impostor.receive(other.accept(secret(5))).reply
    with pytest.raises(AuthenticationError, match="client"):
        server.receive(finish)
    with pytest.raises(ProtocolError):
        server.receive(b"")


def test_an_unknown_name_looks_like_a_wrong_key(password):
    """The password for unknown names answers with as many bytes, and fails as late."""
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED, "nobody"), ServerHandshake()
    server.receive(client.hello)
    reply = server.accept(Password.random())
    assert len(reply) == SERVER_HELLO_BYTES
    assert client.receive(reply[:-1]) is None
    with pytest.raises(AuthenticationError):
        client.receive(reply[-1:])


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "backup", "ключ", "n" * 32, "я" * 16, " ", "a/../b", "\x01"])
def test_a_name_arrives(password, name):
    asked = ServerHandshake().receive(ClientHandshake(password, Suite.NONE, Mode.KEYED, name).hello)
    assert asked.name == name


@pytest.mark.parametrize("name", ["n" * 33, "я" * 17, "a\0b", "\0", "a\0"])
def test_a_name_that_does_not_fit_is_not_sent(password, name):
    with pytest.raises(UsageError, match="32 bytes"):
        ClientHandshake(password, Suite.NONE, Mode.KEYED, name)


@pytest.mark.parametrize("field", [b"\xff", b"a\0b", b"\0a", b"\xc0\x80", b"\xed\xa0\x80", b"\xd0" * 32])
def test_a_malformed_name_is_unknown(password, field):
    hello = bytearray(ClientHandshake(password, Suite.NONE, Mode.KEYED).hello)
    hello[28:60] = field.ljust(32, b"\0")
    assert ServerHandshake().receive(bytes(hello)).name is None


def test_an_anonymous_client_has_no_name():
    hello = bytearray(ClientHandshake(Password.anonymous(), Suite.NONE, Mode.ANONYMOUS).hello)
    for at in range(28, 60):
        named = bytearray(hello)
        named[at] = 1
        with pytest.raises(ProtocolError):
            ServerHandshake().receive(bytes(named))


# --- refusals -------------------------------------------------------------------------------------------------------


@deliveries
@pytest.mark.parametrize("status", list(Status)[1:], ids=lambda status: status.name)
def test_a_refusal_is_told(password, step, status):
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    refusal = server.refuse(status)
    assert refusal == b"SECFTP\1" + bytes([status, Suite.AES128, Mode.KEYED, 0, 0])
    with pytest.raises(HandshakeRefused) as caught:
        deliver(client.receive, refusal, step)
    assert caught.value.hint
    for over in (lambda: client.receive(b""), lambda: server.receive(b""), lambda: server.accept(password)):
        with pytest.raises(ProtocolError):
            over()


def test_each_refusal_has_its_own_words(password):
    told = set()
    for status in [*range(1, 256)]:
        client = ClientHandshake(password, Suite.AES128, Mode.KEYED)
        with pytest.raises(HandshakeRefused) as caught:
            client.receive(b"SECFTP\1" + bytes([status]) + b"evil")
        told.add(str(caught.value))
        assert "evil" not in str(caught.value) + caught.value.hint
    assert len(told) == len(Status) - 1 + 1  # one for all that are not known


@pytest.mark.parametrize("size", range(8, REFUSAL_BYTES))
def test_a_refusal_is_not_believed_before_it_is_whole(password, size):
    client = ClientHandshake(password, Suite.AES128, Mode.KEYED)
    assert client.receive(b"SECFTP\1\4\0\0\0\0"[:size]) is None


@pytest.mark.parametrize(("at", "status"), [(6, Status.VERSION), (7, Status.SUITE), (8, Status.MODE)], ids=str)
def test_what_no_server_speaks_is_refused_with_a_reason(password, at, status):
    for value in range(256):
        hello = bytearray(ClientHandshake(password, Suite.AES128, Mode.KEYED).hello)
        known = {6: [1], 7: list(Suite), 8: list(Mode)}[at]
        if value not in known:
            hello[at] = value
            server = ServerHandshake()
            assert server.receive(bytes(hello)) == Unacceptable(status)
            assert server.refuse(status)[:8] == b"SECFTP\1" + bytes([status])
            with pytest.raises((ProtocolError, AuthenticationError)):
                server.accept(password)


def test_another_version_is_refused_at_its_byte():
    """A later version's hello may be shorter than ours; waiting for 125 bytes would leave both sides waiting."""
    server = ServerHandshake()
    assert server.receive(b"SECFTP") is None
    assert server.receive(b"\2") == Unacceptable(Status.VERSION)


@pytest.mark.parametrize(
    "foreign", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-OpenSSH_9.9\r\n", b"\x16\x03\x01", b"secftp", b"\0"]
)
def test_other_protocols_are_noticed_at_the_first_byte(password, foreign):
    client = ClientHandshake(password, Suite.AES128, Mode.KEYED)
    for side in (client, ServerHandshake()):
        at = next(at for at in range(len(foreign)) if foreign[at] != b"SECFTP\1"[at])
        assert side.receive(foreign[:at]) is None
        with pytest.raises(ProtocolError, match="does not speak secftp"):
            side.receive(foreign[at : at + 1])
        with pytest.raises(ProtocolError, match="over"):
            side.receive(b"")


def test_a_prefix_of_the_magic_is_waited_for(password):
    for size in range(7):
        assert ServerHandshake().receive(b"SECFTP\1"[:size]) is None
        assert ClientHandshake(password, Suite.AES128, Mode.KEYED).receive(b"SECFTP\1"[:size]) is None


# --- too much, too early, twice -------------------------------------------------------------------------------------


@suites
@pytest.mark.parametrize("extra", [1, 28, 1000])
def test_bytes_between_the_reply_and_the_finish(password, suite, extra):
    """They would stand before the session's first frame, and anyone can have put them there."""
    client, server = ClientHandshake(password, suite, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    with pytest.raises(ProtocolError, match="more than the handshake"):
        client.receive(server.accept(password) + bytes(extra))
    with pytest.raises(ProtocolError, match="over"):
        client.receive(b"")


@pytest.mark.parametrize("at", [*range(9, 12)])
def test_reserved_bytes_of_a_hello(password, at):
    for bit in range(8):
        hello = bytearray(ClientHandshake(password, Suite.AES128, Mode.KEYED).hello)
        hello[at] = 1 << bit
        server = ServerHandshake()
        with pytest.raises(ProtocolError):
            server.receive(bytes(hello))
        with pytest.raises(ProtocolError):
            server.accept(password)


def test_nothing_is_accepted_before_a_hello_or_twice(password):
    server = ServerHandshake()
    with pytest.raises(ProtocolError):
        server.accept(password)
    server.receive(ClientHandshake(password, Suite.AES128, Mode.KEYED).hello)
    server.accept(password)
    with pytest.raises(ProtocolError):
        server.accept(password)


def test_a_share_that_is_no_point_ends_the_handshake(password):
    server = ServerHandshake()
    hello = bytearray(ClientHandshake(password, Suite.AES128, Mode.KEYED).hello)
    hello[-1] ^= 1
    server.receive(bytes(hello))
    with pytest.raises(AuthenticationError):
        server.accept(password)
    with pytest.raises(ProtocolError, match="no hello"):
        server.accept(password)
    with pytest.raises(ProtocolError, match="over"):
        server.receive(b"")


def test_an_established_handshake_is_over(password):
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED), ServerHandshake()
    establish(client, server, password)
    for side in (client, server):
        with pytest.raises(ProtocolError, match="over"):
            side.receive(b"")
    with pytest.raises(ProtocolError):
        server.accept(password)


@pytest.mark.parametrize("cut", [0, 1, 27, 28, 60, 93, 108, 109, 140])
def test_a_refused_reply_can_not_be_corrected(password, cut):
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    reply = server.accept(password)
    wrong = bytearray(reply)
    wrong[cut] ^= 0x10
    with pytest.raises((AuthenticationError, ProtocolError, HandshakeRefused)):
        client.receive(bytes(wrong))
    with pytest.raises(ProtocolError, match="over"):
        client.receive(reply)


def test_sentences_tell_nothing_of_the_key(password):
    """Neither do they quote the peer."""
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    with pytest.raises(AuthenticationError) as caught:
        client.receive(server.accept(secret(NUMBER + 1)))
    assert caught.value.__cause__ is None
    assert not re.search(r"[0-9a-f]{8}|\\x", str(caught.value) + caught.value.hint)
