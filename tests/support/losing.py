"""A connection on which a server's replies get lost: the request is done, and the client never learns of it."""

from __future__ import annotations

import contextlib
import functools
import threading

from tests.support.proxy import Way, relaying
from tests.support.serving import until


class Losing:
    """`port` leads to the server. Of the connections that are held nothing comes through that the server says."""

    def __init__(self):
        self.port = 0
        self.relay = None
        self._held = set()  # numbers of connections
        self._begins = lambda: True
        self._threads = []

    def way(self, number):
        return Way(change=functools.partial(self._treat, number))

    def _treat(self, number, _offset, data):
        return b"" if number in self._held and self._begins() else data

    def cut_when(self, condition, *, after=lambda: True, for_good=False):
        """Hold the connections that there are, and cut them as soon as the condition holds; later ones are whole.

        Where there is none yet, it is the first.

        `after`: when to begin with holding. `for_good`: there are no later ones, nothing listens any more.
        """
        numbers = range(len(self.relay.links) or 1)
        self._begins = after
        self._held.update(numbers)

        def watch():
            try:
                until(condition, "the server has done what it was asked to")
            finally:
                if for_good:
                    self.relay.listen_no_longer()
                for number in numbers:
                    self.relay.links[number].end()

        thread = threading.Thread(target=watch, name="cutter")
        self._threads.append(thread)
        thread.start()

    def join(self):
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@contextlib.contextmanager
def losing(port):
    """A `Losing` in front of a server's port."""
    made = Losing()
    with relaying(port, down=made.way) as relay:
        made.relay, made.port = relay, relay.port
        try:
            yield made
        finally:
            made.join()
