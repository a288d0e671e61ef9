"""Named vectors against the product: accepted or refused, by the right side, at the right step, permanently.

The product answers every reason alike, so a vector can't tell which check stopped it; the model has shown that each
passes all checks before its own. What the product can show is where it stops: with which exception, at which byte, and
whether anything was decrypted before.
"""

from __future__ import annotations

import pytest

from secftp.crypto import NAME_BYTES, Inbox, Mode, Password, Suite
from secftp.errors import AuthenticationError, CoreError, HandshakeRefused, ProtocolError, UsageError
from secftp.protocol.handshake import (
    ClientHandshake,
    Established,
    HelloReceived,
    ServerHandshake,
    Status,
    Unacceptable,
    encode_name,
)
from tests.model import named_plain, vectors
from tests.model.failure import Failure
from tests.seamed.product import Sealed, contents, seams

__all__ = ["seams"]

NAMED = vectors.load_named()
HELLO, REPLY, FINISH = range(3)
WHOLE, BYTEWISE = "whole", "bytewise"

# What each check is to its side's caller. A server refuses a hello with a status or with these, in silence.
BY_SERVER = {
    Failure.MAGIC: ProtocolError,
    Failure.RESERVED: ProtocolError,
    Failure.NAME: ProtocolError,
    Failure.POINT: AuthenticationError,
    Failure.IDENTITY: AuthenticationError,
    Failure.CONFIRMATION: AuthenticationError,
    Failure.NONCE: AuthenticationError,
}
BY_CLIENT = {
    Failure.MAGIC: ProtocolError,
    Failure.VERSION: HandshakeRefused,
    Failure.STATUS: HandshakeRefused,
    Failure.SUITE: AuthenticationError,
    Failure.MODE: AuthenticationError,
    Failure.RESERVED: AuthenticationError,
    Failure.POINT: AuthenticationError,
    Failure.IDENTITY: AuthenticationError,
    Failure.CONFIRMATION: AuthenticationError,
}


def by_name(case) -> str:
    return case.name


def test_every_vector_is_run():
    assert (len(NAMED.handshakes), len(NAMED.frames)) == (220, 318)
    assert {case.failure for case in NAMED.handshakes if case.by == "client"} == {*BY_CLIENT, Failure.INCOMPLETE}
    by_server = {case.failure for case in NAMED.handshakes if case.by == "server"}
    assert by_server == {*BY_SERVER, Failure.INCOMPLETE, Failure.VERSION, Failure.SUITE, Failure.MODE}


# Handshakes


class Play:
    """Both sides of one case, each with its own inputs and draws. A name that ours would not send is forced on it."""

    def __init__(self, seams, monkeypatch, case, delivery: str) -> None:
        self.seams, self.case = seams, case
        self.step = len if delivery == WHOLE else lambda _data: 1
        mine = case.client
        name = mine.name.decode("utf-8", "surrogateescape")
        if b"\0" in mine.name:
            with pytest.raises(UsageError):
                encode_name(name)
            monkeypatch.setattr(
                "secftp.protocol.handshake.encode_name", lambda _name: mine.name.ljust(NAME_BYTES, b"\0")
            )
        seams.draw(mine.client_iv, mine.x)
        self.client = ClientHandshake(Password.from_secret(mine.w), Suite(mine.suite), Mode(mine.mode), name)
        self.server = ServerHandshake()

    def deliver(self, receive, data: bytes):
        """All of it in pieces; nothing but the last piece may be answered."""
        step = self.step(data)
        for at in range(0, len(data) - step, step):
            if (answer := receive(data[at : at + step])) is not None:
                return answer
        return receive(data[-step:])

    def decide(self, hello: HelloReceived) -> Password | Status:
        server = self.case.server
        if hello.suite not in server.suites:
            return Status.SUITE
        if hello.mode not in server.modes:
            return Status.MODE
        if hello.mode is Mode.ANONYMOUS:
            return Password.anonymous()
        w = server.fallback_w
        if hello.name is not None:
            w = server.keys.get(hello.name.encode(), w)
        return Password.from_secret(w)

    def respond(self, hello: bytes) -> bytes | Status | None:
        """SERVER_HELLO, or the status of a refusal, or None while more must come."""
        event = self.deliver(self.server.receive, hello)
        if event is None:
            return None
        verdict = event.status if isinstance(event, Unacceptable) else self.decide(event)
        if isinstance(verdict, Status):
            return verdict
        server = self.case.server
        self.seams.draw(server.server_rand, server.y, server.nonce)
        try:
            return self.server.accept(verdict)
        finally:
            self.seams.lib.seam_random_clear()

    def reply(self, server_hello: bytes) -> Established | None:
        return self.deliver(self.client.receive, server_hello)

    def verify(self, finish: bytes) -> Established | None:
        return self.deliver(self.server.receive, finish)

    def assert_over(self, by: str) -> None:
        """A side that has refused takes nothing more, not even what would have been right."""
        side = self.client if by == "client" else self.server
        flight = self.case.flights[len(self.case.flights) - 1].sent
        with pytest.raises(ProtocolError):
            side.receive(flight)
        if side is self.server:
            with pytest.raises(ProtocolError):
                self.server.accept(Password.anonymous())


@pytest.mark.parametrize("delivery", [WHOLE, BYTEWISE])
@pytest.mark.parametrize("case", NAMED.handshakes, ids=by_name)
def test_handshake(seams, monkeypatch, case, delivery):
    play = Play(seams, monkeypatch, case, delivery)
    sent, results = play.client.hello, []
    steps = [play.respond, play.reply, play.verify][: len(case.flights)]
    for flight, step in zip(case.flights, steps, strict=True):
        assert sent == flight.sent
        if case.failure is not None and step == steps[-1]:
            check_refused(play, case, step, flight.received)
            return
        results.append(step(flight.received))
        sent = results[-1].reply if isinstance(results[-1], Established) else results[-1]
    mine, yours = results[REPLY], results[FINISH]
    assert yours.rest == mine.rest == b""
    check_way(seams, case.client.suite, case.secret_c2s, mine.sealer, yours.opener)
    check_way(seams, case.client.suite, case.secret_s2c, yours.sealer, mine.opener)


def check_refused(play: Play, case, step, received: bytes) -> None:
    assert case.by == ("client" if step == play.reply else "server")
    if case.failure is Failure.INCOMPLETE:
        assert step(received) is None
    elif case.status is not None:
        assert step(received) == case.status
        refusal = play.server.refuse(Status(case.status))
        assert refusal[:8] == b"SECFTP\1" + bytes([case.status])
        assert len(refusal) == 12
        play.assert_over(case.by)
    else:
        expected = (BY_CLIENT if case.by == "client" else BY_SERVER)[case.failure]
        with pytest.raises(expected):
            step(received)
        play.assert_over(case.by)


def check_way(seams, suite: int, secret: bytes, sealer, opener) -> None:
    """The direction's secret is this one: its frames are."""
    expected, _ = seams.pair(suite, secret)
    frame = Sealed(3, 0, b"whose key is this?")
    wire = seams.seal(sealer, [frame])
    assert wire == seams.seal(expected, [frame])
    assert seams.open(opener, wire)[1][0][:3] == frame[:3]


# Frames


def frames_of(case) -> list[Sealed]:
    return [Sealed(frame.type, frame.flags, frame.payload, frame.padding) for frame in case.opened]


def begin(seams, case):
    seams.lib.seam_set_epoch_bits(case.rekey_bits)
    return seams.pair(case.suite, case.secret)


@pytest.mark.parametrize("case", [case for case in NAMED.frames if case.failure is None], ids=by_name)
def test_valid_frames(seams, case):
    """Opened in one call with their padding, byte by byte, and sealed one by one and in one call."""
    frames, stream = frames_of(case), b"".join(case.wire)
    status, opened, _ = seams.open(begin(seams, case)[1], stream)
    assert status == seams.lib.SECFTP_OK
    assert [frame[:4] for frame in opened] == frames
    assert {frame.consumed for frame in opened} <= {len(stream)}

    inbox, out = Inbox(begin(seams, case)[1]), []
    for byte in stream:
        out += feed(inbox, bytes([byte]))
    assert out == [frame[:3] for frame in frames]
    assert inbox.unopened == 0

    sealer, _ = begin(seams, case)
    assert tuple(seams.seal(sealer, [frame]) for frame in frames) == case.wire
    assert seams.seal(begin(seams, case)[0], frames) == stream


def feed(inbox: Inbox, data: bytes) -> list[tuple[int, int, bytes]]:
    inbox.room()[: len(data)] = data
    inbox.received(len(data))
    return contents(inbox.frames())


def bytes_to_refuse(case) -> int:
    """How much of the bad frame must be there: its length field if that is wrong, otherwise all of it."""
    bad = case.wire[case.index]
    return 4 if case.failure is Failure.LENGTH else 4 + int.from_bytes(bad[:4], "big") + 16


def check_stream(seams, case, *, bytewise: bool) -> None:
    """What is before the bad frame opens; the bad frame is refused at its last byte, or at its length's."""
    stream = b"".join(case.wire)
    good = sum(len(wire) for wire in case.wire[: case.index])
    until = good + bytes_to_refuse(case)
    inbox, out = Inbox(begin(seams, case)[1]), []
    before = seams.lib.seam_decryptions()
    for wire in case.wire[: case.index]:
        out += feed(inbox, wire)
    assert out == [frame[:3] for frame in frames_of(case)]
    if case.failure is Failure.INCOMPLETE:
        assert until > len(stream), "this one is whole"
        assert feed(inbox, stream[good:]) == []
        assert inbox.unopened == len(stream) - good > 0
    else:
        for at in range(good, until - 1) if bytewise else ():
            assert feed(inbox, stream[at : at + 1]) == []
        last = until - 1 if bytewise else good + inbox.unopened
        with pytest.raises(AuthenticationError):
            feed(inbox, stream[last:until])
        with pytest.raises(CoreError):
            feed(inbox, stream[until:])
    decrypted = seams.lib.seam_decryptions() - before
    unread = case.failure in (Failure.LENGTH, Failure.TAG, Failure.INCOMPLETE)
    assert decrypted == (0 if case.suite == Suite.NONE else case.index + (not unread))


@pytest.mark.parametrize("case", [case for case in NAMED.frames if case.failure is not None], ids=by_name)
def test_invalid_frames(seams, case):
    check_stream(seams, case, bytewise=False)
    check_stream(seams, case, bytewise=True)


@pytest.mark.parametrize("case", [case for case in NAMED.frames if case.failure is not None], ids=by_name)
def test_invalid_frames_in_one_call(seams, case):
    """A batch with a bad frame hands out none, and wipes what was decrypted; the bad one's end may be missing."""
    lib = seams.lib
    _, opener = begin(seams, case)
    stream, before = b"".join(case.wire), lib.seam_decryptions()
    status, opened, left = seams.open(opener, stream)
    if case.failure is Failure.INCOMPLETE:
        assert (status, [frame[:4] for frame in opened]) == (lib.SECFTP_OK, frames_of(case))
        return
    assert (status, opened) == (lib.SECFTP_REFUSED, [])
    assert seams.open(opener, stream)[0] == lib.SECFTP_MISUSE
    if left == stream:  # a wrong length, here or where the bad frame leads to, is found before any frame is looked at
        assert case.failure in (Failure.LENGTH, Failure.TAG)
        assert lib.seam_decryptions() == before
    else:
        touched = sum(len(wire) for wire in case.wire[: case.index]) + bytes_to_refuse(case)
        assert left == bytes(touched) + stream[touched:]


def test_a_body_beyond_its_bound_inside_the_largest_frame(seams):
    check_stream(seams, named_plain.too_large(), bytewise=False)
