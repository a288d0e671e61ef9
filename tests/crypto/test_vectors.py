"""Published sessions of tests/vectors/secftp1.json against the product, in both directions, byte for byte."""

from __future__ import annotations

import unicodedata

import pytest

from secftp.crypto import Inbox, Mode, Opener, Password, Sealer, Suite
from secftp.keys import Key
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake
from tests.model import vectors
from tests.seamed.product import Sealed, contents, seams

__all__ = ["seams"]

SECFTP1 = vectors.load_secftp1()
KEYS = {session.key: session for session in SECFTP1.sessions if session.mode == Mode.KEYED}
EDGE = 2**20  # frames of an epoch

sessions = pytest.mark.parametrize(
    "session", SECFTP1.sessions, ids=lambda session: f"{session.suite.name}-{session.mode.name}-{session.name.hex()}"
)


def play(seams, session) -> tuple[Established, Established]:
    """The session's handshake with its draws; every message is compared on the way."""
    password = Password.from_secret(session.w)
    seams.draw(session.client_iv, session.x)
    client = ClientHandshake(password, Suite(session.suite), Mode(session.mode), session.name.decode())
    assert client.hello == session.client_hello
    server = ServerHandshake()
    asked = server.receive(session.client_hello)
    name = session.name.decode()
    assert asked == HelloReceived(Suite(session.suite), Mode(session.mode), name, session.client_iv)
    seams.draw(session.server_rand, session.y, session.nonce)
    assert server.accept(password) == session.server_hello
    mine = client.receive(session.server_hello)
    assert mine is not None
    assert mine.reply == session.client_finish
    yours = server.receive(session.client_finish)
    assert isinstance(yours, Established)
    return mine, yours


def to_seal(sealed) -> list[Sealed]:
    return [Sealed(item.frame.type, item.frame.flags, item.frame.payload, item.frame.padding) for item in sealed]


def check_way(seams, sealed, sealer: Sealer, opener: Opener) -> None:
    """Each frame sealed by itself is the published one; all of them in one stream open to what went in."""
    wires = [seams.seal(sealer, [frame]) for frame in to_seal(sealed)]
    for item, wire in zip(sealed, wires, strict=True):
        assert item.matches(wire)
        assert item.wire in (wire, None)
    opened = open_all(Inbox(opener), b"".join(wires))
    assert opened == [(item.frame.type, item.frame.flags, item.frame.payload) for item in sealed]


def open_all(inbox: Inbox, wire: bytes) -> list[tuple[int, int, bytes]]:
    inbox.room()[: len(wire)] = wire
    inbox.received(len(wire))
    opened = contents(inbox.frames())
    assert inbox.unopened == 0
    return opened


@sessions
def test_published_session(seams, session):
    """The secrets are the published ones, since each way's frames are those that the secrets make."""
    mine, yours = play(seams, session)
    check_way(seams, session.frames_c2s, mine.sealer, yours.opener)
    check_way(seams, session.frames_s2c, yours.sealer, mine.opener)


@sessions
def test_published_secrets(seams, session):
    """The two ways' secrets by themselves: frames sealed under them are the session's."""
    for secret, sealed in ((session.secret_c2s, session.frames_c2s), (session.secret_s2c, session.frames_s2c)):
        check_way(seams, sealed, *seams.pair(session.suite, secret))


@sessions
def test_published_frames_in_one_batch(seams, session):
    """Sealed side by side in the lanes, the frames are the same as one by one."""
    for secret, sealed in ((session.secret_c2s, session.frames_c2s), (session.secret_s2c, session.frames_s2c)):
        sealer, _ = seams.pair(session.suite, secret)
        wire = seams.seal(sealer, to_seal(sealed))
        for item in sealed:
            assert item.matches(wire[: item.wire_len])
            wire = wire[item.wire_len :]
        assert wire == b""


# From a key to w


@pytest.mark.parametrize("text", KEYS)
def test_published_key_gives_its_w(text):
    session = KEYS[text]
    assert Password.from_key(session.key_nfc_utf8).secret() == session.w
    for form in ("NFC", "NFD"):
        assert Key.from_text(unicodedata.normalize(form, text)).password().secret() == session.w


def test_published_keys_are_not_all_in_nfc():
    """Else the test above would not see a key that is stretched as it was typed."""
    assert any(text != unicodedata.normalize("NFC", text) or not text.isascii() for text in KEYS)
    assert {session.w for session in KEYS.values()} != {next(iter(KEYS.values())).w}


def test_published_anonymous_w():
    (w,) = {session.w for session in SECFTP1.sessions if session.mode == Mode.ANONYMOUS}
    assert Password.anonymous().secret() == w


# Rekeying


def test_published_rekeying(seams):
    rekey = SECFTP1.rekey
    seams.lib.seam_set_epoch_bits(rekey.interval_frames.bit_length() - 1)
    wires = [wire for _, wire in rekey.frames]
    frames = [Sealed(frame.type, frame.flags, frame.payload, frame.padding) for frame, _ in rekey.frames]
    assert len(frames) == 3 * rekey.interval_frames

    sealer, opener = seams.pair(rekey.suite, rekey.secret)
    assert [seams.seal(sealer, [frame]) for frame in frames] == wires
    inbox = Inbox(opener)
    assert [open_all(inbox, wire) for wire in wires] == [[frame[:3]] for frame in frames]

    sealer, opener = seams.pair(rekey.suite, rekey.secret)
    assert seams.seal(sealer, frames) == b"".join(wires)
    assert open_all(Inbox(opener), b"".join(wires)) == [frame[:3] for frame in frames]


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("calls", [(1, 1), (2,)], ids=["two calls", "one call"])
def test_published_rekeying_at_the_edge(seams, suite, calls):
    """Number 2^20 - 1 is under the first epoch's keys, number 2^20 under the second's."""
    edge = SECFTP1.rekey_edge
    wires = [wire for _, wire in edge.frames]
    frames = [Sealed(frame.type, frame.flags, frame.payload, frame.padding) for frame, _ in edge.frames]
    sealer, opener = seams.pair(suite, edge.secret, edge.start)
    sealed = b"".join(seams.seal(sealer, [frames.pop(0) for _ in range(call)]) for call in calls)
    if suite == edge.suite:
        assert sealed == b"".join(wires)
    assert open_all(Inbox(opener), sealed) == [(frame.type, frame.flags, frame.payload) for frame, _ in edge.frames]


def test_a_million_frames_lead_to_the_published_edge(seams):
    """No seam touches the numbers or the epochs here: 2^20 - 1 empty frames are sealed and opened first."""
    edge = SECFTP1.rekey_edge
    lib, ffi = seams.lib, seams.ffi
    assert (lib.seam_epoch_bits(), edge.start) == (20, EDGE - 1)
    sealer, opener = seams.pair(edge.suite, edge.secret)
    batch = lib.SECFTP_FRAMES_MAX
    size = batch * lib.secftp_wire_bytes(edge.suite, 0)
    buffer, frames, opened = (
        ffi.new("uint8_t[]", size),
        ffi.new("secftp_frame[]", batch),
        ffi.new("secftp_opened[]", batch),
    )
    written, count, consumed = ffi.new("size_t *"), ffi.new("size_t *"), ffi.new("size_t *")
    left = edge.start
    while left:
        some = min(batch, left)
        assert lib.secftp_seal(sealer._pointer, buffer, size, frames, some, written) == lib.SECFTP_OK
        assert lib.secftp_open(opener._pointer, buffer, written[0], opened, some, count, consumed) == lib.SECFTP_OK
        assert (count[0], consumed[0]) == (some, written[0])
        left -= some
    inbox = Inbox(opener)
    for frame, wire in edge.frames:
        assert seams.seal(sealer, [Sealed(frame.type, frame.flags, frame.payload)]) == wire
        assert open_all(inbox, wire) == [(frame.type, frame.flags, frame.payload)]
