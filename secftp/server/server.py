"""Accept loop of a server, and its shutdown.

A stopping server first accepts no more clients. Then idle sessions are closed, and transfers get a grace period; those
that are left are aborted with a message, and at last cut. No incomplete file remains.
"""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import SecftpError, UsageError
from secftp.server.admission import Admission
from secftp.server.connection import LINGER_SECONDS, ConnectionThread, MinRateMonitor, SharedState, SignalFlag
from secftp.server.options import ServerLimits
from secftp.server.registry import ConnectionRegistry
from secftp.server.requests.idempotency import CompletedChanges, CompletedCopies, ConfirmedFiles
from secftp.server.requests.versions import share_key
from secftp.server.session_limits import SlotLimit, log_slot_limit
from secftp.transport import Bandwidth, listen
from secftp.transport.compression import is_installed

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol.handshake import Established
    from secftp.server.access import Access
    from secftp.server.log import Log
    from secftp.server.pending import PendingConnection
    from secftp.server.proxies import Proxies
    from secftp.server.shared import Sharing
    from secftp.storage import Store
    from secftp.transport import Listener

GRACE_SECONDS: Final = 5.0
# Between telling transfers to abort and cutting their connections.
ABORT_SECONDS: Final = 1.0
# For all threads to notice that their connections were cut.
JOIN_SECONDS: Final = 5.0
DEFAULT_MAX_CLIENTS: Final = 256
_POLL_SECONDS: Final = 0.02


class FileServer:
    """Serves one store. `serve` runs until `stop` is called, from any thread or signal handler.

    `max_clients` replaces the number in `limits`. `grace` is how many seconds a transfer may go on after `stop`.
    `on_reload` is called in the accept loop after `reload`. `compression`: whether clients may have files compressed,
    if its library is installed. `proxies`: those whose connections begin with a PROXY header. `sharing`: what this
    server shares with others, which its caller ends.
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
        compression: bool = True,
        on_reload: Callable[[], None] | None = None,
        proxies: Proxies | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        limits = limits or ServerLimits()
        self._limits = limits
        self._others = None if sharing is None else sharing.guesses
        registry: ConnectionRegistry[ConnectionThread] = ConnectionRegistry(
            limits, max_clients or limits.max_clients, None if sharing is None else sharing.slots
        )
        # Now, not when a client asks for it: no peer determines when a module is searched for.
        self._shared = SharedState(store, access, log, limits, registry, compression and is_installed())
        if sharing is not None:
            self._shared.completed_changes = CompletedChanges(sharing.changes)
            self._shared.completed_copies = CompletedCopies(sharing.copies)
            self._shared.confirmed_files = ConfirmedFiles(sharing.files)
            if sharing.version_key is not None:
                share_key(sharing.version_key)
        self._grace = grace
        self._on_reload = on_reload
        self._proxies = proxies
        self._reload_requested = SignalFlag()
        self._draining = SignalFlag()
        self._access_lock = threading.Lock()  # from the choice of a session's store to its entry in the registry
        self._listener: Listener | None = None

    def serve(self, listener: Listener, *, on_stop: Callable[[], None] = lambda: None) -> None:
        """Accept clients until `stop`; return when the last one is gone. Closes the listener.

        `on_stop` is called when no more clients are accepted, before transfers are waited for.
        """
        self._listener = listener
        shared = self._shared
        admission = Admission(
            listener,
            self._limits,
            shared.log,
            access=lambda: shared.access,
            limit_for=shared.registry.limit_for,
            admit=self._admit,
            proxies=self._proxies,
            others=self._others,
        )
        if self._limits.limit_rate is not None:
            listener.bandwidth = Bandwidth(self._limits.limit_rate, self._on_bandwidth_wait)
        with MinRateMonitor(self._limits, shared.registry.all):
            self._accept_connections(admission)
        self._listener = None
        admission.close()
        listener.close()
        on_stop()
        while self._draining.is_set() and self._shared.registry.all() and not self._shared.stopping.is_set():
            time.sleep(_POLL_SECONDS)
        self._shut_down()

    def _accept_connections(self, admission: Admission) -> None:
        while not self._shared.stopping.is_set() and not self._draining.is_set():
            # Before the wait: a signal that came before there was a listener has woken nothing.
            if self._reload_requested.is_set():
                self._reload_requested.clear()
                if self._on_reload is not None:
                    self._on_reload()
            admission.run_once()

    def stop(self) -> None:
        """Start the shutdown; a second call aborts the transfers."""
        if self._shared.stopping.is_set():
            self._shared.aborting.set()
        self._shared.stopping.set()
        self._wake()

    def drain(self) -> None:
        """Accept no more clients; `serve` returns when those that are there have ended themselves, or after `stop`."""
        self._draining.set()
        self._wake()

    @property
    def is_transferring(self) -> bool:
        """Whether a client transfers something now, or has a request under way."""
        return any(connection.is_transferring or connection.is_busy for connection in self._shared.registry.all())

    def reload(self) -> None:
        """Have `on_reload` called; for signal handlers."""
        self._reload_requested.set()
        self._wake()

    def set_access(self, access: Access) -> None:
        """Replace keys and rules, also for handshakes in progress: a proof counts against the new ones.

        Existing sessions keep their grants. When this returns, no new session uses a store of the former keys.
        """
        with self._access_lock:
            self._shared.access = access

    def stores_in_use(self) -> set[Store]:
        """Return the stores of all sessions; after `set_access` no other store of the former keys comes into use."""
        return {connection.store for connection in self._shared.registry.all()}

    def _on_bandwidth_wait(self) -> None:
        self._shared.log.limit("bandwidth", "The rate limit is reached: transfers are slowed down.")

    def _wake(self) -> None:
        if (listener := self._listener) is not None:
            listener.wake()

    def _admit(self, pending: PendingConnection, established: Established) -> bool:
        """Start the thread of a client that has proved its key; False if that key opens nothing any more."""
        assert pending.hello is not None  # it was challenged
        assert pending.grant is not None
        registry = self._shared.registry
        with self._access_lock:  # a store that is chosen here is in use before a reload looks for unused ones
            grant = self._shared.access.confirm(pending.hello, pending.grant)
            if grant is None:
                return False
            connection = ConnectionThread(self._shared, pending, grant, established)
            added = registry.add(connection)
        pending.log.proved = True
        pending.log.key = grant.name
        pending.log.line("Received good response. Initializing communication.")
        if not added:
            log_slot_limit(pending.log, connection.refused_by or SlotLimit.ALL)
            pending.log.line("Refused: busy.")
            _close_rejected(pending)
            return True
        try:
            connection.thread.start()
        except (RuntimeError, MemoryError):  # this client has to come again, the others go on
            registry.remove(connection)
            pending.log.limit("threads", "No thread could be started for a client: it was rejected.")
            _close_rejected(pending)
        return True

    def _shut_down(self) -> None:
        registry, aborting = self._shared.registry, self._shared.aborting
        for connection in registry.all():
            connection.stop_when_idle()
        self._wait(self._grace, unless=aborting.is_set)
        aborting.set()
        self._wait(ABORT_SECONDS + LINGER_SECONDS)
        remaining = registry.all()
        for connection in remaining:
            connection.stream.interrupt()
        # One deadline for all: a thread that hangs in a file system must not delay the end once per connection.
        deadline = time.monotonic() + JOIN_SECONDS
        for connection in remaining:
            connection.thread.join(max(0.0, deadline - time.monotonic()))

    def _wait(self, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until the last connection is gone, but no longer than this."""
        deadline = time.monotonic() + seconds
        while self._shared.registry.all() and time.monotonic() < deadline and not unless():
            time.sleep(_POLL_SECONDS)


def open_listener(hosts: list[str], port: int) -> Listener:
    """Listen on these addresses, or on all if there are none; port 0 picks a free one. Raises `UsageError`."""
    try:
        return listen(hosts, port)
    except SecftpError:
        raise
    except OSError as problem:
        is_foreign = problem.errno == errno.EADDRNOTAVAIL
        raise UsageError(
            f"Can't listen on port {port}: {(problem.strerror or str(problem)).lower()}.",
            hint="Give an address of this machine." if is_foreign else "Give another port, or 0 for a free one.",
        ) from None


def _close_rejected(pending: PendingConnection) -> None:
    pending.log.handshake("busy")
    pending.stream.close()
    pending.log.line("Done.")
