"""Failures inside the core: each allocation of the core and of libcrypto in turn, and libcrypto's error queue."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from secftp.crypto import Inbox, Mode, Outbox, Password, ServerExchange, Suite
from secftp.errors import AuthenticationError, CoreError, SecftpError
from secftp.protocol.handshake import ClientHandshake, ServerHandshake
from tests.seamed.product import C2S, STORY, W, contents, flipped, seams, tell

__all__ = ["seams", "tell"]

pytestmark = pytest.mark.exhaustive

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)


def whole_session(password: Password, suite: Suite) -> None:
    """Everything that allocates, on whatever core is in place."""
    client, server = ClientHandshake(password, suite, Mode.KEYED), ServerHandshake()
    server.receive(client.hello)
    mine = client.receive(server.accept(password))
    yours = server.receive(mine.reply)
    outbox, inbox = Outbox(mine.sealer), Inbox(yours.opener)
    outbox.add(3, 0, b"whole")
    wire = outbox.seal()
    inbox.room()[: len(wire)] = wire
    inbox.received(len(wire))
    assert contents(inbox.frames()) == [(3, 0, b"whole")]


@suites
def test_every_allocation_of_the_core_fails_once(seams, suite):
    lib = seams.lib
    for nth in itertools.count(1):
        lib.seam_fail_allocation(nth)
        failure = failure_of(suite)
        lib.seam_fail_allocation(0)
        assert lib.seam_allocated() == 0
        if failure is None:
            break
        assert failure == (CoreError, "Out of memory in the core.")
    assert nth == 1 + 7  # a password, two sides, two sealers and two openers


def failure_of(suite: Suite) -> tuple[type[Exception], str] | None:
    """What a session fails with; the exception itself would keep the session's objects alive."""
    try:
        whole_session(Password.from_secret(W), suite)
    except SecftpError as problem:
        return type(problem), str(problem)
    return None


TOP = Path(__file__).resolve().parents[2]


def test_every_allocation_of_libcrypto_fails_once(tell):
    """In a process of its own, since libcrypto gives its allocations away only before the first one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.seamed.out_of_memory"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["leaks"] == []
    assert found["failed"] + found["survived"] == found["points"]
    assert found["points"] > 500
    assert found["failed"] > found["survived"]
    tell("allocations of libcrypto that failed", found["points"])


def faults(seams) -> dict[str, object]:
    """Calls that go wrong inside libcrypto or are refused, by name."""
    recording = seams.record(Suite.AES128, STORY, [])
    off_curve = recording.client_hello[:-1] + bytes([recording.client_hello[-1] ^ 1])
    off_curve_reply = (
        recording.server_hello[:92] + bytes([recording.server_hello[92] ^ 1]) + recording.server_hello[93:]
    )
    wrong_key = Password.from_secret(bytes(31) + b"\x09")

    def client(password: Password) -> ClientHandshake:
        return seams.client(password, Suite.AES128, Mode.KEYED)

    def forged() -> None:
        inbox = seams.inbox(Suite.AES128, C2S)
        wire = flipped(seams.story(Suite.AES128)[0], -1)
        inbox.room()[: len(wire)] = wire
        inbox.received(len(wire))
        inbox.frames()

    return {
        "secret 0": lambda: Password.from_secret(bytes(32)),
        "empty key": lambda: Password.from_key(b""),
        "hello off the curve": lambda: ServerExchange(recording.password, off_curve),
        "reply off the curve": lambda: client(recording.password).receive(off_curve_reply),
        "wrong key": lambda: client(wrong_key).receive(recording.server_hello),
        "forged frame": forged,
        "used up": lambda: seams.seal(seams.pair(Suite.AES128, C2S, 2**48)[0], STORY),
    }


@pytest.mark.parametrize("left", [False, True], ids=["empty", "with an error of another caller"])
def test_the_error_queue_is_left_as_it_was(seams, left):
    """It is one per thread, and hashlib and ssl use it, too: an error of ours would come up as theirs."""
    lib = seams.lib
    calls = faults(seams)
    lib.seam_error_clear()
    for name, call in calls.items():
        if left:
            lib.seam_error_leave()
        with pytest.raises((AuthenticationError, CoreError)):
            call()
        assert lib.seam_error_clear() == left, name
        lib.seam_random_clear()
    if left:
        lib.seam_error_leave()
    whole_session(Password.from_secret(W), Suite.AES256)
    assert lib.secftp_self_test() == lib.SECFTP_OK
    assert lib.seam_error_clear() == left


# --- calls to libcrypto, one after another ----------------------------------------------------------------------------


def session_with_keys(suite):
    """A whole session, and every way to a password."""
    whole_session(Password.from_secret(W), suite)
    for make in (Password.anonymous, Password.random, lambda: Password.from_key(b"correct horse")):
        make().secret()


@pytest.mark.parametrize("shortened", [False, True], ids=["fails", "writes less"])
@suites
def test_every_call_to_libcrypto_fails_once(seams, suite, shortened, tell):
    lib = seams.lib
    failed = 0
    for nth in itertools.count(1):
        lib.seam_calls_arm(nth, shortened)
        try:
            session_with_keys(suite)
            outcome = None
        except (CoreError, AuthenticationError) as problem:
            outcome = type(problem)
            del problem
        if lib.seam_calls_disarm():
            break
        assert outcome is not None, f"call {nth} failed and was not noticed"
        assert lib.seam_allocated() == 0
        failed += 1
    assert failed > 60
    tell(f"calls to libcrypto that {'wrote less' if shortened else 'failed'}", failed)


@pytest.mark.parametrize("shortened", [False, True], ids=["fails", "writes less"])
def test_the_self_test_fails_with_every_call_to_libcrypto(seams, shortened):
    lib = seams.lib
    for nth in itertools.count(1):
        lib.seam_calls_arm(nth, shortened)
        status = lib.secftp_self_test()
        if lib.seam_calls_disarm():
            break
        assert status not in (lib.SECFTP_OK, lib.SECFTP_MISUSE), f"call {nth} failed and was not noticed"
        assert lib.seam_allocated() == 0
    assert nth > 60
    assert status == lib.SECFTP_OK
