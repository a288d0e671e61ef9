"""Freed, used, exhausted, forked or copied objects of the core: each refuses every further call."""

from __future__ import annotations

import copy
import os
import pickle

import pytest

from secftp.crypto import ClientExchange, Inbox, Mode, Outbox, Password, ServerExchange, Suite
from secftp.errors import AuthenticationError, CoreError
from secftp.protocol.handshake import ClientHandshake, Established, ServerHandshake
from tests.seamed.product import C2S, CLIENT_DRAWS, SERVER_DRAWS, STORY, Sealed, W, contents, flipped, seams
from tests.support.forking import in_a_fork

__all__ = ["seams"]

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)


@suites
def test_a_dead_opener_stays_dead(seams, suite):
    """Right after a forged frame, and for ever: the good frames do not bring it back."""
    wires = seams.story(suite)
    _, opener = seams.pair(suite, C2S)
    assert seams.open(opener, wires[0])[0] == seams.lib.SECFTP_OK
    assert seams.open(opener, flipped(wires[1], -1))[0] == seams.lib.SECFTP_REFUSED
    for wire in [wires[1], wires[0], *wires * 10]:
        assert seams.open(opener, wire) == (seams.lib.SECFTP_MISUSE, [], wire)


@suites
@pytest.mark.parametrize(
    "frame",
    [
        Sealed(3, 2),
        Sealed(3, 0x80),
        Sealed(3, 0, b"", 65537),
        Sealed(3, 0, b"x", 65536),
        Sealed(3, 0, b"", 2**32 - 1),
        Sealed(3, 0, bytes(65537)),
    ],
    ids=lambda frame: f"{frame.flags}-{len(frame.payload)}-{frame.padding}",
)
def test_misuse_of_a_sealer_takes_no_number(seams, suite, frame):
    """What can't be sealed is refused before a number is taken, and so does no harm."""
    lib, ffi = seams.lib, seams.ffi
    sealer, _ = seams.pair(suite, C2S)
    buffer, written = ffi.new("uint8_t[]", 2 * lib.SECFTP_WIRE_MAX), ffi.new("size_t *", 7)
    bad = ffi.new("secftp_frame[]", [(0, 0, 3, 0), (len(frame.payload), frame.padding, frame.type, frame.flags)])
    assert lib.secftp_seal(sealer._pointer, buffer, len(buffer), bad, 2, written) == lib.SECFTP_MISUSE
    assert written[0] == 0
    assert not any(bytes(ffi.buffer(buffer)))
    assert [seams.seal(sealer, [frame]) for frame in STORY] == seams.story(suite)


@suites
def test_a_sealer_is_told_how_much_room_there_is(seams, suite):
    lib, ffi = seams.lib, seams.ffi
    sealer, _ = seams.pair(suite, C2S)
    frames, written = ffi.new("secftp_frame[]", [(5, 2, 3, 0), (0, 0, 4, 1)]), ffi.new("size_t *")
    exact = lib.secftp_wire_bytes(suite, 7) + lib.secftp_wire_bytes(suite, 0)
    buffer = ffi.new("uint8_t[]", exact)
    assert lib.secftp_seal(sealer._pointer, buffer, exact - 1, frames, 2, written) == lib.SECFTP_MISUSE
    assert not any(bytes(ffi.buffer(buffer)))
    assert lib.secftp_seal(sealer._pointer, buffer, exact, frames, 2, written) == lib.SECFTP_OK
    assert written[0] == exact


@suites
def test_more_frames_than_one_call_takes(seams, suite):
    lib, ffi = seams.lib, seams.ffi
    sealer, opener = seams.pair(suite, C2S)
    limit = lib.SECFTP_FRAMES_MAX
    size = (limit + 1) * lib.secftp_wire_bytes(suite, 0)
    buffer, frames = ffi.new("uint8_t[]", size), ffi.new("secftp_frame[]", limit + 1)
    opened, sizes = ffi.new("secftp_opened[]", limit + 1), ffi.new("size_t[2]")
    assert lib.secftp_seal(sealer._pointer, buffer, size, frames, limit + 1, sizes) == lib.SECFTP_MISUSE
    assert lib.secftp_open(opener._pointer, buffer, 0, opened, limit + 1, sizes, sizes + 1) == lib.SECFTP_MISUSE
    assert lib.secftp_seal(sealer._pointer, buffer, size, frames, limit, sizes) == lib.SECFTP_OK
    assert lib.secftp_open(opener._pointer, buffer, sizes[0], opened, limit, sizes, sizes + 1) == lib.SECFTP_OK
    assert sizes[0] == limit


@suites
def test_both_ways_end_at_2_48(seams, suite):
    """The last number is used; the next call ends the object, and a batch across the end sends nothing of it."""
    last = 2**48 - 1
    sealer, opener = seams.pair(suite, C2S, last)
    wire = seams.seal(sealer, STORY[:1])
    assert seams.open(opener, wire)[0] == seams.lib.SECFTP_OK
    assert seams.open(opener, wire)[0] == seams.lib.SECFTP_EXHAUSTED
    assert seams.open(opener, wire)[0] == seams.lib.SECFTP_MISUSE
    for frames, start in ((STORY[:1], last + 1), (STORY[:2], last)):
        sealer, _ = seams.pair(suite, C2S, start)
        with pytest.raises(CoreError, match=r"2\^48"):
            seams.seal(sealer, frames)
        with pytest.raises(CoreError, match="it had failed"):
            seams.seal(sealer, STORY[:1])


def test_each_exchange_is_used_once(seams):
    """A second answer to one challenge, right or wrong, is no answer."""
    recording = seams.record(Suite.AES128, [], [])
    seams.draw(*CLIENT_DRAWS)
    client = ClientExchange(recording.password, Suite.AES128, Mode.KEYED, bytes(32))
    seams.draw(*SERVER_DRAWS)
    server = ServerExchange(recording.password, recording.client_hello)
    with pytest.raises(AuthenticationError):
        server.finish(flipped(recording.client_finish, 0))
    with pytest.raises(CoreError, match="used"):
        server.finish(recording.client_finish)
    client.finish(recording.server_hello)
    with pytest.raises(CoreError, match="used"):
        client.finish(recording.server_hello)


@pytest.mark.parametrize(
    ("suite", "mode", "name"), [(3, 1, b""), (-1, 1, b""), (1, 2, b""), (1, -1, b""), (1, 0, b"n")]
)
def test_a_client_is_not_started_with_what_no_server_takes(seams, suite, mode, name):
    with pytest.raises(CoreError):
        ClientExchange(Password.from_secret(W), suite, mode, name.ljust(32, b"\0"))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_lengths_are_checked_before_the_core_reads(seams, size):
    password = Password.from_secret(W)
    exchange = ClientExchange(password, Suite.NONE, Mode.KEYED, bytes(32))
    for call in (
        lambda: Password.from_secret(bytes(size)),
        lambda: ClientExchange(password, Suite.NONE, Mode.KEYED, bytes(size)),
        lambda: ServerExchange(password, bytes(size)),
        lambda: exchange.finish(bytes(size)),
    ):
        with pytest.raises(ValueError, match="bytes are needed"):
            call()


def product_pair() -> tuple[Established, Established]:
    """Both ends of a session of the product itself, without a seam."""
    password = Password.from_secret(W)
    client, server = ClientHandshake(password, Suite.AES128, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    mine = client.receive(server.accept(password))
    return mine, server.receive(mine.reply)


def test_a_forked_child_can_neither_seal_nor_open():
    """A copy of the numbers in another process would use them twice; the parent's stay good."""
    mine, yours = product_pair()
    outbox, inbox = Outbox(mine.sealer), Inbox(yours.opener)
    outbox.add(3, 0, b"before the fork")
    wire = outbox.seal()
    inbox.room()[: len(wire)] = wire
    inbox.received(len(wire))
    child = os.fork()
    if child == 0:
        verdict = 0
        for bit, use in ((1, lambda: outbox.add(3, 0, b"child") and outbox.seal()), (2, inbox.frames)):
            try:
                use()
            except CoreError:
                verdict |= bit
        os._exit(verdict)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    assert contents(inbox.frames()) == [(3, 0, b"before the fork")]
    outbox.add(3, 0, b"after it")
    wire = outbox.seal()
    inbox.room()[: len(wire)] = wire
    inbox.received(len(wire))
    assert contents(inbox.frames()) == [(3, 0, b"after it")]


@suites
@pytest.mark.parametrize("finishing", ["client", "server"])
def test_a_forked_child_can_not_finish_a_handshake(suite, finishing):
    """Both processes would have the same keys, and seal with the same numbers; the parent can still finish."""
    password = Password.from_secret(W)
    client = ClientExchange(password, suite, Mode.KEYED, bytes(32))
    server = ServerExchange(password, client.hello)
    if finishing == "client":
        refused = in_a_fork(lambda: client.finish(server.hello))
    else:
        finish, client_sealer, client_opener = client.finish(server.hello)
        refused = in_a_fork(lambda: server.finish(finish))
    assert refused.startswith("CoreError: A cipher state was used after")
    if finishing == "client":
        finish, client_sealer, client_opener = client.finish(server.hello)
    server_sealer, server_opener = server.finish(finish)
    for sealer, opener in ((client_sealer, server_opener), (server_sealer, client_opener)):
        outbox, inbox = Outbox(sealer), Inbox(opener)
        outbox.add(3, 0, b"after the fork")
        wire = outbox.seal()
        inbox.room()[: len(wire)] = wire
        inbox.received(len(wire))
        assert contents(inbox.frames()) == [(3, 0, b"after the fork")]


def test_a_forked_child_can_not_go_on_with_a_handshake_of_its_parent():
    """As programs have it: a hello that was sent, a challenge that was sent, a session that is just established."""
    password = Password.from_secret(W)
    client, server = ClientHandshake(password, Suite.AES256, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    challenge = server.accept(password)
    assert "CoreError" in in_a_fork(lambda: client.receive(challenge))
    mine = client.receive(challenge)
    assert "CoreError" in in_a_fork(lambda: server.receive(mine.reply))
    yours = server.receive(mine.reply)
    for side in (mine, yours):
        outbox, inbox = side.boxes()
        outbox.add(3, 0, b"x")
        assert "CoreError" in in_a_fork(outbox.seal)
        inbox.received(1)  # without anything new, the core is not asked
        assert "CoreError" in in_a_fork(inbox.frames)


def test_not_even_a_grandchild_can_finish_a_handshake():
    password = Password.from_secret(W)
    client = ClientExchange(password, Suite.AES128, Mode.KEYED, bytes(32))
    server = ServerExchange(password, client.hello)
    assert "CoreError" in in_a_fork(lambda: in_a_fork(lambda: client.finish(server.hello)))
    finish, _, _ = client.finish(server.hello)
    assert "CoreError" in in_a_fork(lambda: in_a_fork(lambda: server.finish(finish)))


def test_a_stretched_key_may_be_used_on_both_sides_of_a_fork():
    """It never changes. Each process draws randomness of its own, so that no two hellos and challenges are alike."""
    password = Password.from_secret(W)
    ClientExchange(password, Suite.AES128, Mode.KEYED, bytes(32))  # the generator of libcrypto was used before
    hello = ClientExchange(password, Suite.AES128, Mode.KEYED, bytes(32)).hello

    def drawn():
        client = ClientExchange(password, Suite.AES128, Mode.KEYED, bytes(32))
        server = ServerExchange(password, client.hello)
        finish, _, _ = client.finish(server.hello)
        server.finish(finish)
        return " ".join(
            part.hex()
            for part in (
                client.hello[12:28],  # the initialization vector
                client.hello[60:125],  # the client's share
                ServerExchange(password, hello).hello[12:28],  # the server's randomness
                server.hello[28:93],  # the server's share
                server.hello[93:109],  # the challenge
            )
        )

    draws = [in_a_fork(drawn).split(), in_a_fork(drawn).split(), drawn().split()]
    assert all(len(draw) == 5 for draw in draws)
    assert all(len(set(alike)) == 3 for alike in zip(*draws, strict=True))


def test_what_was_made_before_a_fork_can_be_freed_after_it(seams):
    """A forgotten copy is freed like anything else, and frees nothing of the parent's."""
    password = Password.from_secret(W)
    made = [ClientExchange(password, Suite.AES128, Mode.KEYED, bytes(32))]
    made.append(ServerExchange(password, made[0].hello))

    def forget():
        made.clear()
        return len(made)

    assert in_a_fork(forget) == "0"
    made[0].finish(made[1].hello)


def test_a_sealer_of_another_process_is_refused(seams):
    sealer, _ = seams.pair(Suite.AES128, C2S)
    seams.lib.seam_disown(sealer._pointer)
    with pytest.raises(CoreError, match="copied by fork"):
        seams.seal(sealer, STORY)


@pytest.mark.parametrize("double", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda way: way.__name__)
def test_nothing_of_the_core_can_be_copied(double):
    password = Password.from_secret(W)
    client = ClientExchange(password, Suite.AES128, Mode.KEYED, bytes(32))
    server = ServerExchange(password, client.hello)
    _, sealer, opener = client.finish(server.hello)
    for thing in (password, client, server, sealer, opener):
        with pytest.raises(TypeError, match="can't be copied or pickled"):
            double(thing)
