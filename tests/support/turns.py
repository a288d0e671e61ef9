"""A line with a delay that takes no time: it counts the round trips of one client and one server in this process.

What the server says is held back until the server waits for the client and has taken in all that the client has sent;
then all of it arrives at once, as it does on a line whose delay is far longer than anything that the two do. So the
number of round trips does not depend on how fast they are, and no clock is looked at. One for connecting; another one
each time that the client waits for the server after it has sent something.
"""

from __future__ import annotations

import contextlib
import sys
import threading

from secftp.crypto import SERVER_HELLO_BYTES
from secftp.transport.bandwidth import MeteredStream
from secftp.transport.stream import Stream
from tests.support.serving import DEADLINE


class Line:
    """One line; `turns` are the round trips since its connection was begun, `sent` the bytes of each flight."""

    def __init__(self):
        self.turns = 0
        self.flights = []
        self._changed = threading.Condition(threading.RLock())
        self._new()

    def _new(self):
        self.up_sent = self.up_taken = self.down_sent = self.down_taken = self.released = 0
        self.server_waits = False
        self.server_is_behind = False  # it can't go on sending, since the client has not taken what was released
        self.flight = 0  # bytes that the client has sent since it last waited

    def connected(self):
        with self._changed:
            self._new()
            self.turns += 1

    @contextlib.contextmanager
    def change(self):
        with self._changed:
            yield
            self._changed.notify_all()

    def arrive(self):
        """Let everything arrive that the server answers to what the client has sent."""
        with self._changed:
            if self.flight:
                self.turns += 1
                self.flights.append(self.flight)
                self.flight = 0
            assert self._changed.wait_for(self._has_answered, DEADLINE), "the server goes on and on"
            self.released = self.down_sent

    def _has_answered(self):
        if self.down_taken < SERVER_HELLO_BYTES:
            return self.down_sent >= SERVER_HELLO_BYTES or self.server_waits
        if self.server_is_behind and self.down_sent > self.down_taken:
            return True
        return self.server_waits and self.up_taken == self.up_sent and not self.server_is_behind


def _client_stream(line):
    class ClientStream(Stream):
        def __init__(self, sock):
            super().__init__(sock)
            line.connected()

        def try_send(self, view):
            with line.change():
                count = super().try_send(view)
                line.up_sent += count
                line.flight += count
                return count

        def try_receive(self, view):
            ready = line.released - line.down_taken
            if not ready:
                return None
            count = super().try_receive(view[:ready])
            line.down_taken += count or 0
            return count

        def receive_into(self, view, timeout):
            if line.released == line.down_taken:
                line.arrive()
            if line.released == line.down_taken:
                return Stream.try_receive(self, view) or 0  # the server has ended, or says nothing
            return super().receive_into(view, timeout)

    return ClientStream


def _server_stream(line):
    class ServerStream(MeteredStream):
        def try_send(self, view):
            with line.change():
                count = super().try_send(view)
                line.down_sent += count
                return count

        def try_receive(self, view):
            with line.change():
                count = super().try_receive(view)
                if count is not None:
                    line.up_taken += count
                    line.server_waits = count == 0
                return count

        def receive_into(self, view, timeout):
            if (count := self.try_receive(view)) is not None:
                return count
            with line.change():
                line.server_waits = True
            return super().receive_into(view, timeout)

        def wait_to_send(self, timeout, *, or_receive):
            with line.change():
                line.server_is_behind = True
            try:
                return super().wait_to_send(timeout, or_receive=or_receive)
            finally:
                with line.change():
                    line.server_is_behind = False

        def close(self):
            with line.change():
                line.server_waits, line.up_taken = True, line.up_sent
            super().close()

    return ServerStream


@contextlib.contextmanager
def counted_turns(monkeypatch):
    """A `Line` between the next client and the next server of this process."""
    line = Line()
    with monkeypatch.context() as patch:
        # By its name in sys.modules: the package has a function of that name.
        patch.setattr(sys.modules["secftp.transport.connect"], "Stream", _client_stream(line))
        patch.setattr("secftp.transport.listener.MeteredStream", _server_stream(line))
        # What the kernel measures is the loopback interface, which is nearer than this line.
        patch.setattr("secftp.transport.channel.Channel.round_trip", None)
        yield line
