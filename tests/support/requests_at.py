"""A server's session over a real connection, without the server around it, with any rights, stores and stops."""

from __future__ import annotations

import contextlib
import socket
import threading

from secftp.errors import SecftpError
from secftp.protocol import Direction
from secftp.server.access import Rights
from secftp.server.requests import RequestContext
from secftp.server.session import ServerSession
from secftp.session import Session
from secftp.storage import LocalStore
from secftp.transport import Channel, Stream
from tests.support.channels import established
from tests.support.serving import DEADLINE, Wire

ALL = Rights(read=True, write=True, overwrite=True, list=True, delete=True)


class Recorder:
    """The log of a session: its lines, and its operations."""

    def __init__(self):
        self.told = []
        self.done = []
        self._changed = threading.Condition()

    def line(self, text, *_):
        self.lines([text])

    def lines(self, texts, *_):
        with self._changed:
            self.told += texts
            self._changed.notify_all()

    def operations(self, done):
        with self._changed:
            self.done += done
            self._changed.notify_all()

    def wait_for(self, text):
        with self._changed:
            assert self._changed.wait_for(lambda: any(text in line for line in self.told), DEADLINE), self.told


class Served:
    """A session at a server, and the client's end of its connection: an honest `session()` or a bare `wire()`."""

    def __init__(self, sock, ends, log, stopping, aborting):
        self.log = log
        self.stopping = stopping
        self.aborting = aborting
        self.problem = None  # what ended the session out of order, once `over`
        self.over = threading.Event()
        self._sock = sock
        self._ends = ends

    def session(self):
        return Session(Channel(Stream(self._sock), self._ends, Direction.TO_SERVER, timeout=DEADLINE))

    def wire(self, *, welcomed=True):
        wire = Wire(self._sock, Direction.TO_CLIENT)
        wire.establish(self._ends)
        if welcomed:
            assert type(wire.receive()).__name__ == "Welcome"
        return wire

    @property
    def results(self):
        return [(operation.name, operation.result) for operation in self.log.done]


@contextlib.contextmanager
def served(root, *, rights=ALL, store=None):
    """Serve one client. What the session raises is in `problem` afterwards, if it is an error of ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mine = socket.create_connection(listener.getsockname(), DEADLINE)
        yours = listener.accept()[0]
    client, server = established()
    log, stopping, aborting = Recorder(), threading.Event(), threading.Event()
    running = Served(mine, client, log, stopping, aborting)
    failures = []
    with contextlib.closing(store or LocalStore(root)) as files, mine, yours:
        channel = Channel(Stream(yours), server, Direction.TO_CLIENT, timeout=DEADLINE)
        at_server = ServerSession(RequestContext(channel, files, rights, log, aborting.is_set), stopping.is_set)

        def run():
            try:
                at_server.run()
                channel.flush()
            except SecftpError as problem:
                running.problem = problem
            except BaseException as failure:  # noqa: BLE001 - told below
                failures.append(failure)
            finally:
                channel.close()
                running.over.set()

        thread = threading.Thread(target=run, name="a session under test")
        thread.start()
        try:
            yield running
        finally:
            with contextlib.suppress(OSError):
                mine.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the session does not end"
    if failures:
        raise failures[0]
