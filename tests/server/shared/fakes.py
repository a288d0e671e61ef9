"""A Redis in the process that answers as it is told, for tests of what a server does with the answers."""

from __future__ import annotations

from secftp.server.log import Log
from secftp.server.shared.line import LineError
from secftp.server.shared.link import Link
from secftp.server.shared.names import Names
from secftp.server.shared.url import SharedUrl
from tests.support.serving import Lines

URL = SharedUrl("192.0.2.1", 6379)


class FakeLine:
    """A connection whose answers come from `answer(script, keys, values)` of its `FakeRedis`."""

    def __init__(self, redis):
        self._redis = redis
        self.closed = False

    def run(self, script, keys, values):
        assert not self.closed
        if self._redis.away:
            self.closed = True
            raise LineError("it can't be reached")
        self._redis.calls.append((script, tuple(keys), tuple(values)))
        return self._redis.answer(script, keys, values)

    def close(self):
        self.closed = True


class FakeRedis:
    """Calls that were made, and whether it is `away`; `connections` counts attempts to connect."""

    def __init__(self, answer=lambda script, keys, values: 0):
        self.answer = answer
        self.calls = []
        self.away = False
        self.refuses = False
        self.connections = 0

    def connect(self):
        self.connections += 1
        if self.refuses:
            raise LineError("it refuses the user, the password, or a command", is_refusal=True)
        if self.away:
            raise LineError("it can't be reached")
        return FakeLine(self)

    def scripts(self):
        return [script for script, _, _ in self.calls]


class Unstarted(Link):
    """A link whose thread is a method: `step`."""

    def __init__(self, redis, *, heartbeat=3.0):
        self.lines = Lines()
        super().__init__(URL, None, Log(self.lines), heartbeat=heartbeat, connect=redis.connect)

    def start(self):
        self._thread.start = lambda: None
        super().start()

    def step(self, *, due=True):
        """What the thread does when it is woken; `due`: its time has come."""
        if due:
            self._beat_at = 0.0
        self._step()


NAMES = Names(None)
