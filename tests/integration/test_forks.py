"""Connections across a fork: only the process that opened one can use it, undisturbed by the other."""

from __future__ import annotations

import contextlib

import pytest

import secftp
from secftp.api import entries as module
from secftp.crypto import Mode, Password, Suite
from secftp.keys import Key
from secftp.protocol import Bye, Stat
from secftp.protocol.handshake import ClientHandshake, Established, Status
from secftp.transport import Stream
from secftp.transport.accept import IncomingHandshake
from tests.support.channels import PATH, ends
from tests.support.forking import in_a_fork
from tests.support.programs import served

__all__ = ["ends", "served"]

REFUSED = "UsageError: A forked process can't use a connection of its parent."


USES = {
    "send": lambda channel: channel.send(Stat(id=1, path=PATH)),
    "send_data": lambda channel: channel.send_data(lambda _: 0, 1),
    "flush": lambda channel: channel.flush(),
    "ping": lambda channel: channel.ping(),
    "receive": lambda channel: channel.receive(),
    "waiting": lambda channel: channel.waiting(),
    "cancelled": lambda channel: channel.cancelled(1),
}


@pytest.mark.parametrize("use", USES)
def test_nothing_is_sent_or_received_in_a_forked_process(ends, use):
    """What waits on the socket is the parent's to receive, whatever the child tried."""
    client, server = ends.welcomed()
    client.send(Stat(id=1, path=PATH))
    client.flush()
    assert in_a_fork(lambda: USES[use](server)).startswith(REFUSED)
    assert server.receive() == Stat(id=1, path=PATH)


def test_what_was_sealed_and_could_not_be_sent_is_not_sent_in_a_forked_process(ends):
    client, server = ends.welcomed()
    client._unsent = b"sealed by the parent"
    client.last_sent = 0.0
    assert in_a_fork(client.ping).startswith(REFUSED)
    assert in_a_fork(client.flush).startswith(REFUSED)
    assert not server.waiting()


@pytest.mark.parametrize(
    "end",
    [
        lambda channel: channel.close(Bye()),
        lambda channel: channel.close(),
        lambda channel: channel.interrupt(),
        lambda channel: channel.linger(0.01),
        lambda channel: channel._stream.stop_receiving(),
        lambda channel: channel._stream.finish_sending(),
    ],
    ids=["goodbye", "close", "interrupt", "linger", "stop receiving", "finish sending"],
)
def test_a_forked_process_does_not_end_its_parents_connection(ends, end):
    """Nothing but its own copy of the descriptor is closed there: a shutdown would be one of the connection."""
    client, server = ends.welcomed()
    in_a_fork(lambda: end(client))
    client.send(Stat(id=1, path=PATH))
    client.flush()
    assert server.receive() == Stat(id=1, path=PATH)
    server.send(Bye())
    server.flush()
    assert client.receive() == Bye()


def test_a_handshake_under_way_takes_no_byte_in_a_forked_process(ends):
    """The server's loop in a forked copy of the program: the hello stays where the parent finds it."""
    ours, theirs = ends.sockets()
    password = Password.anonymous()
    handshake = ClientHandshake(password, Suite.AES128, Mode.ANONYMOUS)
    incoming = IncomingHandshake(Stream(ours))
    theirs.sendall(handshake.hello)
    assert in_a_fork(incoming.advance).startswith(REFUSED)
    while incoming.advance() is None:
        pass
    assert in_a_fork(lambda: incoming.challenge(password)).startswith(REFUSED)
    assert in_a_fork(lambda: incoming.refuse(Status.BUSY)).startswith(REFUSED)
    incoming.challenge(password)
    finish = handshake.receive(theirs.recv(4096)).reply
    theirs.sendall(finish)
    while (event := incoming.advance()) is None:
        pass
    assert isinstance(event, Established)


# --- programs ---------------------------------------------------------------------------------------------------------


def test_a_pool_begins_anew_in_a_forked_process(served):
    """The parent's idle connections are not in the child's pool, and its lock may be held by a thread that is gone."""
    (served.root / "file").write_bytes(b"x")
    served.remote.read_bytes("file")
    pool = served.remote._pool
    [idle] = pool._idle

    def use():
        held = pool._changed
        read = served.remote.read_bytes("file")
        return read, idle in pool._idle, len(pool._idle), held is pool._changed, idle._channel.fileno()

    with pool._changed:  # as a thread of the parent would hold it at the moment of the fork
        assert in_a_fork(use) == str((b"x", False, 1, False, -1))
    assert served.remote.read_bytes("file") == b"x"


def test_a_listing_that_ends_in_a_forked_process_gives_nothing_back(served, monkeypatch):
    """Its connection would be in the child's pool, and take its parent's answers from there."""
    monkeypatch.setattr(module, "AHEAD_ENTRIES", 4)
    for number in range(16):
        (served.root / f"{number}").write_bytes(b"")
    entries = served.remote.scandir()
    next(entries)
    pool = served.remote._pool

    def forsake():
        with contextlib.suppress(secftp.SecftpError):
            list(entries)
        entries.close()
        ours = [connection for connection in (*pool._idle, *pool._busy) if connection.belongs_here]
        return len(pool._idle) - len(ours), served.remote.exists("3"), served.remote.exists("99")

    assert in_a_fork(forsake) == str((0, True, False))
    assert len(list(entries)) == 15
    assert served.remote.exists("3")


def test_a_key_that_is_being_stretched_at_the_fork_can_be_used_in_the_child():
    """The thread that stretched it is not there to let the lock go. What was stretched before is not done again."""
    fresh, stretched = Key.from_text("a key of these tests"), Key.from_text("a key of these tests")
    password = stretched.password()
    for key in (fresh, stretched):
        with key._lock:
            assert in_a_fork(lambda key=key: key.password() is password) == str(key is stretched)


def test_a_client_that_is_closed_in_a_forked_process_stays_open_in_its_parent(served):
    (served.root / "file").write_bytes(b"x")
    served.remote.read_bytes("file")
    in_a_fork(served.remote.close)
    in_a_fork(lambda: served.remote.__exit__(None, None, None))
    assert served.remote.read_bytes("file") == b"x"


def test_a_connection_in_use_is_not_usable_in_a_forked_process(served):
    (served.root / "file").write_bytes(b"x")
    with served.remote._pool.session() as session:
        assert in_a_fork(lambda: session.stat((b"file",))).startswith(REFUSED)
        assert session.stat((b"file",)).size == 1
