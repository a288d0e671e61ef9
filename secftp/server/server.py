"""The accept loop, and an orderly end.

The server stops in steps: no new clients; idle sessions are told and transfers get a few seconds; those that are left
are broken off with a word, and at last cut. Whatever was not complete by then is not there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp.server.client import LINGER_SECONDS, Client, Registry, Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Listener, Peer, Stream
    from secftp.server.access import Access
    from secftp.server.log import Log
    from secftp.storage import Store

GRACE_SECONDS: Final = 5.0
# Between telling transfers to break off and cutting their connections.
HURRY_SECONDS: Final = 1.0
# For a thread to notice that its connection was cut.
JOIN_SECONDS: Final = 5.0
# Connections beyond the sessions that may be in their handshake at once.
PENDING_MAX: Final = 128
DEFAULT_MAX_CLIENTS: Final = 256


class Server:
    """Serves one store to whoever gets in. `serve` runs until `stop` is called, from any thread or signal handler."""

    def __init__(self, store: Store, access: Access, log: Log, *, max_clients: int = DEFAULT_MAX_CLIENTS) -> None:
        self._shared = Shared(store, access, log, Registry(max_clients, PENDING_MAX))
        self._listener: Listener | None = None

    def serve(self, listener: Listener) -> None:
        """Take clients until `stop`; returns when the last one is gone. Closes the listener."""
        self._listener = listener
        number = 0
        while not self._shared.stopping.is_set():
            accepted = listener.accept()
            if accepted is not None:
                number += 1
                self._start(number, *accepted)
        self._listener = None
        listener.close()
        self._wind_up()

    def stop(self) -> None:
        """Begin the end; a second call ends it without waiting for transfers."""
        if self._shared.stopping.is_set():
            self._shared.hurry.set()
        self._shared.stopping.set()
        if (listener := self._listener) is not None:
            listener.wake()

    def _start(self, number: int, stream: Stream, peer: Peer) -> None:
        registry = self._shared.registry
        client = Client(self._shared, number, stream, peer)
        if not registry.enter(client):
            stream.close()
            return
        try:
            client.thread.start()
        except RuntimeError:  # no thread to be had: this one has to come again, the others go on
            registry.leave(client)
            stream.close()
            self._shared.log.line("No thread could be started for a client; it was sent away.")

    def _wind_up(self) -> None:
        registry, hurry = self._shared.registry, self._shared.hurry
        for client in registry.all():
            client.let_go()
        self._wait(GRACE_SECONDS, unless=hurry.is_set)
        hurry.set()
        self._wait(HURRY_SECONDS + LINGER_SECONDS)
        remaining = registry.all()
        for client in remaining:
            client.stream.interrupt()
        for client in remaining:
            client.thread.join(JOIN_SECONDS)

    def _wait(self, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until the last client is gone, or for so long."""
        deadline = time.monotonic() + seconds
        while self._shared.registry.all() and time.monotonic() < deadline and not unless():
            time.sleep(0.02)
