"""The accept loop, and an orderly end.

The server stops in steps: no new clients; idle sessions are told and transfers get some seconds; those that are left
are broken off with a word, and at last cut. Whatever was not complete by then is not there.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.channel import Bandwidth
from secftp.server.admission import Admission
from secftp.server.connection import LINGER_SECONDS, ConnectionThread, MinRateMonitor, SharedState, SignalFlag
from secftp.server.limits import ServerLimits
from secftp.server.session_limits import ConnectionRegistry, SessionLimit, log_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Listener
    from secftp.handshake import Established
    from secftp.server.access import Access
    from secftp.server.admission import PendingConnection
    from secftp.server.log import Log
    from secftp.storage import Store

GRACE_SECONDS: Final = 5.0
# Between telling transfers to break off and cutting their connections.
HURRY_SECONDS: Final = 1.0
# For all threads to notice that their connections were cut.
JOIN_SECONDS: Final = 5.0
DEFAULT_MAX_CLIENTS: Final = 256


class FileServer:
    """Serves one store to whoever gets in. `serve` runs until `stop` is called, from any thread or signal handler.

    `limits` says what nobody gets more of; `max_clients` is the one of them that everybody wants to set, and counts
    before it. `grace` is how many seconds a transfer may take to its end once the server stops. `on_hangup` is called
    in the loop, after `hang_up`.
    """

    def __init__(
        self,
        store: Store,
        access: Access,
        log: Log,
        *,
        max_clients: int | None = None,
        limits: ServerLimits | None = None,
        grace: float = GRACE_SECONDS,
        on_hangup: Callable[[], None] | None = None,
    ) -> None:
        limits = limits or ServerLimits()
        self._limits = limits
        registry: ConnectionRegistry[ConnectionThread] = ConnectionRegistry(limits, max_clients or limits.max_clients)
        self._shared = SharedState(store, access, log, limits, registry)
        self._grace = grace
        self._on_hangup = on_hangup
        self._hung_up = SignalFlag()
        self._swapping = threading.Lock()  # between the choice of a store for a session and its place in the registry
        self._listener: Listener | None = None

    def serve(self, listener: Listener, *, on_stop: Callable[[], None] = lambda: None) -> None:
        """Take clients until `stop`; returns when the last one is gone. Closes the listener.

        `on_stop` is called in between: no client is taken any more, and transfers are waited for.
        """
        self._listener = listener
        shared = self._shared
        door = Admission(
            listener,
            self._limits,
            shared.log,
            access=lambda: shared.access,
            bound=shared.registry.bound,
            enter=self._enter,
        )
        if self._limits.bandwidth is not None:
            listener.bandwidth = Bandwidth(self._limits.bandwidth, self._tell_of_bandwidth)
        with MinRateMonitor(self._limits, shared.registry.all):
            self._take_clients(door)
        self._listener = None
        door.close()
        listener.close()
        on_stop()
        self._wind_up()

    def _take_clients(self, door: Admission) -> None:
        while not self._shared.stopping.is_set():
            # Before the wait: a signal that came before there was a listener has woken nobody.
            if self._hung_up.is_set():
                self._hung_up.clear()
                if self._on_hangup is not None:
                    self._on_hangup()
            door.turn()

    def stop(self) -> None:
        """Begin the end; a second call ends it without waiting for transfers."""
        if self._shared.stopping.is_set():
            self._shared.hurry.set()
        self._shared.stopping.set()
        self._wake()

    def hang_up(self) -> None:
        """Have `on_hangup` called; from a signal handler."""
        self._hung_up.set()
        self._wake()

    def admit_by(self, access: Access) -> None:
        """Let these keys and rules hold from now on, also for handshakes under way: a proof counts against them.

        Sessions under way keep what they were granted. When this returns, no new session uses a store of the keys
        before.
        """
        with self._swapping:
            self._shared.access = access

    def stores_in_use(self) -> set[Store]:
        """The stores of all sessions under way; after `admit_by` no other store of the keys before comes into use."""
        return {client.store for client in self._shared.registry.all()}

    def _tell_of_bandwidth(self) -> None:
        self._shared.log.limit("bandwidth", "The bandwidth is used up: transfers are slowed down.")

    def _wake(self) -> None:
        if (listener := self._listener) is not None:
            listener.wake()

    def _enter(self, visitor: PendingConnection, established: Established) -> bool:
        """Make a client of one that has proved what it was challenged for; False if that opens nothing any more."""
        assert visitor.hello is not None  # it was challenged
        assert visitor.grant is not None
        registry = self._shared.registry
        with self._swapping:  # a store that is looked up here is in use before a reload looks for those that are not
            grant = self._shared.access.confirm(visitor.hello, visitor.grant)
            if grant is None:
                return False
            client = ConnectionThread(self._shared, visitor, grant, established)
            entered = registry.enter(client)
        visitor.log.proved = True
        visitor.log.key = grant.name
        visitor.log.line("Received good response. Initializing communication.")
        if not entered:
            log_limit(visitor.log, client.refused_by or SessionLimit.ALL)
            visitor.log.line("Refused: busy.")
            visitor.log.handshake("busy")
            visitor.stream.close()
            visitor.log.line("Done.")
            return True
        try:
            client.thread.start()
        except (RuntimeError, MemoryError):  # this one has to come again, the others go on
            registry.leave(client)
            visitor.log.limit("threads", "No thread could be started for a client; it was sent away.")
            visitor.log.handshake("busy")
            visitor.stream.close()
            visitor.log.line("Done.")
        return True

    def _wind_up(self) -> None:
        registry, hurry = self._shared.registry, self._shared.hurry
        for client in registry.all():
            client.let_go()
        self._wait(self._grace, unless=hurry.is_set)
        hurry.set()
        self._wait(HURRY_SECONDS + LINGER_SECONDS)
        remaining = registry.all()
        for client in remaining:
            client.stream.interrupt()
        # All together: one that hangs in a file system must not hold up the end for each of them anew.
        deadline = time.monotonic() + JOIN_SECONDS
        for client in remaining:
            client.thread.join(max(0.0, deadline - time.monotonic()))

    def _wait(self, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until the last client is gone, or for so long."""
        deadline = time.monotonic() + seconds
        while self._shared.registry.all() and time.monotonic() < deadline and not unless():
            time.sleep(0.02)
