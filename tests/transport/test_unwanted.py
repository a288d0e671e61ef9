"""Connections that are given up while they are being made, because they are not wanted any more."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from secftp.errors import ConnectionLost
from secftp.transport import connect, tcp_connect
from secftp.transport.tcp_connect import connect_first, resolve
from tests.support.serving import HOST, credentials
from tests.transport.test_race import LONG, hole


def wanted_once():
    """A function that says yes the first time and no from then on, and how often it was asked."""
    asked = []

    def wanted():
        asked.append(None)
        return len(asked) < 2

    return wanted, asked


def test_an_address_that_swallows_everything_holds_up_nobody_who_left():
    wanted, asked = wanted_once()
    with hole() as address, pytest.raises(ConnectionLost):
        connect_first([address], time.monotonic() + LONG, None, wanted)
    assert len(asked) == 2


def test_a_silent_name_server_holds_up_nobody_who_left(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(tcp_connect._Lookup, "run", lambda self: over.wait(LONG))
    monkeypatch.setattr(tcp_connect, "_look_up", raises_not_an_address)
    wanted, asked = wanted_once()
    try:
        with pytest.raises(ConnectionLost):
            resolve("several.example", 1, seconds=LONG, wanted=wanted)
    finally:
        over.set()
    assert len(asked) == 2


def raises_not_an_address(*_):
    raise OSError("not an address")


def test_a_silent_server_holds_up_nobody_who_left():
    wanted, asked = wanted_once()
    with socket.create_server((HOST, 0)) as listener, pytest.raises(ConnectionLost):
        connect(HOST, listener.getsockname()[1], credentials(), timeout=LONG, wanted=wanted)
    assert len(asked) >= 2
