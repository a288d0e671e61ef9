"""Isolation of stalls: a connection, file system or reader of the log that hangs delays nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import select
import socket
import threading
import time
import types

import pytest

import secftp
from secftp.api import pool as pool_module
from secftp.api.pool import Pool
from secftp.errors import SecftpError, TransferTimeout
from secftp.protocol import Stat
from secftp.server import log_output as outlet_module
from secftp.server import reload as reload_module
from secftp.server import server as server_module
from secftp.server.config import parse
from secftp.server.log import Log
from secftp.server.log_output import NonBlockingWriter
from secftp.server.reload import Reloader
from secftp.storage import LocalStore
from tests.support.programs import root, served
from tests.support.serving import DEADLINE, HOST, Lines, credentials, serving, session, until

__all__ = ["root", "served"]

pytestmark = pytest.mark.exhaustive


@contextlib.contextmanager
def silent():
    """The port of a server that takes connections and says nothing."""
    with socket.create_server((HOST, 0), backlog=64) as listener:
        yield listener.getsockname()[1]


class Caller:
    """A call in a thread, and what came of it."""

    def __init__(self, call):
        self.problem = self.result = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self.result = self._call()
        except SecftpError as problem:
            self.problem = problem

    def join(self):
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


# --- the Python API ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("within_five_seconds")
def test_requests_that_hang_give_their_places_to_others(served, monkeypatch):
    monkeypatch.setattr(pool_module, "SLOW_SECONDS", 1.0)
    pool = served.remote._pool
    with contextlib.ExitStack() as stack:
        for _ in range(pool_module.SHORT_MAX):
            stack.enter_context(pool.session())
        assert served.remote.exists("")


def test_connections_that_hang_hold_up_neither_others_nor_close(monkeypatch):
    monkeypatch.setattr(pool_module, "SLOW_SECONDS", 0.05)
    with silent() as port:
        pool = Pool(HOST, port, credentials(), timeout=1.5)
        callers = [Caller(lambda: pool.ask(lambda _: None)) for _ in range(pool_module.SHORT_MAX + 2)]
        until(lambda: len(pool._opening) == len(callers), "all are being made")
        began = time.monotonic()
        pool.close()
        assert time.monotonic() - began < 1.0
        for caller in callers:
            caller.join()
            assert isinstance(caller.problem, TransferTimeout)
        assert pool._opening == []


def test_a_file_system_is_closed_while_it_connects(tmp_path, monkeypatch):
    fs_module = pytest.importorskip("secftp.fsspec.filesystem")
    with silent() as port:
        fs = fs_module.SecftpFileSystem(HOST, port, key="a key", timeout=1.5, skip_instance_cache=True)
        caller = Caller(lambda: fs.client)
        until(fs._connecting.locked, "it connects")
        began = time.monotonic()
        fs.close()
        assert time.monotonic() - began < 1.0
        caller.join()
        assert isinstance(caller.problem, TransferTimeout)
    with secftp.Server(tmp_path, "a key") as server:
        fs = fs_module.SecftpFileSystem(HOST, server.port, key="a key", skip_instance_cache=True)
        begun, go_on, made = threading.Event(), threading.Event(), []

        def late(*arguments, **options):
            begun.set()
            assert go_on.wait(DEADLINE)
            made.append(secftp.connect(*arguments, **options))
            return made[0]

        monkeypatch.setattr("secftp.fsspec.connection.connect", late)
        caller = Caller(lambda: fs.client)
        assert begun.wait(DEADLINE)
        fs.close()
        go_on.set()
        caller.join()
        assert isinstance(caller.problem, secftp.UsageError)
        assert made[0].closed
        monkeypatch.undo()
        assert fs.exists("/")
        fs.close()


# --- file systems that hang -------------------------------------------------------------------------------------------


class HungStore(LocalStore):
    """A directory on a file system that hangs."""

    def __init__(self, root):
        super().__init__(root)
        self.hung = 0
        self.mended = threading.Event()

    def stat(self, path, *, partial=False):
        self.hung += 1
        assert self.mended.wait(DEADLINE)
        return super().stat(path, partial=partial)


def test_sessions_that_hang_hold_up_the_end_once(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "JOIN_SECONDS", 1.0)
    monkeypatch.setattr(server_module, "ABORT_SECONDS", 0.1)
    store = HungStore(tmp_path)
    try:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(serving(tmp_path, store=store))
            for _ in range(8):
                client = stack.enter_context(server.hostile())
                client.welcome()
                client.send(Stat(id=1, path=(b"name",)))
            until(lambda: store.hung == 8, "all hang")
            with session(server.port) as other:  # no other session notices
                assert other.can("stat")
            began = time.monotonic()
            server.server.stop()
            server.server.stop()
            until(lambda: not [one for one in threading.enumerate() if one.name == "server under test"], "its end")
            assert time.monotonic() - began < 6.0, "the waits add up"
    finally:
        store.mended.set()


def test_a_reload_that_hangs_does_not_keep_the_server_from_its_end(monkeypatch):
    monkeypatch.setattr(reload_module, "WAIT_SECONDS", 0.05)
    mended, begun = threading.Event(), threading.Event()

    def load(_options):
        begun.set()
        assert mended.wait(DEADLINE)
        raise secftp.KeyFormatError("mended")

    lines = Lines()
    options = parse(["0"])
    reloader = Reloader(options, Log(lines), types.SimpleNamespace(load=load), lambda: options)
    reloader.server = object()
    reloader()
    assert begun.wait(DEADLINE)
    assert next(one for one in threading.enumerate() if one.name == "secftp-reload").daemon
    began = time.monotonic()
    reloader.wait()
    assert time.monotonic() - began < DEADLINE / 2
    mended.set()
    lines.wait_for("mended")


def test_a_sweep_that_hangs_does_not_keep_a_store_from_being_closed(tmp_path, monkeypatch):
    sweep_module = importlib.import_module("secftp.storage.sweep")  # the function bears its name
    monkeypatch.setattr(sweep_module, "CLOSE_SECONDS", 0.05)
    mended = threading.Event()
    monkeypatch.setattr(sweep_module, "sweep", lambda *_, **__: mended.wait(DEADLINE))
    store = LocalStore(tmp_path, sweep=True)
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < DEADLINE / 2
    mended.set()


# --- the log ----------------------------------------------------------------------------------------------------------


def test_a_slow_reader_of_the_log_is_waited_for_once(monkeypatch):
    """It takes a little now and then, so that there is never an end to its slowness."""
    monkeypatch.setattr(outlet_module, "PATIENCE_SECONDS", 0.05)
    read_end, write_end = os.pipe()
    size = fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    waits = []

    class Counting:
        """A poll that counts how often it waits."""

        def __init__(self):
            self._poll = real()

        def register(self, *arguments):
            self._poll.register(*arguments)

        def poll(self, timeout):
            waits.append(timeout > 0)
            return self._poll.poll(timeout)

    real = select.poll
    monkeypatch.setattr(outlet_module.select, "poll", Counting)
    with open(read_end, "rb", buffering=0) as reader, open(write_end, "w", encoding="utf-8") as stream:
        outlet = NonBlockingWriter(stream)
        for _ in range(10):
            for _ in range(2 * size // 100):
                outlet.write("x" * 99 + "\n")
            assert outlet.lost
            reader.read(size)
            outlet.write("taken again\n")
            assert not outlet.lost
        before = waits.count(True)
        for _ in range(2 * size // 100):
            outlet.write("x" * 99 + "\n")
        assert waits.count(True) == before, "it is waited for again, and all sessions with it"
