"""Clients that authenticate when all sessions are taken: they are told so, and their number is bounded."""

from __future__ import annotations

import contextlib

import pytest

from secftp.errors import ServerBusy
from secftp.protocol import Bye, ErrorCode, Welcome
from secftp.server import connection, registry
from secftp.server.options import ServerLimits
from tests.support.serving import serving, session, until

TURNED_AWAY = 2
ONE = ServerLimits(max_clients=1, handshake_seconds=600.0)  # those who are challenged first prove themselves last


@pytest.fixture
def patient(monkeypatch):
    """A server that gives those it turns away all the time of a test to leave, and has few threads for them."""
    monkeypatch.setattr(registry, "REJECTED_MAX", TURNED_AWAY)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 3600.0)


@contextlib.contextmanager
def challenged(server, count):
    """So many clients that have been challenged while there was a place, and have not proved themselves yet."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(server.hostile()) for _ in range(count)]


def turned_away(wire):
    """Prove it when there is no place; whether it is told so."""
    wire.flush()
    said = []
    with contextlib.suppress(ConnectionResetError):
        while (message := wire.receive()) is not None:
            said.append(message)
            if isinstance(message, Bye):
                break
    if not said:
        return False
    welcome, bye = said
    assert isinstance(welcome, Welcome)
    assert bye.code is ErrorCode.LIMIT
    return True


def test_only_so_many_are_told_at_once_that_there_is_no_place(tmp_path, patient):
    """Each has a thread for as long as it takes to tell it; the others are let go without one."""
    with serving(tmp_path, limits=ONE) as server, challenged(server, 1 + TURNED_AWAY + 3 + TURNED_AWAY) as wires:
        first, *others = wires
        later = [others.pop() for _ in range(TURNED_AWAY)]
        first.welcome()
        assert [turned_away(wire) for wire in others] == [True] * TURNED_AWAY + [False] * 3
        for wire in others[:TURNED_AWAY]:
            wire.close()
        until(lambda: len(server.server._shared.registry.all()) == 1, "those have left")
        assert all(turned_away(wire) for wire in later)


def test_a_place_that_is_free_again_is_had_by_the_next(tmp_path):
    with serving(tmp_path, max_clients=2) as server:
        for _ in range(5):
            with session(server.port) as one, session(server.port) as other:
                assert one.can("stat")
                assert other.can("stat")
                with pytest.raises(ServerBusy), session(server.port):
                    pass
            until(lambda: not server.server._shared.registry.all(), "both have left")


def test_those_who_are_told_that_there_is_no_place_take_none(tmp_path, patient):
    """They are there, with a thread each, when a session ends: its place is free at once."""
    with serving(tmp_path, limits=ONE) as server, challenged(server, 2 + TURNED_AWAY) as wires:
        first, *others = wires
        first.welcome()
        assert all(turned_away(wire) for wire in others[:TURNED_AWAY])
        first.close()
        until(lambda: len(server.server._shared.registry.all()) == TURNED_AWAY, "the place is free")
        others[TURNED_AWAY].welcome()
