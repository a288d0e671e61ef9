"""Checks in the core itself: the layers above check first, but the core does not depend on them."""

from __future__ import annotations

import pytest

from secftp.crypto import ClientExchange, Mode, Password, ServerExchange, Suite
from secftp.errors import AuthenticationError, CoreError
from tests.model import vectors
from tests.model.failure import Failure
from tests.seamed.product import C2S, CLIENT_DRAWS, SERVER_DRAWS, STORY, Sealed, W, flipped, seams

__all__ = ["seams"]

NAMED = vectors.load_named()
IN_HEADER = {Failure.MAGIC, Failure.VERSION, Failure.STATUS, Failure.SUITE, Failure.MODE, Failure.RESERVED}

REPLIES = [case for case in NAMED.handshakes if case.by == "client" and case.failure in IN_HEADER]


def by_name(case) -> str:
    return case.name


suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)


def changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


@suites
@pytest.mark.parametrize(
    ("at", "value"),
    [*((at, 0) for at in range(6)), (6, 0), (6, 2), (7, 3), (7, 255), (8, 2), (8, 255), (9, 1), (10, 1), (11, 128)],
)
def test_a_malformed_hello_is_refused_before_anything_is_drawn(seams, suite, at, value):
    recording = seams.record(suite, [], [])
    with pytest.raises(AuthenticationError):
        ServerExchange(recording.password, changed(recording.client_hello, at, value))


@pytest.mark.parametrize("at", range(28, 60))
def test_an_anonymous_hello_with_a_name_is_refused(seams, at):
    recording = seams.record(Suite.AES128, [], [], mode=0)
    with pytest.raises(AuthenticationError):
        ServerExchange(recording.password, changed(recording.client_hello, at, 1))


@suites
@pytest.mark.parametrize(
    ("at", "value"),
    [*((at, 0) for at in range(7)), (6, 2), (7, 1), (7, 4), (8, 9), (9, 0), (9, 2), (10, 1), (10, 128), (11, 1)],
)
def test_a_reply_of_another_kind_than_was_asked_for_is_refused(seams, suite, at, value):
    """Whatever it proves: the header is compared, not only hashed."""
    recording = seams.record(suite, [], [])
    seams.draw(*CLIENT_DRAWS)
    exchange = ClientExchange(recording.password, suite, Mode.KEYED, bytes(32))
    assert exchange.hello == recording.client_hello
    with pytest.raises(AuthenticationError):
        exchange.finish(changed(recording.server_hello, at, value))
    with pytest.raises(CoreError, match="used"):
        exchange.finish(recording.server_hello)


def test_an_identity_of_more_than_64_bytes_is_no_identity(seams):
    lib, ffi = seams.lib, seams.ffi
    out, point = ffi.new("uint8_t[]", 32), bytes(65)
    for a, b, expected in ((64, 64, lib.SECFTP_OK), (65, 1, lib.SECFTP_MISUSE), (1, 65, lib.SECFTP_MISUSE)):
        assert lib.seam_tt_hash(bytes(a), a, bytes(b), b, point, point, point, W, out) == expected


def test_sizes_out_of_bounds_have_no_wire(seams):
    lib = seams.lib
    for suite in (-1, 3, 255):
        assert lib.secftp_wire_bytes(suite, 0) == 0
    for suite in Suite:
        assert lib.secftp_wire_bytes(suite, 65536) > 65536
        assert lib.secftp_wire_bytes(suite, 65537) == 0
        assert lib.secftp_wire_bytes(suite, 2**64 - 1) == 0


def test_nothing_is_freed_where_nothing_is(seams):
    for kind in ("password", "client", "server", "sealer", "opener"):
        getattr(seams.lib, f"secftp_{kind}_free")(seams.ffi.NULL)


@pytest.mark.parametrize("case", REPLIES, ids=by_name)
def test_a_header_that_does_not_fit_is_refused_with_a_good_proof(seams, case):
    """The author of these has the key, and the hashes are right for the changed bytes. Other layers are left out."""
    mine = case.client
    seams.draw(mine.client_iv, mine.x)
    exchange = ClientExchange(Password.from_secret(mine.w), mine.suite, mine.mode, mine.name.ljust(32, b"\0"))
    with pytest.raises(AuthenticationError):
        exchange.finish(case.flights[1].received.ljust(141, b"\0")[:141])


@suites
def test_without_randomness_there_is_no_handshake(seams, suite):
    """A generator that gives less than is asked for ends each step at each of its draws."""
    password = Password.from_secret(W)
    recording = seams.record(suite, [], [])
    for draws in range(len(CLIENT_DRAWS)):
        seams.draw(*CLIENT_DRAWS[:draws], b"short")
        with pytest.raises(CoreError):
            ClientExchange(password, suite, Mode.KEYED, bytes(32))
        seams.lib.seam_random_clear()
    for draws in range(len(SERVER_DRAWS)):
        seams.draw(*SERVER_DRAWS[:draws], b"short")
        with pytest.raises(CoreError):
            ServerExchange(password, recording.client_hello)
        seams.lib.seam_random_clear()
    seams.draw(b"short")
    with pytest.raises(CoreError):
        Password.random()
    seams.lib.seam_random_clear()


def test_a_generator_that_only_draws_numbers_out_of_range_is_given_up(seams):
    """0 and the order itself are drawn again, but not for ever."""
    order = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
    seams.draw(bytes(32), order, W)
    assert Password.random().secret() == W
    seams.draw(*[bytes(32), order] * 8)
    with pytest.raises(CoreError):
        Password.random()


@suites
def test_a_call_that_fails_between_two_epochs_ends_the_direction(seams, suite):
    """Every call of a batch of several frames over several epochs: what failed is dead, and nothing was sent."""
    lib = seams.lib
    lib.seam_set_epoch_bits(1)
    whole = [*STORY, Sealed(3, 0, bytes(100)), Sealed(3, 0, bytes(90)), *STORY]
    wire = seams.seal(seams.pair(suite, C2S)[0], whole)
    for sealing in (True, False):
        nth = failed = 0
        while True:
            nth += 1
            sealer, opener = seams.pair(suite, C2S)
            lib.seam_calls_arm(nth, 0)
            try:
                status = seal_status(seams, sealer, whole) if sealing else seams.open(opener, wire)[0]
            finally:
                seen = lib.seam_calls_disarm()
            if seen:
                break
            assert status in (lib.SECFTP_LIBCRYPTO, lib.SECFTP_NO_ALGORITHM, lib.SECFTP_NO_MEMORY)
            again = seal_status(seams, sealer, whole) if sealing else seams.open(opener, wire)[0]
            assert again == lib.SECFTP_MISUSE
            failed += 1
        assert status == lib.SECFTP_OK
        assert failed > 20


def seal_status(seams, sealer, frames) -> int:
    try:
        seams.seal(sealer, frames)
    except CoreError as problem:
        return seams.lib.SECFTP_MISUSE if "used after it had failed" in str(problem) else seams.lib.SECFTP_LIBCRYPTO
    return seams.lib.SECFTP_OK


@suites
def test_a_frame_is_not_opened_by_the_other_direction_or_another_number(seams, suite):
    wires = seams.story(suite)
    assert seams.open(seams.pair(suite, C2S, 1)[1], wires[0])[0] == seams.lib.SECFTP_REFUSED
    assert seams.open(seams.pair(suite, b"\2" * 32)[1], wires[0])[0] == seams.lib.SECFTP_REFUSED
    assert seams.open(seams.pair(suite, C2S)[1], flipped(wires[0], 0))[0] == seams.lib.SECFTP_REFUSED
